"""What the server does under load, in numbers: `uv run python -m tests.scripts.load` (Linux).

Every case starts the server as a host does, against the sandbox, and ends it with SIGTERM or by
closing stdin. All together take about two minutes. The peak is what the process held at most, above
what it held when it was idle.
"""

import asyncio
import base64
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from tests.support.host import INITIALIZE, ROOT, Host, host

MANY: Final = 10_000
CANCELLED: Final = 1000
BATCH: Final = 50
LONG_LINE_MIB: Final = 200
HEAVY_CALLS: Final = 20
RECORDING_BYTES: Final = 19_200_000
"""100 seconds in stereo; MiniMax takes 20 MB."""
SETTLE_SECONDS: Final = 2.0
"""After everything was sent: for what is still to be answered."""
BLOCKED_SECONDS: Final = 1.5
"""A pipe that takes nothing for so long is full for good."""
LONGEST_SECONDS: Final = 30.0
"""Nothing waits longer for the server."""
KIB_PER_MIB: Final = 1024
NEVER: Final = VideoStages(processing_seconds=1e6)
HANGING: Final = Fault("/v1/", times=None, when="before", hang=True)


@dataclass
class Figures:
    """One row of the table."""

    case: str
    peak_mib: float = 0.0
    answered: int = 0
    refused: int = 0
    end_seconds: float = 0.0
    code: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[str]:
        end = f"{self.end_seconds:.2f}" if self.code == 0 else f"code {self.code}"
        peak = f"{self.peak_mib:.0f}"
        counts = [str(self.answered), str(self.refused)]
        return [self.case, peak, *counts, end, "; ".join(self.notes)]


Case = Callable[[Path], Awaitable[Figures]]


# --- a server and what it held -----------------------------------------------------------------


def read_mib(pid: int, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith(name)]
    return int(line.split()[1]) / KIB_PER_MIB


@dataclass
class Place:
    """A server that is idle, the sandbox it speaks to, and what it held then."""

    running: Host
    sandbox: Sandbox
    idle_mib: float

    async def ended(self, figures: Figures, end: Callable[[Host], object]) -> Figures:
        """End it, and write down how."""
        figures.peak_mib = read_mib(self.running.process.pid, "VmHWM:") - self.idle_mib
        begun = time.monotonic()
        end(self.running)
        figures.code = await self.running.ended(LONGEST_SECONDS)
        figures.end_seconds = time.monotonic() - begun
        return figures


def terminate(running: Host) -> None:
    running.process.send_signal(signal.SIGTERM)


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        "MINIMAX_API_HOST": url,
        "MINIMAX_API_KEY": "sandbox",
        "MINIMAX_MCP_BASE_PATH": str(folder / "files"),
        "MINIMAX_MCP_STATE_DIR": str(folder / "state"),
    }


@asynccontextmanager
async def idle_server(folder: Path, *faults: Fault) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(stages=NEVER)
        url = await stack.enter_async_context(serve(sandbox))
        running = await stack.enter_async_context(host(env=environment(folder, url)))
        await running.handshake()
        await running.call("list_voices")  # everything is imported now
        sandbox.faults.add(*faults)
        yield Place(running, sandbox, read_mib(running.process.pid, "VmRSS:"))


async def send_calls(
    running: Host, tool: str, arguments: Sequence[Mapping[str, Any]]
) -> list[tuple[int, asyncio.Future[dict[str, Any]]]]:
    """Send calls as fast as the server takes them."""
    assert running.process.stdin is not None
    sent = []
    for each in arguments:
        sent.append(running.start(tool, **each))
        await running.process.stdin.drain()
    return sent


def count(calls: Sequence[tuple[int, asyncio.Future[dict[str, Any]]]], figures: Figures) -> None:
    """How many were answered until now, and how many of these with a refusal for being busy."""
    for _, answer in calls:
        if answer.done():
            text = json.dumps(answer.result())
            figures.refused += "is busy with" in text
            figures.answered += "is busy with" not in text


