"""An issuer's keys: fetched now and then, and nobody waits for what others send."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from minimax.clock import Clock
from minimax.team.public_keys import KEPT_SECONDS, LONGEST_SECONDS, PAUSE_SECONDS, PublicKeys
from tests.team.issuer import Issuer, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serve(Issuer()) as served:
        yield served


class Time:
    """Passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    @property
    def clock(self) -> Clock:
        read: Callable[[], float] = lambda: self.seconds  # noqa: E731
        return Clock(now=read)


async def test_a_key_is_fetched_once_for_all_who_name_it(issuer: Issuer) -> None:
    keys = PublicKeys(issuer.url, clock=Time().clock)
    found = await asyncio.gather(*(keys.find("1") for _ in range(20)))
    assert all(found)
    assert issuer.fetches == 1


async def test_unknown_keys_make_one_request_in_a_while(issuer: Issuer) -> None:
    time = Time()
    keys = PublicKeys(issuer.url, clock=time.clock)
    assert [await keys.find(f"forged {number}") for number in range(10)] == [None] * 10
    assert issuer.fetches == 1
    issuer.key_ids.append("2")
    time.seconds += PAUSE_SECONDS
    assert await keys.find("2")
    assert issuer.fetches == 2


async def test_nobody_with_a_known_key_waits_while_the_issuer_hangs(issuer: Issuer) -> None:
    time = Time()
    keys = PublicKeys(issuer.url, clock=time.clock)
    await keys.find("1")
    issuer.may_answer.clear()
    time.seconds += KEPT_SECONDS + 1
    forged = asyncio.create_task(keys.find("forged"))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(keys.find("1"), 1)
    assert not forged.done()
    issuer.may_answer.set()
    assert await forged is None


async def test_a_withdrawn_key_is_gone_once_the_keys_were_fetched_again(issuer: Issuer) -> None:
    time = Time()
    keys = PublicKeys(issuer.url, clock=time.clock)
    await keys.find("1")
    issuer.key_ids = ["2"]
    assert await keys.find("1")
    time.seconds += KEPT_SECONDS + 1
    assert await keys.find("2")
    assert await keys.find("1") is None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"keys": []}', b"{}"])
async def test_keys_are_used_for_a_while_though_the_issuer_answers_nonsense(
    issuer: Issuer, body: bytes
) -> None:
    time = Time()
    keys = PublicKeys(issuer.url, clock=time.clock)
    assert await keys.find("1")
    issuer.body = body
    time.seconds += KEPT_SECONDS + 1
    assert await keys.find("2") is None
    assert await keys.find("1")
    time.seconds += LONGEST_SECONDS
    assert await keys.find("1") is None
