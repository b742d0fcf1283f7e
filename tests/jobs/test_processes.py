"""Real servers that follow jobs: started, killed, frozen and ended as hosts do it."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.support.host import Host, host
from tests.support.paid_jobs import VIDEO, kill, rows, server_env, start_server, wait_until

pytestmark = pytest.mark.anyio

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

JOB_SECONDS = 1.5
IMPATIENT = """
import runpy, sys
from minimax.jobs import job
from minimax.ledger import sqlite
sqlite.LEASE_SECONDS = 1.0
sqlite.SqliteLedger.__init__.__kwdefaults__["beat_seconds"] = 0.2
job.LOOK_PAUSE_SECONDS = 0.2
sys.argv = ["minimax_server.py"]
runpy.run_path("minimax_server.py", run_name="__main__")
"""
"""The server, with a lease that a test can wait for."""


@asynccontextmanager
async def run_shop(
    settings: Settings, *, job_seconds: float = JOB_SECONDS
) -> AsyncIterator[tuple[Sandbox, Settings]]:
    stages = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=job_seconds)
    sandbox = Sandbox(stages=stages)
    async with serve(sandbox) as url:
        yield sandbox, replace(settings, api_host=url, auto_save=True)


def saved_files(settings: Settings) -> list[Path]:
    return sorted(settings.base_path.glob("*")) if settings.base_path.exists() else []


def is_saved(settings: Settings) -> bool:
    return [row["path"] for row in rows(settings)] == [str(p) for p in saved_files(settings)] != []


def count_downloads(sandbox: Sandbox) -> int:
    return sum("/download/" in request.path for request in sandbox.requests)


async def test_a_video_is_saved_while_the_host_says_nothing(settings: Settings) -> None:
    async with run_shop(settings) as (sandbox, at), start_server(at) as server:
        await server.call("generate_video", **VIDEO)
        await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1


@posix_only
async def test_what_a_killed_server_followed_is_saved_after_the_first_call_of_the_next(
    settings: Settings,
) -> None:
    async with run_shop(settings) as (sandbox, at):
        async with start_server(at) as one:
            await one.call("generate_video", **VIDEO)
            await kill(one)
        async with start_server(at) as other:
            await other.call("list_voices")
            await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1


@posix_only
async def test_the_jobs_of_a_killed_server_are_taken_over_by_one_that_runs(
    settings: Settings,
) -> None:
    async with run_shop(settings) as (sandbox, at), start_server(at) as other:
        async with start_server(at) as one:
            await one.call("generate_video", **VIDEO)
            await other.call("list_voices")
            await wait_until(lambda: rows(at)[0]["follower"])
            await kill(one)
        await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1


@asynccontextmanager
async def start_impatient(settings: Settings) -> AsyncIterator[Host]:
    async with host(code=IMPATIENT, env=server_env(settings)) as started:
        await started.handshake()
        yield started


@posix_only
async def test_the_jobs_of_a_frozen_server_are_taken_over_and_stay_so_when_it_thaws(
    settings: Settings,
) -> None:
    async with (
        run_shop(settings, job_seconds=4 * JOB_SECONDS) as (sandbox, at),
        start_impatient(at) as one,
        start_impatient(at) as other,
    ):
        await one.call("generate_video", **VIDEO)
        await wait_until(lambda: rows(at)[0]["follower"])
        holder = rows(at)[0]["follower"]
        await other.call("list_voices")
        one.process.send_signal(signal.SIGSTOP)
        await wait_until(lambda: rows(at)[0]["follower"] not in (holder, None))
        one.process.send_signal(signal.SIGCONT)
        await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1
        await one.close()


@pytest.mark.parametrize("end", ["EOF", pytest.param("SIGTERM", marks=posix_only)])
async def test_following_does_not_keep_a_server_alive(end: str, settings: Settings) -> None:
    async with run_shop(settings) as (_, at), start_server(at) as server:
        await server.call("generate_video", **VIDEO)
        if end == "SIGTERM":
            server.process.terminate()
            assert await server.ended(limit_seconds=3) == 0
        else:
            assert await server.close(limit_seconds=3) == 0
        assert saved_files(at) == []
        assert rows(at)[0]["status"] in ("queued", "processing")


async def test_two_servers_of_one_ledger_download_a_video_once(settings: Settings) -> None:
    async with (
        run_shop(settings) as (sandbox, at),
        start_server(at) as one,
        start_server(at) as other,
    ):
        video = await one.call("generate_video", **VIDEO)
        for server in (other, one):
            status = await server.call(
                "query_video_generation", task_id=video["task_id"], wait_seconds=20
            )
            assert status["status"] == "completed"
        await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1


async def test_a_slow_download_of_one_server_is_not_begun_by_another(settings: Settings) -> None:
    async with (
        run_shop(settings) as (sandbox, at),
        start_impatient(at) as one,
        start_impatient(at) as other,
    ):
        sandbox.faults.add(Fault("/download/", delay_seconds=2))
        await one.call("generate_video", **VIDEO)
        await other.call("list_voices")
        await wait_until(lambda: is_saved(at))
        assert count_downloads(sandbox) == 1
