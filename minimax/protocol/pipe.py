"""Reads and writes lines on the process's stdin and stdout, within limits.

The SDK's own transport keeps a line of any length in memory, and everything that a host does not
read. Here a line has a longest length, and while a host does not read, stdin is not read either.
"""

import asyncio
import io
import logging
import os
import select
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

import anyio
from mcp.os.win32.utilities import rebind_std_handle_to_fd
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, JSONRPCError, JSONRPCNotification

from minimax.protocol.lines import Line, LineSplitter

__all__ = ["LineReader", "LineWriter", "open_pipe", "wait_for_room"]

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
READ_BYTES: Final = 64 * 1024
"""What a pipe holds on Linux; more never comes at once."""
MOST_UNREAD_BYTES: Final = 16 * 1024**2
"""With more answers than this waiting for the host, stdin is not read on. A page of the largest
answers (under 1 MB each) fits, and hosts that read at all stay far below it."""
MOST_UNREAD_BYTES_FOR_NOTIFICATIONS: Final = 1024**2
"""With more than this waiting, progress is not reported: it would be stale when it is read."""
STUCK_SECONDS: Final = 0.2
"""A host that read nothing for so long is not reading; whether it has hung up is looked at then."""

log = logging.getLogger(__name__)


def _is_closing_notice(item: SessionMessage) -> bool:
    """Whether this only says that the connection is closed, which ends clients of mcp 1.x badly.

    The SDK answers what is under way with it when stdin has ended (mcp 2.3).
    """
    return isinstance(item.message, JSONRPCError) and item.message.error.code == CONNECTION_CLOSED


class LineReader:
    """Lines from a descriptor.

    A thread reads, because neither Windows nor a file can be awaited; it reads only when asked, so
    that what nobody handles stays in the pipe. It is never joined: nothing can wake it.
    """

    def __init__(self, descriptor: int) -> None:
        self._file = io.FileIO(descriptor, "rb", closefd=False)
        self._wanted: SimpleQueue[asyncio.Future[bytes]] = SimpleQueue()
        Thread(target=self._run, name="stdin", daemon=True).start()

    async def lines(self, has_room: Callable[[], Awaitable[bool]]) -> AsyncIterator[Line]:
        """Every line until the end.

        Args:
            has_room: Awaited before each line; False ends the lines.
        """
        splitter = LineSplitter()
        while chunk := await self._read():
            for line in splitter.feed(chunk):
                if not await has_room():
                    return
                yield line
        for line in splitter.end():
            yield line

    async def _read(self) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._wanted.put(future)
        return await future

    def is_hung_up(self) -> bool:
        """Whether nobody can write any more, also where something is left to be read.

        Only POSIX can tell; elsewhere the answer is no.
        """
        events = list[tuple[int, int]]()
        if sys.platform != "win32":
            poll = select.poll()
            poll.register(self._file.fileno(), getattr(select, "POLLRDHUP", 0))
            events = poll.poll(0)
        return bool(events)

    def _run(self) -> None:
        while True:
            future = self._wanted.get()
            chunk = self._read_chunk()
            _in_loop(future.get_loop(), _resolve, future, chunk)

    def _read_chunk(self) -> bytes:
        with suppress(OSError):
            while (chunk := self._file.read(READ_BYTES)) is None:  # somebody made it non-blocking
                select.select([self._file], [], [])
            return chunk
        return b""


