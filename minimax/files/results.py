"""Where results go: files on this computer, or wherever else a runtime keeps them."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from minimax.files import outputs, paths, saved
from minimax.files.outputs import SavedFile
from minimax.files.saved import SavedInfo
from minimax.settings import Settings

__all__ = ["LocalResults", "Results"]


class Results(Protocol):
    """A place for results; its paths are names, which only it can read."""

    @property
    def word(self) -> str:
        """What a person is given to get at a result: a path, or a link."""
        ...

    def say_where(self, path: Path) -> str:
        """The sentence for a result that is saved here."""
        ...

    def resolve_folder(self, given: str | None) -> Path:
        """The folder that a caller wants results in.

        Raises:
            InputError: It may not be written to.
        """
        ...

    async def save(
        self,
        chunks: AsyncIterator[bytes],
        *,
        stem: str,
        types: frozenset[str],
        folder: Path,
        raw_type: str | None = None,
    ) -> SavedFile:
        """See `outputs.save`."""
        ...

    def find_saved(self, stem: str, *, types: frozenset[str], folder: Path) -> SavedFile | None:
        """A complete result that was saved under this stem, if there is one; may block."""
        ...

    def describe(self, path: Path) -> SavedInfo:
        """Type and size of a result; may block.

        Raises:
            InputError: It is not there.
        """
        ...

    def are_there(self, named: Sequence[str]) -> bool:
        """Whether all that these paths name is still there."""
        ...


class LocalResults:
    """Files on this computer; see `Results`."""

    word = "path"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def say_where(self, path: Path) -> str:  # noqa: D102
        return f"Tell the person where: {path}"

    def resolve_folder(self, given: str | None) -> Path:  # noqa: D102
        return paths.resolve_output_folder(given, settings=self._settings)

    async def save(  # noqa: D102
        self,
        chunks: AsyncIterator[bytes],
        *,
        stem: str,
        types: frozenset[str],
        folder: Path,
        raw_type: str | None = None,
    ) -> SavedFile:
        return await outputs.save(chunks, stem=stem, types=types, folder=folder, raw_type=raw_type)

    def find_saved(  # noqa: D102
        self, stem: str, *, types: frozenset[str], folder: Path
    ) -> SavedFile | None:
        return outputs.find_saved(stem, types=types, folder=folder)

    def describe(self, path: Path) -> SavedInfo:  # noqa: D102
        return saved.describe(path)

    def are_there(self, named: Sequence[str]) -> bool:  # noqa: D102
        return all(Path(path).exists() for path in named)
