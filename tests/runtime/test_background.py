"""Background work: joined, kept, forgotten."""

import asyncio
import gc
import weakref
from functools import partial

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


async def use_content(content: Content, problem: Exception | None) -> str:
    try:
        await asyncio.sleep(0)
        if problem is not None:
            raise KeyError(len(vars(content)))
    except KeyError:
        assert problem is not None
        raise problem from None
    return "done"


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(None, id="done"),
        pytest.param(MaybeChargedError("x", outcome=Outcome.UNKNOWN), id="in-doubt"),
    ],
)
async def test_work_that_nobody_collects_keeps_its_end_and_not_what_it_was_made_from(
    problem: Exception | None,
) -> None:
    background, content = Background(), Content()
    alive = weakref.ref(content)
    background.start("key", partial(use_content, content, problem), paid=True)
    del content
    await asyncio.wait(background.tasks)
    gc.collect()
    assert alive() is None
    assert len(background.tasks) == 1


async def test_who_begins_work_that_has_ended_gets_its_own_back_and_its_result() -> None:
    background = Background()

    async def first() -> str:
        return "first"

    async def second() -> str:
        raise AssertionError

    assert background.start("key", first) is first
    assert background.start("key", second) is first
    await asyncio.wait(background.tasks)
    assert background.start("key", second) is second
    assert await background.join("key", within_seconds=5) == "first"
