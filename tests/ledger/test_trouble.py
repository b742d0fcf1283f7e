"""A ledger that cannot be used: for a moment, from the start, or because it is damaged."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minimax.errors import SpendingLimitError
from minimax.ledger.base import Ledger
from minimax.ledger.records import Decision, Kind, State
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from minimax.runtime import Runtime
from minimax.settings import Settings
from tests.ledger.processes import SqliteStore, execute_sql, open_store
from tests.ledger.suite import (
    HOUR,
    begin,
    buy,
    buy_accepted,
    decide_next,
    make_purchase,
    reload,
    settle_as_doubt,
)
from tests.support.paid_jobs import buy as buy_video
from tests.support.paid_jobs import open_server, run_sandbox
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

NOT_WRITTEN = "could not be recorded"
VIDEO = [Kind.VIDEO]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "state") as opened:
        yield opened


# --- for a moment ------------------------------------------------------------------------------


@contextmanager
def hold(folder: Path, *statements: str) -> Iterator[None]:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement).fetchall()
        yield
        db.execute("ROLLBACK")


@contextmanager
def prepare_connections(statement: str) -> Iterator[None]:
    """Every connection to a file begins with this statement."""
    with pytest.MonkeyPatch.context() as patch:
        real = sqlite3.connect

        def connect(database: Any, **options: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = real(database, **options)
            if database != ":memory:":
                db.execute(statement).fetchall()
            return db

        patch.setattr(sqlite3, "connect", connect)
        yield


def locked(folder: Path) -> AbstractContextManager[None]:
    """Nobody else may read or write."""
    return hold(folder, "BEGIN EXCLUSIVE")


def being_written(folder: Path) -> AbstractContextManager[None]:
    """It can be read."""
    return hold(folder, "BEGIN IMMEDIATE")


def being_read(folder: Path) -> AbstractContextManager[None]:
    """A transaction can begin, and fails when it commits."""
    return hold(folder, "BEGIN", "SELECT COUNT(*) FROM jobs")


def read_only(folder: Path) -> AbstractContextManager[None]:
    return prepare_connections("PRAGMA query_only = ON")


def full(folder: Path) -> AbstractContextManager[None]:
    return prepare_connections("PRAGMA max_page_count = 1")


Fault = Callable[[Path], AbstractContextManager[None]]
FAULTS = pytest.mark.parametrize(
    "fault",
    [locked, being_written, being_read, read_only, full],
    ids=lambda fault: fault.__name__.replace("_", "-"),
)
LONG_PROMPT = "a dog " * 2000
"""Needs pages of its own, which a full disk does not give."""


async def fill(ledger: Ledger) -> None:
    await ledger.mark_received([await buy_accepted(ledger, make_purchase(Kind.IMAGE, "filling"))])


@FAULTS
async def test_what_happens_to_a_purchase_meanwhile_is_merged_back(
    fault: Fault, store: SqliteStore
) -> None:
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    with fault(store.folder):
        await ledger.mark_accepted(key, task_id="task-1", reply={"long": LONG_PROMPT})
        assert NOT_WRITTEN in str(ledger.trouble)
        await ledger.abandon(key)
        assert (await reload(ledger, key)).task_id == "task-1"
        assert [row["state"] for row in peek_rows(store)] in (["submitting"], [])
    assert await ledger.peek(make_purchase()) is Decision.HAND_OVER
    assert ledger.trouble is None
    assert [(row["state"], row["task_id"]) for row in store.rows()] == [("accepted", "task-1")]
    assert await decide_next(await store.open(), make_purchase()) is Decision.HAND_OVER


def peek_rows(store: SqliteStore) -> list[dict[str, Any]]:
    try:
        return store.rows()
    except sqlite3.OperationalError:
        return []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (locked, "database is locked"),
        (read_only, "attempt to write a readonly database"),
        (full, "database or disk is full"),
    ],
    ids=["locked", "read-only", "full"],
)
async def test_a_ledger_that_cannot_be_used_is_in_the_log_once_until_it_can_be_used_again(
    fault: Fault, reason: str, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    for often in (1, 2):
        caplog.clear()
        with fault(store.folder):
            for _ in range(3):
                await ledger.record_result(key, {"text": LONG_PROMPT * often})
        await ledger.peek(make_purchase())
        [warning] = [record.getMessage() for record in caplog.records if "ledger" in record.name]
        assert warning.startswith(f"The ledger in {store.folder} cannot be used ({reason}")
        assert "an identical request would be bought again" in warning
        assert LONG_PROMPT[:20] not in warning


@FAULTS
async def test_what_is_bought_meanwhile_is_written_once_and_counted_once(
    fault: Fault, store: SqliteStore
) -> None:
    ledger = await store.open()
    await fill(ledger)
    wanted = make_purchase(name=LONG_PROMPT)
    with fault(store.folder):
        key = await buy(ledger, wanted)
        await ledger.mark_accepted(key, task_id="task-1")
        assert NOT_WRITTEN in str(ledger.trouble)
        assert (await ledger.sum_spending(HOUR))[Kind.VIDEO] == pytest.approx(0.28)
        [record] = await ledger.newest(9, kinds=VIDEO)
        assert record.task_id == "task-1"
    assert (await ledger.sum_spending(HOUR))[Kind.VIDEO] == pytest.approx(0.28)
    await store.kill(ledger)
    other = await store.open()
    assert [record.key for record in await other.newest(9, kinds=VIDEO)] == [key]
    beginning = await begin(other, wanted)
    assert beginning.record is not None
    assert (beginning.decision, beginning.record.key) == (Decision.HAND_OVER, key)


@FAULTS
async def test_what_was_bought_meanwhile_is_merged_back_even_by_closing(
    fault: Fault, store: SqliteStore
) -> None:
    ledger = await store.open()
    await fill(ledger)
    with fault(store.folder):
        await buy_accepted(ledger, make_purchase(name=LONG_PROMPT))
    await ledger.aclose()
    other = await store.open()
    assert await decide_next(other, make_purchase(name=LONG_PROMPT)) is Decision.HAND_OVER


@FAULTS
async def test_a_doubt_of_this_process_is_refused_during_the_fault_and_after_it(
    fault: Fault, store: SqliteStore
) -> None:
    ledger = await store.open()
    await settle_as_doubt(ledger, make_purchase())
    with fault(store.folder):
        await buy(ledger, make_purchase(name=LONG_PROMPT))
        assert await decide_next(ledger, make_purchase()) is Decision.REFUSE
    assert await decide_next(ledger, make_purchase()) is Decision.REFUSE
    assert len(store.rows()) == 2


@FAULTS
async def test_a_list_that_could_not_be_read_says_so_and_forgets_no_doubt(
    fault: Fault, store: SqliteStore
) -> None:
    before = await store.open()
    await settle_as_doubt(before, make_purchase())
    await before.aclose()
    ledger = await store.open()
    with fault(store.folder):
        if fault in (locked, being_written):
            await ledger.newest(9, kinds=VIDEO)
            assert NOT_WRITTEN in str(await ledger.read_trouble())
        else:
            await ledger.newest(9, kinds=VIDEO)
    assert await ledger.read_trouble() is None
    assert await decide_next(ledger, make_purchase()) is Decision.REFUSE


@FAULTS
async def test_an_agreed_second_charge_that_is_accepted_meanwhile_settles_the_doubt(
    fault: Fault, store: SqliteStore
) -> None:
    before = await store.open()
    await settle_as_doubt(before, make_purchase())
    await store.kill(before)
    ledger = await store.open()
    key = await buy(ledger, make_purchase(), agreed=True)
    with fault(store.folder):
        await ledger.mark_accepted(key, task_id="task-1", reply={"long": LONG_PROMPT})
        await ledger.mark_received([key])
        assert NOT_WRITTEN in str(ledger.trouble)
    assert await decide_next(ledger, make_purchase()) is Decision.BUY
    assert [row["answered_at"] is None for row in store.rows()] == [False, False, True]


@FAULTS
async def test_a_handed_over_purchase_that_is_received_meanwhile_is_not_handed_over_again(
    fault: Fault, store: SqliteStore
) -> None:
    before = await store.open()
    await buy_accepted(before, make_purchase())
    await store.kill(before)
    ledger = await store.open()
    beginning = await begin(ledger, make_purchase())
    assert beginning.record is not None
    with fault(store.folder):
        await ledger.record_result(beginning.record.key, {"text": LONG_PROMPT})
        await ledger.mark_received([beginning.record.key])
        assert NOT_WRITTEN in str(ledger.trouble)
    await ledger.peek(make_purchase())
    await store.kill(ledger)
    assert await decide_next(await store.open(), make_purchase()) is Decision.BUY


@FAULTS
async def test_what_another_process_has_done_meanwhile_is_not_overwritten(
    fault: Fault, store: SqliteStore
) -> None:
    ledger, other = await store.open(), await store.open()
    await fill(ledger)
    key = await buy(other, make_purchase())
    with fault(store.folder):
        await buy(ledger, make_purchase(name=LONG_PROMPT))
        assert NOT_WRITTEN in str(ledger.trouble)
        store.clock.advance(HOUR)
        await ledger.newest(9, kinds=VIDEO)
    await other.mark_accepted(key, task_id="task-1")
    await ledger.peek(make_purchase())
    record = await reload(ledger, key)
    assert (record.state, record.task_id) == (State.ACCEPTED, "task-1")


@FAULTS
async def test_nothing_is_bought_under_a_limit_that_cannot_be_checked(
    fault: Fault, store: SqliteStore
) -> None:
    """Others may spend meanwhile what is left of it."""
    ledger = await store.open()
    await fill(ledger)
    wanted = make_purchase(name=LONG_PROMPT)
    with fault(store.folder):
        beginning = await begin(ledger, wanted, limit_usd=100.0)
        assert (beginning.decision, beginning.record) == (Decision.OVER_LIMIT, None)
        assert not beginning.spending.is_known
        assert (await begin(ledger, wanted)).decision is Decision.BUY
    other = make_purchase(name="a cat")
    beginning = await begin(ledger, other, limit_usd=100.0)
    assert (beginning.decision, beginning.spending.is_known) == (Decision.BUY, True)


@FAULTS
async def test_a_process_that_starts_meanwhile_buys_within_what_it_can_know(
    fault: Fault, store: SqliteStore
) -> None:
    """A locked file is in use by others; one that nobody can write to is counted as it was."""
    await fill(await store.open())
    wanted = make_purchase(name=LONG_PROMPT)
    with fault(store.folder):
        in_use = fault in (locked, being_written, being_read)
        ledger = await store.open()
        expected = Decision.OVER_LIMIT if in_use else Decision.BUY
        assert (await begin(ledger, wanted, limit_usd=0.6)).decision is expected
        assert (await begin(ledger, wanted, limit_usd=0.6)).decision is Decision.OVER_LIMIT


async def test_what_was_bought_is_known_whatever_the_folder_is_called(tmp_path: Path) -> None:
    """As a part of a URL, such a name would be another one."""
    async with open_store(tmp_path / "100%41 #1" / "state") as store:
        key = await buy_accepted(await store.open(), make_purchase())
        with being_written(store.folder):
            assert (await reload(await store.open(), key)).key == key


async def test_what_is_held_in_memory_is_closed_at_the_end(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = sqlite3.connect, list[sqlite3.Connection]()

    def connect(database: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = real(database, **options)
        opened.extend([db] if database == ":memory:" else [])
        return db

    monkeypatch.setattr(sqlite3, "connect", connect)
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    with being_written(store.folder):
        await ledger.mark_accepted(key, task_id="task-1")
        assert ledger.trouble
        await ledger.aclose()
    [memory] = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        memory.execute("SELECT 1")


async def test_a_tool_says_that_the_limit_cannot_be_checked_and_that_nothing_was_sent(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (sandbox, settings):
        running = Runtime(
            lambda: settings,
            clock=time.clock,
            open_ledger=lambda folder: SqliteLedger(folder, busy_seconds=0),
        )
        await buy_video(running)
        with (
            locked(settings.state_dir),
            pytest.raises(SpendingLimitError, match=r"Nothing was sent: .* is not known"),
        ):
            await buy_video(running, prompt="a cat")
        assert sandbox.count_charges("video") == 1
        await buy_video(running, prompt="a cat")
        await running.aclose()


async def test_the_loop_goes_on_while_the_file_is_locked(store: SqliteStore) -> None:
    """The lock is released by the loop itself, so a loop that stood still would find no file."""
    ledger = await store.open(busy_seconds=10)
    await fill(ledger)
    with locked(store.folder):
        call = asyncio.create_task(buy(ledger, make_purchase()))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not call.done()
    key = await call
    assert ledger.trouble is None
    assert [row["key"] for row in store.rows()][1:] == [key]


# --- from the start ----------------------------------------------------------------------------


def a_folder_in_its_place(folder: Path) -> None:
    (folder / FILE_NAME).mkdir(parents=True)


def a_file_in_the_folders_place(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def below_a_file(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.write_text("")


def a_foreign_table(folder: Path) -> None:
    folder.mkdir(parents=True)
    execute_sql(folder, "CREATE TABLE jobs (fingerprint, created_at, task_id)")


def a_later_version(folder: Path) -> None:
    folder.mkdir(parents=True)
    execute_sql(folder, "CREATE TABLE purchases (everything)")
    execute_sql(folder, "PRAGMA user_version = 99")


def without_write_permission(folder: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("nothing is read-only to this user")
    folder.mkdir(parents=True)
    folder.chmod(0o500)


UNUSABLE = [
    a_folder_in_its_place,
    a_file_in_the_folders_place,
    below_a_file,
    a_foreign_table,
    a_later_version,
    without_write_permission,
]


def name_of(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", "-")


@pytest.mark.parametrize("make", UNUSABLE, ids=name_of)
async def test_a_ledger_that_cannot_be_used_at_all_lives_in_memory_and_says_so(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "odd" / "state"
    make(folder)
    async with open_store(folder) as store:
        ledger = await store.open()
        assert await ledger.read_trouble()
        key = await buy_accepted(ledger, make_purchase())
        assert ledger.trouble
        assert [record.key for record in await ledger.newest(9, kinds=VIDEO)] == [key]
        await ledger.abandon(key)
        assert await decide_next(ledger, make_purchase()) is Decision.HAND_OVER
        assert await decide_next(ledger, make_purchase()) is Decision.BUY
        await settle_as_doubt(ledger, make_purchase(name="doubt"))
        assert await decide_next(ledger, make_purchase(name="doubt")) is Decision.REFUSE
        if folder.is_dir():
            folder.chmod(0o700)


async def test_a_file_of_a_later_version_is_left_as_it_is_and_said(store: SqliteStore) -> None:
    a_later_version(store.folder)
    before = store.file.read_bytes()
    ledger = await store.open()
    await buy_accepted(ledger, make_purchase())
    assert "later version" in str(ledger.trouble)
    assert "later version" in str(await ledger.read_trouble())
    await ledger.aclose()
    assert store.file.read_bytes() == before
    assert [file.name for file in store.folder.iterdir()] == [FILE_NAME]


async def test_a_file_that_becomes_one_of_a_later_version_keeps_what_was_bought_in_memory(
    store: SqliteStore,
) -> None:
    ledger = await store.open()
    key = await buy(ledger, make_purchase())
    execute_sql(store.folder, "PRAGMA user_version = 99")
    await ledger.mark_accepted(key, task_id="task-1")
    assert "later version" in str(ledger.trouble)
    assert [row["state"] for row in store.rows()] == ["submitting"]
    await ledger.abandon(key)
    assert await decide_next(ledger, make_purchase()) is Decision.HAND_OVER


@pytest.mark.parametrize("make", UNUSABLE, ids=name_of)
async def test_a_tool_buys_without_a_ledger_and_its_result_says_so(
    make: Callable[[Path], None],
    settings: Settings,
    time: VirtualTime,
    home: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = replace(settings, state_dir=home / "odd" / "state" / "minimax")
    make(settings.state_dir)
    async with run_sandbox(settings) as (sandbox, settings), open_server(settings, time) as running:
        video = await buy_video(running)
        assert "not be remembered after the server ends" in video["next_step"]
        assert [video["task_id"]] == list(sandbox.videos)
        [listed] = await running.ledger.newest(20, kinds=VIDEO)
    assert listed.task_id == video["task_id"]
    assert caplog.text.count(f"The ledger in {settings.state_dir} cannot be used (") == 1
    if settings.state_dir.is_dir():
        settings.state_dir.chmod(0o700)


async def test_a_ledger_that_can_be_used_is_not_complained_about(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (_, settings), open_server(settings, time) as running:
        assert "remembered" not in (await buy_video(running))["next_step"]


# --- damaged -----------------------------------------------------------------------------------


def garbage(file: Path) -> None:
    file.write_bytes(b"SQLite format 3\x00" + b"\xa5" * 8192)


def no_database(file: Path) -> None:
    file.write_bytes(b"Dear diary, " * 1000)


def cut_off(file: Path) -> None:
    os.truncate(file, 6000)


DAMAGES = pytest.mark.parametrize("damage", [garbage, no_database, cut_off], ids=name_of)
Damage = Callable[[Path], None]


@DAMAGES
async def test_a_damaged_file_is_set_aside_with_its_copy_and_said_by_every_process(
    damage: Damage, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    before = await store.open()
    await buy_accepted(before, make_purchase(name=LONG_PROMPT))
    await before.aclose()
    damage(store.file)
    content = store.file.read_bytes()
    ledger = await store.open()
    await buy_accepted(ledger, make_purchase())
    [copy] = store.folder.glob(f"{FILE_NAME}.damaged-*")
    assert copy.read_bytes() == content
    for process in (ledger, await store.open()):
        assert copy.name in str(await process.read_trouble())
        assert "damaged" in str(process.trouble)
        assert [record.task_id for record in await process.newest(9, kinds=VIDEO)] == ["task-1"]
    assert caplog.text.count(f"has been set aside as {copy.name}") == 1
    copy.unlink()
    assert await ledger.read_trouble() is None


@DAMAGES
async def test_a_file_that_is_damaged_while_in_use_loses_nothing_of_this_process(
    damage: Damage, store: SqliteStore
) -> None:
    ledger = await store.open()
    key = await buy(ledger, make_purchase(name=LONG_PROMPT))
    await settle_as_doubt(ledger, make_purchase(name="doubt"))
    damage(store.file)
    await ledger.mark_accepted(key, task_id="task-1")
    await store.kill(ledger)
    other = await store.open()
    assert await decide_next(other, make_purchase(name="doubt")) is Decision.REFUSE
    assert await decide_next(other, make_purchase(name=LONG_PROMPT)) is Decision.HAND_OVER


async def test_two_damages_leave_two_copies(store: SqliteStore) -> None:
    ledger = await store.open()
    for text in (b"first " * 1000, b"second " * 1000):
        await fill(ledger)
        store.file.write_bytes(text)
    await fill(ledger)
    copies = store.folder.glob(f"{FILE_NAME}.damaged-*")
    assert sorted(copy.read_bytes()[:5] for copy in copies) == [b"first", b"secon"]


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no file that is open")
async def test_a_good_file_is_not_set_aside_by_a_process_that_still_had_the_damaged_one(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes meet the damage at once; the other one is quicker."""
    ledger = await store.open()
    await fill(ledger)
    no_database(store.file)
    real = sqlite3.connect

    def connect(database: Any, **options: Any) -> sqlite3.Connection:
        monkeypatch.setattr(sqlite3, "connect", real)
        db: sqlite3.Connection = real(database, **options)
        store.file.rename(store.folder / f"{FILE_NAME}.damaged-1")
        with closing(real(store.file)) as good, good:
            good.execute("CREATE TABLE made_by_the_other (number)")
        return db

    monkeypatch.setattr(sqlite3, "connect", connect)
    await ledger.peek(make_purchase())
    assert [file.name for file in store.folder.glob("*damaged*")] == [f"{FILE_NAME}.damaged-1"]
    execute_sql(store.folder, "INSERT INTO made_by_the_other VALUES (1)")
