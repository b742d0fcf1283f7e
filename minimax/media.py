"""The only doors to the disk: `open_input` lets a file out, `save` lets one in.

`places` says where a path really lies and whether it may be used. Here it is then opened component
by component without following links, and its type and size are judged on the very descriptor that
is read: nothing can be swapped between the check and the use.
"""

import asyncio
import base64
import binascii
import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Final, Self, cast
from urllib.parse import urlsplit

from minimax import kinds, net, places
from minimax.errors import InputError, MiniMaxError, Outcome, StorageError
from minimax.rules import MIB, Rules, check_content, check_size, type_of
from minimax.settings import Settings

__all__ = [
    "Input",
    "SavedFile",
    "find_saved",
    "not_media",
    "open_input",
    "open_picture",
    "receive",
    "save",
    "stamp",
    "stem_for",
]

CHUNK_BYTES: Final = 256 * 1024
WRITE_BYTES: Final = MIB
"""Collected before one write, so that a thread is woken once a mebibyte."""
PADDING_BYTES: Final = 2
"""Base64 may stand for so many bytes less than its length says."""
PRIVATE_FILE: Final = 0o600


class Input(io.RawIOBase):
    """An opened and checked input: a window of fixed size onto one descriptor.

    A file that grows while it is sent does not get longer here; one that shrinks is an error.
    """

    def __init__(self, file: BinaryIO, *, name: str, media_type: str, size: int) -> None:
        super().__init__()
        self._file = file
        self.name = name
        self.media_type = media_type
        self.size = size

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:  # noqa: D102
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._file.tell(), os.SEEK_END: self.size}[whence]
        return self._file.seek(max(0, start + offset))

    def tell(self) -> int:  # noqa: D102
        return self._file.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # noqa: D102
        left = self.size - self._file.tell()
        data = self._file.read(max(0, min(left, len(buffer))))
        if left > 0 and not data:
            raise StorageError("The file was changed while it was being read. Call again.")
        buffer[: len(data)] = data
        return len(data)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The content from its beginning, in pieces."""
        self.seek(0)
        while chunk := self.read(chunk_bytes):
            yield chunk

    def digest(self) -> str:
        """SHA-256 of the content: the same picture under another name is the same input."""
        sha = hashlib.sha256()
        for chunk in self.chunks():
            sha.update(chunk)
        return sha.hexdigest()

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()
        super().close()

    def __enter__(self) -> Self:
        return self


# --- the door out ------------------------------------------------------------------------------


def open_input(source: str, *, field: str, rules: Rules, settings: Settings) -> Input:
    """Open a path, file:// URL or data: URI that may be sent to MiniMax.

    Args:
        source: As the person gave it, quotes and all.
        field: The parameter it came in, for messages.
        rules: What MiniMax takes here.
        settings: Whose folders apply.

    Raises:
        InputError: It may not be used, or MiniMax would refuse it; the text says why.
    """
    text = places.without_decoration(source)
    is_data = text[:5].lower() == "data:"
    name, file = _decoded(text, field, rules) if is_data else _opened(text, field, rules, settings)
    try:
        return _checked(file, name=name, field=field, rules=rules)
    except BaseException:
        file.close()
        raise


def open_picture(
    source: str, *, field: str, rules: Rules, settings: Settings, opened: ExitStack
) -> "str | Input":
    """A picture as a request takes it: a link that MiniMax fetches itself, or an opened file.

    Args:
        source: As the person gave it.
        field: The parameter it came in, for messages.
        rules: What MiniMax takes here.
        settings: Whose folders apply.
        opened: Receives an opened file; closed by the caller once it is sent.

    Raises:
        InputError: As `open_input`; or the link is not plain https.
    """
    text = places.without_decoration(source)
    if places.is_url(text) and text[:5].lower() != "data:":
        return net.check_url_syntax(text)
    return opened.enter_context(open_input(text, field=field, rules=rules, settings=settings))


def stamp(source: str, *, field: str, settings: Settings) -> tuple[int, int] | None:
    """Changes when a local file does, so that two under one name are told apart; else None.

    Raises:
        InputError: It may not be used.
    """
    text = places.without_decoration(source)
    if places.is_url(text):
        return None
    try:
        facts = places.input_place(text, field=field, settings=settings).stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


async def receive(url: str, *, field: str, rules: Rules) -> Input:
    """Fetch an https URL that somebody gave, into a file without a name, and check it likewise.

    Raises:
        InputError: It may not be fetched, or MiniMax would refuse what came.
        StorageError: It could not be fetched, or is too large.
    """
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the Input
    try:
        async with net.fetch(url, max_bytes=rules.most_bytes) as chunks:
            async for chunk in chunks:
                await _kept(file, chunk, field)
        file.seek(0)
        name = PurePosixPath(urlsplit(url).path).name or field
        return _checked(cast("BinaryIO", file), name=name, field=field, rules=rules)
    except BaseException:
        file.close()
        raise


async def _kept(file: IO[bytes], chunk: bytes, field: str) -> None:
    try:
        await asyncio.to_thread(_write_all, file, chunk)
    except OSError as error:
        raise StorageError(
            f"{field}: the file could not be kept on this computer while it was fetched: "
            f"{_reason(error)}. Make room in the folder for temporary files, then call again. "
            "Nothing was sent."
        ) from None


def _write_all(file: IO[bytes], data: bytes) -> None:
    """An unbuffered write may be short before the disk is full."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _decoded(text: str, field: str, rules: Rules) -> tuple[str, BinaryIO]:
    header, comma, payload = text.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise InputError(f"{field}: a data: URI must look like data:image/png;base64,....")
    check_size(len(payload) * 3 // 4 - PADDING_BYTES, field=field, rules=rules)
    try:
        return field, io.BytesIO(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError):
        raise InputError(f"{field}: what follows base64, is not base64.") from None


def _opened(text: str, field: str, rules: Rules, settings: Settings) -> tuple[str, BinaryIO]:
    if places.is_url(text):
        raise InputError(f"{field}: give the {rules.noun} as a path, or as an https URL.")
    place = places.input_place(text, field=field, settings=settings)
    try:
        return place.name, _open_without_links(place)
    except OSError as error:
        raise _cannot_open(error, field) from None


def _open_without_links(place: Path) -> BinaryIO:
    """Open a resolved path so that no component may have become a link since."""
    if os.open not in os.supports_dir_fd:
        # Windows cannot refuse links while opening; there the resolved path has to do.
        return open(place, "rb", buffering=0)  # noqa: PTH123
    folder = _open_folder(place.parent)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return _as_file(os.open(place.name, flags, dir_fd=folder))
    finally:
        os.close(folder)


def _as_file(descriptor: int) -> BinaryIO:
    try:
        return os.fdopen(descriptor, "rb", buffering=0)
    except OSError:  # a folder; the descriptor would stay open
        os.close(descriptor)
        raise


def _open_folder(folder: Path, *, make_below: Path | None = None) -> int:
    """Descriptor of a folder, walked from the root without following links.

    Args:
        folder: A resolved path.
        make_below: Missing folders below this one are made on the way.
    """
    here = os.open(folder.anchor, _FOLDER_FLAGS)
    at = Path(folder.anchor)
    for part in folder.parts[1:]:
        at = at / part
        try:
            if make_below is not None and (at == make_below or at.is_relative_to(make_below)):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=here)
            deeper = os.open(part, _FOLDER_FLAGS, dir_fd=here)
        finally:
            os.close(here)
        here = deeper
    return here


