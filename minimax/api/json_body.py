"""JSON bodies whose images are read from disk while they are sent."""

import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Protocol, runtime_checkable

__all__ = ["JsonBody", "StreamedImage", "describe_body", "drop_none", "uri_length"]

CHUNK_BYTES: Final = 3 * 64 * 1024
"""A multiple of three, so that the base64 of the pieces is the base64 of the whole."""


def drop_none(**fields: Any) -> dict[str, Any]:
    """The fields that have a value; a body does not name the others."""
    return {name: value for name, value in fields.items() if value is not None}


@runtime_checkable
class StreamedImage(Protocol):
    """A local image; in a body it becomes a data: URI."""

    media_type: str
    size: int

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """The content from its beginning, in pieces of this size."""
        ...

    def digest(self) -> str:
        """The same for the same content, whatever the file is called."""
        ...


def describe_body(body: Mapping[str, Any]) -> str:
    """A body as JSON with the digests of its images: the same for identical requests."""

    def digest(value: object) -> str:
        if not isinstance(value, StreamedImage):
            raise TypeError(f"{type(value).__name__} does not belong in a request")
        return value.digest()

    return json.dumps(body, default=digest, sort_keys=True)


class JsonBody:
    """A JSON document that may be sent several times and is never in memory as a whole.

    The document is written once, with a mark in place of each image, and cut at the marks: for
    `{"a": <image>}` the pieces are `{"a": "` and `"}`, and the image's data: URI is streamed
    between them.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        mark = f"image-{secrets.token_hex(8)}-"
        images: list[StreamedImage] = []

        def mark_image(value: object) -> str:
            if not isinstance(value, StreamedImage):
                raise TypeError(f"{type(value).__name__} does not belong in a request")
            images.append(value)
            return mark

        pieces = json.dumps(document, default=mark_image, ensure_ascii=False).split(mark)
        self._pieces = [piece.encode() for piece in pieces]
        self._images = images
        self.length = sum(map(len, self._pieces)) + sum(map(uri_length, images))
        """Bytes that will be sent."""
        self.headers = {"Content-Type": "application/json", "Content-Length": str(self.length)}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces, from the beginning each time."""
        for piece, image in zip(self._pieces, self._images, strict=False):
            yield piece
            yield URI_HEAD.format(image.media_type).encode()
            for chunk in image.chunks(CHUNK_BYTES):
                yield base64.b64encode(chunk)
        yield self._pieces[-1]


URI_HEAD: Final = "data:{};base64,"


def uri_length(image: StreamedImage) -> int:
    """Bytes that an image takes in a body."""
    return len(URI_HEAD.format(image.media_type)) + 4 * -(-image.size // 3)
