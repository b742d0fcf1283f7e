"""google-genai with tools=[session]: python -m tests.clients.google_genai <server's command>.

Its own code converts the tools, calls them and hands their results to Gemini, which is a function
here: nothing leaves the process.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

import httpx
from google import genai
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.clients.travel import Answer, read_command, travel


class Gemini:
    """Answers as Gemini would whose user wants one tool called; keeps what it was sent."""

    def __init__(self) -> None:
        self.wanted: dict[str, Any] | None = None
        self.offered: list[str] = []
        self.read: dict[str, Any] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        declared = [each["functionDeclarations"] for each in sent.get("tools", [])]
        self.offered = [function["name"] for functions in declared for function in functions]
        if self.wanted is not None:
            part: dict[str, Any] = {"functionCall": self.wanted}
            self.wanted = None
        else:
            part = {"text": "Done."}
            last = sent["contents"][-1]["parts"][-1]
            self.read = last.get("functionResponse", {}).get("response", {})
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        return httpx.Response(200, json={"candidates": [candidate]})


class Connected:
    """A session of mcp 1.x that google-genai was given."""

    heard: int | None = None

    def __init__(self, session: ClientSession, protocol: str) -> None:
        self.protocol = protocol
        self._gemini = Gemini()
        options = {"async_client_args": {"transport": httpx.MockTransport(self._gemini.answer)}}
        self._models = genai.Client(api_key="none", http_options=options).aio.models
        self._config = {"tools": [session]}

    async def look(self) -> None:
        """Let Gemini see the tools."""
        await self._ask()
        self.tools = self._gemini.offered

    async def call(self, tool: str, **values: Any) -> Answer:
        self._gemini.wanted = {"name": tool, "args": values}
        await self._ask()
        read = self._gemini.read
        result = read.get("result") or read.get("error") or {}
        content = result.get("structuredContent") or result["content"][0]["text"]
        return Answer(content, "error" in read or bool(result.get("isError")))

    async def _ask(self) -> None:
        asked = "Make a video, please."
        await self._models.generate_content(model="gemini", contents=asked, config=self._config)


@asynccontextmanager
async def connect() -> AsyncIterator[Connected]:
    command, arguments, environment = read_command(sys.argv[1:])
    server = StdioServerParameters(command=command, args=arguments, env=environment)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        opened = (await session.initialize()).model_dump(by_alias=True)
        connected = Connected(session, opened["protocolVersion"])
        await connected.look()
        yield connected


if __name__ == "__main__":
    asyncio.run(travel(connect, version=metadata.version("google-genai")))
