"""A task id and a file id are told apart at once, and either fetches a finished video."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.errors import InputError, KeyRefusedError, RefusedError
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.paid_jobs import cancel_call, start_server
from tests.support.raw_server import ok, refuse, serve_raw
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

MODELS = pytest.mark.parametrize("model", ["MiniMax-Hailuo-2.3", "MiniMax-H3"], ids=["v1", "v2"])
SLOW = VideoStages(preparing_seconds=10, queueing_seconds=10, processing_seconds=10)


async def finish(model: str) -> tuple[str, str]:
    """The task id and the file id of a finished video."""
    job = await minimax_server.generate_video("a fox", model=model)
    status = await minimax_server.query_video_generation(str(job["task_id"]))
    return str(job["task_id"]), str(status["file_id"])


# --- a file id in place of a task id -----------------------------------------------------------

WANT_A_TASK_ID: list[Any] = [
    pytest.param(minimax_server.query_video_generation, id="query"),
    pytest.param(minimax_server.cancel_video_generation, id="cancel"),
    pytest.param(minimax_server.upscale_video, id="upscale"),
]


@MODELS
@pytest.mark.parametrize("use", WANT_A_TASK_ID)
@pytest.mark.parametrize("restarted", [False, True], ids=["same-server", "after-a-restart"])
async def test_a_file_id_given_as_a_task_id_is_told_at_once_with_the_calls_that_take_either(
    use: Callable[[str], Any],
    model: str,
    restarted: bool,
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
) -> None:
    async with use_runtime(settings, sandbox, time):
        task_id, file_id = await finish(model)
        if not restarted:
            await check_told(use, task_id, file_id, sandbox, time)
    if restarted:
        async with use_runtime(settings, sandbox, time):
            await check_told(use, task_id, file_id, sandbox, time)


async def check_told(
    use: Callable[[str], Any], task_id: str, file_id: str, sandbox: Sandbox, time: VirtualTime
) -> None:
    sent = len(sandbox.requests)
    with pytest.raises(InputError) as caught:
        await use(file_id)
    text = str(caught.value)
    assert f"{file_id} is a file_id, of the video that the finished job {task_id} made" in text
    assert f'retrieve_video_file(file_id="{file_id}")' in text
    assert f'query_video_generation(task_id="{task_id}")' in text
    assert len(sandbox.requests) == sent
    assert not time.slept


async def test_a_file_id_is_told_apart_while_waiting_as_well(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        _, file_id = await finish("MiniMax-Hailuo-2.3")
        with pytest.raises(InputError, match="is a file_id"):
            await minimax_server.query_video_generation(file_id, wait_seconds=45)
    assert not time.slept


async def test_a_handle_of_a_job_that_was_bought_elsewhere_is_told_by_its_form(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(InputError, match=r"is a file_id.*finished job 4711"):
            await minimax_server.query_video_generation("v2-4711")
    assert not sandbox.requests


async def test_a_task_id_that_the_ledger_knows_is_one_whatever_files_are_called(
    settings: Settings, time: VirtualTime
) -> None:
    """Nothing says that MiniMax never gives a job the id of another job's file."""
    first = [ok(task_id="7"), ok(task_id="7", status="Success", file_id="8")]
    second = [ok(task_id="8"), ok(task_id="8", status="Processing", file_id="")]
    async with serve_raw(*first, *second) as api, use_runtime(settings, api, time):
        await finish("MiniMax-Hailuo-2.3")
        await minimax_server.generate_video("an owl")
        status = await minimax_server.query_video_generation("8")
    assert status["status"] == "processing"


# --- a task id in place of a file id -----------------------------------------------------------


