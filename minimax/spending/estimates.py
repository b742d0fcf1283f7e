"""What things cost by MiniMax's list prices, before they are bought."""

from typing import Final

from minimax.catalog import (
    CLONE_PRICE_USD,
    DESIGN_PREVIEW_USD_PER_MILLION,
    DESIGN_PRICE_USD,
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
VOICE_FEE_USD: Final = max(CLONE_PRICE_USD, DESIGN_PRICE_USD)
"""At the first use of a made voice; which of the two it is cannot be told before."""


def count_characters(text: str) -> int:
    """Billed characters: a Chinese one counts twice, any other once (price page)."""
    return sum(2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def estimate_speech(model: str, text: str, *, first_uses: int = 0) -> float | None:
    """Dollars for one text; None where the model has no list price.

    Args:
        model: The speech model.
        text: What is said.
        first_uses: How many voices speak for the first time, so that their fees fall due.
    """
    per_million = SPEECH_PRICES_USD_PER_MILLION.get(model)
    if per_million is None:
        return None
    return count_characters(text) * per_million / MILLION + first_uses * VOICE_FEE_USD


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
