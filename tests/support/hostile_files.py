"""Files that were written to keep a parser busy, as large as MiniMax takes them."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from minimax.files.requirements import CLONE_AUDIO, FRAME, H3_VIDEO, MIB, MediaRequirements
from tests.support import samples
from tests.support.media_seeds import MP3_FRAME, atom, track

SIZE = 20 * MIB
VIDEO_SIZE = 50 * MIB
FTYP = atom(b"ftyp", b"M4A \x00\x00\x00\x00M4A ")
IHDR = samples.png()[:33]
"""The signature and the first chunk of an image of 400 x 400 pixels."""
EMPTY_DIRECTORY = struct.pack("<2sHIH", b"II", 42, 8, 0xFFFF)
"""The beginning of Exif data whose directory has 65,535 entries, none of them the rotation."""


def fill(head: bytes, piece: bytes, size: int = SIZE) -> bytes:
    """The head, and the piece again and again."""
    count = (size - len(head)) // len(piece)
    return head + piece * count


def exif_segment() -> bytes:
    """The largest segment that Exif data may have in a JPEG."""
    data = b"Exif\x00\x00" + EMPTY_DIRECTORY
    return b"\xff\xe1\xff\xff" + data + bytes(0xFFFF - 2 - len(data))


@dataclass(frozen=True)
class HostileFile:
    """What it is, how it is made, and which door it comes to."""

    name: str
    make: Callable[[], bytes]
    requirements: MediaRequirements


def tiny_boxes() -> bytes:
    """A video of boxes with nothing in them."""
    return fill(samples.mp4(), b"\x00\x00\x00\x08free")


def audio(name: str, head: bytes, piece: bytes) -> HostileFile:
    return HostileFile(name, lambda: fill(head, piece), CLONE_AUDIO)


def image(name: str, head: bytes, piece: bytes) -> HostileFile:
    return HostileFile(name, lambda: fill(head, piece), FRAME)


def video(name: str, head: bytes, piece: bytes) -> HostileFile:
    return HostileFile(name, lambda: fill(head, piece, VIDEO_SIZE), H3_VIDEO)


MOVIE = atom(b"ftyp", b"qt  " + bytes(4)) + atom(b"mdat", bytes(9))
TO_THE_END = bytes(4)
"""In place of the length of a box."""
HANDLER = atom(b"hdlr", bytes(8), b"vide")


HOSTILE_FILES = (
    audio("mp3-tag-then-ff", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"\xff"),
    audio("mp3-tag-then-zeros", b"ID3\x04\x00\x00\x00\x00\x00\x00", b"\x00"),
    audio("mp3-one-frame-then-ff", MP3_FRAME, b"\xff"),
    audio("wav-empty-chunks", b"RIFF\xff\xff\xff\xffWAVE", b"junk\x00\x00\x00\x00"),
    audio("wav-one-endless-chunk", b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff", b"\x01"),
    audio("m4a-tiny-atoms", FTYP, b"\x00\x00\x00\x08free"),
    audio("mp4-tiny-boxes", FTYP.replace(b"M4A ", b"isom"), b"\x00\x00\x00\x08moov"),
    image("jpeg-without-marker", b"\xff\xd8\xff\xe0\x00\x02", b"\x00"),
    image("jpeg-fill-bytes", b"\xff\xd8", b"\xff"),
    image("jpeg-empty-segments", b"\xff\xd8", b"\xff\xe2\x00\x02"),
    image("jpeg-exif-directories", b"\xff\xd8", exif_segment()),
    image("png-empty-chunks", IHDR, b"\x00\x00\x00\x00junk\x00\x00\x00\x00"),
    image("webp-empty-chunks", b"RIFF\xff\xff\xff\xffWEBP", b"junk\x00\x00\x00\x00"),
    video("clip-empty-boxes", MOVIE, b"\x00\x00\x00\x08free"),
    video("clip-index-of-empty-boxes", MOVIE + TO_THE_END + b"moov", b"\x00\x00\x00\x08free"),
    video("clip-empty-tracks", MOVIE + TO_THE_END + b"moov", b"\x00\x00\x00\x08trak"),
    video(
        "clip-many-tracks",
        MOVIE + TO_THE_END + b"moov",
        track(b"vide", b"avc1", bytes(70), 3, samples=72),
    ),
    video(
        "clip-handlers-of-one-track",
        MOVIE + TO_THE_END + b"moov" + TO_THE_END + b"trak" + TO_THE_END + b"mdia",
        HANDLER,
    ),
    video("clip-long-lengths", MOVIE, b"\x00\x00\x00\x01free\x00\x00\x00\x00\x00\x00\x00\x10"),
    video("clip-one-endless-box", MOVIE + b"\xff\xff\xff\xffmoov", b"\xff"),
)
