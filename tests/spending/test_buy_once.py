"""What the next identical call gets: handed over, joined, refused, or a video of its own."""

import asyncio
import base64
import gc
import itertools
import os
import re
import time as real_time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import minimax_server
from minimax import runtime
from minimax.errors import MaybeChargedError, MiniMaxError, RefusedError, UnansweredError
from minimax.ledger.records import Kind, Record, State
from minimax.ledger.sqlite import SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, serve
from minimax.settings import Settings
from minimax.tool_results import SubmittedVideo
from tests.conftest import KEY
from tests.support import samples
from tests.support.killable import (
    BEFORE_OR_AFTER,
    INSTANT,
    LONGER,
    KillableServer,
    attempt_call,
    try_schedules,
)
from tests.support.paid_jobs import (
    LOST,
    SLOW,
    SUBMIT,
    VIDEO,
    buy,
    cancel_call,
    count_submissions,
    kill,
    open_server,
    rows,
    run_sandbox,
    start_server,
    states,
    wait_until,
)
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

HOUR = 3600.0


# --- one call ----------------------------------------------------------------------------------


async def test_an_accepted_job_is_in_the_ledger_under_its_id_and_answered(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (sandbox, settings), open_server(settings, time) as running:
        video = await buy(running)
    [row] = rows(settings)
    assert (video["status"], video["reused"]) == ("queued", False)
    assert video["task_id"] in sandbox.videos
    assert (row["state"], row["task_id"]) == ("accepted", video["task_id"])
    assert row["answered_at"] is not None
    assert sandbox.count_charges("video") == 1


async def test_the_row_is_there_before_the_request_leaves_and_the_id_before_anyone_is_told(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []

    def watched(name: str) -> None:
        real = getattr(SqliteLedger, name)

        async def call(self: SqliteLedger, *args: Any, **kwargs: Any) -> Any:
            seen.append((name, states(settings)))
            return await real(self, *args, **kwargs)

        monkeypatch.setattr(SqliteLedger, name, call)

    watched("mark_accepted")
    watched("mark_received")
    async with run_sandbox(settings) as (sandbox, shop_settings):
        see = sandbox.record

        def looked(*args: Any, **kwargs: Any) -> Any:
            seen.append(("the request", states(settings)))
            return see(*args, **kwargs)

        monkeypatch.setattr(sandbox, "record", looked)
        async with open_server(shop_settings, time) as running:
            await buy(running)
    assert seen == [
        ("the request", ["submitting"]),
        ("mark_accepted", ["submitting"]),
        ("mark_received", ["accepted"]),
    ]


@pytest.mark.parametrize("code", [1008, 1026, 2013], ids=["balance", "content", "parameter"])
async def test_a_refused_order_cost_nothing_and_is_sent_anew_by_the_next_call(
    code: int, settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, Fault(SUBMIT, code=code)) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with pytest.raises(RefusedError):
            await buy(running)
        assert states(settings) == ["rejected"]
        video = await buy(running)
    assert not video["reused"]
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (2, 1)


async def test_a_refused_order_that_nobody_waited_for_is_sent_anew_as_well(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, Fault(SUBMIT, code=1008, delay_seconds=0.05)) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == ["rejected"])
        assert not (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 1


@pytest.mark.parametrize(
    "arguments",
    [pytest.param({}, id="good"), pytest.param({"resolution": "1080p"}, id="sized")],
)
async def test_a_dry_run_says_the_price_sends_nothing_and_writes_nothing(
    arguments: dict[str, Any], settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings) as (sandbox, settings),
        runtime.host_runtime(Runtime(lambda: settings, clock=time.clock)) as running,
    ):
        video = await buy(running, **arguments, dry_run=True)
    assert (video["task_id"], video["status"], video["reused"]) == (None, None, False)
    assert video["estimated_cost_usd"]
    assert len(sandbox.requests) == 0
    assert not settings.state_dir.exists()


# --- an answer that never reached its caller ---------------------------------------------------


@pytest.mark.parametrize("state", ["submitting", "accepted"])
async def test_a_job_whose_call_was_cancelled_goes_to_the_next_identical_call(
    state: str, settings: Settings, time: VirtualTime
) -> None:
    """Joined while it is on its way, handed over afterwards."""
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == [state])
        video = await buy(running)
    assert video["reused"]
    assert [video["task_id"]] == list(sandbox.videos)
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)


