"""HTTP connections to MiniMax, and what a broken one says about the request."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from http.cookiejar import Cookie, CookieJar
from typing import Any, Final

import httpx

from minimax import logs
from minimax.api.policies import Policy
from minimax.errors import (
    MiniMaxError,
    Outcome,
    UnansweredError,
    UnreachableError,
    has_cause,
)

__all__ = [
    "CLIENT_NAME",
    "TRANSPORT_ERRORS",
    "ConnectionPools",
    "content_length",
    "make_timeout",
    "transport_error",
]

CONNECT_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 30.0
POOL_SECONDS: Final = 30.0
MOST_CONNECTIONS: Final = 200
CLIENT_NAME: Final = "minimax-server"
TRANSPORT_ERRORS: Final = (httpx.HTTPError, OSError)
"""A damaged TLS record comes out of httpx as the ssl module's own error, which is an OSError."""


class ConnectionPools:
    """The connections, each kind made when it is first used.

    Submissions get a connection of their own every time: a kept one that the server has just
    closed is the commonest way for a paid request to end in doubt.

    Attributes:
        trust_env: Use the proxies and certificates that the environment names.
    """

    def __init__(self, *, trust_env: bool) -> None:
        self.trust_env = trust_env
        self._made: dict[str, httpx.AsyncClient] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def api(self) -> httpx.AsyncClient:
        """For everything that is not paid."""
        return self._pool("api", kept_alive=20)

    @property
    def submissions(self) -> httpx.AsyncClient:
        """For paid submissions; never kept alive."""
        return self._pool("submissions", kept_alive=0)

    @property
    def downloads(self) -> httpx.AsyncClient:
        """For signed links, to addresses that were judged: never through a proxy."""
        return self._pool("downloads", kept_alive=0, uses_proxies=False)

    @property
    def proxied_downloads(self) -> httpx.AsyncClient:
        """For signed links where the environment names a proxy."""
        return self._pool("proxied_downloads", kept_alive=0)

    def _pool(self, name: str, *, kept_alive: int, uses_proxies: bool = True) -> httpx.AsyncClient:
        if name not in self._made:
            try:
                self._made[name] = self._new(kept_alive, uses_proxies=uses_proxies)
            except (ImportError, ValueError, OSError, httpx.InvalidURL):
                raise UnreachableError(
                    "The proxy or the certificates that this environment names cannot be used: "
                    "check HTTPS_PROXY and ALL_PROXY (an http:// proxy, not socks) and "
                    "SSL_CERT_FILE. Nothing was sent.",
                    outcome=Outcome.REJECTED,
                ) from None
        return self._made[name]

    def _new(self, kept_alive: int, *, uses_proxies: bool) -> httpx.AsyncClient:
        self._tls = self._tls or httpx.create_ssl_context(trust_env=self.trust_env)
        limits = httpx.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=kept_alive
        )
        return _QueueingClient(
            verify=self._tls,
            trust_env=self.trust_env and uses_proxies,
            follow_redirects=False,
            limits=limits,
            headers={"User-Agent": CLIENT_NAME, "Accept-Encoding": "identity"},
            cookies=_NoCookies(),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        with logs.silence_http_logs():
            while self._made:
                await self._made.popitem()[1].aclose()


class _NoCookies(CookieJar):
    """What the answer to one key sets must not travel with the request of another."""

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep none."""


class _QueueingClient(httpx.AsyncClient):
    """A client whose requests wait here until a connection may be used.

    httpcore's own queue goes through all that wait at each change of any: with a thousand waiting
    requests it takes the whole processor for minutes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Send a request; a streamed response keeps its connection until it is closed.

        Raises:
            httpx.PoolTimeout: No connection was free for too long; nothing was sent.
        """
        try:
            async with asyncio.timeout(POOL_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("too many requests at once", request=request) from None
        try:
            with logs.silence_http_logs():
                response = await super().send(request, stream=stream, **options)
        except BaseException:
            self._free.release()
            raise
        if stream:
            response.stream = _ReleasingStream(response.stream, self._free)
        else:
            self._free.release()
        return response


class _ReleasingStream(httpx.AsyncByteStream):
    """A response's body that gives its place back when it is closed."""

    def __init__(self, stream: Any, free: asyncio.Semaphore) -> None:
        self._stream = stream
        self._free: asyncio.Semaphore | None = free

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        while True:
            with logs.silence_http_logs():
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk

    async def aclose(self) -> None:
        free, self._free = self._free, None
        try:
            with logs.silence_http_logs():
                await self._stream.aclose()
        finally:
            if free is not None:
                free.release()


def make_timeout(policy: Policy) -> httpx.Timeout:
    """The limits of one attempt."""
    return httpx.Timeout(
        connect=CONNECT_SECONDS, read=policy.read_seconds, write=WRITE_SECONDS, pool=POOL_SECONDS
    )


LENGTH_DIGITS: Final = 20
"""As many as 2**64 has; a longer number is too large in any case, and Python may refuse it."""


def content_length(response: httpx.Response) -> int | None:
    """The announced length in bytes, if one was announced."""
    text = response.headers.get("Content-Length", "")
    return int(text[:LENGTH_DIGITS]) if text.isascii() and text.isdigit() else None


def transport_error(error: httpx.HTTPError | OSError, host: str) -> MiniMaxError:
    """Our error for a connection that failed, with what is known about the request."""
    if isinstance(error, httpx.ProxyError):
        return UnreachableError(
            "The proxy that HTTPS_PROXY or ALL_PROXY names could not be used. Check those "
            "variables. Nothing was sent.",
            outcome=Outcome.NOT_SENT,
        )
    if has_cause(error, ssl.SSLCertVerificationError):
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
