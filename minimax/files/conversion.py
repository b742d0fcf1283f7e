"""How a person turns a file into one that MiniMax takes: by a command, and without a terminal."""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from minimax.files.media_types import CLIP_TYPES, IMAGE_BRANDS, IMAGE_TYPES, SOUND_BRANDS

__all__ = ["advise_conversion", "write_command"]

Sort = Literal["sound", "image", "video"]


@dataclass(frozen=True)
class Format:
    """A well-known format that MiniMax does not take everywhere.

    Attributes:
        name: For a sentence that begins with "this is".
        extension: That its files usually have.
        targets: What it can become: the extension to convert it to, for each sort of file.
    """

    name: str
    extension: str
    targets: dict[Sort, str]


_OGG: Final = Format("Ogg audio", "ogg", {"sound": "mp3"})
_MP3: Final = Format("MP3 audio", "mp3", {})
_AAC: Final = Format("raw AAC audio", "aac", {"sound": "mp3"})
_TIFF: Final = Format("a TIFF image", "tiff", {"image": "png"})
_HEIC: Final = Format("a HEIC or AVIF image", "heic", {"image": "jpg"})
_M4A: Final = Format("an M4A", "m4a", {"sound": "mp3"})
_CLIP: Final = Format("a video or a container with more than sound", "mov", {"sound": "mp3"})
_AVI: Final = Format("an AVI video", "avi", {"sound": "mp3", "video": "mp4"})
_BY_BEGINNING: Final = (
    (b"OggS", _OGG),
    *((magic, _MP3) for magic in (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    (b"fLaC", Format("FLAC audio", "flac", {"sound": "wav"})),
    (b"#!AMR", Format("AMR audio", "amr", {"sound": "mp3"})),
    (b"caff", Format("Core Audio", "caf", {"sound": "mp3"})),
    (b"FORM", Format("AIFF audio", "aiff", {"sound": "wav"})),
    (b"0&\xb2u", Format("Windows Media", "wma", {"sound": "mp3", "video": "mp4"})),
    (b"\x1aE\xdf\xa3", Format("WebM or Matroska", "webm", {"sound": "mp3", "video": "mp4"})),
    (b"\xff\xf1", _AAC),
    (b"\xff\xf9", _AAC),
    (b"GIF8", Format("a GIF", "gif", {"image": "png", "video": "mp4"})),
    (b"BM", Format("a BMP image", "bmp", {"image": "png"})),
    (b"II*\x00", _TIFF),
    (b"MM\x00*", _TIFF),
    (b"FLV", Format("Flash video", "flv", {"sound": "mp3", "video": "mp4"})),
    (b"\x00\x00\x01\xba", Format("MPEG video", "mpg", {"sound": "mp3", "video": "mp4"})),
)

_WITHOUT_TERMINAL: Final[dict[str, str]] = {
    "mp3": "VLC does it too: Media > Convert / Save (on a Mac File > Convert / Stream), MP3",
    "wav": "VLC does it too: Media > Convert / Save (on a Mac File > Convert / Stream), WAV",
    "mp4": "VLC does it too: Media > Convert / Save (on a Mac File > Convert / Stream), "
    "H.264 + MP3 (MP4)",
    "png": "Or open it in Preview (Mac) or Paint (Windows), and save it as PNG",
    "jpg": "Or open it in Preview on a Mac, and choose File > Export > JPEG; an iPhone makes JPEG "
    "with Settings > Camera > Formats > Most Compatible",
}
"""By the extension to convert to."""


def advise_conversion(
    head: bytes, *, wanted: frozenset[str], origin: str | None
) -> tuple[str, str | None] | None:
    """What a file is that MiniMax does not take, and sentences about how to convert it.

    Args:
        head: The first bytes of the file.
        wanted: The media types that are taken in its place.
        origin: The file's path or name, for the command; None where it has none.

    Returns:
        None where the format is not known; no sentences where it cannot become what is wanted.
    """
    found = _recognize(head)
    if found is None:
        return None
    target = found.targets.get(_sort_of(wanted))
    if target is None:
        return found.name, None
    command = write_command(origin, found.extension, target, options=_write_options(found, target))
    return found.name, f"To convert it, run: {command}. {_WITHOUT_TERMINAL[target]}."


def _recognize(head: bytes) -> Format | None:
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return _HEIC if brand in IMAGE_BRANDS else _M4A if brand in SOUND_BRANDS else _CLIP
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _AVI
    return next((known for magic, known in _BY_BEGINNING if head.startswith(magic)), None)


def _sort_of(wanted: frozenset[str]) -> Sort:
    if wanted <= CLIP_TYPES:
        return "video"
    return "image" if wanted <= IMAGE_TYPES else "sound"


def _write_options(found: Format, target: str) -> str:
    if found.extension == "gif":
        return {"png": "-frames:v 1 ", "mp4": "-pix_fmt yuv420p "}[target]
    may_have_pictures = found is _CLIP or "video" in found.targets
    return "-vn " if target == "mp3" and may_have_pictures else ""


_SAFE_ON_WINDOWS: Final = re.compile(r"[\w .()\\:/+-]+")
"""In double quotes, for both of its shells; others of their signs could start a command."""


def write_command(origin: str | None, extension: str, target: str, *, options: str = "") -> str:
    """A command that converts a file; the result is put beside it, under another name.

    Args:
        origin: The file's path or name; None where it has none.
        extension: What it is called where its name cannot be written into a command.
        target: The extension of the result.
        options: Of ffmpeg, each with a blank after it.
    """
    source = PurePath(origin if origin and _can_be_written(origin) else f"in.{extension}")
    result = source.with_suffix(f".{target}")
    if result.name.casefold() == source.name.casefold():
        result = source.with_name(f"{source.stem}-converted.{target}")
    if target == "jpg":
        return f"heif-convert {_quote(source)} {_quote(result)}"
    return f"ffmpeg -i {_quote(source)} {options}{_quote(result)}"


def _can_be_written(name: str) -> bool:
    return name.isprintable() and (os.name == "posix" or is_plain_on_windows(name))


def is_plain_on_windows(name: str) -> bool:
    """Whether no shell of Windows takes a part of a name for anything else."""
    return _SAFE_ON_WINDOWS.fullmatch(name) is not None


def _quote(path: PurePath) -> str:
    return shlex.quote(str(path)) if os.name == "posix" else f'"{path}"'
