"""What the sandbox has forgotten is called forgotten, and not unknown to MiniMax."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client

import minimax_server
from minimax.sandbox import Sandbox, serve
from minimax.settings import Settings
from tests.conftest import AT_ONCE
from tests.support import samples
from tests.support.in_process import call, connected, failure

pytestmark = pytest.mark.anyio

FORGOTTEN = (
    "This job belongs to an earlier run of the sandbox, which forgets everything when the server "
    "ends."
)
MODELS = pytest.mark.parametrize("model", ["MiniMax-Hailuo-2.3", "MiniMax-H3"], ids=["v1", "v2"])


@asynccontextmanager
async def sandboxed(settings: Settings) -> AsyncIterator[Client]:
    """A host of a server that was just started with `--sandbox`."""
    at = replace(settings, sandbox=True, api_key=None)
    backend = lambda: serve(Sandbox(stages=AT_ONCE))  # noqa: E731
    async with Client(minimax_server.make_server(lambda: at, backend=backend)) as client:
        yield client


async def buy_in_earlier_run(settings: Settings, model: str) -> str:
    async with sandboxed(settings) as client:
        job = await call(client, "generate_video", prompt="a fox", model=model)
    return str(job["task_id"])


@MODELS
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("query_video_generation", {}),
        ("query_video_generation", {"wait_seconds": 45}),
        ("cancel_video_generation", {}),
        ("retrieve_video_file", {}),
    ],
    ids=["query", "wait", "cancel", "retrieve"],
)
async def test_a_job_of_an_earlier_sandbox_is_called_that(
    tool: str, arguments: dict[str, object], model: str, settings: Settings
) -> None:
    task_id = await buy_in_earlier_run(settings, model)
    name = "file_id" if tool == "retrieve_video_file" else "task_id"
    async with sandboxed(settings) as client:
        said = await failure(client, tool, **{name: task_id}, **arguments)
    assert said.startswith(FORGOTTEN)
    assert "Nothing was charged" in said
    assert "sandbox --port 8765" in said
    assert "MINIMAX_API_HOST=http://127.0.0.1:8765" in said


@MODELS
async def test_a_file_of_an_earlier_sandbox_is_called_that(model: str, settings: Settings) -> None:
    links = replace(settings, resource_mode="url")
    async with sandboxed(links) as client:
        job = await call(client, "generate_video", prompt="a fox", model=model)
        status = await call(client, "query_video_generation", task_id=job["task_id"])
    async with sandboxed(links) as client:
        said = await failure(client, "retrieve_video_file", file_id=status["file_id"])
    assert said.startswith(FORGOTTEN)


async def test_the_list_says_which_jobs_are_of_an_earlier_sandbox(settings: Settings) -> None:
    earlier = await buy_in_earlier_run(settings, "MiniMax-Hailuo-2.3")
    async with sandboxed(settings) as client:
        job = await call(client, "generate_video", prompt="an owl")
        tasks = (await call(client, "list_video_tasks"))["tasks"]
    said = {task["task_id"]: task["next_step"] for task in tasks}
    assert said[earlier] == FORGOTTEN
    assert said[job["task_id"]] == f'query_video_generation(task_id="{job["task_id"]}")'


async def test_a_video_of_an_earlier_sandbox_cannot_be_upscaled(settings: Settings) -> None:
    task_id = await buy_in_earlier_run(settings, "MiniMax-H3")
    async with sandboxed(settings) as client:
        said = await failure(client, "upscale_video", task_id=task_id, dry_run=True)
    assert said.startswith(FORGOTTEN)


async def test_a_saved_video_of_an_earlier_sandbox_is_still_named(settings: Settings) -> None:
    async with sandboxed(settings) as client:
        job = await call(client, "generate_video", prompt="a fox")
        saved = await call(client, "retrieve_video_file", file_id=job["task_id"])
    async with sandboxed(settings) as client:
        [task] = (await call(client, "list_video_tasks"))["tasks"]
    assert task["path"] == saved["path"]
    assert task["next_step"] == "Its video is saved; tell the person the path."


async def test_nothing_of_an_earlier_sandbox_is_handed_over(settings: Settings) -> None:
    earlier = await buy_in_earlier_run(settings, "MiniMax-Hailuo-2.3")
    async with sandboxed(settings) as client:
        job = await call(client, "generate_video", prompt="a fox", model="MiniMax-Hailuo-2.3")
        await call(client, "query_video_generation", task_id=job["task_id"])
    assert job["reused"] is False
    assert job["task_id"] != earlier


async def test_a_voice_of_an_earlier_sandbox_is_called_forgotten(
    settings: Settings, home: Path
) -> None:
    recording = str(samples.put(home / "me.wav", samples.wav()))
    async with sandboxed(settings) as client:
        voice = await call(client, "voice_clone", audio=recording)
    async with sandboxed(settings) as client:
        said = await failure(client, "text_to_audio", text="Good day.", voice_id=voice["voice_id"])
    assert said.startswith("The sandbox has no such voice. It forgets")
    assert "7 days" not in said


async def test_a_sandbox_that_runs_alone_says_the_same_after_it_was_started_again(
    settings: Settings,
) -> None:
    sandboxes = [Sandbox(keys={str(settings.secret)}) for _ in range(2)]
    async with serve(sandboxes[0]), connected(settings, sandboxes[0]) as client:
        job = await call(client, "generate_video", prompt="a fox")
    async with serve(sandboxes[1]), connected(settings, sandboxes[1]) as client:
        said = await failure(client, "query_video_generation", task_id=job["task_id"])
    assert "if it was restarted since then, the job belongs to an earlier run" in said
    assert "sandbox --port" not in said


async def test_a_task_id_that_nobody_bought_is_no_earlier_sandbox(settings: Settings) -> None:
    async with sandboxed(settings) as client:
        said = await failure(client, "query_video_generation", task_id="123")
    assert "MiniMax does not know this job" in said


async def test_every_result_in_the_sandbox_says_that_files_are_samples(
    settings: Settings,
) -> None:
    async with sandboxed(settings) as client:
        speech = await call(client, "text_to_audio", text="Good day.")
    assert speech["next_step"].startswith("Sandbox: every file is a sample, nothing is charged. ")


async def test_an_earlier_sandbox_takes_nothing_of_the_limit_and_has_no_open_jobs(
    settings: Settings,
) -> None:
    at = replace(settings, daily_limit_usd=0.4)
    for prompt in ("a fox", "a dog", "a cat"):
        async with sandboxed(at) as client:
            before = await call(client, "account_status")
            assert (before["spent_24_hours_usd"], before["open_jobs"]) == ({}, 0)
            await call(client, "generate_video", prompt=prompt)
            said = await failure(client, "generate_video", prompt="one too many")
            assert "daily limit" in said
