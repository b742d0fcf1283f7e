"""What things cost by MiniMax's list prices, before they are bought."""

from typing import Final

from minimax.catalog import (
    DESIGN_PREVIEW_USD_PER_MILLION,
    IMAGE_PRICE_USD,
    SPEECH_PRICES_USD_PER_MILLION,
    TRANSCRIPTION_USD_PER_HOUR,
)
from minimax.limits import TRANSCRIBED_SECONDS

__all__ = [
    "count_characters",
    "estimate_images",
    "estimate_preview",
    "estimate_speech",
    "estimate_transcript",
]

MILLION: Final = 1_000_000
HOUR_SECONDS: Final = 3600


def count_characters(text: str) -> int:
    """Billed characters: a Chinese one counts twice, any other once (price page)."""
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def estimate_speech(model: str, text: str, *, fees_usd: float = 0.0) -> float | None:
    """Dollars for one text; None where the model has no list price.

    Args:
        model: The speech model.
        text: What is said.
        fees_usd: Of voices that speak for the first time.
    """
    per_million = SPEECH_PRICES_USD_PER_MILLION.get(model)
    if per_million is None:
        return None
    return count_characters(text) * per_million / MILLION + fees_usd


def estimate_preview(text: str) -> float:
    """Dollars for the preview of a designed voice; the voice itself is charged at its first use."""
    return count_characters(text) * DESIGN_PREVIEW_USD_PER_MILLION / MILLION


def estimate_images(number: int) -> float:
    """Dollars for so many images."""
    return number * IMAGE_PRICE_USD


def estimate_transcript(seconds: float | None) -> float:
    """Dollars for a recording; of unknown length, for the longest that MiniMax takes."""
    billed_seconds = TRANSCRIBED_SECONDS if seconds is None else seconds
    return billed_seconds * TRANSCRIPTION_USD_PER_HOUR / HOUR_SECONDS
