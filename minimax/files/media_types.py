"""What a file truly is, judged by its bytes and never by its name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "AUDIO_TYPES",
    "EXTENSIONS",
    "HEAD_BYTES",
    "IMAGE_TYPES",
    "SPOKEN_TYPES",
    "VIDEO_TYPES",
    "how_to_convert",
    "sniff_media_type",
]

HEAD_BYTES: Final = 32
"""As much of a file's beginning as `kind_of` needs."""

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "audio/mpeg": "mp3",
        "audio/mp4": "m4a",
        "audio/wav": "wav",
        "audio/flac": "flac",
        "audio/ogg": "opus",
        "image/jpeg": "jpg",
        "image/png": "png",
        "image/webp": "webp",
        "audio/pcm": "pcm",
        "audio/basic": "ulaw",
        "application/x-subrip": "srt",
        "video/mp4": "mp4",
    }
)
"""The extension under which MiniMax and players know a type."""

SPOKEN_TYPES: Final = frozenset({"audio/mpeg", "audio/wav", "audio/flac", "audio/ogg"})
"""What MiniMax's speech may come as; raw formats prove nothing by themselves."""
AUDIO_TYPES: Final = frozenset({"audio/mpeg", "audio/mp4", "audio/wav"})
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
VIDEO_TYPES: Final = frozenset({"video/mp4"})


_PICTURE_BRANDS: Final = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
_SOUND_BRANDS: Final = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")


def sniff_media_type(head: bytes) -> str | None:
    """The media type that a file's first bytes prove; None for anything else.

    An MP4 container whose brand does not say "sound only" comes out as video/mp4: the caller
    knows whether it looks for sound or for a video.
    """
    if head[4:8] == b"ftyp":
        return _mp4_type(head[8:12])
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    return "audio/mpeg" if _is_mpeg_frame(head) else None


_MAGIC: Final = (
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
)


def _mp4_type(brand: bytes) -> str | None:
    if brand in _PICTURE_BRANDS or brand == b"qt  ":
        return None
    return "audio/mp4" if brand in _SOUND_BRANDS else "video/mp4"


def _is_mpeg_frame(head: bytes) -> bool:
    """An MPEG audio frame header: sync bits, a layer (AAC's ADTS has none), a bitrate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - sync bits
        return False
    has_layer, has_version = bool(head[1] & 0x06), head[1] & 0x18 != 0x08  # noqa: PLR2004
    return has_layer and has_version and head[2] & 0xF0 not in (0x00, 0xF0)


_CONVERSIONS: Final = (
    (b"OggS", "Ogg audio", "ffmpeg -i in.ogg out.mp3"),
    (b"fLaC", "FLAC audio", "ffmpeg -i in.flac out.wav"),
    (b"#!AMR", "AMR audio", "ffmpeg -i in.amr out.mp3"),
    (b"caff", "Core Audio", "ffmpeg -i in.caf out.m4a"),
    (b"FORM", "AIFF audio", "ffmpeg -i in.aiff out.wav"),
    (b"0&\xb2u", "Windows Media audio", "ffmpeg -i in.wma out.mp3"),
    (b"\x1aE\xdf\xa3", "WebM or Matroska", "ffmpeg -i in.webm out.mp3"),
    (b"\xff\xf1", "raw AAC audio", "ffmpeg -i in.aac out.m4a"),
    (b"\xff\xf9", "raw AAC audio", "ffmpeg -i in.aac out.m4a"),
    (b"GIF8", "a GIF", "ffmpeg -i in.gif -frames:v 1 out.png"),
    (b"BM", "a BMP image", "ffmpeg -i in.bmp out.png"),
    (b"II*\x00", "a TIFF image", "ffmpeg -i in.tiff out.png"),
    (b"MM\x00*", "a TIFF image", "ffmpeg -i in.tiff out.png"),
)


def how_to_convert(head: bytes) -> tuple[str, str] | None:
    """Name and conversion command of a well-known type that MiniMax does not take."""
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        return "a HEIC or AVIF image", "save it as JPEG, or run: heif-convert in.heic out.jpg"
    if head[4:8] == b"ftyp":
        return "a video or a container with more than sound", "run: ffmpeg -i in.mov -vn out.m4a"
    for magic, name, command in _CONVERSIONS:
        if head.startswith(magic):
            return name, f"run: {command}"
    return None
