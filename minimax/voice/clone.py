"""Clones a voice from a recording."""

import asyncio
import datetime
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from minimax import delivery
from minimax.api import policies
from minimax.api.error_codes import INVALID_PARAMETER, SAMPLE_UNUSABLE, VOICE_ID_TAKEN
from minimax.api.json_body import drop_none
from minimax.api.replies import CloneReply
from minimax.catalog import DEFAULT_SPEECH_MODEL
from minimax.errors import InputError, MaybeChargedError, MiniMaxError, Outcome, RefusedError
from minimax.files import inputs
from minimax.files.requirements import CLONE_AUDIO, PROMPT_AUDIO, MediaRequirements
from minimax.files.source import FileId, Source, Url, identify, parse_source
from minimax.limits import ACCURACY, CLONE_PREVIEW_CHARACTERS, TEXT_VALIDATION_CHARACTERS
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning
from minimax.settings import Settings
from minimax.tool_results import ClonedVoice
from minimax.validation import check_length, check_range
from minimax.voice.voice_ids import check_voice_id

__all__ = ["CloneRequest", "clone"]

UPLOAD_IS_GONE: Final = frozenset({INVALID_PARAMETER, SAMPLE_UNUSABLE})
"""What MiniMax answers to a file id that it no longer knows."""


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


async def clone(
    runtime: Runtime, request: CloneRequest, *, within_seconds: float | None = None
) -> ClonedVoice:
    """Upload a recording and make a voice from it.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: Something about the request would be refused; nothing was sent.
        MaybeChargedError: A billed preview was asked for, and no answer came.
        MiniMaxError: MiniMax refused or could not be reached.
    """
    _check(request)
    recordings = await asyncio.to_thread(_parse_recordings, request, runtime.settings)
    identities = [await asyncio.to_thread(identify, source) for source in recordings]
    # A recording may be a data: URI of 28 MB, which must not be kept for as long as the result.
    key = runtime.work_key("clone", replace(request, audio="", prompt_audio=None), *identities)
    billed = request.preview_text is not None
    job = runtime.background.start(key, _CloneJob(runtime, request, recordings), paid=billed)
    try:
        voice: ClonedVoice = await runtime.background.join(key, within_seconds=within_seconds)
    except StillRunning:
        return _uploading_result(runtime, job.voice_id)
    return voice


class _Recordings(NamedTuple):
    audio: Source
    prompt_audio: Source | None


def _parse_recordings(request: CloneRequest, settings: Settings) -> _Recordings:
    audio = parse_source(request.audio, field="audio", settings=settings, takes_file_ids=True)
    if request.prompt_audio is None:
        return _Recordings(audio, None)
    prompt = parse_source(
        request.prompt_audio, field="prompt_audio", settings=settings, takes_file_ids=True
    )
    return _Recordings(audio, prompt)


class _UploadedRecordings(dict[tuple[str, str], int]):
    """File ids by purpose and content, so that a repeated clone does not upload again."""

    def __init__(self, _: Runtime) -> None:
        super().__init__()


class _CloneJob:
    """One recording on its way to a voice; its voice_id is settled from the start."""

    def __init__(self, runtime: Runtime, request: CloneRequest, recordings: _Recordings) -> None:
        self._runtime = runtime
        self._request = request
        self._recordings = recordings
        self._uploads = runtime.get_shared(_UploadedRecordings)
        self._reused_upload = False
        self.voice_id = request.voice_id or _new_voice_id(sandbox=runtime.settings.sandbox)

    async def __call__(self) -> ClonedVoice:
        """Make the voice, and let go of what it was made from."""
        try:
            return await self._clone()
        finally:
            del self._request, self._recordings  # the job is kept until somebody collects it

    async def _clone(self) -> ClonedVoice:
        """Make the voice; once more from the recording where an earlier upload is gone."""
        try:
            return await self._upload_and_clone()
        except RefusedError as refusal:
            if refusal.code not in UPLOAD_IS_GONE or not self._reused_upload:
                raise
        self._uploads.clear()
        return await self._upload_and_clone()

    async def _upload_and_clone(self) -> ClonedVoice:
        body = await self._upload_recordings()
        reply = await _request_clone(
            self._runtime, self._request, body | {"voice_id": self.voice_id}
        )
        return await _result(
            self._runtime, reply, voice_id=self.voice_id, file_id=str(body["file_id"])
        )

    async def _upload_recordings(self) -> dict[str, Any]:
        """The request's body, its recordings replaced by the ids of their uploads.

        Both recordings are checked before the first is sent.
        """
        audio, prompt_audio = self._recordings
        with ExitStack() as opened:
            sample = await self._open(opened, audio, "audio", CLONE_AUDIO)
            if prompt_audio is None:
                return _body(self._request) | {"file_id": await self._upload(sample, "voice_clone")}
            prompt = await self._open(opened, prompt_audio, "prompt_audio", PROMPT_AUDIO)
            sample_id = await self._upload(sample, "voice_clone")
            prompt_id = await self._upload(prompt, "prompt_audio")
        clone_prompt = {"prompt_audio": prompt_id, "prompt_text": self._request.prompt_text}
        return _body(self._request) | {"file_id": sample_id, "clone_prompt": clone_prompt}

    async def _open(
        self, opened: ExitStack, source: Source, field: str, requirements: MediaRequirements
    ) -> inputs.Input | int:
        """An opened recording, or the file id of an earlier upload."""
        if isinstance(source, FileId):
            return source.number
        if isinstance(source, Url) and source.is_http:
            self._refuse_links_in_sandbox(field)
            file = await inputs.open_url(source.text, field=field, requirements=requirements)
        else:
            file = await asyncio.to_thread(
                inputs.open_input, source, field=field, requirements=requirements
            )
        return opened.enter_context(file)

    def _refuse_links_in_sandbox(self, field: str) -> None:
        if self._runtime.settings.sandbox:
            raise InputError(
                f"{field}: the sandbox fetches nothing from outside. Give a path on this computer."
            )

    async def _upload(self, file: inputs.Input | int, purpose: str) -> int:
        if isinstance(file, int):
            return file
        key = (purpose, await asyncio.to_thread(file.digest))
        if key in self._uploads:
            self._reused_upload = True
            return self._uploads[key]
        client = await self._runtime.client()
        file_id = await client.upload_file(
            file, name=file.name, media_type=file.media_type, purpose=purpose
        )
        self._uploads[key] = int(file_id)
        return self._uploads[key]


