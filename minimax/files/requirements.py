"""What MiniMax accepts as a recording or an image, checked on an opened file.

Checked here, because a refusal at MiniMax comes late and may cost.
"""

from dataclasses import dataclass
from typing import Final

from minimax.errors import InputError
from minimax.files import media_types, probe
from minimax.files.bounded_reader import Readable

__all__ = [
    "CLONE_AUDIO",
    "FRAME",
    "H3_IMAGE",
    "MIB",
    "PORTRAIT",
    "PROMPT_AUDIO",
    "TRANSCRIBED_AUDIO",
    "MediaRequirements",
    "check_content",
    "check_size",
    "type_of",
]

MIB: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class MediaRequirements:
    """What MiniMax takes for one purpose.

    Attributes:
        noun: What the thing is called in a message.
        types: Media types, as the content proves them.
        most_bytes: Largest file.
        seconds: Shortest and longest sound.
        shortest_side_px: The short side must be longer than this.
        longest_side_px: No side may be longer than this.
        most_elongated: Width to height may be from 1 to this up to this to 1.
    """

    noun: str
    types: frozenset[str]
    most_bytes: int
    seconds: tuple[float, float] | None = None
    shortest_side_px: int = 0
    longest_side_px: int | None = None
    most_elongated: float = 2.5


# Platform documentation "voice clone" and "video generation"; MiniMax does not say whether its MB
# is 10^6 or 2^20, so the larger reading stands and MiniMax has the last word.
CLONE_AUDIO: Final = MediaRequirements(
    noun="recording", types=media_types.AUDIO_TYPES, most_bytes=20 * MIB, seconds=(10, 300)
)
PROMPT_AUDIO: Final = MediaRequirements(
    noun="recording", types=media_types.AUDIO_TYPES, most_bytes=20 * MIB, seconds=(0, 8)
)
# Platform documentation "speech to text"; the length is the caller's to check.
TRANSCRIBED_AUDIO: Final = MediaRequirements(
    noun="recording",
    types=media_types.AUDIO_TYPES | media_types.SPOKEN_TYPES,
    most_bytes=50 * MIB,
)
H3_IMAGE: Final = MediaRequirements(
    noun="image",
    types=media_types.IMAGE_TYPES,
    most_bytes=30 * MIB,
    shortest_side_px=255,
    longest_side_px=5760,
)
PORTRAIT: Final = MediaRequirements(
    noun="image", types=frozenset({"image/jpeg", "image/png"}), most_bytes=10 * MIB - 1
)
FRAME: Final = MediaRequirements(
    noun="image", types=media_types.IMAGE_TYPES, most_bytes=20 * MIB, shortest_side_px=300
)


def check_size(size: int, *, field: str, requirements: MediaRequirements) -> None:
    """Refuse a file that is too large.

    Raises:
        InputError: With the limit.
    """
    if size > requirements.most_bytes:
        raise InputError(
            f"{field}: the {requirements.noun} is larger than {requirements.most_bytes / MIB:.0f} "
            "MB, MiniMax's limit. Give a shorter or more compressed one. Nothing was sent."
        )


def type_of(head: bytes, *, field: str, requirements: MediaRequirements) -> str:
    """The media type that a file's first bytes prove.

    Raises:
        InputError: MiniMax does not take it; with a command that converts it, if one is known.
    """
    found = media_types.sniff_media_type(head)
    if found == "video/mp4" and "audio/mp4" in requirements.types:
        found = "audio/mp4"  # phones write m4a under general brands; the parser looks for sound
    if found is not None and found in requirements.types:
        return found
    wanted = ", ".join(sorted(media_types.EXTENSIONS[kind] for kind in requirements.types))
    known = media_types.how_to_convert(head)
    what = f"this is {known[0]}" if known else "its content is none of these"
    remedy = f"To convert it, {known[1]}." if known else "Give the file in one of these formats."
    raise InputError(
        f"{field}: MiniMax takes a {requirements.noun} as {wanted}, and {what}. {remedy} "
        "Nothing was sent."
    )


def check_content(
    file: Readable, *, size: int, media_type: str, field: str, requirements: MediaRequirements
) -> None:
    """Refuse a recording of the wrong length, an image of the wrong size, and damaged ones.

    Raises:
        InputError: With what it is, and what MiniMax takes.
    """
    if requirements.seconds is not None:
        file.seek(0)
        sound = probe.audio_seconds(file, size=size, media_type=media_type)
        _check_sound(sound, field, requirements.seconds)
    if requirements.types & media_types.IMAGE_TYPES:
        file.seek(0)
        _check_image(probe.image_size(file, size=size), field, requirements)


def _check_sound(
    sound: probe.Sound | None, field: str, allowed_seconds: tuple[float, float]
) -> None:
    if sound is None:
        raise InputError(
            f"{field}: no sound can be found in this file. Save it anew as mp3, m4a or wav. "
            "Nothing was sent."
        )
    if sound.seconds is not None:
        _check_length(sound.seconds, field, allowed_seconds)


def _check_length(seconds: float, field: str, allowed: tuple[float, float]) -> None:
    shortest, longest = allowed
    if not shortest <= seconds <= longest:
        range_text = f"{shortest:.0f} seconds to {longest / 60:.0f} minutes"
        wanted = f"less than {longest:.0f} seconds" if not shortest else range_text
        raise InputError(
            f"{field}: the recording is {seconds:.1f} seconds long; MiniMax takes {wanted}. "
            "Nothing was sent."
        )


def _check_image(size: tuple[int, int] | None, field: str, requirements: MediaRequirements) -> None:
    if size is None:
        raise InputError(f"{field}: this image is damaged. Save it anew. Nothing was sent.")
    short, long = sorted(size)
    sides = f"{size[0]} x {size[1]} pixels"
    if short <= requirements.shortest_side_px:
        raise InputError(
            f"{field}: the image has {sides}; its short side must be longer than "
            f"{requirements.shortest_side_px} pixels. Nothing was sent."
        )
    if requirements.longest_side_px is not None and long > requirements.longest_side_px:
        raise InputError(
            f"{field}: the image has {sides}; no side may be longer than "
            f"{requirements.longest_side_px} pixels. Nothing was sent."
        )
    if long > short * requirements.most_elongated:
        raise InputError(
            f"{field}: the image has {sides}; its sides may differ by a factor of "
            f"{requirements.most_elongated:g} at most (2:5 to 5:2). Nothing was sent."
        )