@pytest.mark.parametrize(
    ("tool", "arguments", "path", "named"),
    [
        ("generate_video", VIDEO, SUBMIT, r"\(video with MiniMax-Hailuo-[\w.]+, task_id \w+\)"),
        ("text_to_audio", {"text": "Hello."}, "/v1/t2a_v2", r"\(speech with speech-[\w.-]+\)"),
        (
            "voice_design",
            {"prompt": "an old sailor", "preview_text": "Ahoy."},
            "/v1/voice_design",
            r"\(voice design with [\w.-]+\)",
        ),
    ],
    ids=["video", "speech", "voice design"],
)
async def test_what_was_accepted_after_its_caller_had_gone_is_named_in_the_log(
    tool: str,
    arguments: dict[str, Any],
    path: str,
    named: str,
    settings: Settings,
    time: VirtualTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = Fault(path, delay_seconds=0.2)
    async with (
        run_sandbox(settings, slow) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with runtime.use(running):
            calling = getattr(minimax_server, tool)(**arguments)
            await cancel_call(calling, once=lambda: sandbox.count(f"POST {path}"))
            await wait_until(lambda: "had gone" in caplog.text)
    said = rf"A paid request {named} was accepted after its caller had gone\. The next"
    assert re.search(said, caplog.text)
    assert not any(str(value) in caplog.text for value in arguments.values())


async def test_a_job_is_handed_over_once_and_the_call_after_that_buys_another(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == ["accepted"])
        first = await buy(running)
        second = await buy(running)
    assert (first["reused"], second["reused"]) == (True, False)
    assert sandbox.count_charges("video") == 2


async def test_a_submission_may_be_cancelled_and_joined_again_and_again(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        for _ in range(3):
            await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        assert (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 1


async def test_a_call_that_ran_out_of_patience_says_so_and_is_joined_by_the_next(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with monkeypatch.context() as hurry:
            hurry.setattr(minimax_server, "_answer_within", lambda _: 0.03)
            with pytest.raises(UnansweredError, match="joins it and does not buy a second video"):
                await buy(running)
        video = await buy(running)
    assert video["reused"]
    assert sandbox.count_charges("video") == 1


async def test_an_agreed_second_charge_is_for_doubts_and_buys_nothing_where_there_is_none(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == ["accepted"])
        assert (await buy(running, allow_second_charge=True))["reused"]
    assert sandbox.count_charges("video") == 1


async def test_an_answer_lost_between_the_ledger_and_the_host_is_handed_over(
    settings: Settings, time: VirtualTime
) -> None:
    """The call is cancelled at the very moment at which the submission ends."""
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        call = asyncio.create_task(buy(running))
        await wait_until(lambda: count_submissions(sandbox))
        work = next(iter(running.background.paid_tasks))
        work.add_done_callback(lambda _: call.cancel())
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 1


# --- an outcome that nobody knows --------------------------------------------------------------


async def test_an_identical_call_after_a_doubt_is_refused_and_says_how_to_go_on(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, LOST) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with pytest.raises(MaybeChargedError, match="may have accepted and charged it"):
            await buy(running)
        for _ in range(2):
            with pytest.raises(MaybeChargedError, match="allow_second_charge=True") as caught:
                await buy(running)
            assert f"{real_time.gmtime().tm_year}-" in str(caught.value)
    assert states(settings) == ["unknown"]
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)


async def test_a_doubt_goes_on_once_the_person_agreed_to_a_second_charge(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, LOST) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with pytest.raises(MaybeChargedError):
            await buy(running)
        video = await buy(running, allow_second_charge=True)
    assert not video["reused"]
    assert [row["task_id"] for row in rows(settings)] == [None, video["task_id"]]
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (2, 2)


async def test_an_agreement_holds_for_one_charge(settings: Settings, time: VirtualTime) -> None:
    async with (
        run_sandbox(settings, LOST, LOST) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        for agreed in (False, True, False):
            with pytest.raises(MaybeChargedError):
                await buy(running, allow_second_charge=agreed)
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (2, 2)


async def test_a_doubt_about_one_request_does_not_stop_another(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, LOST) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        with pytest.raises(MaybeChargedError):
            await buy(running)
        assert not (await buy(running, prompt="a cat"))["reused"]
    assert sandbox.count_charges("video") == 2


async def test_a_cancelled_call_that_ends_in_doubt_refuses_the_next(
    settings: Settings, time: VirtualTime
) -> None:
    lost_later = replace(LOST, delay_seconds=0.05)
    async with (
        run_sandbox(settings, lost_later) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == ["unknown"])
        with pytest.raises(MaybeChargedError):
            await buy(running)
    assert sandbox.count_charges("video") == 1


async def test_a_joined_submission_that_ends_in_doubt_says_so_to_the_one_who_joined(
    settings: Settings, time: VirtualTime
) -> None:
    lost_later = replace(LOST, delay_seconds=0.1)
    async with (
        run_sandbox(settings, lost_later) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        with pytest.raises(MaybeChargedError):
            await buy(running)
    assert sandbox.count_charges("video") == 1


# --- several videos wanted -----------------------------------------------------------------


async def test_two_identical_calls_that_were_both_answered_are_two_videos(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (sandbox, settings), open_server(settings, time) as running:
        videos = [await buy(running) for _ in range(2)]
    assert [video["reused"] for video in videos] == [False, False]
    assert sorted(str(video["task_id"]) for video in videos) == sorted(sandbox.videos)
    assert sandbox.count_charges("video") == 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "less than a minute ago"),
        (60, "1 minute ago"),
        (130, "2 minutes ago"),
        (590, "10 minutes ago"),
        (610, None),
    ],
)
async def test_the_second_of_two_identical_videos_says_when_the_first_was_bought(
    seconds: float, said: str | None, settings: Settings, time: VirtualTime
) -> None:
    now = real_time.time()
    async with run_sandbox(settings) as (_, settings):
        async with open_server(settings, time, now=lambda: now) as running:
            first = await buy(running)
        async with open_server(settings, time, now=lambda: now + seconds) as running:
            second = await buy(running)
    named = f"An identical video was bought {said} (task_id {first['task_id']})"
    assert not second["reused"]
    assert (named in second["next_step"]) == (said is not None)
    assert ("is a second one" in second["next_step"]) == (said is not None)


async def test_identical_calls_in_flight_at_once_are_as_many_videos(
    settings: Settings, time: VirtualTime
) -> None:
    slow = replace(SLOW, times=3)
    async with (
        run_sandbox(settings, slow) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        calls = (buy(running) for _ in range(3))
        videos = await asyncio.gather(*calls)
    assert [video["reused"] for video in videos] == [False] * 3
    assert len({video["task_id"] for video in videos}) == sandbox.count_charges("video") == 3


async def test_of_two_identical_calls_in_flight_the_cancelled_one_is_handed_over(
    settings: Settings, time: VirtualTime
) -> None:
    slow = replace(SLOW, times=2)
    async with (
        run_sandbox(settings, slow) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        kept = asyncio.create_task(buy(running))
        await wait_until(lambda: count_submissions(sandbox) == 1)
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox) == 2)
        joined = await buy(running)
        answered = await kept
    assert (answered["reused"], joined["reused"]) == (False, True)
    assert {answered["task_id"], joined["task_id"]} == set(sandbox.videos)
    assert sandbox.count_charges("video") == 2


async def test_two_calls_after_a_cancelled_one_get_its_video_and_one_of_their_own(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        calls = (buy(running) for _ in range(2))
        videos = await asyncio.gather(*calls)
    assert sorted(video["reused"] for video in videos) == [False, True]
    assert len({video["task_id"] for video in videos}) == sandbox.count_charges("video") == 2


# --- what identical means ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "again",
    [
        pytest.param("{folder}/copy.png", id="a-copy"),
        pytest.param("file://{folder}/one.png", id="a-url"),
        pytest.param(" '{folder}/../images/one.png' ", id="another-spelling"),
        pytest.param("data:image/png;base64,{base64}", id="its-content"),
    ],
)
async def test_the_same_image_under_another_name_is_the_same_request(
    again: str, settings: Settings, time: VirtualTime, home: Path
) -> None:
    folder, image = home / "images", samples.png()
    for name in ("one.png", "copy.png"):
        put(folder / name, image)
    first = str(folder / "one.png")
    text = again.format(folder=folder, base64=base64.b64encode(image).decode())
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running, first_frame=first), once=lambda: count_submissions(sandbox))
        video = await buy(running, first_frame=text)
    assert video["reused"]
    assert sandbox.count_charges("video") == 1


async def test_another_image_under_the_same_name_is_another_request(
    settings: Settings, time: VirtualTime, home: Path
) -> None:
    path = put(home / "frame.png", samples.png(400, 400))
    request = {"first_frame": str(path)}
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running, **request), once=lambda: count_submissions(sandbox))
        put(path, samples.png(400, 401))
        assert not (await buy(running, **request))["reused"]
    assert sandbox.count_charges("video") == 2


