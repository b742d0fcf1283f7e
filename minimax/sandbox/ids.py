"""The ids that the sandbox assigns: easy to recognise, and never assigned twice."""

import itertools
import random
import secrets
import time
from typing import Final

MIN_FILE_ID: Final = 900_000_000_000_000
PREFIX: Final = "sandbox"

# Ids have up to sixteen digits and start at a slot chosen by the current second, at a random
# offset, so that two sandboxes started in the same second are unlikely to share ids.
_SLOT_SIZE: Final = 10**8
_SLOTS: Final = 10**6


class IdGenerator:
    """One series of numbers for the files, tasks and voices of one sandbox."""

    def __init__(self) -> None:
        slot = int(time.time()) % _SLOTS
        start = MIN_FILE_ID + slot * _SLOT_SIZE + random.randrange(_SLOT_SIZE)
        self._numbers = itertools.count(start)

    def new_file_id(self) -> int:
        """Return a file id, an integer as in the Files API."""
        return next(self._numbers)

    def new_speech_id(self) -> int:
        """Return the id of a task of long speech, an integer as MiniMax's are."""
        return next(self._numbers)

    def new_task_id(self) -> str:
        """Return a task id that no real task has."""
        return f"{PREFIX}{next(self._numbers)}"

    def new_voice_id(self) -> str:
        """Return a voice id for a voice design request that names none."""
        return f"{PREFIX}-ttv-voice-{next(self._numbers)}"


def new_trace_id() -> str:
    """Return 32 hexadecimal characters, as in MiniMax's `Trace-Id` header."""
    return secrets.token_hex(16)