async def note_free_looks(running: Host, figures: Figures) -> None:
    begun = time.monotonic()
    await running.answer("ping")
    await running.answer("tools/list")
    await running.call("list_video_tasks")
    figures.notes.append(f"a look took {time.monotonic() - begun:.2f} s")


# --- the cases ---------------------------------------------------------------------------------


async def many_waits(folder: Path) -> Figures:
    figures = Figures(f"{MANY:,} waits for a job at once")
    async with idle_server(folder) as place:
        job = await place.running.call("generate_video", prompt="x")
        wanted = [{"task_id": job["task_id"], "wait_seconds": 45}] * MANY
        calls = await send_calls(place.running, "query_video_generation", wanted)
        await asyncio.sleep(SETTLE_SECONDS)
        await note_free_looks(place.running, figures)
        count(calls, figures)
        return await place.ended(figures, terminate)


async def many_hanging_waits(folder: Path) -> Figures:
    figures = Figures(f"{MANY:,} waits for jobs of their own, MiniMax silent")
    async with idle_server(folder, HANGING) as place:
        wanted = [{"task_id": str(10**9 + n), "wait_seconds": 45} for n in range(MANY)]
        calls = await send_calls(place.running, "query_video_generation", wanted)
        await asyncio.sleep(SETTLE_SECONDS)
        await note_free_looks(place.running, figures)
        count(calls, figures)
        return await place.ended(figures, terminate)


async def cancelled_orders(folder: Path) -> Figures:
    figures = Figures(f"{CANCELLED:,} orders, cancelled while they are sent")
    slow = Fault("/v1/video_generation", times=None, when="after", delay_seconds=1)
    async with idle_server(folder, slow) as place:
        for batch in range(0, CANCELLED, BATCH):
            wanted = [{"prompt": f"{batch + n}"} for n in range(BATCH)]
            calls = await send_calls(place.running, "generate_video", wanted)
            await asyncio.sleep(BATCH / CANCELLED)
            count(calls, figures)
            for ident, _ in calls:
                place.running.cancel(ident)
        await note_free_looks(place.running, figures)
        await place.ended(figures, terminate)
        bought = place.sandbox.count_charges("video")
    figures.notes.append(f"{bought} bought, {count_accepted(folder)} in the ledger")
    return figures


async def orders_without_callers(folder: Path) -> Figures:
    figures = Figures(f"{CANCELLED:,} orders whose callers go while MiniMax is silent")
    silent = Fault("/v1/video_generation", times=None, when="after", hang=True)
    async with idle_server(folder, silent) as place:
        wanted = [{"prompt": f"{n}"} for n in range(CANCELLED)]
        calls = await send_calls(place.running, "generate_video", wanted)
        await asyncio.sleep(SETTLE_SECONDS)
        for ident, _ in calls:
            place.running.cancel(ident)
        later = await send_calls(place.running, "generate_video", [{"prompt": "later"}])
        await note_free_looks(place.running, figures)
        count([*calls, *later], figures)
        await place.ended(figures, terminate)
        bought = place.sandbox.count_charges("video")
    figures.notes.append(f"{bought} bought, {count_rows(folder)} in the ledger")
    return figures


def count_accepted(folder: Path) -> int:
    return count_rows(folder, "WHERE state = 'accepted'")


def count_rows(folder: Path, where: str = "") -> int:
    with closing(sqlite3.connect(folder / "state" / "ledger.db")) as ledger:
        found: int = ledger.execute(f"SELECT count(*) FROM jobs {where}").fetchone()[0]
        return found


