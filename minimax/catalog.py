"""Models, sizes and list prices of MiniMax, as its documentation and price page give them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

__all__ = ["PRICES_AS_OF", "VIDEO_MODELS", "VideoMode", "VideoModel", "price_list"]

# --- MiniMax's replies -------------------------------------------------------------------------


# --- the tools' results ------------------------------------------------------------------------


# --- models and list prices beside video -------------------------------------------------------

DEFAULT_VOICE: Final = "English_Graceful_Lady"
DEFAULT_SPEECH_MODEL: Final = "speech-2.8-hd"
IMAGE_MODEL: Final = "image-01"
VOICE_DESIGN_MODEL: Final = "voice-design"
"""MiniMax names no model for it; this is what lists show."""

CLONE_PRICE_USD: Final = 1.50
DESIGN_PRICE_USD: Final = 3.00
"""Taken when the voice first speaks."""
DESIGN_PREVIEW_USD_PER_MILLION: Final = 60.0
"""Characters of a preview (an older copy of the price page says 30)."""
IMAGE_PRICE_USD: Final = 0.0035
TRANSCRIPTION_MODEL: Final = "asr-1.0"
TRANSCRIPTION_USD_PER_HOUR: Final = 0.38
SPEECH_PRICES_USD_PER_MILLION: Final[Mapping[str, float]] = MappingProxyType(
    {
        "speech-2.8-hd": 100.0,
        "speech-2.8-turbo": 60.0,
        "speech-2.6-hd": 100.0,
        "speech-2.6-turbo": 60.0,
        "speech-02-hd": 100.0,
        "speech-02-turbo": 60.0,
        "speech-01-hd": 100.0,
        "speech-01-turbo": 60.0,
    }
)
"""Speech models and what a million characters cost (price page; 01 as its class)."""

# --- video models ------------------------------------------------------------------------------


class VideoMode(Enum):
    """What a video is made from."""

    TEXT = "a prompt alone"
    FIRST_FRAME = "a first frame"
    FIRST_AND_LAST_FRAME = "a first and a last frame"
    SUBJECT = "a subject image"
    LAST_FRAME = "a last frame alone"
    REFERENCES = "reference images, videos or recordings"


PRICES_AS_OF: Final = "November 2026"
"""Date of MiniMax's price page (pay as you go, US dollars) that the table below restates."""

Size = tuple[str, int]
"""Resolution as MiniMax writes it, and seconds."""


@dataclass(frozen=True, kw_only=True)
class VideoModel:
    """What one model takes and costs (platform documentation "video generation", price page).

    Attributes:
        sizes: Every allowed pair of resolution and seconds with its list price, default first.
        first_frame_only: Resolutions that are allowed with a first frame alone.
        sends_size: False: the API takes no duration and no resolution for this model.
        takes_fast_pretreatment: Whether `fast_pretreatment` is a parameter of this model.
        free_images: As many images cost nothing extra.
        further_image_usd: What each further one costs.
        reference_video_usd: What a second of a reference video costs, by the resolution of the
            result; recordings are free.
    """

    name: str
    modes: frozenset[VideoMode]
    sizes: Mapping[Size, float | None]
    first_frame_only: frozenset[str] = frozenset()
    sends_size: bool = True
    takes_fast_pretreatment: bool = False
    free_images: int = 99
    further_image_usd: float = 0.0
    reference_video_usd: Mapping[str, float] = field(default_factory=dict)

    def sizes_for(self, mode: VideoMode) -> tuple[Size, ...]:
        """The sizes that this model makes in a mode, default first."""
        alone = mode is VideoMode.FIRST_FRAME
        return tuple(size for size in self.sizes if alone or size[0] not in self.first_frame_only)


_TEXT, _FIRST = VideoMode.TEXT, VideoMode.FIRST_FRAME
_BOTH, _SUBJECT = VideoMode.FIRST_AND_LAST_FRAME, VideoMode.SUBJECT
_HAILUO_SIZES: Final = {("768P", 6): 0.28, ("768P", 10): 0.56, ("1080P", 6): 0.49}
_FAST_SIZES: Final = {("768P", 6): 0.19, ("768P", 10): 0.32, ("1080P", 6): 0.33}


def _series_01(name: str, *modes: VideoMode) -> VideoModel:
    return VideoModel(
        name=name, modes=frozenset(modes), sizes={("720P", 6): None}, sends_size=False
    )


def _per_second(prices_usd: Mapping[str, float], seconds: range) -> dict[Size, float | None]:
    """Sizes that cost by the second; 768P with 5 seconds is first, and so the default."""
    lengths = sorted(seconds, key=lambda n: (n != H3_DEFAULT_SECONDS, n))
    return {(size, n): round(price * n, 2) for size, price in prices_usd.items() for n in lengths}


