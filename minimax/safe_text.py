"""Making text of other services, and our own logs, harmless: no secrets, one line, a length."""

import re
import unicodedata
from typing import Final

__all__ = ["plain", "quote", "redact", "shorten"]

SHOWN_CHARACTERS: Final = 300
"""Longest piece of another service's text that we pass on."""


_KEY_LIKE: Final = re.compile(r"(?:Bearer\s+\S+)|(?:\b(?:sk-|eyJ)[\w.\-]{6,})", re.IGNORECASE)


_LINK_SECRET: Final = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")


def redact(text: str) -> str:
    """The text without what looks like a key and without the signed part of links."""
    return _LINK_SECRET.sub(r"\1?[signature removed]", _KEY_LIKE.sub("[key removed]", text))


def quote(text: str) -> str:
    """Another service's words, made `plain` and put in quotes."""
    return "'" + plain(text).replace("'", '"') + "'"


def plain(text: str) -> str:
    """Another service's words as one harmless line: no secrets, no control characters, capped.

    What comes back is data to show; it must not be able to steer a terminal or a model.
    """
    visible = "".join(" " if _is_unprintable(char) else char for char in text)
    return shorten(redact(" ".join(visible.split())), SHOWN_CHARACTERS)


def shorten(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits into `most` characters with a mark."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_unprintable(char: str) -> bool:
    return unicodedata.category(char)[0] in "CZ"
