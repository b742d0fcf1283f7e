"""A shop that sells videos, the servers of a user who buys there, and the ledger on disk.

The shop is the sandbox: what it billed is what a person would pay.
"""

import asyncio
import sqlite3
import time as real_time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import minimax_server
from minimax import runtime
from minimax.ledger.clock import LedgerClock
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, serve
from minimax.sandbox.endpoints.video_v2 import VideoRequestV2, VideoTaskV2
from minimax.sandbox.endpoints.video_v2_content import RequestContent
from minimax.settings import Settings
from minimax.tool_results import SubmittedVideo
from tests.conftest import KEY
from tests.support import samples
from tests.support.host import Host, host
from tests.support.raw_server import CLOSED, Connection, Request, serve_raw
from tests.support.virtual_time import VirtualTime

SUBMIT = "/v1/video_generation"
SLOW = Fault(SUBMIT, when="after", delay_seconds=0.1)
"""Accepted and billed at once; the answer takes its time."""
LOST = Fault(SUBMIT, when="after", reset=True)
"""Accepted and billed; the answer never comes."""
VIDEO = {"prompt": "a dog runs along the beach"}


@asynccontextmanager
async def run_sandbox(
    settings: Settings, *faults: Fault
) -> AsyncIterator[tuple[Sandbox, Settings]]:
    """A sandbox in which these things go wrong, and the settings that lead there."""
    sandbox = Sandbox()
    sandbox.faults.add(*faults)
    async with serve(sandbox) as url:
        yield sandbox, replace(settings, api_host=url)


@asynccontextmanager
async def open_server(
    settings: Settings, time: VirtualTime, *, now: Callable[[], float] = real_time.time
) -> AsyncIterator[Runtime]:
    """One server of this user; `now` is what its ledger goes by."""
    clock = LedgerClock(wall=now, read_boot_id=lambda: None)
    running = Runtime(
        lambda: settings,
        clock=time.clock,
        open_ledger=lambda folder: SqliteLedger(folder, clock=clock),
    )
    try:
        yield running
    finally:
        await running.aclose()


async def buy(server: Runtime, **arguments: Any) -> SubmittedVideo:
    """Call the tool at one of several servers in this loop; the VIDEO if no arguments are given."""
    with runtime.use(server):
        return await minimax_server.generate_video(**{**VIDEO, **arguments})


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def cancel_call(call: Awaitable[Any], *, once: Callable[[], object]) -> None:
    """Make a call and cancel it as soon as `once` holds."""
    task = asyncio.ensure_future(call)
    await wait_until(once)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def rows(settings: Settings) -> list[dict[str, Any]]:
    """The ledger as it is on disk, oldest first."""
    file = settings.state_dir / FILE_NAME
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM jobs ORDER BY id")]


def states(settings: Settings) -> list[str]:
    return [row["state"] for row in rows(settings)]


def count_submissions(sandbox: Sandbox) -> int:
    """Submissions that reached the sandbox, accepted or not."""
    return sandbox.count(f"POST {SUBMIT}")


@asynccontextmanager
async def start_server(settings: Settings, **more_env: str) -> AsyncIterator[Host]:
    """The real server on stdio, ready to be called."""
    async with host(env={**server_env(settings), **more_env}) as started:
        await started.handshake()
        yield started


def server_env(settings: Settings) -> dict[str, str]:
    """The environment that gives a server these settings."""
    return {
        "MINIMAX_API_HOST": str(settings.api_host),
        "MINIMAX_API_KEY": KEY,
        "MINIMAX_MCP_STATE_DIR": str(settings.state_dir),
        "MINIMAX_MCP_BASE_PATH": str(settings.base_path),
        "MINIMAX_MCP_AUTO_SAVE": "on" if settings.auto_save else "off",
    }


async def kill(running: Host) -> None:
    running.process.kill()
    await running.process.wait()


# --- every paid tool ---------------------------------------------------------------------------

RECORDING = "recording.wav"
"""In the home folder of every test that clones a voice."""
SOURCE = "0000300118220963"
"""The task id of a finished MiniMax-H3 video at MiniMax; there are several, told apart by the first
digits."""
SOURCES = 10