# O_PATH asks only for the right to pass through a folder, not to list it.
_FOLDER_FLAGS: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


def _cannot_open(error: OSError, field: str) -> MiniMaxError:
    if error.errno == errno.ENOENT:
        return InputError(
            f"{field}: there is no such file on this computer. A file that was attached to the "
            "chat does not lie here: ask the person where the file lies on this computer."
        )
    if error.errno == errno.EPERM and sys.platform == "darwin":
        return InputError(
            f"{field}: macOS keeps this folder from the app that runs this server. Allow it under "
            "System Settings > Privacy & Security > Files and Folders, or move the file."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"{field}: this user may not read that file. Change its permissions.")
    return InputError(f"{field} is not a regular file that can be read. Give the file itself.")


def _checked(file: BinaryIO, *, name: str, field: str, rules: Rules) -> Input:
    size = _size_of(file, field, rules)
    check_size(size, field=field, rules=rules)
    media_type = type_of(file.read(kinds.HEAD_BYTES), field=field, rules=rules)
    opened = Input(file, name=_true_name(name, media_type), media_type=media_type, size=size)
    check_content(opened, size=size, media_type=media_type, field=field, rules=rules)
    opened.seek(0)
    return opened


def _size_of(file: BinaryIO, field: str, rules: Rules) -> int:
    if isinstance(file, io.BytesIO):
        return len(file.getbuffer())
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(f"{field} is not a regular file. Give the {rules.noun} itself.")
    return facts.st_size


