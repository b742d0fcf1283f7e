"""What `check` reports, line by line."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "fix", "note", "ok"]


class Level(StrEnum):
    """How a line begins."""

    OK = "ok"
    FIX = "FIX"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One line of `check`: what was looked at, what was found, and how to fix what is wrong."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level:<5}{self.text}"


def ok(text: str) -> Finding:
    """All is as it should be."""
    return Finding(Level.OK, text)


def fix(text: str) -> Finding:
    """Something has to be corrected; the text says how."""
    return Finding(Level.FIX, text)


def note(text: str) -> Finding:
    """Good to know, and nothing that has to be corrected."""
    return Finding(Level.NOTE, text)
