"""Reads the files inside a tar archive while it arrives, in order and within limits.

Whoever made the archive is not trusted: names and links in it are never looked at, only what a
regular file holds. Nothing is kept but one header and one piece of the stream.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from minimax.errors import Outcome, StorageError

__all__ = ["BLOCK_BYTES", "ByteStream", "TarMember", "is_tar", "read_members"]

BLOCK_BYTES: Final = 512
"""Everything in a tar begins at a multiple of it (POSIX.1-2017, pax, "ustar Interchange")."""
MOST_HEADERS: Final = 100
"""MiniMax names nine files at most, some with extra headers."""
SIZE_FIELD: Final = slice(124, 136)
CHECKSUM_FIELD: Final = slice(148, 156)
TYPE_FLAG_AT: Final = 156
BINARY_MARK: Final = b"\x80"
REGULAR: Final = (b"0", b"\x00", b"7")
"""Type flags of regular files; 7 is one that is to lie in one piece."""


class ByteStream:
    """Chunks that come as they like, read in the pieces that are needed.

    Args:
        chunks: The content.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""

    async def peek(self, size: int) -> bytes:
        """The next bytes, as many as were asked for unless the stream ends before."""
        while len(self._held) < size:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                break
            self._held += chunk
        return self._held[:size]

    async def read(self, size: int) -> bytes:
        """Likewise, and go on after them."""
        data = await self.peek(size)
        self._held = self._held[len(data) :]
        return data

    async def read_some(self, most: int) -> bytes:
        """What is there already or comes next, up to `most` bytes; empty at the end."""
        while not self._held:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                return b""
            self._held = chunk
        return await self.read(min(most, len(self._held)))

    async def rest(self) -> AsyncIterator[bytes]:
        """Everything that is left."""
        while data := await self.read_some(len(self._held) or 1):
            yield data


class TarMember:
    """One regular file of an archive; what is not read of it is skipped.

    Attributes:
        size: Bytes.
    """

    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream = stream
        self._left = size
        self.size = size

    async def peek(self, size: int) -> bytes:
        """Its next bytes.

        Raises:
            StorageError: The archive ends before.
        """
        wanted = min(size, self._left)
        data = await self._stream.peek(wanted)
        if len(data) < wanted:
            raise _cut_error()
        return data

    async def chunks(self) -> AsyncIterator[bytes]:
        """What has not been read of it yet.

        Raises:
            StorageError: The archive ends before.
        """
        while self._left:
            data = await self._stream.read_some(self._left)
            if not data:
                raise _cut_error()
            self._left -= len(data)
            yield data


async def read_members(stream: ByteStream) -> AsyncGenerator[TarMember, None]:
    """The regular files of an archive, in their order.

    Raises:
        StorageError: It is damaged, ends too early, or has more headers than MiniMax's have.
    """
    for _ in range(MOST_HEADERS):
        header = await stream.read(BLOCK_BYTES)
        if not header.strip(b"\0"):
            return  # two empty blocks end an archive; some end with none
        if not is_tar(header):
            raise _damaged_error()
        size = _read_number(header[SIZE_FIELD])
        member = TarMember(stream, size)
        if header[TYPE_FLAG_AT : TYPE_FLAG_AT + 1] in REGULAR:
            yield member
        async for _skipped in member.chunks():
            pass
        await stream.read(-size % BLOCK_BYTES)
    raise _damaged_error()


def is_tar(head: bytes) -> bool:
    """Whether these first bytes are a header of a tar: its checksum says so."""
    header = head[:BLOCK_BYTES]
    try:
        told, _ = _read_number(header[CHECKSUM_FIELD]), _read_number(header[SIZE_FIELD])
    except StorageError:
        return False
    blank = b" " * len(header[CHECKSUM_FIELD])
    summed = sum(header[: CHECKSUM_FIELD.start]) + sum(blank) + sum(header[CHECKSUM_FIELD.stop :])
    return len(header) == BLOCK_BYTES and told == summed


def _read_number(field: bytes) -> int:
    """A number as ustar writes it, or in binary as GNU tar writes a larger one.

    Raises:
        StorageError: It is none.
    """
    if field[:1] == BINARY_MARK:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        raise _damaged_error()
    return int(digits, 8)


def _damaged_error() -> StorageError:
    return StorageError(
        "What was delivered is a damaged archive, so nothing was saved of the rest.",
        outcome=Outcome.UNKNOWN,
    )


def _cut_error() -> StorageError:
    return StorageError(
        "What was delivered is an archive that ends too early.", outcome=Outcome.UNKNOWN
    )
