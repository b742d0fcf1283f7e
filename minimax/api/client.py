"""MiniMax over HTTP: one public method per endpoint.

The key travels to the API host only. Redirects are never followed. Every error that leaves this
module says what is known about its request (`errors.Outcome`); `retry` decides what follows.
"""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from minimax.api import json_body, policies, responses, retry
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
    UploadReply,
    VideoTask,
    VoicesReply,
)
from minimax.api.responses import HttpAnswer
from minimax.api.signed_links import (
    Download,
    build_download_request,
    check_download,
    content_length,
    resolve_link,
    stream_raw,
)
from minimax.api.transport import (
    CLIENT_NAME,
    TRANSPORT_ERRORS,
    ConnectionPools,
    make_timeout,
    transport_error,
)
from minimax.clock import Clock
from minimax.errors import (
    KeyRefusedError,
    MiniMaxError,
    SettingsError,
)
from minimax.settings import API_HOSTS, GLOBAL_HOST, MAINLAND_HOST, Settings, is_loopback

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
    """

    method: str
    path: str
    policy: Policy
    fresh_connection: bool = False
    status_in_reply: bool = False


class MiniMaxClient:
    """The API as coroutines. Opened by the first call, closed by `aclose`."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._host = settings.api_host or GLOBAL_HOST
        self._pools = ConnectionPools(trust_env=not is_loopback(urlsplit(self._host).hostname))
        self._region_search = asyncio.Lock()
        self._notice: str | None = None

    @property
    def host(self) -> str:
        """The API host in use."""
        return self._host

    def take_notice(self) -> str | None:
        """Something the person should be told once, like a region that was found; then None."""
        notice, self._notice = self._notice, None
        return notice

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pools.aclose()

    # --- endpoints -----------------------------------------------------------------------------

    async def upload_file(
        self, file: io.RawIOBase, *, name: str, media_type: str, purpose: str
    ) -> str:
        """Upload a file from its open descriptor, streamed; returns its file id."""
        reply = await self._request(
            Endpoint("POST", "/v1/files/upload", policies.UPLOAD),
            UploadReply,
            files={"file": (name, file, media_type)},
            data={"purpose": purpose},
        )
        return reply.file.file_id

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
        endpoint = Endpoint("POST", "/v1/t2a_v2", policies.MAKE)
        return await self._request(endpoint, SpeechReply, json=body)

    async def design_voice(self, body: Mapping[str, Any]) -> DesignReply:
        """Make a voice from a description; its preview is billed."""
        endpoint = Endpoint("POST", "/v1/voice_design", policies.MAKE)
        return await self._request(endpoint, DesignReply, json=body)

    async def delete_voice(self, voice_id: str, *, voice_type: str) -> None:
        """Delete a voice for good."""
        endpoint = Endpoint("POST", "/v1/delete_voice", policies.DELETE)
        body = {"voice_id": voice_id, "voice_type": voice_type}
        await self._request(endpoint, ConfirmedReply, json=body)

    async def make_images(self, body: Mapping[str, Any]) -> ImageReply:
        """Make images; billed."""
        endpoint = Endpoint("POST", "/v1/image_generation", policies.MAKE)
        return await self._request(endpoint, ImageReply, json=body)

    async def list_voices(self, voice_type: str) -> VoicesReply:
        """The account's voices; also the cheapest free call that needs a good key."""
        endpoint = Endpoint("POST", "/v1/get_voice", policies.LOOK_UP)
        return await self._request(endpoint, VoicesReply, json={"voice_type": voice_type})

    async def read_plan_quota(self) -> list[PlanQuota]:
        """What is left of a subscription plan; a pay-as-you-go key is refused."""
        endpoint = Endpoint("GET", "/v1/token_plan/remains", policies.LOOK_UP)
        return (await self._request(endpoint, QuotaReply)).model_remains

    async def submit_video_v2(self, body: Mapping[str, Any]) -> str:
        """Submit a paid MiniMax-H3 job on a fresh connection; returns its task id."""
        return await self._submit("/v2/video_generation", body)

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
    async def download(self, link: str) -> AsyncIterator[Download]:
        """Stream a signed link, without the key, without decompression, within its size.

        Raises:
            RefusedError: The link has expired (`http_status` 403, 404 or 410).
            UnansweredError: The connection broke or the host is in trouble; worth another try.
            StorageError: What came is not a media file.
        """
        url = resolve_link(link, api_host=self._host)
        request = build_download_request(self._pools.downloads, url)
        response = await self._exchange(self._pools.downloads, request, stream=True)
        try:
            check_download(response)
            yield Download(content_length(response), stream_raw(response))
        finally:
            await response.aclose()

    async def _submit(self, path: str, body: Mapping[str, Any]) -> str:
        endpoint = Endpoint("POST", path, policies.SUBMIT, fresh_connection=True)
        return (await self._request(endpoint, SubmitReply, json=body)).task_id

    # --- how a call is made --------------------------------------------------------------------

    async def _request(
        self, endpoint: Endpoint, reply_type: type[ReplyT], **content: Any
    ) -> ReplyT:
        self._require_key()
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
            response = await self._send(endpoint, self._host, content)
            return self._read(response, endpoint, reply_type)

        return await retry.run(endpoint.policy, attempt, clock=self._clock)

    async def _send(
        self, endpoint: Endpoint, host: str, content: Mapping[str, Any]
    ) -> httpx.Response:
        pool = self._pools.submissions if endpoint.fresh_connection else self._pools.api
        body = dict(content)
        headers = {"Authorization": f"Bearer {self._key()}", "MM-API-Source": CLIENT_NAME}
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
        return await self._exchange(pool, request)

    async def _exchange(
        self, pool: httpx.AsyncClient, request: httpx.Request, *, stream: bool = False
    ) -> httpx.Response:
        try:
            return await pool.send(request, stream=stream)
        except TRANSPORT_ERRORS as error:
            raise transport_error(error, request.url.host) from None

    def _read(
        self, response: httpx.Response, endpoint: Endpoint, reply_type: type[ReplyT]
    ) -> ReplyT:
        answer = HttpAnswer(response.status_code, response.headers, response.content)
        payload = answer.payload(secret=self._settings.secret)
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
                "There is no MiniMax API key yet. Make one at platform.minimax.io > API keys "
                "(mainland: platform.minimaxi.com), put it as MINIMAX_API_KEY into the env block "
                "of this server in the host's configuration or into the .env file beside "
                "minimax_server.py, and restart the host. To try everything without a key, start "
                "the server with --sandbox. Nothing was sent."
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
            f"Set MINIMAX_API_HOST={MAINLAND_HOST} to spare the detour."
        )
        log.warning("%s", self._notice)
        return True

    async def _knows_key(self, host: str) -> bool:
        """One free call: an error of any kind means no."""
        endpoint = Endpoint("POST", "/v1/get_voice", policies.LOOK_UP)
        try:
            async with asyncio.timeout(policies.LOOK_UP.deadline_seconds):
                response = await self._send(
                    endpoint, host, {"json": {"voice_type": "voice_cloning"}}
                )
            self._read(response, endpoint, VoicesReply)
        except (MiniMaxError, TimeoutError):
            return False
        return True


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
