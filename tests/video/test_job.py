"""Waiting for a job: how often MiniMax is asked, how soon an end is noticed, what ends a wait.

Time is a world of its own here: several calls sleep side by side, and it passes only when nobody
has anything left to do. The requests are real ones, to the sandbox, which lives in the same time.
"""

import asyncio
import gc
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

import minimax_server
from minimax import runtime
from minimax.errors import KeyRefusedError, MiniMaxError, RefusedError
from minimax.runtime import Runtime, per_loop
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.settings import Settings
from minimax.tool_results import VideoStatus
from tests.support.raw_server import ok, refuse, serve_raw
from tests.support.simulated_time import SimulatedSandboxClock, SimulatedTime
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

Jitter = Callable[[float, float], float]

QUERY = "/v1/query/video_generation"
WAIT_SECONDS = 45
MOST_ASKS = 20
NOTICED_WITHIN_SECONDS = 10.0
ANSWERED_WITHIN_SECONDS = 50.0


class JobSetup:
    """A server of ours with one job bought, and the sandbox that works on it."""

    def __init__(self, world: SimulatedTime, sandbox: Sandbox, settings: Settings) -> None:
        self.world = world
        self.sandbox = sandbox
        self.settings = settings
        self.task_id = ""
        self.asked_at: list[float] = []

    @property
    def asks(self) -> int:
        return self.sandbox.count(f"GET {QUERY}")

    async def query(self, wait_seconds: float = WAIT_SECONDS) -> VideoStatus:
        return await minimax_server.query_video_generation(self.task_id, wait_seconds=wait_seconds)

    async def followed(self, *, begin: float = 0.0, gap: float = 1.0) -> float:
        """Do what a model does, call after call until the job has ended; when that was noticed."""
        await self.world.sleep(begin)
        while True:
            status = await self.query()
            if status["status"] in ("completed", "failed"):
                return self.world.now
            await self.world.sleep(gap)


@pytest.fixture
def job_setup(
    settings: Settings, count_requests: Callable[[SimulatedTime], None]
) -> Callable[..., Any]:
    @asynccontextmanager
    async def opened(
        *faults: Fault, job_seconds: float = 100.0, jitter: Jitter = lambda low, high: high
    ) -> AsyncIterator[JobSetup]:
        world = SimulatedTime(jitter)
        count_requests(world)
        sandbox = Sandbox(
            clock=SimulatedSandboxClock(world),
            stages=VideoStages(
                preparing_seconds=0, queueing_seconds=0, processing_seconds=job_seconds
            ),
        )
        async with serve(sandbox) as url:
            made = JobSetup(world, sandbox, replace(settings, api_host=url))
            async with runtime.host_runtime(Runtime(lambda: made.settings, clock=world.clock)):
                video = await minimax_server.generate_video("a dog")
                made.task_id = str(video["task_id"])
                sandbox.faults.add(*faults)
                yield made

    return opened


def random_jitter(seed: int) -> Jitter:
    return random.Random(seed).uniform


JITTERS: dict[str, Jitter] = {
    "shortest": lambda low, high: low,
    "longest": lambda low, high: high,
    "random": random_jitter(1),
    "random-2": random_jitter(2),
}
every_jitter = pytest.mark.parametrize("jitter", JITTERS.values(), ids=JITTERS)


# --- how often, how soon -----------------------------------------------------------------------


@every_jitter
@pytest.mark.parametrize("gap", [0.1, 1.9, 5.0])
async def test_a_job_of_100_seconds_is_asked_about_20_times_at_most_and_its_end_noticed_soon(
    gap: float, jitter: Jitter, job_setup: Any
) -> None:
    async with job_setup(job_seconds=100, jitter=jitter) as made:
        [noticed] = await made.world.run(made.followed(gap=gap))
        assert made.asks <= MOST_ASKS
        assert 100 <= noticed <= 100 + NOTICED_WITHIN_SECONDS


