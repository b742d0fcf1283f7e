"""A finished MiniMax-H3 video of 768P, again in 2K: what is checked, sent, and charged."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.catalog import VIDEO_MODELS, price_list
from minimax.errors import (
    InputError,
    MaybeChargedError,
    MiniMaxError,
    RefusedError,
    SpendingLimitError,
    UnansweredError,
)
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.sandbox.media.samples import H3_VIDEO, VIDEO
from minimax.settings import Settings
from minimax.video import upscale
from minimax.video.apis import h3
from tests.conftest import AT_ONCE, KEY
from tests.support import samples
from tests.support.in_process import use_runtime
from tests.support.media_seeds import clip
from tests.support.paid_jobs import cancel_call, rows
from tests.support.raw_server import Behaviour, RawServer, reply, serve_raw
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

H3 = "MiniMax-H3"
REGENERATE = "POST /v2/video_regeneration"
PROMPT = "a fox in the snow"
SLOW = VideoStages(preparing_seconds=10, queueing_seconds=10, processing_seconds=10)


async def make_source(**fields: Any) -> str:
    """The task id of a finished video that can be made again in 2K."""
    job = await minimax_server.generate_video(**{"prompt": PROMPT, "model": H3, **fields})
    await minimax_server.query_video_generation(str(job["task_id"]))
    return str(job["task_id"])


async def save(task_id: str) -> Path:
    status = await minimax_server.query_video_generation(task_id)
    saved = await minimax_server.retrieve_video_file(str(status["file_id"]))
    return Path(str(saved["path"]))


@pytest.fixture
async def strict() -> AsyncIterator[Sandbox]:
    """A sandbox whose account is not allow-listed, as most are not."""
    made = Sandbox(keys={KEY}, stages=AT_ONCE, allow_listed=False)
    async with serve(made):
        yield made


# --- by the task id ----------------------------------------------------------------------------


async def test_a_finished_video_is_made_again_in_2k_followed_listed_and_fetched(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        asked = len(sandbox.requests)
        job = await minimax_server.upscale_video(source)
        sent = [f"{seen.method} {seen.path}" for seen in sandbox.requests[asked:]]
        status = await minimax_server.query_video_generation(str(job["task_id"]))
        video = await minimax_server.retrieve_video_file(str(status["file_id"]))
        newest, oldest = (await minimax_server.list_video_tasks())["tasks"]
    assert sent == [REGENERATE]
    assert (job["model"], job["duration"], job["resolution"]) == (H3, 5, "2K")
    assert job["estimated_cost_usd"] == 0.25
    assert "Do not call upscale_video again for this video." in job["next_step"]
    assert status["status"] == "completed"
    assert Path(str(video["path"])).stat().st_size == video["bytes"]
    assert (newest["task_id"], newest["prompt"]) == (job["task_id"], f"{source} in 2K: {PROMPT}")
    assert newest["path"] == video["path"]
    assert oldest["task_id"] == source
    assert sandbox.count_charges("regeneration") == 1


async def test_the_request_names_the_source_and_nothing_else(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
    async with serve_raw(reply({"task_id": "7"})) as api, use_runtime(settings, api, time):
        await minimax_server.upscale_video(source)
    [request] = api.requests
    assert (request.method, request.target) == ("POST", "/v2/video_regeneration")
    assert request.json == {"model": H3, "source_task_id": source, "resolution": "2K"}


async def test_a_queued_upscale_is_cancelled_free_of_charge(
    settings: Settings, time: VirtualTime
) -> None:
    slow = Sandbox(keys={KEY}, stages=SLOW)
    async with serve(slow), use_runtime(settings, slow, time):
        job = await minimax_server.generate_video(PROMPT, model=H3)
        slow.clock.advance(60)
        again = await minimax_server.upscale_video(str(job["task_id"]))
        cancelled = await minimax_server.cancel_video_generation(str(again["task_id"]))
    assert (cancelled["status"], cancelled["charged"]) == ("cancelled", False)
    assert slow.count_charges("regeneration") == 0


async def test_a_job_that_was_never_asked_about_is_asked_about_once(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        job = await minimax_server.generate_video(PROMPT, model=H3)
        again = await minimax_server.upscale_video(str(job["task_id"]))
        [_, source] = (await minimax_server.list_video_tasks())["tasks"]
    assert again["status"] == "queued"
    assert source["status"] == "completed"
    assert sandbox.count(f"GET /v2/query/video_generation/{job['task_id']}") == 1


# --- what it costs -----------------------------------------------------------------------------


@pytest.fixture
def media(home: Path) -> dict[str, Any]:
    image = str(put(home / "a.png", samples.png(300, 300)))
    walk = str(put(home / "walk.mp4", clip(4.2)))
    return {"references": [image] * 7, "reference_videos": [walk]}


def test_the_share_of_the_price_is_that_of_each_item_of_the_price_page() -> None:
    """$0.05 a second, also of reference videos, and $0.025 for an image beyond the fifth."""
    model = VIDEO_MODELS[H3]
    assert model.sizes["768P", 4] == 0.32
    assert price_list()["video_again_in_2k"] == {
        "model": H3,
        "from": "768P",
        "second": 0.05,
        "second_of_reference_video": 0.05,
        "further_image": 0.025,
    }


@pytest.mark.parametrize("known_here", [True, False], ids=["bought-here", "bought-elsewhere"])
@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        pytest.param({}, 0.25, id="five-seconds"),
        pytest.param({"duration": 15}, 0.75, id="fifteen-seconds"),
        pytest.param({"media": True}, 0.25 + 5 * 0.05 + 2 * 0.025, id="with-references"),
    ],
)
async def test_the_price_counts_what_the_video_was_made_from_again(
    fields: dict[str, Any],
    usd: float,
    known_here: bool,
    media: dict[str, Any],
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
    tmp_path: Path,
) -> None:
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    given = {name: value for name, value in fields.items() if name != "media"}
    async with use_runtime(settings, sandbox, time):
        source = await make_source(**given, **(media if "media" in fields else {}))
    async with use_runtime(settings if known_here else elsewhere, sandbox, time):
        priced = await minimax_server.upscale_video(source, dry_run=True)
        assert sandbox.count(REGENERATE) == 0
        job = await minimax_server.upscale_video(source)
    assert priced["estimated_cost_usd"] == job["estimated_cost_usd"] == pytest.approx(usd)
    assert sandbox.bill[-1].amount_usd == pytest.approx(usd)
    assert priced["task_id"] is None
    assert f"List price: ${usd:.2f}" in priced["next_step"]


async def test_a_dry_run_writes_nothing_down(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        before = rows(settings)
        await minimax_server.upscale_video(source, dry_run=True)
        assert rows(settings) == before


async def test_the_daily_limit_holds_for_it(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    limited = replace(settings, daily_limit_usd=0.60)
    async with use_runtime(limited, sandbox, time):
        source = await make_source()
        with pytest.raises(SpendingLimitError, match=r"would cost \$0\.25, and \$0\.40"):
            await minimax_server.upscale_video(source)
    assert sandbox.count(REGENERATE) == 0


# --- what is refused before anything is sent ---------------------------------------------------


async def make_hailuo() -> str:
    return await make_source(model="MiniMax-Hailuo-2.3")


async def make_max() -> str:
    return await make_source(model="MiniMax-H3-Max")


async def make_2k() -> str:
    return await make_source(resolution="2K")


async def make_upscaled() -> str:
    job = await minimax_server.upscale_video(await make_source())
    return str(job["task_id"])


async def make_failed() -> str:
    return await make_source(prompt="[fail]")


async def name_nothing() -> str:
    return "451300118220963"


async def name_no_id() -> str:
    return "../video"


UNFIT: list[Any] = [
    pytest.param(make_hailuo, "made by MiniMax-Hailuo-2.3; only videos of MiniMax-H3", id="hailuo"),
    pytest.param(make_max, "made by MiniMax-H3-Max; only videos of MiniMax-H3", id="h3-max"),
    pytest.param(make_2k, "is in 2K; only those in 768P", id="2k-already"),
    pytest.param(make_upscaled, "is in 2K; only those in 768P", id="upscaled-already"),
    pytest.param(make_failed, "ended without a video", id="failed"),
    pytest.param(name_no_id, "task_id is not an id", id="no-id"),
    pytest.param(name_nothing, "has no MiniMax-H3 job 451300118220963", id="unknown"),
]


@pytest.mark.parametrize("dry_run", [False, True], ids=["buy", "dry-run"])
@pytest.mark.parametrize(("make", "said"), UNFIT)
async def test_a_video_that_cannot_be_made_in_2k_is_refused_before_anything_is_sent(
    make: Callable[[], Any],
    said: str,
    dry_run: bool,
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make()
        sent, bought = sandbox.count(REGENERATE), len(rows(settings))
        with pytest.raises(MiniMaxError, match=said):
            await minimax_server.upscale_video(source, dry_run=dry_run)
    assert sandbox.count(REGENERATE) == sent
    assert len(rows(settings)) == bought


@pytest.mark.parametrize(
    ("make", "said"),
    [case for case in UNFIT if case.id in ("h3-max", "2k-already", "upscaled-already", "failed")],
)
async def test_a_video_of_elsewhere_is_checked_by_what_minimax_says_about_it(
    make: Callable[[], Any],
    said: str,
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
    tmp_path: Path,
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make()
    sent = sandbox.count(REGENERATE)
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    async with use_runtime(elsewhere, sandbox, time):
        with pytest.raises(InputError, match=said):
            await minimax_server.upscale_video(source)
    assert sandbox.count(REGENERATE) == sent


@pytest.mark.parametrize("known_here", [True, False], ids=["bought-here", "bought-elsewhere"])
async def test_a_job_that_is_not_finished_is_to_be_followed_first(
    known_here: bool, settings: Settings, time: VirtualTime, tmp_path: Path
) -> None:
    slow = Sandbox(keys={KEY}, stages=SLOW)
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    async with serve(slow):
        async with use_runtime(settings, slow, time):
            job = await minimax_server.generate_video(PROMPT, model=H3)
        async with use_runtime(settings if known_here else elsewhere, slow, time):
            with pytest.raises(InputError, match="is not finished yet") as caught:
                await minimax_server.upscale_video(str(job["task_id"]))
    assert f'query_video_generation(task_id="{job["task_id"]}"' in str(caught.value)
    assert slow.count(REGENERATE) == 0


# --- accounts that may not ---------------------------------------------------------------------


async def test_where_the_task_id_is_not_taken_the_saved_video_is_sent(
    settings: Settings, strict: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, strict, time):
        source = await make_source(ratio="9:16")
        await save(source)
        job = await minimax_server.upscale_video(source)
        status = await minimax_server.query_video_generation(str(job["task_id"]))
    assert strict.count(REGENERATE) == 2
    assert [charge.what for charge in strict.bill] == ["video", "regeneration"]
    assert job["estimated_cost_usd"] == strict.bill[-1].amount_usd == 0.25
    assert status["status"] == "completed"
    states = [(row["state"], row["price_usd"]) for row in rows(settings)]
    assert states == [("accepted", 0.40), ("rejected", 0.25), ("accepted", 0.25)]


async def test_what_is_sent_then_is_the_prompt_and_the_very_file(
    settings: Settings, strict: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, strict, time):
        source = await make_source()
        path = await save(source)
    refused = reply(error("source_task_id is not enabled (2013)"), status=400)
    async with (
        serve_raw(refused, reply({"task_id": "7"})) as api,
        use_runtime(settings, api, time),
    ):
        await minimax_server.upscale_video(source)
    _, second = api.requests
    text, base = second.json["content"]
    assert second.json.keys() == {"model", "content", "resolution"}
    assert text == {"type": "text", "text": PROMPT}
    assert (base["type"], base["role"]) == ("video_url", "base_video")
    head, content = base["video_url"]["url"].split(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(content) == path.read_bytes()


def error(message: str, *, kind: str = "bad_request_error", status: int = 400) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": kind, "message": message, "http_code": str(status)},
        "request_id": "0217",
    }


async def save_nothing(source: str) -> None:
    """The video stays at MiniMax."""


async def save_and_delete(source: str) -> None:
    (await save(source)).unlink()


async def save_and_replace(source: str) -> None:
    put(await save(source), VIDEO.read_bytes())


async def save_and_break(source: str) -> None:
    put(await save(source), H3_VIDEO.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("fields", "prepare", "said"),
    [
        pytest.param({}, save_nothing, "it is not saved on this computer. Call retrieve", id="not"),
        pytest.param({}, save_and_delete, "moved or deleted. Call retrieve_video", id="deleted"),
        pytest.param({}, save_and_replace, "640 x 360 pixels and 141 pictures", id="geometry"),
        pytest.param({}, save_and_break, "this video is damaged", id="damaged"),
        pytest.param({"media": True}, save, "made from more than its prompt", id="references"),
        pytest.param({"frame": True}, save, "made from more than its prompt", id="first-frame"),
    ],
)
async def test_an_account_that_may_not_is_told_so_and_why_the_other_way_is_closed(
    fields: dict[str, Any],
    prepare: Callable[[str], Any],
    said: str,
    media: dict[str, Any],
    settings: Settings,
    strict: Sandbox,
    time: VirtualTime,
) -> None:
    given: dict[str, Any] = media if "media" in fields else {}
    if "frame" in fields:
        given = {"first_frame": media["references"][0]}
    async with use_runtime(settings, strict, time):
        source = await make_source(**given)
        await prepare(source)
        with pytest.raises(RefusedError, match="for allow-listed accounts only") as caught:
            await minimax_server.upscale_video(source)
    text = str(caught.value)
    assert said in text
    assert "source_task_id is not enabled for this account" in text
    assert "Nothing was charged." in text
    assert "Nothing was sent." not in text
    assert strict.count(REGENERATE) == 1
    assert strict.count_charges("regeneration") == 0
    assert [row["state"] for row in rows(settings)] == ["accepted", "rejected"]


async def test_a_video_that_was_bought_elsewhere_is_not_sent_without_its_prompt(
    settings: Settings, strict: Sandbox, time: VirtualTime, tmp_path: Path
) -> None:
    async with use_runtime(settings, strict, time):
        source = await make_source()
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    async with use_runtime(elsewhere, strict, time):
        with pytest.raises(RefusedError, match="it was not bought from this computer"):
            await minimax_server.upscale_video(source)
    assert strict.count(REGENERATE) == 1


async def answer_twice(
    settings: Settings, time: VirtualTime, source: str, first: Behaviour
) -> tuple[RawServer, Any]:
    """What becomes of a call whose first request is answered like this."""
    async with serve_raw(first, reply({"task_id": "7"})) as api, use_runtime(settings, api, time):
        try:
            return api, await minimax_server.upscale_video(source)
        except MiniMaxError as refusal:
            return api, refusal


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        pytest.param(400, "bad_request_error", "invalid params, whitelist (2013)", id="2013"),
        pytest.param(400, "bad_request_error", "no permission (2099)", id="an-unknown-code"),
        pytest.param(403, "permission_error", "not allow-listed", id="403-without-a-code"),
        pytest.param(404, "not_found_error", "no such mode", id="404-without-a-code"),
    ],
)
async def test_in_whatever_words_the_task_id_is_refused_the_saved_video_is_tried(
    status: int,
    kind: str,
    message: str,
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        await save(source)
    first = reply(error(message, kind=kind, status=status), status=status)
    api, job = await answer_twice(settings, time, source, first)
    assert job["task_id"] == "7"
    assert "content" in api.requests[-1].json


@pytest.mark.parametrize(
    ("status", "kind", "message", "said"),
    [
        pytest.param(
            402, "insufficient_balance_error", "insufficient balance (1008)", "balance", id="1008"
        ),
        pytest.param(
            422, "unprocessable_entity_error", "sensitive (1026)", "content check", id="1026"
        ),
        pytest.param(500, "api_error", "plan not support model (2061)", "plan", id="2061"),
        pytest.param(401, "authorized_error", "invalid api key (2049)", "API key", id="2049"),
        pytest.param(401, "authorized_error", "no", "API key", id="401-without-a-code"),
    ],
)
async def test_a_refusal_that_the_other_way_would_meet_as_well_is_told_as_it_is(
    status: int,
    kind: str,
    message: str,
    said: str,
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        await save(source)
    first = reply(error(message, kind=kind, status=status), status=status)
    api, refusal = await answer_twice(settings, time, source, first)
    assert isinstance(refusal, RefusedError)
    assert said in str(refusal)
    assert "allow-listed" not in str(refusal)
    assert sum(request.target == "/v2/video_regeneration" for request in api.requests) == 1


async def test_where_both_ways_are_refused_the_second_refusal_is_told(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(
        Fault("/v2/video_regeneration", code=2013, message="no whitelist"),
        Fault("/v2/video_regeneration", code=2013, message="base_video does not fit"),
    )
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        await save(source)
        with pytest.raises(RefusedError, match="base_video does not fit") as caught:
            await minimax_server.upscale_video(source)
    assert "Nothing was charged" in str(caught.value)
    assert [row["state"] for row in rows(settings)] == ["accepted", "rejected", "rejected"]


async def test_a_saved_video_that_is_too_large_for_a_request_is_uploaded_first(
    settings: Settings, strict: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h3, "LARGEST_BODY_BYTES", 10_000)
    async with use_runtime(settings, strict, time):
        source = await make_source()
        await save(source)
        job = await minimax_server.upscale_video(source)
    [upload] = [file for file in strict.files.values() if file.purpose == "video_generation_input"]
    assert upload.suffix == ".mp4"
    assert job["status"] == "queued"
    assert strict.count_charges("regeneration") == 1


async def test_an_upload_that_fails_is_no_purchase(
    settings: Settings, strict: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h3, "LARGEST_BODY_BYTES", 10_000)
    strict.faults.add(Fault("/v1/files/upload", status=502, times=3))
    async with use_runtime(settings, strict, time):
        source = await make_source()
        await save(source)
        with pytest.raises(UnansweredError, match="no video was requested and nothing was charged"):
            await minimax_server.upscale_video(source)
    assert strict.count_charges("regeneration") == 0
    assert [row["state"] for row in rows(settings)] == ["accepted", "rejected"]


async def test_an_upload_that_outlasts_the_call_is_joined_by_the_next(
    settings: Settings, strict: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(h3, "LARGEST_BODY_BYTES", 10_000)
    strict.faults.add(Fault("/v1/files/upload", delay_seconds=0.4))
    async with use_runtime(settings, strict, time) as running:
        source = await make_source()
        await save(source)
        with pytest.raises(UnansweredError, match="Call upscale_video again"):
            await upscale.upscale(running, source, within_seconds=0.2)
        job = await upscale.upscale(running, source, within_seconds=10)
    assert not job["reused"]
    assert strict.count("POST /v1/files/upload") == 1
    assert strict.count_charges("regeneration") == 1


async def test_after_seven_days_only_the_saved_video_can_be_made_again(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        kept, gone = await make_source(), await make_source(prompt="an owl")
        await save(kept)
    make_older(settings, days=8)
    async with use_runtime(settings, sandbox, time):
        job = await minimax_server.upscale_video(kept)
        with pytest.raises(InputError, match="keeps a video for 7 days, and this one is older"):
            await minimax_server.upscale_video(gone)
    assert job["status"] == "queued"
    assert sandbox.count(REGENERATE) == sandbox.count_charges("regeneration") == 1


def make_older(settings: Settings, *, days: float) -> None:
    """Move what was bought into the past; rows of an earlier boot go by the calendar."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(settings.state_dir / "ledger.db")) as db:
        db.execute(
            "UPDATE jobs SET created_at = created_at - ?, boot = 'earlier'", (days * 24 * 3600,)
        )
        db.commit()


