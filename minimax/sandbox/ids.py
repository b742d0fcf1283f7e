"""The ids that the sandbox hands out: recognisable at sight, and never handed out twice."""

import itertools
import random
import secrets
import time
from typing import Final

FILE_ID_FLOOR: Final = 900_000_000_000_000
PREFIX: Final = "sandbox"

# The numbers run from the floor to sixteen digits: a slot per second, wide enough that two
# sandboxes started within the same second do not meet.
_SLOT: Final = 10**8
_SLOTS: Final = 10**6


class Ids:
    """One series of numbers for the files and tasks of one sandbox."""

    def __init__(self) -> None:
        slot = int(time.time()) % _SLOTS
        start = FILE_ID_FLOOR + slot * _SLOT + random.randrange(_SLOT)
        self._numbers = itertools.count(start)

    def file_id(self) -> int:
        """An integer, as on `files`."""
        return next(self._numbers)

    def task_id(self) -> str:
        """A string that no real task has."""
        return f"{PREFIX}{next(self._numbers)}"

    def voice_id(self) -> str:
        """The name of a voice whose maker gave it none."""
        return f"{PREFIX}-ttv-voice-{next(self._numbers)}"


def new_trace_id() -> str:
    """32 hexadecimal characters, as in MiniMax's `Trace-Id`."""
    return secrets.token_hex(16)
