"""The only doors to the disk: `open_input` lets a file out, `save` lets one in.

`places` says where a path really lies and whether it may be used. Here it is then opened component
by component without following links, and its type and size are judged on the very descriptor that
is read: nothing can be swapped between the check and the use.
"""

import asyncio
import base64
import binascii
import errno
import hashlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import IO, BinaryIO, Final, Self, cast
from urllib.parse import urlsplit

from minimax.errors import InputError, MiniMaxError, StorageError
from minimax.files import media_types, paths, safe_fetch
from minimax.files.descriptors import explain_write_error, open_without_links, write_all
from minimax.files.requirements import MediaRequirements, check_content, check_size, type_of
from minimax.settings import Settings

__all__ = ["Input", "file_version", "open_input", "open_picture", "open_url"]

CHUNK_BYTES: Final = 256 * 1024
PADDING_BYTES: Final = 2
"""Base64 may stand for so many bytes less than its length says."""


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


def open_input(source: str, *, field: str, rules: MediaRequirements, settings: Settings) -> Input:
    """Open a path, file:// URL or data: URI that may be sent to MiniMax.

    Args:
        source: As the person gave it, quotes and all.
        field: The parameter it came in, for messages.
        rules: What MiniMax takes here.
        settings: Whose folders apply.

    Raises:
        InputError: It may not be used, or MiniMax would refuse it; the text says why.
    """
    text = paths.strip_quotes(source)
    is_data = text[:5].lower() == "data:"
    name, file = _decoded(text, field, rules) if is_data else _opened(text, field, rules, settings)
    try:
        return _checked(file, name=name, field=field, rules=rules)
    except BaseException:
        file.close()
        raise


def open_picture(
    source: str, *, field: str, rules: MediaRequirements, settings: Settings, opened: ExitStack
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
    text = paths.strip_quotes(source)
    if paths.is_url(text) and text[:5].lower() != "data:":
        return safe_fetch.check_url_syntax(text)
    return opened.enter_context(open_input(text, field=field, rules=rules, settings=settings))


def file_version(source: str, *, field: str, settings: Settings) -> tuple[int, int] | None:
    """Changes when a local file does, so that two under one name are told apart; else None.

    Raises:
        InputError: It may not be used.
    """
    text = paths.strip_quotes(source)
    if paths.is_url(text):
        return None
    try:
        facts = paths.resolve_input(text, field=field, settings=settings).stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


async def open_url(url: str, *, field: str, rules: MediaRequirements) -> Input:
    """Fetch an https URL that somebody gave, into a file without a name, and check it likewise.

    Raises:
        InputError: It may not be fetched, or MiniMax would refuse what came.
        StorageError: It could not be fetched, or is too large.
    """
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the Input
    try:
        async with safe_fetch.fetch(url, max_bytes=rules.most_bytes) as chunks:
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
        await asyncio.to_thread(write_all, file, chunk)
    except OSError as error:
        raise StorageError(
            f"{field}: the file could not be kept on this computer while it was fetched: "
            f"{explain_write_error(error)}. Make room in the folder for temporary files, then call again. "
            "Nothing was sent."
        ) from None


def _decoded(text: str, field: str, rules: MediaRequirements) -> tuple[str, BinaryIO]:
    header, comma, payload = text.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise InputError(f"{field}: a data: URI must look like data:image/png;base64,....")
    check_size(len(payload) * 3 // 4 - PADDING_BYTES, field=field, rules=rules)
    try:
        return field, io.BytesIO(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError):
        raise InputError(f"{field}: what follows base64, is not base64.") from None


def _opened(
    text: str, field: str, rules: MediaRequirements, settings: Settings
) -> tuple[str, BinaryIO]:
    if paths.is_url(text):
        raise InputError(f"{field}: give the {rules.noun} as a path, or as an https URL.")
    place = paths.resolve_input(text, field=field, settings=settings)
    try:
        return place.name, open_without_links(place)
    except OSError as error:
        raise _cannot_open(error, field) from None


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


def _checked(file: BinaryIO, *, name: str, field: str, rules: MediaRequirements) -> Input:
    size = _size_of(file, field, rules)
    check_size(size, field=field, rules=rules)
    media_type = type_of(file.read(media_types.HEAD_BYTES), field=field, rules=rules)
    opened = Input(file, name=_true_name(name, media_type), media_type=media_type, size=size)
    check_content(opened, size=size, media_type=media_type, field=field, rules=rules)
    opened.seek(0)
    return opened


def _size_of(file: BinaryIO, field: str, rules: MediaRequirements) -> int:
    if isinstance(file, io.BytesIO):
        return len(file.getbuffer())
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(f"{field} is not a regular file. Give the {rules.noun} itself.")
    return facts.st_size


def _true_name(name: str, media_type: str) -> str:
    """The file's own name under the extension that its content has; MiniMax goes by it."""
    extension = media_types.EXTENSIONS[media_type]
    stem, _, last = name.rpartition(".")
    return f"{stem if stem and len(last) <= len('jpeg') else name}.{extension}"


# --- the door in -------------------------------------------------------------------------------
