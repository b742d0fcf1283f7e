"""The files endpoints: uploads, and what was generated."""

import math
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import V2_IMAGE, measure_image_file
from minimax.sandbox.clock import Clock
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media.samples import Content
from minimax.sandbox.signed_links import StoreLink
from minimax.sandbox.units import DAY_SECONDS, MB

INPUT_LIFETIME_SECONDS: Final = (
    7 * DAY_SECONDS
)  # MiniMax API: video_generation_input is kept 7 days
MAX_FILES: Final = 1_000

# MiniMax API: purposes and sizes of an upload. The size of video_understanding is not stated and
# is taken from the videos of video_generation_input.
UPLOAD_LIMIT_BYTES: Final = {
    "voice_clone": 20 * MB,
    "prompt_audio": 20 * MB,
    "t2a_async_input": 4_000_000,  # 1,000,000 characters of at most 4 bytes in UTF-8
    "video_understanding": 50 * MB,
    "video_generation_input": 50 * MB,
}
MAX_UPLOAD_BYTES: Final = max(UPLOAD_LIMIT_BYTES.values())
LIST_PURPOSES: Final = (
    "voice_clone",
    "prompt_audio",
    "t2a_async_input",
    "video_generation_input",
)
DELETE_PURPOSES: Final = (
    "voice_clone",
    "prompt_audio",
    "t2a_async",
    "t2a_async_input",
    "video_generation",
)

# MiniMax API: video_generation_input is checked at upload, by media type.
_IMAGE_SUFFIXES: Final = tuple(f".{name}" for name in V2_IMAGE.formats)
_INPUT_LIMIT_BYTES: Final = {
    **dict.fromkeys(_IMAGE_SUFFIXES, V2_IMAGE.max_bytes),
    **dict.fromkeys((".mp4", ".mov"), 50 * MB),
    **dict.fromkeys((".wav", ".mp3"), 15 * MB),
}
_HTTP_BAD_REQUEST: Final = 400


class Blob:
    """A temporary file that is deleted with the last reference to it."""

    def __init__(self, source: BinaryIO) -> None:
        descriptor, name = tempfile.mkstemp(prefix="minimax-sandbox-")
        self.path = Path(name)
        self._finalizer = weakref.finalize(self, _remove_file, name)
        with os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)

    def remove(self) -> None:
        """Delete the file now, without waiting for garbage collection."""
        self._finalizer()


def _remove_file(name: str) -> None:
    Path(name).unlink(missing_ok=True)


@dataclass(frozen=True)
class File:
    """One file of the account; a generated one has a `link`, an upload has a `blob`."""

    id: int
    name: str
    purpose: str
    bytes: int
    created_at: int
    content: Content
    link: StoreLink | None = None
    blob: Blob | None = None
    kept_until: float = math.inf

    @property
    def suffix(self) -> str:
        """The file name extension, in lower case."""
        return PurePath(self.name).suffix.lower()

    def open(self) -> BinaryIO:
        """Open the content of an upload."""
        if self.blob is None:
            raise invalid_params("file_id not exist")
        return self.blob.path.open("rb")

    def to_json(self) -> dict[str, Any]:
        """Return MiniMax's FileObject."""
        return {
            "file_id": self.id,
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
        }


class Files(BoundedDict[int, File]):
    """The account's files by id."""

    def __init__(self, *, clock: Clock, ids: IdGenerator) -> None:
        super().__init__(max_items=MAX_FILES)
        self._clock = clock
        self._ids = ids

    def upload(self, source: BinaryIO, *, name: str, purpose: str, size: int) -> dict[str, Any]:
        """Store an upload. Samples for a clone are validated by the clone endpoint, not here."""
        _check_upload(source, name=name, purpose=purpose, size=size)
        blob = Blob(source)
        content = Content("application/octet-stream", path=blob.path)
        file = self._add(name, purpose, size, content=content, blob=blob)
        return {"file": file.to_json()}

    def add_video(self, link: StoreLink, content: Content) -> File:
        """Add a generated video; MiniMax reports 0 bytes for these."""
        name = "output_aigc.mp4"
        return self._add(name, "video_generation", 0, link=link, content=content)

    def add_speech(self, file_id: int, link: StoreLink, content: Content, *, kept: float) -> File:
        """Add the result of a long speech, which is kept until the time `kept`."""
        self[file_id] = File(
            file_id,
            f"{file_id}.tar",
            "t2a_async",
            0,
            int(self._clock.now()),
            content,
            link,
            kept_until=kept,
        )
        return self[file_id]

    def list_by_purpose(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/files/list."""
        purpose = Params(query).read_choice("purpose", LIST_PURPOSES, required=True)
        return {"files": [f.to_json() for f in self.values() if f.purpose == purpose]}

    def retrieve(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/files/retrieve: each call signs a new download link."""
        file = self.find(_read_file_id(query))
        link = {"download_url": file.link} if file.link else {}
        return {"file": {**file.to_json(), **link}}

    def retrieve_content(self, query: Mapping[str, str]) -> Content:
        """GET /v1/files/retrieve_content: the file's bytes."""
        return self.find(_read_file_id(query)).content

    def delete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/files/delete."""
        params = Params(body)
        file_id = params.read_integer("file_id", required=True)
        purpose = params.read_choice("purpose", DELETE_PURPOSES, required=True)
        file = self.find(file_id, purpose=purpose)
        del self[file.id]
        return {"file_id": file.id}

    def find(self, file_id: int, *, purpose: str | None = None) -> File:
        """Return the file; refuse an unknown id, or one of another purpose."""
        file = self.get(file_id)
        is_over = file is not None and self._clock.now() >= file.kept_until
        if file is None or is_over or purpose not in {None, file.purpose}:
            raise invalid_params("file_id not exist")
        return file

    def remove_uploads(self) -> None:
        """Delete the uploaded files from the disk."""
        for file in self.values():
            if file.blob is not None:
                file.blob.remove()

    def _add(self, name: str, purpose: str, size: int, **fields: Any) -> File:
        created_at = int(self._clock.now())
        file = File(self._ids.new_file_id(), name, purpose, size, created_at, **fields)
        self[file.id] = file
        return file


def _read_file_id(query: Mapping[str, str]) -> int:
    value = query.get("file_id", "")
    if not value.isdecimal():
        raise invalid_params("file_id is required and must be an integer")
    return int(value)


def _check_upload(source: BinaryIO, *, name: str, purpose: str, size: int) -> None:
    if purpose not in UPLOAD_LIMIT_BYTES:
        raise invalid_params(f"purpose must be one of {', '.join(UPLOAD_LIMIT_BYTES)}")
    if purpose == "video_generation_input":
        _check_video_input(source, name=name, size=size)
    elif size > UPLOAD_LIMIT_BYTES[purpose]:
        raise invalid_params(f"file size exceeds {UPLOAD_LIMIT_BYTES[purpose]} bytes")


def _check_video_input(source: BinaryIO, *, name: str, size: int) -> None:
    suffix = PurePath(name).suffix.lower()
    if suffix not in _INPUT_LIMIT_BYTES:
        raise invalid_params(f"invalid file ext {suffix}", status=_HTTP_BAD_REQUEST)
    if size > _INPUT_LIMIT_BYTES[suffix]:
        raise invalid_params("file size exceeds the limit", status=_HTTP_BAD_REQUEST)
    if suffix in _IMAGE_SUFFIXES:
        measure_image_file(source, name="file", rules=V2_IMAGE, status=_HTTP_BAD_REQUEST)
