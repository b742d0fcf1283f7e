"""A link of MiniMax's becomes a file here: started over when cut, renewed when over."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from minimax import media, retry
from minimax.clock import Clock
from minimax.errors import RefusedError
from minimax.media import SavedFile

if TYPE_CHECKING:
    from minimax.client import MiniMaxClient

__all__ = ["Link", "fetch"]

LINK_OVER: tuple[int, ...] = (403, 404, 410)


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

    async def renew(self) -> None:
        """Mint another one."""
        self.url = await self._mint()


async def fetch(
    client: "MiniMaxClient",
    link: Link,
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    clock: Clock | None = None,
) -> SavedFile:
    """Download to `folder`: from the beginning again after a cut, under a new link once.

    Raises:
        StorageError: The disk would not take it, or it is not what was expected.
        MiniMaxError: The download failed for good; the file at MiniMax is not affected.
    """

    async def attempt() -> SavedFile:
        async with client.download(await link.get()) as download:
            return await media.save(download.chunks, stem=stem, types=types, folder=folder)

    try:
        return await retry.run(retry.DOWNLOAD, attempt, clock=clock or Clock())
    except RefusedError as refusal:
        if refusal.http_status not in LINK_OVER:
            raise
    await link.renew()
    return await retry.run(retry.DOWNLOAD, attempt, clock=clock or Clock())
