"""A clock that does not pass by itself."""

import asyncio
from dataclasses import dataclass, field

from minimax.clock import Clock


@dataclass
class VirtualTime:
    """A clock whose sleeps are over at once and counted."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self._sleep, jitter=lambda low, high: high)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)
