"""The video journey with the session of mcp 1.x: python python_1.py <era> <server's command>."""

import asyncio
import json
import os
import sys
from importlib import metadata
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def journey(command: str, *arguments: str) -> dict[str, Any]:
    """Make a video; tells what came out."""
    server = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:

        async def call(name: str, **values: Any) -> Any:
            result = await session.call_tool(name, values, progress_callback=hear)
            return result.model_dump(by_alias=True)["structuredContent"]

        opened = (await session.initialize()).model_dump(by_alias=True)
        tools = [tool.name for tool in (await session.list_tools()).tools]
        job = await call("generate_video", prompt="The sun sets over the lake")
        status = await call("query_video_generation", task_id=job["task_id"], wait_seconds=45)
        video = await call("retrieve_video_file", file_id=status["file_id"])
    return {
        "version": metadata.version("mcp"),
        "protocol": opened["protocolVersion"],
        "tools": tools,
        "progress": len(heard),
        "path": video["path"],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(journey(*sys.argv[2:]))))
