"""The sandbox's clock: real time, which tests can advance."""

import time
from typing import Final

LATEST_SECONDS: Final = 4_102_444_800
"""The year 2100, as Unix time. Beyond 9999 dates cannot be written down, nor can infinity."""


class Clock:
    """Real time plus an offset, so that a week can pass in one call without sleeping."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`.

        Raises:
            ValueError: It would not show a time between 1970 and 2100 then.
        """
        if not 0 <= self.now() + seconds <= LATEST_SECONDS:
            raise ValueError("the clock shows times between 1970 and 2100")
        self._offset_seconds += seconds
