"""A server for the official conformance suite: its fixtures on a replica's own HTTP assembly.

    uv run python -m tests.team.conformance_server PORT

The suite sends no tokens, so nothing here asks for one; everything else between the socket and a
tool is what `serve-http` uses.
"""

import asyncio
import base64
import sys
import tempfile
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from minimax.team.server import Gate, serve_over_http
from minimax.team.settings import TeamSettings

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
WAV = base64.b64encode(b"RIFF\x24\0\0\0WAVEfmt " + bytes(30)).decode()


def make_fixtures() -> MCPServer[Any]:
    """What the suite asks for by name."""
    server: MCPServer[Any] = MCPServer("minimax", version="0", subscriptions=False)

    @server.tool()
    def test_simple_text() -> str:
        """Say a sentence."""
        return "This is a simple text response for testing."

    @server.tool()
    def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool()
    def test_image_content() -> list[ContentBlock]:
        """Give an image."""
        return [ImageContent(data=PNG, mime_type="image/png")]

    @server.tool()
    def test_audio_content() -> list[ContentBlock]:
        """Give sound."""
        return [AudioContent(data=WAV, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[ContentBlock]:
        """Give a resource."""
        return [embed("test://embedded-resource")]

    @server.tool()
    def test_multiple_content_types() -> list[ContentBlock]:
        """Give several things."""
        return [
            TextContent(text="Multiple content types test:"),
            ImageContent(data=PNG, mime_type="image/png"),
            embed("test://mixed-content-resource"),
        ]

    @server.tool()
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Report progress three times."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100, f"Completed step {progress} of 100")
            await asyncio.sleep(0.05)
        return "done"

    @server.tool()
    def test_missing_capability(ctx: Context[Any, Any]) -> str:
        """Need a client that offers sampling."""
        capabilities = ctx.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "This tool needs sampling.",
                {"requiredCapabilities": {"sampling": {}}},
            )
        return "done"

    add_resources(server)
    add_prompts(server)
    return server


def embed(uri: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type="text/plain", text="A resource.")
    return EmbeddedResource(resource=contents)


def add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image."""
        return base64.b64decode(PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 - the suite's name
        """A resource of a template."""
        return f'{{"id": "{id}", "templateTest": true, "data": "Data for ID: {id}"}}'


def add_prompts(server: MCPServer[Any]) -> None:
    @server.prompt()
    def test_simple_prompt() -> str:
        """A prompt."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
        """A prompt with a resource."""
        return [UserMessage(content=embed(resourceUri)), UserMessage(content="Process it.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A prompt with an image."""
        image = ImageContent(data=PNG, mime_type="image/png")
        return [UserMessage(content=image), UserMessage(content="Analyze it.")]

    server.completion()(complete)  # type: ignore[no-untyped-call]


async def complete(_ref: object, _argument: object, _context: object) -> Completion:
    return Completion(values=["test"], total=1)


def main(port: int) -> None:
    settings = TeamSettings.from_env(
        environ={
            "HOME": tempfile.gettempdir(),
            "MINIMAX_TEAM_DATABASE_URL": "postgresql://unused/unused",
            "MINIMAX_TEAM_STORE": "memory://",
            "MINIMAX_TEAM_TOKENS": "unused",
            "MINIMAX_TEAM_SECRET": "s" * 32,
        }
    )
    gate = Gate()
    app = gate.count_calls(serve_over_http(make_fixtures(), settings, gate))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
