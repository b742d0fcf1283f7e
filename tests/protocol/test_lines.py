"""Lines are cut out of what comes; one that is too long is skipped and not kept."""

import json
from typing import Any

import pytest

from minimax.protocol.lines import END_BYTES, LineSplitter, TooLongLineError

LIMIT_BYTES = 4000


def split(*chunks: bytes, limit_bytes: int = LIMIT_BYTES) -> list[bytes | str | int | None]:
    """The lines; a skipped one is its id."""
    splitter = LineSplitter(limit_bytes)
    found = [line for chunk in chunks for line in splitter.feed(chunk)]
    found += splitter.end()
    return [line.ident if isinstance(line, TooLongLineError) else bytes(line) for line in found]


CHUNKS: dict[str, tuple[list[bytes], list[bytes]]] = {
    "one line": ([b"a\n"], [b"a"]),
    "several lines in one piece": ([b"a\nb\nc\n"], [b"a", b"b", b"c"]),
    "one line in several pieces": ([b"a", b"b", b"c\n"], [b"abc"]),
    "an end of its own": ([b"a", b"\n", b"b\n"], [b"a", b"b"]),
    "empty lines": ([b"\n\n"], [b"", b""]),
    "no end at the end": ([b"a\nb"], [b"a", b"b"]),
    "a carriage return stays": ([b"a\r\n"], [b"a\r"]),
    "as long as is allowed": ([b"x" * LIMIT_BYTES + b"\n"], [b"x" * LIMIT_BYTES]),
}


@pytest.mark.parametrize(("chunks", "lines"), CHUNKS.values(), ids=CHUNKS)
def test_lines_come_out_as_they_were_written(chunks: list[bytes], lines: list[bytes]) -> None:
    assert split(*chunks) == lines


LONG = "x" * LIMIT_BYTES
TOO_LONG: dict[str, tuple[str, Any]] = {
    "id first": (json.dumps({"id": 7, "method": LONG}), 7),
    "version, then id": (json.dumps({"jsonrpc": "2.0", "id": "a-b", "method": LONG}), "a-b"),
    "id last": (json.dumps({"method": "x", "params": {"id": 3, "text": LONG}, "id": 8}), 8),
    "id, then version": (json.dumps({"params": [LONG], "id": "é", "jsonrpc": "2.0"}), None),
    "last, with version": (json.dumps({"params": [LONG], "id": "q9", "jsonrpc": "2.0"}), "q9"),
    "without blanks": (json.dumps({"p": LONG, "id": 9}, separators=(",", ":")), 9),
    "the id of something inside": (json.dumps({"params": {"text": LONG, "id": 3}}), None),
    "an id inside a text": (json.dumps({"method": LONG, "params": [',"id":3}']}), None),
    "a text that ends like an id": (json.dumps({"method": LONG + ',"id":3}'}), None),
    "no id": (json.dumps({"method": LONG}), None),
    "no JSON": (LONG + LONG, None),
}


@pytest.mark.parametrize("piece_bytes", [1, 700, 10**6])
@pytest.mark.parametrize(("text", "ident"), TOO_LONG.values(), ids=TOO_LONG)
def test_a_line_that_is_too_long_is_skipped_and_its_id_found(
    text: str, ident: Any, piece_bytes: int
) -> None:
    data = b"before\n" + text.encode() + b"\nbehind\n"
    pieces = [data[i : i + piece_bytes] for i in range(0, len(data), piece_bytes)]
    assert split(*pieces) == [b"before", ident, b"behind"]


def test_of_a_line_that_is_too_long_next_to_nothing_is_kept() -> None:
    splitter = LineSplitter(LIMIT_BYTES)
    held = []
    for _ in range(1000):
        assert list(splitter.feed(b"x" * LIMIT_BYTES)) == []
        held.append(splitter.held_bytes)
    assert max(held[1:]) <= END_BYTES
