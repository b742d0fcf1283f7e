"""A host that does not read, or that writes too much, costs a bounded amount of memory."""

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from subprocess import PIPE

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, JSONRPCNotification, JSONRPCResponse

from minimax.protocol import pipe
from minimax.protocol.lines import LONGEST_LINE_BYTES
from minimax.protocol.pipe import LineReader, LineWriter, wait_for_room
from tests.support.host import INITIALIZE, LIMIT_SECONDS, ROOT, host
from tests.support.paid_jobs import wait_until

ANSWER = SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=1, result={"text": "x" * 10_000}))
PROGRESS = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/progress"))
FULL_SECONDS = 0.5
"""A pipe that takes nothing for so long is not read."""
MOST_UNREAD_BYTES = 200_000
"""More than a pipe holds, so that something is left to wait."""


@dataclass
class Ends:
    """What the host holds of the two pipes, and what the server holds."""

    host_writes: int
    host_reads: int
    reader: LineReader
    writer: LineWriter

    def close_stdin(self) -> None:
        os.close(self.host_writes)
        self.host_writes = -1

    def close_stdout(self) -> None:
        os.close(self.host_reads)
        self.host_reads = -1

    async def read_lines(self, count: int) -> list[bytes]:
        """What the host gets when it reads."""

        def read() -> list[bytes]:
            data = b""
            while data.count(b"\n") < count:
                data += os.read(self.host_reads, 65536)
            return data.splitlines()

        return await asyncio.wait_for(asyncio.to_thread(read), LIMIT_SECONDS)


@contextmanager
def two_pipes() -> Iterator[tuple[int, int, int, int]]:
    server_reads, host_writes = os.pipe()
    host_reads, server_writes = os.pipe()
    yield server_reads, host_writes, host_reads, server_writes
    # The server's ends stay open: its threads may be blocked on them.


