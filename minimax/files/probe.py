"""Reads the length of a recording and the size of an image from an opened file."""

import io
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from minimax.files.bounded_reader import BoundedReader, Readable, TooMuchReadingError
from minimax.files.boxes import LONG_HEADER_BYTES, read_box_header

__all__ = ["audio_seconds", "image_size", "is_complete_mp4"]

SLOWEST_BYTES_PER_SECOND: Final = 500
"""4 kbit/s: no speech is coded more tightly, so a longer claim is a broken header."""
WAV_HEADER_BYTES: Final = 44
DURATION_TOLERANCE: Final = 1.02
IMAGE_HEAD_BYTES: Final = 256 * 1024
"""Holds the size of nearly every image: it comes after Exif (64 KiB at most) and the colours."""
MOST_BOXES: Final = 20_000
"""Of an MP4; a video has about ten, and two a frame if it was written for streaming."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What the parser found; `seconds` is None where the file's own claim cannot be true."""

    seconds: float | None


def audio_seconds(file: Readable, *, size: int, media_type: str) -> Sound | None:
    """The length of a recording; None where no sound can be found in the file.

    The parser is given a bounded reader and no name. A length that the size cannot hold (a recorder
    that never wrote its header back) is recomputed for wav and given up on otherwise.
    """
    from tinytag import TinyTag, TinyTagException

    reader = BoundedReader(file, size=size)
    try:
        tag = TinyTag.get(file_obj=cast("BinaryIO", reader), tags=False, duration=True)
    except (TinyTagException, TooMuchReadingError):
        return None
    if reader.is_exhausted or not tag.samplerate:
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


def image_size(file: Readable, *, size: int) -> tuple[int, int] | None:
    """Width and height in pixels as shown; None where the file does not say.

    The head is read at once. Only where the size is not in there, which happens to JPEGs with a lot
    before their picture, is the rest looked at, with bounded steps and without the rotation.
    """
    import imagesize

    head = file.read(IMAGE_HEAD_BYTES) or b""
    width, height = imagesize.get(io.BytesIO(head))
    if width <= 0 and len(head) < size:
        reader = BoundedReader(file, size=size)
        width, height = imagesize.get(reader, exif_rotation=False)
    return (width, height) if width > 0 and height > 0 else None


def is_complete_mp4(file: Readable, *, size: int) -> bool:
    """Whether the top-level boxes of an MP4 fill the file exactly and hold video and index.

    A download that was cut without anyone noticing fails this.
    """
    names, at = set[bytes](), 0
    for _ in range(MOST_BOXES):
        if at == size:
            return {b"moov", b"mdat"} <= names
        file.seek(at)
        length, name = read_box_header(file.read(LONG_HEADER_BYTES) or b"", left=size - at)
        if length is None or at + length > size:
            return False
        names.add(name)
        at += length
    return False
