"""Splits what comes on the pipe into lines, none longer than a limit."""

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["Line", "LineSplitter", "TooLongLineError"]

LONGEST_LINE_BYTES: Final = 64 * 1024**2
"""Two recordings or images of 20 MB as `data:` URIs, in base64, fit into one line; a request to
MiniMax holds no more either. Longer lines would only cost memory."""
END_BYTES: Final = 1024
"""How much of both ends of a line that is too long is kept, to find its id."""

_ID: Final = rb'"id"\s*:\s*(?:(?P<number>-?\d{1,18})|"(?P<text>[\w .:/+=-]{1,200})")'
_VERSION: Final = rb'"jsonrpc"\s*:\s*"2\.0"'
_ID_IN_FRONT: Final = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb"\s*,\s*)?" + _ID + rb"\s*,")
_ID_BEHIND: Final = re.compile(rb"[,{]\s*" + _ID + rb"\s*(?:,\s*" + _VERSION + rb"\s*)?\}\s*\Z")
"""What is between the last comma and the last brace belongs to the message itself."""


class TooLongLineError(Exception):
    """A line is longer than the limit; it was skipped.

    Attributes:
        ident: The id of the request, as far as it could be found.
        limit_bytes: The longest line.
    """

    def __init__(self, ident: str | int | None, *, limit_bytes: int) -> None:
        super().__init__(ident)
        self.ident = ident
        self.limit_bytes = limit_bytes


Line = bytearray | TooLongLineError
"""A line without its end, or what replaces one that is too long."""


class LineSplitter:
    """Makes lines of chunks, and holds one line at most."""

    def __init__(self, limit_bytes: int = LONGEST_LINE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._skipped_head: bytes | None = None

    @property
    def held_bytes(self) -> int:
        """How much is kept of the line that has begun."""
        return len(self._held)

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._take()
        self._add(rest)

    def end(self) -> Iterator[Line]:
        """The last line, where nothing ended it."""
        if self._held:
            yield self._take()

    def _add(self, piece: bytes) -> None:
        self._held += piece
        if len(self._held) <= self._limit_bytes and self._skipped_head is None:
            return
        if self._skipped_head is None:
            self._skipped_head = bytes(self._held[:END_BYTES])
        del self._held[:-END_BYTES]

    def _take(self) -> Line:
        held, head = self._held, self._skipped_head
        self._held, self._skipped_head = bytearray(), None
        if head is None:
            return held
        return TooLongLineError(_find_id(head, held), limit_bytes=self._limit_bytes)


def _find_id(head: bytes, tail: bytearray) -> str | int | None:
    """The id of a request whose middle is gone: hosts write it first or last."""
    found = _ID_IN_FRONT.match(head) or _ID_BEHIND.search(tail)
    if found is None:
        return None
    return int(found["number"]) if found["number"] else found["text"].decode(errors="replace")