async def long_line(folder: Path) -> Figures:
    figures = Figures(f"one line of {LONG_LINE_MIB} MiB")
    async with idle_server(folder) as place:
        piece, stdin = b"x" * KIB_PER_MIB**2, place.running.process.stdin
        assert stdin is not None
        ident, answer = 10**6, asyncio.get_running_loop().create_future()
        place.running._answers[ident] = answer
        place.running.write(b'{"jsonrpc": "2.0", "id": %d, "method": "' % ident)
        for _ in range(LONG_LINE_MIB):
            place.running.write(piece)
            await stdin.drain()
        place.running.write(b'"}\n')
        refusal = (await asyncio.wait_for(answer, LONGEST_SECONDS))["error"]["message"]
        figures.refused += "longer than" in refusal
        await note_free_looks(place.running, figures)
        return await place.ended(figures, terminate)


async def heavy_calls(folder: Path) -> Figures:
    figures = Figures(f"{HEAVY_CALLS} recordings of 19 MB as data: URIs, MiniMax silent")
    async with idle_server(folder, HANGING) as place:
        recording = make_recording_uri()
        wanted = [{"audio": recording, "voice_id": f"voice-{n:04d}"} for n in range(HEAVY_CALLS)]
        calls = await send_calls(place.running, "voice_clone", wanted)
        await asyncio.sleep(SETTLE_SECONDS)
        for ident, _ in calls:
            place.running.cancel(ident)
        count(calls, figures)
        await note_free_looks(place.running, figures)
        return await place.ended(figures, terminate)


def make_recording_uri() -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(RECORDING_BYTES))
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()


# --- a host that does not read -----------------------------------------------------------------


@contextmanager
def deaf_host(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose stdout nobody reads; its stdin does not block."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "minimax_server.py"), "--sandbox"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment(folder, "http://127.0.0.1:9")},
    )
    try:
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def write_until_blocked(descriptor: int, line: bytes) -> int:
    """Write a line again and again until the pipe takes no more; how often it was written."""
    written = 0
    blocked_since = time.monotonic()
    while time.monotonic() - blocked_since < BLOCKED_SECONDS:
        try:
            written += os.write(descriptor, line * 100)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            blocked_since = time.monotonic()
    return written // len(line)


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"


async def deaf(
    folder: Path, name: str, end: Callable[[subprocess.Popen[bytes]], object]
) -> Figures:
    figures = Figures(f"tools/list without end, nothing read; ended by {name}")
    with deaf_host(folder) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin = process.stdin.fileno()
        os.write(stdin, encode({"id": 0, "method": "initialize", "params": INITIALIZE}))
        await asyncio.to_thread(process.stdout.readline)
        idle = read_mib(process.pid, "VmRSS:")
        os.write(stdin, encode({"method": "notifications/initialized"}))
        request = encode({"id": 1, "method": "tools/list", "params": {}})
        taken = await asyncio.to_thread(write_until_blocked, stdin, request)
        figures.notes.append(f"{taken:,} requests taken")
        figures.peak_mib = read_mib(process.pid, "VmHWM:") - idle
        begun = time.monotonic()
        end(process)
        figures.code = await asyncio.to_thread(process.wait, LONGEST_SECONDS)
        figures.end_seconds = time.monotonic() - begun
    return figures


async def deaf_and_signalled(folder: Path) -> Figures:
    return await deaf(folder, "SIGTERM", lambda process: process.send_signal(signal.SIGTERM))


async def deaf_and_closed(folder: Path) -> Figures:
    def close(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        process.stdin.close()

    return await deaf(folder, "closing stdin", close)


CASES: Final[Sequence[Case]] = (
    many_waits,
    many_hanging_waits,
    cancelled_orders,
    orders_without_callers,
    long_line,
    heavy_calls,
    deaf_and_signalled,
    deaf_and_closed,
)
HEADS: Final = ("case", "peak MiB above idle", "answered", "refused", "seconds to end", "notes")


async def measure(case: Case) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "files").mkdir()
        return await case(Path(folder))


def main() -> int:
    if sys.platform != "linux":
        sys.stderr.write("This reads the memory of processes from /proc: run it on Linux.\n")
        return 1
    chosen = [case for case in CASES if case.__name__ in sys.argv[1:]] or CASES
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for case in chosen:
        print(f"| {' | '.join(asyncio.run(measure(case)).cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
