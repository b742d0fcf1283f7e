"""Tools as MCP sees them, without MiniMax: time limits and errors."""

import asyncio

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types import ToolAnnotations

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
