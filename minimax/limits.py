"""What MiniMax accepts in each argument: lengths, ranges and choices.

From the platform documentation of each endpoint, as of November 2026. The schemas in
`minimax_server` and the checks before sending both take them from here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "ACCURACY",
    "ASPECT_RATIOS",
    "BITRATES",
    "CHANNELS",
    "CLONE_PREVIEW_CHARACTERS",
    "DESIGN_PREVIEW_CHARACTERS",
    "EMOTIONS",
    "H3_FILES",
    "H3_PROMPT_CHARACTERS",
    "H3_REFERENCES",
    "H3_REFERENCE_SECONDS",
    "HAILUO_PROMPT_CHARACTERS",
    "IMAGES",
    "IMAGE_PROMPT_CHARACTERS",
    "IMAGE_SIDE",
    "IMAGE_SIDE_STEP",
    "LONG_SPEECH_CHARACTERS",
    "MIXED_VOICES",
    "MIX_WEIGHT",
    "MODIFICATION",
    "MODIFICATION_FORMATS",
    "OPUS_SAMPLE_RATES",
    "PITCH",
    "SAMPLE_RATES",
    "SOUND_EFFECTS",
    "SPEECH_CHARACTERS",
    "SPEECH_FORMATS",
    "SPEED",
    "SUBTITLE_LEVELS",
    "TEXT_FILE_CHARACTERS",
    "TEXT_VALIDATION_CHARACTERS",
    "TRANSCRIBED_SECONDS",
    "UNSUITED_EMOTIONS",
    "VOLUME",
    "Range",
]


class Range(NamedTuple):
    """Numbers from `least` to `most`, both included."""

    least: float
    most: float


# --- speech (T2A) ------------------------------------------------------------------------------

SPEECH_CHARACTERS: Final = 10_000
"""A text must have fewer."""
LONG_SPEECH_CHARACTERS: Final = 50_000
"""Of a text in a request of the asynchronous endpoint; it may have as many."""
TEXT_FILE_CHARACTERS: Final = 1_000_000
"""A text file must have fewer."""
SPEED: Final = Range(0.5, 2)
VOLUME: Final = Range(0, 10)
"""Zero itself is refused."""
PITCH: Final = Range(-12, 12)
"""Semitones."""
SPEECH_FORMATS: Final = ("mp3", "wav", "flac", "opus", "pcm", "pcmu_raw", "pcmu_wav")
SAMPLE_RATES: Final = (8000, 16000, 22050, 24000, 32000, 44100)
"""Hertz."""
OPUS_SAMPLE_RATES: Final = (8000, 12000, 16000, 24000, 48000)
"""Of opus in long speech, where the usual rate, 32000, is none of them."""
BITRATES: Final = (32000, 64000, 128000, 256000)
"""Bits per second; for mp3."""
CHANNELS: Final = (1, 2)
EMOTIONS: Final = (
    *("happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm"),
    *("fluent", "whisper"),
)
UNSUITED_EMOTIONS: Final = {
    "speech-2.8": {"whisper"},
    "speech-02": {"fluent", "whisper"},
    "speech-01": {"fluent", "whisper"},
}
"""By the beginning of the model's name; models that are not known may take all."""
MIXED_VOICES: Final = 4
"""In one mix."""
MIX_WEIGHT: Final = Range(1, 100)
"""Of one voice; only the proportions count."""
MODIFICATION: Final = Range(-100, 100)
"""Of each number in `voice_modify`."""
SOUND_EFFECTS: Final = ("spacious_echo", "auditorium_echo", "lofi_telephone", "robotic")
MODIFICATION_FORMATS: Final = ("mp3", "wav", "flac")
"""What `voice_modify` works with."""
SUBTITLE_LEVELS: Final = ("sentence", "word")
"""What one subtitle holds; MiniMax's third level is for streaming."""

# --- voices ------------------------------------------------------------------------------------

CLONE_PREVIEW_CHARACTERS: Final = 1000
TEXT_VALIDATION_CHARACTERS: Final = 200
ACCURACY: Final = Range(0, 1)
DESIGN_PREVIEW_CHARACTERS: Final = 500

# --- transcripts -------------------------------------------------------------------------------

TRANSCRIBED_SECONDS: Final = 500
"""Longest recording; a longer one is refused, not cut."""

# --- images ------------------------------------------------------------------------------------

IMAGE_PROMPT_CHARACTERS: Final = 1500
IMAGES: Final = Range(1, 9)
"""In one request."""
IMAGE_SIDE: Final = Range(512, 2048)
"""Pixels."""
IMAGE_SIDE_STEP: Final = 8
"""Every side is a multiple of it."""
ASPECT_RATIOS: Final = ("1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9")

# --- videos ------------------------------------------------------------------------------------

HAILUO_PROMPT_CHARACTERS: Final = 2000
H3_PROMPT_CHARACTERS: Final = 7000
H3_REFERENCES: Final[Mapping[str, int]] = MappingProxyType(
    {"references": 9, "reference_videos": 3, "reference_audios": 3}
)
"""Most images, videos and recordings in one request, by the argument that they are given in."""
H3_FILES: Final = 12
"""References of all kinds together."""
H3_REFERENCE_SECONDS: Final = 15
"""All reference videos of a request together, and likewise all recordings."""
