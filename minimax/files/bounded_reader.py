"""A file as a parser may read it: up to a limit of reads, seeks and bytes."""

from typing import Final, Protocol

__all__ = ["BoundedReader", "TooMuchReadingError"]


class Readable(Protocol):
    """An open file, as far as it is needed here."""

    def read(self, size: int = -1, /) -> bytes | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


MOST_STEPS: Final = 100_000
"""Reads and seeks of one parser; so many take less than 0.1 seconds. An MP3 of variable bitrate
takes 2,500 (30 seconds of frames), five minutes of M4A in a fragment per frame 57,000."""
MOST_BYTES_AT_ONCE: Final = 1024 * 1024
"""Of one read; the largest thing that a parser must have whole is a segment of 64 KiB in a JPEG."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""Read from the disk for one parser: twice the largest file that MiniMax takes."""
BLOCK_BYTES: Final = 8192
"""Read at a time, since parsers ask for a few bytes again and again."""

SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2


class TooMuchReadingError(Exception):
    """The parser asks for more than any real file of its kind needs."""


class BoundedReader:
    """Reads a file for a parser, which may have been written for honest files only.

    Once a limit is reached every further call fails, so a parser that swallows the error cannot go
    on.

    Args:
        file: The opened file.
        size: Its size in bytes; nothing after that is read.
    """

    def __init__(self, file: Readable, *, size: int) -> None:
        self._file = file
        self._size = size
        self._at = 0
        self._block = b""
        self._block_at = 0
        self._steps_left = MOST_STEPS
        self._bytes_left = MOST_BYTES

    @property
    def is_exhausted(self) -> bool:
        """Whether a limit was reached."""
        return self._steps_left < 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as were asked for unless the file ends before.

        Raises:
            TooMuchReadingError: A limit is reached.
        """
        self._take_step()
        left = max(0, self._size - self._at)
        wanted = left if size < 0 else min(size, left)
        if not wanted:
            return b""
        start = self._at - self._block_at
        if start < 0 or start + wanted > len(self._block):
            self._load_block(wanted)
            start = 0
        data = self._block[start : start + wanted]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move; a place before the beginning is the beginning.

        Raises:
            TooMuchReadingError: A limit is reached.
        """
        self._take_step()
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The place of the next read."""
        return self._at

    def _take_step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise TooMuchReadingError

    def _load_block(self, wanted: int) -> None:
        wanted = min(max(wanted, BLOCK_BYTES), self._size - self._at)
        if wanted > min(MOST_BYTES_AT_ONCE, self._bytes_left):
            self._steps_left = -1
            raise TooMuchReadingError
        self._bytes_left -= wanted
        self._file.seek(self._at)
        self._block, self._block_at = self._file.read(wanted) or b"", self._at
