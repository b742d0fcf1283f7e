"""A shop that sells videos, the servers of a user who buys there, and the ledger on disk.

The shop is the sandbox: what it billed is what a person would pay.
"""

import asyncio
import sqlite3
import time as real_time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import pytest

import minimax_server
from minimax import runtime
from minimax.ledger.clock import LedgerClock
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, serve
from minimax.settings import Settings
from minimax.tool_results import SubmittedVideo
from tests.conftest import KEY
from tests.support.host import Host, host
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
    """Call the tool at one of several servers in this loop; WISH unless told otherwise."""
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
    """The ledger as it lies on disk, oldest first."""
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
async def start_server(settings: Settings) -> AsyncIterator[Host]:
    """The real server on stdio, ready to be called."""
    env = {
        "MINIMAX_API_HOST": str(settings.api_host),
        "MINIMAX_API_KEY": KEY,
        "MINIMAX_MCP_STATE_DIR": str(settings.state_dir),
    }
    async with host(env=env) as started:
        await started.handshake()
        yield started


async def kill(running: Host) -> None:
    running.process.kill()
    await running.process.wait()
