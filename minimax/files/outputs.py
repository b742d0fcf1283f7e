"""Saves results: whole files only, under a new name, inside the folder for results."""

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from minimax.errors import Outcome, StorageError
from minimax.files import media_types, probe
from minimax.files.descriptors import (
    PRIVATE_FILE,
    explain_write_error,
    open_folder,
    open_without_links,
    write_all,
)
from minimax.files.requirements import MIB
from minimax.validation import is_id

__all__ = ["SavedFile", "WriteError", "file_stem", "find_saved", "not_media", "save"]

WRITE_BYTES: Final = MIB
"""Collected before one write, so that a thread is woken once a mebibyte."""


@dataclass(frozen=True, kw_only=True)
class SavedFile:
    """A file that is complete under its final name."""

    path: Path
    bytes: int
    media_type: str


def file_stem(prefix: str, ident: str) -> str:
    """A file name, without extension, from ids only; odd or long ids are hashed.

    Never from a prompt, a link or a name that a server sent.
    """
    if is_id(ident):
        return f"{prefix}-{ident}"
    return f"{prefix}-{hashlib.sha256(ident.encode()).hexdigest()[:16]}"


def find_saved(stem: str, *, types: frozenset[str], folder: Path) -> SavedFile | None:
    """A complete file that an earlier call saved under this stem, if there is one."""
    for media_type in sorted(types):
        for name in _names_to_try(stem, media_types.EXTENSIONS[media_type]):
            try:
                found = _whole_file(folder / name, media_type)
            except FileNotFoundError:
                break  # nor one with a higher number
            except OSError:
                continue
            if found is not None:
                return found
    return None


def _whole_file(path: Path, media_type: str) -> SavedFile | None:
    with open_without_links(path) as file:
        facts = os.fstat(file.fileno())
        whole = stat.S_ISREG(facts.st_mode) and _is_whole(file, facts.st_size, media_type)
    return SavedFile(path=path, bytes=facts.st_size, media_type=media_type) if whole else None


def _names_to_try(stem: str, extension: str) -> Iterator[str]:
    """The names that a file may be published under, in the order in which they are tried."""
    yield f"{stem}.{extension}"
    for number in range(2, MOST_NAMESAKES + 1):
        yield f"{stem}-{number}.{extension}"


async def save(
    chunks: AsyncIterator[bytes],
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    raw_type: str | None = None,
) -> SavedFile:
    """Write a stream to `folder` and publish it complete, never over an existing file.

    It is collected in a `.part` file beside its place, which is gone in every case afterwards.

    Args:
        chunks: The content.
        stem: From `stem_for`; the extension follows the content.
        types: What the content may be.
        folder: From `places.output_place`; made when missing.
        raw_type: The type of content that proves nothing by itself, like PCM or subtitles.

    Raises:
        StorageError: The disk would not take it, or the content is not what was expected.
        MiniMaxError: What the stream itself raised.
    """
    try:
        part = await asyncio.to_thread(_Part.create, folder, stem)
    except OSError as error:
        raise _write_error(error, folder) from None
    try:
        async for block in _in_blocks(chunks):
            await asyncio.to_thread(part.write, block)
        return await asyncio.to_thread(part.publish, types, raw_type)
    except OSError as error:
        raise _write_error(error, folder) from None
    finally:
        part.remove()


async def _in_blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytearray]:
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= WRITE_BYTES:
            yield block
            block = bytearray()
    if block:
        yield block


class _Part:
    """A `.part` file in an opened folder, on its way to a final name."""

    def __init__(self, folder: Path, stem: str, folder_fd: int | None) -> None:
        self._folder = folder
        self._stem = stem
        self._folder_fd = folder_fd
        self._name = f".{stem}-{secrets.token_hex(4)}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._at(self._name), flags, PRIVATE_FILE, dir_fd=folder_fd)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._size = 0

    @classmethod
    def create(cls, folder: Path, stem: str) -> Self:
        if os.open not in os.supports_dir_fd:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder, stem, None)
        folder_fd = open_folder(folder, make_below=_first_missing(folder))
        try:
            return cls(folder, stem, folder_fd)
        except BaseException:
            os.close(folder_fd)
            raise

    def _at(self, name: str) -> str:
        return name if self._folder_fd is not None else str(self._folder / name)

    def write(self, block: bytearray) -> None:
        write_all(self._file, block)
        self._size += len(block)

    def publish(self, types: frozenset[str], raw_type: str | None) -> SavedFile:
        self._file.seek(0)
        media_type = _choose_type(self._file.read(media_types.HEAD_BYTES), types, raw_type)
        if not _is_whole(self._file, self._size, media_type):
            raise not_media("is incomplete")
        os.fsync(self._file.fileno())
        self._file.close()  # Windows publishes closed files only
        name = self._publish_under_free_name(media_types.EXTENSIONS[media_type])
        return SavedFile(path=self._folder / name, bytes=self._size, media_type=media_type)

    def _publish_under_free_name(self, extension: str) -> str:
        for name in _names_to_try(self._stem, extension):
            with contextlib.suppress(FileExistsError):
                self._publish_as(name)
                return name
        raise FileExistsError(errno.EEXIST, "every name is taken")

    def _publish_as(self, name: str) -> None:
        fd = self._folder_fd
        try:
            os.link(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            self._rename_onto_placeholder(name)

    def _rename_onto_placeholder(self, name: str) -> None:
        """Where hard links do not exist (exFAT, some network disks): claim the name, then move."""
        fd = self._folder_fd
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        os.close(os.open(self._at(name), flags, PRIVATE_FILE, dir_fd=fd))
        os.replace(self._at(self._name), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)

    def remove(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._at(self._name), dir_fd=self._folder_fd)
        if self._folder_fd is not None:
            os.close(self._folder_fd)


MOST_NAMESAKES: Final = 100
NO_HARD_LINKS: Final = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
)


def _first_missing(folder: Path) -> Path | None:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    return missing[-1] if missing else None


def _choose_type(head: bytes, types: frozenset[str], raw_type: str | None) -> str:
    """The media type of content, whose extension the file gets.

    Content that was to be raw is what it proves to be, where it proves to be something else.
    """
    sniff = media_types.sniff_media_type if raw_type is None else media_types.sniff_among_samples
    found = sniff(head)
    if found in types and found is not None:
        return found
    if raw_type is None:
        raise not_media("is not a media file")
    return raw_type


def _is_whole(file: BinaryIO, size: int, media_type: str) -> bool:
    if media_type in ("video/mp4", "audio/mp4"):
        return probe.is_complete_mp4(file, size=size)
    return size > 0


def not_media(what: str) -> StorageError:
    """The error for content that is not what was expected; nothing of it is kept."""
    return StorageError(
        f"What was delivered {what}, so nothing was saved.", outcome=Outcome.UNKNOWN
    )


class WriteError(StorageError):
    """A file could not be written into its folder."""


def _write_error(error: OSError, folder: Path) -> WriteError:
    return WriteError(
        f"Saving in {folder} failed: {explain_write_error(error)}. No part of the file was left "
        "there. The folder for saved files is set with MINIMAX_MCP_BASE_PATH."
    )