def put_sources(sandbox: Sandbox) -> None:
    """Finished videos of this account that were bought elsewhere, to be made again in 2K."""
    request = VideoRequestV2(
        "MiniMax-H3", RequestContent("a fox", {}), "768P", duration_seconds=5, ratio="16:9"
    )
    for number in range(SOURCES):
        task_id = f"{number:04d}{SOURCE[4:]}"
        long_ago = sandbox.clock.now() - 3600
        sandbox.videos_v2[task_id] = VideoTaskV2(task_id, request, created_at=long_ago)


TALK, LECTURE = "talk-0000.wav", "lecture-0000.wav"
"""What is transcribed; there are others with other numbers, whose content differs."""
VARIATIONS = 2


def put_recordings(home: Path) -> None:
    """Everything that the paid tools are called with."""
    samples.put(home / RECORDING, samples.wav())
    for number in range(VARIATIONS):
        for name, seconds in ((TALK, 2), (LECTURE, 480)):
            varied = samples.wav(seconds + number / LOW_RATE, rate=LOW_RATE)
            samples.put(home / vary(name, number), varied)


LOW_RATE = 1000
"""Of recordings that nobody listens to."""


def vary(text: str, number: int) -> str:
    """The text with another number, at the place of its digits or at its beginning."""
    mark = f"{number:04d}"
    return text.replace("0000", mark) if "0000" in text else mark + text[len(mark) :]


@dataclass(frozen=True)
class PaidTool:
    """A tool that buys, and how a test calls it.

    Attributes:
        name: Of the tool.
        path: Of the request that is billed.
        charge: How the sandbox's bill names it.
        usd: Its list price.
        arguments: Of the call; `varies` is the one by which two calls differ.
        has_link: The reply links to what was made, so that a download follows.
    """

    name: str
    path: str
    charge: str
    usd: float
    arguments: Mapping[str, Any]
    varies: str
    has_link: bool

    @property
    def request(self) -> str:
        return f"POST {self.path}"

    @property
    def is_cheap(self) -> bool:
        """Whether it is made again where an earlier attempt is in doubt."""
        return self.usd <= 0.05

    def vary(self, number: int) -> dict[str, Any]:
        """The arguments of another request of the same price."""
        return {**self.arguments, self.varies: vary(str(self.arguments[self.varies]), number)}

    def list_prompt(self, number: int) -> str:
        """What the ledger calls the request of `vary`."""
        text = str(self.vary(number)[self.varies])
        return f"{text} in 2K" if self.varies == "task_id" else text

    def name_bought(self, result: Mapping[str, Any]) -> str:
        """What tells two purchases apart in the tool's results."""
        # The preview of a voice may be lost with its process.
        names = ("task_id", "path", "paths", "voice_id", "text")
        return str(next(result[name] for name in names if name in result))


