"""What MiniMax accepts as a recording, an image or a video, checked on an opened file.

Checked here, because a refusal at MiniMax comes late and may cost.
"""

from dataclasses import dataclass
from typing import Final

from minimax.errors import InputError
from minimax.files import media_types, probe
from minimax.files.bounded_reader import Readable
from minimax.files.conversion import advise_conversion, write_command
from minimax.files.video_facts import VideoFacts, read_video

__all__ = [
    "BASE_VIDEO",
    "CLONE_AUDIO",
    "FRAME",
    "H3_AUDIO",
    "H3_IMAGE",
    "H3_VIDEO",
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
RATE_TOLERANCE: Final = 0.02
"""Pictures per second: the rate of a recording is an average, and 23.976 means 24000/1001."""
MINUTE_SECONDS: Final = 60
VIDEO_CODECS: Final = frozenset({"avc1", "avc3", "hvc1", "hev1"})
"""H.264 and H.265."""
VIDEO_SOUND_CODECS: Final = frozenset({"mp4a", ".mp3", "ms\0U"})
"""AAC and MP3 inside a video; the last one is how QuickTime writes Microsoft's number for MP3."""


@dataclass(frozen=True, kw_only=True)
class MediaRequirements:
    """What MiniMax takes for one purpose.

    Attributes:
        noun: What the thing is called in a message.
        types: Media types, as the content proves them.
        most_bytes: Largest file.
        seconds: Shortest and longest sound or video.
        shortest_side_px: The short side must be longer than this.
        longest_side_px: No side may be longer than this.
        most_elongated: Width to height may be from 1 to this up to this to 1.
        frames_per_second: Slowest and fastest video.
        frames: How many pictures a video may have.
        area_px: Smallest and largest width times height.
        sides_multiple_of: Both sides must be multiples of this.
        needs_sound: A silent video is refused.
    """

    noun: str
    types: frozenset[str]
    most_bytes: int
    seconds: tuple[float, float] | None = None
    shortest_side_px: int = 0
    longest_side_px: int | None = None
    most_elongated: float = 2.5
    frames_per_second: tuple[float, float] | None = None
    frames: range | None = None
    area_px: tuple[int, int] | None = None
    sides_multiple_of: int = 1
    needs_sound: bool = False


# Platform documentation "voice clone" and "video generation"; MiniMax does not say whether its MB
# is 10^6 or 2^20, so the larger reading is used and MiniMax has the last word.
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
# Platform documentation "video generation V2", the table of `content`.
H3_VIDEO: Final = MediaRequirements(
    noun="video",
    types=media_types.CLIP_TYPES,
    most_bytes=50 * MIB,
    seconds=(2, 15),
    shortest_side_px=255,
    longest_side_px=5760,
    frames_per_second=(23.976, 60),
)
H3_AUDIO: Final = MediaRequirements(
    noun="recording",
    types=frozenset({"audio/mpeg", "audio/wav"}),
    most_bytes=15 * MIB,
    seconds=(2, 15),
)
# Platform documentation "video regeneration V2": what a MiniMax-H3 video of 768P is like.
BASE_VIDEO: Final = MediaRequirements(
    noun="video",
    types=media_types.VIDEO_TYPES,
    most_bytes=50 * MIB,
    frames_per_second=(24, 24),
    frames=range(107, 363, 17),
    area_px=(768 * 768, 768 * 1344),
    sides_multiple_of=32,
    needs_sound=True,
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


def type_of(
    head: bytes, *, field: str, requirements: MediaRequirements, origin: str | None = None
) -> str:
    """The media type that a file's first bytes prove.

    Args:
        head: The file's first bytes.
        field: The parameter it came in, for the message.
        requirements: What MiniMax takes here.
        origin: The file's path or name, for a command that converts it.

    Raises:
        InputError: MiniMax does not take it; with ways to convert it, if some are known.
    """
    found = media_types.sniff_media_type(head)
    if found == "video/mp4" and "audio/mp4" in requirements.types:
        found = "audio/mp4"  # phones write m4a under general brands; the parser looks for sound
    if found is not None and found in requirements.types:
        return found
    wanted = ", ".join(sorted(media_types.EXTENSIONS[kind] for kind in requirements.types))
    name, remedy = advise_conversion(head, wanted=requirements.types, origin=origin) or ("", None)
    what = f"this is {name}" if name else "its content is none of these"
    raise InputError(
        f"{field}: MiniMax takes {requirements.noun}s as {wanted}, and {what}. "
        f"{remedy or 'Give the file in one of these formats.'} Nothing was sent."
    )


def check_content(
    file: Readable,
    *,
    size: int,
    media_type: str,
    field: str,
    requirements: MediaRequirements,
    origin: str | None = None,
) -> float | None:
    """Refuse what is too short or too long, of the wrong size, or damaged.

    Args:
        file: Opened; read from its beginning.
        size: In bytes.
        media_type: From `type_of`.
        field: The parameter it came in, for the message.
        requirements: What MiniMax takes here.
        origin: The file's path or name, for a command that converts it.

    Returns:
        The length in seconds; None for an image, and for a recording that does not say.

    Raises:
        InputError: With what it is, and what MiniMax takes.
    """
    file.seek(0)
    if media_type in media_types.IMAGE_TYPES:
        _check_image(probe.image_size(file, size=size), field, requirements)
        return None
    if media_type in media_types.CLIP_TYPES:
        return _check_video(read_video(file, size=size), field, requirements, origin)
    return _check_sound(
        probe.audio_seconds(file, size=size, media_type=media_type), field, requirements
    )


def _check_sound(
    sound: probe.Sound | None, field: str, requirements: MediaRequirements
) -> float | None:
    if sound is None:
        formats = _list_formats(requirements.types)
        raise InputError(
            f"{field}: no sound can be found in this file. Save it again as {formats}. "
            "Nothing was sent."
        )
    if sound.seconds is not None:
        _check_length(sound.seconds, field, requirements)
    return sound.seconds


SOUND_FORMATS: Final = ("mp3", "m4a", "wav", "flac", "opus", "ogg")
"""The best known first."""


def _list_formats(types: frozenset[str]) -> str:
    *names, last = sorted((media_types.EXTENSIONS[kind] for kind in types), key=SOUND_FORMATS.index)
    return f"{', '.join(names)} or {last}"


def _check_length(seconds: float, field: str, requirements: MediaRequirements) -> None:
    if requirements.seconds is None:
        return
    shortest, longest = requirements.seconds
    if not shortest <= seconds <= longest:
        raise InputError(
            f"{field}: the {requirements.noun} is {seconds:.1f} seconds long; MiniMax takes "
            f"{_describe_range(shortest, longest)}. Nothing was sent."
        )


def _describe_range(shortest: float, longest: float) -> str:
    if not shortest:
        return f"less than {longest:.0f} seconds"
    if longest < MINUTE_SECONDS:
        return f"{shortest:.0f} to {longest:.0f} seconds"
    return f"{shortest:.0f} seconds to {longest / MINUTE_SECONDS:.0f} minutes"


def _check_image(size: tuple[int, int] | None, field: str, requirements: MediaRequirements) -> None:
    if size is None:
        raise InputError(f"{field}: this image is damaged. Save it again. Nothing was sent.")
    _check_sides(size, field, requirements)


def _check_sides(size: tuple[int, int], field: str, requirements: MediaRequirements) -> None:
    short, long = sorted(size)
    what = f"{field}: the {requirements.noun} has {size[0]} x {size[1]} pixels;"
    if short <= requirements.shortest_side_px:
        raise InputError(
            f"{what} its short side must be longer than {requirements.shortest_side_px} pixels. "
            "Nothing was sent."
        )
    if requirements.longest_side_px is not None and long > requirements.longest_side_px:
        raise InputError(
            f"{what} no side may be longer than {requirements.longest_side_px} pixels. "
            "Nothing was sent."
        )
    if long > short * requirements.most_elongated:
        raise InputError(
            f"{what} its sides may differ by a factor of {requirements.most_elongated:g} at most "
            "(2:5 to 5:2). Nothing was sent."
        )


# --- videos ------------------------------------------------------------------------------------


def _check_video(
    facts: VideoFacts | None, field: str, requirements: MediaRequirements, origin: str | None
) -> float | None:
    if facts is None or not facts.frames:
        raise InputError(
            f"{field}: this video is damaged, or was written for streaming. Write it again, for "
            f"example with: {write_command(origin, 'mp4', 'mp4', options='-c copy ')}. Nothing was "
            "sent."
        )
    _check_codecs(facts, field, requirements, origin)
    _check_length(facts.seconds, field, requirements)
    _check_rate(facts, field, requirements, origin)
    _check_sides((facts.width, facts.height), field, requirements)
    _check_geometry(facts, field, requirements)
    return facts.seconds


def _check_codecs(
    facts: VideoFacts, field: str, requirements: MediaRequirements, origin: str | None
) -> None:
    is_known_sound = not facts.sound_codecs or VIDEO_SOUND_CODECS & set(facts.sound_codecs)
    if facts.codec not in VIDEO_CODECS or not is_known_sound:
        raise InputError(
            f"{field}: MiniMax takes a video as H.264 or H.265 with AAC or MP3 sound, and this one "
            f"is coded in another way. To convert it, run: {write_command(origin, 'mov', 'mp4')}. "
            "Nothing was sent."
        )
    if requirements.needs_sound and not facts.sound_codecs:
        raise InputError(f"{field}: this video has no sound. Nothing was sent.")


def _check_rate(
    facts: VideoFacts, field: str, requirements: MediaRequirements, origin: str | None
) -> None:
    if requirements.frames_per_second is None:
        return
    slowest, fastest = requirements.frames_per_second
    rate = facts.frames_per_second
    if not slowest - RATE_TOLERANCE <= rate <= fastest + RATE_TOLERANCE:
        wanted = f"{slowest:g}" if slowest == fastest else f"{slowest:g} to {fastest:g}"
        raise InputError(
            f"{field}: the video has {rate:.2f} pictures per second; MiniMax takes {wanted}. "
            f"To convert it, run: {write_command(origin, 'mp4', 'mp4', options='-r 24 ')}. "
            "Nothing was sent."
        )


def _check_geometry(facts: VideoFacts, field: str, requirements: MediaRequirements) -> None:
    """What only holds for videos of MiniMax's own making."""
    area = facts.width * facts.height
    least, most = requirements.area_px or (area, area)
    step = requirements.sides_multiple_of
    fits = least <= area <= most and not facts.width % step and not facts.height % step
    if not fits or (requirements.frames is not None and facts.frames not in requirements.frames):
        raise InputError(
            f"{field}: the video has {facts.width} x {facts.height} pixels and {facts.frames} "
            "pictures, which no MiniMax-H3 video of 768P has. Nothing was sent."
        )
