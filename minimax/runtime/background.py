"""Work that outlives the call that started it, and is joined by the next call that wants it."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from minimax.errors import MiniMaxError, Outcome
from minimax.time_budgets import PAID_GRACE_SECONDS, UNWIND_SECONDS

__all__ = ["Background", "StillRunning", "is_unattended"]

Work = Callable[[], Coroutine[Any, Any, Any]]
"""A coroutine function; a callable object can expose progress to callers that join."""
WorkT = TypeVar("WorkT", bound=Work)
Tick = Callable[[], Awaitable[None]]

TICK_SECONDS: Final = 1.0
"""Between two reports of progress."""
MOST_UNCLAIMED: Final = 500
"""Results that nobody has joined and that are kept all the same; some 20 KB each, often less."""

log = logging.getLogger(__name__)


_is_unattended: ContextVar[bool] = ContextVar("minimax_is_unattended", default=False)


def is_unattended() -> bool:
    """Whether this is work that nobody waits for."""
    return _is_unattended.get()


class StillRunning(Exception):  # noqa: N818 - not an error: the work goes on
    """The work is still under way; whoever asks again joins it."""


@dataclass(frozen=True)
class _Running:
    work: Work
    task: asyncio.Task[Any]
    paid: bool

    @property
    def may_start_again(self) -> bool:
        """Whether it has failed, and doing it again cannot be charged twice."""
        if not self.task.done():
            return False
        if self.task.cancelled():
            return True
        error = self.task.exception()
        outcome_known = isinstance(error, MiniMaxError) and error.outcome is not Outcome.UNKNOWN
        return error is not None and (outcome_known or not self.paid)

    @property
    def may_be_forgotten(self) -> bool:
        """Whether it has ended, and what became of it is known: saved, or in the ledger."""
        return self.may_start_again or (self.task.done() and self.task.exception() is None)


class Background:
    """Running work by what it is about.

    A cancelled caller leaves its work running. Finished work that nobody has joined is kept, so
    that the next identical call gets its result instead of doing it again; a failure is kept only
    where doing it again could be charged twice. Of too many results the oldest are forgotten.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, _Running] = {}
        self._paid: set[asyncio.Task[Any]] = set()
        self._unattended: dict[Hashable, asyncio.Task[Any]] = {}
        self._begun_once: set[Hashable] = set()

    @property
    def unattended_tasks(self) -> list[asyncio.Task[Any]]:
        """What goes on by itself."""
        return list(self._unattended.values())

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """All work that is under way or not joined yet."""
        return [running.task for running in self._running.values()]

    @property
    def paid_tasks(self) -> frozenset[asyncio.Task[Any]]:
        """The paid work that is under way."""
        return frozenset(self._paid)

    def task(self, key: Hashable) -> asyncio.Task[Any] | None:
        """The work under this key, if there is any."""
        running = self._running.get(key)
        return None if running is None else running.task

    def start(self, key: Hashable, work: WorkT, *, paid: bool = False) -> WorkT:
        """Begin this work, or join what is under this key already; returns the work that runs.

        Args:
            key: What the work is about (`Runtime.work_key`); work of one key is of one type. It is
                kept with the result, so it holds no content.
            work: Begins it; kept likewise.
            paid: The end of the server waits for it a little.
        """
        running = self._running.get(key)
        if running is None or running.may_start_again:
            self._forget_oldest()
            running = self._running[key] = _Running(work, self._begin(work, paid=paid), paid)
        return cast("WorkT", running.work)

    def _begin(self, work: Work, *, paid: bool) -> asyncio.Task[Any]:
        task = asyncio.create_task(work())
        task.add_done_callback(_log_failure)
        task.add_done_callback(_drop_locals)
        if paid:
            self._paid.add(task)
            task.add_done_callback(self._paid.discard)
        return task

    def start_unattended(self, key: Hashable, work: Work) -> None:
        """Begin work that nobody waits for or joins, unless it is under way.

        It belongs to no call, so it does not see the call that it was begun in. The end of the
        server cancels it at once.
        """
        if key in self._unattended:
            return
        apart = Context()
        apart.run(_is_unattended.set, True)  # noqa: FBT003 - the value itself
        task = asyncio.create_task(work(), context=apart)
        self._unattended[key] = task
        task.add_done_callback(_log_failure)
        task.add_done_callback(lambda _: self._unattended.pop(key, None))

    def start_once(self, key: Hashable, work: Work) -> None:
        """Likewise, but never again under this key."""
        if key not in self._begun_once:
            self._begun_once.add(key)
            self.start_unattended(key, work)

    async def join(
        self, key: Hashable, *, within_seconds: float | None, tick: Tick | None = None
    ) -> Any:
        """The result of the work under this key, which is forgotten once it is had.

        Args:
            key: What the work is about.
            within_seconds: Longest wait; None waits for the end.
            tick: Awaited about once a second meanwhile, to report progress.

        Raises:
            StillRunning: It takes longer than `within_seconds`; it goes on.
        """
        task = self._running[key].task
        try:
            async with asyncio.timeout(within_seconds):
                await _wait_for_end(task, tick)
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
        """Another caller may have joined it before, and begun new work under the same key."""
        if self.task(key) is task:
            del self._running[key]

    def _forget_oldest(self) -> None:
        ended = [key for key, running in self._running.items() if running.may_be_forgotten]
        for key in ended[: max(0, len(ended) - MOST_UNCLAIMED)]:
            del self._running[key]

    async def aclose(self) -> None:
        """Wait a little for paid work, then cancel everything."""
        unattended = self.unattended_tasks
        for task in unattended:
            task.cancel()
        if self._paid:
            await asyncio.wait(set(self._paid), timeout=PAID_GRACE_SECONDS)
        tasks = [task for task in [*self.tasks, *unattended] if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=UNWIND_SECONDS)
        self._running.clear()


async def _wait_for_end(task: "asyncio.Task[Any]", tick: Tick | None) -> None:
    """Wait for the end of a task; being cancelled leaves it alone."""
    while True:
        done, _ = await asyncio.wait({task}, timeout=TICK_SECONDS if tick else None)
        if done:
            return
        if tick is not None:
            await tick()


def _log_failure(task: "asyncio.Task[Any]") -> None:
    """Write to stderr how it failed; no caller may be left to hear of it."""
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, MiniMaxError):
        log.info("background work failed: %s", error)


def _drop_locals(task: "asyncio.Task[Any]") -> None:
    """Keep how it failed, and nothing that its functions had in hand: that may be a whole file."""
    error = None if task.cancelled() else task.exception()
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