PAID_TOOLS = {
    "generate_video": PaidTool("generate_video", SUBMIT, "video", 0.28, VIDEO, "prompt", False),
    "text_to_audio": PaidTool(
        "text_to_audio", "/v1/t2a_v2", "speech", 0.0011, {"text": "Hello there"}, "text", True
    ),
    "text_to_audio-long": PaidTool(
        "text_to_audio",
        "/v1/t2a_v2",
        "speech",
        0.1,
        {"text": "Hello " * 166 + "all."},
        "text",
        True,
    ),
    "long_text_to_audio": PaidTool(
        "long_text_to_audio",
        "/v1/t2a_async_v2",
        "long_speech",
        0.0011,
        {"text": "Hello there"},
        "text",
        False,
    ),
    "long_text_to_audio-long": PaidTool(
        "long_text_to_audio",
        "/v1/t2a_async_v2",
        "long_speech",
        0.1,
        {"text": "Hello " * 166 + "all."},
        "text",
        False,
    ),
    "text_to_image": PaidTool(
        "text_to_image",
        "/v1/image_generation",
        "image",
        0.0035,
        {"prompt": "a lake"},
        "prompt",
        True,
    ),
    "voice_design": PaidTool(
        "voice_design",
        "/v1/voice_design",
        "speech",
        0.0006,
        {"prompt": "calm and deep", "preview_text": "Good day. "},
        "prompt",
        False,
    ),
    "upscale_video": PaidTool(
        "upscale_video",
        "/v2/video_regeneration",
        "regeneration",
        0.25,
        {"task_id": SOURCE},
        "task_id",
        False,
    ),
    "voice_clone": PaidTool(
        "voice_clone",
        "/v1/voice_clone",
        "speech",
        0.001,
        {"audio": f"~/{RECORDING}", "preview_text": "Good day. "},
        "preview_text",
        True,
    ),
    "voice_clone-long": PaidTool(
        "voice_clone",
        "/v1/voice_clone",
        "speech",
        0.1,
        {"audio": f"~/{RECORDING}", "preview_text": "Good day. " * 100},
        "preview_text",
        True,
    ),
    "transcribe_audio": PaidTool(
        "transcribe_audio",
        "/v1/speech_to_text",
        "transcript",
        0.0002,
        {"audio": f"~/{TALK}"},
        "audio",
        False,
    ),
    "transcribe_audio-long": PaidTool(
        "transcribe_audio",
        "/v1/speech_to_text",
        "transcript",
        0.0507,
        {"audio": f"~/{LECTURE}"},
        "audio",
        False,
    ),
}
SHORT_TOOLS = {name: tool for name, tool in PAID_TOOLS.items() if not name.endswith("-long")}


@dataclass
class Shop:
    """The sandbox behind a door that can hold answers back.

    Attributes:
        settings: Lead to the door.
        held: Answers that wait at the door.
        passed: Answers that have been handed on.
    """

    sandbox: Sandbox
    settings: Settings
    held: int = 0
    passed: int = 0
    _path: str | None = None
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, path: str) -> None:
        """Hold back the answers to requests whose path begins so."""
        self._path = path
        self._opened.clear()

    def release(self) -> None:
        self._opened.set()

    async def wait_at_door(self, path: str) -> None:
        if self._path is not None and path.startswith(self._path):
            self.held += 1
            try:
                await self._opened.wait()
            finally:
                self.held -= 1

    def count(self, tool: PaidTool) -> int:
        """How often this kind of thing was charged."""
        return self.sandbox.count_charges(tool.charge)

    def list_rows(self) -> list[dict[str, Any]]:
        return rows(self.settings)

    def is_delivered(self) -> bool:
        """Whether every purchase is in the ledger with all that its caller is to be told."""
        found = self.list_rows()
        return bool(found) and all(
            row["state"] == "accepted" and (row["task_id"] or row["result"]) for row in found
        )

    def list_files(self) -> list[Path]:
        return sorted(path for path in self.settings.base_path.rglob("*") if path.is_file())


@asynccontextmanager
async def open_shop(settings: Settings, home: Path, *faults: Fault) -> AsyncIterator[Shop]:
    """A sandbox in which these things go wrong, a door before it, and what the tools are given."""
    put_recordings(home)
    async with run_sandbox(settings, *faults) as (sandbox, direct):
        put_sources(sandbox)
        shop = Shop(sandbox, settings)

        async def forward(connection: Connection) -> Any:
            request = door.requests[-1]
            answer = await _ask(str(direct.api_host), request, seen_as=door.url)
            await shop.wait_at_door(request.target)
            if answer:
                await connection.send(answer)
                shop.passed += 1
            else:
                connection.reset()
            return CLOSED

        async with serve_raw(forward) as door:
            shop.settings = replace(settings, api_host=door.url)
            yield shop


async def _ask(url: str, request: Request, *, seen_as: str) -> bytes:
    """What the sandbox answers, with links through the door; nothing where it breaks off."""
    assert len(url) == len(seen_as), "the length of an answer must stay as it was announced"
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    kept = {
        k: v for k, v in request.headers.items() if k not in ("connection", "transfer-encoding")
    }
    kept["host"] = address.netloc
    headers = {**kept, "content-length": str(len(request.body)), "connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    try:
        writer.write(f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode())
        writer.write(request.body)
        await writer.drain()
        return (await reader.read()).replace(url.encode(), seen_as.encode())
    except ConnectionError:
        return b""
    finally:
        writer.close()
