"""Serves the sandbox on the loopback interface, in the running event loop or as a command."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from minimax.sandbox.account import Sandbox

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8765


@asynccontextmanager
async def serve(sandbox: Sandbox, *, port: int = 0) -> AsyncIterator[str]:
    """Serve `sandbox` in the running event loop; yields the base URL.

    Port 0 picks a free port. Leaving the block closes all connections at once, including hanging
    ones, and deletes the uploaded files.
    """
    from minimax.sandbox.http.routes import build_app
    from minimax.sandbox.http.sockets import listen
    from minimax.sandbox.http.web_pages import WebPageGuard

    async with listen(WebPageGuard(build_app(sandbox)), host=HOST, port=port) as bound_port:
        sandbox.url = f"http://{HOST}:{bound_port}"
        try:
            yield sandbox.url
        finally:
            sandbox.files.remove_uploads()


def run(port: int = DEFAULT_PORT) -> int:
    """Serve a new sandbox until interrupted, for the command line; returns the exit code."""
    try:
        asyncio.run(_serve_until_stopped(port))
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {HOST}:{port}: {error.strerror}\n")
        return 1
    return 0


async def _serve_until_stopped(port: int) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    async with serve(Sandbox(), port=port) as base_url:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
        sys.stderr.write(
            f"A MiniMax that runs on this machine listens on {base_url}; point a client at it "
            f"with MINIMAX_API_HOST={base_url} and any MINIMAX_API_KEY.\n"
        )
        await stopped.wait()
