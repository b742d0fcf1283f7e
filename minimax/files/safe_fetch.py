"""Fetches URLs that a caller gave; nothing else in this package does.

The somebody may be a person, or a model that has read a poisoned page. Either way the URL must not
reach what this machine alone can reach: its own ports, the network it is in, the metadata
service of its cloud. So the name is looked up once, every answer is judged by the tables of
`public_addresses` and compared with this machine's own addresses, and the connection goes to a
judged address, never to the name.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from minimax.errors import InputError, StorageError, has_cause
from minimax.files.own_addresses import is_public_elsewhere
from minimax.files.public_addresses import IPAddress

if TYPE_CHECKING:
    import httpx

__all__ = ["Guard", "check_url_syntax", "fetch"]

Resolver = Callable[[str, int], Awaitable[Iterable[str]]]
Judge = Callable[[IPAddress], bool]

DEADLINE_SECONDS: Final = 120.0
"""For a whole fetch: 50 MB, the largest recording that MiniMax takes, at 3.5 Mbit/s."""
IDLE_SECONDS: Final = 15.0
"""Longest wait for one step: a look-up, a connection, the next bytes (as when asking MiniMax)."""
MAX_REDIRECTS: Final = 3
"""Hops; a shortener, its https twin and a storage service are no more."""
MAX_PASSED_URL_CHARACTERS: Final = 2_048
"""Of a URL that MiniMax fetches; the sitemap protocol's limit, which crawlers keep to."""
MAX_FETCHED_URL_CHARACTERS: Final = 8_192
"""Of a URL that is fetched here; links signed with session tokens outgrow 2,048 characters, and
common servers take request lines of 8 KiB."""
MAX_NAME_CHARACTERS: Final = 253
"""Of a host name in its textual form (RFC 1035, section 2.3.4)."""
HTTPS_PORT: Final = 443
HTTP_SERVER_ERRORS: Final = 500
"""The first of them (RFC 9110, section 15.6)."""


_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"(?:{_LABEL}\.)+({_LABEL})")
# What inet_aton and browsers take for a piece of an address; no top-level domain looks like it.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_DOMAINS: Final = (
    ".home.arpa",  # home networks (RFC 8375)
    ".internal",  # private networks (ICANN resolution 2024.07.29.06); metadata.google.internal
    ".local",  # multicast DNS (RFC 6762)
    ".localhost",  # loopback (RFC 6761, section 6.3)
    ".onion",  # Tor (RFC 7686)
)
_HEADERS: Final = {
    "Accept": "audio/*, application/octet-stream;q=0.9, */*;q=0.5",
    "Accept-Encoding": "identity",  # one decoded chunk of a gzip bomb was measured at 67 MB
    "Connection": "close",
    "User-Agent": "minimax-server",
}
_INSTEAD: Final = "Save the file on this machine and give its path instead."


