"""The client of fastmcp: python -m tests.clients.fastmcp_client <server's command>."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

from tests.clients.travel import Answer, read_command, travel


class Connected:
    """A connected client of fastmcp."""

    def __init__(self, client: Any, tools: list[str]) -> None:
        self._client = client
        self.protocol = client.protocol_version
        self.tools = tools
        self.heard: int | None = 0

    async def call(self, tool: str, **values: Any) -> Answer:
        try:
            result = await self._client.call_tool(tool, values, progress_handler=self._hear)
        except ToolError as error:
            return Answer(str(error), is_error=True)
        return Answer(result.structured_content, is_error=False)

    async def _hear(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard = (self.heard or 0) + 1


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    async with Client(StdioTransport(command, arguments, env=environment)) as client:
        yield Connected(client, [tool.name for tool in await client.list_tools()])


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("fastmcp")))
