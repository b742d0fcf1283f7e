"""langchain-mcp-adapters, one session: python -m tests.clients.langchain_mcp <server's command>."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

from tests.clients.travel import Answer, read_command, travel

SERVER = "minimax"


class Connected:
    """The tools of a session, called as an agent of LangGraph calls them."""

    heard: int | None = None

    def __init__(self, tools: list[Any], protocol: str) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.tools = list(self._tools)
        self.protocol = protocol

    async def call(self, tool: str, **values: Any) -> Answer:
        asked = {"type": "tool_call", "id": "1", "name": tool, "args": values}
        message = await self._tools[tool].ainvoke(asked)
        return Answer(message.text, message.status == "error")


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    started = {"transport": "stdio", "command": command, "args": arguments, "env": environment}
    client = MultiServerMCPClient({SERVER: started})
    async with client.session(SERVER, auto_initialize=False) as session:
        opened = await session.initialize()
        yield Connected(await load_mcp_tools(session), opened.protocolVersion)


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("langchain-mcp-adapters")))
