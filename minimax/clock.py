"""The clock that retries and waits use; tests replace it."""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["Clock", "read_boot_seconds"]


def read_boot_seconds() -> float:
    """Seconds since the machine booted, time asleep included where the system counts it.

    Linux counts it in CLOCK_BOOTTIME, macOS in CLOCK_MONOTONIC (which is not what
    `time.monotonic` reads there), Windows in `time.monotonic`.
    """
    if sys.platform != "win32":
        for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
            clock = getattr(time, name, None)
            if clock is not None:
                return time.clock_gettime(clock)
    return time.monotonic()


def read_asleep_seconds() -> float:
    """How long the machine has been asleep since it booted; 0 where the system does not tell."""
    return read_boot_seconds() - time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Monotonic time, sleep and jitter; tests hand in one that does not pass by itself.

    Attributes:
        now: Seconds; stands still while the machine is asleep, on most systems.
        sleep: Waits for so many seconds of `now`.
        jitter: A random number between two.
        asleep_seconds: How long the machine has been asleep so far; only its changes mean
            something.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[float, float], float] = random.uniform
    asleep_seconds: Callable[[], float] = read_asleep_seconds
