"""Who is still there: a killed process is noticed by its lock, or where there is none its beats."""

import errno
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from minimax.ledger.owners import BEAT_SECONDS, LEASE_SECONDS, Owner
from minimax.ledger.records import Decision, State
from minimax.ledger.sqlite import SqliteLedger
from minimax.ledger.worker import Worker
from tests.ledger.processes import SqliteStore, open_store, start_process
from tests.ledger.suite import (
    HOUR,
    ManualClock,
    buy,
    buy_accepted,
    decide_next,
    make_purchase,
    reload,
)
from tests.support.paid_jobs import wait_until

pytestmark = pytest.mark.anyio

LONG = HOUR
"""Much longer than the deadline of a request and than a lease."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "state") as opened:
        yield opened


# --- real processes ----------------------------------------------------------------------------

BUY = """
key = await buy(ledger, make_purchase())
if arguments[0] == "accepted":
    await ledger.mark_accepted(key, task_id="task-1")
print(key, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("state", "after", "decision"),
    [
        pytest.param("submitting", State.UNKNOWN, Decision.REFUSE, id="under-way"),
        pytest.param("accepted", State.ACCEPTED, Decision.HAND_OVER, id="accepted"),
    ],
)
async def test_a_killed_process_is_noticed_at_once(
    state: str, after: State, decision: Decision, tmp_path: Path
) -> None:
    ledger = SqliteLedger(tmp_path)
    async with start_process(BUY, tmp_path, state) as other:
        assert other.stdout is not None
        key = (await other.stdout.readline()).decode().strip()
        record = await reload(ledger, key)
        assert (record.state.value, record.sender_lives, record.caller_waits) == (state, True, True)
        other.kill()
        await other.wait()
        record = await reload(ledger, key)
        assert (record.state, record.sender_lives, record.caller_waits) == (after, False, False)
        assert await decide_next(ledger, make_purchase()) is decision
    assert not list(tmp_path.glob(f"*{key}*"))
    await ledger.aclose()


async def test_a_process_that_lives_is_not_given_up_however_long_it_says_nothing(
    tmp_path: Path,
) -> None:
    """It may be frozen, or the machine asleep; its answer still belongs to its caller."""
    clock = ManualClock()
    ledger = SqliteLedger(tmp_path, clock=clock.ledger_clock)
    async with start_process(BUY, tmp_path, "accepted") as other:
        assert other.stdout is not None
        key = (await other.stdout.readline()).decode().strip()
        clock.advance(LONG)
        assert (await reload(ledger, key)).caller_waits
        assert await decide_next(ledger, make_purchase()) is Decision.BUY
    await ledger.aclose()


async def test_a_process_that_ends_in_order_leaves_no_lock_file(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path)
    await buy_accepted(ledger, make_purchase())
    assert list(tmp_path.glob("owner-*"))
    await ledger.aclose()
    assert not list(tmp_path.glob("owner-*"))


async def test_what_a_killed_process_left_beside_the_ledger_is_removed(tmp_path: Path) -> None:
    async with start_process(BUY, tmp_path, "accepted") as other:
        assert other.stdout is not None
        await other.stdout.readline()
        other.kill()
        await other.wait()
    ledger = SqliteLedger(tmp_path)
    assert list(tmp_path.glob("owner-*"))
    await ledger.peek(make_purchase())
    assert not list(tmp_path.glob("owner-*"))
    await ledger.aclose()


# --- without locks -----------------------------------------------------------------------------


def cannot_lock(descriptor: int) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


Open = Callable[[], SqliteLedger]


@pytest.fixture
def open_unlocked(tmp_path: Path, store: SqliteStore) -> Open:
    """Another process, where files cannot be locked."""

    def open_ledger() -> SqliteLedger:
        owner = Owner(store.folder, lock=cannot_lock)
        ledger = SqliteLedger(store.folder, clock=store.clock.ledger_clock, owner=owner)
        store.ledgers.append((ledger, owner))
        return ledger

    return open_ledger


@pytest.mark.parametrize(
    ("silent_seconds", "lives"), [(LEASE_SECONDS - 1, True), (LEASE_SECONDS + 1, False)]
)
@pytest.mark.parametrize("jump_seconds", [0, -3 * 24 * HOUR, 3 * 24 * HOUR])
async def test_without_locks_a_process_lives_until_its_beats_have_been_missing_for_a_lease(
    silent_seconds: float,
    lives: bool,
    jump_seconds: float,
    store: SqliteStore,
    open_unlocked: Open,
) -> None:
    ledger, other = open_unlocked(), open_unlocked()
    key = await buy_accepted(ledger, make_purchase())
    store.clock.set_wall(jump_seconds)
    store.clock.advance(silent_seconds)
    assert (await reload(other, key)).caller_waits is lives
    expected = Decision.BUY if lives else Decision.HAND_OVER
    assert await decide_next(other, make_purchase()) is expected


async def test_a_process_that_looks_at_a_purchase_again_and_again_shows_its_life_by_that(
    store: SqliteStore, open_unlocked: Open
) -> None:
    """One that is never idle would otherwise never beat."""
    ledger, other = open_unlocked(), open_unlocked()
    key = await buy(ledger, make_purchase())
    for _ in range(10):
        store.clock.advance(BEAT_SECONDS + 1)
        await reload(ledger, key)
    assert (await reload(other, key)).sender_lives


async def test_an_idle_process_that_has_bought_something_goes_on_beating(
    store: SqliteStore,
) -> None:
    ledger = await store.open(beat_seconds=0.001)
    await buy(ledger, make_purchase())

    def read_beat() -> float:
        with closing(sqlite3.connect(store.file)) as db:
            [beat_at] = db.execute("SELECT beat_at FROM owners").fetchone()
            return float(beat_at)

    first = read_beat()
    store.clock.advance(LONG)
    await wait_until(lambda: read_beat() > first)


async def test_a_worker_beats_when_it_has_nothing_to_do_and_survives_a_beat_that_fails() -> None:
    beats, second = 0, Event()

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats > 1:
            second.set()
        raise OSError

    worker = Worker(beat_seconds=0.001, beat=beat)
    assert await worker.run(lambda: 1) == 1
    await wait_until(second.is_set)
    assert await worker.run(lambda: 2) == 2
    worker.stop()