async def test_the_same_images_in_the_other_order_are_another_request(
    settings: Settings, time: VirtualTime, home: Path
) -> None:
    one = str(put(home / "one.png", samples.png(400, 400)))
    two = str(put(home / "two.png", samples.png(400, 500)))
    request = {"first_frame": one, "last_frame": two}
    turned = {"first_frame": two, "last_frame": one}
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running, **request), once=lambda: count_submissions(sandbox))
        assert not (await buy(running, **turned))["reused"]
    assert sandbox.count_charges("video") == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"prompt": "a dog runs along the beach."}, id="prompt"),
        pytest.param({"model": "MiniMax-Hailuo-02"}, id="model"),
        pytest.param({"duration": 10}, id="duration"),
        pytest.param({"resolution": "1080P"}, id="resolution"),
        pytest.param({"prompt_optimizer": False}, id="prompt-optimizer"),
        pytest.param({"fast_pretreatment": True}, id="fast-pretreatment"),
    ],
)
async def test_another_argument_is_another_request(
    other: dict[str, Any], settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        assert not (await buy(running, **other))["reused"]
    assert sandbox.count_charges("video") == 2


async def test_a_default_that_is_spelled_out_is_the_same_request(
    settings: Settings, time: VirtualTime
) -> None:
    spelled = {"model": "MiniMax-Hailuo-2.3", "duration": 6, "resolution": "768p"}
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        assert (await buy(running, **spelled))["reused"]
    assert sandbox.count_charges("video") == 1


ROTATED = f"{KEY}-rotated"


async def test_a_job_bought_with_a_key_that_was_rotated_is_handed_over(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings, SLOW) as (sandbox, settings):
        async with open_server(settings, time) as running:
            await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
            await wait_until(lambda: states(settings) == ["accepted"])
        rotated = replace(settings, api_key=SecretStr(ROTATED))
        async with open_server(rotated, time) as running:
            assert (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 1


async def test_a_doubt_of_a_key_that_was_rotated_still_asks(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings, LOST) as (sandbox, settings):
        async with open_server(settings, time) as running:
            with pytest.raises(MaybeChargedError):
                await buy(running)
        rotated = replace(settings, api_key=SecretStr(ROTATED))
        async with open_server(rotated, time) as running:
            with pytest.raises(MaybeChargedError):
                await buy(running)
    assert count_submissions(sandbox) == 1


async def test_a_job_of_another_account_is_not_handed_over(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings, SLOW) as (sandbox, settings):
        async with open_server(settings, time) as running:
            await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
            await wait_until(lambda: states(settings) == ["accepted"])
        sandbox.faults.add(Fault("/v1/query", code=2013))  # as for a task of somebody else
        stranger = replace(settings, api_key=SecretStr(ROTATED))
        async with open_server(stranger, time) as running:
            assert not (await buy(running))["reused"]
        async with open_server(settings, time) as running:
            assert (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 2


# --- for how long ------------------------------------------------------------------------------

DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("days", "reused", "billed"), [(6.9, True, 1), (7.1, False, 2)], ids=["within", "after"]
)
async def test_a_job_is_handed_over_for_as_long_as_minimax_keeps_it(
    days: float, reused: bool, billed: int, settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings, SLOW) as (sandbox, settings):
        async with open_server(settings, time) as running:
            await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
            await wait_until(lambda: states(settings) == ["accepted"])
        later = real_time.time() + days * DAY
        async with open_server(settings, time, now=lambda: later) as running:
            assert (await buy(running))["reused"] is reused
    assert sandbox.count_charges("video") == billed


@pytest.mark.parametrize("days", [0.5, 30], ids=["soon", "much-later"])
async def test_a_doubt_is_not_settled_by_time(
    days: float, settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings, LOST) as (sandbox, settings):
        async with open_server(settings, time) as running:
            with pytest.raises(MaybeChargedError):
                await buy(running)
        later = real_time.time() + days * DAY
        async with open_server(settings, time, now=lambda: later) as running:
            with pytest.raises(MaybeChargedError):
                await buy(running)
    assert count_submissions(sandbox) == 1


# --- two servers of one user, in one process ---------------------------------------------------


async def test_what_one_server_bought_in_vain_another_hands_over(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as one,
        open_server(settings, time) as other,
    ):
        await cancel_call(buy(one), once=lambda: count_submissions(sandbox))
        await wait_until(lambda: states(settings) == ["accepted"])
        assert (await buy(other))["reused"]
        assert not (await buy(one))["reused"]
    assert sandbox.count_charges("video") == 2


async def test_what_one_server_is_still_sending_another_joins(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as one,
        open_server(settings, time) as other,
    ):
        await cancel_call(buy(one), once=lambda: count_submissions(sandbox))
        assert states(settings) == ["submitting"]
        video = await buy(other)
    assert video["reused"]
    assert [video["task_id"]] == list(sandbox.videos)
    assert count_submissions(sandbox) == 1


@pytest.mark.parametrize(
    ("end", "error", "said"),
    [
        pytest.param({"reset": True}, MaybeChargedError, "allow_second_charge", id="in-doubt"),
        pytest.param({"code": 1008}, UnansweredError, "nothing was charged", id="refused"),
    ],
)
async def test_who_joins_another_server_learns_how_it_ended_there(
    end: dict[str, Any],
    error: type[Exception],
    said: str,
    settings: Settings,
    time: VirtualTime,
) -> None:
    fault = Fault(SUBMIT, delay_seconds=0.1, **end)
    async with (
        run_sandbox(settings, fault) as (sandbox, settings),
        open_server(settings, time) as one,
        open_server(settings, time) as other,
    ):
        await cancel_call(buy(one), once=lambda: count_submissions(sandbox))
        with pytest.raises(error, match=said):
            await buy(other)
    assert count_submissions(sandbox) == 1


async def test_what_is_in_doubt_at_one_server_is_refused_by_another(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, LOST) as (sandbox, settings),
        open_server(settings, time) as one,
        open_server(settings, time) as other,
    ):
        for running in (one, other):
            with pytest.raises(MaybeChargedError):
                await buy(running)
    assert count_submissions(sandbox) == 1


async def test_the_tool_itself_keeps_the_rules(settings: Settings, time: VirtualTime) -> None:
    async with run_sandbox(settings, SLOW) as (sandbox, settings):
        running = Runtime(lambda: settings, clock=time.clock)
        async with runtime.host_runtime(running):
            tool = minimax_server.generate_video
            await cancel_call(tool(VIDEO["prompt"]), once=lambda: count_submissions(sandbox))
            video: SubmittedVideo = await tool(VIDEO["prompt"])
    assert video["reused"]
    assert sandbox.count_charges("video") == 1


# --- two servers of one user, each a process ---------------------------------------------------


LONG = replace(SLOW, delay_seconds=0.6)


async def test_identical_calls_of_two_hosts_at_once_are_two_videos(settings: Settings) -> None:
    async with (
        run_sandbox(settings, replace(SLOW, times=2)) as (sandbox, settings),
        start_server(settings) as one,
        start_server(settings) as other,
    ):
        videos = await asyncio.gather(
            one.call("generate_video", **VIDEO), other.call("generate_video", **VIDEO)
        )
    assert [video["reused"] for video in videos] == [False, False]
    assert {video["task_id"] for video in videos} == set(sandbox.videos)
    assert sandbox.count_charges("video") == 2


async def test_a_call_that_one_host_cancelled_is_joined_by_another_host(settings: Settings) -> None:
    async with (
        run_sandbox(settings, LONG) as (sandbox, settings),
        start_server(settings) as one,
        start_server(settings) as other,
    ):
        ident, _ = one.start("generate_video", **VIDEO)
        await wait_until(lambda: count_submissions(sandbox))
        one.cancel(ident)
        await wait_until(lambda: [row["caller_pid"] for row in rows(settings)] == [None])
        assert states(settings) == ["submitting"]
        video = await other.call("generate_video", **VIDEO)
    assert video["reused"]
    assert [video["task_id"]] == list(sandbox.videos)
    assert sandbox.count_charges("video") == 1


async def test_a_server_killed_after_acceptance_leaves_its_job_to_the_next(
    settings: Settings,
) -> None:
    async with run_sandbox(settings, SLOW) as (sandbox, settings):
        async with start_server(settings) as one:
            ident, _ = one.start("generate_video", **VIDEO)
            await wait_until(lambda: count_submissions(sandbox))
            one.cancel(ident)
            await wait_until(lambda: states(settings) == ["accepted"])
            await kill(one)
        async with start_server(settings) as other:
            video = await other.call("generate_video", **VIDEO)
    assert video["reused"]
    assert [video["task_id"]] == list(sandbox.videos)
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the deadline has to decide")
async def test_a_server_killed_before_the_answer_leaves_a_doubt_that_only_an_agreement_settles(
    settings: Settings,
) -> None:
    async with run_sandbox(settings, replace(SLOW, delay_seconds=30)) as (sandbox, settings):
        async with start_server(settings) as one:
            one.start("generate_video", **VIDEO)
            await wait_until(lambda: sandbox.count_charges("video"))
            await kill(one)
        assert states(settings) == ["submitting"]
        async with start_server(settings) as other:
            refusal = await other.failure("generate_video", **VIDEO)
            assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)
            listed = await other.call("list_video_tasks")
            video = await other.call("generate_video", **VIDEO, allow_second_charge=True)
    assert "allow_second_charge=true" in refusal
    assert [task["status"] for task in listed["tasks"]] == ["unknown"]
    assert not video["reused"]
    assert states(settings) == ["unknown", "accepted"]
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (2, 2)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the deadline has to decide")
async def test_who_joined_a_server_that_is_then_killed_is_told_of_the_doubt(
    settings: Settings,
) -> None:
    async with (
        run_sandbox(settings, replace(SLOW, delay_seconds=30)) as (sandbox, settings),
        start_server(settings) as one,
        start_server(settings) as other,
    ):
        ident, _ = one.start("generate_video", **VIDEO)
        await wait_until(lambda: sandbox.count_charges("video"))
        one.cancel(ident)
        await wait_until(lambda: [row["caller_pid"] for row in rows(settings)] == [None])
        joining = asyncio.create_task(other.failure("generate_video", **VIDEO))
        await wait_until(
            lambda: [row["caller_pid"] for row in rows(settings)] == [other.process.pid]
        )
        await kill(one)
        refusal = await joining
    assert "allow_second_charge=true" in refusal
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)


