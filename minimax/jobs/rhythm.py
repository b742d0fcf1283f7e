"""When a job is queried: often around the time when jobs of its size ended, seldom otherwise.

All times are seconds since MiniMax accepted the job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from minimax.clock import Clock

__all__ = ["FIRST_PAUSE_SECONDS", "LEAST_HISTORY", "MOST_HISTORY", "Rhythm"]

LEAST_HISTORY: Final = 5
"""Jobs of one size; fewer say too little."""
MOST_HISTORY: Final = 20
"""The newest ones: MiniMax gets faster and slower."""

# --- without history ---------------------------------------------------------------------------

FIRST_PAUSE_SECONDS: Final = 3.0
PAUSE_GROWTH: Final = 1.5
LONGEST_PAUSE_SECONDS: Final = 8.0
PAUSE_JITTER: Final = 0.2
"""The longest pause with its jitter stays under 10 s: no end is noticed later than that."""

# --- with history ------------------------------------------------------------------------------

EARLY_SHARE: Final = 0.05
"""Jobs that may end before the window in which ends are expected."""
MARGIN: Final = 0.12
"""A few jobs do not show how fast and how slow the next one may be."""
WINDOW_PAUSE_SECONDS: Final = 3.8
WINDOW_JITTER: Final = 0.1
"""The longest pause of the window is 4.2 s, so that 95 of 100 ends are noticed within 4 s."""
LATE_PAUSE_SHARE: Final = 0.02
"""Of the time so far: the later a job is, the less a few seconds matter."""
MIDDLE_SHARE: Final = 0.5
"""Of the time until the window: one question, since now and then a job is much faster."""

# --- in trouble --------------------------------------------------------------------------------

TROUBLE_GROWTH: Final = 2.0
TOLERATED_FAILURES: Final = 5
"""In a row at the usual pauses; then they grow."""
LONGEST_TROUBLE_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class _Window:
    """When jobs of this size are expected to end."""

    begin: float
    end: float


class Rhythm:
    """The pauses between the questions about one job.

    Args:
        took_seconds: How long jobs of this model, size and length took; empty: not known.
        clock: Its jitter keeps many jobs from being asked about at the same moment.
    """

    def __init__(self, took_seconds: Sequence[float], *, clock: Clock) -> None:
        self._window = _window(took_seconds)
        self._clock = clock
        self._pause_seconds = FIRST_PAUSE_SECONDS / PAUSE_GROWTH

    @property
    def knows_history(self) -> bool:
        """Whether it knows when jobs of this size end."""
        return self._window is not None

    def next_pause(self, elapsed_seconds: float, *, failures: int = 0) -> float:
        """How long to wait before the next question.

        Args:
            elapsed_seconds: How long the job has been under way.
            failures: Questions in a row that were not answered.
        """
        if failures > TOLERATED_FAILURES:
            return self._pause_in_trouble(failures - TOLERATED_FAILURES)
        if self._window is None:
            return self._growing_pause()
        return self._pause_by_window(elapsed_seconds, self._window)

    def _growing_pause(self) -> float:
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)
        return self._pause_seconds * self._clock.jitter(1 - PAUSE_JITTER, 1 + PAUSE_JITTER)

    def _pause_by_window(self, elapsed_seconds: float, window: _Window) -> float:
        pause = WINDOW_PAUSE_SECONDS * self._clock.jitter(1 - WINDOW_JITTER, 1 + WINDOW_JITTER)
        for moment in (window.begin * MIDDLE_SHARE, window.begin):
            if moment - elapsed_seconds > pause / 2:
                return moment - elapsed_seconds
        if elapsed_seconds > window.end:
            return max(pause, min(LONGEST_PAUSE_SECONDS, elapsed_seconds * LATE_PAUSE_SHARE))
        return pause

    def _pause_in_trouble(self, failures: int) -> float:
        pause = min(LONGEST_TROUBLE_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS * TROUBLE_GROWTH**failures)
        return pause * self._clock.jitter(1 - PAUSE_JITTER, 1 + PAUSE_JITTER)


def _window(took_seconds: Sequence[float]) -> _Window | None:
    if len(took_seconds) < LEAST_HISTORY:
        return None
    ordered = sorted(took_seconds)
    earliest = ordered[int(len(ordered) * EARLY_SHARE)]
    return _Window(begin=earliest * (1 - MARGIN), end=ordered[-1] * (1 + MARGIN))
