"""Voice cloning: the checks of MiniMax in MiniMax's order, then a voice that is not used yet."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tinytag import TinyTag, TinyTagException

from minimax.sandbox.api_errors import (
    ASR_MISMATCH,
    PROMPT_AUDIO_TOO_LONG,
    PROMPT_MISMATCH,
    UNKNOWN_ERROR,
    VOICE_CLONE_FORBIDDEN,
    VOICE_DURATION,
    Refusal,
    invalid_params,
)
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.files import File, Files
from minimax.sandbox.endpoints.text_to_audio import Speech, check_language, check_model
from minimax.sandbox.endpoints.voices import CLONED, Voices

# minimax-api: POST /v1/voice_clone.
SHORTEST_SAMPLE_SECONDS: Final = 10
LONGEST_SAMPLE_SECONDS: Final = 5 * 60
LONGEST_PROMPT_SECONDS: Final = 8
LARGEST_PREVIEW_CHARACTERS: Final = 1000
LARGEST_VALIDATION_CHARACTERS: Final = 200
SUFFIXES: Final = (".mp3", ".m4a", ".wav")
SHORTEST_VOICE_ID, LONGEST_VOICE_ID = 8, 256

MISMATCH_MARK: Final = "[mismatch]"
"""The sandbox understands no speech: a transcript with this mark is one that does not match."""

_VOICE_ID: Final = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9]")


class Cloning:
    """The voice_clone endpoint; `unverified` is an account that may not clone."""

    def __init__(
        self, *, files: Files, voices: Voices, speech: Speech, unverified: bool = False
    ) -> None:
        self._files = files
        self._voices = voices
        self._speech = speech
        self._unverified = unverified

    def clone(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/voice_clone."""
        params = Params(body)
        voice_id = _checked_shape(params)
        self._voices.check_free(voice_id)
        seconds = self._check_sample(params)
        self._check_prompt(params)
        _check_transcript(params)
        if self._unverified:
            raise Refusal(VOICE_CLONE_FORBIDDEN)
        if seconds is None:
            raise Refusal(UNKNOWN_ERROR)
        self._voices.create(voice_id, kind=CLONED)
        return {"input_sensitive": False, "input_sensitive_type": 0, **self._demo(params, voice_id)}

    def _check_sample(self, params: Params) -> float | None:
        """The sample's length; None for audio that cannot be read, which is told last."""
        sample = self._files.find(params.read_integer("file_id"), purpose="voice_clone")
        _check_suffix(sample)
        seconds = _audio_seconds(sample)
        if seconds is not None and seconds < SHORTEST_SAMPLE_SECONDS:
            raise Refusal(VOICE_DURATION, "voice duration too short")
        if seconds is not None and seconds > LONGEST_SAMPLE_SECONDS:
            raise Refusal(VOICE_DURATION, "voice duration too long")
        return seconds

    def _check_prompt(self, params: Params) -> None:
        if not params.has("clone_prompt"):
            return
        prompt = params.read_object("clone_prompt")
        if not prompt.has("prompt_audio"):
            raise invalid_params("prompt_audio or audio_url is required")
        transcript = prompt.read_text("prompt_text", required=True)
        clip = self._files.find(prompt.read_integer("prompt_audio"), purpose="prompt_audio")
        _check_suffix(clip)
        if (_audio_seconds(clip) or 0) >= LONGEST_PROMPT_SECONDS:
            raise Refusal(PROMPT_AUDIO_TOO_LONG)
        if MISMATCH_MARK in transcript:
            raise Refusal(PROMPT_MISMATCH)

    def _demo(self, params: Params, voice_id: str) -> dict[str, Any]:
        text = params.read_text("text")
        if not text:
            return {"demo_audio": ""}
        return self._speech.preview(text, model=params.read_text("model"), voice_id=voice_id)


def _checked_shape(params: Params) -> str:
    """The new voice's id, after all that can be refused without looking at files."""
    if not params.has("file_id"):
        raise invalid_params("file_id or audio_url is required")
    params.read_integer("file_id")
    voice_id = params.read_text("voice_id", required=True)
    _check_voice_id(voice_id)
    if params.read_text("text", max_length=LARGEST_PREVIEW_CHARACTERS):
        check_model(params.read_text("model", required=True))
    check_language(params)
    params.read_text("text_validation", max_length=LARGEST_VALIDATION_CHARACTERS)
    params.read_number("accuracy", low=0, high=1)
    for name in ("need_noise_reduction", "need_volume_normalization", "aigc_watermark"):
        params.read_flag(name)
    return voice_id


def _check_voice_id(voice_id: str) -> None:
    if not SHORTEST_VOICE_ID <= len(voice_id) <= LONGEST_VOICE_ID:
        raise invalid_params("voice_id length")
    if not (voice_id[0].isascii() and voice_id[0].isalpha()):
        raise invalid_params("voice_id first character")
    if not _VOICE_ID.fullmatch(voice_id):
        raise invalid_params("voice_id characters")


def _check_suffix(file: File) -> None:
    if file.suffix not in SUFFIXES:
        raise invalid_params("invalid file ext for voice clone")


def _check_transcript(params: Params) -> None:
    if MISMATCH_MARK in params.read_text("text_validation"):
        raise Refusal(ASR_MISMATCH)


def _audio_seconds(file: File) -> float | None:
    """The length by the sound itself: a recorder that writes to a pipe leaves its header open."""
    try:
        tag = TinyTag.get(file.content.path, tags=False)
    except TinyTagException:
        return None
    frame_bits = (tag.bitdepth or 0) * (tag.channels or 0) * (tag.samplerate or 0)
    held = tag.filesize * 8 / frame_bits if file.suffix == ".wav" and frame_bits else None
    if tag.duration and held:
        return min(tag.duration, held)
    return tag.duration or None
