"""The object store of a team: results and uploads, given out as links that work for an hour."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, from_url

from minimax.errors import Outcome, StorageError
from minimax.team.folder import Folder

__all__ = ["LINK_SECONDS", "ObjectStore", "StoredObject"]

LINK_SECONDS: Final = 3600
UPLOAD_SECONDS: Final = 900
PART_BYTES: Final = 8 * 1024 * 1024
"""Of an object that is sent in parts; S3 takes no smaller ones than 5 MiB."""
READ_BYTES: Final = 1024 * 1024
FAILED: Final = (BaseError, OSError)
"""What obstore raises; some of its errors are those of Python."""
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,500}")
MEMORY_LINK: Final = "https://memory.invalid/"
"""A store in memory has no links; these lead nowhere."""


class StoredObject:
    """What is known of an object."""

    def __init__(self, facts: Any) -> None:
        self.bytes = int(facts["size"])
        self.version = str(facts["e_tag"] or facts["last_modified"])
        """Another where an object is replaced."""


class ObjectStore:
    """A bucket, and the names below a prefix in it. All methods but the links may take a while.

    The library's own coroutines end the process with an abort when the interpreter ends, so its
    blocking functions are used, in threads.

    Args:
        url: Like s3://bucket/prefix, or file:///folder.
        endpoint: Where it is not the cloud's own; of a folder, where a replica is reached.
        secret: What the links to a folder are signed with.

    Attributes:
        folder: If it is one of this machine.
    """

    def __init__(self, url: str, *, endpoint: str | None = None, secret: str = "") -> None:
        self.folder: Folder | None = None
        scheme = urlsplit(url).scheme
        if scheme == "memory":
            self._store: Any = MemoryStore()
        elif scheme == "file":
            path = Path(url2pathname(urlsplit(url).path))
            self._store = LocalStore(path, mkdir=True)
            self.folder = Folder(path, address=endpoint or "", secret=secret)
        else:
            options: dict[str, Any] = {}
            if endpoint:
                insecure = urlsplit(endpoint).scheme == "http"
                options = {"endpoint": endpoint, "client_options": {"allow_http": insecure}}
            self._store = from_url(url, **options)

    async def put_file(self, name: str, file: Path, *, media_type: str) -> None:
        """Store a file; the same name again is the same content again.

        Raises:
            StorageError: The store did not take it.
        """
        attributes = None if self.folder else {"Content-Type": media_type}
        try:
            await asyncio.to_thread(
                obstore.put,
                self._store,
                name,
                file,
                attributes=attributes,
                chunk_size=PART_BYTES,
                max_concurrency=2,
            )
        except FAILED:
            raise _store_error("did not take the file") from None

    def find(self, name: str) -> StoredObject | None:
        """What is under a name, if there is anything; blocks.

        Raises:
            StorageError: The store did not answer.
        """
        try:
            return StoredObject(obstore.head(self._store, name))
        except FileNotFoundError:
            return None
        except FAILED:
            raise _store_error("did not answer") from None

    async def fetch(self, name: str, file: Path, *, most_bytes: int) -> bool:
        """Write an object into a file; False where there is none.

        Raises:
            StorageError: It is too large, or the store did not answer.
        """
        return await asyncio.to_thread(self._fetch, name, file, most_bytes)

    def _fetch(self, name: str, file: Path, most_bytes: int) -> bool:
        try:
            found = obstore.get(self._store, name)
            if int(found.meta["size"]) > most_bytes:
                raise StorageError(
                    "What was uploaded is larger than any file that is accepted here."
                )
            with file.open("wb") as target:
                for chunk in found.stream(min_chunk_size=READ_BYTES):
                    target.write(chunk)
        except FileNotFoundError:
            return False
        except FAILED:
            raise _store_error("did not answer") from None
        return True

    def link(self, name: str) -> str:
        """A link to an object that works for an hour and needs no key."""
        return self._sign("GET", name, LINK_SECONDS)

    def upload_link(self, name: str) -> str:
        """A link to which an object can be sent (PUT) for 15 minutes."""
        return self._sign("PUT", name, UPLOAD_SECONDS)

    def _sign(self, method: Any, name: str, seconds: int) -> str:
        if isinstance(self._store, MemoryStore):
            return f"{MEMORY_LINK}{quote(name)}?expires={seconds}"
        if self.folder is not None:
            return self.folder.sign(method, name, seconds)
        try:
            signed: str = obstore.sign(
                self._store, method, name, expires_in=timedelta(seconds=seconds)
            )
        except FAILED:
            raise _store_error("signs no links with these credentials") from None
        return signed

    def name_in(self, link: str) -> str | None:
        """The name of the object that a link of this store leads to.

        Returns:
            None for other links; "" where it is no name.
        """
        example = urlsplit(self.link("x"))
        parts = urlsplit(link)
        if (parts.scheme, parts.netloc) != (example.scheme, example.netloc):
            return None
        folder = example.path.removesuffix("x")
        if not parts.path.startswith(folder):
            return None
        name = unquote(parts.path.removeprefix(folder))
        return name if _NAME.fullmatch(name) and ".." not in name.split("/") else ""


def _store_error(what: str) -> StorageError:
    return StorageError(
        f"The server's object store {what}. What MiniMax made is not lost: call again in a minute.",
        outcome=Outcome.UNKNOWN,
    )
