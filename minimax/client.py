"""MiniMax over HTTP: one public method per endpoint.

The key travels to the API host only. Redirects are never followed. Every error that leaves this
module says what is known about its request (`errors.Outcome`); `retry` decides what follows.
"""

import asyncio
import io
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx
from pydantic import ValidationError

from minimax import answers, bodies, retry
from minimax.answers import Answer
from minimax.catalog import (
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
from minimax.clock import Clock
from minimax.errors import (
    KEY_REFUSED,
    LINK_OVER,
    MODERATION_CODES,
    KeyRefusedError,
    MiniMaxError,
    Outcome,
    RefusedError,
    SettingsError,
    StorageError,
    UnansweredError,
    UnreachableError,
    advice_for,
)
from minimax.retry import Policy
from minimax.settings import API_HOSTS, GLOBAL_HOST, MAINLAND_HOST, Settings, is_loopback

__all__ = ["Download", "MiniMaxClient"]

ReplyT = TypeVar("ReplyT", bound=Reply)

CONNECT_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 30.0
POOL_SECONDS: Final = 30.0
MOST_CONNECTIONS: Final = 200
LARGEST_FILM_BYTES: Final = 2 * 1024**3
"""No video model makes more; a larger download is a mistake or an attack."""
LISTED_TASKS: Final = 100
CLIENT_NAME: Final = "minimax-server"
TRANSPORT_ERRORS: Final = (httpx.HTTPError, OSError)
"""A damaged TLS record comes out of httpx as the ssl module's own error, which is an OSError."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """A download under way: its announced length, if any, and its raw bytes."""

    total_bytes: int | None
    chunks: AsyncIterator[bytes]


class MiniMaxClient:
    """The API as coroutines. Made on the first call, closed by `aclose`."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._host = settings.api_host or GLOBAL_HOST
        self._pools = _Pools(trust_env=not is_loopback(urlsplit(self._host).hostname))
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
            _Call("POST", "/v1/files/upload", retry.UPLOAD, needs=_file_id),
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
        call = _Call("GET", path, retry.STATUS, verdict_in_reply=True, needs=_word_or_verdict)
        return await self._ask(call, StatusReply, params={"task_id": task_id})

    async def retrieve_file(self, file_id: str) -> str:
        """A fresh download link for a generated file."""
        call = _Call("GET", "/v1/files/retrieve", retry.LOOK_UP, needs=_download_link)
        reply = await self._ask(call, FileReply, params={"file_id": file_id})
        return reply.file.download_url

    async def speak(self, body: Mapping[str, Any]) -> SpeechReply:
        """Synthesize a text; billed."""
        call = _Call("POST", "/v1/t2a_v2", retry.MAKE, needs=_audio)
        return await self._ask(call, SpeechReply, json=body)

    async def design_voice(self, body: Mapping[str, Any]) -> DesignReply:
        """Make a voice from a description; its preview is billed."""
        call = _Call("POST", "/v1/voice_design", retry.MAKE, needs=_voice_id)
        return await self._ask(call, DesignReply, json=body)

    async def delete_voice(self, voice_id: str, *, voice_type: str) -> None:
        """Delete a voice for good."""
        call = _Call("POST", "/v1/delete_voice", retry.DELETE)
        body = {"voice_id": voice_id, "voice_type": voice_type}
        await self._ask(call, Reply, json=body)

    async def make_images(self, body: Mapping[str, Any]) -> ImageReply:
        """Make pictures; billed."""
        call = _Call("POST", "/v1/image_generation", retry.MAKE, needs=_pictures)
        return await self._ask(call, ImageReply, json=body)

    async def list_voices(self, voice_type: str) -> VoicesReply:
        """The account's voices; also the cheapest free call that needs a good key."""
        call = _Call("POST", "/v1/get_voice", retry.LOOK_UP)
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
        call = _Call("GET", path, retry.STATUS_V2, needs=_task_status)
        task = (await self._ask(call, TaskReply)).task
        return task.model_copy(update={"id": task.id or task_id})

    async def list_videos_v2(self) -> list[VideoTask]:
        """The account's MiniMax-H3 jobs of the last 7 days, newest first, one page of them."""
        call = _Call("GET", "/v2/query/video_generation", retry.LOOK_UP)
        params = {"page_num": 1, "page_size": LISTED_TASKS}
        reply = await self._ask(call, TasksReply, params=params)
        return sorted(reply.items, key=lambda task: task.created_at, reverse=True)

    async def delete_video_v2(self, task_id: str) -> str:
        """Cancel a queued MiniMax-H3 job; on a finished one this erases the record of the film.

        Returns what was done: `cancelled`, or `deleted`.
        """
        call = _Call("DELETE", f"/v2/video_generation/{task_id}", retry.CANCEL, needs=_action)
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
        request = _download_request(self._pools.downloads, url)
        response = await self._exchange(self._pools.downloads, request, stream=True)
        try:
            _check_download(response)
            yield Download(_content_length(response), _raw_chunks(response))
        finally:
            await response.aclose()

    async def _submit(self, path: str, body: Mapping[str, Any]) -> str:
        call = _Call("POST", path, retry.SUBMIT, fresh_connection=True, needs=_task_id)
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
            stream = bodies.JsonBody(body.pop("json"))
            headers |= stream.headers
            body["content"] = aiter(stream)
        request = pool.build_request(
            call.method, host + call.path, headers=headers, timeout=_timeout(call.policy), **body
        )
        return await self._exchange(pool, request)

    async def _exchange(
        self, pool: httpx.AsyncClient, request: httpx.Request, *, stream: bool = False
    ) -> httpx.Response:
        try:
            return await pool.send(request, stream=stream)
        except TRANSPORT_ERRORS as error:
            raise _transport_error(error, request.url.host) from None

    def _read(self, response: httpx.Response, call: "_Call", reply_type: type[ReplyT]) -> ReplyT:
        answer = Answer(response.status_code, response.headers, response.content)
        payload = answer.payload(secret=self._settings.secret)
        code, said = answers.verdict(payload, in_reply=call.verdict_in_reply)
        if answers.concerns_key(answer, code):
            raise KeyRefusedError(self._key_advice(code), **answers.facts(answer, code))
        if code or not answer.is_success:
            raise answers.refusal(answer, code, said, endpoint=call.policy.name)
        try:
            reply = reply_type.model_validate(payload)
        except ValidationError:
            raise answers.unreadable(answer) from None
        if not call.is_answered_by(reply, verdict_given="base_resp" in (payload or {})):
            raise answers.unreadable(answer)
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
        call = _Call("POST", "/v1/get_voice", retry.LOOK_UP)
        try:
            async with asyncio.timeout(retry.LOOK_UP.deadline_seconds):
                response = await self._send(call, host, {"json": {"voice_type": "voice_cloning"}})
            self._read(response, call, VoicesReply)
        except (MiniMaxError, TimeoutError):
            return False
        return True

    def _download_url(self, link: str) -> str:
        parts = _split(link)
        api = urlsplit(self._host)
        if parts.scheme == "http" and is_loopback(parts.hostname) and is_loopback(api.hostname):
            return link
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _no_link()
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


class _Pools:
    """The connections, each kind made when it is first used.

    Submissions get a connection of their own every time: a kept one that the server has just
    closed is the commonest way for a paid request to end in doubt.
    """

    def __init__(self, *, trust_env: bool) -> None:
        self._trust_env = trust_env
        self._made: dict[str, httpx.AsyncClient] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def api(self) -> httpx.AsyncClient:
        return self._pool("api", kept_alive=20)

    @property
    def submissions(self) -> httpx.AsyncClient:
        return self._pool("submissions", kept_alive=0)

    @property
    def downloads(self) -> httpx.AsyncClient:
        return self._pool("downloads", kept_alive=0)

    def _pool(self, name: str, *, kept_alive: int) -> httpx.AsyncClient:
        if name not in self._made:
            try:
                self._made[name] = self._new(kept_alive=kept_alive)
            except (ImportError, ValueError, OSError, httpx.InvalidURL):
                raise UnreachableError(
                    "The proxy or the certificates that this environment names cannot be used: "
                    "check HTTPS_PROXY and ALL_PROXY (an http:// proxy, not socks) and "
                    "SSL_CERT_FILE. Nothing was sent.",
                    outcome=Outcome.REJECTED,
                ) from None
        return self._made[name]

    def _new(self, *, kept_alive: int) -> httpx.AsyncClient:
        self._tls = self._tls or httpx.create_ssl_context(trust_env=self._trust_env)
        limits = httpx.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=kept_alive
        )
        return httpx.AsyncClient(
            verify=self._tls,
            trust_env=self._trust_env,
            follow_redirects=False,
            limits=limits,
            headers={"User-Agent": CLIENT_NAME},
        )

    async def aclose(self) -> None:
        while self._made:
            await self._made.popitem()[1].aclose()


