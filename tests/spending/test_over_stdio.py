"""Money over stdio: the real server, started, cancelled, frozen and killed as hosts do it.

What counts is what the sandbox charged, and what the host could read.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minimax.sandbox import Fault
from minimax.settings import Settings
from tests.support.host import Host
from tests.support.paid_jobs import (
    PAID_TOOLS,
    SHORT_TOOLS,
    PaidTool,
    Shop,
    kill,
    open_shop,
    start_server,
    wait_until,
)

pytestmark = pytest.mark.anyio

HANDED_OVER = "it is returned here, and nothing was bought now"
EARLIER_IN_DOUBT = "An earlier attempt at the same request ended in doubt and may have been charged"
AGREE = "allow_second_charge=true"
LIMIT = "MINIMAX_MCP_DAILY_LIMIT_USD"
NO_LIMIT = {LIMIT: "off"}

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def for_tools(tools: dict[str, PaidTool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("tool", [pytest.param(t, id=name) for name, t in tools.items()])


every_tool = for_tools(SHORT_TOOLS)
every_tool_at_every_price = for_tools(PAID_TOOLS)
every_download = for_tools({name: tool for name, tool in SHORT_TOOLS.items() if tool.has_link})


async def start_and_hold(running: Host, shop: Shop, tool: PaidTool) -> int:
    """Begin a call whose purchase is charged and whose answer is on its way; the call's id."""
    shop.hold(tool.path)
    ident, _ = running.start(tool.name, **tool.arguments)
    await wait_until(lambda: shop.held)
    return ident


async def call(running: Host, tool: PaidTool, **more: Any) -> dict[str, Any]:
    return await running.call(tool.name, **{**tool.arguments, **more})


def is_handed_over(result: dict[str, Any]) -> bool:
    """Whether the result says so, in its text and in `reused` where there is one."""
    said = HANDED_OVER in str(result["next_step"])
    if "reused" in result:
        assert result["reused"] is said
    return said


async def check_doubt(running: Host, shop: Shop, tool: PaidTool) -> None:
    """An identical call after a charge that nobody was told of."""
    assert shop.count(tool) == 1
    if tool.is_cheap:
        again = await call(running, tool)
        assert EARLIER_IN_DOUBT in again["next_step"]
        assert not is_handed_over(again)
    else:
        for _ in range(2):
            assert AGREE in await running.failure(tool.name, **tool.arguments)
        assert shop.count(tool) == 1
        agreed = await call(running, tool, allow_second_charge=True)
        assert EARLIER_IN_DOUBT not in agreed["next_step"]
    assert shop.count(tool) == 2


# --- the process ends --------------------------------------------------------------------------


