"""MiniMax over HTTP: one public method per endpoint.

The key travels to the API host only. Redirects are never followed. Every error that leaves this
module says what is known about its request (`errors.Outcome`); `retry` decides what follows.
"""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from minimax.api import json_body, policies, responses, retry
from minimax.api.answers import (
    LIST_ANSWER_BYTES,
    SHORT_ANSWER_BYTES,
    SOUND_ANSWER_BYTES,
    read_answer,
)
from minimax.api.error_codes import KEY_REFUSED, advice_for
from minimax.api.policies import Policy
from minimax.api.replies import (
    CancelReply,
    CloneReply,
    ConfirmedReply,
    DesignReply,
    FileReply,
    ImageReply,
    PlanQuota,
    QuotaReply,
    Reply,
    SpeechReply,
    StatusReply,
    SubmitReply,
    TaskReply,
    TasksReply,
    TranscriptReply,
    UploadReply,
    VideoTask,
    VoicesReply,
)
from minimax.api.responses import HttpAnswer
from minimax.api.signed_links import (
    AddressJudge,
    Download,
    LinkTarget,
    build_download_request,
    check_download,
    look_up,
    parse_link,
    stream_raw,
)
from minimax.api.transport import (
    CLIENT_NAME,
    TRANSPORT_ERRORS,
    ConnectionPools,
    content_length,
    make_timeout,
    transport_error,
)
from minimax.audience import pick_text
from minimax.catalog import TRANSCRIPTION_MODEL
from minimax.clock import Clock
from minimax.errors import (
    KeyRefusedError,
    MiniMaxError,
    SettingsError,
    UnansweredError,
    UnreachableError,
)
from minimax.safe_text import KeyFilter
from minimax.settings import (
    API_HOSTS,
    GLOBAL_HOST,
    KEY_PAGE,
    MAINLAND_HOST,
    Settings,
    is_bundle,
    is_loopback,
    where_keys_go,
)

__all__ = ["Endpoint", "MiniMaxClient", "explain_refused_key"]

ReplyT = TypeVar("ReplyT", bound=Reply)

LISTED_TASKS: Final = 100
"""One page of MiniMax's own list of H3 jobs."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: where it is and how it behaves.

    Attributes:
        method: Of HTTP.
        path: Below the API host.
        policy: When a request is repeated, and how long it may take.
        fresh_connection: Never reuse a connection that the server may have just closed.
        status_in_reply: `base_resp` and `Fail` are about the job, not about this request.
        most_bytes: What is read of an answer, on the wire and after decoding.
    """

    method: str
    path: str
    policy: Policy
    fresh_connection: bool = False
    status_in_reply: bool = False
    most_bytes: int = SHORT_ANSWER_BYTES


VOICES: Final = Endpoint("POST", "/v1/get_voice", policies.LOOK_UP, most_bytes=LIST_ANSWER_BYTES)


