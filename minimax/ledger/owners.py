"""Who sends a request or waits for its answer: a random id whose life other processes can see.

Each process locks a file of its own. The system releases the lock in the moment in which the
process dies, so a killed one is noticed at once, in containers and on Windows as well. Where files
cannot be locked, a heartbeat has to do.
"""

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["BEAT_SECONDS", "LEASE_SECONDS", "Owner"]

BEAT_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 20.0
"""Without a lock, an owner counts as gone after missing four beats."""
PRIVATE_FILE: Final = 0o600


HELD_ERRORS: Final = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
"""What systems say where another process holds the lock."""


def lock_file(descriptor: int) -> bool:
    """Lock a file for this process; False where another one holds it.

    Raises:
        OSError: Files cannot be locked here.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD_ERRORS:
            return False
        raise
    return True


class Owner:
    """This process as other processes see it.

    Args:
        folder: Where the lock files are.
        lock: Locks an open file; see `lock_file`.

    Attributes:
        id: Random, so that it is never mistaken for a process of another machine or boot.
    """

    def __init__(self, folder: Path, *, lock: Callable[[int], bool] = lock_file) -> None:
        self.id = secrets.token_hex(16)
        self._folder = folder
        self._lock = lock
        self._descriptor: int | None = None

    def show_life(self) -> None:
        """Lock this owner's file, once; a folder that takes none leaves it to the heartbeat."""
        if self._descriptor is not None:
            return
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path(self.id), os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            with contextlib.suppress(OSError):
                if self._lock(descriptor):
                    self._descriptor = descriptor
                    return
            os.close(descriptor)
            self.remove(self.id)  # a file without a lock would say that its owner is gone

    def is_gone(self, owner_id: str) -> bool | None:
        """Whether another owner has ended; None where its file cannot tell."""
        try:
            descriptor = os.open(self._path(owner_id), os.O_RDWR)
        except OSError:
            return None
        try:
            return self._lock(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)

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