@posix_only
@every_tool_at_every_price
async def test_a_call_killed_in_flight_is_in_doubt_and_only_what_is_cheap_is_made_again(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop:
        async with start_server(shop.settings) as one:
            await start_and_hold(one, shop, tool)
            await kill(one)
        shop.release()
        async with start_server(shop.settings) as other:
            await check_doubt(other, shop, tool)


@every_tool
async def test_what_was_accepted_before_the_kill_is_handed_over_as_it_lies_on_disk(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop:
        async with start_server(shop.settings) as one:
            ident = await start_and_hold(one, shop, tool)
            one.cancel(ident)
            shop.release()
            await wait_until(shop.is_delivered)
            await kill(one)
        requests, files = len(shop.sandbox.requests), shop.list_files()
        async with start_server(shop.settings) as other:
            assert is_handed_over(await call(other, tool))
        assert len(shop.sandbox.requests) == requests
        assert shop.list_files() == files
        assert shop.count(tool) == 1


def close_stdin(running: Host) -> None:
    assert running.process.stdin is not None
    running.process.stdin.close()


def terminate(running: Host) -> None:
    running.process.terminate()


@posix_only
@pytest.mark.parametrize(
    "end", [pytest.param(close_stdin, id="EOF"), pytest.param(terminate, id="SIGTERM")]
)
@every_tool
async def test_what_is_made_while_the_host_quits_is_saved_and_handed_over(
    tool: PaidTool, end: Callable[[Host], None], settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop:
        async with start_server(shop.settings) as one:
            await start_and_hold(one, shop, tool)
            end(one)
            await wait_until(lambda: [row["caller"] for row in shop.list_rows()] == [None])
            shop.release()
            assert await one.ended() == 0
        assert shop.is_delivered()
        files = shop.list_files()
        async with start_server(shop.settings) as other:
            assert is_handed_over(await call(other, tool))
        assert shop.list_files() == files
        assert shop.count(tool) == 1


async def end_and_wait(running: Host) -> None:
    close_stdin(running)
    await running.ended()


@posix_only
@every_download
@pytest.mark.parametrize("end", [pytest.param(kill, id="SIGKILL")])
async def test_a_link_whose_download_the_process_did_not_survive_is_downloaded_by_the_next(
    tool: PaidTool, end: Any, settings: Settings, home: Path
) -> None:
    await check_download_after(end, tool, settings, home)


async def test_a_link_whose_download_outlasts_the_end_of_the_server_is_downloaded_by_the_next(
    settings: Settings, home: Path
) -> None:
    await check_download_after(end_and_wait, PAID_TOOLS["text_to_image"], settings, home)


async def check_download_after(end: Any, tool: PaidTool, settings: Settings, home: Path) -> None:
    async with open_shop(settings, home) as shop:
        shop.hold("/download/")
        async with start_server(shop.settings) as one:
            one.start(tool.name, **tool.arguments)
            await wait_until(lambda: shop.held)
            await end(one)
        [row] = shop.list_rows()
        assert "/download/" in row["reply"]
        assert row["result"] is None
        shop.release()
        async with start_server(shop.settings) as other:
            assert is_handed_over(await call(other, tool))
        assert [path.stat().st_size > 0 for path in shop.list_files()] == [True]
        assert shop.count(tool) == 1


# --- the answer is lost, or nobody waits for it ------------------------------------------------


@every_tool_at_every_price
async def test_a_lost_answer_is_told_as_a_doubt_and_only_what_is_cheap_is_made_again(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    lost = Fault(tool.path, when="after", reset=True)
    async with open_shop(settings, home, lost) as shop, start_server(shop.settings) as running:
        told = await running.failure(tool.name, **tool.arguments)
        assert "MiniMax may have" in told
        assert "charged" in told
        assert (AGREE in told) is not tool.is_cheap
        await check_doubt(running, shop, tool)


@every_tool
async def test_a_call_that_was_cancelled_in_flight_is_joined_and_then_handed_over(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop, start_server(shop.settings) as running:
        ident = await start_and_hold(running, shop, tool)
        running.cancel(ident)
        await wait_until(lambda: [row["caller"] for row in shop.list_rows()] == [None])
        _, joining = running.start(tool.name, **tool.arguments)
        await wait_until(lambda: shop.list_rows()[0]["caller"])
        shop.release()
        result = (await joining)["result"]["structuredContent"]
        assert is_handed_over(result)
        assert shop.count(tool) == 1


@every_tool
async def test_a_call_that_was_cancelled_when_all_was_done_is_handed_over_once(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop, start_server(shop.settings) as running:
        ident = await start_and_hold(running, shop, tool)
        running.cancel(ident)
        shop.release()
        await wait_until(shop.is_delivered)
        first, second = [await call(running, tool) for _ in range(2)]
        assert [is_handed_over(result) for result in (first, second)] == [True, False]
        assert tool.name_bought(first) != tool.name_bought(second)
        assert shop.count(tool) == 2


@every_tool
async def test_the_same_call_of_two_processes_is_two_purchases_or_joins_where_a_caller_has_gone(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with (
        open_shop(settings, home) as shop,
        start_server(shop.settings) as one,
        start_server(shop.settings) as other,
    ):
        shop.hold(tool.path)
        calls = [asyncio.ensure_future(call(running, tool)) for running in (one, other)]
        await wait_until(lambda: shop.held == 2)
        shop.release()
        results = await asyncio.gather(*calls)
        assert [is_handed_over(result) for result in results] == [False, False]
        assert len({tool.name_bought(result) for result in results}) == shop.count(tool) == 2

        varied = tool.vary(1)
        shop.hold(tool.path)
        ident, _ = one.start(tool.name, **varied)
        await wait_until(lambda: shop.held)
        one.cancel(ident)
        await wait_until(lambda: shop.list_rows()[-1]["caller"] is None)
        joining = asyncio.ensure_future(call(other, tool, **varied))
        await wait_until(lambda: shop.list_rows()[-1]["caller"])
        shop.release()
        assert is_handed_over(await joining)
        assert shop.count(tool) == 3


# --- races -------------------------------------------------------------------------------------

tried_often = pytest.mark.parametrize(
    ("tool", "tries"),
    [
        pytest.param(PAID_TOOLS["generate_video"], 60, id="generate_video"),
        pytest.param(PAID_TOOLS["text_to_audio"], 20, id="text_to_audio"),
    ],
)
CALLS_PER_KILL = 10


@posix_only
@pytest.mark.parametrize("moment", ["noted", "answered"])
@tried_often
async def test_a_server_killed_between_the_ledger_and_the_pipe_has_bought_everything_once(
    tool: PaidTool, tries: int, moment: str, settings: Settings, home: Path
) -> None:
    """Many calls end at once, and one of their notes or answers is the moment of the kill."""
    asked, handed_over, accepted = 0, 0, list[str]()
    async with open_shop(settings, home) as shop:
        while handed_over < tries:
            async with start_server(shop.settings, **NO_LIMIT) as running:
                for text in accepted:
                    again = await call(running, tool, **{tool.varies: text})
                    assert is_handed_over(again), text
                handed_over += len(accepted)
                known = {row["key"] for row in shop.list_rows()}
                await kill_in_a_burst(running, shop, tool, first=asked, moment=moment)
                asked += CALLS_PER_KILL
            accepted = [
                row["prompt"]
                for row in shop.list_rows()
                if row["key"] not in known and row["state"] == "accepted"
            ]
        assert shop.count(tool) == asked


async def kill_in_a_burst(
    running: Host, shop: Shop, tool: PaidTool, *, first: int, moment: str
) -> None:
    """Let many answers come at once; the note or the answer of a late one is the moment."""
    before = len(accepted_rows(shop))
    late = CALLS_PER_KILL - (first // CALLS_PER_KILL) % 3
    answers: list[Any] = []

    def see_answer(answer: Any) -> None:
        answers.append(answer)
        if moment == "answered" and len(answers) == late:
            running.process.kill()

    shop.hold(tool.path)
    for number in range(first, first + CALLS_PER_KILL):
        _, answer = running.start(tool.name, **tool.vary(number))
        answer.add_done_callback(see_answer)
    await wait_until(lambda: shop.held == CALLS_PER_KILL)
    shop.release()
    if moment == "noted":
        await wait_until(lambda: len(accepted_rows(shop)) >= before + late)
        running.process.kill()
    await running.process.wait()


def accepted_rows(shop: Shop) -> list[dict[str, Any]]:
    return [row for row in shop.list_rows() if row["state"] == "accepted"]


def last_request(tool: PaidTool) -> str:
    """The path of the last request before the answer."""
    return "/download/" if tool.has_link else tool.path


async def cancel_at_the_answer(running: Host, shop: Shop, ident: int, answer: Any, _: int) -> None:
    """The host gave up a moment ago when the answer comes."""
    answer.add_done_callback(lambda _: running.cancel(ident))
    shop.release()
    await answer


async def cancel_before_the_answer(
    running: Host, shop: Shop, ident: int, _: Any, attempt: int
) -> None:
    """The cancellation is sent while MiniMax's answer is on its way, sooner or later in it."""
    shop.release()
    for _ in range(attempt * 2):
        await asyncio.sleep(0)
    running.cancel(ident)


@pytest.mark.parametrize("cancel", [cancel_at_the_answer, cancel_before_the_answer])
@tried_often
async def test_a_cancellation_that_crosses_the_answer_takes_it_back(
    tool: PaidTool, tries: int, cancel: Any, settings: Settings, home: Path
) -> None:
    async with (
        open_shop(settings, home) as shop,
        start_server(shop.settings, **NO_LIMIT) as running,
    ):
        for attempt in range(tries):
            varied = tool.vary(attempt)
            shop.hold(last_request(tool))
            ident, answer = running.start(tool.name, **varied)
            await wait_until(lambda: shop.held)
            await cancel(running, shop, ident, answer, attempt)
            assert is_handed_over(await call(running, tool, **varied)), attempt
            assert shop.count(tool) == attempt + 1


async def freeze_before_both(running: Host, shop: Shop, ident: int) -> None:
    running.process.send_signal(signal.SIGSTOP)
    await let_through(shop)
    running.cancel(ident)


async def freeze_before_both_in_the_other_order(running: Host, shop: Shop, ident: int) -> None:
    running.process.send_signal(signal.SIGSTOP)
    running.cancel(ident)
    await let_through(shop)


async def freeze_with_the_answer_noted(running: Host, shop: Shop, ident: int) -> None:
    shop.release()
    await wait_until(shop.is_delivered)
    running.process.send_signal(signal.SIGSTOP)
    running.cancel(ident)


async def let_through(shop: Shop) -> None:
    passed = shop.passed
    shop.release()
    await wait_until(lambda: shop.passed > passed)


FREEZES = (
    freeze_before_both,
    freeze_before_both_in_the_other_order,
    freeze_with_the_answer_noted,
)


@posix_only
@tried_often
async def test_a_server_that_was_frozen_while_answer_and_cancellation_came_hands_over(
    tool: PaidTool, tries: int, settings: Settings, home: Path
) -> None:
    """As when the computer sleeps; both are there when it wakes up."""
    async with (
        open_shop(settings, home) as shop,
        start_server(shop.settings, **NO_LIMIT) as running,
    ):
        for attempt in range(tries):
            varied = tool.vary(attempt)
            shop.hold(last_request(tool))
            ident, _ = running.start(tool.name, **varied)
            await wait_until(lambda: shop.held)
            await FREEZES[attempt % len(FREEZES)](running, shop, ident)
            running.process.send_signal(signal.SIGCONT)
            assert is_handed_over(await call(running, tool, **varied)), attempt
            assert shop.count(tool) == attempt + 1


# --- meant as two ------------------------------------------------------------------------------


@every_tool
async def test_a_request_after_the_answer_makes_the_next_identical_call_another_purchase(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop, start_server(shop.settings) as running:
        first = await call(running, tool)
        await running.answer("ping")
        second = await call(running, tool)
        third = await call(running, tool)
        results = (first, second, third)
        assert [is_handed_over(result) for result in results] == [False] * 3
        assert len({tool.name_bought(result) for result in results}) == shop.count(tool) == 3


@every_tool
async def test_a_cancellation_takes_back_what_a_later_request_had_shown(
    tool: PaidTool, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop, start_server(shop.settings) as running:
        ident, answer = running.start(tool.name, **tool.arguments)
        first = (await answer)["result"]["structuredContent"]
        await call(running, tool, **tool.vary(1))
        running.cancel(ident)
        again = await call(running, tool)
        assert is_handed_over(again)
        assert tool.name_bought(again) == tool.name_bought(first)
        assert shop.count(tool) == 2


USES = {
    "generate_video": ("query_video_generation", {"task_id": "task_id"}, {}),
    "upscale_video": ("query_video_generation", {"task_id": "task_id"}, {}),
    "long_text_to_audio": ("query_long_audio", {"task_id": "task_id"}, {}),
    "voice_design": ("text_to_audio", {"voice_id": "voice_id"}, {"text": "It is me."}),
    "voice_clone": ("text_to_audio", {"voice_id": "voice_id"}, {"text": "It is me."}),
}


@pytest.mark.parametrize("name", USES)
async def test_an_id_used_in_a_later_call_was_received_even_if_its_call_is_cancelled_afterwards(
    name: str, settings: Settings, home: Path
) -> None:
    tool = PAID_TOOLS[name]
    use, ids, more = USES[name]
    async with open_shop(settings, home) as shop, start_server(shop.settings) as running:
        ident, answer = running.start(tool.name, **tool.arguments)
        first = (await answer)["result"]["structuredContent"]
        await running.call(use, **{key: first[of] for key, of in ids.items()}, **more)
        charged = shop.count(tool)
        running.cancel(ident)
        again = await call(running, tool)
        assert not is_handed_over(again)
        assert tool.name_bought(again) != tool.name_bought(first)
        assert shop.count(tool) == charged + 1


# --- the limit ---------------------------------------------------------------------------------


async def test_a_limit_of_nothing_buys_nothing_and_leaves_free_tools_alone(
    settings: Settings, home: Path
) -> None:
    async with (
        open_shop(settings, home) as shop,
        start_server(shop.settings, **{LIMIT: "0"}) as running,
    ):
        for tool in SHORT_TOOLS.values():
            told = await running.failure(tool.name, **tool.arguments)
            assert f"Nothing was sent: {LIMIT} is 0" in told
        assert (await running.call("generate_video", prompt="x", dry_run=True))["task_id"] is None
        assert (await running.call("list_voices"))["system"]
        assert (await running.call("list_video_tasks"))["tasks"] == []
        without_preview = await running.call("voice_clone", audio="~/recording.wav")
        assert without_preview["status"] == "cloned"
        assert len(shop.sandbox.bill) == 0


async def test_the_purchase_beyond_the_limit_is_refused_and_told_what_was_spent_and_who_decides(
    settings: Settings, home: Path
) -> None:
    """What is handed over and what is only estimated leaves room for what is bought."""
    video = PAID_TOOLS["generate_video"]
    async with open_shop(settings, home) as shop:
        async with start_server(shop.settings, **{LIMIT: "0.60"}) as one:
            ident = await start_and_hold(one, shop, video)
            one.cancel(ident)
            shop.release()
            await wait_until(shop.is_delivered)
            assert is_handed_over(await call(one, video))
            for _ in range(3):
                await call(one, video, dry_run=True)
            assert not is_handed_over(await call(one, video))
            await kill(one)
        async with start_server(shop.settings, **{LIMIT: "0.60"}) as other:
            assert is_handed_over(await call(other, video))
            told = await other.failure(video.name, **video.arguments)
            await call(other, PAID_TOOLS["text_to_audio"])
        assert shop.count(video) == 2
    assert "this would cost $0.28" in told
    assert "$0.56 of the daily limit of $0.60 were spent in the last 24 hours" in told
    assert "There is room again in about 24 hours." in told
    assert f"Only the person can raise the limit: {LIMIT} in the host's configuration." in told


async def test_two_processes_together_stay_within_the_limit(settings: Settings, home: Path) -> None:
    video = PAID_TOOLS["generate_video"]
    async with (
        open_shop(settings, home) as shop,
        start_server(shop.settings, **{LIMIT: "1.00"}) as one,
        start_server(shop.settings, **{LIMIT: "1.00"}) as other,
    ):
        answers = [
            running.start(video.name, **video.vary(number))[1]
            for number in range(4)
            for running in (one, other)
        ]
        results = [(await answer)["result"] for answer in answers]
        refused = [result for result in results if result.get("isError")]
        assert (shop.count(video), len(refused)) == (3, 5)
        assert all("Nothing was sent" in result["content"][0]["text"] for result in refused)


@pytest.mark.parametrize(("name", "fee"), [("voice_clone", "$1.50"), ("voice_design", "$3.00")])
async def test_the_first_use_of_a_made_voice_counts_its_fee_and_the_next_does_not(
    name: str, fee: str, settings: Settings, home: Path
) -> None:
    async with open_shop(settings, home) as shop:
        async with start_server(shop.settings, **{LIMIT: "1.00"}) as running:
            voice = (await call(running, PAID_TOOLS[name]))["voice_id"]
            speech = {"text": "It is me.", "voice_id": voice}
            told = await running.failure("text_to_audio", **speech)
            assert f"Nothing was sent: this would cost {fee}" in told
            assert len(shop.sandbox.bill) == 1
        async with start_server(shop.settings, **{LIMIT: "1.00"}) as running:
            told = await running.failure("text_to_audio", **speech)
            assert f"would cost {fee}" in told  # the ledger tells how another process made it
        async with start_server(shop.settings, **{LIMIT: "3.50"}) as running:
            await running.call("text_to_audio", **speech)
            await running.call("text_to_audio", **speech)
        assert [charge.what for charge in shop.sandbox.bill].count(name) == 1