# --- whatever happens --------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """One call: what goes wrong on its way, and when its caller goes away (None: never)."""

    fault: Fault | None = None
    gone_after_seconds: float | None = None
    killed: bool = False


@dataclass(frozen=True)
class Intent:
    """One video that somebody wants, and what happens until they have it or are told of a doubt."""

    prompt: str
    server: int
    begin_seconds: float
    attempts: tuple[Attempt, ...]


REFUSALS: Any = st.sampled_from([{"status": 429}, {"code": 1002}, {"code": 1008}])
"""MiniMax says that it did nothing, and that is true."""
DOUBTS: Any = st.sampled_from(
    [{"reset": True}, {"close": True}, {"status": 500}, {"status": 504}, {"code": 1033}]
)
CUT = st.builds(
    partial(Fault, SUBMIT, when="after"),
    cut_after_bytes=st.integers(0, 40),
    announce_length=st.booleans(),
    delay_seconds=INSTANT,
)


def faults(ends: Any, when: Any, delay: Any) -> Any:
    return st.builds(
        lambda end, when, delay: Fault(SUBMIT, when=when, delay_seconds=delay, **end),
        ends,
        when,
        delay,
    )


SLOWLY_ACCEPTED = faults(st.just({}), BEFORE_OR_AFTER, LONGER)
FAULTS = st.one_of(
    st.none(),
    SLOWLY_ACCEPTED,
    SLOWLY_ACCEPTED.map(lambda fault: replace(fault, times=2)),
    faults(REFUSALS, st.just("before"), INSTANT),
    faults(DOUBTS, BEFORE_OR_AFTER, INSTANT),
    CUT,
)
ATTEMPTS = st.builds(
    Attempt, FAULTS, st.none() | INSTANT | INSTANT, st.sampled_from([False, False, True])
)
INTENTS = st.builds(
    Intent,
    prompt=st.sampled_from(["a dog", "a cat"]),
    server=st.integers(0, 1),
    begin_seconds=INSTANT,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
)