def _true_name(name: str, media_type: str) -> str:
    """The file's own name under the extension that its content has; MiniMax goes by it."""
    extension = kinds.EXTENSIONS[media_type]
    stem, _, last = name.rpartition(".")
    return f"{stem if stem and len(last) <= len('jpeg') else name}.{extension}"


# --- the door in -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SavedFile:
    """A file that lies complete under its final name."""

    path: Path
    bytes: int
    media_type: str


def stem_for(prefix: str, ident: str) -> str:
    """A file name, without extension, from ids only; odd or long ids are hashed.

    Never from a prompt, a link or a name that a server sent.
    """
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", ident):
        return f"{prefix}-{ident}"
    return f"{prefix}-{hashlib.sha256(ident.encode()).hexdigest()[:16]}"


def find_saved(stem: str, *, types: frozenset[str], folder: Path) -> SavedFile | None:
    """A complete file that an earlier call saved under this stem, if there is one."""
    for media_type in sorted(types):
        for name in _names(stem, kinds.EXTENSIONS[media_type]):
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
    with _open_without_links(path) as file:
        facts = os.fstat(file.fileno())
        whole = stat.S_ISREG(facts.st_mode) and _is_whole(file, facts.st_size, media_type)
    return SavedFile(path=path, bytes=facts.st_size, media_type=media_type) if whole else None


def _names(stem: str, extension: str) -> Iterator[str]:
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
        raise _cannot_write(error) from None
    try:
        async for block in _in_blocks(chunks):
            await asyncio.to_thread(part.write, block)
        return await asyncio.to_thread(part.publish, types, raw_type)
    except OSError as error:
        raise _cannot_write(error) from None
    finally:
        part.remove()


async def _in_blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    block = bytearray()
    async for chunk in chunks:
        block += chunk
        if len(block) >= WRITE_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


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
        folder_fd = _open_folder(folder, make_below=_first_missing(folder))
        try:
            return cls(folder, stem, folder_fd)
        except BaseException:
            os.close(folder_fd)
            raise

    def _at(self, name: str) -> str:
        return name if self._folder_fd is not None else str(self._folder / name)

    def write(self, block: bytes) -> None:
        _write_all(self._file, block)
        self._size += len(block)

    def publish(self, types: frozenset[str], raw_type: str | None) -> SavedFile:
        self._file.seek(0)
        media_type = raw_type or kinds.kind_of(self._file.read(kinds.HEAD_BYTES))
        if media_type is None or media_type not in {*types, raw_type}:
            raise not_media("is not a media file")
        if not _is_whole(self._file, self._size, media_type):
            raise not_media("is incomplete")
        os.fsync(self._file.fileno())
        self._file.close()  # Windows publishes closed files only
        name = self._publish_under_free_name(kinds.EXTENSIONS[media_type])
        return SavedFile(path=self._folder / name, bytes=self._size, media_type=media_type)

    def _publish_under_free_name(self, extension: str) -> str:
        for name in _names(self._stem, extension):
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


def _is_whole(file: BinaryIO, size: int, media_type: str) -> bool:
    if media_type in ("video/mp4", "audio/mp4"):
        return kinds.has_whole_boxes(file, size=size)
    return size > 0


def not_media(what: str) -> StorageError:
    """The error for content that is not what was expected; nothing of it is kept."""
    return StorageError(
        f"What was delivered {what}, so nothing was saved.", outcome=Outcome.UNKNOWN
    )


def _cannot_write(error: OSError) -> StorageError:
    return StorageError(
        f"The file could not be saved: {_reason(error)}. Nothing half-written was left behind. The "
        "folder is set with MINIMAX_MCP_BASE_PATH."
    )


def _reason(error: OSError) -> str:
    return _WRITE_TROUBLES.get(error.errno or 0, "the disk reports an error")


_WRITE_TROUBLES: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's disk quota is used up",
    errno.EFBIG: "the file is larger than this system or disk allows",
    errno.EACCES: "this user may not write in the folder",
    errno.EPERM: "this user may not write in the folder",
    errno.EROFS: "the disk is read-only",
    errno.ENOTDIR: "the folder's path leads through a file or a link",
    errno.ELOOP: "the folder's path leads through a link",
    errno.EEXIST: "every name for it is taken in that folder",
}
