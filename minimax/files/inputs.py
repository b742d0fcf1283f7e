"""Opens the files that may be sent to MiniMax; nothing else in this package opens them.

A path (`paths` has resolved and allowed it) is opened component by component without following
links. Type and size are judged on the very descriptor that is then read, so nothing can be swapped
between the check and the use.
"""

import asyncio
import binascii
import errno
import hashlib
import io
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Final, cast
from urllib.parse import urlsplit

from minimax.audience import pick_text
from minimax.errors import InputError, MiniMaxError, StorageError
from minimax.files import media_types, safe_fetch
from minimax.files.descriptors import explain_write_error, open_without_links, write_all
from minimax.files.requirements import MediaRequirements, check_content, check_size, type_of
from minimax.files.source import DataUri, LocalFile, Source, Url

__all__ = ["Input", "open_error", "open_input", "open_media", "open_url", "read_file"]

CHUNK_BYTES: Final = 256 * 1024
PADDING_BYTES: Final = 2
"""Base64 may hold so many bytes less than its length says."""
MOST_BYTES_IN_MEMORY: Final = 20 * 1024 * 1024
"""Of one data: URI, decoded; a larger one is decoded into a file without a name."""
DECODED_CHARACTERS: Final = 1024 * 1024
"""Of base64, decoded in one piece; a multiple of four, so that each can be decoded by itself."""
LONGEST_STEM: Final = 100
"""Characters of an upload's name; MiniMax needs none of them, a person who looks there a few."""