@pytest.mark.parametrize("job_seconds", [0.0, 1.0, 3.1, 20.0, 44.9, 45.1, 46.8, 47.1, 92.5, 180.0])
async def test_the_end_of_a_job_is_noticed_within_10_seconds_whenever_it_comes(
    job_seconds: float, job_setup: Any
) -> None:
    async with job_setup(job_seconds=job_seconds) as made:
        [noticed] = await made.world.run(made.followed(gap=1.9))
        assert noticed - job_seconds <= NOTICED_WITHIN_SECONDS


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("calls", [2, 5])
async def test_several_calls_for_one_job_ask_no_more_than_one_and_all_notice_its_end_soon(
    calls: int, seed: int, job_setup: Any
) -> None:
    async with job_setup(job_seconds=100, jitter=random_jitter(seed)) as made:
        begins = [2.3 * number for number in range(calls)]
        noticed = await made.world.run(*(made.followed(begin=begin) for begin in begins))
        assert made.asks <= MOST_ASKS
        assert max(noticed) <= 100 + NOTICED_WITHIN_SECONDS


async def test_the_pauses_grow_to_a_limit_and_are_not_all_alike(
    job_setup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_setup(job_seconds=1000, jitter=random_jitter(3)) as made:
        see, asked_at = made.sandbox.record, []

        def noted(*args: Any, **kwargs: Any) -> None:
            asked_at.append(made.world.now)
            see(*args, **kwargs)

        monkeypatch.setattr(made.sandbox, "record", noted)
        await made.world.run(made.query())
    pauses = [later - sooner for sooner, later in itertools.pairwise(asked_at)]
    assert 2.4 <= pauses[0] <= 3.6
    assert pauses[0] < pauses[1] < pauses[2]
    assert max(pauses) <= NOTICED_WITHIN_SECONDS
    assert len({round(pause, 3) for pause in pauses}) == len(pauses)


async def test_the_pauses_go_on_growing_from_call_to_call(job_setup: Any) -> None:
    async with job_setup(job_seconds=1000) as made:
        await made.world.run(made.query())
        first = made.asks
        await made.world.run(made.query())
        assert made.asks - first < first


async def test_a_call_without_a_wait_asks_once_every_time(job_setup: Any) -> None:
    async with job_setup() as made:
        for _ in range(3):
            [status] = await made.world.run(made.query(wait_seconds=0))
            assert (status["status"], status["provider_status"]) == ("processing", "Processing")
        assert made.asks == 3
        assert made.world.now == 0


async def test_a_job_bought_elsewhere_is_looked_up_in_the_ledger_once_in_ten_seconds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = VirtualTime(0.0)
    looks: list[float] = []
    async with serve_raw(ok(status="Queueing")) as api:
        at = replace(settings, api_host=api.url)
        async with runtime.host_runtime(Runtime(lambda: at, clock=time.clock)) as running:
            by_task = running.ledger.by_task

            async def look(task_id: str) -> Any:
                looks.append(time.seconds)
                return await by_task(task_id)

            monkeypatch.setattr(running.ledger, "by_task", look)
            for pause_seconds in (4.0, 4.0, 4.0, 4.0):
                await minimax_server.query_video_generation("7")
                time.seconds += pause_seconds
    assert sorted(set(looks)) == [0.0, 12.0]


@every_jitter
async def test_a_wait_does_not_end_with_a_word_that_is_seconds_old(
    jitter: Jitter, job_setup: Any
) -> None:
    async with job_setup(job_seconds=WAIT_SECONDS - 4, jitter=jitter) as made:
        [status] = await made.world.run(made.query())
        assert status["status"] == "completed"


async def test_the_end_of_a_wait_is_a_normal_answer(job_setup: Any) -> None:
    async with job_setup(job_seconds=1000) as made:
        [status] = await made.world.run(made.query())
        assert status["status"] == "processing"
        assert WAIT_SECONDS <= made.world.now < ANSWERED_WITHIN_SECONDS
        assert status["elapsed_seconds"] == WAIT_SECONDS


async def test_ten_waits_that_are_throttled_for_half_a_minute_all_recover(
    settings: Settings, count_requests: Callable[[SimulatedTime], None]
) -> None:
    world = SimulatedTime(random_jitter(4))
    count_requests(world)
    success = ok(status="Success", file_id="900")

    async def limited(connection: Any) -> None:
        await (success if world.now > 30 else refuse(1002, "rate limit"))(connection)

    async with serve_raw(limited) as api:
        settings = replace(settings, api_host=api.url)
        async with runtime.host_runtime(Runtime(lambda: settings, clock=world.clock)):
            waits = (
                minimax_server.query_video_generation(str(number), wait_seconds=WAIT_SECONDS)
                for number in range(10)
            )
            statuses = await world.run(*waits)
    assert [status["status"] for status in statuses] == ["completed"] * 10
    assert world.now < ANSWERED_WITHIN_SECONDS
    assert len(api.requests) <= 10 * MOST_ASKS


async def test_ten_waits_for_one_job_ask_as_often_as_one_while_minimax_is_in_trouble(
    settings: Settings, count_requests: Callable[[SimulatedTime], None]
) -> None:
    asked = []
    for waiters in (1, 10):
        world = SimulatedTime(random_jitter(4))
        count_requests(world)
        async with serve_raw(refuse(1033)) as api:
            at = replace(settings, api_host=api.url)
            async with runtime.host_runtime(Runtime(lambda at=at: at, clock=world.clock)):  # type: ignore[misc]
                await world.run(*(cancel_wait() for _ in range(waiters)))
        asked.append(len(api.requests))
    assert asked[0] == asked[1]


async def cancel_wait() -> None:
    with pytest.raises(MiniMaxError):
        await minimax_server.query_video_generation("7", wait_seconds=10)


# --- what is told meanwhile --------------------------------------------------------------------


async def test_a_wait_reports_every_few_seconds_how_much_of_it_is_over_and_the_word(
    job_setup: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_setup(job_seconds=30) as made:
        monkeypatch.setattr(per_loop, "Clock", lambda: made.world.clock)
        told: list[tuple[float, float | None, str | None]] = []

        async def told_of(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, total, message))

        async with Client(minimax_server.make_server(lambda: made.settings)) as client:
            arguments = {"task_id": made.task_id, "wait_seconds": WAIT_SECONDS}
            [result] = await made.world.run(
                client.call_tool("query_video_generation", arguments, progress_callback=told_of)
            )
        assert result.structured_content["status"] == "completed"
        assert len(told) >= made.asks > 3
    elapsed = [progress for progress, _, _ in told]
    assert elapsed == sorted(set(elapsed))
    assert elapsed[0] == 0
    assert all(later - sooner <= 5.1 for sooner, later in itertools.pairwise(elapsed))
    assert all(seconds == round(seconds, 1) for seconds in elapsed)
    assert {total for _, total, _ in told} == {WAIT_SECONDS}
    assert all("Processing" in str(message) for _, _, message in told[:-1])
    assert "Success" in str(told[-1][2])


async def test_a_report_stays_short_whatever_minimax_says(settings: Settings) -> None:
    told: list[str | None] = []

    async def told_of(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with serve_raw(ok(status="Thinking " * 100)) as api:
        at = replace(settings, api_host=api.url)
        async with Client(minimax_server.make_server(lambda: at)) as client:
            await client.call_tool(
                "query_video_generation",
                {"task_id": "7", "wait_seconds": 0.01},
                progress_callback=told_of,
            )
    assert told
    assert all(message is not None and len(message) < 200 for message in told)


# --- what a wait survives, and what ends it ----------------------------------------------------

PASSING = [
    pytest.param({"status": 502}, id="502"),
    pytest.param({"reset": True}, id="reset"),
    pytest.param({"close": True}, id="closed"),
    pytest.param({"code": 1002}, id="throttled"),
    pytest.param({"code": 1033}, id="system-error"),
    pytest.param({"status": 200, "body": b"<html>"}, id="no-JSON"),
]
TRIES_PER_ASK = 4


@pytest.mark.parametrize("fault", PASSING)
async def test_five_failed_asks_in_a_row_do_not_end_a_wait(
    fault: dict[str, Any], job_setup: Any
) -> None:
    passing = Fault(QUERY, times=5 * TRIES_PER_ASK, **fault)
    async with job_setup(passing, job_seconds=1, jitter=JITTERS["shortest"]) as made:
        [status] = await made.world.run(made.query())
        assert status["status"] == "completed"
        assert made.asks == 5 * TRIES_PER_ASK + 1


async def test_a_sixth_failed_ask_in_a_row_is_told(job_setup: Any) -> None:
    async with job_setup(Fault(QUERY, times=None, status=502), jitter=JITTERS["shortest"]) as made:
        with pytest.raises(MiniMaxError, match="MiniMax is in trouble"):
            await made.world.run(made.query())
        assert made.asks == 6 * TRIES_PER_ASK
        assert made.world.now < WAIT_SECONDS


async def test_failures_that_are_not_in_a_row_are_not_counted_together(job_setup: Any) -> None:
    async with job_setup(job_seconds=1000, jitter=JITTERS["shortest"]) as made:
        see, answered = made.sandbox.record, itertools.count()

        def spoil_every_other(*args: Any, **kwargs: Any) -> None:
            if next(answered) % (TRIES_PER_ASK + 1) == 0:
                made.sandbox.faults.add(Fault(QUERY, times=TRIES_PER_ASK, status=502))
            see(*args, **kwargs)

        made.sandbox.record = spoil_every_other
        for _ in range(3):
            [status] = await made.world.run(made.query())
            assert status["status"] == "processing"
        assert made.asks > 6 * (TRIES_PER_ASK + 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [(1004, KeyRefusedError), (2049, KeyRefusedError), (2013, RefusedError)],
    ids=["key-1004", "key-2049", "bad-id"],
)
async def test_a_refused_ask_ends_a_wait_at_once(
    code: int, error: type[MiniMaxError], job_setup: Any
) -> None:
    async with job_setup(Fault(QUERY, times=None, code=code)) as made:
        with pytest.raises(error):
            await made.world.run(made.query())
        assert (made.asks, made.world.now) == (1, 0)


async def test_an_error_to_ask_never_looks_like_a_failed_job(job_setup: Any) -> None:
    async with job_setup(Fault(QUERY, times=None, code=2013), job_seconds=1) as made:
        with pytest.raises(RefusedError):
            await made.world.run(made.query())
        made.sandbox.faults.clear()
        [status] = await made.world.run(made.query())
        assert status["status"] == "completed"


async def test_a_cancelled_wait_leaves_the_job_and_the_other_waits_alone(job_setup: Any) -> None:
    async with job_setup(Fault(QUERY, delay_seconds=0.1), job_seconds=20) as made:
        given_up = asyncio.ensure_future(made.query())
        other: asyncio.Future[VideoStatus] = asyncio.ensure_future(made.query())
        while not made.asks:
            await asyncio.sleep(0.001)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert made.world.now == 0
        [status] = await made.world.run(other)
        assert status["status"] == "completed"
        assert {request.method for request in made.sandbox.requests} == {"POST", "GET"}
        assert made.sandbox.count("POST /v1/video_generation") == 1


# --- what is not asked again -------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["a dog", "[fail]", "[block output]"])
async def test_a_final_answer_costs_no_further_request_also_after_a_restart(
    prompt: str, job_setup: Any
) -> None:
    async with job_setup(job_seconds=1) as made:
        video = await minimax_server.generate_video(prompt)
        made.task_id = str(video["task_id"])
        [first] = await made.world.run(made.query())
        asks = made.asks
        again = [(await made.world.run(made.query(wait_seconds=w)))[0] for w in (0, WAIT_SECONDS)]
        async with runtime.host_runtime(Runtime(lambda: made.settings, clock=made.world.clock)):
            again += await made.world.run(made.query(), made.query(wait_seconds=0))
        assert made.asks == asks
    assert first["status"] == ("completed" if prompt == "a dog" else "failed")
    for answer in again:
        assert answer | {"elapsed_seconds": 0} == first | {"elapsed_seconds": 0}


async def test_an_answer_that_is_not_final_is_asked_for_again_after_a_restart(
    job_setup: Any,
) -> None:
    async with job_setup(job_seconds=60) as made:
        await made.world.run(made.query(wait_seconds=0))
        async with runtime.host_runtime(Runtime(lambda: made.settings, clock=made.world.clock)):
            [status] = await made.world.run(made.query(wait_seconds=0))
        assert status["status"] == "processing"
        assert made.asks == 2


# --- a soak in small ---------------------------------------------------------------------------

SOAK_FAULTS = itertools.cycle(
    [
        Fault(QUERY, status=502),
        Fault(QUERY, reset=True),
        Fault(QUERY, when="after", close=True),
        Fault(QUERY, code=1002),
        Fault(QUERY, when="after", cut_after_bytes=20),
        Fault(QUERY, code=2013),
    ]
)


LEDGER_DESCRIPTORS = 8
"""Of an open ledger at most: its file, what SQLite keeps beside it, and the lock of its owner."""


def open_descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


async def count_descriptors_once_closed(at_most: int) -> int:
    """The descriptors of this process, once the sandbox closed its ends of connections."""
    for _ in range(200):
        if open_descriptors() <= at_most:
            break
        await asyncio.sleep(0.05)
    return open_descriptors()


async def test_after_300_queries_with_faults_no_task_and_no_descriptor_is_left_over(
    settings: Settings, time: VirtualTime
) -> None:
    at_once = 10
    sandbox = Sandbox(stages=VideoStages(processing_seconds=1e6))
    async with serve(sandbox) as url:
        settings = replace(settings, api_host=url)
        async with runtime.host_runtime(Runtime(lambda: settings, clock=time.clock)):
            await minimax_server.generate_video("opens what stays open")
        gc.collect()
        descriptors_before = open_descriptors()
        async with runtime.host_runtime(Runtime(lambda: settings, clock=time.clock)):
            videos = [await minimax_server.generate_video(str(n)) for n in range(at_once)]

            async def one_round() -> list[VideoStatus | BaseException]:
                sandbox.faults.add(next(SOAK_FAULTS))
                calls: list[Awaitable[VideoStatus]] = [
                    minimax_server.query_video_generation(
                        str(video["task_id"]), wait_seconds=number % 2
                    )
                    for number, video in enumerate(videos)
                ]
                return await asyncio.gather(*calls, return_exceptions=True)

            async def rounds(count: int) -> tuple[int, int]:
                errors = 0
                for _ in range(count):
                    outcomes = await one_round()
                    errors += sum(isinstance(outcome, MiniMaxError) for outcome in outcomes)
                    assert all(isinstance(outcome, dict | MiniMaxError) for outcome in outcomes)
                await asyncio.sleep(0.05)
                gc.collect()
                return len(asyncio.all_tasks()), errors

            tasks_before, _ = await rounds(10)
            tasks, errors = await rounds(20)
            connections = 2 * at_once
            assert open_descriptors() <= descriptors_before + connections + LEDGER_DESCRIPTORS
        descriptors = await count_descriptors_once_closed(descriptors_before)
    assert tasks <= tasks_before + at_once  # a connection of the sandbox is a task of it
    assert descriptors <= descriptors_before
    assert 0 < errors < 20
    assert sandbox.count(f"GET {QUERY}") > 150