class LineWriter:
    """Messages to a descriptor, each as a line; a stream of the SDK's that never makes it wait.

    Attributes:
        unread_bytes: What the host has not taken yet.
    """

    def __init__(self, descriptor: int) -> None:
        self.unread_bytes = 0
        self._file = io.FileIO(descriptor, "wb", closefd=False)
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()
        self._broken = asyncio.Event()
        Thread(target=self._run, name="stdout", daemon=True).start()

    async def send(self, item: SessionMessage, /) -> None:
        """Take a message to be written.

        Raises:
            anyio.BrokenResourceError: The host closed its end.
        """
        if self._broken.is_set():
            raise anyio.BrokenResourceError
        if _is_closing_notice(item):
            return
        is_notification = isinstance(item.message, JSONRPCNotification)
        if is_notification and self.unread_bytes > MOST_UNREAD_BYTES_FOR_NOTIFICATIONS:
            return
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        self.unread_bytes += len(line)
        self._lines.put(line)

    async def wait_until_read(self, *, all_but_bytes: int = 0) -> bool:
        """Wait until no more than this is unread; False if the host is not reading."""
        while self.unread_bytes > all_but_bytes:
            self._moved.clear()
            try:
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return True

    async def raise_when_broken(self) -> None:
        """Wait until the host closes its end.

        Raises:
            BrokenPipeError: It did.
        """
        await self._broken.wait()
        raise BrokenPipeError

    async def aclose(self) -> None:
        """Nothing: every session is given this one stream, and `open_pipe` ends it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _run(self) -> None:
        while True:
            view = memoryview(self._lines.get())
            while view:
                try:
                    written = self._file.write(view)
                except OSError:
                    _in_loop(self._loop, self._break)
                    return
                if written is None:  # somebody made it non-blocking
                    select.select([], [self._file], [])
                    continue
                view = view[written:]
                _in_loop(self._loop, self._note_written, written)

    def _note_written(self, written_bytes: int) -> None:
        self.unread_bytes -= written_bytes
        self._moved.set()

    def _break(self) -> None:
        self.unread_bytes = 0
        self._moved.set()
        self._broken.set()


@asynccontextmanager
async def open_pipe() -> AsyncIterator[tuple[AsyncIterator[Line], LineWriter]]:
    """The lines that the host writes, and what writes to it.

    Meanwhile descriptor 0 is at its end and descriptor 1 is stderr: whatever else reads or prints
    here, like a library, does not meet the protocol.

    Raises:
        BrokenPipeError: The host closed its end of stdout.
    """
    with ExitStack() as diverted:
        reader = LineReader(diverted.enter_context(_divert_stdin()))
        writer = LineWriter(diverted.enter_context(_divert(STDOUT, to=STDERR)))

        async with anyio.create_task_group() as watching:
            watching.start_soon(writer.raise_when_broken)
            try:
                yield reader.lines(partial(wait_for_room, reader, writer)), writer
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.wait_until_read()
            watching.cancel_scope.cancel()


async def wait_for_room(reader: LineReader, writer: LineWriter) -> bool:
    """Wait until the host has read so much that it may send more; False if it has hung up."""
    while not await writer.wait_until_read(all_but_bytes=MOST_UNREAD_BYTES):
        if reader.is_hung_up():
            log.warning("The host closed stdin while it was not reading any answers.")
            return False
    return True


@contextmanager
def _divert_stdin() -> Iterator[int]:
    empty, writing_end = os.pipe()
    os.close(writing_end)
    try:
        with _divert(STDIN, to=empty) as wire:
            yield wire
    finally:
        os.close(empty)


@contextmanager
def _divert(descriptor: int, *, to: int) -> Iterator[int]:
    """Point a descriptor elsewhere; yields a duplicate of what it was.

    The duplicate is never closed: a thread may be blocked on it. On Windows nothing at all can be
    done with it then, so what it was is put back from another one.
    """
    wire, kept = os.dup(descriptor), os.dup(descriptor)
    _point(descriptor, to)
    try:
        yield wire
    finally:
        _point(descriptor, kept)
        os.close(kept)


def _point(descriptor: int, to: int) -> None:
    os.dup2(to, descriptor)
    if sys.platform == "win32":
        with suppress(OSError):
            rebind_std_handle_to_fd(descriptor)


def _in_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop has been closed meanwhile
        loop.call_soon_threadsafe(function, *args)


def _resolve(future: "asyncio.Future[bytes]", chunk: bytes) -> None:
    if not future.done():
        future.set_result(chunk)
