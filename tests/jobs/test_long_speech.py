"""Jobs of long speech are followed, saved and taken up like those of videos, beside them."""

from pathlib import Path
from typing import Any

import pytest

from minimax.jobs.news import JobEvent, JobNews
from minimax.sandbox import Fault
from tests.jobs.conftest import QUERY_SPEECH
from tests.support.paid_jobs import cancel_call

pytestmark = pytest.mark.anyio

SUBMIT = "/v1/t2a_async_v2"


async def test_a_speech_that_nobody_asks_about_is_saved_with_its_subtitles(
    open_world: Any,
) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.speak()
        [path] = await world.time.run(server.until_saved(task_id))
        assert Path(path).stat().st_size > 0
        assert Path(path).with_suffix(".srt").stat().st_size > 0
        assert 100 <= world.time.now <= 111
        assert (world.downloads, world.sandbox.count_charges("long_speech")) == (1, 1)


async def test_the_next_question_tells_both_paths_without_a_request(open_world: Any) -> None:
    async with open_world() as world:
        server = world.start()
        task_id = await server.speak()
        [path] = await world.time.run(server.until_saved(task_id))
        requests = len(world.sandbox.requests)
        found = await server.query_speech(task_id, wait_seconds=0)
        assert (found["status"], found["path"]) == ("completed", path)
        assert found["subtitle_path"] == str(Path(path).with_suffix(".srt"))
        assert len(world.sandbox.requests) == requests


async def test_a_wait_ends_with_the_path_and_one_download(open_world: Any) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        task_id = await server.speak()
        [found] = await world.time.run(server.query_speech(task_id))
        assert found["path"] is not None
        await world.time.run(world.time.sleep(60))
        assert world.downloads == 1


async def test_a_wait_and_the_follower_ask_in_one_rhythm(open_world: Any) -> None:
    asks = []
    for auto_save in (False, True):
        async with open_world(job_seconds=100, auto_save=auto_save) as world:
            server = world.start()
            task_id = await server.speak()
            for _ in range(3):
                await world.time.run(server.query_speech(task_id))
            asks.append(world.asks)
    assert asks[1] <= asks[0] + 1


@pytest.mark.parametrize("changes", [{"resource_mode": "url"}, {"auto_save": False}], ids=str)
async def test_nothing_is_saved_by_itself_where_links_or_no_files_are_wanted(
    changes: dict[str, Any], open_world: Any
) -> None:
    async with open_world(**changes) as world:
        server = world.start()
        task_id = await server.speak()
        await world.time.run(world.time.sleep(150))
        assert world.downloads == 0
        assert (await server.row(task_id)).path is None


async def test_a_speech_is_saved_on_request_where_nothing_is_saved_by_itself(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10, auto_save=False) as world:
        server = world.start()
        task_id = await server.speak()
        await world.time.run(world.time.sleep(20))
        found = await server.query_speech(task_id, wait_seconds=0)
        assert found["path"] == (await server.row(task_id)).path is not None


async def test_subscribers_are_told_of_the_status_and_of_the_saved_file(open_world: Any) -> None:
    events: list[JobEvent] = []
    async with open_world(job_seconds=20) as world:
        server = world.start()
        server.running.get_shared(JobNews).listen(events.append)
        task_id = await server.speak()
        [path] = await world.time.run(server.until_saved(task_id))
        await world.time.run(world.time.sleep(5))
    assert [event.status for event in events] == ["processing", "completed", "completed"]
    assert {event.task_id for event in events} == {task_id}
    assert events[-1].path == Path(path)


async def test_a_speech_that_fails_is_followed_to_its_end_and_no_further(open_world: Any) -> None:
    async with open_world(job_seconds=20) as world:
        server = world.start()
        task_id = await server.speak("x [fail]")
        await world.time.run(world.time.sleep(60))
        assert (await server.row(task_id)).status == "failed"
        asks = world.asks
        await world.time.run(world.time.sleep(600))
        assert (world.asks, world.downloads) == (asks, 0)


async def test_the_file_id_that_is_there_from_the_beginning_is_noted_at_the_end_only(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=100) as world:
        server = world.start()
        task_id = await server.speak()
        await world.time.run(world.time.sleep(50))
        row = await server.row(task_id)
        assert (row.status, row.file_id) == ("processing", None)
        await world.time.run(server.until_saved(task_id))
        assert (await server.row(task_id)).file_id is not None


