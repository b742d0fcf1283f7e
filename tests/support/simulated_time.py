"""Time that several sleepers share: it passes only when nobody has anything left to do."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from minimax.clock import Clock
from minimax.sandbox import Clock as SandboxClock

T = TypeVar("T")
Jitter = Callable[[float, float], float]

SHORTEST_SLEEP_SECONDS = 1e-6


class SimulatedTime:
    """Time that passes when all calls are asleep, and not while a request is under way."""

    def __init__(self, jitter: Jitter) -> None:
        self.now = 0.0
        self.asleep = 0.0
        self.under_way = 0
        self._was_busy = False
        self.clock = Clock(
            now=lambda: self.now,
            sleep=self.sleep,
            jitter=jitter,
            asleep_seconds=lambda: self.asleep,
        )
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    async def sleep(self, seconds: float) -> None:
        """Never so short that nothing is left of it when it is added to a late hour."""
        seconds = max(seconds, SHORTEST_SLEEP_SECONDS)
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self.now + seconds, next(self._numbers), wake))
        await wake

    def suspend(self, seconds: float) -> None:
        """The machine is asleep for so long."""
        self.asleep += seconds

    async def run(self, *calls: Awaitable[T]) -> list[T]:
        """Let time pass until these are over; their results, or the first error."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        try:
            async with asyncio.timeout(20):
                while not await self._are_done(tasks):
                    await self._pass()
        finally:
            for task in tasks:
                task.cancel()
        return await asyncio.gather(*tasks)

    def count_while(self, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """The same coroutine function; no time passes while it runs."""

        async def counted(*args: Any, **kwargs: Any) -> T:
            self.under_way += 1
            try:
                return await work(*args, **kwargs)
            finally:
                self.under_way -= 1

        return counted

    def count_during(
        self, iterate: Callable[..., AsyncIterator[T]]
    ) -> Callable[..., AsyncIterator[T]]:
        """The same asynchronous generator function; no time passes until it ends."""

        async def counted(*args: Any, **kwargs: Any) -> AsyncIterator[T]:
            self.under_way += 1
            try:
                async for item in iterate(*args, **kwargs):
                    yield item
            finally:
                self.under_way -= 1

        return counted

    async def _are_done(self, tasks: Sequence["asyncio.Future[Any]"]) -> bool:
        """Whether these are over, once everybody has done what can be done now."""
        for _ in range(20):
            await asyncio.sleep(0)
        return all(task.done() for task in tasks)

    async def _pass(self) -> None:
        if self.under_way or self._was_busy or not self._asleep:
            self._was_busy = self.under_way > 0  # once more: connections take a moment to close
            await asyncio.sleep(0.0005)
            return
        self.now, _, wake = heapq.heappop(self._asleep)
        if not wake.done():
            wake.set_result(None)


class SimulatedSandboxClock(SandboxClock):
    """The sandbox's jobs finish by the same time."""

    def __init__(self, world: SimulatedTime) -> None:
        super().__init__()
        self._world = world

    def now(self) -> float:
        return 1_800_000_000 + self._world.now + self._world.asleep
