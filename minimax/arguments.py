"""What a caller gave, held against MiniMax's limits before anything is sent."""

from collections.abc import Collection

from minimax.errors import InputError

__all__ = ["check_choice", "check_length"]


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
