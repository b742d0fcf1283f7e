"""Background work: joined, kept, forgotten."""

import asyncio
import gc
import weakref

import pytest

from minimax.errors import (
    MaybeChargedError,
    Outcome,
    RefusedError,
    UnansweredError,
)
from minimax.runtime.background import Background

pytestmark = pytest.mark.anyio


async def test_who_collects_late_does_not_forget_work_that_was_begun_since() -> None:
    background = Background()

    async def at_once() -> str:
        return "first"

    async def for_ever() -> None:
        await asyncio.Event().wait()

    background.start("key", at_once)
    late = asyncio.create_task(background.join("key", within_seconds=5))
    await asyncio.sleep(0)
    background.forget("key")  # an earlier caller has had it, and begins again
    background.start("key", for_ever)
    begun = background.task("key")
    assert await late == "first"
    assert background.task("key") is begun
    await background.aclose()


async def test_a_timeout_of_the_work_itself_is_its_end_and_not_for_ever_under_way() -> None:
    background = Background()

    async def times_out() -> None:
        raise TimeoutError("a network share")

    background.start("key", times_out)
    with pytest.raises(TimeoutError, match="a network share"):
        await background.join("key", within_seconds=5)
    assert background.tasks == []


@pytest.mark.parametrize(
    ("paid", "error", "begun"),
    [
        pytest.param(False, UnansweredError("x", outcome=Outcome.UNKNOWN), 2, id="free"),
        pytest.param(True, RefusedError("x"), 2, id="refused"),
        pytest.param(True, MaybeChargedError("x", outcome=Outcome.UNKNOWN), 1, id="in-doubt"),
        pytest.param(True, KeyError("x"), 1, id="crashed"),
    ],
)
async def test_a_failure_that_nobody_was_told_is_told_only_where_money_hangs_on_it(
    paid: bool, error: Exception, begun: int
) -> None:
    background, times = Background(), 0

    async def fails() -> None:
        nonlocal times
        times += 1
        raise error

    for _ in range(2):
        background.start("key", fails, paid=paid)
        await asyncio.wait(background.tasks)
    with pytest.raises(type(error)):
        await background.join("key", within_seconds=5)
    assert times == begun


class Content:
    """What a call brought along; a data: URI of 28 MB, say."""


async def test_a_failure_that_nobody_collects_keeps_nothing_that_the_work_had_in_hand() -> None:
    background, alive = Background(), []

    async def fail_with_content() -> None:
        content = Content()
        alive.append(weakref.ref(content))
        try:
            raise KeyError(len(vars(content)))
        except KeyError:
            raise MaybeChargedError("x", outcome=Outcome.UNKNOWN) from None

    background.start("key", fail_with_content, paid=True)
    await asyncio.wait(background.tasks)
    gc.collect()
    assert [reference() for reference in alive] == [None]
    with pytest.raises(MaybeChargedError):
        await background.join("key", within_seconds=5)
