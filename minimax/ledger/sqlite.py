"""The ledger in SQLite: what was bought from this machine, so that no paid job is lost.

A row is `submitting` before its request leaves, then `accepted` with its task id, `rejected`, or
`unknown`. `answered_at` is set when the result was handed over to a caller; until then the job
belongs to the next identical call. Rows hold prompts, and never a key.

Several servers of one user write here at once; every change is one SQLite transaction. A ledger
that cannot be used never stops a paid job: the process then remembers in memory, and says so.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from minimax.ledger.processes import Processes
from minimax.ledger.records import (
    REMEMBERED_SECONDS,
    Decision,
    JobRecord,
    Purchase,
    State,
    decide,
    would_buy,
)
from minimax.tool_results import JobStatus

T = TypeVar("T")

__all__ = ["Ledger"]

FILE_NAME: Final = "ledger.db"
BUSY_SECONDS: Final = 5.0
"""How long one server waits for another's transaction."""
FIRST_ID_IN_MEMORY: Final = 10**12
PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started TEXT,
    created_at REAL NOT NULL,
    deadline_at REAL NOT NULL,
    caller_pid INTEGER,
    caller_started TEXT,
    answered_at REAL,
    task_id TEXT,
    api TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT,
    duration INTEGER,
    resolution TEXT,
    price_usd REAL,
    status TEXT,
    file_id TEXT,
    path TEXT,
    final_reply TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_fingerprint ON jobs (fingerprint, created_at);
