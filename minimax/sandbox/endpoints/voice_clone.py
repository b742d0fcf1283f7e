"""The voice_clone endpoint: MiniMax's checks in MiniMax's order, then a new, unused voice."""

import re
from collections.abc import Mapping
from typing import Any, Final

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
from minimax.sandbox.checks.audio import measure_audio
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.files import File, Files
from minimax.sandbox.endpoints.text_to_audio import TextToAudio, check_language, read_model
from minimax.sandbox.endpoints.voices import CLONED, Voices

# MiniMax API: POST /v1/voice_clone.
MIN_SAMPLE_SECONDS: Final = 10
MAX_SAMPLE_SECONDS: Final = 5 * 60
MAX_PROMPT_SECONDS: Final = 8
MAX_PREVIEW_CHARACTERS: Final = 1000
MAX_VALIDATION_CHARACTERS: Final = 200
SUFFIXES: Final = (".mp3", ".m4a", ".wav")
MIN_VOICE_ID_LENGTH, MAX_VOICE_ID_LENGTH = 8, 256

MISMATCH_MARK: Final = "[mismatch]"
"""A transcript with this mark counts as a mismatch, as the sandbox does not recognise speech."""

_VOICE_ID: Final = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9]")


class VoiceCloning:
    """The voice_clone endpoint; an `unverified` account is refused."""

    def __init__(
        self, *, files: Files, voices: Voices, text_to_audio: TextToAudio, unverified: bool = False
    ) -> None:
        self._files = files
        self._voices = voices
        self._text_to_audio = text_to_audio
        self._unverified = unverified

    def clone(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/voice_clone."""
        params = Params(body)
        _check_fields(params)
        voice_id = params.read_text("voice_id")
        self._voices.check_free(voice_id)
        seconds = self._check_sample(params)
        self._check_prompt(params)
        _check_transcript(params)
        if self._unverified:
            raise Refusal(VOICE_CLONE_FORBIDDEN)
        if seconds is None:
            raise Refusal(UNKNOWN_ERROR)
        self._voices.create(voice_id, voice_type=CLONED)
        return {
            "input_sensitive": False,
            "input_sensitive_type": 0,
            **self._make_preview(params, voice_id),
        }

    def _check_sample(self, params: Params) -> float | None:
        """Check the sample and return its length; None for unreadable audio, refused later."""
        sample = self._files.find(params.read_integer("file_id"), purpose="voice_clone")
        _check_suffix(sample)
        seconds = _measure_audio(sample)
        if seconds is not None and seconds < MIN_SAMPLE_SECONDS:
            raise Refusal(VOICE_DURATION, "voice duration too short")
        if seconds is not None and seconds > MAX_SAMPLE_SECONDS:
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
        if (_measure_audio(clip) or 0) >= MAX_PROMPT_SECONDS:
            raise Refusal(PROMPT_AUDIO_TOO_LONG)
        if MISMATCH_MARK in transcript:
            raise Refusal(PROMPT_MISMATCH)

    def _make_preview(self, params: Params, voice_id: str) -> dict[str, Any]:
        text = params.read_text("text")
        if not text:
            return {"demo_audio": ""}
        return self._text_to_audio.make_preview(
            text, model=params.read_text("model"), voice_id=voice_id
        )


def _check_fields(params: Params) -> None:
    """Check everything that does not need the uploaded files."""
    if not params.has("file_id"):
        raise invalid_params("file_id or audio_url is required")
    params.read_integer("file_id")
    _check_voice_id(params.read_text("voice_id", required=True))
    if params.read_text("text", max_length=MAX_PREVIEW_CHARACTERS):
        read_model(params)
    check_language(params)
    params.read_text("text_validation", max_length=MAX_VALIDATION_CHARACTERS)
    params.read_number("accuracy", low=0, high=1)
    for name in ("need_noise_reduction", "need_volume_normalization", "aigc_watermark"):
        params.read_flag(name)


def _check_voice_id(voice_id: str) -> None:
    if not MIN_VOICE_ID_LENGTH <= len(voice_id) <= MAX_VOICE_ID_LENGTH:
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


def _measure_audio(file: File) -> float | None:
    """Return the length in seconds, or None if the file is not readable audio."""
    if file.blob is None:
        return None
    with file.blob.path.open("rb") as source:
        return measure_audio(source)