H3_DEFAULT_SECONDS: Final = 5
_H3_MODES: Final = frozenset(VideoMode) - {VideoMode.SUBJECT}

VIDEO_MODELS: Final[Mapping[str, VideoModel]] = MappingProxyType(
    {
        model.name: model
        for model in (
            VideoModel(
                name="MiniMax-Hailuo-2.3",
                modes=frozenset({_TEXT, _FIRST}),
                sizes=_HAILUO_SIZES,
                takes_fast_pretreatment=True,
            ),
            VideoModel(
                name="MiniMax-Hailuo-2.3-Fast",
                modes=frozenset({_FIRST}),
                sizes=_FAST_SIZES,
                takes_fast_pretreatment=True,
            ),
            VideoModel(
                name="MiniMax-Hailuo-02",
                modes=frozenset({_TEXT, _FIRST, _BOTH}),
                sizes={**_HAILUO_SIZES, ("512P", 6): 0.10, ("512P", 10): 0.15},
                first_frame_only=frozenset({"512P"}),
                takes_fast_pretreatment=True,
            ),
            _series_01("T2V-01", _TEXT),
            _series_01("T2V-01-Director", _TEXT),
            _series_01("I2V-01", _FIRST),
            _series_01("I2V-01-Director", _FIRST),
            _series_01("I2V-01-live", _FIRST),
            _series_01("S2V-01", _SUBJECT),
            VideoModel(
                name="MiniMax-H3",
                modes=_H3_MODES,
                sizes=_per_second({"768P": 0.08, "2K": 0.13}, range(4, 16)),
                free_images=5,
                further_image_usd=0.04,
                reference_video_usd={"768P": 0.08, "2K": 0.13},
            ),
            VideoModel(
                name="MiniMax-H3-Max",
                modes=_H3_MODES,
                sizes=_per_second({"768P": 0.08, "480P": 0.05}, range(5, 16)),
                free_images=2,
                further_image_usd=0.074,
                reference_video_usd={"768P": 0.143, "480P": 0.0553},
            ),
        )
    }
)

REGENERATED_MODEL: Final = "MiniMax-H3"
REGENERATED_FROM, REGENERATED_TO = "768P", "2K"
"""The one model whose finished videos MiniMax makes again in a higher resolution."""
REGENERATION_SHARE: Final = 5 / 8
"""Of what the video cost: $0.05 of $0.08 for a second, also of a reference video, and $0.025 of
$0.04 for a further image."""

DEFAULT_VIDEO_MODELS: Final[Mapping[VideoMode, str]] = MappingProxyType(
    {
        _TEXT: "MiniMax-Hailuo-2.3",
        _FIRST: "MiniMax-Hailuo-2.3",
        _BOTH: "MiniMax-Hailuo-02",
        _SUBJECT: "S2V-01",
        VideoMode.LAST_FRAME: "MiniMax-Hailuo-02",  # which refuses it and says what takes it
        VideoMode.REFERENCES: "MiniMax-H3",
    }
)


def price_list() -> dict[str, Any]:
    """The tables above as JSON: what can be made, and its list price."""
    return {
        "prices": f"US dollars, list prices of {PRICES_AS_OF}, pay as you go",
        "video": [_price_of_model(model) for model in VIDEO_MODELS.values()],
        "video_again_in_2k": _price_of_regeneration(),
        "speech_per_million_characters": dict(SPEECH_PRICES_USD_PER_MILLION),
        "voice_clone_at_first_use": CLONE_PRICE_USD,
        "voice_design_at_first_use": DESIGN_PRICE_USD,
        "image": IMAGE_PRICE_USD,
        "transcript_per_hour": TRANSCRIPTION_USD_PER_HOUR,
    }


def _price_of_model(model: VideoModel) -> dict[str, Any]:
    return {
        "model": model.name,
        "from": [mode.value for mode in VideoMode if mode in model.modes],
        "sizes": [
            {"resolution": resolution, "seconds": seconds, "price": price}
            for (resolution, seconds), price in model.sizes.items()
        ],
        **(_price_of_references(model) if model.reference_video_usd else {}),
    }


def _price_of_regeneration() -> dict[str, Any]:
    once = VIDEO_MODELS[REGENERATED_MODEL]
    per_second = once.reference_video_usd[REGENERATED_FROM] * REGENERATION_SHARE
    return {
        "model": REGENERATED_MODEL,
        "from": REGENERATED_FROM,
        "second": round(per_second, 4),
        "second_of_reference_video": round(per_second, 4),
        "further_image": round(once.further_image_usd * REGENERATION_SHARE, 4),
    }


def _price_of_references(model: VideoModel) -> dict[str, Any]:
    return {
        "images_free_of_charge": model.free_images,
        "further_image": model.further_image_usd,
        "second_of_reference_video": dict(model.reference_video_usd),
    }
