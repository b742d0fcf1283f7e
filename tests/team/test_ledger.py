"""The PostgreSQL ledger: the shared suite, and what a team needs beyond it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from minimax.errors import SettingsError, SpendingLimitError, UnansweredError, UnreachableError
from minimax.ledger.base import Ledger
from minimax.ledger.records import KEPT_SECONDS, Decision, Follower, Kind, State
from minimax.team.database import Database, check_version, create_tables, open_database
from minimax.team.ledger import UNATTENDED_SECONDS, Account, PostgresLedger
from minimax.team.sender import Sender
from tests.ledger.suite import (
    DAY,
    EVERY_KIND,
    HOUR,
    STEPS,
    LedgerSuite,
    Step,
    Store,
    accept,
    accept_then_abandon,
    begin,
    buy,
    buy_accepted,
    decide_next,
    make_purchase,
    reload,
    settle_as_doubt,
)
from tests.support.virtual_time import VirtualTime
from tests.team.stores import PostgresStore, open_postgres_store

pytestmark = pytest.mark.anyio

DATABASE_TIME = pytest.mark.parametrize(
    ("jump_days", "passed_seconds", "decision"),
    [
        pytest.param(0, DAY - 61, Decision.OVER_LIMIT, id="within"),
        pytest.param(0, DAY, Decision.BUY, id="after"),
        pytest.param(-3, HOUR, Decision.OVER_LIMIT, id="set-back"),
        pytest.param(-3, 3 * DAY - 61, Decision.BUY, id="set-back-long-ago"),
    ],
)


class OnPostgres(LedgerSuite):
    """What differs by the engine: its time is the database's, which no machine of ours sets."""

    @DATABASE_TIME
    async def test_across_boots_the_wall_clock_decides_and_the_future_is_young(
        self,
        jump_days: float,
        passed_seconds: float,
        decision: Decision,
        store: Store,
        ledger: Ledger,
    ) -> None:
        await LedgerSuite.test_across_boots_the_wall_clock_decides_and_the_future_is_young(
            self, jump_days, passed_seconds, decision, store, ledger
        )


class TestKnownCallers(OnPostgres):
    """Every promise of a ledger, kept in PostgreSQL by processes that know their callers."""

    @pytest.fixture
    async def store(self, database: Database) -> AsyncIterator[PostgresStore]:
        async with open_postgres_store(database, knows_callers=True) as opened:
            yield opened


OVER_NETWORK = {
    **STEPS,
    "under-way": (*STEPS["under-way"][:2], Decision.JOIN),
    "accepted": (*STEPS["accepted"][:2], Decision.HAND_OVER),
}


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresStore]:
    async with open_postgres_store(database) as opened:
        yield opened


@pytest.fixture
async def ledger(store: PostgresStore) -> PostgresLedger:
    return await store.open()


