"""The ledger's time: the wall clock for people, the boot clock for durations."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minimax.clock import read_boot_seconds

__all__ = ["LedgerClock"]


def read_boot_id() -> str | None:
    """Names the machine's current boot; None where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


@dataclass(frozen=True, kw_only=True)
class LedgerClock:
    """Wall clocks are set and jump; within one boot the boot clock tells how long ago a row is.

    Attributes:
        wall: Unix seconds.
        boot_seconds: Seconds since the boot, the same for all processes of the machine.
        read_boot_id: Names the boot; rows of another boot are dated by the wall clock.
    """

    wall: Callable[[], float] = time.time
    boot_seconds: Callable[[], float] = read_boot_seconds
    read_boot_id: Callable[[], str | None] = read_boot_id
