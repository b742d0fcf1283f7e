"""How the server ends: stdin closed, SIGTERM, SIGINT, a host that died, in the middle of anything.

Exit code 0 within about a second; only a submission in flight is waited for, and then its id is
in the ledger. Nothing half-written stays, and stderr shows neither the key nor a traceback.
"""

import asyncio
import os
import signal
import time as real_time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from minimax.errors import MaybeChargedError
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support.host import MODERN, Host, host
from tests.support.paid_jobs import SLOW, VIDEO, buy, open_server, rows, states, wait_until
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

QUICK_SECONDS = 2.0
"""A second, and as much again for a machine that runs other tests meanwhile."""
GRACE_SECONDS = 5.0
"""How long a submission in flight is waited for."""
SLOW_SECONDS = 0.8
SUBMITTING = replace(SLOW, delay_seconds=SLOW_SECONDS)

End = Callable[[Host], None]


def close_stdin(running: Host) -> None:
    assert running.process.stdin is not None
    running.process.stdin.close()


def terminate(running: Host) -> None:
    running.process.send_signal(signal.SIGTERM)


def interrupt(running: Host) -> None:
    running.process.send_signal(signal.SIGINT)


ENDS = [
    pytest.param(close_stdin, id="stdin-closed"),
    pytest.param(terminate, id="SIGTERM"),
    pytest.param(interrupt, id="SIGINT"),
]
if os.name != "posix":
    ENDS = ENDS[:1]
ended_in_every_way = pytest.mark.parametrize("end", ENDS)


@dataclass
class RunningServer:
    """A started server, the sandbox that it speaks to, and where it writes."""

    running: Host
    sandbox: Sandbox
    settings: Settings

    @property
    def part_files(self) -> list[Path]:
        return list(self.settings.base_path.rglob("*.part"))


@asynccontextmanager
async def running_server(
    settings: Settings,
    *faults: Fault,
    sandbox: Sandbox | None = None,
    handshake: bool = True,
) -> AsyncIterator[RunningServer]:
    sandbox = sandbox or Sandbox()
    sandbox.faults.add(*faults)
    async with serve(sandbox) as url:
        settings = replace(settings, api_host=url)
        env = {
            "MINIMAX_API_HOST": url,
            "MINIMAX_API_KEY": KEY,
            "MINIMAX_MCP_STATE_DIR": str(settings.state_dir),
            "MINIMAX_MCP_BASE_PATH": str(settings.base_path),
            "MINIMAX_LOG_LEVEL": "DEBUG",
        }
        async with host(env=env) as running:
            if handshake:
                await running.handshake()
            yield RunningServer(running, sandbox, settings)


async def seconds_to_end(running: Host, end: End) -> float:
    """End a server; it must go by itself, with code 0, and leave a clean stderr."""
    started = real_time.monotonic()
    end(running)
    assert await running.ended() == 0
    assert KEY not in running.stderr
    assert "Traceback" not in running.stderr
    return real_time.monotonic() - started


async def buy_one(place: RunningServer) -> str:
    video = await place.running.call("generate_video", **VIDEO)
    return str(video["task_id"])


# --- idle, waiting, downloading ----------------------------------------------------------------


@ended_in_every_way
async def test_an_idle_server_ends_at_once(end: End, settings: Settings) -> None:
    async with running_server(settings) as place:
        assert await seconds_to_end(place.running, end) < QUICK_SECONDS


@ended_in_every_way
async def test_a_server_ends_at_once_while_a_call_waits_for_a_job(
    end: End, settings: Settings
) -> None:
    never = Sandbox(stages=VideoStages(processing_seconds=1e6))
    async with running_server(settings, sandbox=never) as place:
        task_id = await buy_one(place)
        place.running.start("query_video_generation", task_id=task_id, wait_seconds=45)
        await wait_until(lambda: never.count("GET /v1/query/video_generation"))
        assert await seconds_to_end(place.running, end) < QUICK_SECONDS
    [row] = rows(place.settings)
    assert (row["state"], row["task_id"]) == ("accepted", task_id)


async def test_a_host_that_leaves_with_a_call_under_way_is_not_told_that_it_has_left(
    settings: Settings,
) -> None:
    never = Sandbox(stages=VideoStages(processing_seconds=1e6))
    async with running_server(settings, sandbox=never) as place:
        task_id = await buy_one(place)
        place.running.start("query_video_generation", task_id=task_id, wait_seconds=45)
        await wait_until(lambda: never.count("GET /v1/query/video_generation"))
        await place.running.close()
        assert b"Connection closed" not in b"".join(place.running.lines)


