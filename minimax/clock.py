"""The clock that retries and waits use; tests replace it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Clock"]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Monotonic time, sleep and jitter; tests hand in one that does not pass by itself."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[float, float], float] = random.uniform