@MODELS
async def test_a_task_id_fetches_the_video_of_its_finished_job(
    model: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        task_id, file_id = await finish(model)
        video = await minimax_server.retrieve_video_file(task_id)
        same = await minimax_server.retrieve_video_file(file_id)
        [task] = (await minimax_server.list_video_tasks())["tasks"]
    assert video["status"] == "saved"
    assert video["file_id"] == file_id
    assert video["path"] == same["path"] == task["path"]


@MODELS
async def test_a_task_id_gives_the_link_where_links_are_wanted(
    model: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(replace(settings, resource_mode="url"), sandbox, time):
        task_id, file_id = await finish(model)
        video = await minimax_server.retrieve_video_file(task_id)
    assert (video["status"], video["file_id"]) == ("link", file_id)


@pytest.mark.parametrize(
    ("model", "questions"),
    [
        pytest.param("MiniMax-Hailuo-2.3", 1, id="v1"),
        pytest.param("MiniMax-H3", 2, id="v2-whose-link-is-a-question-as-well"),
    ],
)
async def test_a_job_that_was_not_asked_about_since_it_ended_is_asked_about_once(
    model: str, questions: int, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        job = await minimax_server.generate_video("a fox", model=model)
        before = len(sandbox.requests)
        video = await minimax_server.retrieve_video_file(str(job["task_id"]))
    asked = [seen.path for seen in sandbox.requests[before:] if "/query/" in seen.path]
    assert video["status"] == "saved"
    assert len(asked) == questions


@MODELS
async def test_the_task_id_of_a_job_that_is_not_finished_says_what_to_do(
    model: str, settings: Settings, time: VirtualTime
) -> None:
    slow = Sandbox(keys={KEY}, stages=SLOW)
    async with serve(slow), use_runtime(settings, slow, time):
        job = await minimax_server.generate_video("a fox", model=model)
        with pytest.raises(InputError, match=r"is not finished yet \(queued\)") as caught:
            await minimax_server.retrieve_video_file(str(job["task_id"]))
    assert f'query_video_generation(task_id="{job["task_id"]}", wait_seconds=45)' in str(
        caught.value
    )
    assert not time.slept


@MODELS
async def test_the_task_id_of_a_failed_job_says_that_there_is_nothing(
    model: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        job = await minimax_server.generate_video("[fail]", model=model)
        await minimax_server.query_video_generation(str(job["task_id"]))
        sent = len(sandbox.requests)
        with pytest.raises(InputError, match="ended without a video"):
            await minimax_server.retrieve_video_file(str(job["task_id"]))
    assert len(sandbox.requests) == sent


@MODELS
async def test_a_task_id_of_elsewhere_fetches_its_video_as_well(
    model: str, settings: Settings, sandbox: Sandbox, time: VirtualTime, tmp_path: Path
) -> None:
    async with use_runtime(settings, sandbox, time):
        task_id, file_id = await finish(model)
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    async with use_runtime(elsewhere, sandbox, time):
        video = await minimax_server.retrieve_video_file(task_id)
    assert (video["status"], video["file_id"]) == ("saved", file_id)


async def test_what_is_neither_is_refused_at_once(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match="knows neither a file nor a job 471100") as caught:
            await minimax_server.retrieve_video_file("471100")
    assert "list_video_tasks" in str(caught.value)
    assert [seen.path for seen in sandbox.requests] == [
        "/v1/files/retrieve",
        "/v1/query/video_generation",
        "/v2/query/video_generation/471100",
    ]
    assert not time.slept


async def test_a_handle_of_an_unknown_job_is_refused_at_once(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match="does not know this job"):
            await minimax_server.retrieve_video_file("v2-4711")
    assert len(sandbox.requests) == 1
    assert not time.slept


async def test_a_refused_key_is_told_as_such_and_not_as_an_unknown_id(
    settings: Settings, time: VirtualTime
) -> None:
    script = [refuse(2013), refuse(1004, "login fail")]
    async with serve_raw(*script) as api, use_runtime(settings, api, time):
        with pytest.raises(KeyRefusedError):
            await minimax_server.retrieve_video_file("900")


async def test_the_file_of_a_job_of_elsewhere_that_has_just_ended_may_settle(
    settings: Settings, time: VirtualTime
) -> None:
    """It was asked about here, so the id is known to be one of a file."""
    ended = ok(task_id="7", status="Success", file_id="900")
    link = ok(file={"file_id": 900, "download_url": "https://cdn.example/f.mp4"})
    links_only = replace(settings, resource_mode="url")
    async with (
        serve_raw(ended, refuse(2013), refuse(2013), link) as api,
        use_runtime(links_only, api, time),
    ):
        await minimax_server.query_video_generation("7")
        video = await minimax_server.retrieve_video_file("900")
    assert video["status"] == "link"
    assert time.slept == [3.0, 3.0]


async def test_the_tools_take_a_wrong_id_over_mcp_in_the_same_way(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="a fox")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        told = await failure(client, "query_video_generation", task_id=status["file_id"])
        video = await call(client, "retrieve_video_file", file_id=job["task_id"])
    assert "is a file_id" in told
    assert video["file_id"] == status["file_id"]


async def test_a_task_id_used_to_fetch_was_received(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    """Whoever has the id has had the answer: the same request again is another video."""
    async with use_runtime(settings, sandbox, time) as running:
        slow = Fault("/v1/video_generation", when="after", delay_seconds=0.1)
        sandbox.faults.add(slow)
        await cancel_call(
            minimax_server.generate_video("a fox"),
            once=lambda: sandbox.count_charges("video"),
        )
        await asyncio.wait(running.background.tasks)
        [task] = (await minimax_server.list_video_tasks())["tasks"]
        assert not task["answered"]
        await minimax_server.retrieve_video_file(str(task["task_id"]))
        [task] = (await minimax_server.list_video_tasks())["tasks"]
    assert task["answered"]


async def test_over_stdio_a_wrong_id_is_answered_without_a_request(settings: Settings) -> None:
    world = Sandbox(stages=VideoStages(0, 0, 0))
    async with serve(world) as url, start_server(replace(settings, api_host=url)) as running:
        job = await running.call("generate_video", prompt="a fox", model="MiniMax-H3")
        await running.call("query_video_generation", task_id=job["task_id"])
        sent = len(world.requests)
        told = await running.failure("cancel_video_generation", task_id=f"v2-{job['task_id']}")
        assert len(world.requests) == sent
        video = await running.call("retrieve_video_file", file_id=job["task_id"])
    assert "is a file_id" in told
    assert Path(video["path"]).exists()