async def test_a_speech_whose_answer_was_lost_is_saved_and_still_handed_over(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        world.sandbox.faults.add(Fault(SUBMIT, when="after", delay_seconds=0.1))
        await cancel_call(
            server.speak(), once=lambda: world.sandbox.count_charges("long_speech") == 1
        )
        await world.time.run(world.time.sleep(60))
        assert world.downloads == 1
        task_id = await server.speak()
        assert world.sandbox.count_charges("long_speech") == 1
        assert (await server.row(task_id)).path is not None


# --- faults ------------------------------------------------------------------------------------

PASSING = [
    pytest.param({"status": 502}, id="502"),
    pytest.param({"reset": True}, id="reset"),
    pytest.param({"code": 1002}, id="throttled"),
    pytest.param({"status": 200, "body": b"<html>"}, id="no-JSON"),
]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_follower_survives_ten_minutes_of_faults_and_saves_the_speech(
    fault: dict[str, Any], open_world: Any
) -> None:
    async with open_world(job_seconds=30) as world:
        server = world.start()
        task_id = await server.speak()
        world.sandbox.faults.add(Fault(QUERY_SPEECH, times=None, **fault))
        await world.time.run(world.time.sleep(600))
        assert (await server.row(task_id)).path is None
        world.sandbox.faults.clear()
        await world.time.run(server.until_saved(task_id, within_seconds=100))


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param({"status": 403}, 2, id="expired"),
        pytest.param({"reset": True}, 3, id="reset"),
        pytest.param({"when": "after", "cut_after_bytes": 100}, 3, id="cut"),
        pytest.param({"status": 200, "body": b"<html>"}, 1, id="no-sound"),
    ],
)
async def test_a_download_that_fails_is_tried_again_later(
    fault: dict[str, Any], times: int, open_world: Any
) -> None:
    async with open_world(job_seconds=10) as world:
        server = world.start()
        task_id = await server.speak()
        world.sandbox.faults.add(Fault("/download/", times=times, **fault))
        await world.time.run(server.until_saved(task_id, within_seconds=120))


# --- several processes, and restarts -----------------------------------------------------------


async def test_what_was_killed_while_following_is_saved_by_the_next_server(
    open_world: Any,
) -> None:
    async with open_world() as world:
        one = world.start()
        task_id = await one.speak()
        await world.time.run(world.time.sleep(50))
        await one.kill()
        await world.time.run(world.time.sleep(500))
        other = world.start()
        await other.take_up()
        started = world.time.now
        await world.time.run(other.until_saved(task_id))
        assert world.time.now - started < 2


async def test_a_killed_follower_is_replaced_within_30_seconds(open_world: Any) -> None:
    async with open_world() as world:
        one, other = world.start(), world.start()
        task_id = await one.speak()
        await other.take_up()
        await world.time.run(world.time.sleep(20))
        await one.kill()
        asks = world.asks
        await world.time.run(world.time.sleep(30))
        assert world.asks > asks
        await world.time.run(other.until_saved(task_id))
        assert world.downloads == 1


async def test_two_chats_follow_one_speech_with_one_download(open_world: Any) -> None:
    async with open_world() as world:
        one, other = world.start(), world.start()
        task_id = await one.speak()
        await other.take_up()
        for _ in range(3):
            found = await world.time.run(one.query_speech(task_id), other.query_speech(task_id))
        assert found[0]["path"] == found[1]["path"] is not None
        assert world.downloads == 1


async def test_videos_and_speeches_are_taken_up_side_by_side(open_world: Any) -> None:
    async with open_world(job_seconds=30) as world:
        one = world.start()
        video, speech = await one.generate(), await one.speak()
        await one.kill()
        other = world.start()
        await other.take_up()
        await world.time.run(other.until_saved(video), other.until_saved(speech))
        assert (await other.row(video)).path != (await other.row(speech)).path


async def test_a_speech_that_minimax_keeps_no_more_is_not_asked_about(open_world: Any) -> None:
    async with open_world(job_seconds=1) as world:
        one = world.start()
        task_id = await one.speak()
        await one.kill()
        await one.age(25 * 3600)
        other = world.start()
        await other.take_up()
        await world.time.run(world.time.sleep(60))
        assert world.asks == 0
        assert await other.running.ledger.count_open_jobs() == 0
        assert (await other.row(task_id)).status == "queued"


# --- how often it is asked about ---------------------------------------------------------------


async def test_the_rhythm_learns_from_speeches_of_about_the_same_length(open_world: Any) -> None:
    async with open_world(job_seconds=100, daily_limit_usd=None) as world:
        server = world.start()
        for _ in range(5):
            await world.time.run(server.until_saved(await server.speak()))
        asked = world.asks
        await world.time.run(server.until_saved(await server.speak()))
        learnt = world.asks - asked
        asked = world.asks
        await world.time.run(server.until_saved(await server.speak("A fox. " * 5000)))
        assert learnt <= 8
        assert world.asks - asked > 12


async def test_50_waits_ask_each_at_once_and_then_share_two_questions_a_second(
    open_world: Any,
) -> None:
    async with open_world(job_seconds=1e6, auto_save=False, daily_limit_usd=None) as world:
        server = world.start()
        speeches = [await server.speak(f"Chapter {number}.") for number in range(50)]
        await world.time.run(*map(server.query_speech, speeches))
        assert 50 <= world.asks <= 50 + 2 * 45 + 50
