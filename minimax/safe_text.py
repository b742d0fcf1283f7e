"""Makes texts from other services, and our own logs, harmless: no secrets, one line, a limit."""

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

__all__ = ["KeyFilter", "clean_link", "keep_one_line", "plain", "quote", "redact", "shorten"]

SHOWN_CHARACTERS: Final = 300
"""Longest piece of another service's text that we pass on."""
READ_CHARACTERS: Final = 4_000
"""What is looked at to find those; cleaning 50 MB took 13 seconds and 600 MB of memory."""
LINK_CHARACTERS: Final = 8_192
"""Longest link that is passed on or fetched; common servers take request lines of 8 KiB."""


_KEY_LIKE: Final = re.compile(r"(?:Bearer\s+\S+)|(?:\b(?:sk-|eyJ)[\w.\-]{6,})", re.IGNORECASE)


_LINK_SECRET: Final = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")


_CALLBACK_SECRET: Final = re.compile(
    r"(minimax(?:/|%2F)callback(?:/|%2F))[^\s\"'<>]+", re.IGNORECASE
)
"""Where MiniMax calls a team's server: whoever knows the address can speak as MiniMax."""


def redact(text: str) -> str:
    """The text without what looks like a key and without the signed part of links."""
    text = _CALLBACK_SECRET.sub(r"\1[signature removed]", _KEY_LIKE.sub(REMOVED_KEY, text))
    return _LINK_SECRET.sub(r"\1?[signature removed]", text)


def quote(text: str) -> str:
    """Another service's words, made `plain` and put in quotes."""
    return "'" + plain(text).replace("'", '"') + "'"


def plain(text: str) -> str:
    """Another service's words as one harmless line: no secrets, no control characters, capped.

    What comes back is data to show; it must not be able to steer a terminal or a model.
    """
    visible = keep_one_line(text[:READ_CHARACTERS])
    return shorten(redact(" ".join(visible.split())), SHOWN_CHARACTERS)


def shorten(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits into `most` characters with a mark."""
    return text if len(text) <= most else text[: most - 1] + "…"


def clean_link(text: str) -> str:
    """A link of another service without blanks and invisible characters; "" if it is too long."""
    link = "".join(keep_one_line(text[: LINK_CHARACTERS + 1]).split())
    return link if len(text) <= LINK_CHARACTERS else ""


# --- characters --------------------------------------------------------------------------------

_IGNORABLE: Final = re.compile(
    "["
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\uffa0"  # joiners, fillers
    "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors
    "\U000e0000-\U000e007f"  # tags
    "]"
)
"""What is drawn as nothing and is not of the category Cf (Unicode, Default_Ignorable)."""


def keep_one_line(text: str) -> str:
    """The text without invisible characters; blanks and control characters become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, _IGNORABLE.sub("", text)))


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category[0] in "CZ" else char


# --- the key -----------------------------------------------------------------------------------

REMOVED_KEY: Final = "[key removed]"
REMOVED_TEXT: Final = "[text removed: it repeated the key]"
LONGEST_TAIL: Final = 16
"""Letters and digits in a row that are never shown of a key, were it ever so long."""

_DELETED: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_LOWERED: Final = bytes(range(256)).lower()
_UNIT: Final = re.compile(
    r"%(?:25)*(?P<percent>[0-9a-f]{2})|(?P<entity>&(?:amp;)*#?\w+;?)|(?P<char>.)",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
"""One character of a text, written as such, percent-encoded or as an HTML entity."""


class KeyFilter:
    """Removes one key from texts, as it is or in a disguise that some service may give it.

    The disguises are: percent-encoded, as HTML entities, reversed, in base64 or hexadecimal, in
    other letter case, and with anything put between its letters and digits. Half of the key, or 16
    letters and digits of a long one, are removed like the whole.

    Looking costs one pass: a text is cut into blocks so short that no such run can avoid to hold a
    whole one, and each is looked up in a set. Only where one is found, the text is taken apart.

    Args:
        secret: The key; None: there is nothing to remove.
    """

    def __init__(self, secret: str | None) -> None:
        self._secret = secret
        letters = _letters(secret or "")
        self._shortest_run = min(LONGEST_TAIL, (len(letters) + 1) // 2)
        self._block = (self._shortest_run + 1) // 2
        self._blocks = frozenset(
            spelling[at : at + self._block]
            for spelling in (_spellings(secret) if secret and self._block else ())
            for at in range(len(spelling) - self._block + 1)
        )

    def scrub(self, text: str) -> str:
        """The text without the key."""
        if self._secret is None or len(text) < self._shortest_run:
            return text
        text = text.replace(self._secret, REMOVED_KEY)
        return self.cut_out(text) if self.may_hold_key(text) else text

    def may_hold_key(self, text: str) -> bool:
        """Whether it is worth to take a text apart; cheap, and never wrongly False."""
        letters, size = _letters(text), self._block
        if not self._blocks or len(letters) < self._shortest_run:
            return False
        ends = range(size, len(letters) + 1, size)
        return not self._blocks.isdisjoint([letters[end - size : end] for end in ends])

    def cut_out(self, text: str) -> str:
        """The text without runs of the key; every character is looked at."""
        if not self._find_runs(_letters(text)):
            return text
        units = list(_read_units(text))
        written = b"".join(letter for letter, _, _ in units)
        for start, end in reversed(self._find_runs(written)):
            text = text[: units[start][1]] + REMOVED_KEY + text[units[end - 1][2] :]
        return REMOVED_TEXT if self._find_runs(_letters(text)) else text

    def _find_runs(self, letters: bytes) -> list[tuple[int, int]]:
        """Where runs of the key begin and end, in their order."""
        size, runs = self._block, list[tuple[int, int]]()
        for at in range(len(letters) - size + 1):
            if letters[at : at + size] not in self._blocks:
                continue
            if runs and at <= runs[-1][1]:
                runs[-1] = (runs[-1][0], at + size)
            else:
                runs.append((at, at + size))
        return [(start, end) for start, end in runs if end - start >= self._shortest_run]


def _letters(text: str) -> bytes:
    """The letters and digits of a text in lower case, its encodings undone."""
    for _ in range(2):  # what was encoded is often encoded once more on its way
        text = unquote(text) if "%" in text else text
        text = html.unescape(text) if "&" in text else text
    return text.encode("ascii", "ignore").translate(_LOWERED, _DELETED)


def _spellings(secret: str) -> Iterator[bytes]:
    """The key in its disguises, as `_letters` would read them."""
    data = secret.encode()
    yield _letters(secret)
    yield _letters(secret[::-1])
    yield data.hex().encode()
    for before in range(3):
        # What stands before the key in the same text shifts it; the mixed signs are left out.
        whole = base64.b64encode(bytes(before) + data)
        whole = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield whole.translate(_LOWERED, _DELETED)


def _read_units(text: str) -> Iterator[tuple[bytes, int, int]]:
    """Each letter or digit of a text, and where it begins and ends there."""
    for unit in _UNIT.finditer(text):
        if unit["percent"]:
            written = chr(int(unit["percent"], 16))
        elif unit["entity"]:
            written = html.unescape(html.unescape(unit["entity"]))
        else:
            written = unit["char"]
        letters = _letters(written)
        # An entity without its semicolon may have swallowed what follows.
        yield from ((letters[at : at + 1], *unit.span()) for at in range(len(letters)))
