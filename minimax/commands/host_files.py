"""Reads and replaces a host's configuration: whole or not at all, with a copy of the old one."""

import codecs
import errno
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Final

__all__ = ["HostFile", "HostFileError"]

PRIVATE_FILE: Final = 0o600
"""Of a new configuration file, which may come to hold a key."""
BACKUP: Final = "minimax-backup"
LARGEST_BYTES: Final = 10 * 1024 * 1024
"""A larger file is not a host's configuration."""
_WRITABLE: Final = 0o222


class HostFileError(Exception):
    """A configuration cannot be read or changed; the text is for the person."""


@dataclass(frozen=True)
class HostFile:
    """A configuration file as it was when it was read.

    Attributes:
        path: Where it is, links resolved: a link stays, what it leads to is replaced.
        data: What was in it; None where there is no file.
    """

    path: Path
    data: bytes | None

    @classmethod
    def read(cls, path: Path) -> "HostFile":
        """Read a file.

        Raises:
            HostFileError: It is there and cannot be read.
        """
        real = Path(os.path.realpath(path))
        try:
            with real.open("rb") as file:
                data = file.read(LARGEST_BYTES + 1)
        except FileNotFoundError:
            return cls(real, None)
        except OSError as error:
            raise HostFileError(f"{path} cannot be read: {_reason(error)}.") from None
        if len(data) > LARGEST_BYTES:
            raise HostFileError(f"{path} is too large to be a configuration file.")
        return cls(real, data)

    @property
    def mark(self) -> bytes:
        """The byte order mark that it begins with, if any."""
        return codecs.BOM_UTF8 if (self.data or b"").startswith(codecs.BOM_UTF8) else b""

    @property
    def text(self) -> str:
        """What is in it, without the mark.

        Raises:
            HostFileError: It is not UTF-8.
        """
        try:
            return (self.data or b"").removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError:
            raise HostFileError(
                f"{self.path} is not in UTF-8. Save it as UTF-8 in an editor, then try again."
            ) from None

    def encode(self, text: str) -> bytes:
        """A text as this file would hold it.

        Raises:
            HostFileError: A path in it has characters that no text can hold.
        """
        try:
            return self.mark + text.encode()
        except UnicodeEncodeError:
            raise HostFileError(
                "The folder of this server has a name that cannot be written in UTF-8. Rename it."
            ) from None

    def backups(self) -> list[Path]:
        """The copies that were made of earlier states, the newest first."""
        prefix = f"{self.path.name}.{BACKUP}-"
        numbers = [
            int(found.name.removeprefix(prefix))
            for found in self.path.parent.glob(f"{escape(prefix)}*")
            if found.name.removeprefix(prefix).isdecimal()
        ]
        return [self._backup_path(number) for number in sorted(numbers, reverse=True)]

    def _backup_path(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{BACKUP}-{number}")

    def replace(self, data: bytes | None) -> Path | None:
        """Put other bytes in its place, or nothing; gives the copy of what it was.

        Raises:
            HostFileError: It is write-protected, has changed since it was read, or the disk says
                no. It is then as it was.
        """
        self._refuse_if_protected()
        backup = None
        try:
            backup = self._back_up()
            self._put(data)
        except BaseException as error:
            if backup is not None:
                backup.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise HostFileError(
                f"{self.path} cannot be changed: {_reason(error)}. It is as it was."
            ) from None
        return backup

    def _put(self, data: bytes | None) -> None:
        self._refuse_if_changed()
        if data is None:
            self.path.unlink()
        else:
            self._write(data)

    def _refuse_if_protected(self) -> None:
        """A person who took away the right to write did not want it replaced."""
        if self.data is None:
            return
        mode = self.path.stat().st_mode
        if not mode & _WRITABLE or not os.access(self.path, os.W_OK):
            raise HostFileError(
                f"{self.path} is write-protected, so nothing was changed. Make it writable, or "
                "change it by hand."
            )

    def _refuse_if_changed(self) -> None:
        if HostFile.read(self.path).data != self.data:
            raise HostFileError(
                f"{self.path} was changed by another program at this moment, so it was left as it "
                "is. Run the command again."
            )

    def _back_up(self) -> Path | None:
        if self.data is None:
            return None
        newest = self.backups()[:1]
        number = int(newest[0].name.rpartition("-")[2]) if newest else 0
        backup = self._backup_path(number + 1)
        handle = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            file.write(self.data)
        backup.chmod(stat.S_IMODE(self.path.stat().st_mode))
        return backup

    def _write(self, data: bytes) -> None:
        """Write a file beside it, then rename that, so that no reader sees half of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        written = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._pass_on_rights(written)
            written.replace(self.path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise

    def _pass_on_rights(self, written: Path) -> None:
        if self.data is None:
            written.chmod(PRIVATE_FILE)
            return
        was = self.path.stat()
        if hasattr(os, "chown"):
            with suppress(PermissionError):  # it is another user's; only root may give it back
                os.chown(written, was.st_uid, was.st_gid)
        written.chmod(stat.S_IMODE(was.st_mode))


def _reason(error: OSError) -> str:
    reasons = {
        errno.EACCES: "this user may not do that",
        errno.EPERM: "this user may not do that",
        errno.EISDIR: "it is a folder",
        errno.ENOTDIR: "a folder on its path is a file",
        errno.ENOSPC: "the disk is full",
        errno.EROFS: "the disk cannot be written to",
        errno.ELOOP: "its links lead in a circle",
    }
    return reasons.get(error.errno or 0, "the system refuses it")
