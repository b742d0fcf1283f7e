"""Reads files that this server saved, in pieces or as small images; no other file is opened here.

Whoever asks may have been told a path by anybody. So a file is only read if it is in the folder
for results under a name that this server makes, or where the ledger says that it was saved, and if
no link is anywhere on the way to it.
"""

import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from minimax.errors import InputError
from minimax.files import media_types
from minimax.files.descriptors import open_without_links
from minimax.files.paths import refuse_odd_text

__all__ = [
    "LARGEST_READ_BYTES",
    "PIECE_BYTES",
    "SavedInfo",
    "describe",
    "find_in_folder",
    "read_piece",
    "shrink_image",
]

PIECE_BYTES: Final = 512 * 1024
"""What the player asks for at once: base64 makes 700 kB of it, and Claude Desktop takes results
up to 1 MiB."""
LARGEST_READ_BYTES: Final = 7 * 1024 * 1024
"""The most that one read answers with: base64 makes 9.8 MB of it, and the TypeScript SDK takes
messages up to 10 MiB over stdio."""

_TYPES: Final = MappingProxyType(
    {
        extension: media_type
        for media_type, extension in media_types.EXTENSIONS.items()
        if media_type not in media_types.CLIP_TYPES - media_types.VIDEO_TYPES
    }
)
"""By the extensions that this server saves under."""
_SAVED_NAME: Final = re.compile(
    rf"(?:video|speech|image|preview)-[A-Za-z0-9_-]+\.(?:{'|'.join(_TYPES)})"
)
"""The names that `outputs.file_stem` and `outputs.save` make."""

_NOT_OURS: Final = "Only files that this server saved can be read here."
_GONE: Final = "The file is not there any more. It was moved or deleted after it had been saved."


@dataclass(frozen=True, kw_only=True)
class SavedInfo:
    """What is known of a saved file without reading it."""

    path: Path
    media_type: str
    bytes: int


def find_in_folder(text: str, *, folder: Path) -> Path:
    """The saved file of a path below the folder for results, as a URI names it.

    Args:
        text: Relative, with `/` between its parts.
        folder: The folder for results, with all links resolved.

    Raises:
        InputError: It leaves the folder, is a link or leads through one, or has a name that this
            server does not make.
    """
    refuse_odd_text(text, field="The path")
    parts = text.split("/")
    if "\\" in text or any(part in ("", ".", "..") for part in parts):
        raise InputError(_NOT_OURS)
    if os.name == "nt" and ":" in text:  # joined to a folder, a drive would be left out
        raise InputError(_NOT_OURS)
    path = folder.joinpath(*parts)
    if Path(os.path.realpath(path)) != path:
        raise InputError(_NOT_OURS)
    if _SAVED_NAME.fullmatch(path.name) is None:
        raise InputError(_NOT_OURS)
    return path


def describe(path: Path) -> SavedInfo:
    """Type and size of a saved file.

    Raises:
        InputError: It is not there, or is no file of a type that this server saves.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
    return SavedInfo(path=path, media_type=_TYPES[path.suffix[1:]], bytes=size)


def read_piece(path: Path, *, offset: int = 0, length: int | None = None) -> bytes:
    """Bytes of a saved file; empty after its end.

    Args:
        path: From `find_in_folder`, or from the ledger.
        offset: Where the piece begins.
        length: The most that is read; None: the rest.

    Raises:
        InputError: The file is not there, or the piece is too large for one message.
    """
    if offset < 0 or (length is not None and length < 0):
        raise InputError("offset and length must be 0 or more.")
    with _open(path) as file:
        left = max(0, os.fstat(file.fileno()).st_size - offset)
        wanted = left if length is None else min(left, length)
        if wanted > LARGEST_READ_BYTES:
            raise InputError(
                f"That is too large for one message. Read it in pieces of up to "
                f"{LARGEST_READ_BYTES} bytes: add ?offset=0&length={PIECE_BYTES} and so on."
            )
        file.seek(offset)
        return file.read(wanted)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    if path.suffix[1:] not in _TYPES:
        raise InputError(_NOT_OURS)
    try:
        raw = open_without_links(path)
    except OSError:
        raise InputError(_GONE) from None
    with io.BufferedReader(raw) as file:  # type: ignore[type-var]
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError(_NOT_OURS)
        yield file


# --- small images ------------------------------------------------------------------------------

DECODED_FORMATS: Final = ("JPEG", "PNG", "WEBP")
QUALITIES: Final = (82, 60)
"""Of JPEG; the better one first."""
HALVINGS: Final = 2
"""How often a side is halved until an image fits."""


def shrink_image(path: Path, *, longest_side: int, most_bytes: int) -> bytes | None:
    """A saved image as a small JPEG; None if it cannot be made small enough.

    Raises:
        InputError: The file is not there.
        OSError: It cannot be decoded.
    """
    from PIL import Image

    with _open(path) as file, Image.open(file, formats=DECODED_FORMATS) as image:
        image.draft("RGB", (longest_side, longest_side))
        small = image.convert("RGB")
    for halvings in range(HALVINGS + 1):
        side = longest_side >> halvings
        small.thumbnail((side, side))
        for quality in QUALITIES:
            encoded = io.BytesIO()
            small.save(encoded, "JPEG", quality=quality)
            if encoded.tell() <= most_bytes:
                return encoded.getvalue()
    return None
