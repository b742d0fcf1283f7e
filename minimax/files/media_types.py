"""Media types, detected from content and never from a name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "AUDIO_TYPES",
    "CLIP_TYPES",
    "EXTENSIONS",
    "HEAD_BYTES",
    "IMAGE_BRANDS",
    "IMAGE_TYPES",
    "SOUND_BRANDS",
    "SPOKEN_TYPES",
    "VIDEO_TYPES",
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


IMAGE_BRANDS: Final = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")
"""Of images in an MP4 container."""
SOUND_BRANDS: Final = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
"""Of an MP4 container that says "sound only"."""


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
    if brand in IMAGE_BRANDS:
        return None
    if brand == b"qt  ":
        return "video/quicktime"
    return "audio/mp4" if brand in SOUND_BRANDS else "video/mp4"


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
