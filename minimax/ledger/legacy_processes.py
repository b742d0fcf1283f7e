"""Tells whether the same process that wrote a row is still running."""

import os
from pathlib import Path
from typing import Final

__all__ = ["Processes"]


class Processes:
    """The processes of this machine, as far as the ledger needs them; tests hand in their own."""

    def own_pid(self) -> int:
        """The number of the process that runs this."""
        return os.getpid()

    def start_time(self, pid: int) -> str | None:
        """When a process started, in the kernel's own count; None where that cannot be known."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        state, *rest = fields.rpartition(")")[2].split()
        return None if state in "ZX" else rest[_START_TIME_AFTER_STATE]

    def is_alive(self, pid: int | None, started: str | None) -> bool:
        """Whether the process that wrote this down still runs; its number may be reused."""
        if pid is None:
            return False
        if os.name != "posix":  # os.kill would end the process there; the deadline has to decide
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.start_time(pid) == started


_START_TIME_AFTER_STATE: Final = 18
"""proc(5): field 22 of stat; field 3 is the state."""