@ended_in_every_way
async def test_a_server_that_ends_in_the_middle_of_a_download_leaves_no_part_of_it(
    end: End, settings: Settings
) -> None:
    async with running_server(settings, Fault("/download/", bytes_per_second=2000)) as place:
        task_id = await buy_one(place)
        place.sandbox.clock.advance(60)
        status = await place.running.call("query_video_generation", task_id=task_id)
        place.running.start("retrieve_video_file", file_id=status["file_id"])
        await wait_until(lambda: place.part_files)
        assert await seconds_to_end(place.running, end) < QUICK_SECONDS
    assert [path for path in place.settings.base_path.rglob("*") if path.is_file()] == []
    [row] = rows(place.settings)
    assert (row["file_id"], row["path"]) == (status["file_id"], None)


# --- in the middle of a purchase ---------------------------------------------------------------


@ended_in_every_way
async def test_a_submission_in_flight_is_waited_for_and_its_id_kept_for_the_next_call(
    end: End, settings: Settings, time: VirtualTime
) -> None:
    async with running_server(settings, SUBMITTING) as place:
        place.running.start("generate_video", **VIDEO)
        await wait_until(lambda: place.sandbox.count_charges("video"))
        assert await seconds_to_end(place.running, end) < SLOW_SECONDS + QUICK_SECONDS
        [row] = rows(place.settings)
        assert (row["state"], row["answered_at"]) == ("accepted", None)
        assert row["task_id"] in place.sandbox.videos
        async with open_server(place.settings, time) as later:
            video = await buy(later)
    assert (video["reused"], video["task_id"]) == (True, row["task_id"])
    assert place.sandbox.count_charges("video") == 1


async def test_a_submission_without_an_answer_is_waited_for_five_seconds_and_is_then_in_doubt(
    settings: Settings, time: VirtualTime
) -> None:
    """All ways of ending at once, each with a server of its own: waiting is what takes long."""

    async def ended(end: End, state_dir: Path) -> float:
        own = replace(settings, state_dir=state_dir)
        async with running_server(
            own, Fault("/v1/video_generation", when="after", hang=True)
        ) as place:
            place.running.start("generate_video", **VIDEO)
            await wait_until(lambda: place.sandbox.count_charges("video"))
            seconds = await seconds_to_end(place.running, end)
            assert states(own) == ["unknown"]
            async with open_server(place.settings, time) as later:
                with pytest.raises(MaybeChargedError):
                    await buy(later)
        assert place.sandbox.count_charges("video") == 1
        return seconds

    ends: list[Any] = [end.values[0] for end in ENDS]
    folders = [settings.state_dir / end.__name__ for end in ends]
    for seconds in await asyncio.gather(*map(ended, ends, folders)):
        assert GRACE_SECONDS - 0.5 < seconds < GRACE_SECONDS + QUICK_SECONDS


@ended_in_every_way
async def test_a_speech_that_is_being_made_is_waited_for_and_saved(
    end: End, settings: Settings
) -> None:
    slow = Fault("/v1/t2a_v2", when="after", delay_seconds=SLOW_SECONDS)
    async with running_server(settings, slow) as place:
        place.running.start("text_to_audio", text="Good morning, everybody.")
        await wait_until(lambda: place.sandbox.count_charges("speech"))
        assert await seconds_to_end(place.running, end) < SLOW_SECONDS + QUICK_SECONDS
    [saved] = settings.base_path.glob("*.mp3")
    assert saved.stat().st_size > 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
async def test_a_second_signal_does_not_cut_the_wait_for_a_submission_short(
    settings: Settings,
) -> None:
    async with running_server(settings, SUBMITTING) as place:
        place.running.start("generate_video", **VIDEO)
        await wait_until(lambda: place.sandbox.count_charges("video"))
        terminate(place.running)
        await asyncio.sleep(0.1)
        assert await seconds_to_end(place.running, interrupt) < SLOW_SECONDS + QUICK_SECONDS
    assert states(place.settings) == ["accepted"]


HELD_UP = """
import sys, threading
from contextlib import asynccontextmanager
from mcp.server import MCPServer
from minimax.protocol import stdio

@asynccontextmanager
async def lifespan(_):
    yield
    threading.Event().wait(600)

sys.exit(stdio.serve(MCPServer("held up", lifespan=lifespan), closing_seconds=0.1))
"""


@ended_in_every_way
async def test_a_server_whose_event_loop_is_held_up_ends_all_the_same(end: End) -> None:
    async with host(code=HELD_UP) as running:
        await running.handshake()
        end(running)
        assert await running.ended() == 0


