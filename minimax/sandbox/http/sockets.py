"""The listening socket: uvicorn's HTTP protocol without its server.

uvicorn's `Server` installs signal handlers, ticks ten times a second and closes gracefully; a
sandbox inside another program wants none of that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

KEEP_ALIVE_SECONDS: Final = (
    75  # nginx's default; longer than clients keep theirs, so that none goes stale
)
BACKLOG: Final = 2048  # connections that wait to be accepted


@asynccontextmanager
async def listening(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[int]:
    """Answer with `app` on `host`; gives the port that was bound."""
    config, state = _loaded_config(app), ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config, state, {}), host, port, backlog=BACKLOG
    )
    try:
        bound_port: int = server.sockets[0].getsockname()[1]
        yield bound_port
    finally:
        server.close()
        await _drop_everything(state)
        await server.wait_closed()


def _loaded_config(app: ASGIApp) -> Config:
    config = Config(
        _until_cancelled(app),
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    return config


async def _drop_everything(state: ServerState) -> None:
    """Cut all connections, and end what was being answered."""
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # the protocols learn of it before their tasks end
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Protocol(H11Protocol):
    """HTTP/1.1 that shows the app its connection, for faults that break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}


def _until_cancelled(app: ASGIApp) -> ASGIApp:
    """The app, ended quietly: only `listening` cancels, when the connection is gone."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return

    return quiet
