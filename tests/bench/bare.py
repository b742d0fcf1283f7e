"""The least that an MCP server can be: MCPServer with so many trivial tools, over stdio."""

import sys
from typing import Final

from mcp.server import MCPServer

TOOL: Final = "tool_0"
"""The first of its tools, to be called with a `text`."""


async def nothing(text: str) -> str:
    """Do nothing."""
    return text


def serve(tools: int) -> None:
    server = MCPServer("bare", log_level="WARNING")
    for number in range(tools):
        server.add_tool(nothing, name=f"tool_{number}")
    server.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