class Input(io.RawIOBase):
    """An opened and checked input: a window of fixed size onto one descriptor.

    A file that grows while it is sent does not get longer here; one that shrinks is an error.

    Attributes:
        name: As it is uploaded.
        media_type: As the content proves it.
        size: Bytes.
        seconds: Length of a recording or a video, as far as it says.
    """

    def __init__(self, file: BinaryIO, *, name: str, media_type: str, size: int) -> None:
        super().__init__()
        self._file = file
        self.name = name
        self.media_type = media_type
        self.size = size
        self.seconds: float | None = None

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
            raise _changed_error()
        buffer[: len(data)] = data
        return len(data)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The content from its beginning, in pieces."""
        self._file.seek(0)
        left = self.size
        while left > 0:
            chunk = self._file.read(min(left, chunk_bytes))
            if not chunk:
                raise _changed_error()
            left -= len(chunk)
            yield chunk

    def digest(self) -> str:
        """SHA-256 of the content: the same file under another name is the same input."""
        sha = hashlib.sha256()
        for chunk in self.chunks():
            sha.update(chunk)
        return sha.hexdigest()

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()
        super().close()


def _changed_error() -> StorageError:
    return StorageError("The file was changed while it was being read. Call again.")


def open_input(source: Source, *, field: str, requirements: MediaRequirements) -> Input:
    """Open a local file or a data: URI that may be sent to MiniMax.

    Args:
        source: From `source.parse_source`.
        field: The parameter it came in, for messages.
        requirements: What MiniMax takes here.

    Raises:
        InputError: It may not be used, or MiniMax would refuse it; the text says why.
    """
    if isinstance(source, DataUri):
        file, name, origin = _decode_data_uri(source.text, field, requirements), field, None
    elif isinstance(source, LocalFile):
        path = source.path
        file, name, origin = _open_path(path, field), path.name, str(path)
    else:
        raise InputError(f"{field}: give the {requirements.noun} as a path, or as an https URL.")
    return _check_or_close(file, name=name, field=field, requirements=requirements, origin=origin)


def open_media(
    source: Source, *, field: str, requirements: MediaRequirements, opened: ExitStack
) -> "str | Input":
    """A file as a request takes it: a link that MiniMax fetches itself, or an opened file.

    Args:
        source: From `source.parse_source`.
        field: The parameter it came in, for messages.
        requirements: What MiniMax takes here.
        opened: Receives an opened file; closed by the caller once it is sent.

    Raises:
        InputError: As `open_input`; or the link is not plain https.
    """
    if isinstance(source, Url):
        return safe_fetch.check_url_syntax(source.text)
    return opened.enter_context(open_input(source, field=field, requirements=requirements))


async def open_url(url: str, *, field: str, requirements: MediaRequirements) -> Input:
    """Fetch an https URL that somebody gave, into a file without a name, and check it likewise.

    Raises:
        InputError: It may not be fetched, or MiniMax would refuse what came.
        StorageError: It could not be fetched, or is too large.
    """
    file = _open_temporary(field)
    try:
        async with safe_fetch.fetch(url, max_bytes=requirements.most_bytes) as chunks:
            async for chunk in chunks:
                await _write_chunk(file, chunk, field)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    name = PurePosixPath(urlsplit(url).path).name or field
    # Off the event loop, where a paid request may be waiting for its answer to be noted.
    return await asyncio.to_thread(
        _check_or_close,
        cast("BinaryIO", file),
        name=name,
        field=field,
        requirements=requirements,
        origin=name,
    )


def _open_temporary(field: str) -> IO[bytes]:
    """A file without a name, which is gone when it is closed."""
    try:
        return tempfile.TemporaryFile(buffering=0)
    except OSError as error:
        raise _no_room_error(error, field) from None


async def _write_chunk(file: IO[bytes], chunk: bytes, field: str) -> None:
    await asyncio.to_thread(_write_piece, file, chunk, field)


def _write_piece(file: IO[bytes], piece: bytes, field: str) -> None:
    try:
        write_all(file, piece)
    except OSError as error:
        raise _no_room_error(error, field) from None


def _no_room_error(error: OSError, field: str) -> StorageError:
    return StorageError(
        f"{field}: the file could not be kept on this computer while it was read: "
        f"{explain_write_error(error)}. Make room in the folder for temporary files, then "
        "call again. Nothing was sent."
    )


def _decode_data_uri(text: str, field: str, requirements: MediaRequirements) -> BinaryIO:
    start = text.find(",") + 1
    if not text[: max(0, start - 1)].lower().endswith(";base64"):
        raise InputError(f"{field}: a data: URI must look like data:image/png;base64,....")
    size = (len(text) - start) * 3 // 4 - PADDING_BYTES
    check_size(size, field=field, requirements=requirements)
    small = size <= MOST_BYTES_IN_MEMORY
    file: IO[bytes] = io.BytesIO() if small else _open_temporary(field)
    try:
        _decode_base64(text, start, file, field)
    except ValueError:  # binascii.Error is one
        file.close()
        raise InputError(f"{field}: what follows base64, is not base64.") from None
    except BaseException:
        file.close()
        raise
    return cast("BinaryIO", file)


def _decode_base64(text: str, start: int, file: IO[bytes], field: str) -> None:
    """Decode a long text in pieces: as a whole it would be in memory three times."""
    if text.find("=", start, len(text) - PADDING_BYTES) >= 0:
        raise ValueError
    for at in range(start, len(text), DECODED_CHARACTERS):
        piece = binascii.a2b_base64(text[at : at + DECODED_CHARACTERS], strict_mode=True)
        _write_piece(file, piece, field)
    file.seek(0)


def _open_path(path: Path, field: str) -> BinaryIO:
    try:
        return open_without_links(path)
    except OSError as error:
        raise open_error(error, field) from None


def read_file(path: Path, field: str, *, most_bytes: int) -> bytes:
    """The content of a local file; of a larger one, one byte more than `most_bytes`.

    Raises:
        InputError: It is not there, may not be read, or is no regular file.
    """
    try:
        with _open_path(path, field) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{field} is not a regular file. Give the text file itself.")
            with io.BufferedReader(cast("io.RawIOBase", file)) as buffered:
                return buffered.read(most_bytes + 1)
    except OSError as error:  # what /proc and /dev call regular files may not be readable at all
        raise open_error(error, field) from None


def open_error(error: OSError, field: str) -> MiniMaxError:
    """Our error for a file that could not be opened."""
    if error.errno == errno.ENOENT:
        return InputError(
            f"{field}: there is no such file on this computer. It was there a moment ago"
            + pick_text(chat=": ask the person where it is now.", program=".")
        )
    if error.errno == errno.EPERM and sys.platform == "darwin":
        return InputError(
            f"{field}: macOS keeps this folder from the app that runs this server. Allow it under "
            "System Settings > Privacy & Security > Files and Folders, or move the file."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return InputError(f"{field}: this user may not read that file. Change its permissions.")
    return InputError(f"{field} is not a regular file that can be read. Give the file itself.")


def _check_or_close(
    file: BinaryIO, *, name: str, field: str, requirements: MediaRequirements, origin: str | None
) -> Input:
    try:
        return _check_opened(file, name=name, field=field, requirements=requirements, origin=origin)
    except OSError as error:  # what /proc and /dev call regular files may not be readable at all
        file.close()
        raise open_error(error, field) from None
    except BaseException:
        file.close()
        raise


def _check_opened(
    file: BinaryIO, *, name: str, field: str, requirements: MediaRequirements, origin: str | None
) -> Input:
    size = _size_of(file, field, requirements)
    check_size(size, field=field, requirements=requirements)
    if not size:  # files of /proc look like that too, and reading them may block
        raise InputError(
            f"{field}: the file is empty. Is it still in the cloud (iCloud, OneDrive)? Open it "
            "once, so that it is downloaded to this computer. Nothing was sent."
        )
    head = file.read(media_types.HEAD_BYTES) or b""
    media_type = type_of(head, field=field, requirements=requirements, origin=origin)
    opened = Input(file, name=_upload_name(name, media_type), media_type=media_type, size=size)
    opened.seconds = check_content(
        opened,
        size=size,
        media_type=media_type,
        field=field,
        requirements=requirements,
        origin=origin,
    )
    return opened


def _size_of(file: BinaryIO, field: str, requirements: MediaRequirements) -> int:
    if isinstance(file, io.BytesIO):
        return len(file.getbuffer())
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise InputError(f"{field} is not a regular file. Give the {requirements.noun} itself.")
    return facts.st_size


def _upload_name(name: str, media_type: str) -> str:
    """The file's own name under the extension that its content has; MiniMax goes by it.

    Letters, digits and the like only: a name may hold line breaks, which would end a header.
    """
    extension = media_types.EXTENSIONS[media_type]
    stem, _, last = name.rpartition(".")
    stem = stem if stem and len(last) <= len("jpeg") else name
    return f"{_UNSAFE.sub('_', stem)[:LONGEST_STEM]}.{extension}"


_UNSAFE: Final = re.compile(r"[^\w .()+-]")
