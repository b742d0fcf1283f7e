"""A file that version 0.1.0 wrote, and a 0.1.0 server that still writes beside this one."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minimax.errors import MaybeChargedError
from minimax.ledger.legacy_processes import Processes
from minimax.ledger.records import Decision, Kind, Purchase, State
from minimax.ledger.schema import VERSION
from minimax.settings import Settings
from tests.ledger.processes import LegacyProcesses, SqliteStore, execute_sql, open_store
from tests.ledger.suite import begin, buy, buy_accepted, decide_next, make_purchase, reload
from tests.support.paid_jobs import buy as buy_video
from tests.support.paid_jobs import open_server, run_sandbox
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

OLD_FILE = Path(__file__).with_name("ledger-0.1.0.db")
"""Written by 0.1.0 against its sandbox: one video received and saved, one whose caller had gone,
one in doubt, one rejected, and one under way when the process ended."""
WRITTEN_AT = 1_780_000_000.0
LEGACY = {
    "unanswered": "cbf304b132ad57ceb301fdbc5a6e53e64cb5f5312207b49a238b9b4c2f484a47",
    "doubt": "84cb6878babfd51a38a5e34f3510457e63f173402dabdd1fbd29554a43b3a191",
    "rejected": "fb4c6f5f1a19ac0750f8cf2cbcfb45387ad73177f93b79ebf3317845696997bc",
    "under way": "0bf146ce81fe0ab29b6cc809679e2b8bd1aed51b18371485534381c46eddbe07",
    "received": "a5957019cbc6edb0a1e8eed64216ecedcb35cb069c307c9ac1f9e13eb5ff8e4d",
}
UNANSWERED_TASK = "sandbox956254626831625"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An hour after 0.1.0 wrote its file."""
    folder = tmp_path / "state"
    folder.mkdir()
    shutil.copy(OLD_FILE, folder / "ledger.db")
    async with open_store(folder) as opened:
        opened.clock.wall = WRITTEN_AT + 3600
        yield opened


def make_legacy_purchase(fingerprint: str, name: str = "a new name") -> Purchase:
    """As this version asks for what 0.1.0 called by this fingerprint."""
    return Purchase(
        kind=Kind.VIDEO,
        fingerprint=f"request {name}",
        legacy_fingerprint=fingerprint,
        account="account",
        api="v1",
        model="MiniMax-Hailuo-2.3",
        prompt=name,
        duration=6,
        resolution="768P",
        price_usd=0.28,
        deadline_seconds=70.0,
    )


