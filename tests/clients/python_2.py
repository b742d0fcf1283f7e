"""The video journey with the client of mcp 2.x: python python_2.py <era> <server's command>."""

import asyncio
import json
import os
import sys
from importlib import metadata
from typing import Any

from mcp import Client, StdioServerParameters


async def journey(era: str, command: str, *arguments: str) -> dict[str, Any]:
    """Make a video; tells what came out."""
    server = StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ))
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with Client(server, mode=era) as client:

        async def call(name: str, **values: Any) -> Any:
            result = await client.call_tool(name, values, progress_callback=hear)
            return result.structured_content

        tools = [tool.name for tool in (await client.list_tools()).tools]
        job = await call("generate_video", prompt="The sun sets over the lake")
        status = await call("query_video_generation", task_id=job["task_id"], wait_seconds=45)
        video = await call("retrieve_video_file", file_id=status["file_id"])
        protocol = client.protocol_version
    return {
        "version": metadata.version("mcp"),
        "protocol": protocol,
        "tools": tools,
        "progress": len(heard),
        "path": video["path"],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(journey(*sys.argv[1:]))))
