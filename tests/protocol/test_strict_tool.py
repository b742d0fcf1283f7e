"""Tools as MCP sees them, without MiniMax: time limits and errors."""

import asyncio

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types import TextContent, ToolAnnotations
from typing_extensions import TypedDict

from minimax.protocol.strict_tool import Toolbox
from tests.support.in_process import failure

pytestmark = pytest.mark.anyio


def serve_tool(fn: object, *, longest_call_seconds: float = 5.0) -> MCPServer[None]:
    toolbox = Toolbox(
        user_error=ValueError,
        argument_error=ValueError,
        longest_call_seconds=longest_call_seconds,
    )
    toolbox.tool(title="A tool", annotations=ToolAnnotations())(fn)  # type: ignore[arg-type]
    return MCPServer("test", tools=toolbox.tools, log_level="CRITICAL")


async def test_a_call_that_hangs_is_answered_before_the_host_gives_up() -> None:
    async def hang() -> str:
        """Hang."""
        await asyncio.Event().wait()
        return ""

    async with Client(serve_tool(hang, longest_call_seconds=0.05)) as client:
        assert "no answer within" in await failure(client, "hang")


async def test_the_text_of_an_error_that_was_not_written_for_the_caller_is_hidden() -> None:
    async def crash() -> str:
        """Crash."""
        raise KeyError("secret detail")

    async with Client(serve_tool(crash)) as client:
        assert "secret detail" not in await failure(client, "crash")


class Part(TypedDict):
    name: str
    error: str | None


class Result(TypedDict):
    parts: list[Part]
    path: str | None


async def test_the_text_of_a_result_is_compact_and_leaves_out_what_has_no_value() -> None:
    result = Result(parts=[Part(name="für", error=None), Part(name="b", error="no")], path=None)

    async def give() -> Result:
        """Give."""
        return result

    async with Client(serve_tool(give)) as client:
        answer = await client.call_tool("give", {})
    [block] = answer.content
    assert isinstance(block, TextContent)
    assert block.text == '{"parts":[{"name":"für"},{"name":"b","error":"no"}]}'
    assert answer.structured_content == result


async def test_a_result_that_is_a_text_stays_one() -> None:
    async def greet() -> str:
        """Greet."""
        return "Good morning."

    async with Client(serve_tool(greet)) as client:
        [block] = (await client.call_tool("greet", {})).content
    assert isinstance(block, TextContent)
    assert block.text == "Good morning."
