"""What a caller gave as a file, parsed once: a local file, a URL, a data: URI or a file id."""

import hashlib
import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from minimax.files import lookup, paths
from minimax.settings import Settings
from minimax.validation import is_http_url

__all__ = [
    "DataUri",
    "FileId",
    "LocalFile",
    "Source",
    "Url",
    "identify",
    "parse_source",
]

_FILE_ID: Final = re.compile(r"[0-9]{9,19}")
"""MiniMax's ids of uploads; no path is made of so many digits alone."""


@dataclass(frozen=True)
class LocalFile:
    """A path that may be read, resolved through every link."""

    path: Path

    def version(self) -> tuple[int, int] | None:
        """Size and time of change: another file under the same path has another version."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return facts.st_size, facts.st_mtime_ns


@dataclass(frozen=True)
class Url:
    """Something with a scheme that is neither file: nor data:."""

    text: str

    @property
    def is_http(self) -> bool:
        """Whether it is of the web."""
        return is_http_url(self.text)


@dataclass(frozen=True)
class DataUri:
    """A file in the text itself."""

    text: str


@dataclass(frozen=True)
class FileId:
    """An upload that MiniMax already has."""

    number: int


Source = LocalFile | Url | DataUri | FileId


def parse_source(
    given: str, *, field: str, settings: Settings, takes_file_ids: bool = False
) -> Source:
    """Tell what a caller gave; a path is resolved, so this touches the disk.

    Args:
        given: As the person gave it, quotes and all.
        field: The parameter it came in, for messages.
        settings: Whose folders apply.
        takes_file_ids: Whether digits alone are an earlier upload.

    Raises:
        InputError: It is a path that may not be read, or names no file.
    """
    text = paths.strip_quotes(given)
    if takes_file_ids and _FILE_ID.fullmatch(text):
        return FileId(int(text))
    if text[:5].lower() == "data:":
        return DataUri(text)
    if paths.is_url(text):
        return Url(text)
    return LocalFile(lookup.find_input(text, field=field, settings=settings))


def identify(source: Source | None) -> Hashable:
    """What tells two inputs apart, without their content; a changed file is another input."""
    if isinstance(source, LocalFile):
        return source, source.version()
    if isinstance(source, DataUri):
        return hashlib.sha256(source.text.encode(errors="surrogatepass")).digest()
    return source
