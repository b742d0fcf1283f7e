"""Who sends a request or waits for its answer: a random id whose life other processes can see.

Each process locks a file of its own. The system releases the lock in the moment in which the
process dies, so a killed one is noticed at once, in containers and on Windows as well. Where files
cannot be locked, a heartbeat has to do.
"""

import contextlib
import os
import secrets
import sys
from pathlib import Path
from typing import Final

__all__ = ["BEAT_SECONDS", "LEASE_SECONDS", "Owner"]

BEAT_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 20.0
"""Without a lock, an owner counts as gone after missing four beats."""
PRIVATE_FILE: Final = 0o600


def lock_file(descriptor: int) -> None:
    """Lock a file for this process; raises OSError where another one holds it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Owner:
    """This process as other processes see it.

    Attributes:
        id: Random, so that it is never mistaken for a process of another machine or boot.
    """

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(16)
        self._folder = folder
        self._descriptor: int | None = None

    def show_life(self) -> None:
        """Lock this owner's file, once; a folder that takes none leaves it to the heartbeat."""
        if self._descriptor is not None:
            return
        descriptor = None
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path(self.id), os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            lock_file(descriptor)
            self._descriptor, descriptor = descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def is_gone(self, owner_id: str) -> bool | None:
        """Whether another owner has ended; None where its file cannot tell."""
        try:
            descriptor = os.open(self._path(owner_id), os.O_RDWR)
        except OSError:
            return None
        try:
            lock_file(descriptor)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def remove(self, owner_id: str) -> None:
        """Delete what an owner that is gone has left."""
        with contextlib.suppress(OSError):
            self._path(owner_id).unlink()

    def close(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            with contextlib.suppress(OSError):
                self._path(self.id).unlink()

    def _path(self, owner_id: str) -> Path:
        return self._folder / f"owner-{owner_id}.lock"
