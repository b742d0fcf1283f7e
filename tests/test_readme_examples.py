"""The README's three examples, as plain Python and as written, against the sandbox."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimax.sandbox import Sandbox, VideoStages, serve
from minimax_server import generate_video, query_video_generation, retrieve_video_file, voice_clone
from tests.conftest import KEY
from tests.support import samples
from tests.support.samples import put

AT_ONCE = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=0)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in a thread of its own, so that a program may run several loops against it."""
    made, stop, urls = Sandbox(keys={KEY}, stages=AT_ONCE), threading.Event(), []
    up = threading.Event()

    async def run() -> None:
        async with serve(made) as url:
            urls.append(url)
            up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    up.wait(10)
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    monkeypatch.setenv("MINIMAX_API_HOST", urls[0])
    yield made
    stop.set()
    thread.join()


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(0))


@pytest.fixture
def frames(home: Path) -> tuple[str, str]:
    first = put(home / "first.png", samples.png())
    return str(first), str(put(home / "last.png", samples.png()))


async def check_status(task_id: str) -> str:
    result = await query_video_generation(task_id)

    if result["status"] == "completed":
        file_id = result["file_id"]
        return f"✅ Video ready: {file_id}"

    if result["status"] == "processing":
        return "⏳ Still generating..."

    if result["status"] == "failed":
        return f"❌ Error: {result['error']}"
    return result["status"]


async def polling_loop(task_id: str) -> str | None:
    # Poll every 10 seconds until done
    for _ in range(60):  # Max 10 minutes
        status = await query_video_generation(task_id)

        if status["status"] == "completed":
            return status["file_id"]

        if status["status"] == "failed":
            return status["error"]

        await asyncio.sleep(10)  # Wait 10 seconds
    return None


async def full_workflow(prompt: str, first_frame: str, last_frame: str) -> str | None:
    # Step 1: Generate video (get task_id)
    gen_result = await generate_video(prompt, first_frame, last_frame)
    task_id = gen_result["task_id"]
    assert task_id is not None

    # Step 2: Poll until complete
    while True:
        status = await query_video_generation(task_id)

        if status["status"] == "completed":
            file_id = status["file_id"]
            assert file_id is not None
            video = await retrieve_video_file(file_id)
            return video["path"]

        if status["status"] == "failed":
            return None

        await asyncio.sleep(10)


@pytest.mark.usefixtures("no_waiting")
def test_the_longest_example_ends_in_a_file(sandbox: Sandbox, frames: tuple[str, str]) -> None:
    path = asyncio.run(full_workflow("A walk on the beach", *frames))
    assert path is not None
    assert Path(path).stat().st_size > 10_000


@pytest.mark.usefixtures("no_waiting")
def test_the_polling_loop_ends_for_a_video_and_for_a_failure(sandbox: Sandbox) -> None:
    async def both() -> list[str | None]:
        good = await generate_video("A walk on the beach")
        bad = await generate_video("[block output]")
        return [await polling_loop(str(job["task_id"])) for job in (good, bad)]

    file_id, error = asyncio.run(both())
    assert file_id is not None
    assert file_id.isdigit()
    assert "content check" in str(error)


@pytest.mark.usefixtures("no_waiting")
def test_the_status_example_runs(sandbox: Sandbox) -> None:
    async def once() -> str:
        job = await generate_video("A walk on the beach")
        return await check_status(str(job["task_id"]))

    assert asyncio.run(once()).startswith("✅ Video ready: 9")


def test_three_runs_in_one_program_work(sandbox: Sandbox) -> None:
    async def generated() -> str:
        return str((await generate_video("A walk on the beach"))["task_id"])

    assert len({asyncio.run(generated()) for _ in range(3)}) == 3
    assert sandbox.count_charges("video") == 3


def test_calls_side_by_side_work(sandbox: Sandbox, home: Path) -> None:
    recording = str(put(home / "a.wav", samples.wav()))

    async def all_at_once() -> list[Any]:
        calls: list[Coroutine[Any, Any, Any]] = [
            voice_clone(recording, "First-voice-1"),
            voice_clone(recording, "Other-voice-2"),
            generate_video("one"),
            generate_video("two"),
        ]
        return await asyncio.gather(*calls)

    first, other, one, two = asyncio.run(all_at_once())
    assert [first["voice_id"], other["voice_id"]] == ["First-voice-1", "Other-voice-2"]
    assert one["task_id"] != two["task_id"]


def test_a_failing_run_leaves_nothing_open(
    sandbox: Sandbox, recwarn: pytest.WarningsRecorder
) -> None:
    async def fails() -> None:
        await query_video_generation("4711")

    for _ in range(2):
        with pytest.raises(Exception, match="does not know this job"):
            asyncio.run(fails())
    assert not recwarn.list
