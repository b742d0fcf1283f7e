"""Checks of arguments against MiniMax's limits, before anything is sent."""

import re
from collections.abc import Collection
from typing import Final

from minimax.errors import InputError
from minimax.limits import Range

__all__ = ["check_choice", "check_id", "check_length", "check_range", "is_http_url", "is_id"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_length(field: str, text: str | None, most: int, *, taker: str = "MiniMax") -> None:
    """Refuse a text of more than `most` characters.

    Raises:
        InputError: With both numbers, and who takes no more.
    """
    if text is not None and len(text) > most:
        raise InputError(f"{field} has {len(text)} characters; {taker} takes {most} at most.")


def check_range(
    field: str, value: float | None, allowed: Range, *, above_least: bool = False
) -> None:
    """Refuse a number that is given and outside of a range.

    Args:
        field: The argument.
        value: Its value; None is "not given".
        allowed: The range.
        above_least: Refuse its lower end as well.

    Raises:
        InputError: With the end of the range that was passed.
    """
    if value is None:
        return
    if above_least and value <= allowed.least:
        raise InputError(f"{field} must be more than {allowed.least:g}.")
    if value < allowed.least:
        raise InputError(f"{field} must be {allowed.least:g} or more.")
    if value > allowed.most:
        raise InputError(f"{field} must be {allowed.most:g} or less.")


def is_id(text: str) -> bool:
    """Whether this is an id as MiniMax makes them: letters, digits, - and _, 64 at most."""
    return _ID.fullmatch(text) is not None


def is_http_url(text: str) -> bool:
    """Whether this is a link of the web, by its scheme alone."""
    return text[:8].lower().startswith(("https://", "http://"))


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
    if not is_id(ident):
        raise InputError(f"{field} is not an id. Give it exactly as an earlier result named it.")
    return ident
