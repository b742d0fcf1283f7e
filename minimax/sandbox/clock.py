"""The sandbox's clock: real time, which a test may push forward."""

import time


class Clock:
    """Real time plus an offset, so that a week passes in one call and nothing sleeps."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Move every deadline of the sandbox `seconds` nearer."""
        self._offset_seconds += seconds
