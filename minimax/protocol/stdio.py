"""Serves MCP over stdio: signals, hosts of both protocol eras, a clean exit."""

import asyncio
import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

from minimax.protocol.lines import Line, TooLongLineError
from minimax.protocol.malformed_lines import make_refusals
from minimax.protocol.pipe import open_pipe

__all__ = ["host_listener", "serve"]

LAST_WRITE_SECONDS: Final = 0.3
"""Once all is closed: how long the last answers may take to be read by the host."""
ANY: Final = asyncio.FIRST_COMPLETED
YOUNG_OBJECTS: Final = 20_000
"""New objects between two collections of the youngest (Python's own default is 700)."""
PROBE: Final = "server/discover"
Item = SessionMessage | Exception
State = TypeVar("State")

log = logging.getLogger(__name__)


def host_listener() -> Callable[[], bool]:
    """Tells whether the host still holds its end of our stdout; made before serving begins.

    Only a pipe can tell; where nothing can be known, the answer is yes.
    """
    make_poll = getattr(select, "poll", None)
    if make_poll is None:  # Windows
        return lambda: True
    poll = make_poll()
    # While serving, descriptor 1 is stderr. Closed ends are reported unasked.
    poll.register(os.dup(1), 0)
    return lambda: not poll.poll(0)


OnMessage = Callable[[SessionMessage], object]
"""Told of every message of the host, in the order in which they came."""


def serve(
    server: MCPServer[Any], *, closing_seconds: float, on_message: OnMessage = lambda _: None
) -> int:
    """Serve until stdin ends, SIGTERM or SIGINT; returns the exit code.

    A signal ends the process here, once everything is closed.

    Args:
        server: What to serve.
        closing_seconds: How long the end of its lifespan may take.
        on_message: Told of every message before it is handled; must not block.
    """
    # What the imports made lives as long as the process, and a call leaves next to no cycles:
    # with the defaults a burst of calls spends a tenth of its time on looking for garbage.
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    code = asyncio.run(_serve_until_signal(server, closing_seconds, on_message))
    sys.stderr.flush()
    return code


async def _serve_until_signal(
    server: MCPServer[Any], closing_seconds: float, on_message: OnMessage
) -> int:
    signalled, closed = asyncio.Event(), asyncio.Event()
    deadline = _Deadline(closing_seconds + LAST_WRITE_SECONDS)
    _on_signals(signalled.set)
    serving = asyncio.create_task(
        _serve(server, closed, on_message, at_end_of_input=deadline.begin)
    )
    events = [asyncio.create_task(event.wait()) for event in (signalled, closed)]
    await asyncio.wait({serving, *events}, return_when=ANY)
    if signalled.is_set() and not serving.done():
        deadline.begin()
        serving.cancel()
        await asyncio.wait({serving, events[1]}, timeout=closing_seconds, return_when=ANY)
    await asyncio.wait({serving}, timeout=LAST_WRITE_SECONDS)
    if not serving.done():  # a thread that reads a slow disk can be neither woken nor joined
        _exit_at_once()
    deadline.cancel()
    for event in events:
        event.cancel()
    if not serving.cancelled():
        serving.result()
    return 0


class _Deadline:
    """Ends the process where its end takes too long, also while the event loop is held up.

    Hundreds of jobs that end in doubt are as many writes to the disk. What is not written down by
    then is in doubt all the same, since its process is gone.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, _exit_at_once)
        self._timer.daemon = True
        self._begun = False

    def begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._timer.start()

    def cancel(self) -> None:
        self._timer.cancel()


def _exit_at_once() -> None:
    sys.stderr.flush()
    os._exit(0)


async def _serve(
    server: MCPServer[Any],
    closed: asyncio.Event,
    on_message: OnMessage,
    *,
    at_end_of_input: Callable[[], None],
) -> None:
    # There is no public way to a server's handlers with streams of one's own (mcp 2.3).
    low = server._lowlevel_server
    options = low.create_initialization_options()
    try:
        async with (
            open_pipe() as (lines, outgoing),
            _close_in_any_case(low.lifespan(low), closed) as state,
            anyio.create_task_group() as sessions,
        ):

            def open_session() -> MemoryObjectSendStream[Item]:
                feed, received = anyio.create_memory_object_stream[Item](0)
                run = partial(serve_dual_era_loop, lifespan_state=state, init_options=options)
                sessions.start_soon(run, low, received, outgoing)
                return feed

            await _route(_messages(lines, outgoing.send), open_session, on_message)
            at_end_of_input()
    except* (BrokenPipeError, anyio.BrokenResourceError):
        log.warning("The host closed its end of the pipe; nothing more can be answered.")


@asynccontextmanager
async def _close_in_any_case(
    lifespan: AbstractAsyncContextManager[State], closed: asyncio.Event
) -> AsyncIterator[State]:
    """A lifespan whose end a broken pipe cannot cut short: a paid submission is waited for."""
    state = await lifespan.__aenter__()
    try:
        yield state
    finally:
        with anyio.CancelScope(shield=True):
            await lifespan.__aexit__(None, None, None)
        closed.set()


async def _messages(
    lines: AsyncIterable[Line], send: Callable[[SessionMessage], Awaitable[None]]
) -> AsyncIterator[SessionMessage]:
    """The messages among the lines; other lines are answered here."""
    async for line in lines:
        try:
            message = _parse(line)
        except (TooLongLineError, ValidationError) as error:
            for refusal in make_refusals(error):
                await send(SessionMessage(refusal))
        else:
            yield message


def _parse(line: Line) -> SessionMessage:
    """The message in a line; broken bytes inside its strings become replacement characters.

    Raises:
        TooLongLineError: The line was skipped.
        ValidationError: The line is no message.
    """
    if isinstance(line, TooLongLineError):
        raise line
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        text = line.decode(errors="replace")
        return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))


async def _route(
    incoming: AsyncIterable[SessionMessage],
    open_session: Callable[[], MemoryObjectSendStream[Item]],
    on_message: OnMessage,
) -> None:
    """Hand every message to the session; a handshake after mere probing opens a new one.

    The SDK settles the protocol's era on the first request. Hosts that probe `server/discover` and
    then send `initialize` on the same pipe would be turned away for good.
    """
    feed, only_probed = open_session(), True
    async for item in incoming:
        on_message(item)
        method = _request_method(item)
        if method == "initialize" and only_probed:
            await feed.aclose()
            feed = open_session()
        only_probed = only_probed and method in (None, PROBE)
        await feed.send(item)
    await feed.aclose()


def _request_method(item: SessionMessage) -> str | None:
    return item.message.method if isinstance(item.message, JSONRPCRequest) else None


def _on_signals(callback: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, other threads
            loop.add_signal_handler(number, callback)
