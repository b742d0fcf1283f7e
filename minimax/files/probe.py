"""Reads the length of a recording and the size of an image from an opened file."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol, cast

__all__ = ["audio_seconds", "image_size", "is_complete_mp4"]


class Readable(Protocol):
    """An open file, as far as it is needed here."""

    def read(self, size: int = -1, /) -> bytes | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


SLOWEST_BYTES_PER_SECOND: Final = 500
"""4 kbit/s: no speech is coded more tightly, so a longer claim is a broken header."""
WAV_HEADER_BYTES: Final = 44
DURATION_TOLERANCE: Final = 1.02


@dataclass(frozen=True, slots=True)
class Sound:
    """What the parser found; `seconds` is None where the file's own claim cannot be true."""

    seconds: float | None


def audio_seconds(file: Readable, *, size: int, media_type: str) -> Sound | None:
    """The length of a recording; None where no sound can be found in the file.

    The parser is given the open file and no name. A length that the size cannot hold (a recorder
    that never wrote its header back) is recomputed for wav and given up on otherwise.
    """
    from tinytag import TinyTag, TinyTagException

    try:
        tag = TinyTag.get(file_obj=cast("BinaryIO", file), tags=False, duration=True)
    except TinyTagException:
        return None
    if not tag.samplerate:
        return None
    most = _most_seconds(media_type, size, tag.samplerate, tag.channels, tag.bitdepth)
    if tag.duration and tag.duration <= most * DURATION_TOLERANCE:
        return Sound(tag.duration)
    return Sound(most if media_type == "audio/wav" and tag.bitdepth else None)


def _most_seconds(
    media_type: str, size: int, samplerate: int, channels: int | None, bitdepth: int | None
) -> float:
    if media_type != "audio/wav" or not bitdepth:
        return size / SLOWEST_BYTES_PER_SECOND
    return max(0, size - WAV_HEADER_BYTES) / (samplerate * (channels or 1) * bitdepth / 8)


def image_size(file: Readable) -> tuple[int, int] | None:
    """Width and height in pixels as shown; None where the file does not say."""
    import imagesize

    try:
        info = imagesize.get_info(file)
    except Exception:  # noqa: BLE001 - a parser fed hostile bytes may raise anything
        return None
    turned = info.rotation in (5, 6, 7, 8)
    width, height = (info.height, info.width) if turned else (info.width, info.height)
    return (width, height) if width > 0 and height > 0 else None


def is_complete_mp4(file: Readable, *, size: int) -> bool:
    """Whether the top-level boxes of an MP4 fill the file exactly and hold video and index.

    A download that was cut without anyone noticing fails this.
    """
    names, at = set(), 0
    while at < size:
        file.seek(at)
        length, name = _box(file.read(16) or b"", left=size - at)
        if length is None or at + length > size:
            return False
        names.add(name)
        at += length
    return {b"moov", b"mdat"} <= names


def _box(header: bytes, *, left: int) -> tuple[int | None, bytes]:
    """Length and name of one MP4 box (ISO 14496-12: 0 is 'to the end', 1 is '64 bits follow')."""
    if len(header) < 8:  # noqa: PLR2004 - the smallest box
        return None, b""
    length, name = struct.unpack(">I4s", header[:8])
    if length == 0:
        return left, name
    if length == 1:
        length = struct.unpack(">Q", header[8:16])[0] if len(header) == 16 else 0  # noqa: PLR2004
    return (length if length >= 8 else None), name  # noqa: PLR2004
