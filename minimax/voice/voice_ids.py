"""Checks the id of a new voice."""

import re
from typing import Final

from minimax.errors import InputError

__all__ = ["check_voice_id"]

_VOICE_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{6,254}[A-Za-z0-9]")
"""Of a new voice (platform documentation "voice clone")."""


def check_voice_id(voice_id: str | None) -> None:
    """Refuse an id that MiniMax would refuse for a new voice.

    Raises:
        InputError: With the rule.
    """
    if voice_id is not None and not _VOICE_ID.fullmatch(voice_id):
        raise InputError(
            "voice_id must have 8 to 256 characters, begin with a letter, end with a letter or "
            "digit, and hold only letters, digits, - and _. Leave it out to have one made."
        )
