"""The SQLite ledger: the shared suite, who may read its file, and several processes on it."""

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from minimax.ledger.records import Decision, Kind, State
from minimax.ledger.schema import VERSION
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from minimax.settings import Settings
from tests.conftest import KEY
from tests.ledger.processes import SqliteStore, open_store, start_process
from tests.ledger.suite import LedgerSuite, begin, buy, buy_accepted, claim, make_purchase
from tests.support.paid_jobs import buy as buy_video
from tests.support.paid_jobs import open_server, run_sandbox
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX modes")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "deep" / "state") as opened:
        yield opened


class TestSqlite(LedgerSuite):
    """Every promise of a ledger, kept in SQLite."""


# --- who may read it ---------------------------------------------------------------------------


@pytest.fixture(params=[0o022, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def check_private(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert FILE_NAME in modes
    assert set(modes.values()) == {0o600}, modes


def delete_file(folder: Path) -> None:
    (folder / FILE_NAME).unlink()


def delete_folder(folder: Path) -> None:
    shutil.rmtree(folder)


@posix_only
async def test_nobody_else_may_read_the_ledger(umask: int, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "deep" / "state")
    await buy_accepted(ledger, make_purchase())
    check_private(tmp_path / "deep" / "state")
    await ledger.aclose()


DELETIONS = pytest.mark.parametrize("delete", [delete_file, delete_folder])
Delete = Callable[[Path], None]


@posix_only
@DELETIONS
async def test_a_ledger_that_is_deleted_while_in_use_comes_back_private(
    delete: Delete, umask: int, store: SqliteStore
) -> None:
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    delete(store.folder)
    await ledger.mark_accepted(key, task_id="task-1")
    assert ledger.trouble is None
    check_private(store.folder)
    await buy(await store.open(), make_purchase(name="a cat"))
    check_private(store.folder)


@DELETIONS
@pytest.mark.parametrize("recreated", [False, True], ids=["absent", "recreated-by-another"])
async def test_rows_of_a_deleted_ledger_are_written_again_and_never_over_other_rows(
    delete: Delete, recreated: bool, store: SqliteStore
) -> None:
    ledger, other = await store.open(), await store.open()
    key = await buy(ledger, make_purchase())
    received = await buy_accepted(ledger, make_purchase(name="received"), "task-0")
    await ledger.mark_received([received])
    delete(store.folder)
    if recreated:
        await buy_accepted(other, make_purchase(name="a cat"), "task-2")
    await ledger.mark_accepted(key, task_id="task-1")
    expected = {("a dog", "task-1"), ("received", "task-0")}
    expected |= {("a cat", "task-2")} if recreated else set()
    assert {(row["prompt"], row["task_id"]) for row in store.rows()} == expected
    assert len(store.rows()) == len(expected)


@DELETIONS
async def test_a_deleted_ledger_loses_no_hand_over_no_doubt_and_no_spending_of_this_process(
    delete: Delete, store: SqliteStore
) -> None:
    ledger = await store.open()
    await ledger.abandon(await buy_accepted(ledger, make_purchase()))
    await ledger.mark_ended(await buy(ledger, make_purchase(name="doubt")), State.UNKNOWN)
    delete(store.folder)
    over = await begin(ledger, make_purchase(name="a cat", price_usd=0.5), limit_usd=1.0)
    assert over.decision is Decision.OVER_LIMIT
    assert (await begin(ledger, make_purchase(name="doubt"))).decision is Decision.REFUSE
    assert (await begin(ledger, make_purchase())).decision is Decision.HAND_OVER


async def test_a_doubt_that_was_deleted_does_not_stop_the_acceptance_of_its_second_charge(
    store: SqliteStore,
) -> None:
    before = await store.open()
    await before.mark_ended(await buy(before, make_purchase()), State.UNKNOWN)
    await store.kill(before)
    ledger = await store.open()
    key = await buy(ledger, make_purchase(), agreed=True)
    delete_file(store.folder)
    await ledger.mark_accepted(key, task_id="task-1")
    assert [row["task_id"] for row in store.rows()] == ["task-1"]


async def test_the_key_is_not_in_the_ledger(settings: Settings, time: VirtualTime) -> None:
    async with run_sandbox(settings) as (_, settings), open_server(settings, time) as running:
        await buy_video(running)
    files = [file for file in settings.state_dir.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    assert b"a dog runs along the beach" in kept
    assert KEY.encode() not in kept
    assert KEY.removeprefix("sk-api-").encode() not in kept


async def test_the_file_says_its_version(store: SqliteStore) -> None:
    await buy(await store.open(), make_purchase())
    with closing(sqlite3.connect(store.file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


# --- several processes -------------------------------------------------------------------------

WRITE = """
for number in range(int(arguments[1])):
    name = f"{arguments[0]}-{number}"
    key = await buy(ledger, make_purchase(Kind.VIDEO, name))
    await ledger.mark_accepted(key, task_id=name)
    print(name, flush=True)
    await ledger.mark_received([key])
print(ledger.trouble)
"""
"""A process that buys and says what it has bought."""


async def test_several_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    count = 15
    async with (
        start_process(WRITE, tmp_path, "a", count) as a,
        start_process(WRITE, tmp_path, "b", count) as b,
        start_process(WRITE, tmp_path, "c", count) as c,
    ):
        said = await asyncio.gather(*(process.communicate() for process in (a, b, c)))
    assert [words.split()[-1] for words, _ in said] == [b"None"] * 3
    ledger = SqliteLedger(tmp_path)
    records = await ledger.newest(1000, kinds=[Kind.VIDEO])
    await ledger.aclose()
    names = [f"{name}-{number}" for name in "abc" for number in range(count)]
    assert sorted(str(record.task_id) for record in records) == sorted(names)
    assert all(record.state is State.ACCEPTED and record.received_at for record in records)


@pytest.mark.parametrize("lines", [1, 7])
async def test_what_was_written_before_a_kill_is_there_after_it(lines: int, tmp_path: Path) -> None:
    async with start_process(WRITE, tmp_path, "a", 100_000) as writer:
        assert writer.stdout is not None
        said = [(await writer.stdout.readline()).decode().strip() for _ in range(lines)]
        writer.kill()
        said += (await writer.stdout.read()).decode().split()
        await writer.wait()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ledger = SqliteLedger(tmp_path)
    records = await ledger.newest(100_000, kinds=[Kind.VIDEO])
    assert await ledger.read_trouble() is None
    await ledger.aclose()
    accepted = {record.task_id for record in records if record.state is State.ACCEPTED}
    assert set(said) <= accepted
    assert len(records) <= len(said) + 2


async def test_of_many_that_claim_a_job_at_once_one_follows_it(store: SqliteStore) -> None:
    ledgers = [await store.open(busy_seconds=10) for _ in range(5)]
    await buy_accepted(ledgers[0], make_purchase())
    found = await asyncio.gather(*(claim(each) for each in ledgers))
    assert sorted(each.value for each in found if each) == ["other"] * 4 + ["this"]
