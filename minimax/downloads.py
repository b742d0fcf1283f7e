"""A link of MiniMax's becomes a file here: started over when cut, renewed when over."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from minimax import media, retry
from minimax.clock import Clock
from minimax.errors import LINK_OVER, RefusedError
from minimax.media import SavedFile

if TYPE_CHECKING:
    from minimax.client import Download, MiniMaxClient

__all__ = ["Link", "OnBytes", "fetch", "life_text"]

OnBytes = Callable[[int, int | None], None]
"""Told how many bytes have come, and of how many, if that was announced."""


class Link:
    """A signed link that can be minted anew."""

    def __init__(self, mint: Callable[[], Awaitable[str]]) -> None:
        self._mint = mint
        self.url: str | None = None

    async def get(self) -> str:
        """The link, minted on first use."""
        if self.url is None:
            self.url = await self._mint()
        return self.url

    def forget(self) -> None:
        """It is over; the next use mints another one."""
        self.url = None


def life_text(url: str, *, unix_now: float | None = None) -> str:
    """How long a signed link still works, as far as the link itself says (`Expires`)."""
    expires = parse_qs(urlsplit(url).query).get("Expires", [""])[0]
    if not (expires.isascii() and expires.isdigit()):
        return "for about an hour"
    left_seconds = int(expires) - (time.time() if unix_now is None else unix_now)
    return f"for {max(0, int(left_seconds // 60))} more minutes"


async def fetch(
    client: "MiniMaxClient",
    link: Link,
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    clock: Clock,
    raw_type: str | None = None,
    on_bytes: OnBytes | None = None,
) -> SavedFile:
    """Download to `folder`: from the beginning again after a cut, under a new link once.

    Raises:
        StorageError: The disk would not take it, or it is not what was expected.
        MiniMaxError: The download failed for good; the file at MiniMax is not affected.
    """

    async def attempt() -> SavedFile:
        async with client.download(await link.get()) as download:
            chunks = _counted(download, on_bytes)
            return await media.save(
                chunks, stem=stem, types=types, folder=folder, raw_type=raw_type
            )

    try:
        return await retry.run(retry.DOWNLOAD, attempt, clock=clock)
    except RefusedError as refusal:
        if refusal.http_status not in LINK_OVER:
            raise
    link.forget()
    return await retry.run(retry.DOWNLOAD, attempt, clock=clock)


async def _counted(download: "Download", on_bytes: OnBytes | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in download.chunks:
        received += len(chunk)
        if on_bytes is not None:
            on_bytes(received, download.total_bytes)
        yield chunk
