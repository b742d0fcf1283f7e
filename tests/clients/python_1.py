"""The session of mcp 1.x: python -m tests.clients.python_1 <server's command>."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.clients.travel import Answer, read_command, travel


class Connected:
    """An initialized session of mcp 1.x."""

    def __init__(self, session: Any, protocol: str, tools: list[str]) -> None:
        self._session = session
        self.protocol = protocol
        self.tools = tools
        self.heard: int | None = 0

    async def call(self, tool: str, **values: Any) -> Answer:
        result = await self._session.call_tool(tool, values, progress_callback=self._hear)
        content = result.structuredContent or result.content[0].text
        return Answer(content, bool(result.isError))

    async def _hear(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard = (self.heard or 0) + 1


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    server = StdioServerParameters(command=command, args=arguments, env=environment)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        opened = (await session.initialize()).model_dump(by_alias=True)
        tools = [tool.name for tool in (await session.list_tools()).tools]
        yield Connected(session, opened["protocolVersion"], tools)


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("mcp")))
