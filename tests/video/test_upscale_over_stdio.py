"""upscale_video as a host has it: the real server on stdio, and the sandbox as MiniMax.

A lost answer, a killed process and the rest of what may happen to money is in
`tests/spending/test_over_stdio.py`, for every paid tool.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import AT_ONCE
from tests.support.host import Host
from tests.support.paid_jobs import SOURCE, put_sources, start_server

pytestmark = pytest.mark.anyio

H3 = {"prompt": "a fox in the snow", "model": "MiniMax-H3"}
REGENERATE = "POST /v2/video_regeneration"
NEVER = VideoStages(preparing_seconds=10**6)


@asynccontextmanager
async def served(settings: Settings, **options: Any) -> AsyncIterator[tuple[Sandbox, Host]]:
    """A sandbox like this, and a server of a user who buys there."""
    sandbox = Sandbox(**{"stages": AT_ONCE, **options})
    async with serve(sandbox) as url, start_server(replace(settings, api_host=url)) as running:
        yield sandbox, running


async def make_source(running: Host, **fields: Any) -> str:
    job = await running.call("generate_video", **{**H3, **fields})
    await running.call("query_video_generation", task_id=job["task_id"], wait_seconds=1)
    return str(job["task_id"])


async def test_a_video_is_made_priced_made_again_in_2k_and_saved(settings: Settings) -> None:
    async with served(settings) as (sandbox, running):
        source = await make_source(running)
        priced = await running.call("upscale_video", task_id=source, dry_run=True)
        job = await running.call("upscale_video", task_id=source)
        status = await running.call("query_video_generation", task_id=job["task_id"])
        video = await running.call("retrieve_video_file", file_id=status["file_id"])
        tasks = (await running.call("list_video_tasks"))["tasks"]
        account = await running.call("account_status")
    assert priced["estimated_cost_usd"] == job["estimated_cost_usd"] == 0.25
    assert (priced["task_id"], job["resolution"]) == (None, "2K")
    assert Path(video["path"]).stat().st_size == video["bytes"]
    assert [task["task_id"] for task in tasks] == [job["task_id"], source]
    assert account["spent_24_hours_usd"] == {"generate_video": 0.65}
    assert [(charge.what, charge.amount_usd) for charge in sandbox.bill] == [
        ("video", 0.40),
        ("regeneration", 0.25),
    ]


async def test_an_account_that_may_not_has_its_saved_video_sent(settings: Settings) -> None:
    async with served(settings, allow_listed=False) as (sandbox, running):
        source = await make_source(running)
        told = await running.failure("upscale_video", task_id=source)
        assert "for allow-listed accounts only" in told
        assert f'Call retrieve_video_file(file_id="v2-{source}"), then upscale_video again' in told
        assert sandbox.count_charges("regeneration") == 0
        await running.call("retrieve_video_file", file_id=f"v2-{source}")
        job = await running.call("upscale_video", task_id=source)
        status = await running.call("query_video_generation", task_id=job["task_id"])
    assert status["status"] == "completed"
    assert sandbox.count_charges("regeneration") == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"model": "MiniMax-Hailuo-2.3"}, "made by MiniMax-Hailuo-2.3", id="hailuo"),
        pytest.param({"model": "MiniMax-H3-Max"}, "made by MiniMax-H3-Max", id="h3-max"),
        pytest.param({"resolution": "2K"}, "is in 2K; only those in 768P", id="2k"),
        pytest.param({"prompt": "[fail]"}, "ended without a video", id="failed"),
    ],
)
async def test_a_video_that_cannot_be_made_in_2k_is_refused_before_anything_is_sent(
    fields: dict[str, Any], said: str, settings: Settings
) -> None:
    async with served(settings) as (sandbox, running):
        source = await make_source(running, **fields)
        assert said in await running.failure("upscale_video", task_id=source)
    assert sandbox.count(REGENERATE) == 0


async def test_a_job_that_is_not_finished_and_one_that_is_unknown_are_refused(
    settings: Settings,
) -> None:
    async with served(settings, stages=NEVER) as (sandbox, running):
        job = await running.call("generate_video", **H3)
        unfinished = await running.failure("upscale_video", task_id=job["task_id"])
        unknown = await running.failure("upscale_video", task_id=SOURCE)
        no_id = await running.failure("upscale_video", task_id="../video")
        missing = await running.failure("upscale_video")
    assert "is not finished yet" in unfinished
    assert f"has no MiniMax-H3 job {SOURCE}" in unknown
    assert "task_id is not an id" in no_id
    assert "task_id is required." in missing
    assert sandbox.count(REGENERATE) == 0


async def test_a_video_in_2k_is_saved_by_itself_like_any_other(settings: Settings) -> None:
    async with served(replace(settings, auto_save=True)) as (sandbox, running):
        source = await make_source(running)
        job = await running.call("upscale_video", task_id=source)
        status = await running.call(
            "query_video_generation", task_id=job["task_id"], wait_seconds=45
        )
    assert Path(status["path"]).exists()
    assert sandbox.count_charges("regeneration") == 1


async def test_an_account_that_may_not_need_not_fetch_what_was_saved_by_itself(
    settings: Settings,
) -> None:
    saving = replace(settings, auto_save=True)
    async with served(saving, allow_listed=False) as (sandbox, running):
        job = await running.call("generate_video", **H3)
        await running.call("query_video_generation", task_id=job["task_id"], wait_seconds=45)
        again = await running.call("upscale_video", task_id=job["task_id"])
    assert again["status"] == "queued"
    assert sandbox.count_charges("regeneration") == 1


async def test_a_video_that_was_bought_elsewhere_is_made_again_at_the_price_minimax_tells(
    settings: Settings,
) -> None:
    async with served(settings) as (sandbox, running):
        put_sources(sandbox)
        job = await running.call("upscale_video", task_id=SOURCE)
    assert (job["duration"], job["estimated_cost_usd"]) == (5, 0.25)
    assert sandbox.count_charges("regeneration") == 1


async def test_with_the_built_in_sandbox_nothing_is_charged(settings: Settings) -> None:
    from tests.support.host import host

    async with host("--sandbox", env={"MINIMAX_MCP_BASE_PATH": str(settings.base_path)}) as running:
        await running.handshake()
        job = await running.call("generate_video", **H3)
        status: dict[str, Any] = {}
        while status.get("status") != "completed":
            status = await running.call(
                "query_video_generation", task_id=job["task_id"], wait_seconds=45
            )
        again = await running.call("upscale_video", task_id=job["task_id"])
    assert "Nothing is charged here. At MiniMax: $0.25." in again["next_step"]
