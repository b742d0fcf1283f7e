"""Reads an answer up to its limits: bytes on the wire and decoded, values and depth of JSON."""

import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

import httpx
from pydantic_core import from_json

from minimax.api.transport import TRANSPORT_ERRORS, content_length, transport_error
from minimax.errors import Outcome, UnansweredError

__all__ = [
    "LIST_ANSWER_BYTES",
    "SHORT_ANSWER_BYTES",
    "SOUND_ANSWER_BYTES",
    "VALUES",
    "parse_json",
    "read_answer",
]

MIB: Final = 1024 * 1024
SHORT_ANSWER_BYTES: Final = MIB
"""For ids, links and status words: the largest, 9 signed links, takes some 10 KB."""
LIST_ANSWER_BYTES: Final = 4 * MIB
"""For the list of voices: 300 of them take some 100 KB, a thousand clones as much again."""
SOUND_ANSWER_BYTES: Final = 24 * MIB
"""For sound as hex: 10,000 characters, the longest text, are 12 minutes, or 23 MB as mp3 of 128
kbit/s. Links are asked for, so that hex is the exception."""
VALUES: Final = 100_000
"""In one JSON text. A value of two bytes (`[]`) takes some 60 bytes of memory, a model 800."""
INFLATED_BYTES: Final = 64 * 1024
"""Decompressed at a time; one chunk of a gzip bomb was measured at 67 MB."""

_WIDE: Final = re.compile(rb"[\x80-\xff]|\\u(?!00)")
"""One such character makes Python keep the whole string in 2 or 4 bytes a character."""


async def read_answer(response: httpx.Response, *, most_bytes: int) -> bytes:
    """The body of a streamed response; what is larger is not read to its end.

    Compression is never asked for. What comes compressed all the same is decompressed up to the
    same bound.

    Args:
        response: As it was opened, unread.
        most_bytes: On the wire, and after decoding.

    Raises:
        UnansweredError: It is larger, or it cannot be decoded.
        MiniMaxError: The connection broke.
    """
    if (content_length(response) or 0) > most_bytes:
        raise _too_large_error(response, most_bytes)
    content, received_bytes = bytearray(), 0
    try:
        decode = _make_decoder(response)
        async for chunk in response.aiter_raw():
            received_bytes += len(chunk)
            for piece in decode.pieces(chunk):
                content += piece
                if max(len(content), received_bytes) > most_bytes:
                    raise _too_large_error(response, most_bytes)
        decode.finish()
    except TRANSPORT_ERRORS as error:
        raise transport_error(error, response.request.url.host) from None
    except zlib.error:
        if response.is_success:
            raise _undecodable_error(response) from None
        return b""  # the status says enough, like that of a web server's own error page
    return bytes(content)  # of anything else the parser would make a copy


class _Plain:
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def finish(self) -> None:
        pass


class _Inflate:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its header

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._decoder.eof:
            raise zlib.error("data after the end")
        while chunk:
            yield self._decoder.decompress(chunk, INFLATED_BYTES)
            chunk = self._decoder.unconsumed_tail

    def finish(self) -> None:
        if not self._decoder.eof:
            raise zlib.error("data without its end")


def _make_decoder(response: httpx.Response) -> _Plain | _Inflate:
    match response.headers.get("Content-Encoding", "").strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
        case other:
            raise zlib.error(f"unknown encoding {other}")


def _too_large_error(response: httpx.Response, most_bytes: int) -> UnansweredError:
    return UnansweredError(
        f"MiniMax's answer was larger than {most_bytes // MIB} MiB, which none should be, so it "
        "was not read to its end. Try again later.",
        outcome=Outcome.UNKNOWN,
        http_status=response.status_code,
    )


def _undecodable_error(response: httpx.Response) -> UnansweredError:
    return UnansweredError(
        "MiniMax's answer came compressed, which was not asked for, and could not be read. "
        "Try again later.",
        outcome=Outcome.UNKNOWN,
        http_status=response.status_code,
    )


def parse_json(
    content: bytes, *, most_values: int = VALUES, most_wide_bytes: int = LIST_ANSWER_BYTES
) -> Any:
    """What a JSON text holds; its memory stays within a small multiple of its bytes.

    Raises:
        ValueError: It is no JSON, is nested deeper than 200 levels (the parser's own limit), holds
            more values, or is long and holds characters that no hex or link has.
    """
    # Every value but the first comes after one of these.
    if sum(map(content.count, (b",", b"[", b"{"))) > most_values:
        raise ValueError(f"more than {most_values} values")
    if len(content) > most_wide_bytes and _WIDE.search(content):
        raise ValueError("long, and wide characters in it")
    return from_json(content)
