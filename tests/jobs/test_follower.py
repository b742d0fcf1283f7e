"""Jobs are followed and saved by themselves, by one process of a ledger at a time."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import minimax_server
from minimax import runtime
from minimax.ledger.records import Kind
from minimax.sandbox import Fault
from tests.jobs.conftest import QUERY, Server, World
from tests.support.paid_jobs import SUBMIT, cancel_call

pytestmark = pytest.mark.anyio

REQUESTS_PER_MINUTE = 300
"""MiniMax's limit for H3; for questions it names none."""


# --- one process -------------------------------------------------------------------------------


async def test_a_job_that_nobody_asks_about_is_saved_when_it_ends(open_world: Any) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.generate()
        [path] = await world.time.run(server.until_saved(task_id))
        assert Path(path).stat().st_size > 0
        assert 100 <= world.time.now <= 111
        assert (world.downloads, world.sandbox.count("POST /v1/video_generation")) == (1, 1)


async def test_the_next_question_is_answered_with_the_path_and_without_a_request(
    open_world: Any,
) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.generate()
        [path] = await world.time.run(server.until_saved(task_id))
        requests = len(world.sandbox.requests)
        status = await server.query(task_id, wait_seconds=0)
        assert (status["status"], status["path"]) == ("completed", path)
        assert path in status["next_step"]
        assert len(world.sandbox.requests) == requests


async def test_a_wait_ends_with_the_path(open_world: Any) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        task_id = await server.generate()
        [status] = await world.time.run(server.query(task_id))
        assert status["path"] is not None
        assert world.downloads == 1


async def test_a_wait_and_the_follower_ask_in_one_rhythm(open_world: Any) -> None:
    asks = []
    for auto_save in (False, True):
        async with open_world(job_seconds=100, auto_save=auto_save) as world:
            server = world.start()
            task_id = await server.generate()
            for _ in range(3):
                await world.time.run(server.query(task_id))
            asks.append(world.asks)
    assert asks[1] <= asks[0] + 1


@pytest.mark.parametrize(
    ("changes", "downloads"), [({"resource_mode": "url"}, 0), ({"auto_save": False}, 0)], ids=str
)
async def test_nothing_is_saved_where_links_or_no_files_are_wanted(
    changes: dict[str, Any], downloads: int, open_world: Any
) -> None:
    async with open_world(**changes) as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(world.time.sleep(150))
        assert world.downloads == downloads
        is_followed = "resource_mode" in changes
        row = await server.row(task_id)
        assert (row.file_id is not None) is is_followed
        assert (world.asks > 0) is is_followed
        assert row.path is None


async def test_a_job_that_fails_is_followed_to_its_end_and_no_further(open_world: Any) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        task_id = await server.generate("[fail]")
        await world.time.run(world.time.sleep(60))
        assert (await server.row(task_id)).status == "failed"
        asks = world.asks
        await world.time.run(world.time.sleep(600))
        assert world.asks == asks
        assert world.downloads == 0


