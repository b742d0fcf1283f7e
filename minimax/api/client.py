"""MiniMax over HTTP: one public method per endpoint.

The key travels to the API host only. Redirects are never followed. Every error that leaves this
module says what is known about its request (`errors.Outcome`); `retry` decides what follows.
"""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from minimax.api import json_body, policies, responses, retry
from minimax.api.error_codes import KEY_REFUSED, MODERATION_CODES, advice_for
from minimax.api.policies import Policy
from minimax.api.replies import (
    CancelReply,
    CloneReply,
    DesignReply,
    FileReply,
    ImageReply,
    Reply,
    SpeechReply,
    StatusReply,
    SubmitReply,
    TaskReply,
    TasksReply,
    VideoTask,
    VoicesReply,
)
from minimax.api.responses import Answer
from minimax.api.signed_links import (
    Download,
    build_download_request,
    check_download,
    content_length,
    split_link,
    stream_raw,
    unusable_link_error,
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

__all__ = ["MiniMaxClient"]

ReplyT = TypeVar("ReplyT", bound=Reply)

LISTED_TASKS: Final = 100

log = logging.getLogger(__name__)


class MiniMaxClient:
    """The API as coroutines. Made on the first call, closed by `aclose`."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._host = settings.api_host or GLOBAL_HOST
        self._pools = ConnectionPools(trust_env=not is_loopback(urlsplit(self._host).hostname))
        self._region_search = asyncio.Lock()
        self.notice: str | None = None
        """Something the person should be told once, like a region that was found out."""

    @property
    def host(self) -> str:
        """The API host in use."""
        return self._host

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pools.aclose()

    # --- endpoints -----------------------------------------------------------------------------

    async def upload_file(
        self, file: io.RawIOBase, *, name: str, media_type: str, purpose: str
    ) -> str:
        """Upload a file from its open descriptor, streamed; returns its file id."""
        reply = await self._ask(
            _Call("POST", "/v1/files/upload", policies.UPLOAD, needs=_file_id),
            FileReply,
            files={"file": (name, file, media_type)},
            data={"purpose": purpose},
        )
        return reply.file.file_id

    async def clone_voice(self, body: Mapping[str, Any], *, policy: Policy) -> CloneReply:
        """Make a voice from an uploaded recording."""
        return await self._ask(_Call("POST", "/v1/voice_clone", policy), CloneReply, json=body)

    async def submit_video(self, body: Mapping[str, Any]) -> str:
        """Submit a paid video job on a fresh connection; returns its task id."""
        return await self._submit("/v1/video_generation", body)

    async def call_video_generation_status(self, task_id: str) -> StatusReply:
        """Ask once how a video job stands; `Fail` and moderation codes are its verdict."""
        path = "/v1/query/video_generation"
        call = _Call("GET", path, policies.STATUS, verdict_in_reply=True, needs=_word_or_verdict)
        return await self._ask(call, StatusReply, params={"task_id": task_id})

    async def retrieve_file(self, file_id: str) -> str:
        """A fresh download link for a generated file."""
        call = _Call("GET", "/v1/files/retrieve", policies.LOOK_UP, needs=_download_link)
        reply = await self._ask(call, FileReply, params={"file_id": file_id})
        return reply.file.download_url

    async def speak(self, body: Mapping[str, Any]) -> SpeechReply:
        """Synthesize a text; billed."""
        call = _Call("POST", "/v1/t2a_v2", policies.MAKE, needs=_audio)
        return await self._ask(call, SpeechReply, json=body)

    async def design_voice(self, body: Mapping[str, Any]) -> DesignReply:
        """Make a voice from a description; its preview is billed."""
        call = _Call("POST", "/v1/voice_design", policies.MAKE, needs=_voice_id)
        return await self._ask(call, DesignReply, json=body)

    async def delete_voice(self, voice_id: str, *, voice_type: str) -> None:
        """Delete a voice for good."""
        call = _Call("POST", "/v1/delete_voice", policies.DELETE)
        body = {"voice_id": voice_id, "voice_type": voice_type}
        await self._ask(call, Reply, json=body)

    async def make_images(self, body: Mapping[str, Any]) -> ImageReply:
        """Make pictures; billed."""
        call = _Call("POST", "/v1/image_generation", policies.MAKE, needs=_pictures)
        return await self._ask(call, ImageReply, json=body)

    async def list_voices(self, voice_type: str) -> VoicesReply:
        """The account's voices; also the cheapest free call that needs a good key."""
        call = _Call("POST", "/v1/get_voice", policies.LOOK_UP)
        return await self._ask(call, VoicesReply, json={"voice_type": voice_type})

    async def submit_video_v2(self, body: Mapping[str, Any]) -> str:
        """Submit a paid MiniMax-H3 job on a fresh connection; returns its task id."""
        return await self._submit("/v2/video_generation", body)

    async def query_video_v2(self, task_id: str) -> VideoTask:
        """Ask once how a MiniMax-H3 job stands.

        Raises:
            RefusedError: There is no such job, or it is older than 7 days.
        """
        path = f"/v2/query/video_generation/{task_id}"
        call = _Call("GET", path, policies.STATUS_V2, needs=_task_status)
        task = (await self._ask(call, TaskReply)).task
        return task.model_copy(update={"id": task.id or task_id})

    async def list_videos_v2(self) -> list[VideoTask]:
        """The account's MiniMax-H3 jobs of the last 7 days, newest first, one page of them."""
        call = _Call("GET", "/v2/query/video_generation", policies.LOOK_UP)
        params = {"page_num": 1, "page_size": LISTED_TASKS}
        reply = await self._ask(call, TasksReply, params=params)
        return sorted(reply.items, key=lambda task: task.created_at, reverse=True)

    async def delete_video_v2(self, task_id: str) -> str:
        """Cancel a queued MiniMax-H3 job; on a finished one this erases the record of the film.

        Returns what was done: `cancelled`, or `deleted`.
        """
        call = _Call("DELETE", f"/v2/video_generation/{task_id}", policies.CANCEL, needs=_action)
        return _action(await self._ask(call, CancelReply))

    @asynccontextmanager
    async def download(self, link: str) -> AsyncIterator[Download]:
        """Stream a signed link, without the key, without decompression, within its size.

        Raises:
            RefusedError: The link is over (`http_status` 403, 404 or 410).
            UnansweredError: The connection broke or the host is in trouble; worth another try.
            StorageError: What came is not a media file.
        """
        url = self._download_url(link)
        request = build_download_request(self._pools.downloads, url)
        response = await self._exchange(self._pools.downloads, request, stream=True)
        try:
            check_download(response)
            yield Download(content_length(response), stream_raw(response))
        finally:
            await response.aclose()

    async def _submit(self, path: str, body: Mapping[str, Any]) -> str:
        call = _Call("POST", path, policies.SUBMIT, fresh_connection=True, needs=_task_id)
        return (await self._ask(call, SubmitReply, json=body)).task_id

    # --- how a call is made --------------------------------------------------------------------

    async def _ask(self, call: "_Call", reply_type: type[ReplyT], **content: Any) -> ReplyT:
        self._require_key()
        try:
            return await self._try(call, reply_type, content)
        except KeyRefusedError:
            if not await self._found_other_region():
                raise
        return await self._try(call, reply_type, content)

    async def _try(
        self, call: "_Call", reply_type: type[ReplyT], content: Mapping[str, Any]
    ) -> ReplyT:
        async def attempt() -> ReplyT:
            response = await self._send(call, self._host, content)
            return self._read(response, call, reply_type)

        return await retry.run(call.policy, attempt, clock=self._clock)

    async def _send(self, call: "_Call", host: str, content: Mapping[str, Any]) -> httpx.Response:
        pool = self._pools.submissions if call.fresh_connection else self._pools.api
        body = dict(content)
        headers = {"Authorization": f"Bearer {self._key()}", "MM-API-Source": CLIENT_NAME}
        if "json" in body:
            stream = json_body.JsonBody(body.pop("json"))
            headers |= stream.headers
            body["content"] = aiter(stream)
        request = pool.build_request(
            call.method,
            host + call.path,
            headers=headers,
            timeout=make_timeout(call.policy),
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

    def _read(self, response: httpx.Response, call: "_Call", reply_type: type[ReplyT]) -> ReplyT:
        answer = Answer(response.status_code, response.headers, response.content)
        payload = answer.payload(secret=self._settings.secret)
        code, said = responses.verdict(payload, in_reply=call.verdict_in_reply)
        if responses.concerns_key(answer, code):
            raise KeyRefusedError(self._key_advice(code), **responses.facts(answer, code))
        if code or not answer.is_success:
            raise responses.refusal(answer, code, said, endpoint=call.policy.name)
        try:
            reply = reply_type.model_validate(payload)
        except ValidationError:
            raise responses.unreadable(answer) from None
        if not call.is_answered_by(reply, verdict_given="base_resp" in (payload or {})):
            raise responses.unreadable(answer)
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

    def _key_advice(self, code: int) -> str:
        advice = advice_for(code or KEY_REFUSED)
        remedy = advice.remedy if advice else ""
        other = GLOBAL_HOST if self._host in API_HOSTS[1:] else MAINLAND_HOST
        return (
            f"{self._host} does not accept this API key; nothing was charged. Keys belong to one "
            f"region: a key of the other region needs MINIMAX_API_HOST={other}. {remedy}"
        )

    async def _found_other_region(self) -> bool:
        """Whether the key turned out to belong to the other region, which is used from now on."""
        if self._settings.api_host is not None:
            return False
        async with self._region_search:
            if self._host != GLOBAL_HOST:  # another call has found out meanwhile
                return True
            if not await self._knows_key(MAINLAND_HOST):
                return False
            self._host = MAINLAND_HOST
        self.notice = (
            f"This API key belongs to {MAINLAND_HOST}, which is used from now on. "
            f"Set MINIMAX_API_HOST={MAINLAND_HOST} to spare the detour."
        )
        log.warning("%s", self.notice)
        return True

    async def _knows_key(self, host: str) -> bool:
        """One free call: an error of any kind means no."""
        call = _Call("POST", "/v1/get_voice", policies.LOOK_UP)
        try:
            async with asyncio.timeout(policies.LOOK_UP.deadline_seconds):
                response = await self._send(call, host, {"json": {"voice_type": "voice_cloning"}})
            self._read(response, call, VoicesReply)
        except (MiniMaxError, TimeoutError):
            return False
        return True

    def _download_url(self, link: str) -> str:
        parts = split_link(link)
        api = urlsplit(self._host)
        if parts.scheme == "http" and is_loopback(parts.hostname) and is_loopback(api.hostname):
            return link
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise unusable_link_error()
        return parts._replace(scheme="https").geturl()


@dataclass(frozen=True)
class _Call:
    """One endpoint: where it is and how it behaves.

    Attributes:
        needs: What an answer must hold to be one; without it the outcome is not known. Where it
            is None, MiniMax's verdict is needed, which v1 always gives and v2 never.
    """

    method: str
    path: str
    policy: Policy
    fresh_connection: bool = False
    verdict_in_reply: bool = False
    needs: Callable[[Any], object] | None = None

    def is_answered_by(self, reply: Reply, *, verdict_given: bool) -> bool:
        """Whether this is MiniMax's answer, and not some other success."""
        if self.needs is not None:
            return bool(self.needs(reply))
        return verdict_given or not self.path.startswith("/v1/")


def _file_id(reply: FileReply) -> str:
    return reply.file.file_id


def _download_link(reply: FileReply) -> str:
    return reply.file.download_url


def _task_id(reply: SubmitReply) -> str:
    return reply.task_id


def _audio(reply: SpeechReply) -> str:
    return reply.data.audio


def _voice_id(reply: DesignReply) -> str:
    return reply.voice_id


def _word_or_verdict(reply: StatusReply) -> bool:
    return bool(reply.status) or reply.base_resp.status_code in MODERATION_CODES


def _pictures(reply: ImageReply) -> bool:
    return bool(reply.data.image_urls) or reply.metadata.failed_count > 0


def _action(reply: CancelReply) -> str:
    return reply.action or reply.status


def _task_status(reply: TaskReply) -> str:
    return reply.task.status


# --- reading answers ---------------------------------------------------------------------------


# --- reading downloads -------------------------------------------------------------------------
