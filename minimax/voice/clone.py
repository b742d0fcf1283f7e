"""Clones a voice from a recording."""

import asyncio
import datetime
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, cast

from minimax import delivery
from minimax.api import policies
from minimax.api.error_codes import (
    INVALID_PARAMETER,
    SAMPLE_UNUSABLE,
    VOICE_ID_TAKEN,
    name_known_models,
)
from minimax.api.json_body import drop_none
from minimax.api.replies import CloneReply
from minimax.catalog import (
    CLONE_PRICE_USD,
    DEFAULT_SPEECH_MODEL,
    SPEECH_PRICES_USD_PER_MILLION,
)
from minimax.errors import InputError, MiniMaxError, Outcome, RefusedError
from minimax.files import inputs
from minimax.files.requirements import CLONE_AUDIO, PROMPT_AUDIO, MediaRequirements
from minimax.files.source import FileId, Source, Url, identify, parse_source
from minimax.ledger.records import Kind
from minimax.limits import ACCURACY, CLONE_PREVIEW_CHARACTERS, TEXT_VALIDATION_CHARACTERS
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning
from minimax.settings import Settings
from minimax.spending.billed_result import BilledRequest, buy_result, keep_link, quote_result
from minimax.spending.consent import Quote
from minimax.spending.estimates import estimate_speech
from minimax.spending.wording import unused_voice_text
from minimax.tool_results import ClonedVoice
from minimax.validation import check_length, check_range
from minimax.voice.first_uses import KnownVoices
from minimax.voice.recordings import UploadedRecordings, delete_recordings
from minimax.voice.voice_ids import check_voice_id

__all__ = ["CloneRequest", "clone", "quote"]

CLONE_DEADLINE_SECONDS: Final = (
    2 * policies.UPLOAD.deadline_seconds + policies.CLONE_WITH_PREVIEW.deadline_seconds + 10
)
"""Two uploads and the clone itself; a purchase without an outcome after this has none."""
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
    delete_recording: bool = False


async def clone(
    runtime: Runtime,
    request: CloneRequest,
    *,
    second_charge_agreed: bool = False,
    within_seconds: float | None = None,
) -> ClonedVoice:
    """Upload a recording and make a voice from it.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: Something about the request would be refused; nothing was sent.
        SpendingLimitError: The preview would exceed the daily limit; nothing was sent.
        MaybeChargedError: A billed preview was asked for, and no answer came.
        UnansweredError: A clone with a preview takes longer than `within_seconds`.
        MiniMaxError: MiniMax refused or could not be reached.
    """
    _check(request)
    recordings = await asyncio.to_thread(_parse_recordings, request, runtime.settings)
    job = _CloneJob(runtime, request, recordings)
    if request.preview_text is not None:
        result = await buy_result(
            runtime,
            await job.prepare_preview(),
            second_charge_agreed=second_charge_agreed,
            within_seconds=within_seconds,
        )
        del result["reused"]
        return cast("ClonedVoice", result)
    identities = [await asyncio.to_thread(identify, source) for source in recordings]
    # A recording may be a data: URI of 28 MB, which must not be kept for as long as the result.
    key = runtime.work_key("clone", replace(request, audio="", prompt_audio=None), *identities)
    job = runtime.background.start(key, job)
    try:
        voice: ClonedVoice = await runtime.background.join(key, within_seconds=within_seconds)
    except StillRunning:
        return _uploading_result(runtime, job.voice_id)
    return voice


