"""Downloading from MiniMax's signed links: no key, no redirect, no decompression, a size limit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from minimax.api import policies, responses
from minimax.api.transport import TRANSPORT_ERRORS, make_timeout, transport_error
from minimax.errors import Outcome, RefusedError, StorageError, UnansweredError

__all__ = ["Download"]
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
    headers = {"Accept-Encoding": "identity"}
    try:
        return pool.build_request(
            "GET", url, headers=headers, timeout=make_timeout(policies.DOWNLOAD)
        )
    except httpx.InvalidURL:
        raise unusable_link_error() from None


def split_link(link: str) -> SplitResult:
    try:
        return urlsplit(link)
    except ValueError:
        raise unusable_link_error() from None


def unusable_link_error() -> UnansweredError:
    return UnansweredError("MiniMax gave no usable download link.", outcome=Outcome.UNKNOWN)


def check_download(response: httpx.Response) -> None:
    if response.status_code in EXPIRED_LINK_STATUSES:
        raise RefusedError(
            "The download link is over.",
            outcome=Outcome.REJECTED,
            http_status=response.status_code,
        )
    if response.status_code != httpx.codes.OK:
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
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def stream_raw(response: httpx.Response) -> AsyncIterator[bytes]:
    received = 0
    try:
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > LARGEST_VIDEO_BYTES:
                raise _too_large_error()
            yield chunk
    except TRANSPORT_ERRORS as error:
        raise transport_error(error, response.request.url.host) from None
