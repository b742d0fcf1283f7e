"""What a host's configuration format must offer, so that one entry can be changed."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["BrokenTextError", "Editor", "UneditableTextError", "newline_of"]


class BrokenTextError(Exception):
    """A text does not keep the rules of its language.

    Attributes:
        line: Where, counted from 1.
        column: In that line, counted from 1.
        reason: What is wrong there, as a clause.
    """

    def __init__(self, reason: str, *, line: int, column: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column


class UneditableTextError(Exception):
    """A text keeps its language's rules, but is laid out in a way that is not edited here."""


class Editor(Protocol):
    """Changes one entry of a text in place; every other character stays as it is.

    A path names the entry from the outside in, such as `("mcpServers", "minimax")`. The methods
    raise `BrokenTextError` and `UneditableTextError`; texts have no byte order mark.
    """

    def parse(self, text: str) -> dict[str, Any]:
        """The values of a text; none for a text without any."""
        ...

    def add(self, text: str, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        """The text with an entry that it does not have yet."""
        ...

    def change(self, text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
        """The text with other values in an entry that it has; values not named stay."""
        ...

    def remove(self, text: str, path: Sequence[str]) -> str:
        """The text without an entry that it has."""
        ...

    def show(self, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        """An entry as it is written, for a person to read."""
        ...


def newline_of(text: str) -> str:
    """The line ending that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"
