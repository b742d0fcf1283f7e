"""Downloading from MiniMax's signed links: no key, no redirect, no decompression, a size limit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx

from minimax.api import policies, responses
from minimax.api.transport import TRANSPORT_ERRORS, make_timeout, transport_error
from minimax.errors import Outcome, RefusedError, StorageError, UnansweredError
from minimax.settings import is_loopback

__all__ = [
    "EXPIRED_LINK_STATUSES",
    "Download",
    "build_download_request",
    "check_download",
    "content_length",
    "resolve_link",
    "stream_raw",
]
EXPIRED_LINK_STATUSES: Final = frozenset({403, 404, 410})
"""HTTP statuses by which object stores say that a signed link has expired."""
LARGEST_VIDEO_BYTES: Final = 2 * 1024**3
"""No video model makes more; a larger download is a mistake or an attack."""


@dataclass(frozen=True)
class Download:
    """A download under way: its announced length, if any, and its raw bytes."""

    total_bytes: int | None
    chunks: AsyncIterator[bytes]


def build_download_request(pool: httpx.AsyncClient, url: str) -> httpx.Request:
    """The request for a signed link: nothing of ours goes with it."""
    headers = {"Accept-Encoding": "identity"}
    try:
        return pool.build_request(
            "GET", url, headers=headers, timeout=make_timeout(policies.DOWNLOAD)
        )
    except httpx.InvalidURL:
        raise unusable_link_error() from None


def resolve_link(link: str, *, api_host: str) -> str:
    """The link as it is fetched: by https, unless both it and the API are on this machine.

    Raises:
        UnansweredError: It is no link.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        raise unusable_link_error() from None
    api = urlsplit(api_host)
    if parts.scheme == "http" and is_loopback(parts.hostname) and is_loopback(api.hostname):
        return link
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise unusable_link_error()
    return parts._replace(scheme="https").geturl()


def unusable_link_error() -> UnansweredError:
    """The error for what MiniMax gave in place of a link."""
    return UnansweredError("MiniMax gave no usable download link.", outcome=Outcome.UNKNOWN)


def check_download(response: httpx.Response) -> None:
    """Refuse an expired link, a host in trouble, and what is no media file."""
    if response.status_code in EXPIRED_LINK_STATUSES:
        raise RefusedError(
            "The download link is over.",
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
    if (content_length(response) or 0) > LARGEST_VIDEO_BYTES:
        raise _too_large_error()


def _too_large_error() -> StorageError:
    return StorageError("The download is larger than any video MiniMax makes; it was stopped.")


def content_length(response: httpx.Response) -> int | None:
    """The announced length in bytes, if one was announced."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def stream_raw(response: httpx.Response) -> AsyncIterator[bytes]:
    """The bytes as they come, undecoded, up to the largest video."""
    received = 0
    try:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > LARGEST_VIDEO_BYTES:
                raise _too_large_error()
            yield chunk
    except TRANSPORT_ERRORS as error:
        raise transport_error(error, response.request.url.host) from None
