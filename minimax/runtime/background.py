"""Work that outlives the call that started it, and is joined by the next call that wants it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from minimax.errors import MiniMaxError, Outcome

__all__ = ["Background", "StillRunning"]

Work = Callable[[], Coroutine[Any, Any, Any]]
"""Called once, to begin it; an object may keep what callers should know meanwhile."""
WorkT = TypeVar("WorkT", bound=Work)
Tick = Callable[[], Awaitable[None]]

PAID_GRACE_SECONDS: Final = 5.0
"""How long the end of the server waits for a paid submission; nothing else is waited for."""
TICK_SECONDS: Final = 1.0
UNWIND_SECONDS: Final = 0.5
"""For what was cancelled to close its files and connections."""

log = logging.getLogger(__name__)


class StillRunning(Exception):  # noqa: N818 - not an error: the work goes on
    """The work is still under way; whoever asks again joins it."""


@dataclass(frozen=True)
class _Running:
    work: Work
    task: asyncio.Task[Any]
    paid: bool

    @property
    def failed_for_free(self) -> bool:
        """Whether it has failed, and doing it again can cost nothing twice."""
        if not self.task.done():
            return False
        if self.task.cancelled():
            return True
        error = self.task.exception()
        known = isinstance(error, MiniMaxError) and error.outcome is not Outcome.UNKNOWN
        return error is not None and (known or not self.paid)


class Background:
    """The running work of one loop, by what it is about.

    A cancelled caller leaves its work running. Finished work that nobody has collected is kept, so
    that the next identical call gets its result instead of doing it again; a failure is kept only
    where doing it again could be paid for twice.
    """

    def __init__(self) -> None:
        self._of: dict[Hashable, _Running] = {}
        self._paid: set[asyncio.Task[Any]] = set()

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """All work that is under way or not collected yet."""
        return [running.task for running in self._of.values()]

    def task(self, key: Hashable) -> asyncio.Task[Any] | None:
        """The work under this key, if there is any."""
        running = self._of.get(key)
        return None if running is None else running.task

    def start(self, key: Hashable, work: WorkT, *, paid: bool = False) -> WorkT:
        """Begin this work, or join what is under this key already; returns the work that runs.

        Args:
            key: What the work is about; work of one key is of one kind.
            work: Begins it.
            paid: The end of the server waits for it a little.
        """
        running = self._of.get(key)
        if running is None or running.failed_for_free:
            running = self._of[key] = _Running(work, self._begun(work, paid=paid), paid)
        return cast("WorkT", running.work)

    def _begun(self, work: Work, *, paid: bool) -> asyncio.Task[Any]:
        task = asyncio.create_task(work())
        task.add_done_callback(_told)
        if paid:
            self._paid.add(task)
            task.add_done_callback(self._paid.discard)
        return task

    async def collect(
        self, key: Hashable, *, within_seconds: float | None, tick: Tick | None = None
    ) -> Any:
        """The result of the work under this key, which is forgotten once it is had.

        Args:
            key: What the work is about.
            within_seconds: Longest wait; None waits for the end.
            tick: Awaited about once a second meanwhile, to report progress.

        Raises:
            NotYet: It takes longer than `within_seconds`; it goes on.
        """
        task = self._of[key].task
        try:
            async with asyncio.timeout(within_seconds):
                await _ended(task, tick)
        except TimeoutError:
            if not task.done():
                raise StillRunning from None
        self._forget(key, task)
        return task.result()

    def forget(self, key: Hashable) -> None:
        """Let go of work that has ended, if there is any; its result is known otherwise."""
        task = self.task(key)
        if task is not None and task.done():
            self._forget(key, task)

    def _forget(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        """Another caller may have collected it before, and begun new work under the same key."""
        if self.task(key) is task:
            del self._of[key]

    async def aclose(self) -> None:
        """Wait a little for paid work, then cancel everything."""
        if self._paid:
            await asyncio.wait(set(self._paid), timeout=PAID_GRACE_SECONDS)
        tasks = [task for task in self.tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=UNWIND_SECONDS)
        self._of.clear()


async def _ended(task: "asyncio.Task[Any]", tick: Tick | None) -> None:
    """Wait for the end of a task; being cancelled leaves it alone."""
    while True:
        done, _ = await asyncio.wait({task}, timeout=TICK_SECONDS if tick else None)
        if done:
            return
        if tick is not None:
            await tick()


def _told(task: "asyncio.Task[Any]") -> None:
    """Say on stderr how it ended; nobody may be left to be told."""
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, MiniMaxError):
        log.info("background work failed: %s", error)
