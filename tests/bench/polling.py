"""How a video job is followed, in time that does not pass: how often, and how late its end is seen.

A host that waits as it is told calls query_video_generation(wait_seconds=45) again and again.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from minimax.clock import Clock
from minimax.sandbox import Clock as SandboxClock
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from minimax.video import job
from tests.bench.rows import Bench, Row
from tests.support.in_process import use_runtime
from tests.support.virtual_time import VirtualTime

ASKS: Final = 20
LATE_SECONDS: Final = 10.0

JOB_SECONDS: Final = 100.0
SHIFTS_SECONDS: Final = range(10)
"""Added to a job's length, so that its end falls on every part of a pause."""
JITTERS: Final = (0.0, 0.5, 1.0)
"""Of the range that a pause is drawn from: always its shortest, its middle, its longest."""
WAIT_SECONDS: Final = 45


@dataclass(frozen=True)
class Followed:
    """One job, from the order to the moment its end was noticed."""

    asks: int
    late_seconds: float


async def asks(_: Bench) -> list[Row]:
    """How often a job is asked about, and how late its end is noticed."""
    worst = await _worst()
    return [
        Row(
            what=f"asks per finished job of {JOB_SECONDS:.0f} s",
            budget=f"at most {ASKS}",
            measured=f"{worst.asks}",
            kept=worst.asks <= ASKS,
        ),
        Row(
            what="its end noticed",
            budget=f"within {LATE_SECONDS:.0f} s",
            measured=f"after {worst.late_seconds:.1f} s at worst",
            kept=worst.late_seconds <= LATE_SECONDS,
        ),
    ]


async def _worst() -> Followed:
    """The most asks for a job of 100 s, and the latest that any end is noticed."""
    exact = [await _follow(JOB_SECONDS, jitter) for jitter in JITTERS]
    lengths = [JOB_SECONDS + shift for shift in SHIFTS_SECONDS]
    all_jobs = exact + [await _follow(length, jitter) for jitter in JITTERS for length in lengths]
    return Followed(
        asks=max(job.asks for job in exact),
        late_seconds=max(job.late_seconds for job in all_jobs),
    )


async def _follow(job_seconds: float, jitter: float) -> Followed:
    time = _Time(jitter=jitter)
    started = time.seconds
    stages = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=job_seconds)
    sandbox = Sandbox(clock=_SandboxTime(time), stages=stages)
    with tempfile.TemporaryDirectory() as folder:
        async with serve(sandbox), use_runtime(_settings(folder), sandbox, time) as runtime:
            order = {"model": "MiniMax-Hailuo-2.3", "prompt": "a lighthouse"}
            task_id = sandbox.videos.create(order)["task_id"]
            status = "queued"
            while status != "completed":
                found = await job.query(runtime, task_id, wait_seconds=WAIT_SECONDS)
                status = found["status"]
    asks = sandbox.count("GET /v1/query/video_generation")
    return Followed(asks, time.seconds - started - job_seconds)


@dataclass
class _Time(VirtualTime):
    """Time that does not pass, with a chosen jitter."""

    jitter: float = 1.0

    @property
    def clock(self) -> Clock:
        return replace(super().clock, jitter=lambda low, high: low + (high - low) * self.jitter)


class _SandboxTime(SandboxClock):
    """The same time for the sandbox."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def now(self) -> float:
        return self._time.seconds


def _settings(folder: str) -> Settings:
    environ = {
        "MINIMAX_API_KEY": "sk-api-bench",
        "MINIMAX_MCP_BASE_PATH": folder,
        "MINIMAX_MCP_STATE_DIR": folder,
    }
    return Settings.from_env(environ=environ, env_file=Path(folder) / "none")
