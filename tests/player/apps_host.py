"""A client that negotiates MCP Apps, in either era of the protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from mcp import Client
from mcp.client import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp_types import CallToolResult

import minimax_server
from minimax import runtime
from minimax.clock import Clock
from minimax.runtime import Runtime
from minimax.settings import Settings

__all__ = ["ERAS", "SHOWS_APPS", "connect", "player_meta"]

ERAS: Final = ("legacy", "2026-07-28")
SHOWS_APPS: Final = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})


@asynccontextmanager
async def connect(
    settings: Settings,
    sandbox: Any,
    *,
    era: str = "legacy",
    apps: bool = True,
    clock: Clock | None = None,
) -> AsyncIterator[Client]:
    """A client whose server speaks to the sandbox.

    In one process, the handshake era's calls run in the client's context and not in that of the
    server's lifespan, so the runtime is opened around both.
    """
    at = replace(settings, api_host=sandbox.url)
    server = minimax_server.make_server(lambda: at)
    extensions = [SHOWS_APPS] if apps else None
    async with (
        runtime.host_runtime(Runtime(lambda: at, clock=clock)),
        Client(server, mode=era, extensions=extensions) as client,
    ):
        yield client


def player_meta(result: CallToolResult) -> dict[str, Any]:
    """What the result has for the player."""
    assert not result.is_error, result.content
    found: dict[str, Any] = (result.meta or {})["minimax/player"]
    return found