def test_the_file_of_0_1_0_is_its_own_and_names_no_machine() -> None:
    content = OLD_FILE.read_bytes()
    assert b"/home/person/" in content
    assert not any(word in content for word in (b"/tmp", b"/root", b"/work", b"sk-api"))
    with closing(sqlite3.connect(f"file:{OLD_FILE}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (0,)
        states = [state for (state,) in db.execute("SELECT state FROM jobs ORDER BY id")]
    assert states == ["accepted", "accepted", "unknown", "rejected", "submitting"]


async def test_the_rows_of_0_1_0_are_listed_with_what_they_hold(store: SqliteStore) -> None:
    ledger = await store.open()
    records = await ledger.newest(20, kinds=[Kind.VIDEO])
    assert [(record.prompt, record.state) for record in records] == [
        ("a dog on its way", State.UNKNOWN),
        ("a dog in doubt", State.UNKNOWN),
        ("an unanswered dog", State.ACCEPTED),
        ("an answered dog", State.ACCEPTED),
    ]
    saved = records[-1]
    assert saved.path == "/home/person/MiniMax/video-956254626831624.mp4"
    assert (saved.task_id, saved.status) == ("sandbox956254626831623", "completed")
    assert (saved.kind, saved.account, saved.price_usd) == (Kind.VIDEO, None, 0.28)
    assert saved.received_at == WRITTEN_AT
    assert saved.age_seconds == 3600
    assert len({record.key for record in records}) == len(records)
    assert await ledger.sum_spending(24 * 3600) == {Kind.VIDEO: pytest.approx(4 * 0.28)}
    assert await ledger.read_trouble() is None


@pytest.mark.parametrize(
    ("row", "decision"),
    [
        ("unanswered", Decision.HAND_OVER),
        ("doubt", Decision.REFUSE),
        ("under way", Decision.REFUSE),
        ("rejected", Decision.BUY),
        ("received", Decision.BUY),
    ],
)
async def test_what_0_1_0_owed_is_owed_on(row: str, decision: Decision, store: SqliteStore) -> None:
    ledger = await store.open()
    beginning = await begin(ledger, make_legacy_purchase(LEGACY[row]))
    assert beginning.decision is decision
    assert beginning.record is not None
    if decision is Decision.HAND_OVER:
        assert beginning.record.task_id == UNANSWERED_TASK
        assert await decide_next(ledger, make_legacy_purchase(LEGACY[row])) is Decision.BUY


async def test_a_row_of_0_1_0_that_is_received_is_not_handed_over_again(store: SqliteStore) -> None:
    ledger = await store.open()
    beginning = await begin(ledger, make_legacy_purchase(LEGACY["unanswered"]))
    assert beginning.record is not None
    await ledger.mark_received([beginning.record.key])
    await ledger.aclose()
    other = await store.open()
    wanted = make_legacy_purchase(LEGACY["unanswered"])
    assert await decide_next(other, wanted) is Decision.BUY


async def test_the_file_of_0_1_0_becomes_one_of_this_version_and_keeps_every_value(
    store: SqliteStore,
) -> None:
    before = store.rows()
    ledger = await store.open()
    await ledger.by_task("none")
    with closing(sqlite3.connect(store.file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [{name: row[name] for name in before[0]} for row in store.rows()] == before


async def test_the_tool_hands_over_and_refuses_what_0_1_0_bought_with_the_same_key(
    store: SqliteStore, settings: Settings, time: VirtualTime
) -> None:
    """The fingerprint of 0.1.0 is still computed as 0.1.0 did."""
    async with (
        run_sandbox(settings) as (sandbox, settings),
        open_server(replace_state(settings, store), time, now=lambda: store.clock.wall) as running,
    ):
        video = await buy_video(running, prompt="an unanswered dog")
        assert (video["reused"], video["task_id"]) == (True, UNANSWERED_TASK)
        with pytest.raises(MaybeChargedError):
            await buy_video(running, prompt="a dog in doubt")
        assert sandbox.count_charges("video") == 0


def replace_state(settings: Settings, store: SqliteStore) -> Settings:
    return replace(settings, state_dir=store.folder)


# --- 0.1.0 beside this version -----------------------------------------------------------------

OTHER_PID = 4711


def insert_as_0_1_0(store: SqliteStore, **changes: Any) -> None:
    """The statement of 0.1.0, with the columns that it knows."""
    values = {
        "fingerprint": "old fingerprint",
        "state": "submitting",
        "pid": OTHER_PID,
        "pid_started": "1",
        "caller_pid": OTHER_PID,
        "caller_started": "1",
        "created_at": store.clock.wall,
        "deadline_at": store.clock.wall + 70,
        "api": "v1",
        "model": "MiniMax-Hailuo-2.3",
        "prompt": "written by 0.1.0",
        "duration": 6,
        "resolution": "768P",
        "price_usd": 0.28,
        **changes,
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    execute_sql(
        store.folder, f"INSERT OR REPLACE INTO jobs ({names}) VALUES ({marks})", *values.values()
    )


BESIDE = {
    "under-way": ({}, True, State.SUBMITTING, Decision.BUY),
    "abandoned": ({"caller_pid": None}, True, State.SUBMITTING, Decision.JOIN),
    "killed": ({}, False, State.UNKNOWN, Decision.REFUSE),
    "number-given-to-another": ({"pid_started": "0"}, True, State.UNKNOWN, Decision.REFUSE),
    "accepted": ({"state": "accepted", "task_id": "7"}, True, State.ACCEPTED, Decision.BUY),
    "accepted-and-killed": (
        {"state": "accepted", "task_id": "7"},
        False,
        State.ACCEPTED,
        Decision.HAND_OVER,
    ),
    "accepted-caller-number-given-to-another": (
        {"state": "accepted", "task_id": "7", "caller_started": "0"},
        True,
        State.ACCEPTED,
        Decision.HAND_OVER,
    ),
    "doubt": ({"state": "unknown"}, True, State.UNKNOWN, Decision.REFUSE),
    "rejected": ({"state": "rejected"}, True, State.REJECTED, Decision.BUY),
    "received": (
        {"state": "accepted", "task_id": "7", "answered_at": WRITTEN_AT},
        True,
        State.ACCEPTED,
        Decision.BUY,
    ),
}


@pytest.mark.parametrize(("row", "lives", "state", "decision"), BESIDE.values(), ids=BESIDE)
async def test_what_a_server_of_0_1_0_writes_beside_this_one_counts(
    row: dict[str, Any], lives: bool, state: State, decision: Decision, store: SqliteStore
) -> None:
    store.processes = LegacyProcesses(*([OTHER_PID] if lives else []))
    ledger = await store.open()
    await ledger.peek(make_purchase())
    insert_as_0_1_0(store, **row)
    listed = await ledger.newest(20, kinds=[Kind.VIDEO])
    found = [record for record in listed if record.prompt == "written by 0.1.0"]
    assert [record.state for record in found] == ([] if state is State.REJECTED else [state])
    assert await decide_next(ledger, make_legacy_purchase("old fingerprint")) is decision


async def test_a_server_of_0_1_0_sees_the_rows_of_this_one(store: SqliteStore) -> None:
    """Its queries, by hand: hand-over by fingerprint, the newest, and who is dead."""
    ledger = await store.open()
    wanted = make_legacy_purchase("old fingerprint")
    key = await buy(ledger, wanted)

    def read(columns: str) -> Any:
        with closing(sqlite3.connect(store.file)) as db:
            return db.execute(
                f"SELECT {columns} FROM jobs WHERE fingerprint = 'old fingerprint'"
                " AND created_at > ? AND answered_at IS NULL ORDER BY created_at, id",
                (store.clock.wall - 24 * 3600,),
            ).fetchall()

    assert read("state, pid, pid_started, caller_pid, caller_started") == [
        ("submitting", 1, "1", 1, "1")
    ]
    assert read("api, model, prompt, duration, resolution, price_usd, deadline_at") == [
        ("v1", "MiniMax-Hailuo-2.3", "a new name", 6, "768P", 0.28, store.clock.wall + 70)
    ]
    await ledger.mark_accepted(key, task_id="7")
    await ledger.abandon(key)
    assert read("state, task_id, caller_pid") == [("accepted", "7", None)]
    # 0.1.0 claims it for a caller of its own and hands it over.
    execute_sql(store.folder, "UPDATE jobs SET answered_at = ? WHERE task_id = '7'", WRITTEN_AT)
    assert await decide_next(ledger, wanted) is Decision.BUY


def test_a_process_is_known_by_its_number_and_its_start_time() -> None:
    processes = Processes()
    own = processes.own_pid()
    started = processes.start_time(own)
    assert processes.is_alive(own, started)
    assert not processes.is_alive(None, started)
    # Windows does not tell when a process started; there the deadline has to decide.
    assert processes.is_alive(own, "not the same process") is (os.name != "posix")


# --- fewer columns than 0.1.0 ------------------------------------------------------------------

OPTIONAL = [
    "pid_started",
    "caller_pid",
    "caller_started",
    "answered_at",
    "model",
    "prompt",
    "duration",
    "resolution",
    "price_usd",
    "status",
    "file_id",
    "path",
    "final_reply",
]


@pytest.mark.parametrize("column", OPTIONAL)
async def test_a_file_that_lacks_a_column_gets_it(column: str, store: SqliteStore) -> None:
    execute_sql(store.folder, f"ALTER TABLE jobs DROP COLUMN {column}")
    ledger = await store.open()
    assert len(await ledger.newest(20, kinds=[Kind.VIDEO])) == 4
    key = await buy_accepted(ledger, make_purchase(), "task-1")
    assert (await reload(ledger, key)).task_id == "task-1"
    assert await ledger.read_trouble() is None
    assert len(store.rows()) == 6
