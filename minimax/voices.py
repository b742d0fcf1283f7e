"""Voices: cloning one from a recording."""

import asyncio
import datetime
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

from minimax import downloads, media, places, retry
from minimax.errors import InputError, MaybeChargedError, MiniMaxError, Outcome, RefusedError
from minimax.models import ClonedVoice, CloneReply
from minimax.runtime import Runtime

__all__ = ["CloneRequest", "clone"]

VOICE_ID_RULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{6,254}[A-Za-z0-9]")
LONGEST_PREVIEW: Final = 1000
LONGEST_TEXT_VALIDATION: Final = 200
"""Characters (platform documentation "voice clone")."""
DEFAULT_SPEECH_MODEL: Final = "speech-2.8-hd"
TAKEN: Final = 2039
PREVIEW_TYPES: Final = frozenset({"audio/mpeg", "audio/wav", "audio/flac"})


@dataclass(frozen=True, kw_only=True)
class CloneRequest:
    """What a caller may say about a clone; None is "not given"."""

    audio: str
    voice_id: str | None = None
    preview_text: str | None = None
    model: str | None = None
    prompt_audio: str | None = None
    prompt_text: str | None = None
    text_validation: str | None = None
    accuracy: float | None = None
    language_boost: str | None = None
    need_noise_reduction: bool | None = None
    need_volume_normalization: bool | None = None


async def clone(runtime: Runtime, request: CloneRequest) -> ClonedVoice:
    """Upload a recording and make a voice from it.

    Raises:
        InputError: Something about the request would be refused; nothing was sent.
        MaybeChargedError: A billed preview was asked for, and no answer came.
        MiniMaxError: MiniMax refused or could not be reached.
    """
    _check(request)
    voice_id = request.voice_id or _made_voice_id(sandbox=runtime.settings.sandbox)
    body = await _uploaded(runtime, request)
    reply = await _cloned(runtime, request, body | {"voice_id": voice_id})
    return await _result(runtime, reply, voice_id=voice_id, file_id=str(body["file_id"]))


def _check(request: CloneRequest) -> None:
    if request.voice_id is not None and not VOICE_ID_RULE.fullmatch(request.voice_id):
        raise InputError(
            "voice_id must have 8 to 256 characters, begin with a letter, end with a letter or "
            "digit, and hold only letters, digits, - and _. Leave it out to have one made."
        )
    if (request.prompt_audio is None) != (request.prompt_text is None):
        raise InputError("prompt_audio and prompt_text belong together: give both or neither.")
    _check_length("preview_text", request.preview_text, LONGEST_PREVIEW)
    _check_length("text_validation", request.text_validation, LONGEST_TEXT_VALIDATION)


def _check_length(field: str, text: str | None, most: int) -> None:
    if text is not None and len(text) > most:
        raise InputError(f"{field} has {len(text)} characters; MiniMax takes {most} at most.")


def _made_voice_id(*, sandbox: bool) -> str:
    today = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    return f"{'sandbox' if sandbox else 'voice'}-{today}-{secrets.token_hex(4)}"


async def _uploaded(runtime: Runtime, request: CloneRequest) -> dict[str, Any]:
    """The request's body, its recordings replaced by the ids of their uploads.

    Both recordings are checked before the first is sent.
    """
    with await _opened(runtime, request.audio, "audio", media.CLONE_AUDIO) as sample:
        if request.prompt_audio is None:
            return _body(request) | {"file_id": await _upload(runtime, sample, "voice_clone")}
        with await _opened(
            runtime, request.prompt_audio, "prompt_audio", media.PROMPT_AUDIO
        ) as prompt:
            sample_id = await _upload(runtime, sample, "voice_clone")
            prompt_id = await _upload(runtime, prompt, "prompt_audio")
    clone_prompt = {"prompt_audio": prompt_id, "prompt_text": request.prompt_text}
    return _body(request) | {"file_id": sample_id, "clone_prompt": clone_prompt}


