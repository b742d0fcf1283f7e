"""Who follows jobs, how the limits of a key are kept, and what MiniMax tells by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import obstore
import pytest

from minimax.errors import MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.ledger.records import State
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.team import queue
from minimax.team.callbacks import SignedCallbacks
from minimax.team.database import Connection, Database
from minimax.team.pace import Pace, free_place
from tests.conftest import KEY
from tests.support.paid_jobs import LOST, SUBMIT
from tests.support.virtual_time import VirtualTime
from tests.team.deployment import (
    ALICE,
    BOB,
    Deployment,
    Replica,
    call,
    count_downloads,
    failure,
    open_deployment,
)
from tests.team.stores import DatabaseClock

pytestmark = pytest.mark.anyio

VIDEO = {"prompt": "a dog runs along the beach"}
ASK = "GET /v1/query/video_generation"


async def read_rows(database: Database) -> list[dict[str, Any]]:
    async def read(db: Connection) -> list[dict[str, Any]]:
        return await (await db.execute("SELECT * FROM minimax_purchases ORDER BY id")).fetchall()

    return await database.run_statement(read)


async def wait_until_stored(database: Database, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(40):
        while True:
            rows = await read_rows(database)
            if len([row for row in rows if row["path"]]) >= count:
                return rows
            await asyncio.sleep(0.05)


# --- following ---------------------------------------------------------------------------------


async def test_a_worker_stores_what_nobody_asks_about_under_the_jobs_name(
    deployment: Deployment, replica: Replica, database: Database
) -> None:
    async with deployment.run_worker():
        await call(replica, ALICE, "generate_video", **VIDEO)
        [row] = await wait_until_stored(database)
    assert row["path"] == f"alice/video-{row['file_id']}.mp4"
    assert obstore.head(deployment.store._store, row["path"])["size"] > 1000
    [listed] = (await call(replica, ALICE, "list_video_tasks"))["tasks"]
    assert row["path"] in listed["video_url"]


async def test_a_long_speech_of_an_uploaded_text_is_followed_and_stored_likewise(
    deployment: Deployment, replica: Replica, database: Database
) -> None:
    upload = "2" * 32
    text = b"Good evening, and welcome to the story. " * 20
    obstore.put(deployment.store._store, f"alice/uploads/{upload}", text)
    async with deployment.run_worker():
        speech = await call(replica, ALICE, "long_text_to_audio", text_file=f"upload-{upload}")
        [row] = await wait_until_stored(database)
    status = await call(replica, ALICE, "query_long_audio", task_id=speech["task_id"])
    assert status["status"] == "completed"
    assert row["path"] in status["audio_url"]
    assert "path" not in status


async def test_a_job_that_was_accepted_while_no_worker_ran_is_followed_by_the_next(
    deployment: Deployment, replica: Replica, database: Database
) -> None:
    for number in range(3):
        await call(replica, ALICE, "generate_video", prompt=f"{number}")
    async with deployment.run_worker():
        rows = await wait_until_stored(database, 3)
    assert len({row["path"] for row in rows}) == 3


async def test_a_worker_goes_on_after_a_restart_of_postgresql(
    deployment: Deployment,
    replica: Replica,
    database: Database,
    restart_server: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue, "BEAT_SECONDS", 0.05)  # one falls into the restart for certain
    async with deployment.run_worker():
        await call(replica, ALICE, "generate_video", prompt="before")
        await wait_until_stored(database)
        await asyncio.to_thread(restart_server)
        await call(replica, ALICE, "generate_video", prompt="after")
        rows = await wait_until_stored(database, 2)
    assert len({row["path"] for row in rows}) == 2


@pytest.fixture
async def slow_deployment(database: Database, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Jobs take a few seconds."""
    stages = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=4)
    sandbox = Sandbox(keys={KEY}, stages=stages)
    async with serve(sandbox), open_deployment(database, sandbox, tmp_path) as opened:
        yield opened


async def test_one_asks_and_everybody_else_reads_what_it_was_told(
    slow_deployment: Deployment, database: Database
) -> None:
    replicas = [await slow_deployment.start_replica() for _ in range(2)]
    async with slow_deployment.run_worker(), slow_deployment.run_worker():
        video = await call(replicas[0], ALICE, "generate_video", **VIDEO)
        answers = await asyncio.gather(
            *(
                call(
                    replica,
                    ALICE,
                    "query_video_generation",
                    task_id=video["task_id"],
                    wait_seconds=20,
                )
                for replica in [*replicas, *replicas]
            )
        )
        await wait_until_stored(database)
    assert {answer["status"] for answer in answers} == {"completed"}
    assert slow_deployment.sandbox.count(ASK) <= 5
    assert count_downloads(slow_deployment.sandbox) == 1


