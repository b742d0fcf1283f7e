"""Servers that follow jobs in simulated time, on a sandbox that lives in the same time."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import pytest

import minimax_server
from minimax import runtime
from minimax.jobs.follower import JobFollower
from minimax.ledger.base import Ledger
from minimax.ledger.records import Record
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from minimax.tool_results import LongAudioStatus, VideoStatus
from minimax.video.job import VIDEO_JOBS
from minimax.voice.long_speech_job import LONG_SPEECH_JOBS
from tests.support.killable import SimulatedOwner
from tests.support.simulated_time import Jitter, SimulatedSandboxClock, SimulatedTime

QUERY = "/v1/query/video_generation"
QUERY_SPEECH = "/v1/query/t2a_async_query_v2"


class Server:
    """One process of this person."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._owner = SimulatedOwner(world.settings.state_dir, world.alive)
        self.running = Runtime(
            lambda: world.settings, clock=world.time.clock, open_ledger=self._open_ledger
        )
        assert self.running.ledger is not None

    def _open_ledger(self, _: object) -> Ledger:
        return SqliteLedger(self._world.settings.state_dir, owner=self._owner)

    async def generate(self, prompt: str = "a dog", **arguments: Any) -> str:
        with runtime.use(self.running):
            video = await minimax_server.generate_video(prompt, **arguments)
        return str(video["task_id"])

    async def query(self, task_id: str, wait_seconds: float = 45) -> VideoStatus:
        with runtime.use(self.running):
            return await minimax_server.query_video_generation(task_id, wait_seconds=wait_seconds)

    async def speak(self, text: str = "Once upon a time.", **arguments: Any) -> str:
        with runtime.use(self.running):
            speech = await minimax_server.long_text_to_audio(text, **arguments)
        return str(speech["task_id"])

    async def query_speech(self, task_id: str, wait_seconds: float = 45) -> LongAudioStatus:
        with runtime.use(self.running):
            return await minimax_server.query_long_audio(task_id, wait_seconds=wait_seconds)

    async def take_up(self) -> None:
        await self.running.get_shared(JobFollower).take_up(VIDEO_JOBS, LONG_SPEECH_JOBS)

    async def row(self, task_id: str) -> Record:
        found = await self.running.ledger.by_task(task_id)
        assert found is not None
        return found

    async def until_saved(self, task_id: str, *, within_seconds: float = 1000) -> str:
        """Let time pass until the result is saved."""
        end = self._world.time.now + within_seconds
        while self._world.time.now < end:
            path = (await self.row(task_id)).path
            if path is not None:
                return path
            await self._world.time.sleep(0.5)
        raise AssertionError("the result was not saved")

    async def age(self, seconds: float) -> None:
        """Let all jobs of the ledger be that old."""
        file = self._world.settings.state_dir / FILE_NAME
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(
                "UPDATE jobs SET created_at = created_at - ?, boot_seconds = boot_seconds - ?",
                (seconds, seconds),
            )

    async def kill(self) -> None:
        """It does nothing any more, and nothing of it is put in order."""
        self._owner.close()
        for task in self.running.background.unattended_tasks:
            task.cancel()


class World:
    """A sandbox, its time, and the servers that a test starts."""

    def __init__(self, time: SimulatedTime, sandbox: Sandbox, settings: Settings) -> None:
        self.time = time
        self.sandbox = sandbox
        self.settings = settings
        self.alive: set[str] = set()
        self._servers: list[Server] = []

    def start(self) -> Server:
        self._servers.append(Server(self))
        return self._servers[-1]

    @property
    def asks(self) -> int:
        return self.sandbox.count(f"GET {QUERY}") + self.sandbox.count(f"GET {QUERY_SPEECH}")

    @property
    def downloads(self) -> int:
        return sum("/download/" in request.path for request in self.sandbox.requests)

    async def close(self) -> None:
        for server in self._servers:
            await server.running.aclose()


OpenWorld = Callable[..., Any]


@pytest.fixture
def open_world(settings: Settings, count_requests: Callable[[SimulatedTime], None]) -> OpenWorld:
    @asynccontextmanager
    async def opened(
        *,
        job_seconds: float = 100.0,
        jitter: Jitter = lambda low, high: (low + high) / 2,
        **changes: Any,
    ) -> AsyncIterator[World]:
        time = SimulatedTime(jitter)
        count_requests(time)
        stages = VideoStages(
            preparing_seconds=0, queueing_seconds=0, processing_seconds=job_seconds
        )
        sandbox = Sandbox(clock=SimulatedSandboxClock(time), stages=stages)
        async with serve(sandbox) as url:
            world = World(
                time, sandbox, replace(settings, api_host=url, **{"auto_save": True, **changes})
            )
            try:
                yield world
            finally:
                await world.close()

    return opened