class TestOverNetwork(OnPostgres):
    """The same where nobody can tell whether a caller still waits, as in a team.

    What an identical request gets is the purchase that is there, until it is used; so the tests by
    which two callers buy two give way to those below.
    """

    @pytest.fixture
    async def store(self, database: Database) -> AsyncIterator[PostgresStore]:
        async with open_postgres_store(database) as opened:
            yield opened

    @EVERY_KIND
    @pytest.mark.parametrize(("step", "state", "decision"), OVER_NETWORK.values(), ids=OVER_NETWORK)
    async def test_each_state_is_seen_by_every_process_and_decides_the_next_identical_request(
        self, kind: Kind, step: Step, state: State, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        await LedgerSuite.test_each_state_is_seen_by_every_process_and_decides_the_next_identical_request(  # noqa: E501
            self, kind, step, state, decision, store, ledger
        )

    @pytest.mark.parametrize(
        ("seconds", "state", "decision"),
        [
            pytest.param(-1.0, State.SUBMITTING, Decision.JOIN, id="in-time"),
            pytest.param(1.0, State.UNKNOWN, Decision.REFUSE, id="too-late"),
        ],
    )
    async def test_a_request_without_an_outcome_by_its_deadline_is_in_doubt(
        self, seconds: float, state: State, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        await LedgerSuite.test_a_request_without_an_outcome_by_its_deadline_is_in_doubt(
            self, seconds, state, decision, store, ledger
        )

    @EVERY_KIND
    async def test_a_recent_twin_is_the_newest_accepted_purchase_of_the_same_request(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        wanted = make_purchase(kind)
        first = await buy_accepted(ledger, wanted, "task-1")
        await ledger.mark_received([first])
        store.clock.advance(10)
        second = await buy_accepted(ledger, wanted, "task-2")
        store.clock.advance(10)
        twin = await ledger.find_recent_twin(wanted.fingerprint, within_seconds=11)
        assert twin is not None
        assert twin.key == second
        assert await ledger.find_recent_twin(wanted.fingerprint, within_seconds=9) is None


OF_KNOWN_CALLERS = (
    "test_two_living_callers_buy_two",
    "test_an_answer_belongs_to_the_first_that_asks_for_it",
    "test_a_doubt_beside_an_accepted_purchase_is_not_settled_by_it",
    "test_what_can_be_handed_over_comes_before_a_doubt_about_the_same_request",
    "test_an_identical_request_is_another_purchase_with_the_limit_of_its_own_call",
    "test_keys_are_never_used_again",
    "test_everything_that_was_written_down_is_read_again",
)
"""They are about callers of whom is known that they wait."""
for name in OF_KNOWN_CALLERS:
    assert hasattr(LedgerSuite, name)
    setattr(TestOverNetwork, name, None)


# --- identical requests ------------------------------------------------------------------------


@EVERY_KIND
async def test_of_fifty_identical_requests_at_once_one_buys_and_the_others_join(
    kind: Kind, store: PostgresStore
) -> None:
    replicas = [await store.open() for _ in range(5)]
    begun = await asyncio.gather(
        *(begin(replicas[number % 5], make_purchase(kind)) for number in range(50))
    )
    assert Counter(each.decision for each in begun) == {Decision.BUY: 1, Decision.JOIN: 49}
    assert len({each.record.key for each in begun if each.record}) == 1


@EVERY_KIND
async def test_a_purchase_is_handed_over_to_everybody_until_it_is_used(
    kind: Kind, store: PostgresStore, ledger: PostgresLedger
) -> None:
    key = await buy_accepted(ledger, make_purchase(kind))
    await ledger.record_result(key, {"path": "alice/it.mp4"})
    for _ in range(3):
        assert await decide_next(await store.open(), make_purchase(kind)) is Decision.HAND_OVER
    await (await store.open()).receive_by_use("task-1" if kind is Kind.VIDEO else "alice/it.mp4")
    assert await decide_next(ledger, make_purchase(kind)) is Decision.BUY


@EVERY_KIND
async def test_a_purchase_that_minimax_keeps_no_more_makes_room_for_another(
    kind: Kind, store: PostgresStore, ledger: PostgresLedger
) -> None:
    await buy_accepted(ledger, make_purchase(kind))
    store.clock.advance(KEPT_SECONDS[kind] + 1)
    assert await decide_next(ledger, make_purchase(kind)) is Decision.BUY
    assert [row["open"] for row in await store.rows()] == [False, True]


async def test_the_index_refuses_a_second_open_row_whoever_writes_it(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    await buy(ledger, make_purchase())
    with pytest.raises(psycopg.errors.UniqueViolation):
        await store.execute(
            "INSERT INTO minimax_purchases (key, tenant, kind, request, account, state, open,"
            " sender, created_at, deadline_at, api, model) SELECT 'another', tenant, kind,"
            " request, account, state, true, sender, created_at, deadline_at, api, model"
            " FROM minimax_purchases"
        )


async def test_a_doubt_that_an_agreed_charge_replaced_is_a_doubt_again_after_its_rejection(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    await settle_as_doubt(ledger, make_purchase())
    agreed = await buy(ledger, make_purchase(), agreed=True)
    assert await decide_next(await store.open(), make_purchase()) is Decision.JOIN
    await ledger.mark_ended(agreed, State.REJECTED)
    assert await decide_next(await store.open(), make_purchase()) is Decision.REFUSE


async def test_the_acceptance_of_an_agreed_charge_settles_doubts_in_whatever_process_it_comes(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    lost = await settle_as_doubt(ledger, make_purchase())
    agreed = await buy(ledger, make_purchase(), agreed=True)
    await (await store.open()).mark_accepted(agreed, task_id="task-1")
    assert (await reload(ledger, lost)).received_at is not None


async def test_an_acceptance_that_came_another_way_is_not_taken_back(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    key = await buy(ledger, make_purchase())
    await (await store.open()).mark_accepted(key, task_id="task-1")
    await ledger.mark_ended(key, State.UNKNOWN)
    await ledger.mark_accepted(key, task_id="task-2")
    record = await reload(ledger, key)
    assert (record.state, record.task_id) == (State.ACCEPTED, "task-1")


async def test_texts_that_postgresql_does_not_take_are_stored_without_what_it_refuses(
    ledger: PostgresLedger,
) -> None:
    key = await buy(ledger, replace(make_purchase(), prompt="a\0 dog \ud800"))
    await ledger.record_result(key, {"text": "\0\ud800"})
    await ledger.receive_by_use("\0\ud800")
    record = await reload(ledger, key)
    assert (record.prompt, record.result) == ("a dog ?", {"text": "\0\ud800"})


# --- accounts ----------------------------------------------------------------------------------


async def test_one_account_sees_nothing_of_what_another_bought(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    key = await buy_accepted(ledger, make_purchase())
    await ledger.record_status(
        "task-1", status="completed", file_id="file-1", reply="{}", is_final=True
    )
    bob = await store.open(Account(name="bob"))
    assert await bob.reload(key) is None
    assert await bob.by_task("task-1") is None
    assert await bob.by_file("file-1") is None
    assert await bob.claim_job("task-1") is None
    assert await bob.newest(9, kinds=list(Kind)) == []
    assert await bob.find_recent_twin(make_purchase().fingerprint, within_seconds=DAY) is None
    assert await bob.sum_spending(DAY) == {}
    assert await bob.count_open_jobs() == 0
    assert await bob.unfinished_jobs(9, kinds=[Kind.VIDEO], account="account") == []
    await bob.receive_by_use("task-1")
    assert (await reload(ledger, key)).received_at is None
    assert await decide_next(bob, make_purchase()) is Decision.BUY


@pytest.mark.parametrize("change", ["mark_received", "record_path", "record_status"])
async def test_one_account_changes_nothing_of_what_another_bought(
    change: str, store: PostgresStore, ledger: PostgresLedger
) -> None:
    key = await buy_accepted(ledger, make_purchase())
    await ledger.record_status(
        "task-1", status="processing", file_id="file-1", reply="{}", is_final=False
    )
    bob = await store.open(Account(name="bob"))
    before = await reload(ledger, key)
    if change == "mark_received":
        await bob.mark_received([key])
    elif change == "record_path":
        await bob.record_path("file-1", Path("bob/it.mp4"))
    else:
        await bob.record_status("task-1", status="failed", file_id=None, reply="{}", is_final=True)
    assert await reload(ledger, key) == before


async def test_accounts_with_one_key_share_its_limit_to_the_cent(store: PostgresStore) -> None:
    shared = {"shares_key": True, "shared_limit_usd": 1.0}
    alice = await store.open(Account(name="alice", **shared))  # type: ignore[arg-type]
    bob = await store.open(Account(name="bob", **shared))  # type: ignore[arg-type]
    carol = await store.open(Account(name="carol"))
    await buy(carol, make_purchase(price_usd=50))
    await buy(alice, make_purchase(price_usd=0.6))
    with pytest.raises(SpendingLimitError, match=r"would cost \$0.41.*all who"):
        await begin(bob, make_purchase(price_usd=0.41))
    assert (await begin(bob, make_purchase(price_usd=0.40))).decision is Decision.BUY
    assert [row["tenant"] for row in await store.rows()] == ["carol", "alice", "bob"]


async def test_many_at_once_never_spend_more_than_the_shared_limit(store: PostgresStore) -> None:
    accounts = [
        await store.open(Account(name=name, shares_key=True, shared_limit_usd=1.0))
        for name in ("alice", "bob", "carol")
    ]
    begun = await asyncio.gather(
        *(
            begin(accounts[number % 3], make_purchase(name=str(number), price_usd=0.25))
            for number in range(12)
        ),
        return_exceptions=True,
    )
    bought = [each for each in begun if not isinstance(each, BaseException)]
    refused = [each for each in begun if isinstance(each, SpendingLimitError)]
    assert (len(bought), len(refused)) == (4, 8)


# --- who follows -------------------------------------------------------------------------------


async def test_an_accepted_job_is_queued_in_the_transaction_that_writes_it_down(
    store: PostgresStore,
) -> None:
    queued: list[str] = []

    async def refuse_once(db: Any, key: str) -> None:
        queued.append(key)
        if len(queued) == 1:
            raise psycopg.OperationalError("gone")

    ledger = await store.open(on_accepted=refuse_once, follows=False)
    key = await buy(ledger, make_purchase())
    await ledger.mark_accepted(key, task_id="task-1")
    await ledger.mark_accepted(key, task_id="task-1")
    assert queued == [key, key]  # the second time for good, and not again after that
    speech = await buy(ledger, make_purchase(Kind.SPEECH))
    await accept(ledger, speech, Kind.SPEECH)
    assert len(queued) == 2


async def test_an_acceptance_that_waits_for_its_database_is_in_the_log_already(
    store: PostgresStore,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("minimax.team.ledger.LATE_SECONDS", 0.05)
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    async with database.pool.connection() as db, db.transaction():
        await db.execute("LOCK TABLE minimax_purchases")
        marking = asyncio.create_task(ledger.mark_accepted(key, task_id="task-1"))
        async with asyncio.timeout(5):
            while "not written down yet: accepted, task_id task-1" not in caplog.text:
                await asyncio.sleep(0.01)
    await marking


async def test_a_queue_that_takes_nothing_does_not_lose_the_acceptance(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(db: Any, key: str) -> None:
        await db.execute("SELECT * FROM a_queue_that_is_not_there")

    ledger = await store.open(on_accepted=refuse, follows=False)
    await buy_accepted(ledger, make_purchase())
    record = await ledger.by_task("task-1")
    assert record is not None
    assert (record.state, record.follower) == (State.ACCEPTED, None)
    assert "could not be queued" in caplog.text


async def test_replicas_leave_a_queued_job_to_workers_unless_none_takes_it_up(
    store: PostgresStore,
) -> None:
    async def queue(db: Any, key: str) -> None: ...

    replica = await store.open(on_accepted=queue, follows=False)
    await buy_accepted(replica, make_purchase())

    async def follower(ledger: PostgresLedger) -> Follower | None:
        record = await ledger.by_task("task-1")
        assert record is not None
        return record.follower

    assert await follower(replica) is Follower.OTHER
    worker = await store.open()
    assert await follower(worker) is None
    claimed = await worker.claim_job("task-1")
    assert claimed is not None
    assert claimed.follower is Follower.THIS
    second = await store.open()
    assert (await second.claim_job("task-1")).follower is Follower.OTHER  # type: ignore[union-attr]
    await store.kill(worker)
    assert await follower(replica) is Follower.OTHER
    assert (await second.claim_job("task-1")).follower is Follower.THIS  # type: ignore[union-attr]
    await store.kill(second)
    store.clock.advance(UNATTENDED_SECONDS)
    assert await follower(replica) is None


# --- a database in trouble ---------------------------------------------------------------------


@pytest.fixture
async def patient(database_url: str, database: Database) -> AsyncIterator[PostgresLedger]:
    """A ledger whose pauses take no time."""
    async with open_database(database_url, clock=VirtualTime().clock) as opened:
        yield PostgresLedger(opened, Sender(opened), Account(name="alice"))


async def test_without_a_database_nothing_is_decided_and_so_nothing_is_sent() -> None:
    async with open_database("postgresql://127.0.0.1:9/none", clock=VirtualTime().clock) as closed:
        await closed.pool.close()
        ledger = PostgresLedger(closed, Sender(closed), Account(name="alice"))
        with pytest.raises(UnreachableError, match="sent nothing and cost nothing"):
            await begin(ledger, make_purchase())
        with pytest.raises(UnansweredError, match=r"accepted, task_id task-1.*Do not repeat"):
            await ledger.mark_accepted("key", task_id="task-1")


async def test_a_purchase_whose_written_answer_was_lost_is_bought_by_the_very_same_call(
    store: PostgresStore, patient: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row was committed, and the connection broke before that was heard."""
    original = Database.run
    lost = False

    async def lose_first(self: Database, work: Any, **options: Any) -> Any:
        nonlocal lost
        if not lost:
            lost = True
            await original(self, work)
        return await original(self, work, **options)

    monkeypatch.setattr(Database, "run", lose_first)
    beginning = await begin(patient, make_purchase())
    assert beginning.decision is Decision.BUY
    assert len(await store.rows()) == 1


async def test_connections_that_break_lose_nothing(
    store: PostgresStore, patient: PostgresLedger
) -> None:
    bought = []
    for number in range(5):
        key = await buy(patient, make_purchase(name=str(number)))
        await store.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND query NOT LIKE '%%test_clock%%'"
        )
        await accept(patient, key, Kind.VIDEO, f"task-{number}")
        bought.append(f"task-{number}")
    assert [row["task_id"] for row in await store.rows()] == bought


async def test_a_restart_of_postgresql_loses_nothing(
    restart_server: Callable[[], None], store: PostgresStore, patient: PostgresLedger
) -> None:
    key = await buy(patient, make_purchase())
    await asyncio.to_thread(restart_server)
    store.clock.reopen()
    await accept(patient, key, Kind.VIDEO)
    assert await decide_next(patient, make_purchase()) is Decision.HAND_OVER


async def test_tables_are_made_by_several_at_once_and_asked_for_where_they_are_missing(
    server_url: str, database_url: str
) -> None:
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS minimax_empty")
        server.execute("CREATE DATABASE minimax_empty")
    url = psycopg.conninfo.make_conninfo(server_url, dbname="minimax_empty")
    async with open_database(url) as empty:
        with pytest.raises(SettingsError, match="set-up"):
            await check_version(empty)
        await asyncio.gather(*(create_tables(empty) for _ in range(3)))
        await check_version(empty)
        await empty.run(_age_tables)
        with pytest.raises(SettingsError, match="older than this server"):
            await check_version(empty)


async def _age_tables(db: Any) -> None:
    await db.execute("UPDATE minimax_version SET version = 0")


async def test_two_accounts_that_buy_with_one_limit_never_wait_for_each_other_for_ever(
    store: PostgresStore,
) -> None:
    shared = await store.open(Account(name="alice", shares_key=True, shared_limit_usd=99))
    alone = await store.open(Account(name="alice"))
    begun = await asyncio.gather(
        *(begin(each, make_purchase(name=str(n))) for n in range(10) for each in (shared, alone))
    )
    assert Counter(each.decision for each in begun) == {Decision.BUY: 10, Decision.JOIN: 10}


async def test_a_sender_that_ends_in_order_leaves_its_submissions_in_doubt_at_once(
    store: PostgresStore, ledger: PostgresLedger
) -> None:
    key = await buy(ledger, make_purchase())
    await accept_then_abandon(ledger, await buy(ledger, make_purchase(name="b")), Kind.VIDEO)
    await store.ledgers[-1].sender.unregister()
    other = await store.open()
    assert (await reload(other, key)).state is State.UNKNOWN


async def test_heartbeats_show_a_life_until_they_are_cancelled(database: Database) -> None:
    sender = Sender(database)
    beating = asyncio.create_task(sender.beat_forever())

    async def is_seen() -> bool:
        async with database.pool.connection() as db:
            found = await db.execute("SELECT FROM minimax_senders WHERE id = %s", (sender.id,))
            return await found.fetchone() is not None

    async with asyncio.timeout(10):
        while not await is_seen():
            await asyncio.sleep(0.01)
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating
    await sender.unregister()
    assert not await is_seen()


async def test_a_process_ends_even_if_the_database_is_gone(database: Database) -> None:
    await database.pool.close()
    await Sender(database).unregister()