CREATE INDEX IF NOT EXISTS jobs_by_task ON jobs (task_id);
"""


class Ledger:
    """The jobs of one state folder.

    Attributes:
        trouble: A sentence for the person where jobs could not be written down; else None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        processes: Processes | None = None,
    ) -> None:
        self._now = now
        self._processes = processes or Processes()
        self._file = folder / FILE_NAME
        self._in_memory: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._held: dict[int, dict[str, Any]] = {}
        self._agreed: dict[int, list[int]] = {}
        self.trouble: str | None = None
        try:
            _make_private(self._file)
            with self._connection() as db:
                db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error):
            self._remember_in_memory()

    # --- buying --------------------------------------------------------------------------------

    def begin(
        self, purchase: Purchase, *, second_charge_agreed: bool
    ) -> tuple[Decision, JobRecord]:
        """Decide what an intended purchase comes to, and write it down if it is to be made.

        Args:
            purchase: What is to be bought.
            second_charge_agreed: The person agreed that an earlier attempt in doubt may be paid
                for twice.
        """
        decision, job, row = self._do(self._begin, purchase, second_charge_agreed)
        self._held[job.id] = row
        return decision, job

    def _begin(
        self,
        db: sqlite3.Connection,
        purchase: Purchase,
        second_charge_agreed: bool,  # noqa: FBT001 - `_do` hands it over by position
    ) -> tuple[Decision, JobRecord, dict[str, Any]]:
        self._expire_dead_submissions(db)
        found = self._earlier(db, purchase.fingerprint)
        if found is None or would_buy(found[0], second_charge_agreed=second_charge_agreed):
            doubts = self._doubts(db, purchase.fingerprint) if second_charge_agreed else []
            decision, job = Decision.BUY, self._write(db, purchase)
            self._agreed[job.id] = doubts
        else:
            decision, job = found
            self._claim(db, job)
        row = db.execute("SELECT * FROM jobs WHERE id = ?", (job.id,)).fetchone()
        return decision, job, dict(row)

    def peek(self, fingerprint: str) -> Decision | None:
        """What `begin` would make of earlier attempts; None where there are none. Claims none."""
        return self._do(self._peek, fingerprint)

    def _peek(self, db: sqlite3.Connection, fingerprint: str) -> Decision | None:
        self._expire_dead_submissions(db)
        found = self._earlier(db, fingerprint)
        return None if found is None else found[0]

    def _doubts(self, db: sqlite3.Connection, fingerprint: str) -> list[int]:
        rows = db.execute(
            "SELECT id FROM jobs WHERE fingerprint = ? AND state = ? AND answered_at IS NULL",
            (fingerprint, State.UNKNOWN.value),
        )
        return [row["id"] for row in rows]

    def _earlier(
        self, db: sqlite3.Connection, fingerprint: str
    ) -> tuple[Decision, JobRecord] | None:
        rows = db.execute(
            "SELECT * FROM jobs WHERE fingerprint = ? AND created_at > ? AND answered_at IS NULL"
            " ORDER BY created_at, id",
            (fingerprint, self._now() - REMEMBERED_SECONDS),
        )
        found = [(decide(job), job) for job in map(self._record_of, rows)]
        for wanted in (Decision.HAND_OVER, Decision.JOIN, Decision.REFUSE):
            for decision, job in found:
                if decision is wanted:
                    return decision, job
        return None

    def _claim(self, db: sqlite3.Connection, job: JobRecord) -> None:
        """This process's caller now waits for the answer."""
        db.execute(
            "UPDATE jobs SET caller_pid = ?, caller_started = ? WHERE id = ?",
            (*self._own_process(), job.id),
        )

    def _write(self, db: sqlite3.Connection, purchase: Purchase) -> JobRecord:
        pid, started = self._own_process()
        values = {
            "fingerprint": purchase.fingerprint,
            "state": State.SUBMITTING.value,
            "pid": pid,
            "pid_started": started,
            "caller_pid": pid,
            "caller_started": started,
            "created_at": self._now(),
            "deadline_at": self._now() + purchase.deadline_seconds,
            "api": purchase.api,
            "model": purchase.model,
            "prompt": purchase.prompt,
            "duration": purchase.duration,
            "resolution": purchase.resolution,
            "price_usd": purchase.price_usd,
        }
        _insert(db, values)
        row = db.execute("SELECT * FROM jobs WHERE id = last_insert_rowid()").fetchone()
        return self._record_of(row)

    def _own_process(self) -> tuple[int, str | None]:
        pid = self._processes.own_pid()
        return pid, self._processes.start_time(pid)

    def _expire_dead_submissions(self, db: sqlite3.Connection) -> None:
        """A submission whose process is gone, or whose time is over, ended in doubt."""
        rows = db.execute(
            "SELECT id, pid, pid_started, deadline_at FROM jobs WHERE state = ?",
            (State.SUBMITTING.value,),
        ).fetchall()
        for row in rows:
            alive = self._processes.is_alive(row["pid"], row["pid_started"])
            if row["deadline_at"] < self._now() or not alive:
                db.execute(
                    "UPDATE jobs SET state = ? WHERE id = ?", (State.UNKNOWN.value, row["id"])
                )

    def mark_accepted(self, job: JobRecord, task_id: str) -> None:
        """MiniMax accepted: the job has a name, and the doubts that were agreed on are settled."""
        self._set(job.id, state=State.ACCEPTED.value, task_id=task_id, status="queued")
        for doubt in self._agreed.pop(job.id, []):
            self._set(doubt, answered_at=self._now())

    def mark_ended(self, job: JobRecord, state: State) -> None:
        """The submission was refused, or is in doubt."""
        self._set(job.id, state=state.value)

    def mark_probable(self, job: JobRecord, task_id: str) -> None:
        """In doubt, but MiniMax lists exactly one job that it may have become."""
        self._set(job.id, state=State.UNKNOWN.value, task_id=task_id)

    def mark_abandoned(self, job: JobRecord) -> None:
        """The caller has gone without an answer; the submission may still be under way."""
        self._set(job.id, caller_pid=None)

    def mark_answered(self, job: JobRecord) -> None:
        """The result is handed over to a caller."""
        self._set(job.id, answered_at=self._now())

    # --- looking -------------------------------------------------------------------------------

    def reload(self, job: JobRecord) -> JobRecord:
        """The row as it is now, its submission in doubt if the process that sent it is gone."""
        return self._do(self._reload, job.id) or replace(job, state=State.UNKNOWN)

    def _reload(self, db: sqlite3.Connection, row_id: int) -> JobRecord | None:
        self._expire_dead_submissions(db)
        row = db.execute("SELECT * FROM jobs WHERE id = ?", (row_id,)).fetchone()
        return None if row is None else self._record_of(row)

    def by_task(self, task_id: str) -> JobRecord | None:
        """The job of a task id, if it was bought from here."""
        return self._do(self._find, "SELECT * FROM jobs WHERE task_id = ?", task_id, begin="BEGIN")

    def newest(self, limit: int, *, status: str | None = None) -> list[JobRecord]:
        """The jobs that may have cost something, newest first."""
        return self._do(self._newest, limit, status)

    def _newest(self, db: sqlite3.Connection, limit: int, status: str | None) -> list[JobRecord]:
        self._expire_dead_submissions(db)
        rows = db.execute(
            "SELECT * FROM jobs WHERE state != ? AND (? IS NULL OR status = ?)"
            " ORDER BY created_at DESC, id DESC LIMIT ?",
            (State.REJECTED.value, status, status, limit),
        )
        return [self._record_of(row) for row in rows]

    def record_status(
        self, task_id: str, *, status: JobStatus, file_id: str | None, reply: str | None
    ) -> None:
        """Note how a job stands; `reply` is MiniMax's final answer, once there is one."""
        self._execute(
            "UPDATE jobs SET status = ?, file_id = COALESCE(?, file_id), final_reply = ?"
            " WHERE task_id = ?",
            (status, file_id, reply, task_id),
        )

    def record_path(self, file_id: str, path: Path) -> None:
        """Record where a video was saved."""
        self._execute("UPDATE jobs SET path = ? WHERE file_id = ?", (str(path), file_id))

    def _set(self, row_id: int, **values: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        self._held.get(row_id, {}).update(values)
        self._execute(f"UPDATE jobs SET {names} WHERE id = ?", (*values.values(), row_id))  # noqa: S608

    def _execute(self, statement: str, values: Sequence[object]) -> None:
        self._do(lambda db: db.execute(statement, values))

    def _find(self, db: sqlite3.Connection, query: str, value: object) -> JobRecord | None:
        row = db.execute(f"{query} ORDER BY id DESC LIMIT 1", (value,)).fetchone()
        return None if row is None else self._record_of(row)

    def _record_of(self, row: sqlite3.Row) -> JobRecord:
        return JobRecord(
            id=row["id"],
            state=State(row["state"]),
            created_at=row["created_at"],
            caller_gone=not self._processes.is_alive(row["caller_pid"], row["caller_started"]),
            **{name: row[name] for name in _PLAIN_COLUMNS},
        )

    # --- the database --------------------------------------------------------------------------

    def _do(self, work: Callable[..., T], *args: Any, begin: str = "BEGIN IMMEDIATE") -> T:
        """One transaction; in memory from the moment that the file cannot be used."""
        try:
            with self._transaction(begin) as db:
                return work(db, *args)
        except (OSError, sqlite3.Error):
            if self._in_memory is not None:
                raise
        self._remember_in_memory()
        with self._transaction(begin) as db:
            return work(db, *args)

    def _remember_in_memory(self) -> None:
        self.trouble = (
            "This could not be written down on this computer, so it will not be remembered after "
            "the server ends: keep the task_id. Run: uv run minimax_server.py check"
        )
        memory = _memory()
        if not self._copy_into(memory):
            memory.close()
            memory = _memory()
            memory.executescript(_SCHEMA)
            # No row may be taken for one of the file, whose submission may be under way.
            memory.execute("INSERT INTO sqlite_sequence VALUES ('jobs', ?)", (FIRST_ID_IN_MEMORY,))
        for row in self._held.values():  # what this process has bought is known without the file
            _insert(memory, row)
        self._in_memory = memory

    def _copy_into(self, memory: sqlite3.Connection) -> bool:
        """Whether what stands in the file could still be read, as on a full or read-only disk."""
        try:
            source = sqlite3.connect(self._file)
            with contextlib.closing(source):
                source.execute(f"SELECT {_ALL_COLUMNS} FROM jobs LIMIT 1")  # noqa: S608
                source.backup(memory)
        except (OSError, ValueError, sqlite3.Error):
            return False
        return True

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection() as db:
            db.execute(begin)
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._in_memory is not None:
            yield self._in_memory
            return
        connection = sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        with contextlib.closing(connection) as db:
            yield db

    def close(self) -> None:
        """Forget what was only in memory."""
        if self._in_memory is not None:
            self._in_memory.close()


def _memory() -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    memory.row_factory = sqlite3.Row
    return memory


def _insert(db: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Write a row; one that names its id replaces the row of that id."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT OR REPLACE INTO jobs ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608


def _make_private(file: Path) -> None:
    file.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))


_PLAIN_COLUMNS: Final = (
    "answered_at",
    "task_id",
    "api",
    "model",
    "prompt",
    "duration",
    "resolution",
    "price_usd",
    "status",
    "file_id",
    "path",
    "final_reply",
)


_ALL_COLUMNS: Final = ", ".join(
    (
        "id",
        "fingerprint",
        "state",
        "pid",
        "pid_started",
        "created_at",
        "deadline_at",
        "caller_pid",
        "caller_started",
        *_PLAIN_COLUMNS,
    )
)