async def _look_up(name: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


@dataclass(frozen=True, kw_only=True)
class Guard:
    """How a host is found, judged and verified; only tests hand in another one.

    Attributes:
        resolve: All addresses of a name; asked once per hop.
        is_public: Whether an address may be connected to.
        tls: What verifies the certificate; httpx's default where None.
    """

    resolve: Resolver = _look_up
    is_public: Judge = is_public_elsewhere
    tls: ssl.SSLContext | None = None


STRICT: Final = Guard()


def check_url_syntax(url: str) -> str:
    """The URL untouched, if it is one that MiniMax itself may be told to fetch.

    Nothing is looked up or connected to: that happens at MiniMax.

    Raises:
        InputError: It is not https, too long, carries a sign-in or odd characters, or names its
            host by an address or by a name that only a local network knows.
    """
    _parse(url, max_characters=MAX_PASSED_URL_CHARACTERS)
    return url


@asynccontextmanager
async def fetch(
    url: str,
    *,
    max_bytes: int,
    deadline_seconds: float = DEADLINE_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
    guard: Guard = STRICT,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Fetch a URL that somebody gave; the body comes in chunks of at most 64 KiB.

    1. The text must be https with a host name; every spelling of an address is refused.
    2. The name is looked up once, and every address found must be public and of another machine.
    3. The connection goes to such an address, and its certificate is verified for the name.
    4. At most three redirects are followed; each goes through steps 1 to 3 again.
    5. The answer must be a success, as the file's own bytes, and within `max_bytes`.

    Proxies and other settings of the environment are not used, no sign-in or cookie is sent.

    Args:
        url: What the person or the model gave.
        max_bytes: Largest body that is taken, by announcement and by count.
        deadline_seconds: For everything until the block is left, the caller's own work included.
        idle_seconds: Longest wait for one step.
        guard: Only tests hand in another one.

    Raises:
        InputError: The URL, or one that it redirects to, may not be fetched.
        StorageError: The fetch failed on the way, took too long, or the file is too large.
    """
    target = _parse(url, max_characters=MAX_FETCHED_URL_CHARACTERS)
    deadline = asyncio.timeout(deadline_seconds)
    try:
        async with (
            deadline,
            _final_response(target, guard=guard, idle_seconds=idle_seconds) as response,
            aclosing(_chunks(response, max_bytes=max_bytes)) as chunks,
        ):
            _check_response(response, max_bytes=max_bytes)
            yield chunks
    except TimeoutError:
        if not deadline.expired():
            raise
        raise StorageError(
            f"Fetching the file from {target.host} took longer than {deadline_seconds:g} seconds. "
            f"Try again later. {_INSTEAD}"
        ) from None


@dataclass(frozen=True, kw_only=True)
class _Target:
    """A URL that was read once; nothing reads its text again and understands it otherwise."""

    host: str
    port: int
    path: str
    """With the query, without the fragment."""

    @property
    def authority(self) -> str:
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"

    def url_at(self, address: IPAddress) -> str:
        literal = f"[{address}]" if isinstance(address, IPv6Address) else f"{address}"
        return f"https://{literal}:{self.port}{self.path}"

    def follow(self, location: str) -> "_Target":
        try:
            url = urljoin(f"https://{self.authority}{self.path}", location)
        except ValueError:
            raise _no_host_name_error() from None
        return _parse(url, max_characters=MAX_FETCHED_URL_CHARACTERS)


def _parse(url: str, *, max_characters: int) -> _Target:
    if len(url) > max_characters:
        raise InputError(f"The URL is longer than {max_characters:,} characters. {_INSTEAD}")
    if not url.isprintable() or " " in url:  # urlsplit drops tabs and line breaks without a word
        raise InputError(
            "The URL contains spaces or invisible characters. Copy it again, or write them "
            "percent-encoded (a space is %20)."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_host_name_error() from None
    _check_scheme(parts)
    _check_no_sign_in(parts)
    if port == 0:
        raise InputError("Port 0 in the URL cannot be connected to. Correct the URL.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(host=_parse_host(parts), port=port or HTTPS_PORT, path=path)


def _check_scheme(parts: SplitResult) -> None:
    if parts.scheme == "http":
        raise InputError(
            "An http:// URL is not fetched, because anyone on the way could change the file. "
            f"Give an https:// URL. {_INSTEAD}"
        )
    if parts.scheme != "https":
        raise InputError(f"Only URLs that begin with https:// are fetched. {_INSTEAD}")


def _check_no_sign_in(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise InputError(
            "The URL carries a sign-in before its host (user:password@), which is never sent. "
            f"Give a link that works without one. {_INSTEAD}"
        )


def _parse_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    name = _HOST_NAME.fullmatch(host) if len(host) <= MAX_NAME_CHARACTERS else None
    # urlsplit's lower() turns the Kelvin sign into a plain k, so the text before it counts.
    if name is None or _NUMBER.fullmatch(name[1]) or not parts.netloc.isascii():
        raise _no_host_name_error()
    if f".{host}".endswith(_LOCAL_DOMAINS):
        raise _not_public(host)
    return host


def _no_host_name_error() -> InputError:
    return InputError(
        "The URL does not give its host as a public name such as files.example.com. Addresses and "
        "names of one machine are not used; a name in another script is written in its xn-- form. "
        f"{_INSTEAD}"
    )


def _not_public(host: str) -> InputError:
    return InputError(
        f"{host} is not a public internet host, or it is this computer, so nothing is fetched from "
        f"it. {_INSTEAD}"
    )


async def _look_up_public(target: _Target, *, guard: Guard, idle_seconds: float) -> list[IPAddress]:
    try:
        async with asyncio.timeout(idle_seconds):
            found = [ip_address(text) for text in await guard.resolve(target.host, target.port)]
    except ValueError:
        raise _not_public(target.host) from None
    except OSError:  # TimeoutError is one
        found = []
    if not found:
        raise StorageError(
            f"The name {target.host} could not be looked up. Check its spelling, or try again "
            f"later. {_INSTEAD}"
        )
    if not all(guard.is_public(address) for address in found):
        raise _not_public(target.host)
    return _first_of_each_family(found)


def _first_of_each_family(addresses: list[IPAddress]) -> list[IPAddress]:
    first = addresses[0]
    others = [address for address in addresses if address.version != first.version]
    return [first, *others[:1]]


@asynccontextmanager
async def _final_response(
    target: _Target, *, guard: Guard, idle_seconds: float
) -> AsyncIterator["httpx.Response"]:
    for _ in range(1 + MAX_REDIRECTS):
        async with _response(target, guard=guard, idle_seconds=idle_seconds) as response:
            if not response.has_redirect_location:
                yield response
                return
            target = target.follow(response.headers["Location"])
    raise InputError(
        f"The URL redirects more than {MAX_REDIRECTS} times. Give the link that it ends at. "
        f"{_INSTEAD}"
    )


@asynccontextmanager
async def _response(
    target: _Target, *, guard: Guard, idle_seconds: float
) -> AsyncIterator["httpx.Response"]:
    addresses = await _look_up_public(target, guard=guard, idle_seconds=idle_seconds)
    async with _make_transport(guard) as transport:
        requests = [_make_request(target, at, idle_seconds=idle_seconds) for at in addresses]
        with _plain_words(target.host):
            response = await _first_response(transport, requests)
        async with aclosing(response):
            yield response


def _make_transport(guard: Guard) -> "httpx.AsyncHTTPTransport":
    # Not the client around it: that reads redirects by itself even where it does not follow them.
    import httpx
    from httpx_secure import httpx_ssrf_protection

    transport = httpx.AsyncHTTPTransport(verify=guard.tls or True, trust_env=False)
    # The last look at what a socket is opened to. The library's own table refuses nothing more.
    httpx_ssrf_protection(
        httpx.AsyncClient(transport=transport, trust_env=False),
        check_globally_reachable=False,
        custom_validator=lambda _host, address, _port: guard.is_public(address),
    )
    return transport


def _make_request(target: _Target, address: IPAddress, *, idle_seconds: float) -> "httpx.Request":
    import httpx

    return httpx.Request(
        "GET",
        target.url_at(address),
        headers={"Host": target.authority, **_HEADERS},
        extensions={
            "sni_hostname": target.host,
            "timeout": httpx.Timeout(idle_seconds).as_dict(),
        },
    )


async def _first_response(
    transport: "httpx.AsyncHTTPTransport", requests: list["httpx.Request"]
) -> "httpx.Response":
    import httpx

    *others, last = requests
    for request in others:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await _send(transport, request)
    return await _send(transport, last)


async def _send(
    transport: "httpx.AsyncHTTPTransport", request: "httpx.Request"
) -> "httpx.Response":
    response = await transport.handle_async_request(request)
    response.request = request
    return response


def _host_of(response: "httpx.Response") -> str:
    return str(response.request.extensions["sni_hostname"])


@contextmanager
def _plain_words(host: str) -> Iterator[None]:
    import httpx
    from httpx_secure import SSRFProtectionError

    try:
        yield
    except SSRFProtectionError:
        raise _not_public(host) from None
    except httpx.TimeoutException:
        raise StorageError(f"{host} stopped answering. Try again later. {_INSTEAD}") from None
    except httpx.ConnectError as error:
        raise _connection_error(host, error) from None
    except (httpx.HTTPError, ssl.SSLError):  # a damaged record comes out as it is
        raise StorageError(
            f"The connection to {host} broke off before the file was complete. Try again. "
            f"{_INSTEAD}"
        ) from None


def _connection_error(host: str, error: BaseException | None) -> StorageError:
    if has_cause(error, ssl.SSLError):
        return StorageError(
            f"{host} could not prove that it is {host}: its certificate or its TLS is not "
            f"valid. Check the URL. {_INSTEAD}"
        )
    return StorageError(f"{host} does not accept connections. Check the URL. {_INSTEAD}")


def _check_response(response: "httpx.Response", *, max_bytes: int) -> None:
    host, status = _host_of(response), response.status_code
    if status != HTTPStatus.OK:
        raise StorageError(
            f"{host} did not give the file: {_meaning(status)} {_INSTEAD}", http_status=status
        )
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
        raise StorageError(
            f"{host} sends the file compressed although it was asked not to. {_INSTEAD}"
        )
    if int(response.headers.get("Content-Length", 0)) > max_bytes:
        raise _too_large(host, max_bytes=max_bytes)


def _meaning(status: int) -> str:
    match status:
        case 401 | 403:
            return "it requires a sign-in, or the link has expired."
        case 404 | 410:
            return "there is no such file; check the URL."
        case 429 | 503:
            return "it is too busy; try again later."
        case _ if status >= HTTP_SERVER_ERRORS:
            return "it has trouble of its own; try again later."
        case _:
            return "its answer contains no file; check the URL."


def _too_large(host: str, *, max_bytes: int) -> StorageError:
    return StorageError(
        f"The file at {host} is larger than the {max_bytes:,} bytes that are allowed. "
        "Give a shorter or more compressed one."
    )


async def _chunks(response: "httpx.Response", *, max_bytes: int) -> AsyncGenerator[bytes, None]:
    host, received_bytes = _host_of(response), 0
    with _plain_words(host):
        async for chunk in response.aiter_raw():
            received_bytes += len(chunk)
            if received_bytes > max_bytes:
                raise _too_large(host, max_bytes=max_bytes)
            yield chunk
