"""Downloads MiniMax's signed links: public hosts, no key, redirect or decoding, a size limit."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from minimax.api import policies, responses
from minimax.api.transport import (
    CONNECT_SECONDS,
    TRANSPORT_ERRORS,
    content_length,
    make_timeout,
    transport_error,
)
from minimax.errors import Outcome, RefusedError, StorageError, UnansweredError, UnreachableError
from minimax.safe_text import LINK_CHARACTERS
from minimax.settings import is_loopback

__all__ = [
    "EXPIRED_LINK_STATUSES",
    "LARGEST_SPEECH_BYTES",
    "LARGEST_VIDEO_BYTES",
    "AddressJudge",
    "Download",
    "LinkTarget",
    "build_download_request",
    "check_download",
    "look_up",
    "parse_link",
    "stream_raw",
]
EXPIRED_LINK_STATUSES: Final = frozenset({403, 404, 410})
"""HTTP statuses by which object stores say that a signed link has expired."""
LARGEST_VIDEO_BYTES: Final = 2 * 1024**3
"""No video model makes more; a larger download is a mistake or an attack."""
LARGEST_SPEECH_BYTES: Final = 16 * 1024**3
"""A million characters, said slowly, as wav with 44100 Hz and two channels."""
NAME_CHARACTERS: Final = 253
"""Of a host name in its textual form (RFC 1035, section 2.3.4)."""
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
"""A public name ends in a domain that begins with a letter; no spelling of an address does."""

AddressJudge = Callable[[IPv4Address | IPv6Address], bool]
"""Whether an address belongs to the public internet."""


@dataclass(frozen=True)
class Download:
    """A download under way: its announced length, if any, and its raw bytes."""

    total_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, kw_only=True)
class LinkTarget:
    """Where a link leads; nothing reads its text a second time and understands it otherwise."""

    scheme: str
    host: str
    port: int | None
    path: str
    """With the query, without the fragment."""
    is_local: bool
    """From an API on this machine to this machine."""

    @property
    def authority(self) -> str:
        """The host as a request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def has_proxy(self) -> bool:
        """Whether this environment has a proxy for it."""
        proxies = getproxies()
        named = proxies.get(self.scheme) or proxies.get("all")
        return bool(named) and not self.is_local and not proxy_bypass(self.host)


def parse_link(link: str, *, api_host: str) -> LinkTarget:
    """What a link says: by https, unless both it and the API are on this machine.

    Raises:
        UnansweredError: It is no link, carries a sign-in, or does not say its host by a public
            name.
    """
    try:
        parts, api = urlsplit(link), urlsplit(api_host)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise unusable_link_error() from None
    is_local = is_loopback(host) and is_loopback(api.hostname)
    named = is_local or (len(host) <= NAME_CHARACTERS and _HOST_NAME.fullmatch(host))
    # lower() turns the Kelvin sign into a plain k, so the text before it counts.
    usable = named and parts.netloc.isascii() and len(link) <= LINK_CHARACTERS
    if not usable or "@" in parts.netloc or parts.scheme not in ("http", "https"):
        raise unusable_link_error()
    return LinkTarget(
        scheme=parts.scheme if is_local else "https",
        host=host,
        port=port,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        is_local=is_local,
    )


async def look_up(target: LinkTarget, *, is_public: AddressJudge, through_proxy: bool) -> list[str]:
    """Where to connect to: an address of each family that the name has, all of them public.

    Behind a proxy it is the name, because the proxy looks names up by itself; what this machine
    finds for the name, if it finds anything, is judged all the same.

    Raises:
        RefusedError: An address is not public.
        UnreachableError: The name is not known.
    """
    if target.is_local:
        return [target.host]
    addresses = await _addresses_of(target.host)
    if not all(is_public(address) for address in addresses):
        raise RefusedError(
            f"MiniMax gave a link to {target.host}, which is not a public internet host, so "
            "nothing was fetched from it.",
            outcome=Outcome.REJECTED,
        )
    if through_proxy:
        return [target.host]
    if not addresses:
        raise UnreachableError(
            f"The name {target.host} could not be looked up. Check the internet connection.",
            outcome=Outcome.NOT_SENT,
        )
    first_of_family = {address.version: str(address) for address in reversed(addresses)}
    return list(reversed(first_of_family.values()))


async def _addresses_of(name: str) -> list[IPv4Address | IPv6Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # TimeoutError is an OSError; a label may be no IDNA
        return []
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


def build_download_request(
    pool: httpx.AsyncClient, target: LinkTarget, address: str
) -> httpx.Request:
    """The request for a signed link, to one of its addresses: nothing of ours goes with it."""
    literal = f"[{address}]" if ":" in address else address
    port = "" if target.port is None else f":{target.port}"
    try:
        return pool.build_request(
            "GET",
            f"{target.scheme}://{literal}{port}{target.path}",
            headers={"Host": target.authority},
            extensions={"sni_hostname": target.host},
            timeout=make_timeout(policies.DOWNLOAD),
        )
    except (httpx.InvalidURL, UnicodeError):  # a label may be no IDNA
        raise unusable_link_error() from None


def unusable_link_error() -> UnansweredError:
    """The error for what MiniMax gave in place of a link."""
    return UnansweredError("MiniMax gave no usable download link.", outcome=Outcome.UNKNOWN)


def check_download(response: httpx.Response, *, most_bytes: int | None = None) -> None:
    """Refuse an expired link, a host in trouble, and what is no media file or too large."""
    if response.status_code in EXPIRED_LINK_STATUSES:
        raise RefusedError(
            "The download link has expired.",
            outcome=Outcome.REJECTED,
            http_status=response.status_code,
        )
    if response.status_code != HTTPStatus.OK:
        raise UnansweredError(
            "The download host is in trouble. Call again later; the file is not lost.",
            outcome=responses.outcome_of(response.status_code),
            http_status=response.status_code,
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise StorageError("The download came compressed, which a video never is; refused.")
    if (content_length(response) or 0) > (most_bytes or LARGEST_VIDEO_BYTES):
        raise _too_large_error()


def _too_large_error() -> StorageError:
    return StorageError(
        "The download is larger than any video or speech that MiniMax makes; it was stopped."
    )


async def stream_raw(
    response: httpx.Response, *, host: str, most_bytes: int | None = None
) -> AsyncIterator[bytes]:
    """The bytes as they come, undecoded, up to `most_bytes` or the largest video."""
    received = 0
    try:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > (most_bytes or LARGEST_VIDEO_BYTES):
                raise _too_large_error()
            yield chunk
    except TRANSPORT_ERRORS as error:
        raise transport_error(error, host) from None
