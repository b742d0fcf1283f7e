"""The client of mcp 2.x: python -m tests.clients.python_2 <era> <server's command>."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from tests.clients.travel import Answer, read_command, travel


class Connected:
    """A connected client of mcp 2.x."""

    def __init__(self, client: Client, tools: list[str]) -> None:
        self._client = client
        self.protocol = client.protocol_version
        self.tools = tools
        self.heard: int | None = 0

    async def call(self, tool: str, **values: Any) -> Answer:
        result = await self._client.call_tool(tool, values, progress_callback=self._hear)
        block = result.content[0]
        text = block.text if isinstance(block, TextContent) else ""
        return Answer(result.structured_content or text, bool(result.is_error))

    async def _hear(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard = (self.heard or 0) + 1


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    era, *server = sys.argv[1:]
    command, arguments, environment = read_command(server)
    parameters = StdioServerParameters(command=command, args=arguments, env=environment)
    async with Client(parameters, mode=era) as client:
        yield Connected(client, [tool.name for tool in (await client.list_tools()).tools])


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("mcp")))