async def call_until_settled(
    intent: Intent, servers: list[KillableServer], sandbox: Sandbox
) -> str | None:
    """Call until there is a task id (returned), or a doubt that only the person can settle."""
    await asyncio.sleep(intent.begin_seconds)
    for attempt in itertools.chain(intent.attempts, itertools.repeat(Attempt())):
        if attempt.fault is not None:
            sandbox.faults.add(attempt.fault)
        server = servers[intent.server]
        call = await attempt_call(server, buy(server.running, prompt=intent.prompt), attempt)
        try:
            return str((await call)["task_id"])
        except MaybeChargedError:
            return None
        except (MiniMaxError, asyncio.CancelledError):
            continue  # nothing was charged, or nobody was told: call again with the same words
    raise AssertionError


async def play(intents: list[Intent], settings: Settings) -> None:
    sandbox, alive = Sandbox(), set[str]()
    async with serve(sandbox) as url, asyncio.timeout(120):
        settings = replace(settings, api_host=url)
        servers = [KillableServer(settings, alive) for _ in range(2)]
        got = await asyncio.gather(
            *(call_until_settled(intent, servers, sandbox) for intent in intents)
        )
        for server in servers:
            await server.finish()
        ledger = SqliteLedger(settings.state_dir)
        jobs = await ledger.newest(1000, kinds=[Kind.VIDEO])
        await ledger.aclose()
    check_promises(intents, got, sandbox, jobs)