async def test_a_video_that_the_person_has_just_fetched_elsewhere_is_not_saved_as_well(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(world.time.sleep(4))
        world.time.suspend(10)
        status = await server.query(task_id, wait_seconds=0)
        with runtime.use(server.running):
            found = await minimax_server.retrieve_video_file(
                str(status["file_id"]), output_directory="elsewhere"
            )
        await world.time.run(world.time.sleep(60))
        assert (await server.row(task_id)).path == found["path"]
        assert world.downloads == 1


async def test_a_video_that_was_saved_before_the_restart_is_not_saved_again(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(server.until_saved(task_id))
        await server.kill()
        other = world.start()
        await other.take_up()
        await world.time.run(world.time.sleep(60))
        assert world.downloads == 1


async def test_a_job_whose_answer_was_lost_is_saved_and_still_handed_over(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        world.sandbox.faults.add(Fault(SUBMIT, when="after", delay_seconds=0.1))
        await cancel_call(server.generate(), once=lambda: world.sandbox.count_charges("video") == 1)
        await world.time.run(world.time.sleep(60))
        assert world.downloads == 1
        task_id = await server.generate()
        assert world.sandbox.count_charges("video") == 1
        assert (await server.row(task_id)).path is not None


# --- faults ------------------------------------------------------------------------------------

PASSING = [
    pytest.param({"status": 502}, id="502"),
    pytest.param({"reset": True}, id="reset"),
    pytest.param({"close": True}, id="closed"),
    pytest.param({"code": 1002}, id="throttled"),
    pytest.param({"code": 1033}, id="system-error"),
    pytest.param({"status": 200, "body": b"<html>"}, id="no-JSON"),
    pytest.param({"when": "after", "cut_after_bytes": 20}, id="cut"),
]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_follower_survives_ten_minutes_of_faults_and_saves_the_video(
    fault: dict[str, Any], open_world: Any
) -> None:
    async with open_world(job_seconds=30) as world:
        server = world.start()
        task_id = await server.generate()
        world.sandbox.faults.add(Fault(QUERY, times=None, **fault))
        await world.time.run(world.time.sleep(600))
        assert (await server.row(task_id)).path is None
        asked = world.asks
        assert asked < 150
        world.sandbox.faults.clear()
        await world.time.run(server.until_saved(task_id, within_seconds=100))


DOWNLOAD_FAULTS = [
    pytest.param({"status": 403}, 2, id="expired"),
    pytest.param({"reset": True}, 3, id="reset"),
    pytest.param({"when": "after", "cut_after_bytes": 100}, 3, id="cut"),
    pytest.param({"status": 200, "body": b"<html>"}, 1, id="no-video"),
]


@pytest.mark.parametrize(("fault", "times"), DOWNLOAD_FAULTS)
async def test_a_download_that_fails_is_tried_again_later(
    fault: dict[str, Any], times: int, open_world: Any
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        task_id = await server.generate()
        world.sandbox.faults.add(Fault("/download/", times=times, **fault))
        await world.time.run(server.until_saved(task_id, within_seconds=120))


async def test_a_query_says_that_saving_failed_and_does_not_wait_for_it(
    open_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        task_id = await server.generate()
        world.sandbox.faults.add(Fault("/download/", times=None, status=500))
        await world.time.run(world.time.sleep(60))
        began = world.time.now
        [found] = await world.time.run(server.query(task_id))
        assert world.time.now - began < 1
        assert found["status"] == "completed"
        assert "It could not be saved by itself: " in found["next_step"]
        await world.time.run(world.time.sleep(3600))
        warned = [record for record in caplog.records if "could not be saved" in record.message]
        assert len(warned) == 1
        assert "Signature" not in caplog.text


async def test_a_video_that_cannot_be_saved_is_given_up_and_fetched_on_request(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        task_id = await server.generate()
        world.sandbox.faults.add(Fault("/download/", times=None, status=500))
        await world.time.run(world.time.sleep(3600))
        downloads = world.downloads
        assert not server.running.background.unattended_tasks
        world.sandbox.faults.clear()
        await server.kill()
        other = world.start()
        await other.take_up()
        await world.time.run(world.time.sleep(600))
        assert world.downloads == downloads
        assert (await other.row(task_id)).path is None


@pytest.mark.parametrize("code", [1004, 2049])
async def test_a_refused_key_ends_the_following_at_once(code: int, open_world: Any) -> None:
    async with open_world() as world:
        server = world.start()
        await server.generate()
        world.sandbox.faults.add(Fault(QUERY, times=None, code=code))
        await world.time.run(world.time.sleep(600))
        assert world.asks == 1


async def test_a_job_that_minimax_does_not_know_is_given_up_after_three_questions(
    open_world: Any,
) -> None:
    async with open_world() as world:
        server = world.start()
        await server.generate()
        world.sandbox.faults.add(Fault(QUERY, times=None, code=2013))
        await world.time.run(world.time.sleep(600))
        assert world.asks == 3


async def test_following_ends_with_its_server_and_leaves_nothing_over(open_world: Any) -> None:
    async with open_world() as world:
        server = world.start()
        await server.generate()
        tasks = server.running.background.unattended_tasks
        assert len(tasks) == 1
        await server.running.aclose()
        assert all(task.done() for task in tasks)


async def test_a_question_that_hangs_delays_no_other_job_and_no_call(open_world: Any) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        first = await server.generate("a dog")
        world.sandbox.faults.add(Fault(QUERY, delay_seconds=5))
        while not world.asks:
            await world.time.run(world.time.sleep(1))
            await asyncio.sleep(0.01)
        asked = world.asks
        second = await server.generate("a cat")
        status = await server.query(second, wait_seconds=0)
        assert status["status"] == "processing"
        assert world.asks == asked + 1
        assert first != second


# --- several processes -------------------------------------------------------------------------


async def test_two_chats_follow_one_job_with_the_asks_and_the_download_of_one(
    open_world: Any,
) -> None:
    async with open_world() as world:
        one, other = world.start(), world.start()
        task_id = await one.generate()
        await other.take_up()
        await world.time.run(one.query(task_id), other.query(task_id))
        await world.time.run(one.query(task_id), other.query(task_id))
        statuses = await world.time.run(one.query(task_id), other.query(task_id))
        assert [status["status"] for status in statuses] == ["completed"] * 2
        assert statuses[0]["path"] == statuses[1]["path"] is not None
        assert world.downloads == 1
        both = world.asks
    async with open_world() as world:
        one = world.start()
        task_id = await one.generate()
        for _ in range(3):
            await world.time.run(one.query(task_id))
        assert both <= world.asks + 1


async def test_a_question_in_another_chat_is_answered_from_what_was_asked_just_now(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=1000) as world:
        one, other = world.start(), world.start()
        task_id = await one.generate()
        await world.time.run(world.time.sleep(60))
        asks = world.asks
        status = await other.query(task_id, wait_seconds=0)
        assert (status["status"], status["provider_status"]) == ("processing", "Processing")
        assert world.asks == asks


async def test_a_question_in_another_chat_is_asked_where_the_last_answer_is_old(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=1000) as world:
        one, other = world.start(), world.start()
        task_id = await one.generate()
        await world.time.run(world.time.sleep(60))
        asks = world.asks
        with closing(sqlite3.connect(world.settings.state_dir / "ledger.db")) as db, db:
            db.execute("UPDATE jobs SET asked_at = asked_at - 60")
        await other.query(task_id, wait_seconds=0)
        assert world.asks == asks + 1


async def test_a_killed_follower_is_replaced_within_30_seconds(open_world: Any) -> None:
    async with open_world() as world:
        one, other = world.start(), world.start()
        task_id = await one.generate()
        await other.take_up()
        await world.time.run(world.time.sleep(20))
        await one.kill()
        asks = world.asks
        await world.time.run(world.time.sleep(30))
        assert world.asks > asks
        await world.time.run(other.until_saved(task_id))
        assert world.downloads == 1


async def test_what_was_killed_while_following_is_saved_by_the_next_server(
    open_world: Any,
) -> None:
    async with open_world() as world:
        one = world.start()
        task_id = await one.generate()
        await world.time.run(world.time.sleep(50))
        await one.kill()
        await world.time.run(world.time.sleep(500))
        other = world.start()
        await other.take_up()
        started = world.time.now
        await world.time.run(other.until_saved(task_id))
        assert world.time.now - started < 2


async def test_a_video_whose_follower_was_killed_before_it_was_saved_is_saved_by_the_next(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10) as world:
        one = world.start()
        world.sandbox.faults.add(Fault("/download/", times=None, status=500))
        task_id = await one.generate()
        await world.time.run(world.time.sleep(30))
        assert (await one.row(task_id)).status == "completed"
        await one.kill()
        world.sandbox.faults.clear()
        other = world.start()
        await other.take_up()
        await world.time.run(other.until_saved(task_id, within_seconds=60))


# --- after a restart ---------------------------------------------------------------------------


async def restart(world: World, count: int, *, age_seconds: float = 0) -> Server:
    """Buy so many jobs, kill the server that bought them, and start another."""
    one = world.start()
    for number in range(count):
        await one.generate(f"dog {number}")
    await one.kill()
    await one.age(age_seconds)
    return world.start()


async def test_at_most_20_jobs_are_taken_up_at_once_and_the_newest_first(open_world: Any) -> None:
    async with open_world(job_seconds=1e6, daily_limit_usd=None) as world:
        other = await restart(world, 25)
        await other.take_up()
        await world.time.run(world.time.sleep(60))
        jobs = await other.running.ledger.newest(25, kinds=[Kind.VIDEO])
        assert [job.asked_at is not None for job in jobs] == [True] * 20 + [False] * 5


async def test_those_beyond_20_are_followed_when_others_have_ended(open_world: Any) -> None:
    async with open_world(job_seconds=30, daily_limit_usd=None) as world:
        other = await restart(world, 25)
        await other.take_up()
        await world.time.run(world.time.sleep(200))
        jobs = await other.running.ledger.newest(25, kinds=[Kind.VIDEO])
        assert all(job.path is not None for job in jobs)
        assert world.downloads == 25


async def test_a_job_older_than_a_day_is_asked_about_once(open_world: Any) -> None:
    async with open_world(job_seconds=1e6) as world:
        other = await restart(world, 2, age_seconds=25 * 3600)
        await other.take_up()
        await world.time.run(world.time.sleep(3600))
        assert world.asks == 2


async def test_a_job_that_minimax_keeps_no_more_is_not_asked_about(open_world: Any) -> None:
    async with open_world(job_seconds=1) as world:
        other = await restart(world, 1, age_seconds=8 * 24 * 3600)
        await other.take_up()
        await world.time.run(world.time.sleep(60))
        assert world.asks == 0


async def test_jobs_of_another_key_are_left_alone(open_world: Any) -> None:
    async with open_world(job_seconds=1) as world:
        one = world.start()
        await one.generate()
        await one.kill()
        world.settings = replace(world.settings, api_key=SecretStr("sk-api-another-key-000000"))
        other = world.start()
        await other.take_up()
        await world.time.run(world.time.sleep(60))
        assert world.asks == 0


async def test_after_an_hour_asleep_the_first_question_is_immediate(open_world: Any) -> None:
    async with open_world(job_seconds=1000) as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(world.time.sleep(60))
        world.time.suspend(3600)
        woke = world.time.now
        await world.time.run(server.until_saved(task_id))
        assert world.time.now - woke <= 2


# --- how long jobs took ------------------------------------------------------------------------


async def read_times(server: Server, task_id: str) -> list[float]:
    return await server.running.ledger.job_times(await server.row(task_id), limit=9)


async def test_how_long_a_job_took_is_written_down(open_world: Any) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(server.until_saved(task_id))
        [took_seconds] = await read_times(server, task_id)
        assert abs(took_seconds - 100) <= 5


async def test_how_long_a_job_took_is_not_known_where_the_machine_was_asleep(
    open_world: Any,
) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(world.time.sleep(60))
        world.time.suspend(3600)
        await world.time.run(server.until_saved(task_id))
        assert await read_times(server, task_id) == []


async def test_how_long_a_job_took_is_not_known_where_nobody_watched_its_end(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=30) as world:
        one = world.start()
        task_id = await one.generate()
        await one.kill()
        await world.time.run(world.time.sleep(600))
        await one.age(600)
        other = world.start()
        await other.take_up()
        await world.time.run(other.until_saved(task_id))
        assert await read_times(other, task_id) == []


# --- many jobs ---------------------------------------------------------------------------------


async def test_50_open_jobs_stay_below_minimaxs_limit_of_requests(open_world: Any) -> None:
    async with open_world(job_seconds=1e6, daily_limit_usd=None) as world:
        server = world.start()
        task_ids = [await server.generate(f"dog {number}") for number in range(50)]
        await world.time.run(world.time.sleep(120))
        asked = world.asks
        await world.time.run(*(server.query(task_id) for task_id in task_ids))
        assert world.asks - asked <= REQUESTS_PER_MINUTE * 49 / 60
