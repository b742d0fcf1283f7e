"""Results that nobody asks for again are kept up to a number, and doubt is never forgotten."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from minimax.errors import MaybeChargedError, Outcome, UnreachableError
from minimax.runtime import background
from minimax.runtime.background import Background

pytestmark = pytest.mark.anyio

MOST = 3


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST_UNCLAIMED", MOST)


async def succeed() -> str:
    return "made"


async def fail_before_sending() -> str:
    raise UnreachableError("not sent", outcome=Outcome.NOT_SENT)


async def end_in_doubt() -> str:
    raise MaybeChargedError("perhaps charged", outcome=Outcome.UNKNOWN)


async def leave(running: Background, key: object, work: Callable[[], Awaitable[str]]) -> None:
    """Work whose caller does not wait, and that ends."""
    running.start(key, work, paid=True)  # type: ignore[type-var]
    task = running.task(key)
    assert task is not None
    await asyncio.wait({task})


@pytest.mark.parametrize("work", [succeed, fail_before_sending])
async def test_of_many_results_the_newest_are_kept(work: Callable[[], Awaitable[str]]) -> None:
    running = Background()
    for number in range(20):
        await leave(running, number, work)
    kept = [number for number in range(20) if running.task(number) is not None]
    assert kept == list(range(19 - MOST, 20))
    await running.aclose()


async def test_what_ended_in_doubt_is_never_forgotten() -> None:
    running = Background()
    await leave(running, "doubt", end_in_doubt)
    for number in range(20):
        await leave(running, number, succeed)
    with pytest.raises(MaybeChargedError):
        await running.join("doubt", within_seconds=None)
    await running.aclose()


async def test_work_under_way_is_never_forgotten() -> None:
    running, end = Background(), asyncio.Event()
    running.start("under way", end.wait, paid=True)
    for number in range(20):
        await leave(running, number, succeed)
    end.set()
    assert await running.join("under way", within_seconds=None) is True
    await running.aclose()