def check_promises(
    intents: list[Intent], got: Sequence[str | None], sandbox: Sandbox, jobs: list[Record]
) -> None:
    handed = [task_id for task_id in got if task_id is not None]
    assert len(set(handed)) == len(handed), "one video was given out as two"
    assert set(handed) <= set(sandbox.videos)
    written = {job.task_id for job in jobs if job.state is State.ACCEPTED}
    assert set(handed) <= written
    for prompt in ("a dog", "a cat"):
        accepted = {task.id for task in sandbox.videos.values() if task.prompt == prompt}
        of_wish = [i for i, intent in enumerate(intents) if intent.prompt == prompt]
        in_doubt = [job for job in jobs if job.prompt == prompt and job.state is State.UNKNOWN]
        told_of_doubt = sum(got[i] is None for i in of_wish)
        assert len(accepted) <= len(of_wish), "bought more often than wanted"
        assert len(accepted - written) <= len(in_doubt), "accepted, and the ledger knows nothing"
        assert len(accepted - set(handed)) <= told_of_doubt, "paid, and nobody was told"
    assert [job for job in jobs if job.state is State.SUBMITTING] == []


@try_schedules(40)
@given(intents=st.lists(INTENTS, min_size=1, max_size=4))
def test_no_schedule_of_faults_cancellations_and_kills_buys_a_video_twice_or_loses_one(
    intents: list[Intent], settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = replace(settings, state_dir=tmp_path_factory.mktemp("state") / "minimax")
    asyncio.run(play(intents, settings))
    gc.collect()  # here, and not in the middle of another test
