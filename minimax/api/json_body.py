"""JSON bodies whose pictures are read from disk while they are sent."""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol, runtime_checkable

__all__ = ["JsonBody", "Picture", "given", "uri_length"]

CHUNK_BYTES: Final = 3 * 64 * 1024
"""A multiple of three, so that the base64 of the pieces is the base64 of the whole."""


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: a body does not name the others."""
    return {name: value for name, value in fields.items() if value is not None}


@runtime_checkable
class Picture(Protocol):
    """A local picture; in a body it stands for its own data: URI."""

    media_type: str
    size: int

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """The content from its beginning, in pieces of this size."""
        ...

    def digest(self) -> str:
        """The same for the same content, whatever the file is called."""
        ...


class JsonBody:
    """A JSON document that may be sent several times and never stands in memory whole."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        mark = f"picture-{secrets.token_hex(8)}-"
        pictures: list[Picture] = []

        def stand_in(value: object) -> str:
            if not isinstance(value, Picture):
                raise TypeError(f"{type(value).__name__} does not belong in a request")
            pictures.append(value)
            return mark

        pieces = json.dumps(document, default=stand_in, ensure_ascii=False).split(mark)
        self._pieces = [piece.encode() for piece in pieces]
        self._pictures = pictures

    @property
    def headers(self) -> dict[str, str]:
        """Type and exact length."""
        return {"Content-Type": "application/json", "Content-Length": str(self.length)}

    @property
    def length(self) -> int:
        """Bytes that will be sent."""
        return sum(map(len, self._pieces)) + sum(map(uri_length, self._pictures))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, from the beginning each time."""
        for piece, picture in zip(self._pieces, self._pictures, strict=False):
            yield piece
            yield _uri_head(picture)
            for chunk in picture.chunks(CHUNK_BYTES):
                yield base64.b64encode(chunk)
        yield self._pieces[-1]


def _uri_head(picture: Picture) -> bytes:
    return f"data:{picture.media_type};base64,".encode()


def uri_length(picture: Picture) -> int:
    """Bytes that a picture takes in a body."""
    return len(_uri_head(picture)) + 4 * -(-picture.size // 3)