@asynccontextmanager
async def pipes() -> AsyncIterator[Ends]:
    with two_pipes() as (server_reads, host_writes, host_reads, server_writes):
        ends = Ends(host_writes, host_reads, LineReader(server_reads), LineWriter(server_writes))
        try:
            yield ends
        finally:
            for descriptor in (ends.host_writes, ends.host_reads):
                if descriptor >= 0:
                    os.close(descriptor)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "STUCK_SECONDS", 0.01)
    monkeypatch.setattr(pipe, "MOST_UNREAD_BYTES", MOST_UNREAD_BYTES)
    monkeypatch.setattr(pipe, "MOST_UNREAD_BYTES_FOR_NOTIFICATIONS", MOST_UNREAD_BYTES // 2)


async def serve(ends: Ends, handled: list[bytes]) -> None:
    """A server that answers each line with much."""
    async for line in ends.reader.lines(partial(wait_for_room, ends.reader, ends.writer)):
        assert isinstance(line, bytearray)
        handled.append(bytes(line))
        await ends.writer.send(ANSWER)


async def until_stuck(ends: Ends) -> None:
    await wait_until(lambda: ends.writer.unread_bytes > MOST_UNREAD_BYTES)
    assert not await ends.writer.wait_until_read()


@pytest.mark.anyio
async def test_a_host_that_does_not_read_is_not_read_and_gets_everything_later() -> None:
    async with pipes() as ends:
        handled: list[bytes] = []
        os.write(ends.host_writes, b"".join(b"%d\n" % n for n in range(100)))
        serving = asyncio.create_task(serve(ends, handled))
        await until_stuck(ends)
        assert ends.writer.unread_bytes < MOST_UNREAD_BYTES + 2 * 10_100
        assert len(handled) < 50
        assert len(await ends.read_lines(100)) == 100
        await wait_until(lambda: len(handled) == 100)
        ends.close_stdin()
        await asyncio.wait_for(serving, LIMIT_SECONDS)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX tells that a pipe was hung up")
@pytest.mark.anyio
async def test_a_host_that_neither_reads_nor_holds_stdin_is_given_up() -> None:
    async with pipes() as ends:
        os.write(ends.host_writes, b"x\n" * 100)
        serving = asyncio.create_task(serve(ends, []))
        await until_stuck(ends)
        assert not serving.done()
        ends.close_stdin()
        await asyncio.wait_for(serving, LIMIT_SECONDS)


@pytest.mark.anyio
async def test_stale_progress_is_left_out_and_answers_are_not() -> None:
    async with pipes() as ends:
        while ends.writer.unread_bytes <= MOST_UNREAD_BYTES:
            await ends.writer.send(ANSWER)
        for _ in range(10):
            await ends.writer.send(PROGRESS)
        await ends.writer.send(ANSWER)
        waiting = ends.writer.unread_bytes // len(ANSWER.message.model_dump_json())
        lines = await ends.read_lines(waiting)
        assert all("result" in json.loads(line) for line in lines)
        assert await ends.writer.wait_until_read()
        await ends.writer.send(PROGRESS)
        [progress] = await ends.read_lines(1)
    assert json.loads(progress)["method"] == "notifications/progress"


@pytest.mark.anyio
async def test_a_host_that_closes_its_end_is_noticed() -> None:
    async with pipes() as ends:
        ends.close_stdout()
        await ends.writer.send(ANSWER)
        with pytest.raises(BrokenPipeError):
            await asyncio.wait_for(ends.writer.raise_when_broken(), LIMIT_SECONDS)
        with pytest.raises(anyio.BrokenResourceError):
            await ends.writer.send(ANSWER)
        assert await ends.writer.wait_until_read()


@pytest.mark.anyio
async def test_the_end_of_stdin_ends_the_lines_also_where_the_last_has_no_end() -> None:
    async with pipes() as ends:
        handled: list[bytes] = []
        os.write(ends.host_writes, b"one\ntwo")
        ends.close_stdin()
        await asyncio.wait_for(serve(ends, handled), LIMIT_SECONDS)
    assert handled == [b"one", b"two"]


@pytest.mark.skipif(os.name != "posix", reason="descriptors that do not block")
@pytest.mark.anyio
async def test_descriptors_that_somebody_made_non_blocking_work_all_the_same() -> None:
    with two_pipes() as (server_reads, host_writes, host_reads, server_writes):
        os.set_blocking(server_reads, False)
        os.set_blocking(server_writes, False)
        ends = Ends(host_writes, host_reads, LineReader(server_reads), LineWriter(server_writes))
        handled: list[bytes] = []
        serving = asyncio.create_task(serve(ends, handled))
        for _ in range(20):
            await ends.writer.send(ANSWER)
        os.write(host_writes, b"x\n")
        assert len(await ends.read_lines(21)) == 21
        ends.close_stdin()
        await asyncio.wait_for(serving, LIMIT_SECONDS)
        ends.close_stdout()


# --- the whole server --------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_line_that_is_too_long_gets_an_error_and_the_session_goes_on() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        answer = served._answers["long"] = asyncio.get_running_loop().create_future()
        served.write(b'{"jsonrpc": "2.0", "id": "long", "method": "')
        served.write(b"x" * LONGEST_LINE_BYTES)
        served.write(b'"}\n')
        error = (await asyncio.wait_for(answer, LIMIT_SECONDS))["error"]
        assert error["code"] == INVALID_REQUEST
        assert "longer than 64 MiB" in error["message"]
        assert (await served.answer("tools/list"))["result"]["tools"]
        assert await served.close() == 0


def fill(descriptor: int, line: bytes, *, most_bytes: int) -> int:
    """Write a line again and again until no more is taken; the bytes that were taken."""
    os.set_blocking(descriptor, False)
    taken = 0
    while taken < most_bytes and select.select([], [descriptor], [], FULL_SECONDS)[1]:
        with suppress(BlockingIOError):
            taken += os.write(descriptor, line)
    return taken


def close_stdin(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.skipif(os.name != "posix", reason="pipes that tell how full they are")
@pytest.mark.parametrize("end", [close_stdin, subprocess.Popen.terminate], ids=["EOF", "SIGTERM"])
def test_a_host_that_never_reads_is_not_read_on_and_does_not_keep_the_server_from_ending(
    end: Callable[["subprocess.Popen[bytes]"], None],
) -> None:
    command = [sys.executable, str(ROOT / "minimax_server.py"), "--sandbox"]
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
    padded = request + b" " * 50_000 + b"\n"
    with subprocess.Popen(
        command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**os.environ}
    ) as process:
        assert process.stdin is not None
        listing = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).encode()
        opening = json.dumps(
            {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}
        ).encode()
        process.stdin.write(opening + b"\n" + (listing + b"\n") * 2000)
        most_bytes = 500 * len(padded)
        taken = fill(process.stdin.fileno(), padded, most_bytes=most_bytes)
        end(process)
        assert process.wait(LIMIT_SECONDS) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert taken < most_bytes


GIVES_ANSWERS_AND_ENDS = """
import asyncio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse
from minimax.protocol.pipe import open_pipe

async def main():
    async with open_pipe() as (_, writer):
        for number in range(100):
            answer = JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "x" * 50_000})
            await writer.send(SessionMessage(answer))

asyncio.run(main())
"""


def test_the_last_answers_are_written_before_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVES_ANSWERS_AND_ENDS], cwd=ROOT, capture_output=True, check=True
    )
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == list(range(100))
