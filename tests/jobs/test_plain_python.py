"""In plain Python a job is followed as long as the event loop runs in which it was requested."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from minimax.sandbox import Sandbox, VideoStages, serve
from minimax_server import generate_video, list_video_tasks, list_voices
from tests.conftest import AT_ONCE, KEY
from tests.support.paid_jobs import wait_until

SLOW = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=3600)


def run_program(
    program: Callable[[Sandbox], Awaitable[object]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    stages: VideoStages = AT_ONCE,
) -> Sandbox:
    """Run a program as `asyncio.run` does, on a sandbox; what the sandbox has seen."""

    async def main() -> Sandbox:
        sandbox = Sandbox(stages=stages)
        async with serve(sandbox) as url:
            monkeypatch.setenv("MINIMAX_API_HOST", url)
            monkeypatch.setenv("MINIMAX_API_KEY", KEY)
            await program(sandbox)
        return sandbox

    return asyncio.run(main())


def saved_videos(home: Path) -> list[Path]:
    return sorted((home / "MiniMax").glob("video-*.mp4"))


def test_a_video_is_saved_while_the_loop_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def program(_: Sandbox) -> None:
        await generate_video("a dog")
        await wait_until(lambda: saved_videos(home))

    sandbox = run_program(program, monkeypatch)
    assert sandbox.count_charges("video") == 1


def test_following_ends_with_the_loop(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def program(_: Sandbox) -> None:
        await generate_video("a dog")

    run_program(program, monkeypatch, stages=SLOW)
    assert saved_videos(home) == []


def test_the_jobs_of_an_earlier_program_are_left_alone_until_somebody_asks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(_: Sandbox) -> None:
        await generate_video("a dog")

    async def second(sandbox: Sandbox) -> None:
        await list_voices()
        [task] = (await list_video_tasks())["tasks"]
        assert task["status"] == "queued"
        assert sandbox.count("GET /v1/query/video_generation") == 0

    run_program(first, monkeypatch, stages=SLOW)
    run_program(second, monkeypatch)
    assert saved_videos(home) == []
