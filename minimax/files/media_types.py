"""Media types, detected from content and never from a name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "AUDIO_TYPES",
    "CLIP_TYPES",
    "EXTENSIONS",
    "HEAD_BYTES",
    "IMAGE_TYPES",
    "SPOKEN_TYPES",
    "VIDEO_TYPES",
    "how_to_convert",
    "sniff_among_samples",
    "sniff_media_type",
]

HEAD_BYTES: Final = 8192
"""As much of a file's beginning as is looked at: several MPEG frames, the first page of an Ogg."""

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "audio/mpeg": "mp3",
        "audio/mp4": "m4a",
        "audio/wav": "wav",
        "audio/flac": "flac",
        "audio/opus": "opus",
        "audio/ogg": "ogg",
        "image/jpeg": "jpg",
        "image/png": "png",
        "image/webp": "webp",
        "audio/pcm": "pcm",
        "audio/basic": "ulaw",
        "application/x-subrip": "srt",
        "video/mp4": "mp4",
        "video/quicktime": "mov",
    }
)
"""The extension under which MiniMax and players know a type."""

SPOKEN_TYPES: Final = frozenset(
    {"audio/mpeg", "audio/wav", "audio/flac", "audio/opus", "audio/ogg"}
)
"""What MiniMax's speech may come as; raw formats prove nothing by themselves."""
AUDIO_TYPES: Final = frozenset({"audio/mpeg", "audio/mp4", "audio/wav"})
IMAGE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
VIDEO_TYPES: Final = frozenset({"video/mp4"})
CLIP_TYPES: Final = VIDEO_TYPES | {"video/quicktime"}
"""Videos that a person may give; what MiniMax makes is an MP4."""


_IMAGE_BRANDS: Final = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
_SOUND_BRANDS: Final = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")


def sniff_media_type(head: bytes) -> str | None:
    """The media type that a file's first bytes prove; None for anything else.

    An MP4 container whose brand does not say "sound only" comes out as video/mp4, and one of
    Apple's brand as video/quicktime: the caller knows whether it looks for sound or for a video.
    """
    if head[4:8] == b"ftyp":
        return _mp4_type(head[8:12])
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    if head[:4] == b"OggS":
        return "audio/opus" if _ogg_payload(head).startswith(b"OpusHead") else "audio/ogg"
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    return "audio/mpeg" if _mpeg_frame_bytes(head) is not None else None


def sniff_among_samples(head: bytes) -> str | None:
    """The media type of content that was to be raw samples, where that cannot be a coincidence.

    Four bytes of sound look like an MPEG frame now and then; several frames in a row do not.
    """
    found = sniff_media_type(head)
    if found == "audio/mpeg" and not head.startswith(b"ID3") and not _is_mpeg_stream(head):
        return None
    return found


_MAGIC: Final = (
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
)


def _mp4_type(brand: bytes) -> str | None:
    if brand in _IMAGE_BRANDS:
        return None
    if brand == b"qt  ":
        return "video/quicktime"
    return "audio/mp4" if brand in _SOUND_BRANDS else "video/mp4"


def _ogg_payload(page: bytes) -> bytes:
    """What the first page of an Ogg file carries (RFC 3533, section 6)."""
    segments = page[26] if len(page) > 26 else 0  # noqa: PLR2004 - where the count is
    return page[27 + segments :]


_MPEG_KBITS: Final = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version and layer, from bitrate index 1 on (ISO 11172-3 and 13818-3, section 2.4.2.3)."""
_MPEG_HERTZ: Final = (44100, 48000, 32000)
"""Of version 1; version 2 has half of it, 2.5 a quarter."""
_MPEG_VERSIONS: Final = {0b11: (1, 1), 0b10: (2, 2), 0b00: (2, 4)}
"""Version bits: the bitrate table's version, and what the sample rate is divided by."""
_FRAMES_OF_A_STREAM: Final = 3


def _mpeg_frame_bytes(head: bytes) -> int | None:
    """The length of the MPEG audio frame that begins here; None where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - sync bits
        return None
    version = _MPEG_VERSIONS.get(head[1] >> 3 & 3)
    layer, bitrate, rate = 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version is None or layer == 4 or bitrate in (0, 15) or rate == 3:  # noqa: PLR2004 - reserved
        return None
    kbits, hertz = _MPEG_KBITS[version[0], layer][bitrate - 1], _MPEG_HERTZ[rate] // version[1]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    half = version[0] == 2 and layer == 3  # noqa: PLR2004
    return (72_000 if half else 144_000) * kbits // hertz + padding


def _is_mpeg_stream(head: bytes) -> bool:
    """Whether several MPEG audio frames follow each other from the first byte on."""
    at = 0
    for _ in range(_FRAMES_OF_A_STREAM):
        length = _mpeg_frame_bytes(head[at : at + 4])
        if length is None:
            return False
        at += length
    return True


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
_VIDEO_CONVERSIONS: Final = (
    (b"\x1aE\xdf\xa3", "WebM or Matroska", "ffmpeg -i in.webm out.mp4"),
    (b"0&\xb2u", "Windows Media", "ffmpeg -i in.wmv out.mp4"),
    (b"FLV", "Flash video", "ffmpeg -i in.flv out.mp4"),
    (b"\x00\x00\x01\xba", "MPEG video", "ffmpeg -i in.mpg out.mp4"),
    (b"GIF8", "a GIF", "ffmpeg -i in.gif -pix_fmt yuv420p out.mp4"),
)
_AVI_CONVERSION: Final = ("an AVI", "run: ffmpeg -i in.avi out.mp4")


def how_to_convert(head: bytes, *, wanted: frozenset[str]) -> tuple[str, str] | None:
    """Name and conversion command of a well-known type that MiniMax does not take.

    Args:
        head: The first bytes of the file.
        wanted: The media types that are taken in its place.
    """
    if wanted <= CLIP_TYPES:
        is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
        return _AVI_CONVERSION if is_avi else _find_conversion(head, _VIDEO_CONVERSIONS)
    sound = "m4a" if "audio/mp4" in wanted else "mp3"
    if head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS:
        return "a HEIC or AVIF image", "save it as JPEG, or run: heif-convert in.heic out.jpg"
    if head[4:8] == b"ftyp" and head[8:12] in _SOUND_BRANDS:
        return "an M4A", f"run: ffmpeg -i in.m4a out.{sound}"
    if head[4:8] == b"ftyp":
        what = "a video or a container with more than sound"
        return what, f"run: ffmpeg -i in.mov -vn out.{sound}"
    found = _find_conversion(head, _CONVERSIONS)
    return None if found is None else (found[0], found[1].replace("out.m4a", f"out.{sound}"))


def _find_conversion(
    head: bytes, conversions: tuple[tuple[bytes, str, str], ...]
) -> tuple[str, str] | None:
    for magic, name, command in conversions:
        if head.startswith(magic):
            return name, f"run: {command}"
    return None
