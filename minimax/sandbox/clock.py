"""The sandbox's clock: real time, which tests can advance."""

import time


class Clock:
    """Real time plus an offset, so that a week can pass in one call without sleeping."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self._offset_seconds += seconds
