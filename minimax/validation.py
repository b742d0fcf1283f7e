"""What a caller gave, held against MiniMax's limits before anything is sent."""

import re
from collections.abc import Collection
from typing import Final

from minimax.errors import InputError

__all__ = ["check_choice", "check_id", "check_length"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_length(field: str, text: str | None, most: int, *, taker: str = "MiniMax") -> None:
    """Refuse a text of more than `most` characters.

    Raises:
        InputError: With both numbers, and who takes no more.
    """
    if text is not None and len(text) > most:
        raise InputError(f"{field} has {len(text)} characters; {taker} takes {most} at most.")


def check_choice(field: str, value: object, allowed: Collection[object]) -> None:
    """Refuse a value that is given and not allowed.

    Raises:
        InputError: With what is allowed.
    """
    if value is not None and value not in allowed:
        raise InputError(f"{field} must be one of: {', '.join(map(str, allowed))}.")


def check_id(text: str, field: str) -> str:
    """A task or file id as MiniMax makes them, and nothing else that a URL or path could hold.

    Raises:
        InputError: It is none.
    """
    ident = text.strip()
    if not _ID.fullmatch(ident):
        raise InputError(f"{field} is not an id. Give it exactly as an earlier result named it.")
    return ident