async def quote(runtime: Runtime, request: CloneRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to."""
    if request.preview_text is None:
        return None
    model = request.model or DEFAULT_SPEECH_MODEL
    price_usd = estimate_speech(model, request.preview_text)

    async def prepare() -> BilledRequest:
        recordings = await asyncio.to_thread(_parse_recordings, request, runtime.settings)
        return await _CloneJob(runtime, request, recordings).prepare_preview()

    priced = Quote(f"The preview of a cloned voice ({model})", price_usd)
    return await quote_result(runtime, priced, prepare)


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


class ClonedReply(CloneReply):
    """The reply, with the ids of this clone; that is what the ledger keeps."""

    voice_id: str
    file_id: str
    prompt_file_id: str = ""


class _CloneJob:
    """One recording on its way to a voice; its voice_id is settled from the start."""

    def __init__(self, runtime: Runtime, request: CloneRequest, recordings: _Recordings) -> None:
        self._runtime = runtime
        self._request = request
        self._recordings = recordings
        self._uploads = runtime.get_shared(UploadedRecordings)
        self._reused_upload = False
        self._uploaded: set[int] = set()
        self._deletes_recording = request.delete_recording
        self.voice_id = request.voice_id or _new_voice_id(sandbox=runtime.settings.sandbox)

    async def __call__(self) -> ClonedVoice:
        """Make the voice, without a preview."""
        return await self._finish(await self._send())

    async def prepare_preview(self) -> BilledRequest:
        """The clone with its preview, which is billed."""
        model = self._request.model or DEFAULT_SPEECH_MODEL
        text = self._request.preview_text or ""
        return BilledRequest(
            kind=Kind.CLONE_PREVIEW,
            tool="voice_clone",
            noun=f"The voice {self.voice_id} with a preview",
            model=model,
            prompt=text,
            price_usd=estimate_speech(model, text),
            identity=await self._identify(),
            send=self._send,
            make_result=self._make_result,
            without_content=_without_preview,
            deadline_seconds=CLONE_DEADLINE_SECONDS,
        )

    async def _identify(self) -> dict[str, Any]:
        """What makes two clones identical: the recordings' content, and what was asked for."""
        audio, prompt_audio = self._recordings
        return {
            **_body(self._request),
            **drop_none(delete_recording=self._request.delete_recording or None),
            "voice_id": self._request.voice_id,
            "prompt_text": self._request.prompt_text,
            "audio": await self._describe(audio, "audio", CLONE_AUDIO),
            "prompt_audio": prompt_audio
            and await self._describe(prompt_audio, "prompt_audio", PROMPT_AUDIO),
        }

    async def _describe(self, source: Source, field: str, requirements: MediaRequirements) -> str:
        if isinstance(source, FileId):
            return f"file {source.number}"
        if isinstance(source, Url):
            return source.text
        return await asyncio.to_thread(_digest, source, field, requirements)

    async def _make_result(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._finish(ClonedReply.model_validate(content))

    async def _finish(self, reply: ClonedReply) -> ClonedVoice:
        """What the caller is told, once the recording is deleted where that was asked for."""
        if not self._deletes_recording:
            return await _result(self._runtime, reply, file_id=reply.file_id)
        uploads = {"voice_clone": reply.file_id, "prompt_audio": reply.prompt_file_id}
        problems = await delete_recordings(self._runtime, uploads)
        return await _result(
            self._runtime,
            reply,
            file_id=reply.file_id if reply.file_id in problems else None,
            about_recording=_deletion_text(problems),
        )

    async def _send(self) -> ClonedReply:
        """Clone, and let go of the recordings: the job is kept until somebody collects it."""
        try:
            return await self._clone()
        finally:
            del self._request, self._recordings

    async def _clone(self) -> ClonedReply:
        """Clone; once more from the recording where an earlier upload is gone."""
        try:
            return await self._upload_and_clone()
        except RefusedError as refusal:
            if refusal.code not in UPLOAD_IS_GONE or not self._may_lack_upload:
                raise
        self._uploads.clear()
        return await self._upload_and_clone()

    @property
    def _may_lack_upload(self) -> bool:
        """Whether MiniMax may no longer have what was uploaded, or another clone has deleted it."""
        return self._reused_upload or not self._uploaded.issubset(self._uploads.values())

    async def _upload_and_clone(self) -> ClonedReply:
        body = await self._upload_before_charge()
        file_id, prompt = str(body["file_id"]), body.get("clone_prompt", {})
        try:
            reply = await _request_clone(
                self._runtime, self._request, body | {"voice_id": self.voice_id}
            )
        except RefusedError as refusal:
            if not self._deletes_recording:
                raise
            raise _kept_recording_error(refusal, file_id) from None
        return ClonedReply(
            demo_audio=reply.demo_audio,
            voice_id=self.voice_id,
            file_id=file_id,
            prompt_file_id=str(prompt.get("prompt_audio", "")),
        )

    async def _upload_before_charge(self) -> dict[str, Any]:
        try:
            return await self._upload_recordings()
        except MiniMaxError as error:
            if error.outcome is Outcome.UNKNOWN:
                error.outcome = Outcome.NOT_SENT  # of what is paid for
            raise

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
        self._uploaded.add(self._uploads[key])
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
            model = body.get("model", DEFAULT_SPEECH_MODEL)
            raise name_known_models(refusal, model, SPEECH_PRICES_USD_PER_MILLION) from None
        return _handle_taken_id(request, refusal)


def _without_preview(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply as the ledger keeps it: a link, but no sound as hex."""
    return {**reply, "demo_audio": keep_link(reply["demo_audio"])}


def _digest(source: Source, field: str, requirements: MediaRequirements) -> str:
    with inputs.open_input(source, field=field, requirements=requirements) as file:
        return file.digest()


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


def _uploading_result(runtime: Runtime, voice_id: str) -> ClonedVoice:
    return ClonedVoice(
        voice_id=voice_id,
        status="uploading",
        file_id=None,
        demo_audio_url=None,
        demo_audio_path=None,
        next_step=runtime.write_next_step(
            "The recording is still being uploaded, and the work continues. Call voice_clone again "
            "with exactly the same arguments: that joins it and says when the voice is ready."
        ),
    )


def _kept_recording_error(refusal: RefusedError, file_id: str) -> RefusedError:
    """A refusal where the recording was to be deleted: it is kept for another try."""
    error = type(refusal).after(
        refusal,
        f"{refusal.text} Nothing was deleted: delete_recording deletes the recording (file_id "
        f"{file_id}) once a clone of it succeeds.",
    )
    error.after_unknown = refusal.after_unknown
    return error


def _deletion_text(problems: Mapping[str, MiniMaxError]) -> str:
    if not problems:
        return " MiniMax's copy of the recording is deleted."
    reasons = " ".join(f"file_id {file_id}: {error}" for file_id, error in problems.items())
    return (
        " But MiniMax's copy of the recording could not be deleted, so it is still there as far as "
        f"is known: tell the person. {reasons}"
    )


async def _result(
    runtime: Runtime, reply: ClonedReply, *, file_id: str | None, about_recording: str = ""
) -> ClonedVoice:
    folder = await asyncio.to_thread(runtime.results.resolve_folder, None)
    saved, problem = await delivery.save_preview(
        runtime, reply.demo_audio, voice_id=reply.voice_id, folder=folder
    )
    runtime.get_shared(KnownVoices).note_made(reply.voice_id, CLONE_PRICE_USD)
    return ClonedVoice(
        voice_id=reply.voice_id,
        status="cloned",
        file_id=file_id,
        demo_audio_url=reply.demo_audio or None,
        demo_audio_path=str(saved.path) if saved else None,
        next_step=runtime.write_next_step(
            f"The voice {reply.voice_id} is ready.{about_recording} "
            f"{unused_voice_text(CLONE_PRICE_USD, sandbox=runtime.settings.sandbox)}"
            f"{delivery.saving_failed_text(problem, link='demo_audio_url')}"
        ),
    )
