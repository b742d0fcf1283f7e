"""Saves media that MiniMax made as files; a link that has expired is renewed once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from minimax.api import policies, retry
from minimax.api.policies import Policy
from minimax.api.signed_links import EXPIRED_LINK_STATUSES
from minimax.clock import Clock
from minimax.errors import InputError, MiniMaxError, RefusedError, StorageError
from minimax.files import media_types, outputs
from minimax.files.outputs import SavedFile
from minimax.ledger.records import Record
from minimax.runtime import Runtime
from minimax.validation import is_http_url

if TYPE_CHECKING:
    from minimax.api.client import MiniMaxClient
    from minimax.api.signed_links import Download

__all__ = [
    "OnBytes",
    "RenewableLink",
    "SavedOrError",
    "download_link",
    "fetch_link",
    "find_saved_path",
    "ignored_links_text",
    "link_life_text",
    "save_audio",
    "save_link",
    "save_preview",
    "save_text",
    "saving_failed_text",
    "try_saving",
]

log = logging.getLogger(__name__)

T = TypeVar("T")
SavedOrError = tuple[SavedFile | None, MiniMaxError | None]
"""A saved file, or why it could not be saved; neither where nothing was to be saved."""

UNIX_TIME_DIGITS: Final = 10
"""Of a moment in Unix seconds, until the year 2286."""

HEX_PIECE: Final = 512 * 1024
"""Characters decoded at a time; even, so that no byte is cut in two."""


# --- downloading -------------------------------------------------------------------------------

OnBytes = Callable[[int, int | None], None]
"""Told how many bytes have come, and of how many, if that was announced."""


class RenewableLink:
    """A signed link that can be requested again."""

    def __init__(self, request_link: Callable[[], Awaitable[str]]) -> None:
        self._request_link = request_link
        self.url: str | None = None

    async def get(self) -> str:
        """The link, requested on first use."""
        if self.url is None:
            self.url = await self._request_link()
        return self.url

    def forget(self) -> None:
        """It has expired; the next use requests another one."""
        self.url = None


def link_life_text(
    url: str, *, unix_now: float | None = None, unsaid: str = "for about an hour"
) -> str:
    """How long a signed link still works, as far as the link itself says (`Expires`)."""
    expires = parse_qs(urlsplit(url).query).get("Expires", [""])[0]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= UNIX_TIME_DIGITS):
        return unsaid
    left_seconds = int(expires) - (time.time() if unix_now is None else unix_now)
    return f"for {max(0, int(left_seconds // 60))} more minutes"


async def fetch_link(
    client: "MiniMaxClient",
    link: RenewableLink,
    receive: Callable[["Download"], Awaitable[T]],
    *,
    clock: Clock,
    policy: Policy | None = None,
    most_bytes: int | None = None,
) -> T:
    """What `receive` makes of a download: begun again after a cut, under a new link once.

    Raises:
        MiniMaxError: The download failed for good, or `receive` did; the file at MiniMax is not
            affected.
    """

    async def attempt() -> T:
        async with client.download(await link.get(), most_bytes=most_bytes) as download:
            return await receive(download)

    policy = policy or policies.DOWNLOAD
    try:
        return await retry.run(policy, attempt, clock=clock)
    except RefusedError as refusal:
        if refusal.http_status not in EXPIRED_LINK_STATUSES:
            raise
    link.forget()
    return await retry.run(policy, attempt, clock=clock)


async def download_link(
    runtime: Runtime,
    link: RenewableLink,
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    raw_type: str | None = None,
    on_bytes: OnBytes | None = None,
) -> SavedFile:
    """Download to `folder`: from the beginning again after a cut, under a new link once.

    Raises:
        StorageError: The disk would not take it, or it is not what was expected.
        MiniMaxError: The download failed for good; the file at MiniMax is not affected.
    """

    async def save(download: "Download") -> SavedFile:
        chunks = _count_bytes(download, on_bytes)
        return await runtime.results.save(
            chunks, stem=stem, types=types, folder=folder, raw_type=raw_type
        )

    return await fetch_link(await runtime.client(), link, save, clock=runtime.clock)


async def _count_bytes(download: "Download", on_bytes: OnBytes | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in download.chunks:
        received += len(chunk)
        if on_bytes is not None:
            on_bytes(received, download.total_bytes)
        yield chunk


async def find_saved_path(runtime: Runtime, task: Record | None) -> Path | None:
    """Where the result of a job was saved, if the file is still there."""
    if task is None or task.path is None:
        return None
    try:
        return (await asyncio.to_thread(runtime.results.describe, Path(task.path))).path
    except InputError:
        return None


# --- saving ------------------------------------------------------------------------------------


async def try_saving(saving: Awaitable[SavedFile]) -> SavedOrError:
    """A file, or why there is none: a full disk must not hide what was paid for."""
    try:
        return await saving, None
    except MiniMaxError as error:
        log.warning("A paid result could not be saved: %s", error)
        return None, error


def saving_failed_text(error: MiniMaxError | None, *, link: str | None = None) -> str:
    """What a paid result says where only the saving failed.

    Args:
        error: Why; None where nothing failed.
        link: The result's key that still leads to it, if one does.
    """
    if error is None:
        return ""
    works = "work" if link and link.endswith("s") else "works"
    way_out = f" {link} still {works} for a while." if link else ""
    what = "" if isinstance(error, StorageError) else " The download failed."
    return f"{what} {error}{way_out} MiniMax charges for making it again."


def ignored_links_text(count: int) -> str:
    """What a result says where MiniMax gave more links than were asked for."""
    return f" {count} links beyond those asked for were ignored." if count else ""


async def save_preview(
    runtime: Runtime, audio: str, *, voice_id: str, folder: Path
) -> SavedOrError:
    """Save the preview of a new voice, if there is one and files are wanted."""
    if not audio or runtime.settings.resource_mode == "url":
        return None, None
    stem = outputs.file_stem("preview", voice_id)
    return await try_saving(save_audio(runtime, audio, stem=stem, folder=folder))


async def save_audio(
    runtime: Runtime, audio: str, *, stem: str, folder: Path, raw_type: str | None = None
) -> SavedFile:
    """Save sound that came as a link or as hex.

    Raises:
        StorageError: The disk would not take it, or it is no sound.
    """
    if is_http_url(audio):
        return await save_link(
            runtime,
            audio,
            stem=stem,
            types=media_types.SPOKEN_TYPES,
            folder=folder,
            raw_type=raw_type,
        )
    return await runtime.results.save(
        _decode_hex(audio),
        stem=stem,
        types=media_types.SPOKEN_TYPES,
        folder=folder,
        raw_type=raw_type,
    )


async def save_link(
    runtime: Runtime,
    url: str,
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    raw_type: str | None = None,
) -> SavedFile:
    """Save what a link delivers; the link cannot be requested again.

    Raises:
        StorageError: The disk would not take it, or it is not what was expected.
        MiniMaxError: The download failed for good.
    """

    async def same_link() -> str:
        return url

    return await download_link(
        runtime,
        RenewableLink(same_link),
        stem=stem,
        types=types,
        folder=folder,
        raw_type=raw_type,
    )


async def _decode_hex(text: str) -> AsyncIterator[bytes]:
    for start in range(0, len(text), HEX_PIECE):
        try:
            yield bytes.fromhex(text[start : start + HEX_PIECE])
        except ValueError:
            raise outputs.not_media("is not sound") from None


async def save_text(
    runtime: Runtime, text: str, *, stem: str, folder: Path, media_type: str
) -> SavedFile:
    """Save a text of our own making, like subtitles.

    Raises:
        StorageError: The disk would not take it.
    """

    async def once() -> AsyncIterator[bytes]:
        yield text.encode()

    return await runtime.results.save(
        once(), stem=stem, types=frozenset(), folder=folder, raw_type=media_type
    )