class MiniMaxClient:
    """The API as coroutines. Opened by the first call, closed by `aclose`.

    Args:
        settings: Key and host.
        clock: What retries wait by.
        is_public: Which addresses a link of MiniMax's may lead to. Without it none is followed
            but those from this machine's API to this machine.
        pools: Connections that clients of other keys use as well; closed by whoever made them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        is_public: AddressJudge = lambda _: False,
        pools: ConnectionPools | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._is_public = is_public
        self._key_filter = KeyFilter(settings.secret)
        self._host = settings.api_host or GLOBAL_HOST
        self._shares_pools = pools is not None
        self._pools = pools or ConnectionPools(
            trust_env=not is_loopback(urlsplit(self._host).hostname)
        )
        self._region_search = asyncio.Lock()
        self._notice: str | None = None
        self.is_key_refused = False
        """The last request ended with that."""

    @property
    def host(self) -> str:
        """The API host in use."""
        return self._host

    def take_notice(self) -> str | None:
        """Something the person should be told once, like a region that was found; then None."""
        notice, self._notice = self._notice, None
        return notice

    async def aclose(self) -> None:
        """Close all connections, but for those that others use as well."""
        if not self._shares_pools:
            await self._pools.aclose()

    # --- endpoints -----------------------------------------------------------------------------

    async def upload_file(
        self, file: io.RawIOBase, *, name: str, media_type: str, purpose: str
    ) -> str:
        """Upload a file from its open descriptor, streamed; returns its file id."""
        try:
            reply = await self._request(
                Endpoint("POST", "/v1/files/upload", policies.UPLOAD),
                UploadReply,
                files={"file": (name, file, media_type)},
                data={"purpose": purpose},
            )
        except UnansweredError as error:
            if error.http_status is not None:
                raise
            # A server that refuses a large body often closes before its 413 can be read.
            raise UnansweredError.after(
                error,
                f"{error.text} Is the file too large? If this happens again, give a smaller one.",
            ) from None
        return reply.file.file_id

    async def delete_file(self, file_id: str, *, purpose: str) -> None:
        """Delete an upload for good; `purpose` is what it was uploaded for."""
        endpoint = Endpoint("POST", "/v1/files/delete", policies.DELETE_FILE)
        body = {"file_id": int(file_id), "purpose": purpose}
        await self._request(endpoint, ConfirmedReply, json=body)

    async def clone_voice(self, body: Mapping[str, Any], *, policy: Policy) -> CloneReply:
        """Make a voice from an uploaded recording."""
        return await self._request(
            Endpoint("POST", "/v1/voice_clone", policy), CloneReply, json=body
        )

    async def submit_video(self, body: Mapping[str, Any]) -> str:
        """Submit a paid video job on a fresh connection; returns its task id."""
        return await self._submit("/v1/video_generation", body)

    async def call_video_generation_status(self, task_id: str) -> StatusReply:
        """Ask once how a video job stands; `Fail` and moderation codes are about the job."""
        path = "/v1/query/video_generation"
        endpoint = Endpoint("GET", path, policies.STATUS, status_in_reply=True)
        return await self._request(endpoint, StatusReply, params={"task_id": task_id})

    async def retrieve_file(self, file_id: str) -> str:
        """A fresh download link for a generated file."""
        endpoint = Endpoint("GET", "/v1/files/retrieve", policies.LOOK_UP)
        reply = await self._request(endpoint, FileReply, params={"file_id": file_id})
        return reply.file.download_url

    async def speak(self, body: Mapping[str, Any]) -> SpeechReply:
        """Synthesize a text; billed."""
        endpoint = Endpoint("POST", "/v1/t2a_v2", policies.MAKE, most_bytes=SOUND_ANSWER_BYTES)
        return await self._request(endpoint, SpeechReply, json=body)

    async def submit_long_speech(self, body: Mapping[str, Any]) -> str:
        """Submit a paid job that speaks a long text, on a fresh connection; its task id."""
        return await self._submit("/v1/t2a_async_v2", body)

    async def query_long_speech(self, task_id: str) -> StatusReply:
        """Ask once how such a job stands; the file has an id before the job has ended."""
        path = "/v1/query/t2a_async_query_v2"
        endpoint = Endpoint("GET", path, policies.STATUS, status_in_reply=True)
        return await self._request(endpoint, StatusReply, params={"task_id": task_id})

    async def design_voice(self, body: Mapping[str, Any]) -> DesignReply:
        """Make a voice from a description; its preview is billed."""
        endpoint = Endpoint(
            "POST", "/v1/voice_design", policies.MAKE, most_bytes=SOUND_ANSWER_BYTES
        )
        return await self._request(endpoint, DesignReply, json=body)

    async def delete_voice(self, voice_id: str, *, voice_type: str) -> None:
        """Delete a voice for good."""
        endpoint = Endpoint("POST", "/v1/delete_voice", policies.DELETE)
        body = {"voice_id": voice_id, "voice_type": voice_type}
        await self._request(endpoint, ConfirmedReply, json=body)

    async def make_images(self, body: Mapping[str, Any]) -> ImageReply:
        """Make images; billed. Links beyond the `n` that were asked for are counted, not kept."""
        endpoint = Endpoint("POST", "/v1/image_generation", policies.MAKE)
        reply = await self._request(endpoint, ImageReply, json=body)
        return reply.keep_links(int(body.get("n", 1)))

    async def transcribe(
        self, file: io.RawIOBase, *, name: str, media_type: str, language: str | None, brief: bool
    ) -> TranscriptReply:
        """Write down what a recording says; billed.

        Args:
            file: The recording, streamed from its open descriptor.
            name: Its name.
            media_type: What its content proves.
            language: A BCP-47 tag; None lets MiniMax find out.
            brief: Ask for the text alone, without times and speakers.
        """
        return await self._request(
            Endpoint("POST", "/v1/speech_to_text", policies.TRANSCRIBE),
            TranscriptReply,
            files={"file": (name, file, media_type)},
            data={
                "model": TRANSCRIPTION_MODEL,
                "response_format": "json" if brief else "verbose_json",
            },
            headers={"language": language} if language else {},
        )

    async def list_voices(self, voice_type: str) -> VoicesReply:
        """The account's voices; also the cheapest free call that needs a good key."""
        return await self._request(VOICES, VoicesReply, json={"voice_type": voice_type})

    async def read_plan_quota(self) -> list[PlanQuota]:
        """What is left of a subscription plan; a pay-as-you-go key is refused."""
        endpoint = Endpoint("GET", "/v1/token_plan/remains", policies.LOOK_UP)
        return (await self._request(endpoint, QuotaReply)).model_remains

    async def submit_video_v2(self, body: Mapping[str, Any]) -> str:
        """Submit a paid MiniMax-H3 job on a fresh connection; returns its task id."""
        return await self._submit("/v2/video_generation", body)

    async def regenerate_video(self, body: Mapping[str, Any]) -> str:
        """Submit a paid job that makes a MiniMax-H3 video again in 2K; returns its task id."""
        return await self._submit("/v2/video_regeneration", body, policy=policies.REGENERATE)

    async def query_video_v2(self, task_id: str) -> VideoTask:
        """Ask once how a MiniMax-H3 job stands.

        Raises:
            RefusedError: There is no such job, or it is older than 7 days.
        """
        path = f"/v2/query/video_generation/{task_id}"
        endpoint = Endpoint("GET", path, policies.STATUS_V2)
        task = (await self._request(endpoint, TaskReply)).task
        return task.model_copy(update={"id": task.id or task_id})

    async def list_videos_v2(self) -> list[VideoTask]:
        """The account's MiniMax-H3 jobs of the last 7 days, newest first, one page of them."""
        endpoint = Endpoint("GET", "/v2/query/video_generation", policies.LOOK_UP)
        params = {"page_num": 1, "page_size": LISTED_TASKS}
        reply = await self._request(endpoint, TasksReply, params=params)
        return sorted(reply.items, key=lambda task: task.created_at, reverse=True)

    async def delete_video_v2(self, task_id: str) -> str:
        """Cancel a queued MiniMax-H3 job; on a finished one this erases the record of a paid video.

        Returns what was done: `cancelled`, or `deleted`.
        """
        endpoint = Endpoint("DELETE", f"/v2/video_generation/{task_id}", policies.CANCEL)
        return (await self._request(endpoint, CancelReply)).done

    @asynccontextmanager
    async def download(
        self, link: str, *, most_bytes: int | None = None
    ) -> AsyncIterator[Download]:
        """Stream a signed link, without the key, without decompression, within its size.

        Its name is looked up once; the connection goes to an address that was judged.

        Raises:
            RefusedError: The link has expired (`http_status` 403, 404 or 410), or it leads to no
                public host.
            UnansweredError: The connection broke or the host is in trouble; worth another try.
            StorageError: What came is not a media file.
        """
        target = parse_link(link, api_host=self._host)
        response = await self._open_download(target)
        try:
            check_download(response, most_bytes=most_bytes)
            chunks = stream_raw(response, host=target.host, most_bytes=most_bytes)
            yield Download(content_length(response), chunks)
        finally:
            await response.aclose()

    async def _open_download(self, target: LinkTarget) -> httpx.Response:
        through_proxy = self._pools.trust_env and target.has_proxy
        pool = self._pools.proxied_downloads if through_proxy else self._pools.downloads
        *others, last = await look_up(
            target, is_public=self._is_public, through_proxy=through_proxy
        )
        for address in others:
            with suppress(UnreachableError):
                return await self._exchange(pool, build_download_request(pool, target, address))
        return await self._exchange(pool, build_download_request(pool, target, last))

    async def _submit(
        self, path: str, body: Mapping[str, Any], *, policy: Policy | None = None
    ) -> str:
        endpoint = Endpoint("POST", path, policy or policies.SUBMIT, fresh_connection=True)
        return (await self._request(endpoint, SubmitReply, json=body)).task_id

    # --- how a call is made --------------------------------------------------------------------

    async def _request(
        self, endpoint: Endpoint, reply_type: type[ReplyT], **content: Any
    ) -> ReplyT:
        self._require_key()
        try:
            reply = await self._request_anywhere(endpoint, reply_type, content)
        except KeyRefusedError:
            self.is_key_refused = True
            raise
        self.is_key_refused = False
        return reply

    async def _request_anywhere(
        self, endpoint: Endpoint, reply_type: type[ReplyT], content: Mapping[str, Any]
    ) -> ReplyT:
        """From the other region too, where this one does not know the key."""
        try:
            return await self._request_from(endpoint, reply_type, content)
        except KeyRefusedError:
            if not await self._find_other_region():
                raise
        return await self._request_from(endpoint, reply_type, content)

    async def _request_from(
        self, endpoint: Endpoint, reply_type: type[ReplyT], content: Mapping[str, Any]
    ) -> ReplyT:
        async def attempt() -> ReplyT:
            answer = await self._send(endpoint, self._host, content)
            return self._read(answer, endpoint, reply_type)

        return await retry.run(endpoint.policy, attempt, clock=self._clock)

    async def _send(self, endpoint: Endpoint, host: str, content: Mapping[str, Any]) -> HttpAnswer:
        pool = self._pools.submissions if endpoint.fresh_connection else self._pools.api
        body = dict(content)
        headers = {
            **body.pop("headers", {}),
            "Authorization": f"Bearer {self._key()}",
            "MM-API-Source": CLIENT_NAME,
        }
        if "json" in body:
            stream = json_body.JsonBody(body.pop("json"))
            headers |= stream.headers
            body["content"] = aiter(stream)
        request = pool.build_request(
            endpoint.method,
            host + endpoint.path,
            headers=headers,
            timeout=make_timeout(endpoint.policy),
            **body,
        )
        response = await self._exchange(pool, request)
        try:
            read = await read_answer(response, most_bytes=endpoint.most_bytes)
        finally:
            await response.aclose()
        headers = {name: self._key_filter.scrub(text) for name, text in response.headers.items()}
        return HttpAnswer(response.status_code, httpx.Headers(headers), read)

    async def _exchange(self, pool: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer is opened, and not read."""
        try:
            return await pool.send(request, stream=True)
        except TRANSPORT_ERRORS as error:
            host = request.extensions.get("sni_hostname", request.url.host)
            raise transport_error(error, host) from None

    def _read(self, answer: HttpAnswer, endpoint: Endpoint, reply_type: type[ReplyT]) -> ReplyT:
        payload = answer.payload(key_filter=self._key_filter)
        code, said = responses.status_of(payload, in_reply=endpoint.status_in_reply)
        if responses.concerns_key(answer, code):
            raise KeyRefusedError(
                explain_refused_key(self._host, code), **responses.error_fields(answer, code)
            )
        if code or not answer.is_success:
            raise responses.refusal_error(answer, code, said, endpoint=endpoint.policy.name)
        try:
            reply = reply_type.model_validate(payload)
        except ValidationError:
            raise responses.unreadable_error(answer) from None
        if not reply.is_complete:
            raise responses.unreadable_error(answer)
        return reply

    # --- key and region ------------------------------------------------------------------------

    def _require_key(self) -> None:
        if not self._settings.api_key and not self._settings.sandbox:
            raise SettingsError(
                f"There is no MiniMax API key yet. Make one at {KEY_PAGE}{_key_advice()} Nothing "
                "was sent."
            )

    def _key(self) -> str:
        key = self._settings.api_key
        return key.get_secret_value() if key else "sandbox"

    async def _find_other_region(self) -> bool:
        """Whether the key turned out to belong to the other region, which is used from now on."""
        if self._settings.api_host is not None:
            return False
        async with self._region_search:
            if self._host != GLOBAL_HOST:  # another call has found out meanwhile
                return True
            if not await self._knows_key(MAINLAND_HOST):
                return False
            self._host = MAINLAND_HOST
        self._notice = (
            f"This API key belongs to {MAINLAND_HOST}, which is used from now on. "
            f"Set MINIMAX_API_HOST={MAINLAND_HOST} to save this extra call."
        )
        log.warning("%s", self._notice)
        return True

    async def _knows_key(self, host: str) -> bool:
        """One free call: an error of any kind means no."""
        try:
            async with asyncio.timeout(policies.LOOK_UP.deadline_seconds):
                answer = await self._send(VOICES, host, {"json": {"voice_type": "voice_cloning"}})
            self._read(answer, VOICES, VoicesReply)
        except (MiniMaxError, TimeoutError):
            return False
        return True


def _key_advice() -> str:
    if is_bundle():
        return f", put it into {where_keys_go()}, and restart the host."
    return pick_text(
        chat=f", put it as MINIMAX_API_KEY into {where_keys_go()}, and restart the host. To try "
        "everything without a key, start the server with --sandbox.",
        program=", set the environment variable MINIMAX_API_KEY or give api_key to MiniMax(), and "
        "call again. To try everything without a key, use minimax.testing.",
    )


def explain_refused_key(host: str, code: int) -> str:
    """What to tell about a key that a host refused: keys belong to one region.

    Args:
        host: The API host in use.
        code: MiniMax's own, or 0.
    """
    advice = advice_for(code or KEY_REFUSED)
    remedy = advice.remedy if advice else ""
    other = GLOBAL_HOST if host in API_HOSTS[1:] else MAINLAND_HOST
    return (
        f"{host} does not accept this API key; nothing was charged. Keys belong to one "
        f"region: a key of the other region needs MINIMAX_API_HOST={other}. {remedy}"
    )
