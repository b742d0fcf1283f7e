"""The boxes that MP4 and MOV files are made of (ISO 14496-12, QuickTime File Format)."""

import struct
from typing import Final

__all__ = ["HEADER_BYTES", "LONG_HEADER_BYTES", "read_box_header"]

HEADER_BYTES: Final = 8
LONG_HEADER_BYTES: Final = 16
"""Of a box whose length is written in 64 bits."""
TO_THE_END, LONG = 0, 1
"""What the 32 bits of a length hold where the length is elsewhere."""


def read_box_header(header: bytes, *, left: int) -> tuple[int | None, bytes]:
    """Length and name of a box; the length is None where there is no box.

    Args:
        header: Its first 16 bytes, or what is left of the file.
        left: Bytes from its beginning to the end of what it is in.
    """
    if len(header) < HEADER_BYTES:
        return None, b""
    length, name = struct.unpack(">I4s", header[:HEADER_BYTES])
    if length == TO_THE_END:
        return left, name
    if length == LONG:
        whole = len(header) >= LONG_HEADER_BYTES
        length = struct.unpack(">Q", header[HEADER_BYTES:LONG_HEADER_BYTES])[0] if whole else 0
        return (length if length >= LONG_HEADER_BYTES else None), name
    return (length if length >= HEADER_BYTES else None), name