WATCHED = """
import io, os, sys
from mcp.server import MCPServer
from minimax.protocol import stdio

real, waited_on = os.dup2, set()

class WatchedFile(io.FileIO):
    def __init__(self, descriptor, *args, **kwargs):
        waited_on.add(descriptor)
        super().__init__(descriptor, *args, **kwargs)

def dup2(source, target):
    assert source not in waited_on
    return real(source, target)

io.FileIO, os.dup2 = WatchedFile, dup2
code = stdio.serve(MCPServer("watched"), closing_seconds=1)
sys.exit(code if waited_on else "nothing was watched")
"""


async def test_what_a_thread_waits_on_is_not_duplicated_at_the_end() -> None:
    """On Windows that would wait as well, for a host that has only stopped reading."""
    async with host(code=WATCHED) as running:
        await running.handshake()
        close_stdin(running)
        assert await running.ended() == 0, running.stderr


# --- a host that died --------------------------------------------------------------------------


def close_pipes(running: Host, *numbers: int) -> None:
    transport: Any = running.process._transport  # type: ignore[attr-defined]
    for number in numbers:
        transport.get_pipe_transport(number).close()


def vanish(running: Host) -> None:
    """The host's process is gone: all three pipes are closed at once."""
    close_pipes(running, 0, 1, 2)


def stop_reading(running: Host) -> None:
    """It stops reading; nothing tells the server before the submission ends."""
    close_pipes(running, 1)


def stop_reading_and_call(running: Host) -> None:
    """The first answer into the broken pipe ends the session, and not the submission."""
    stop_reading(running)
    running.start("list_video_tasks")


@pytest.mark.parametrize(
    "death",
    [
        pytest.param(vanish, id="gone"),
        pytest.param(stop_reading, id="stopped-reading"),
        pytest.param(stop_reading_and_call, id="stopped-reading-while-another-call-answers"),
    ],
)
async def test_a_submission_survives_a_host_that_died_and_is_handed_over(
    death: End, settings: Settings, time: VirtualTime
) -> None:
    async with running_server(settings, SUBMITTING) as place:
        place.running.start("generate_video", **VIDEO)
        await wait_until(lambda: place.sandbox.count_charges("video"))
        assert await seconds_to_end(place.running, death) < SLOW_SECONDS + QUICK_SECONDS
        async with open_server(place.settings, time) as later:
            assert (await buy(later))["reused"]
    assert place.sandbox.count_charges("video") == 1


# --- a call that the host gives up on ----------------------------------------------------------


async def until_abandoned(place: RunningServer) -> None:
    await wait_until(lambda: [row["caller_pid"] for row in rows(place.settings)] == [None])


@pytest.mark.parametrize("meta", [{}, {"_meta": MODERN}], ids=["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("flight", ["in-flight", "accepted"])
async def test_a_cancelled_call_is_one_billed_job_that_the_next_identical_call_gets(
    meta: dict[str, Any], flight: str, settings: Settings
) -> None:
    slow = replace(SUBMITTING, delay_seconds=0.3)
    async with running_server(settings, slow, handshake=not meta) as place:
        params = {"name": "generate_video", "arguments": VIDEO, **meta}
        ident, answer = place.running.ask("tools/call", params)
        await wait_until(lambda: place.sandbox.count_charges("video"))
        place.running.cancel(ident)
        await until_abandoned(place)
        assert states(place.settings) == ["submitting"]
        if flight == "accepted":
            await wait_until(lambda: states(place.settings) == ["accepted"])
        again = (await place.running.answer("tools/call", params))["result"]
        assert again["structuredContent"]["reused"] is True
        assert [again["structuredContent"]["task_id"]] == list(place.sandbox.videos)
        assert place.sandbox.count_charges("video") == 1
        assert not answer.done() or "result" not in answer.result()
        assert await seconds_to_end(place.running, close_stdin) < QUICK_SECONDS


async def test_a_cancelled_wait_ends_at_once_and_the_server_goes_on(settings: Settings) -> None:
    never = Sandbox(stages=VideoStages(processing_seconds=1e6))
    async with running_server(settings, sandbox=never) as place:
        task_id = await buy_one(place)
        ident, _ = place.running.start("query_video_generation", task_id=task_id, wait_seconds=45)
        await wait_until(lambda: never.count("GET /v1/query/video_generation"))
        place.running.cancel(ident)
        status = await place.running.call("query_video_generation", task_id=task_id)
        assert status["status"] in ("queued", "processing")
        assert await seconds_to_end(place.running, close_stdin) < QUICK_SECONDS
    assert never.count_charges("video") == 1
