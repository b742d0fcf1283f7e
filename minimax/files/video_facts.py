"""Reads length, size, rate and codecs of a video from the index of an MP4 or MOV.

Nothing is decoded: the index (`moov`) says all of it. A video that was written for streaming, in
fragments, has no index of this kind and counts as unreadable.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from minimax.files.bounded_reader import BoundedReader, Readable, TooMuchReadingError
from minimax.files.boxes import HEADER_BYTES, LONG_HEADER_BYTES, read_box_header

__all__ = ["VideoFacts", "read_video"]

MOST_TRACKS: Final = 64
"""Of one video; cameras write about five."""
VIDEO_HANDLER, SOUND_HANDLER = b"vide", b"soun"
UNKNOWN_LENGTHS: Final = frozenset({0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})
"""What a length that is not known looks like, in 32 or in 64 bits."""
LONG_LENGTH: Final = b"\x00\x00\x00\x01"
"""How the header of a box begins whose length is written in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a video is, as its index says.

    Attributes:
        seconds: Length of what is shown.
        width: Pixels as they are stored; a player may turn them.
        height: Likewise.
        frames: Pictures in the track.
        frames_per_second: On average.
        codec: Four letters, like `avc1`.
        sound_codecs: Of each sound track; empty for a silent video.
    """

    seconds: float
    width: int
    height: int
    frames: int
    frames_per_second: float
    codec: str
    sound_codecs: tuple[str, ...]


class BrokenVideoError(Exception):
    """The index is damaged, or not where it should be."""


class _Box(NamedTuple):
    name: bytes
    start: int
    end: int


class _Track(NamedTuple):
    handler: bytes
    codec: bytes
    seconds: float
    frames: int
    width: int
    height: int


def read_video(file: Readable, *, size: int) -> VideoFacts | None:
    """What the index says; None where there is no whole index with a picture in it."""
    reader = BoundedReader(file, size=size)
    try:
        return _read_movie(reader, size)
    except (BrokenVideoError, TooMuchReadingError, struct.error):
        return None


def _read_movie(reader: BoundedReader, size: int) -> VideoFacts | None:
    top = {box.name: box for box in _iter_boxes(reader, 0, size)}
    if not {b"moov", b"mdat"} <= top.keys():
        return None
    movie = _open_box(reader, top[b"moov"])
    tracks = [_read_track(reader, box) for box in movie if box.name == b"trak"][:MOST_TRACKS]
    pictures = [track for track in tracks if track.handler == VIDEO_HANDLER and track.seconds]
    if not pictures:
        return None
    picture = max(pictures, key=lambda track: track.frames)
    sounds = [track.codec for track in tracks if track.handler == SOUND_HANDLER]
    return VideoFacts(
        # The track may be longer than what an edit list shows of it.
        seconds=_read_seconds(reader, _find(movie, b"mvhd")) or picture.seconds,
        width=picture.width,
        height=picture.height,
        frames=picture.frames,
        frames_per_second=picture.frames / picture.seconds,
        codec=picture.codec.decode("latin-1"),
        sound_codecs=tuple(codec.decode("latin-1") for codec in sounds),
    )


def _read_track(reader: BoundedReader, track: _Box) -> _Track:
    media = _open_box(reader, _find(_open_box(reader, track), b"mdia"))
    [handler] = struct.unpack(">8x4s", _read(reader, _find(media, b"hdlr"), 12))
    if handler not in (VIDEO_HANDLER, SOUND_HANDLER):
        return _Track(handler, b"", 0.0, 0, 0, 0)
    table = _open_box(reader, _find(_open_box(reader, _find(media, b"minf")), b"stbl"))
    described = _find(table, b"stsd")
    [codec] = struct.unpack(">12x4s", _read(reader, described, 16))
    seconds = _read_seconds(reader, _find(media, b"mdhd"))
    if handler == SOUND_HANDLER:
        return _Track(handler, codec, seconds, 0, 0, 0)
    width, height = struct.unpack(">40x2H", _read(reader, described, 44))
    return _Track(handler, codec, seconds, _count_samples(reader, table), width, height)


def _read_seconds(reader: BoundedReader, header: _Box) -> float:
    """The length in a movie or media header; 0 where it says none."""
    [version] = _read(reader, header, 1)
    layout = ">20xIQ" if version else ">12xII"
    scale, length = struct.unpack(layout, _read(reader, header, struct.calcsize(layout)))
    return length / scale if scale and length not in UNKNOWN_LENGTHS else 0.0


def _count_samples(reader: BoundedReader, table: list[_Box]) -> int:
    sizes = next((box for box in table if box.name in (b"stsz", b"stz2")), None)
    if sizes is None:
        raise BrokenVideoError
    [count] = struct.unpack(">8xI", _read(reader, sizes, 12))
    return int(count)


# --- boxes -------------------------------------------------------------------------------------


def _open_box(reader: BoundedReader, box: _Box) -> list[_Box]:
    """The boxes inside a box."""
    return list(_iter_boxes(reader, box.start, box.end))


def _find(boxes: list[_Box], name: bytes) -> _Box:
    found = next((box for box in boxes if box.name == name), None)
    if found is None:
        raise BrokenVideoError
    return found


def _iter_boxes(reader: BoundedReader, start: int, end: int) -> Iterator[_Box]:
    """The boxes between two places; fewer bytes than a header at the end are no box."""
    at = start
    while at + HEADER_BYTES <= end:
        reader.seek(at)
        header = reader.read(min(LONG_HEADER_BYTES, end - at))
        length, name = read_box_header(header, left=end - at)
        if length is None or at + length > end:
            raise BrokenVideoError
        long = header.startswith(LONG_LENGTH)
        yield _Box(name, at + (LONG_HEADER_BYTES if long else HEADER_BYTES), at + length)
        at += length


def _read(reader: BoundedReader, box: _Box, count: int) -> bytes:
    """The first bytes of what a box holds."""
    if box.start + count > box.end:
        raise BrokenVideoError
    reader.seek(box.start)
    return reader.read(count)
