"""What other programs write on the pipe: an answer or a clean error, and the session goes on."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp_types import INVALID_REQUEST, PARSE_ERROR

from tests.support.host import LIMIT_SECONDS, MODERN, Host, host

pytestmark = pytest.mark.anyio

MIB = 1 << 20
LONGEST_MESSAGE = 1_000_000
"""Hosts stop reading at some length; a megabyte passes everywhere."""
PROMPT_CHARACTERS = 2000
ID = "the-frame"
SEPARATORS = ("\u2028", "\u2029", "\x85")


def call_line(prompt: Any = "x", *, ident: Any = ID) -> dict[str, Any]:
    """A request that checks a video order and sends nothing to MiniMax."""
    params = {"name": "generate_video", "arguments": {"prompt": prompt, "dry_run": True}}
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": params}


def line(message: Any) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode(errors="surrogatepass") + b"\n"


def escaped(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def deep(levels: int) -> bytes:
    return line(call_line("deep")).replace(b'"deep"', b"[" * levels + b"]" * levels)


TAKEN = {
    "CRLF": line(call_line()).replace(b"\n", b"\r\n"),
    "separators of lines": line(call_line("b".join(SEPARATORS))),
    "broken bytes in a string": line(call_line("ab")).replace(b"ab", b"a\xff\xfeb"),
    "a surrogate as bytes": line(call_line("a\ud800b")),
    "a null character": line(call_line("a\x00b")),
    "empty lines before": b"\r\n\n" + line(call_line()),
}
TURNED_DOWN = {
    "a prompt of 9 MiB": (line(call_line("x" * 9 * MIB)), "2000 at most"),
    "100 levels deep": (deep(100), "must be a text"),
    "not a number": (line(call_line(float("nan"))), "must be a text"),
}
REFUSED: dict[str, tuple[bytes, int, list[Any]]] = {
    "a lone surrogate": (escaped(call_line("a\ud800b")), PARSE_ERROR, [ID]),
    "a lone surrogate as the id": (escaped(call_line(ident="\ud800")), PARSE_ERROR, [None]),
    "300 levels deep": (deep(300), PARSE_ERROR, [ID]),
    "100000 levels deep": (deep(100_000), PARSE_ERROR, [None]),
    "broken bytes between strings": (b"\xff" + line(call_line()), PARSE_ERROR, [None]),
    "half a message": (line(call_line())[:40] + b"\n", PARSE_ERROR, [None]),
    "9 MiB of nonsense": (b"x" * 9 * MIB + b"\n", PARSE_ERROR, [None]),
    "a batch": (line([call_line(ident=700), call_line()]), INVALID_REQUEST, [700, ID]),
    "an empty batch": (line([]), INVALID_REQUEST, [None]),
    "no version": (line({"id": ID, "method": "ping"}), INVALID_REQUEST, [ID]),
    "params in a row": (line(call_line() | {"params": [1]}), INVALID_REQUEST, [ID]),
}
"""Frames that are no message, the error's code, and whom it answers."""
AWAIT_NOTHING = {
    "an empty line": b"\n",
    "a broken notification": line({"jsonrpc": "2.0", "method": "x", "params": 3}),
    "a broken answer": line({"jsonrpc": "2.0", "id": 1, "result": 3}),
}


async def answer(served: Host, written: bytes) -> dict[str, Any]:
    """The result of the tool call in a frame."""
    found = served._answers[ID] = asyncio.get_running_loop().create_future()
    served.write(written)
    result: dict[str, Any] = (await asyncio.wait_for(found, LIMIT_SECONDS))["result"]
    return result


async def error_codes_of(served: Host, written: bytes, **params: Any) -> list[tuple[Any, Any]]:
    """Id and error code of what a frame is answered with; a request after it must work."""
    before = len(served.lines)
    served.write(written)
    assert (await served.answer("tools/list", params))["result"]["tools"]
    found = [json.loads(line) for line in served.lines[before:-1]]
    assert all(len(one["error"]["message"]) < 200 for one in found)
    return [(one["id"], one["error"]["code"]) for one in found]


async def test_unusual_characters_and_line_ends_are_taken() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        for name, written in TAKEN.items():
            assert not (await answer(served, written)).get("isError"), name
        assert await served.close() == 0


async def test_unusual_sizes_get_the_tools_own_words() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        for name, (written, words) in TURNED_DOWN.items():
            result = await answer(served, written)
            assert result["isError"], name
            assert words in result["content"][0]["text"]
        assert await served.close() == 0


async def test_what_is_no_message_gets_an_error_and_the_session_goes_on() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        for name, (written, code, whom) in REFUSED.items():
            assert await error_codes_of(served, written) == [(ident, code) for ident in whom], name
        assert await served.close() == 0
    assert "Traceback" not in served.stderr


async def test_a_modern_host_gets_the_same_errors_also_before_its_first_request() -> None:
    async with host("--sandbox") as served:
        for name, (written, code, whom) in REFUSED.items():
            found = await error_codes_of(served, written, _meta=MODERN)
            assert found == [(ident, code) for ident in whom], name
        assert await served.close() == 0


async def test_broken_notifications_and_answers_are_not_answered() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        for name, written in AWAIT_NOTHING.items():
            assert await error_codes_of(served, written) == [], name
        assert await served.close() == 0


async def test_separators_of_lines_in_a_prompt_come_back_as_they_were(home: Path) -> None:
    prompt = "b".join(SEPARATORS)
    async with host("--sandbox") as served:
        await served.handshake()
        await served.call("generate_video", prompt=prompt)
        [task] = (await served.call("list_video_tasks"))["tasks"]
        assert await served.close() == 0
    assert task["prompt"] == prompt


async def test_no_message_exceeds_a_megabyte() -> None:
    async with host("--sandbox", env={"MINIMAX_MCP_DAILY_LIMIT_USD": "off"}) as served:
        await served.handshake()
        prompt = "\u6c49" * PROMPT_CHARACTERS  # Chinese, three bytes each
        orders = [served.start("generate_video", prompt=prompt)[1] for _ in range(100)]
        for accepted in orders:
            assert not (await asyncio.wait_for(accepted, LIMIT_SECONDS))["result"].get("isError")
        assert len((await served.call("list_video_tasks", limit=100))["tasks"]) == 100
        assert len((await served.call("list_voices", limit=500))["system"]) >= 300
        await served.answer("resources/read", {"uri": "minimax://tasks"})
        await served.answer("tools/list")
        assert await served.close() == 0
    assert max(len(line) for line in served.lines) < LONGEST_MESSAGE