def _check(request: CloneRequest) -> None:
    check_voice_id(request.voice_id)
    if (request.prompt_audio is None) != (request.prompt_text is None):
        raise InputError("prompt_audio and prompt_text belong together: give both or neither.")
    check_length("preview_text", request.preview_text, CLONE_PREVIEW_CHARACTERS)
    check_length("text_validation", request.text_validation, TEXT_VALIDATION_CHARACTERS)
    check_range("accuracy", request.accuracy, ACCURACY)


def _new_voice_id(*, sandbox: bool) -> str:
    today = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    return f"{'sandbox' if sandbox else 'voice'}-{today}-{secrets.token_hex(4)}"


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
    return drop_none(**fields)


async def _request_clone(
    runtime: Runtime, request: CloneRequest, body: dict[str, Any]
) -> CloneReply:
    client = await runtime.client()
    policy = policies.CLONE_WITH_PREVIEW if request.preview_text else policies.CLONE
    try:
        return await client.clone_voice(body, policy=policy)
    except RefusedError as refusal:
        if refusal.code != VOICE_ID_TAKEN or not refusal.after_unknown:
            raise
        return _handle_taken_id(request, refusal)
    except MiniMaxError as error:
        if request.preview_text is None or error.outcome is not Outcome.UNKNOWN:
            raise
        raise _maybe_charged(error, body["voice_id"]) from None


def _handle_taken_id(request: CloneRequest, refusal: RefusedError) -> CloneReply:
    """The id is taken, and an attempt before this one ended in doubt.

    An id that was made here for this very call can only have been taken by that attempt.
    """
    if request.voice_id is None:
        return CloneReply()
    raise RefusedError.after(
        refusal,
        f"The voice_id {request.voice_id} is taken. An earlier attempt of this call got no answer, "
        "so this may be the voice just cloned, or an older one of the same id. Speak with it to "
        "hear which, or call again with another voice_id.",
    )


def _maybe_charged(error: MiniMaxError, voice_id: str) -> MaybeChargedError:
    return MaybeChargedError.after(
        error,
        f"No answer came to the cloning of {voice_id}. The voice may exist, and the preview's "
        "characters may have been charged. Try to speak with this voice_id before cloning again, "
        "or call again without preview_text, which costs nothing.",
    )


def _uploading_result(runtime: Runtime, voice_id: str) -> ClonedVoice:
    return ClonedVoice(
        voice_id=voice_id,
        status="uploading",
        file_id=None,
        demo_audio_url=None,
        demo_audio_path=None,
        next_step=runtime.write_next_step(
            "The recording is still on its way; that goes on by itself. Call voice_clone again "
            "with exactly the same arguments: that joins it and tells when the voice is ready."
        ),
    )


async def _result(
    runtime: Runtime, reply: CloneReply, *, voice_id: str, file_id: str
) -> ClonedVoice:
    saved, problem = await delivery.save_preview(
        runtime, reply.demo_audio, voice_id=voice_id, folder=runtime.settings.base_path
    )
    return ClonedVoice(
        voice_id=voice_id,
        status="cloned",
        file_id=file_id,
        demo_audio_url=reply.demo_audio or None,
        demo_audio_path=str(saved.path) if saved else None,
        next_step=runtime.write_next_step(
            f"The voice {voice_id} is ready. MiniMax deletes it unless it speaks within 7 days, "
            "charges for the clone when it first speaks, and lists it only from then on."
            f"{delivery.saving_failed_text(problem, link='demo_audio_url')}"
        ),
    )
