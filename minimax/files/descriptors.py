"""Opens files and folders without following links, and explains errors of the disk."""

import contextlib
import errno
import os
from pathlib import Path
from typing import IO, BinaryIO, Final

__all__ = []

PRIVATE_FILE: Final = 0o600


def write_all(file: IO[bytes], data: bytes | bytearray) -> None:
    """An unbuffered write may be short before the disk is full."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def open_without_links(place: Path) -> BinaryIO:
    """Open a resolved path so that no component may have become a link since."""
    if os.open not in os.supports_dir_fd:
        # Windows cannot refuse links while opening; there the resolved path has to do.
        return open(place, "rb", buffering=0)  # noqa: PTH123
    folder = open_folder(place.parent)
    try:
        return _as_file(os.open(place.name, _FILE_FLAGS, dir_fd=folder))
    finally:
        os.close(folder)


def _as_file(descriptor: int) -> BinaryIO:
    try:
        return os.fdopen(descriptor, "rb", buffering=0)
    except OSError:  # a folder; the descriptor would stay open
        os.close(descriptor)
        raise


def open_folder(folder: Path, *, make_below: Path | None = None) -> int:
    """Descriptor of a folder, walked from the root without following links.

    Args:
        folder: A resolved path.
        make_below: Missing folders below this one are made on the way.
    """
    here = os.open(folder.anchor, _FOLDER_FLAGS)
    at = Path(folder.anchor)
    for part in folder.parts[1:]:
        at = at / part
        try:
            if make_below is not None and (at == make_below or at.is_relative_to(make_below)):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=here)
            deeper = os.open(part, _FOLDER_FLAGS, dir_fd=here)
        finally:
            os.close(here)
        here = deeper
    return here


# Every system whose `os.open` takes a `dir_fd` has these; Windows has none of them.
_FILE_FLAGS: Final = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
)

# O_PATH asks only for the right to pass through a folder, not to list it.
_FOLDER_FLAGS: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


def explain_write_error(error: OSError) -> str:
    return _WRITE_ERRORS.get(error.errno or 0, "the disk reports an error")


_WRITE_ERRORS: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's disk quota is used up",
    errno.EFBIG: "the file is larger than this system or disk allows",
    errno.EACCES: "this user may not write in the folder",
    errno.EPERM: "this user may not write in the folder",
    errno.EROFS: "the disk is read-only",
    errno.ENOTDIR: "the folder's path leads through a file or a link",
    errno.ELOOP: "the folder's path leads through a link",
    errno.EEXIST: "every name for it is taken in that folder",
}
