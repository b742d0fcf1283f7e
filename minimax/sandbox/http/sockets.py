"""Listens on a socket with uvicorn's HTTP protocol, but without uvicorn's server.

uvicorn's `Server` installs signal handlers, wakes up ten times a second and waits for open
connections when it closes; a sandbox inside another program must do none of this.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# nginx's default; longer than clients keep idle connections, so that the client closes them first.
KEEP_ALIVE_SECONDS: Final = 75
BACKLOG: Final = 2048  # connections waiting to be accepted
TURNS_TO_A_PROTOCOL: Final = 3  # of the loop: accepted, transport made, protocol told


@asynccontextmanager
async def listen(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` on `host`; yields the bound port."""
    config, state = _load_config(app), ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Protocol(config, state, {}), host, port, backlog=BACKLOG
    )
    try:
        bound_port: int = server.sockets[0].getsockname()[1]
        yield bound_port
    finally:
        await stop_accepting(server)
        server.close()
        await _close_connections(state)
        await server.wait_closed()


async def stop_accepting(server: asyncio.Server) -> None:
    """Let connections that were accepted a moment ago become known to the server.

    `Server.close` alone loses them: they have no transport yet, and would leave an unclosed one.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with suppress(NotImplementedError):  # Windows' proactor accepts in another way
            loop.remove_reader(listening)
    for _ in range(TURNS_TO_A_PROTOCOL):
        await asyncio.sleep(0)


def _load_config(app: ASGIApp) -> Config:
    config = Config(
        _ignore_cancellation(app),
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


async def _close_connections(state: ServerState) -> None:
    """Abort all connections, and cancel the requests in progress."""
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # let the protocols notice before their tasks are cancelled
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Protocol(H11Protocol):
    """HTTP/1.1 that passes its transport to the app, for faults that break the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}


def _ignore_cancellation(app: ASGIApp) -> ASGIApp:
    """Wrap `app` to end quietly when `listen` cancels it, after its connection was aborted."""

    async def run_app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            return

    return run_app
