"""How a video job is followed, in time that does not pass: how often, and how late its end is seen.

A host that waits as it is told calls query_video_generation(wait_seconds=45) again and again.
"""

import math
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from minimax.clock import Clock
from minimax.jobs.rhythm import LEAST_HISTORY
from minimax.sandbox import Clock as SandboxClock
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from minimax.video import job
from minimax_server import generate_video
from tests.bench.rows import OURS, Bench, Row
from tests.support.in_process import use_runtime
from tests.support.virtual_time import VirtualTime

ASKS: Final = 20
LATE_SECONDS: Final = 10.0
ASKS_WITH_HISTORY: Final = 12
LATE_WITH_HISTORY_SECONDS: Final = 4.0

JOB_SECONDS: Final = 100.0
SHIFTS_SECONDS: Final = range(10)
"""Added to a job's length, so that its end falls on every part of a pause."""
JITTERS: Final = (0.0, 0.5, 1.0)
"""Of the range that a pause is drawn from: always its shortest, its middle, its longest."""
WAIT_SECONDS: Final = 45
HISTORIES: Final = 60
"""Jobs that are followed after five others, drawn from one distribution."""
SPREAD: Final = 0.1
"""Of the logarithm of a job's length."""
TAIL_EVERY: Final = 30
TAIL_FACTOR: Final = 3
"""So much longer takes one job in thirty."""
ENDED: Final = '{"status": "Fail"}'
Jitter = Callable[[float, float], float]


@dataclass(frozen=True)
class Followed:
    """One job, from the order to the moment its end was noticed."""

    asks: int
    late_seconds: float


async def asks(_: Bench) -> list[Row]:
    """How often a job is asked about and how late its end is noticed, without and with history."""
    worst = await _worst()
    exact, drawn = await _follow_with_history()
    asked = _percentile([job.asks for job in exact], 95)
    late_seconds = _percentile([job.late_seconds for job in drawn], 95)
    return [
        Row(
            what=f"asks per finished job of {JOB_SECONDS:.0f} s",
            budget=f"at most {ASKS}",
            measured=f"{worst.asks}",
            kept=worst.asks <= ASKS,
            used={OURS: worst.asks / ASKS},
        ),
        Row(
            what="its end noticed",
            budget=f"within {LATE_SECONDS:.0f} s",
            measured=f"after {worst.late_seconds:.1f} s at worst",
            kept=worst.late_seconds <= LATE_SECONDS,
            used={OURS: worst.late_seconds / LATE_SECONDS},
        ),
        Row(
            what=f"asks per finished job of {JOB_SECONDS:.0f} s, after five such jobs",
            budget=f"at most {ASKS_WITH_HISTORY}",
            measured=f"p95 {asked:.0f}",
            kept=asked <= ASKS_WITH_HISTORY,
            used={OURS: asked / ASKS_WITH_HISTORY},
        ),
        Row(
            what="its end noticed, after five such jobs, one in thirty three times as long",
            budget=f"p95 within {LATE_WITH_HISTORY_SECONDS:.0f} s",
            measured=f"p95 {late_seconds:.1f} s",
            kept=late_seconds <= LATE_WITH_HISTORY_SECONDS,
            used={OURS: late_seconds / LATE_WITH_HISTORY_SECONDS},
        ),
    ]


async def _worst() -> Followed:
    """The most asks for a job of 100 s, and the latest that any end is noticed."""
    exact = [await _follow(JOB_SECONDS, _fixed(jitter)) for jitter in JITTERS]
    lengths = [JOB_SECONDS + shift for shift in SHIFTS_SECONDS]
    shifted = [await _follow(s, _fixed(jitter)) for jitter in JITTERS for s in lengths]
    return Followed(
        asks=max(job.asks for job in exact),
        late_seconds=max(job.late_seconds for job in exact + shifted),
    )


async def _follow_with_history() -> tuple[list[Followed], list[Followed]]:
    """Jobs after five others of their size: of exactly 100 s, and as long as chance wants them."""
    chance = random.Random(1)
    exact: list[Followed] = []
    drawn: list[Followed] = []
    for number in range(HISTORIES):
        history = [_draw(chance) for _ in range(LEAST_HISTORY)]
        exact.append(await _follow(JOB_SECONDS, chance.uniform, history=history))
        seconds = _draw(chance) * (TAIL_FACTOR if number % TAIL_EVERY == 0 else 1)
        drawn.append(await _follow(seconds, chance.uniform, history=history))
    return exact, drawn


def _draw(chance: random.Random) -> float:
    return JOB_SECONDS * math.exp(chance.gauss(0, SPREAD))


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def _fixed(share: float) -> Jitter:
    return lambda low, high: low + (high - low) * share


async def _follow(job_seconds: float, jitter: Jitter, *, history: Sequence[float] = ()) -> Followed:
    time = _Time(jitter=jitter)
    sandbox = Sandbox(clock=_SandboxTime(time), stages=_stages(job_seconds))
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(folder)
        async with serve(sandbox), use_runtime(settings, sandbox, time) as runtime:
            for number, took_seconds in enumerate(history):
                task_id = await _buy(number)
                await runtime.ledger.record_status(
                    task_id,
                    status="completed",
                    file_id=None,
                    reply=ENDED,
                    is_final=True,
                    took_seconds=took_seconds,
                )
            started = time.seconds
            task_id = await _buy(len(history))
            while (await job.query(runtime, task_id, wait_seconds=WAIT_SECONDS))["status"] not in (
                "completed",
                "failed",
            ):
                pass
    return Followed(
        sandbox.count("GET /v1/query/video_generation"), time.seconds - started - job_seconds
    )


async def _buy(number: int) -> str:
    return str((await generate_video(f"a lighthouse {number}"))["task_id"])


def _stages(job_seconds: float) -> VideoStages:
    return VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=job_seconds)


@dataclass(kw_only=True)
class _Time(VirtualTime):
    """Time that does not pass, with a chosen jitter."""

    jitter: Jitter

    @property
    def clock(self) -> Clock:
        return replace(super().clock, jitter=self.jitter)


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
        "MINIMAX_MCP_AUTO_SAVE": "off",
        "MINIMAX_MCP_DAILY_LIMIT_USD": "off",
    }
    return Settings.from_env(environ=environ, env_file=Path(folder) / "none")