async def _opened(runtime: Runtime, source: str, field: str, rules: media.Rules) -> media.Input:
    text = places.without_decoration(source)
    return await asyncio.to_thread(
        media.open_input, text, field=field, rules=rules, settings=runtime.settings
    )


async def _upload(runtime: Runtime, file: media.Input, purpose: str) -> int:
    client = await runtime.client()
    file_id = await client.upload_file(
        file, name=file.name, media_type=file.media_type, purpose=purpose
    )
    return int(file_id)


def _body(request: CloneRequest) -> dict[str, Any]:
    model = request.model or (DEFAULT_SPEECH_MODEL if request.preview_text else None)
    fields = {
        "text": request.preview_text,
        "model": model,
        "text_validation": request.text_validation,
        "accuracy": request.accuracy,
        "language_boost": request.language_boost,
        "need_noise_reduction": request.need_noise_reduction,
        "need_volume_normalization": request.need_volume_normalization,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def _cloned(runtime: Runtime, request: CloneRequest, body: dict[str, Any]) -> CloneReply:
    client = await runtime.client()
    policy = retry.CLONE_WITH_PREVIEW if request.preview_text else retry.CLONE
    try:
        return await client.clone_voice(body, policy=policy)
    except RefusedError as refusal:
        if refusal.code != TAKEN or not refusal.after_unknown:
            raise
        return _taken_after_doubt(request, refusal)
    except MiniMaxError as error:
        if request.preview_text is None or error.outcome is not Outcome.UNKNOWN:
            raise
        raise _maybe_charged(error, body["voice_id"]) from None


def _taken_after_doubt(request: CloneRequest, refusal: RefusedError) -> CloneReply:
    """The id is taken, and an attempt before this one ended in doubt.

    An id that was made here for this very call can only have been taken by that attempt.
    """
    if request.voice_id is None:
        return CloneReply()
    raise RefusedError(
        f"The voice_id {request.voice_id} is taken. An earlier attempt of this call got no answer, "
        "so this may be the voice just cloned, or an older one of the same id. Speak with it to "
        "hear which, or call again with another voice_id.",
        code=refusal.code,
        trace_id=refusal.trace_id,
    )


def _maybe_charged(error: MiniMaxError, voice_id: str) -> MaybeChargedError:
    return MaybeChargedError(
        f"No answer came to the cloning of {voice_id}. The voice may exist, and the preview's "
        "characters may have been charged. Try to speak with this voice_id before cloning again, "
        "or call again without preview_text, which costs nothing.",
        outcome=Outcome.UNKNOWN,
        code=error.code,
        http_status=error.http_status,
        trace_id=error.trace_id,
    )


async def _result(
    runtime: Runtime, reply: CloneReply, *, voice_id: str, file_id: str
) -> ClonedVoice:
    saved, trouble = await _saved_preview(runtime, reply.demo_audio, voice_id)
    return ClonedVoice(
        voice_id=voice_id,
        status="cloned",
        file_id=file_id,
        demo_audio_url=reply.demo_audio or None,
        demo_audio_path=str(saved.path) if saved else None,
        next_step=runtime.next_step(
            f"The voice {voice_id} is ready. MiniMax deletes it unless it speaks within 7 days, "
            "charges for the clone when it first speaks, and lists it only from then on."
            f"{trouble}"
        ),
    )


async def _saved_preview(
    runtime: Runtime, url: str, voice_id: str
) -> tuple[media.SavedFile | None, str]:
    """The preview as a file; a preview that cannot be saved must not hide the paid voice."""
    if not url or runtime.settings.resource_mode == "url":
        return None, ""

    async def same_link() -> str:
        return url

    try:
        saved = await downloads.fetch(
            await runtime.client(),
            downloads.Link(same_link),
            stem=media.stem_for("preview", voice_id),
            types=PREVIEW_TYPES,
            folder=runtime.settings.base_path,
        )
    except MiniMaxError as error:
        return None, f" Its preview could not be saved: {error}"
    return saved, ""