async def test_the_jobs_of_a_worker_that_ends_go_to_another_one(
    slow_deployment: Deployment, database: Database
) -> None:
    replica = await slow_deployment.start_replica()
    async with slow_deployment.run_worker():
        for number in range(3):
            await call(replica, ALICE, "generate_video", prompt=f"{number}")
        async with asyncio.timeout(20):
            while not all(row["follower"] for row in await read_rows(database)):
                await asyncio.sleep(0.05)
            while slow_deployment.sandbox.count(ASK) < 1:
                await asyncio.sleep(0.05)
    async with slow_deployment.run_worker():
        rows = await wait_until_stored(database, 3)
    assert len({row["path"] for row in rows}) == 3
    assert count_downloads(slow_deployment.sandbox) == 3


async def test_a_worker_does_not_wait_for_one_that_lives_and_has_left_its_job(
    deployment: Deployment, replica: Replica, database: Database
) -> None:
    await call(replica, ALICE, "generate_video", **VIDEO)
    team = replica.gate.team
    assert team is not None
    async with database.pool.connection() as db:
        await db.execute("UPDATE minimax_purchases SET follower = %s", (team.sender.id,))
    async with deployment.run_worker():
        await wait_until_stored(database, 1)


async def test_a_job_whose_account_is_gone_ends_in_the_queue(
    deployment: Deployment, replica: Replica, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await call(replica, ALICE, "generate_video", **VIDEO)
    deployment.accounts._by_name.clear()
    deployment.accounts._shared_key = None
    async with deployment.run_worker(), asyncio.timeout(20):
        while "is gone; it is no longer followed" not in caplog.text:
            await asyncio.sleep(0.02)
    [row] = await read_rows(database)
    assert row["path"] is None


# --- pace --------------------------------------------------------------------------------------


@pytest.fixture
async def still(database: Database) -> AsyncIterator[tuple[Database, VirtualTime]]:
    """A database whose clock stands, and pauses that take no time."""
    clock = DatabaseClock(database.url)
    time = VirtualTime()
    try:
        yield replace(database, clock=time.clock), time
    finally:
        clock.close()


def make_pace(database: Database, key: str = "key", **limits: int) -> Pace:
    return Pace(database, key, **{"requests_a_minute": 60, "in_flight": 2, **limits})


async def test_requests_of_one_key_leave_one_by_one_whatever_replica_sends_them(
    still: tuple[Database, VirtualTime],
) -> None:
    database, time = still
    replicas = [make_pace(database) for _ in range(3)]
    for number in range(6):
        await replicas[number % 3].take_turn()
    assert time.slept == pytest.approx([1, 2, 3, 4, 5])
    await make_pace(database, "another").take_turn()
    assert len(time.slept) == 5


async def test_who_would_wait_too_long_is_told_that_nothing_was_sent(
    still: tuple[Database, VirtualTime],
) -> None:
    database, _ = still
    pace = make_pace(database, requests_a_minute=3)
    for _ in range(2):
        await pace.take_turn()
    with pytest.raises(RefusedError, match="Nothing was sent") as caught:
        await pace.take_turn()
    assert caught.value.outcome is Outcome.REJECTED


async def test_no_more_jobs_than_minimax_takes_are_in_flight(
    still: tuple[Database, VirtualTime],
) -> None:
    database, _ = still
    pace = make_pace(database)
    for task_id in ("1", "2"):
        async with pace.take_place() as place:
            place.keep(task_id)
    with pytest.raises(RefusedError, match="MiniMax-H3 videos"):
        async with make_pace(database).take_place():
            raise AssertionError
    await free_place(database, "1")
    async with pace.take_place() as place:
        place.keep("3")


@pytest.mark.parametrize(
    ("outcome", "is_free"),
    [(Outcome.REJECTED, True), (Outcome.NOT_SENT, True), (Outcome.UNKNOWN, False)],
)
async def test_a_request_in_doubt_keeps_its_place_and_a_refused_one_does_not(
    outcome: Outcome, is_free: bool, still: tuple[Database, VirtualTime]
) -> None:
    database, _ = still
    pace = make_pace(database, in_flight=1)
    with pytest.raises(MiniMaxError, match="no"):
        async with pace.take_place():
            raise UnansweredError("no", outcome=outcome)
    if is_free:
        async with pace.take_place():
            return
    with pytest.raises(RefusedError, match="MiniMax-H3 videos"):
        async with pace.take_place():
            return


async def test_a_place_is_free_when_its_job_has_ended(
    deployment: Deployment, replica: Replica, database: Database
) -> None:
    await call(replica, ALICE, "generate_video", prompt="x", model="MiniMax-H3")
    async with database.pool.connection() as db:
        held = await (await db.execute("SELECT ticket FROM minimax_in_flight")).fetchall()
        [row] = await read_rows(database)
        assert [each["ticket"] for each in held] == [row["task_id"]]
        async with deployment.run_worker():
            async with asyncio.timeout(20):
                while await (await db.execute("SELECT FROM minimax_in_flight")).fetchall():
                    await asyncio.sleep(0.05)


# --- what MiniMax tells by itself --------------------------------------------------------------


@pytest.fixture
async def called(
    database: Database, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[tuple[Deployment, Replica]]:
    """A deployment that MiniMax is asked to call."""
    async with open_deployment(
        database, sandbox, tmp_path, MINIMAX_TEAM_CALLBACK_URL="http://127.0.0.1:9"
    ) as opened:
        yield opened, await opened.start_replica()


async def push(replica: Replica, path: str, **said: Any) -> httpx2.Response:
    async with httpx2.AsyncClient() as http:
        return await http.post(replica.url + path, json=said)


def path_of(deployment: Deployment, key: str) -> str:
    found = SignedCallbacks("", deployment.settings.secret.get_secret_value(), None)  # type: ignore[arg-type]
    return f"/minimax/callback/{key}/{found._sign(key)}"


async def test_a_submission_whose_answer_was_lost_is_settled_by_minimaxs_callback(
    called: tuple[Deployment, Replica], database: Database
) -> None:
    deployment, replica = called
    deployment.sandbox.faults.add(LOST)
    buying = asyncio.create_task(call(replica, ALICE, "generate_video", **VIDEO))
    async with asyncio.timeout(10):
        while not deployment.sandbox.count_charges("video"):
            await asyncio.sleep(0.01)
    [row] = await read_rows(database)
    told = await push(replica, path_of(deployment, row["key"]), task_id="4711", status="processing")
    assert told.status_code == 200
    assert (await buying)["task_id"] == "4711"
    [row] = await read_rows(database)
    assert (row["state"], row["task_id"]) == (State.ACCEPTED.value, "4711")
    async with database.pool.connection() as db:
        queued = await (await db.execute("SELECT args FROM procrastinate_jobs")).fetchall()
    assert [job["args"]["key"] for job in queued] == [row["key"]]


async def test_a_callback_that_comes_again_or_late_changes_nothing(
    called: tuple[Deployment, Replica], database: Database
) -> None:
    deployment, replica = called
    video = await call(replica, ALICE, "generate_video", **VIDEO)
    [before] = await read_rows(database)
    path = path_of(deployment, before["key"])
    for said in ({"task_id": "4711"}, {"task_id": "4712"}, {}, {"task_id": "../x"}):
        assert (await push(replica, path, **said)).status_code == 200
    [after] = await read_rows(database)
    assert after == before
    assert after["task_id"] == video["task_id"]


@pytest.mark.parametrize("state", ["rejected", "submitting"])
async def test_a_callback_makes_no_row_of_a_refused_request_or_of_another_accounts_job(
    called: tuple[Deployment, Replica], database: Database, state: str
) -> None:
    deployment, replica = called
    alices = (await call(replica, ALICE, "generate_video", **VIDEO))["task_id"]
    deployment.sandbox.faults.add(Fault(SUBMIT, code=2013, times=1))
    await failure(replica, BOB, "generate_video", **VIDEO)
    async with database.pool.connection() as db:
        await db.execute("UPDATE minimax_purchases SET state = %s WHERE tenant = 'bob'", (state,))
    [row] = [row for row in await read_rows(database) if row["tenant"] == "bob"]
    task_id = "4711" if state == "rejected" else alices
    await push(replica, path_of(deployment, row["key"]), task_id=task_id)
    [after] = [row for row in await read_rows(database) if row["tenant"] == "bob"]
    assert (after["state"], after["task_id"]) == (state, None)


async def test_nobody_else_can_name_a_row_and_minimax_may_try_the_address(
    called: tuple[Deployment, Replica], database: Database
) -> None:
    deployment, replica = called
    await call(replica, ALICE, "generate_video", **VIDEO)
    [row] = await read_rows(database)
    forged = f"/minimax/callback/{row['key']}/{'0' * 32}"
    assert (await push(replica, forged, task_id="4711")).status_code == 404
    path = path_of(deployment, row["key"])
    answer = await push(replica, path, challenge="abc")
    assert answer.json() == {"challenge": "abc"}
    too_much = await push(replica, path, text="x" * 100_000)
    assert too_much.status_code == 413
    async with httpx2.AsyncClient() as http:
        for body in (b"no json", b"[" * 60_000):
            assert (await http.post(replica.url + path, content=body)).status_code == 200


async def test_without_an_address_no_callback_is_asked_for_or_taken(
    replica: Replica, deployment: Deployment
) -> None:
    await call(replica, ALICE, "generate_video", **VIDEO)
    answer = await push(replica, path_of(deployment, "x"), task_id="4711")
    assert answer.status_code == 503


async def test_a_doubt_that_no_callback_settles_is_told_as_one(
    called: tuple[Deployment, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    from minimax.team import callbacks

    deployment, replica = called
    monkeypatch.setattr(callbacks, "LONGEST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(callbacks, "LOOK_SECONDS", 0.05)
    deployment.sandbox.faults.add(Fault(SUBMIT, when="after", reset=True))
    text = await failure(replica, ALICE, "generate_video", **VIDEO)
    assert "may have accepted and charged" in text
    text = await failure(replica, ALICE, "generate_video", **VIDEO)
    assert "ended in doubt" in text
    assert json.dumps(deployment.sandbox.count_charges("video")) == "1"
