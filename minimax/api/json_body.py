"""JSON bodies whose files are read from disk while they are sent."""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol, runtime_checkable

__all__ = ["JsonBody", "StreamedFile", "describe_body", "drop_none", "uri_length"]

CHUNK_BYTES: Final = 3 * 64 * 1024
"""A multiple of three, so that the base64 of the pieces is the base64 of the whole."""


def drop_none(**fields: Any) -> dict[str, Any]:
    """The fields that have a value; a body does not name the others."""
    return {name: value for name, value in fields.items() if value is not None}


@runtime_checkable
class StreamedFile(Protocol):
    """A local image, recording or video; in a body it becomes a data: URI."""

    media_type: str
    size: int

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """The content from its beginning, in pieces of this size."""
        ...

    def digest(self) -> str:
        """The same for the same content, whatever the file is called."""
        ...


def describe_body(body: Mapping[str, Any]) -> str:
    """A body as JSON with the digests of its files: the same for identical requests."""

    def digest(value: object) -> str:
        if not isinstance(value, StreamedFile):
            raise TypeError(f"{type(value).__name__} does not belong in a request")
        return value.digest()

    return json.dumps(body, default=digest, sort_keys=True)


class JsonBody:
    """A JSON document that may be sent several times and is never in memory as a whole.

    The document is written once, with a mark in place of each file, and cut at the marks: for
    `{"a": <file>}` the pieces are `{"a": "` and `"}`, and the file's data: URI is streamed
    between them.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        mark = f"file-{secrets.token_hex(8)}-"
        files: list[StreamedFile] = []

        def mark_file(value: object) -> str:
            if not isinstance(value, StreamedFile):
                raise TypeError(f"{type(value).__name__} does not belong in a request")
            files.append(value)
            return mark

        pieces = json.dumps(document, default=mark_file, ensure_ascii=False).split(mark)
        self._pieces = [piece.encode() for piece in pieces]
        self._files = files
        self.length = sum(map(len, self._pieces)) + sum(map(uri_length, files))
        """Bytes that will be sent."""
        self.headers = {"Content-Type": "application/json", "Content-Length": str(self.length)}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, from the beginning each time."""
        for piece, file in zip(self._pieces, self._files, strict=False):
            yield piece
            yield _uri_head(file).encode()
            for chunk in file.chunks(CHUNK_BYTES):
                yield base64.b64encode(chunk)
        yield self._pieces[-1]


NAMES_IN_URIS: Final = {"audio/mpeg": "audio/mp3"}
"""What MiniMax calls a type in a data: URI ("video generation V2"), where it is another name."""


def uri_length(file: StreamedFile) -> int:
    """Bytes that a file takes in a body."""
    return len(_uri_head(file)) + 4 * -(-file.size // 3)


def _uri_head(file: StreamedFile) -> str:
    return f"data:{NAMES_IN_URIS.get(file.media_type, file.media_type)};base64,"
