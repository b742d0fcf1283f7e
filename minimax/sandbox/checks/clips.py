"""Checks reference videos and audio, where their bytes are in the request or were uploaded."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from tinytag import TinyTag, TinyTagException

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.units import MB

MAX_INDEX_BYTES: Final = 16 * MB  # the sandbox's own: a video of 15 s has an index of some 10 KB

# ISO 14496-12: boxes that hold only boxes, on the way to what is read here.
_CONTAINERS: Final = {b"trak", b"mdia", b"minf", b"stbl"}
_HEADER: Final = struct.Struct(">I4s")


@dataclass(frozen=True)
class Clip:
    """A video or an audio file; an audio file has no frames."""

    seconds: float
    width: int = 0
    height: int = 0
    frames: int = 0
    frames_per_second: float = 0.0
    has_audio: bool = True


def measure_audio(source: BinaryIO, *, name: str) -> Clip:
    """Return the clip in an open audio file; refuse what is none."""
    source.seek(0)
    try:
        seconds = TinyTag.get(file_obj=source, tags=False).duration or 0.0
    except TinyTagException:
        seconds = 0.0
    if not seconds:
        raise invalid_params(f"{name} cannot be read")
    return Clip(seconds)


def measure_video(source: BinaryIO, *, name: str) -> Clip:
    """Return the clip in an open MP4 or MOV; refuse what is none."""
    try:
        clip = _parse_index(_read_index(source))
    except (struct.error, LookupError, ZeroDivisionError):
        clip = None
    if clip is None or not clip.frames or not clip.seconds:
        raise invalid_params(f"{name} cannot be read")
    return clip


def _read_index(source: BinaryIO) -> bytes:
    """Return the content of the `moov` box; empty if there is none."""
    at = 0
    while True:
        source.seek(at)
        header = source.read(16)
        if len(header) < _HEADER.size:
            return b""
        size, kind = _HEADER.unpack(header[:8])
        if size == 1:
            (size,) = struct.unpack(">Q", header[8:])
        if size < _HEADER.size:
            return b""
        if kind == b"moov":
            source.seek(at + 8)
            return source.read(min(size - 8, MAX_INDEX_BYTES))
        at += size


def _parse_index(index: bytes) -> Clip | None:
    tracks = [_collect_values(box) for kind, box in _iter_boxes(index) if kind == b"trak"]
    movie_seconds = [_parse_seconds(box) for kind, box in _iter_boxes(index) if kind == b"mvhd"]
    videos = [track for track in tracks if track[b"hdlr"][8:12] == b"vide"]
    if not videos:
        return None
    video = videos[0]
    frames = int.from_bytes(video[b"stsz"][8:12], "big")
    width, height = struct.unpack(">2H", video[b"stsd"][40:44])
    return Clip(
        seconds=max(movie_seconds, default=0.0),
        width=width,
        height=height,
        frames=frames,
        frames_per_second=frames / _parse_seconds(video[b"mdhd"]),
        has_audio=any(track[b"hdlr"][8:12] == b"soun" for track in tracks),
    )


def _collect_values(track: bytes) -> dict[bytes, bytes]:
    """Return the boxes that hold values, at any depth; the first one of each name."""
    found: dict[bytes, bytes] = {}
    for kind, content in _iter_boxes(track):
        inner = _collect_values(content) if kind in _CONTAINERS else {kind: content}
        found = inner | found
    return found


def _iter_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind = _HEADER.unpack(data[at : at + 8])
        if size < _HEADER.size:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _parse_seconds(header: bytes) -> float:
    """Return the length in a movie or media header."""
    layout = ">20xIQ" if header[0] else ">12xII"
    scale, length = struct.unpack(layout, header[: struct.calcsize(layout)])
    return float(length / scale)
