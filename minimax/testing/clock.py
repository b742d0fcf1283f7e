"""The clock that a sandbox and the tools share in a test: waiting moves it."""

import asyncio
import contextlib
import heapq
import itertools
import threading
import types
from collections.abc import Generator
from typing import Final

from minimax import sandbox
from minimax.clock import Clock
from minimax.ledger.clock import LedgerClock
from minimax.runtime import is_unattended

__all__ = ["SharedClock"]

TURNS_TO_SETTLE: Final = 20
"""Of the event loop: whoever was woken does what can be done at once, and then sleeps again."""

_Sleeper = tuple[float, int, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class SharedClock(sandbox.Clock):
    """Real time that jumps to the end of every wait.

    A call like `query_video_generation(task_id, wait_seconds=45)` is over at once, and 45 seconds
    later by this clock; waits side by side end in their order. Work that goes on by itself, like
    following a job, waits until the time has come.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[_Sleeper] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> None:
        """Let time pass at once, and wake whoever was to sleep until then; from any thread.

        Raises:
            ValueError: It would not show a time between 1970 and 2100 then.
        """
        with self._lock:
            super().advance(seconds)
            now = self.now()
            while self._sleepers and self._sleepers[0][0] <= now:
                _wake(heapq.heappop(self._sleepers))

    async def sleep(self, seconds: float) -> None:
        """Wait by this clock; put it in the place of `asyncio.sleep` in the code under test."""
        wake_at = self.now() + max(0.0, seconds)
        wake = self._note_sleeper(wake_at)
        if is_unattended():
            await asyncio.wait({wake}, timeout=max(0.0, seconds))
            return
        while not wake.done():
            for _ in range(TURNS_TO_SETTLE):
                await _pass_turn()
            self._jump(until=wake_at)
            await _pass_turn()

    def _note_sleeper(self, wake_at: float) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        wake: asyncio.Future[None] = loop.create_future()
        with self._lock:
            heapq.heappush(self._sleepers, (wake_at, next(self._numbers), loop, wake))
        return wake

    def _jump(self, *, until: float) -> None:
        """To the next moment at which somebody is to be woken, and no further than `until`."""
        with self._lock:
            moment = min(self._sleepers[0][0], until) if self._sleepers else until
        self.advance(max(0.0, moment - self.now()))

    @property
    def of_tools(self) -> Clock:
        """The same time, for a runtime; pauses are as long as they can get."""
        return Clock(
            now=self.now,
            sleep=self.sleep,
            jitter=lambda _shortest, longest: longest,
            asleep_seconds=lambda: 0.0,
        )

    @property
    def of_ledger(self) -> LedgerClock:
        """The same time, for a ledger."""
        return LedgerClock(wall=self.now, boot_seconds=self.now)


@types.coroutine
def _pass_turn() -> Generator[None, None, None]:
    """What `asyncio.sleep(0)` does, which a test may have replaced."""
    yield


def _wake(sleeper: _Sleeper) -> None:
    _, _, loop, wake = sleeper

    def set_result() -> None:
        if not wake.done():
            wake.set_result(None)

    with contextlib.suppress(RuntimeError):  # its loop has ended, and with it whoever waited
        loop.call_soon_threadsafe(set_result)