def _timeout(policy: Policy) -> httpx.Timeout:
    return httpx.Timeout(
        connect=CONNECT_SECONDS, read=policy.read_seconds, write=WRITE_SECONDS, pool=POOL_SECONDS
    )


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


def _transport_error(error: httpx.HTTPError | OSError, host: str) -> MiniMaxError:
    if isinstance(error, httpx.ProxyError):
        return UnreachableError(
            "The proxy that HTTPS_PROXY or ALL_PROXY names could not be used. Check those "
            "variables. Nothing was sent.",
            outcome=Outcome.NOT_SENT,
        )
    if _is_certificate_error(error):
        return UnreachableError(
            f"The certificate of {host} could not be verified, so nothing was sent. Check this "
            "computer's clock and any security software or proxy in between.",
            outcome=Outcome.REJECTED,
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return UnreachableError(
            f"{host} could not be reached; nothing was sent. Check the internet connection, "
            "MINIMAX_API_HOST, and the proxy variables (HTTPS_PROXY, ALL_PROXY) if there are any.",
            outcome=Outcome.NOT_SENT,
        )
    return UnansweredError(
        f"The connection to {host} broke before an answer came. Call again.",
        outcome=Outcome.UNKNOWN,
    )


def _is_certificate_error(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


# --- reading downloads -------------------------------------------------------------------------


def _download_request(pool: httpx.AsyncClient, url: str) -> httpx.Request:
    headers = {"Accept-Encoding": "identity"}
    try:
        return pool.build_request("GET", url, headers=headers, timeout=_timeout(retry.DOWNLOAD))
    except httpx.InvalidURL:
        raise _no_link() from None


def _split(link: str) -> SplitResult:
    try:
        return urlsplit(link)
    except ValueError:
        raise _no_link() from None


def _no_link() -> UnansweredError:
    return UnansweredError("MiniMax gave no usable download link.", outcome=Outcome.UNKNOWN)


def _check_download(response: httpx.Response) -> None:
    if response.status_code in LINK_OVER:
        raise RefusedError(
            "The download link is over.",
            outcome=Outcome.REJECTED,
            http_status=response.status_code,
        )
    if response.status_code != httpx.codes.OK:
        raise UnansweredError(
            "The download host is in trouble. Call again later; the file is not lost.",
            outcome=answers.outcome_of(response.status_code),
            http_status=response.status_code,
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise StorageError("The download came compressed, which a video never is; refused.")
    if (_content_length(response) or 0) > LARGEST_FILM_BYTES:
        raise _too_much()


def _too_much() -> StorageError:
    return StorageError("The download is larger than any video MiniMax makes; it was stopped.")


def _content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _raw_chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    received = 0
    try:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > LARGEST_FILM_BYTES:
                raise _too_much()
            yield chunk
    except TRANSPORT_ERRORS as error:
        raise _transport_error(error, response.request.url.host) from None