# --- doubt, and what is handed over ------------------------------------------------------------

LOST = Fault("/v2/video_regeneration", when="after", reset=True)


async def test_a_lost_answer_is_a_doubt_that_only_the_person_settles(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        sandbox.faults.add(LOST)
        with pytest.raises(MaybeChargedError, match="It was not sent again") as caught:
            await minimax_server.upscale_video(source)
        with pytest.raises(
            MaybeChargedError, match=r"upscale_video\(\.\.\., allow_second_charge=True\)"
        ):
            await minimax_server.upscale_video(source)
        assert sandbox.count(REGENERATE) == 1
        again = await minimax_server.upscale_video(source, allow_second_charge=True)
    assert "probably this one" in str(caught.value)
    assert again["task_id"] != caught.value.task_id
    assert sandbox.count_charges("regeneration") == 2


async def test_a_new_video_of_the_same_size_is_not_taken_for_the_lost_one(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, tmp_path: Path
) -> None:
    """MiniMax's list tells videos that were made again from others."""
    elsewhere = replace(settings, state_dir=tmp_path / "other")
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
    async with use_runtime(elsewhere, sandbox, time):
        await make_source(resolution="2K")
    sandbox.faults.add(LOST, Fault("/v2/video_generation", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError) as upscaled:
            await minimax_server.upscale_video(source)
        with pytest.raises(MaybeChargedError) as generated:
            await minimax_server.generate_video("a fox", model=H3, duration=4)
    types = {task.id: task.request.task_type for task in sandbox.videos_v2.values()}
    assert types[str(upscaled.value.task_id)] == "regeneration"
    assert types[str(generated.value.task_id)] == "generation"


@pytest.mark.parametrize("way", ["task-id", "saved-video"])
async def test_a_job_whose_answer_was_lost_is_handed_over_even_if_its_source_has_gone(
    way: str, settings: Settings, time: VirtualTime
) -> None:
    world = Sandbox(keys={KEY}, stages=AT_ONCE, allow_listed=way == "task-id")
    async with serve(world), use_runtime(settings, world, time) as running:
        source = await make_source()
        await save(source)
        world.faults.add(
            *[Fault("/v2/video_regeneration", when="before")] * (way == "saved-video"),
            Fault("/v2/video_regeneration", when="after", delay_seconds=0.2),
        )
        await cancel_call(
            upscale.upscale(running, source), once=lambda: world.count_charges("regeneration")
        )
        await asyncio.wait(running.background.tasks)
        del world.videos_v2[source]
        world.faults.add(Fault("/v2/", times=None, status=503))
        job = await upscale.upscale(running, source)
    assert job["reused"]
    assert "it is returned here, and nothing was bought now" in job["next_step"]
    assert job["estimated_cost_usd"] == 0.25
    assert world.count_charges("regeneration") == 1


async def test_a_caller_that_goes_between_both_ways_has_bought_nothing(
    settings: Settings, strict: Sandbox, time: VirtualTime
) -> None:
    strict.faults.add(Fault("/v2/video_regeneration", when="after", delay_seconds=0.2))
    async with use_runtime(settings, strict, time) as running:
        source = await make_source()
        await save(source)
        await cancel_call(upscale.upscale(running, source), once=lambda: strict.count(REGENERATE))
        await asyncio.wait(running.background.tasks)
        assert strict.count_charges("regeneration") == 0
        job = await upscale.upscale(running, source)
    assert not job["reused"]
    assert strict.count_charges("regeneration") == 1


async def test_the_second_upscale_of_a_video_is_named_as_one(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        source = await make_source()
        first = await minimax_server.upscale_video(source)
        second = await minimax_server.upscale_video(source)
    assert f"(task_id {first['task_id']}); this is a second one" in second["next_step"]


async def test_a_source_that_vanishes_before_it_is_asked_for_costs_nothing(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    """An identical call of another process took what was to be handed over here."""
    async with use_runtime(settings, sandbox, time) as running:
        source = await make_source(resolution="2K")
        buying = PeekedWrongly(running)
        with pytest.raises(InputError, match="is in 2K"):
            await upscale.upscale(buying.runtime, source)
    assert sandbox.count(REGENERATE) == 0
    assert [row["state"] for row in rows(settings)] == ["accepted", "rejected"]


class PeekedWrongly:
    """A ledger that says once that something is to be handed over, and then has nothing."""

    def __init__(self, running: Runtime) -> None:
        from minimax.ledger.records import Decision

        self.runtime = running
        ledger: Any = running.ledger

        async def peek(_: object) -> Decision:
            return Decision.HAND_OVER

        ledger.peek = peek
