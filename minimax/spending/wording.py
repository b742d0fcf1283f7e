"""Sentences about money, each in one place."""

from minimax.catalog import PRICES_AS_OF

__all__ = ["list_price_text"]


def list_price_text(price_usd: float | None, *, decimals: int = 2) -> str:
    """The sentence about a price in a result."""
    if price_usd is None:
        return "MiniMax names no list price for this model."
    return f"List price: ${price_usd:.{decimals}f} ({PRICES_AS_OF})."
