"""A host in the same process: the MCP client, and the tools as plain coroutines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent

import minimax_server
from minimax import runtime
from minimax.runtime import Runtime
from minimax.settings import Settings
from tests.support.virtual_time import VirtualTime


@asynccontextmanager
async def connected(settings: Settings, sandbox: Any) -> AsyncIterator[Client]:
    """A client whose server speaks to the sandbox."""
    at = replace(settings, api_host=sandbox.url)
    async with Client(minimax_server.make_server(lambda: at)) as client:
        yield client


@asynccontextmanager
async def use_runtime(
    settings: Settings, sandbox: Any, time: VirtualTime
) -> AsyncIterator[Runtime]:
    """The tools as plain coroutines, on the sandbox, in time that does not pass."""
    at = replace(settings, api_host=sandbox.url)
    async with runtime.host_runtime(Runtime(lambda: at, clock=time.clock)) as opened:
        yield opened


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    structured: dict[str, Any] = result.structured_content or {}
    return structured


async def failure(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)
