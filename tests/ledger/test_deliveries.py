"""Which answers have arrived, as a host's messages show it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minimax.ledger.deliveries import MOST_CALLS, Deliveries
from minimax.ledger.records import Decision
from minimax.ledger.sqlite import SqliteLedger
from tests.ledger.processes import SqliteStore, open_store
from tests.ledger.suite import buy_accepted, decide_next, make_purchase

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "state") as opened:
        yield opened


class Connection:
    """One host and its server: a purchase is answered, then messages come."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self.ledger = ledger
        self.deliveries = Deliveries(lambda: ledger)

    async def answer(self, call: str) -> None:
        key = await buy_accepted(self.ledger, make_purchase(), f"task-of-{call}")
        await self.deliveries.answer(call, key)

    async def play(self, messages: str) -> None:
        for message in messages.split():
            await self._handle(message)

    async def _handle(self, message: str) -> None:
        match message.split(":"):
            case ["answer", call]:
                await self.answer(call)
            case ["request"]:
                self.deliveries.note_request()
                await self.deliveries.settle()
            case ["request-at-once"]:
                self.deliveries.note_request()
            case ["use", call]:
                self.deliveries.note_request()
                await self.deliveries.settle()
                await self.deliveries.note_use(f"task-of-{call}")
            case ["cancel", call]:
                self.deliveries.note_cancellation(call)
                await self.deliveries.settle()
            case _:
                raise ValueError(message)


@pytest.mark.parametrize(
    ("messages", "decision"),
    [
        pytest.param("answer:1 request", Decision.BUY, id="a-later-request"),
        pytest.param("answer:1 cancel:1", Decision.HAND_OVER, id="cancelled"),
        pytest.param("answer:1 request cancel:1", Decision.HAND_OVER, id="cancelled-late"),
        pytest.param(
            "answer:1 request-at-once cancel:1", Decision.HAND_OVER, id="cancelled-unsettled"
        ),
        pytest.param("answer:1 cancel:1 request", Decision.HAND_OVER, id="request-after-it"),
        pytest.param("answer:1 request cancel:2", Decision.BUY, id="another-call-cancelled"),
        pytest.param("answer:1 use:1 cancel:1", Decision.BUY, id="cancelled-after-use"),
        pytest.param("answer:1 use:2 cancel:1", Decision.HAND_OVER, id="another-one-used"),
        pytest.param("answer:1 request cancel:1 cancel:1", Decision.HAND_OVER, id="twice"),
    ],
)
async def test_an_answer_has_arrived_when_the_host_shows_it(
    messages: str, decision: Decision, store: SqliteStore
) -> None:
    connection = Connection(await store.open())
    await connection.play(messages)
    await store.kill(connection.ledger)
    assert await decide_next(await store.open(), make_purchase()) is decision


@pytest.mark.parametrize("others", [MOST_CALLS - 1, MOST_CALLS])
async def test_calls_of_long_ago_are_forgotten(others: int, store: SqliteStore) -> None:
    connection = Connection(await store.open())
    await connection.play("answer:1 request")
    for number in range(others):
        await connection.deliveries.answer(f"other {number}", "no key")
    connection.deliveries.note_cancellation("1")
    taken_back = others < MOST_CALLS
    await connection.deliveries.settle()
    expected = Decision.HAND_OVER if taken_back else Decision.BUY
    assert await decide_next(connection.ledger, make_purchase()) is expected


async def test_without_a_purchase_no_ledger_is_opened() -> None:
    def open_none() -> SqliteLedger:
        raise AssertionError("opened")

    deliveries = Deliveries(open_none)
    deliveries.note_request()
    deliveries.note_cancellation("1")
    await deliveries.settle()
    await deliveries.note_use("task-1")
