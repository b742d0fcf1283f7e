"""The daily limit holds whatever happens: several processes, kills, faults, clocks that are set."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from minimax.ledger.records import LIMIT_WINDOW_SECONDS, UNPRICED_USD, Decision, Kind, State
from minimax.ledger.sqlite import SqliteLedger
from tests.ledger.processes import SqliteStore, open_store
from tests.ledger.suite import HOUR, begin, make_purchase

PROCESSES = 3
LIMIT_USD = 1.0
CENT_USD = 0.01


@dataclass(frozen=True)
class Buy:
    """An attempt of one process; `end` names what becomes of it if it is bought."""

    process: int
    price_usd: float | None
    name: int
    end: str


@dataclass(frozen=True)
class Kill:
    process: int


@dataclass(frozen=True)
class Pass:
    seconds: float


@dataclass(frozen=True)
class SetClock:
    seconds: float


@dataclass(frozen=True)
class Lock:
    """From here on the file is locked, or can at least not be written; None: no longer."""

    statement: str | None


Step = Buy | Kill | Pass | SetClock | Lock

STEPS: Any = st.one_of(
    st.builds(
        Buy,
        process=st.integers(0, PROCESSES - 1),
        price_usd=st.sampled_from([0.05, 0.1, 0.28, 0.5, 0.99, 1.0, None]),
        name=st.integers(0, 3),
        end=st.sampled_from(["accepted", "received", "doubt", "rejected", "under way"]),
    ),
    st.builds(Kill, st.integers(0, PROCESSES - 1)),
    st.builds(Pass, st.sampled_from([1.0, 80.0, HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR - 1])),
    st.builds(SetClock, st.sampled_from([-72 * HOUR, -24 * HOUR, -HOUR, HOUR, 24 * HOUR])),
    st.builds(Lock, st.sampled_from(["BEGIN EXCLUSIVE", "BEGIN IMMEDIATE", None])),
)


class Schedule:
    """Plays steps, and notes by true time what was or may have been charged."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._passed_seconds = 0.0
        self._ledgers: list[SqliteLedger] = []
        self._lock = ExitStack()
        self.charges: list[tuple[float, float]] = []

    async def play(self, steps: Sequence[Step]) -> None:
        self._ledgers = [await self._store.open() for _ in range(PROCESSES)]
        await self._ledgers[0].newest(1, kinds=[Kind.VIDEO])
        with self._lock:
            for step in steps:
                await self._take(step)

    async def _take(self, step: Step) -> None:
        match step:
            case Buy():
                await self._buy(step)
            case Kill(process):
                await self._store.kill(self._ledgers[process])
                self._ledgers[process] = await self._store.open()
            case Pass(seconds):
                self._store.clock.advance(seconds)
                self._passed_seconds += seconds
            case SetClock(seconds):
                self._store.clock.set_wall(seconds)
            case Lock(statement):
                self._lock.close()
                if statement is not None:
                    db = self._lock.enter_context(closing(sqlite3.connect(self._store.file)))
                    db.execute(statement)

    async def _buy(self, step: Buy) -> None:
        ledger = self._ledgers[step.process]
        purchase = make_purchase(Kind.SPEECH, str(step.name), price_usd=step.price_usd)
        beginning = await begin(ledger, purchase, agreed=True, limit_usd=LIMIT_USD)
        event(beginning.decision.value)
        if beginning.decision is not Decision.BUY:
            return
        assert beginning.record is not None
        key = beginning.record.key
        if step.end != "rejected":
            price_usd = UNPRICED_USD if step.price_usd is None else step.price_usd
            self.charges.append((self._passed_seconds, price_usd))
        if step.end in ("accepted", "received"):
            await ledger.mark_accepted(key, reply={})
        if step.end == "received":
            await ledger.mark_received([key])
        if step.end in ("doubt", "rejected"):
            state = State.UNKNOWN if step.end == "doubt" else State.REJECTED
            await ledger.mark_ended(key, state)

    def find_most_spent(self) -> float:
        """The largest sum of any 24 hours."""
        return max(
            (
                sum(usd for at, usd in self.charges if start <= at < start + LIMIT_WINDOW_SECONDS)
                for start, _ in self.charges
            ),
            default=0.0,
        )


async def play(steps: Sequence[Step], folder: Path) -> float:
    async with open_store(folder) as store:
        schedule = Schedule(store)
        await schedule.play(steps)
        return schedule.find_most_spent()


@effort(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=1, max_size=30))
def test_no_24_hours_of_any_schedule_cost_more_than_the_limit(
    steps: list[Step], tmp_path_factory: pytest.TempPathFactory
) -> None:
    spent_usd = asyncio.run(play(steps, tmp_path_factory.mktemp("state") / "state"))
    assert spent_usd < LIMIT_USD + CENT_USD / 2
