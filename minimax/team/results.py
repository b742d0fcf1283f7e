"""Where the results of a team's account go: objects under the account's name."""

import logging
import mimetypes
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from minimax.errors import InputError, Outcome, StorageError
from minimax.files import media_types, outputs
from minimax.files.outputs import SavedFile, WriteError
from minimax.files.saved import SavedInfo
from minimax.team.store import ObjectStore

__all__ = ["StoredResults"]

log = logging.getLogger(__name__)


class StoredResults:
    """Objects of one account; see `minimax.files.results.Results`.

    A result is collected and checked in a file of this machine, and gone from there at the end.
    """

    word = "link"

    def __init__(self, store: ObjectStore, *, account: str, scratch: Path) -> None:
        self._store = store
        self._account = account
        self._scratch = scratch

    def say_where(self, path: Path) -> str:  # noqa: ARG002, D102
        return "Give the person its link, which works for an hour; asking again gives a fresh one."

    def resolve_folder(self, given: str | None) -> Path:  # noqa: D102
        if given is not None:
            raise InputError("output_directory is not used here: results are links.")
        return Path(self._account)

    async def save(  # noqa: D102
        self,
        chunks: AsyncIterator[bytes],
        *,
        stem: str,
        types: frozenset[str],
        folder: Path,
        raw_type: str | None = None,
    ) -> SavedFile:
        try:
            file = await outputs.save(
                chunks, stem=stem, types=types, folder=self._scratch / folder, raw_type=raw_type
            )
        except WriteError as error:
            log.error("A result could not be stored: %s", error)  # noqa: TRY400
            raise StorageError(
                "The server could not store the result: its disk is full or cannot be written. "
                "What MiniMax made is not lost: tell whoever runs this server, then call again.",
                outcome=Outcome.UNKNOWN,
            ) from None
        name = folder / f"{stem}{file.path.suffix}"
        try:
            await self._store.put_file(name.as_posix(), file.path, media_type=file.media_type)
        finally:
            file.path.unlink(missing_ok=True)
        return SavedFile(path=name, bytes=file.bytes, media_type=file.media_type)

    def find_saved(  # noqa: D102
        self, stem: str, *, types: frozenset[str], folder: Path
    ) -> SavedFile | None:
        for media_type in sorted(types):
            name = folder / f"{stem}.{media_types.EXTENSIONS[media_type]}"
            found = self._store.find(name.as_posix())
            if found is not None:
                return SavedFile(path=name, bytes=found.bytes, media_type=media_type)
        return None

    def describe(self, path: Path) -> SavedInfo:  # noqa: D102
        found = self._store.find(path.as_posix())
        if found is None:
            raise InputError("This result is not in the store any more.")
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return SavedInfo(path=path, media_type=media_type, bytes=found.bytes)

    def are_there(self, named: Sequence[str]) -> bool:  # noqa: ARG002, D102
        return True  # the store keeps what was saved; its links are made at every answer
