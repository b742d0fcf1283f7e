"""An agent of pydantic-ai: python -m tests.clients.pydantic_agent <server's command>.

The model is a function here: nothing leaves the process.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from tests.clients.travel import Answer, read_command, travel


class Connected:
    """An agent whose only tools are the server's."""

    heard: int | None = None

    def __init__(self, toolset: MCPToolset, protocol: str) -> None:
        self.protocol = protocol
        self.tools: list[str] = []
        self._wanted: ToolCallPart | None = None
        self._read: Any = None
        self._agent = Agent(FunctionModel(self._think), toolsets=[toolset])

    def _think(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """Ask for the tool that is wanted; keep what was offered and what was read."""
        self.tools = [tool.name for tool in info.function_tools]
        if self._wanted is not None:
            part, self._wanted = self._wanted, None
            return ModelResponse([part])
        self._read = messages[-1].parts[-1]
        return ModelResponse([TextPart("Done.")])

    async def look(self) -> None:
        """Let the model see the tools."""
        await self._agent.run("Which tools are there?")

    async def call(self, tool: str, **values: Any) -> Answer:
        self._wanted = ToolCallPart(tool, values)
        await self._agent.run("Make a video, please.")
        assert isinstance(self._read, ToolReturnPart), self._read
        return Answer(self._read.content, self._read.outcome != "success")


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    async with MCPToolset(StdioTransport(command, arguments, env=environment)) as toolset:
        connected = Connected(toolset, toolset.client.protocol_version)
        await connected.look()
        yield connected


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("pydantic-ai-slim")))
