"""The ledger in SQLite: what was bought from this machine, so that nothing paid is lost.

A row is `submitting` before its request leaves, then `accepted`, `rejected` or `unknown`. Its
answer has been received when a caller shows it (`answered_at`); until then the purchase belongs to
the next identical request. Rows hold prompts, and never a key.

Several servers of one user write here at once; every method is one transaction, on a thread of its
own. A file that cannot be used for a moment never stops a paid job: the process remembers in
memory, says so, tries the file again at every transaction, and merges what it remembered back.
"""

import contextlib
import itertools
import json
import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from minimax.ledger.clock import LedgerClock
from minimax.ledger.legacy_processes import Processes
from minimax.ledger.owners import BEAT_SECONDS, LEASE_SECONDS, Owner
from minimax.ledger.records import (
    KEPT_SECONDS,
    LIMIT_WINDOW_SECONDS,
    UNPRICED_USD,
    Beginning,
    Decision,
    Follower,
    Kind,
    Purchase,
    Record,
    Spending,
    State,
    decide,
    would_buy,
)
from minimax.ledger.schema import NewerLedgerError, migrate
from minimax.ledger.worker import Worker
from minimax.settings import own_command
from minimax.tool_results import JobStatus

T = TypeVar("T")

__all__ = ["FILE_NAME", "SqliteLedger"]

log = logging.getLogger(__name__)

FILE_NAME: Final = "ledger.db"
BUSY_SECONDS: Final = 5.0
"""How long one server waits for another's transaction."""
RETRY_BUSY_SECONDS: Final = 0.2
"""The same while the file could not be used a moment ago."""
PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
INEXACT_USD: Final = 1e-6
"""As much may a sum of list prices be off in binary; the cheapest speech costs more."""

NOT_WRITTEN: Final = (
    "This could not be recorded on this computer, so it will not be remembered after "
    "the server ends: keep the task_id. Run: {check}"
)
NEWER: Final = (
    "The ledger on this computer was written by a later version of this server, so what is bought "
    "now will not be remembered after the server ends. Update this server."
)
DAMAGED: Final = (
    "The ledger on this computer was damaged and has been set aside as {name}: what was bought "
    "before is not known here, so an identical request would be bought again."
)


class SqliteLedger:
    """See `base.Ledger`.

    Args:
        folder: Where `ledger.db` is, or will be made.
        clock: The time that rows are dated by.
        owner: This process as others see it; tests hand in one that can be killed.
        processes: Tells whether processes of version 0.1.0 still run.
        busy_seconds: How long to wait for another process's transaction.
        beat_seconds: How often this process shows its life where it has bought something.
        counts_from: What was bought earlier is neither spending nor an open job; Unix seconds. The
            built-in sandbox forgets both when it ends.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: LedgerClock | None = None,
        owner: Owner | None = None,
        processes: Processes | None = None,
        busy_seconds: float = BUSY_SECONDS,
        beat_seconds: float = BEAT_SECONDS,
        counts_from: float = 0.0,
    ) -> None:
        self._counts_from = counts_from
        self._busy_seconds = busy_seconds
        self._beat_seconds = beat_seconds
        self._clock = clock or LedgerClock()
        self._boot = self._clock.read_boot_id()
        self._processes = processes or Processes()
        self._folder = folder
        self._file = folder / FILE_NAME
        self._opened: tuple[int, int] | None = None
        self._is_shared = False
        """The file has been used, or is in use: others may spend without this process knowing."""
        self._owner = owner or Owner(folder)
        self._worker = Worker(beat_seconds=beat_seconds, beat=self._beat)
        self._beat_at: float | None = None
        self._memory: sqlite3.Connection | None = None
        self._remembered: dict[str, dict[str, Any]] = {}
        """Rows that this process has written, for a file that forgets them."""
        self._unsaved: dict[str, dict[str, Any]] = {}
        """By row, what was changed while the file could not be used."""
        self._changes: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = []
        """Key, changed values and row of what is ours, in the transaction that is under way."""
        self._agreed: dict[str, list[str]] = {}
        self._has_open_rows = False
        self._trouble: str | None = None

    # --- buying --------------------------------------------------------------------------------

    async def begin(
        self,
        purchase: Purchase,
        *,
        second_charge_agreed: bool,
        limit_usd: float | None,
        ignoring: Sequence[str] = (),
    ) -> Beginning:
        """See `base.Ledger`."""
        return await self._run(self._begin, purchase, second_charge_agreed, limit_usd, ignoring)

    def _begin(
        self,
        db: sqlite3.Connection,
        purchase: Purchase,
        agreed: bool,  # noqa: FBT001 - `_run` hands it over by position
        limit_usd: float | None,
        ignoring: Sequence[str],
    ) -> Beginning:
        self._settle(db)
        found = self._find_earlier(db, purchase, ignoring)
        earlier = found[0] if found is not None else None
        spent = self._sum_spent(db)
        if not would_buy(earlier, price_usd=purchase.price_usd, second_charge_agreed=agreed):
            assert found is not None  # noqa: S101 - would_buy buys where nothing was found
            decision, record = found
            if decision is not Decision.REFUSE:  # a refused call waits for nothing
                self._update(db, record.key, caller=self._owner.id, **self._caller_columns())
            return Beginning(
                decision=decision,
                record=record,
                spending=Spending(spent_usd=spent),
                doubt=decision is not Decision.REFUSE
                and bool(self._find_doubts(db, purchase.fingerprint)),
            )
        if limit_usd is not None and db is self._memory and self._is_shared:
            spending = Spending(spent_usd=spent, is_known=False)
            return Beginning(decision=Decision.OVER_LIMIT, record=None, spending=spending)
        if limit_usd is not None and spent + purchase.counted_usd > limit_usd + INEXACT_USD:
            spending = self._compute_room(db, spent, purchase.counted_usd, limit_usd)
            return Beginning(decision=Decision.OVER_LIMIT, record=None, spending=spending)
        doubts = self._find_doubts(db, purchase.fingerprint)
        key = self._insert(db, purchase)
        if agreed:
            self._agreed[key] = doubts
        return Beginning(
            decision=Decision.BUY,
            record=self._record(db, self._row(db, key)),
            spending=Spending(spent_usd=spent + purchase.counted_usd),
            doubt=bool(doubts),
        )

    async def peek(self, purchase: Purchase) -> Decision | None:
        """See `base.Ledger`."""
        return await self._run(self._peek, purchase)

    def _peek(self, db: sqlite3.Connection, purchase: Purchase) -> Decision | None:
        self._settle(db)
        found = self._find_earlier(db, purchase, ())
        return None if found is None else found[0]

    def _find_doubts(self, db: sqlite3.Connection, fingerprint: str) -> list[str]:
        rows = db.execute(
            "SELECT key, state FROM jobs WHERE answered_at IS NULL AND request = ?", (fingerprint,)
        )
        return [row["key"] for row in rows if State(row["state"]) is State.UNKNOWN]

    def _find_earlier(
        self, db: sqlite3.Connection, purchase: Purchase, ignoring: Sequence[str]
    ) -> tuple[Decision, Record] | None:
        db.execute(  # adopt what version 0.1.0 wrote
            "UPDATE jobs SET request = ? WHERE fingerprint = ? AND request IS NULL",
            (purchase.fingerprint, purchase.legacy_fingerprint),
        )
        rows = db.execute(
            "SELECT * FROM jobs WHERE request = ? AND answered_at IS NULL ORDER BY created_at, id",
            (purchase.fingerprint,),
        ).fetchall()
        records = [self._record(db, row) for row in rows if row["key"] not in ignoring]
        found = [(decide(record), record) for record in records]
        for wanted in (Decision.HAND_OVER, Decision.JOIN, Decision.REFUSE):
            for decision, record in found:
                if decision is wanted:
                    return decision, record
        return None

    def _insert(self, db: sqlite3.Connection, purchase: Purchase) -> str:
        key = secrets.token_hex(16)
        wall = self._clock.wall()
        values = {
            "key": key,
            "kind": purchase.kind.value,
            "request": purchase.fingerprint,
            "fingerprint": purchase.legacy_fingerprint or purchase.fingerprint,
            "account": purchase.account,
            "state": State.SUBMITTING.value,
            "owner": self._owner.id,
            "caller": self._owner.id,
            "pid": self._processes.own_pid(),
            "pid_started": self._processes.start_time(self._processes.own_pid()),
            **self._caller_columns(),
            "created_at": wall,
            "deadline_at": wall + purchase.deadline_seconds,
            "boot": self._boot,
            "boot_seconds": self._clock.boot_seconds(),
            "api": purchase.api,
            "model": purchase.model,
            "prompt": purchase.prompt,
            "duration": purchase.duration,
            "resolution": purchase.resolution,
            "price_usd": purchase.price_usd,
        }
        _insert_row(db, values)
        self._note_change(db, key, values)
        return key

    def _caller_columns(self) -> dict[str, Any]:
        """The caller as version 0.1.0 knows it."""
        pid = self._processes.own_pid()
        return {"caller_pid": pid, "caller_started": self._processes.start_time(pid)}

    # --- what became of it ---------------------------------------------------------------------

    async def mark_accepted(
        self, key: str, *, task_id: str | None = None, reply: Mapping[str, Any] | None = None
    ) -> None:
        """See `base.Ledger`."""
        await self._run(self._mark_accepted, key, task_id, reply)

    def _mark_accepted(
        self,
        db: sqlite3.Connection,
        key: str,
        task_id: str | None,
        reply: Mapping[str, Any] | None,
    ) -> None:
        self._update(
            db,
            key,
            state=State.ACCEPTED.value,
            task_id=task_id,
            status="queued" if task_id is not None else None,
            reply=None if reply is None else json.dumps(reply),
        )
        for doubt in self._agreed.get(key, []):
            with contextlib.suppress(LookupError):  # it went with a file that was deleted
                self._update(db, doubt, answered_at=self._clock.wall())

    async def mark_ended(self, key: str, state: State) -> None:
        """See `base.Ledger`."""
        await self._run(self._update, key, state=state.value)

    async def mark_probable(self, key: str, task_id: str) -> None:
        """See `base.Ledger`."""
        await self._run(self._update, key, state=State.UNKNOWN.value, task_id=task_id)

    async def record_result(self, key: str, result: Mapping[str, Any]) -> None:
        """See `base.Ledger`."""
        await self._run(self._update, key, result=json.dumps(result))

    async def abandon(self, key: str) -> None:
        """See `base.Ledger`."""
        await self._run(self._update, key, caller=None, caller_pid=None)

    async def mark_received(self, keys: Sequence[str]) -> None:
        """See `base.Ledger`."""
        await self._run(self._mark_received, keys)

    def _mark_received(self, db: sqlite3.Connection, keys: Sequence[str]) -> None:
        for key in keys:
            self._update(db, key, answered_at=self._clock.wall())

    async def take_back(self, key: str) -> None:
        """See `base.Ledger`."""
        await self._run(self._take_back, key)

    def _take_back(self, db: sqlite3.Connection, key: str) -> None:
        row = self._row(db, key)
        if row is not None and row["used_at"] is None:
            self._update(db, key, answered_at=None, caller=None, caller_pid=None)

    async def receive_by_use(self, value: str) -> None:
        """See `base.Ledger`."""
        await self._run(self._receive_by_use, value, begin="BEGIN")

    def _receive_by_use(self, db: sqlite3.Connection, value: str) -> None:
        named = db.execute(
            "SELECT key FROM jobs WHERE used_at IS NULL AND (task_id = ? OR file_id = ?)",
            (value, value),
        ).fetchall()
        # A speech names the voice that spoke, which is not what was bought.
        told = db.execute(
            "SELECT key, result FROM jobs WHERE used_at IS NULL AND caller = ?"
            " AND instr(result, ?) > 0"
            " AND NOT (kind = ? AND json_extract(result, '$.voice_id') = ?)",
            (self._owner.id, json.dumps(value), Kind.SPEECH.value, value),
        ).fetchall()
        keys = {row["key"] for row in named}
        keys |= {row["key"] for row in told if _holds(json.loads(row["result"]), value)}
        wall = self._clock.wall()
        for key in keys:
            self._update(db, key, used_at=wall, answered_at=wall)

    # --- looking -------------------------------------------------------------------------------

    async def reload(self, key: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._run(self._reload, key)

    def _reload(self, db: sqlite3.Connection, key: str) -> Record | None:
        self._settle(db)
        row = self._row(db, key)
        return None if row is None else self._record(db, row)

    async def by_task(self, task_id: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._run(self._by_task, task_id, begin="BEGIN")

    def _by_task(self, db: sqlite3.Connection, task_id: str) -> Record | None:
        row = db.execute(
            "SELECT * FROM jobs WHERE task_id = ? ORDER BY id DESC LIMIT 1", (task_id,)
        ).fetchone()
        return None if row is None else self._record(db, row)

    async def newest(
        self, limit: int, *, kinds: Sequence[Kind], status: str | None = None
    ) -> list[Record]:
        """See `base.Ledger`."""
        return await self._run(self._newest, limit, kinds, status)

    def _newest(
        self, db: sqlite3.Connection, limit: int, kinds: Sequence[Kind], status: str | None
    ) -> list[Record]:
        self._settle(db)
        with_status, values = ("", ()) if status is None else (" AND status = ?", (status,))
        rows: list[sqlite3.Row] = []
        for kind in kinds:  # one by one, so that an index finds the few rows of a rare kind
            rows += db.execute(
                "SELECT * FROM jobs WHERE state != 'rejected' AND COALESCE(kind, 'video') = ?"  # noqa: S608
                f"{with_status} ORDER BY created_at DESC, id DESC LIMIT ?",
                (kind.value, *values, limit),
            ).fetchall()
        rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return [self._record(db, row) for row in rows[:limit]]

    async def find_recent_twin(self, fingerprint: str, *, within_seconds: float) -> Record | None:
        """See `base.Ledger`."""
        return await self._run(self._find_recent_twin, fingerprint, within_seconds, begin="BEGIN")

    def _find_recent_twin(
        self, db: sqlite3.Connection, fingerprint: str, within_seconds: float
    ) -> Record | None:
        row = db.execute(
            "SELECT * FROM jobs WHERE request = ? AND state = ?"
            " ORDER BY created_at DESC, id DESC LIMIT 1",
            (fingerprint, State.ACCEPTED.value),
        ).fetchone()
        record = None if row is None else self._record(db, row)
        return record if record is not None and record.age_seconds < within_seconds else None

    async def by_file(self, file_id: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._run(self._by_file, file_id, begin="BEGIN")

    def _by_file(self, db: sqlite3.Connection, file_id: str) -> Record | None:
        row = db.execute(
            "SELECT * FROM jobs WHERE file_id = ? ORDER BY id DESC LIMIT 1", (file_id,)
        ).fetchone()
        return None if row is None else self._record(db, row)

    # --- jobs ----------------------------------------------------------------------------------

    async def record_status(
        self,
        task_id: str,
        *,
        status: JobStatus,
        file_id: str | None,
        reply: str,
        is_final: bool,
        took_seconds: float | None = None,
    ) -> None:
        """See `base.Ledger`."""
        values = {"status": status, "last_reply": reply}
        if is_final:
            values |= {"final_reply": reply}
        await self._run(self._record_status, task_id, values, file_id, took_seconds)

    def _record_status(
        self,
        db: sqlite3.Connection,
        task_id: str,
        values: Mapping[str, Any],
        file_id: str | None,
        took_seconds: float | None,
    ) -> None:
        wall = self._clock.wall()
        ended = {"finished_at": wall, "took_seconds": took_seconds}
        for row in db.execute("SELECT key, file_id FROM jobs WHERE task_id = ?", (task_id,)):
            self._update(
                db,
                row["key"],
                asked_at=wall,
                file_id=file_id or row["file_id"],
                **values,
                **(ended if "final_reply" in values else {}),
            )

    async def claim_job(self, task_id: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._run(self._claim_job, task_id)

    def _claim_job(self, db: sqlite3.Connection, task_id: str) -> Record | None:
        record = self._by_task(db, task_id)
        if record is None or record.follower is not None:
            return record
        self._update(db, record.key, follower=self._owner.id)
        return self._by_task(db, task_id)

    async def release_job(self, task_id: str) -> None:
        """See `base.Ledger`."""
        await self._run(self._release_job, task_id)

    def _release_job(self, db: sqlite3.Connection, task_id: str) -> None:
        rows = db.execute(
            "SELECT key FROM jobs WHERE task_id = ? AND follower = ?", (task_id, self._owner.id)
        ).fetchall()
        for row in rows:
            self._update(db, row["key"], follower=None)

    async def unfinished_jobs(
        self, limit: int, *, kinds: Sequence[Kind], account: str
    ) -> list[Record]:
        """See `base.Ledger`."""
        return await self._run(self._unfinished_jobs, limit, kinds, account)

    def _unfinished_jobs(
        self, db: sqlite3.Connection, limit: int, kinds: Sequence[Kind], account: str
    ) -> list[Record]:
        self._settle(db)
        oldest = self._clock.wall() - max(KEPT_SECONDS[kind] for kind in kinds)
        rows = db.execute(
            "SELECT * FROM jobs WHERE id IN ("
            "  SELECT id FROM jobs WHERE final_reply IS NULL"
            "   AND status IN ('queued', 'processing') AND created_at > ?"
            "  UNION SELECT id FROM jobs WHERE status = 'completed' AND path IS NULL"
            "   AND follower IS NOT NULL AND created_at > ?)"
            " AND state = ? AND account = ? ORDER BY created_at DESC, id DESC",
            (oldest, oldest, State.ACCEPTED.value, account),
        )
        records = (self._record(db, row) for row in rows)
        wanted = (each for each in records if each.kind in kinds and each.is_kept)
        return list(itertools.islice(wanted, limit))

    async def job_times(self, like: Record, *, limit: int) -> list[float]:
        """See `base.Ledger`."""
        return await self._run(self._job_times, like, limit, begin="BEGIN")

    def _job_times(self, db: sqlite3.Connection, like: Record, limit: int) -> list[float]:
        rows = db.execute(
            "SELECT took_seconds FROM jobs WHERE took_seconds IS NOT NULL AND model = ?"
            " AND COALESCE(kind, 'video') = ? AND duration IS ? AND resolution IS ?"
            " ORDER BY created_at DESC LIMIT ?",
            (like.model, like.kind.value, like.duration, like.resolution, limit),
        )
        return [row["took_seconds"] for row in rows]

    async def record_path(self, file_id: str, path: Path) -> None:
        """See `base.Ledger`."""
        await self._run(self._record_path, file_id, path)

    def _record_path(self, db: sqlite3.Connection, file_id: str, path: Path) -> None:
        for row in db.execute("SELECT key FROM jobs WHERE file_id = ?", (file_id,)).fetchall():
            self._update(db, row["key"], path=str(path))

    async def count_open_jobs(self) -> int:
        """See `base.Ledger`."""
        return await self._run(self._count_open_jobs, begin="BEGIN")

    def _count_open_jobs(self, db: sqlite3.Connection) -> int:
        wall = self._clock.wall()
        rows = db.execute(
            "SELECT kind, created_at FROM jobs WHERE status IN ('queued', 'processing')"
            " AND final_reply IS NULL AND created_at > ?",
            (max(wall - max(KEPT_SECONDS.values()), self._counts_from),),
        )
        return sum(
            wall - row["created_at"] < KEPT_SECONDS[Kind(row["kind"] or Kind.VIDEO.value)]
            for row in rows
        )

    # --- money ---------------------------------------------------------------------------------

    async def sum_spending(self, within_seconds: float) -> Mapping[Kind, float]:
        """See `base.Ledger`."""
        return await self._run(self._sum_spending, within_seconds)

    def _sum_spending(self, db: sqlite3.Connection, within_seconds: float) -> Mapping[Kind, float]:
        self._settle(db)
        sums: dict[Kind, float] = {}
        for row in self._list_charges(db, within_seconds):
            kind = Kind(row["kind"] or Kind.VIDEO.value)
            sums[kind] = sums.get(kind, 0.0) + row["usd"]
        return sums

    def _list_charges(self, db: sqlite3.Connection, within_seconds: float) -> list[sqlite3.Row]:
        """Kind, counted price and age of what was or may have been charged, oldest first.

        A row counts by either clock that puts it into the window: rows of this boot by the boot
        clock, which is never set, others by the wall clock; one that seems to be of the future
        is young.
        """
        wall, boot_seconds = self._clock.wall(), self._clock.boot_seconds()
        rows = db.execute(
            "SELECT kind, COALESCE(price_usd, ?) AS usd,"
            " CASE WHEN boot = ? THEN ? - boot_seconds ELSE ? - created_at END AS age"
            " FROM jobs WHERE state != ? AND created_at >= ? AND id IN ("
            "  SELECT id FROM jobs WHERE created_at > ?"
            "  UNION SELECT id FROM jobs WHERE boot = ? AND boot_seconds > ?)",
            (
                UNPRICED_USD,
                self._boot,
                boot_seconds,
                wall,
                State.REJECTED.value,
                self._counts_from,
                wall - within_seconds,
                self._boot,
                boot_seconds - within_seconds,
            ),
        )
        in_window = [row for row in rows if row["age"] < within_seconds]
        return sorted(in_window, key=lambda row: -row["age"])

    def _sum_spent(self, db: sqlite3.Connection) -> float:
        return float(sum(row["usd"] for row in self._list_charges(db, LIMIT_WINDOW_SECONDS)))

    def _compute_room(
        self, db: sqlite3.Connection, spent_usd: float, price_usd: float, limit_usd: float
    ) -> Spending:
        """When enough of what was spent leaves the window."""
        left = spent_usd
        for row in self._list_charges(db, LIMIT_WINDOW_SECONDS):
            left -= row["usd"]
            if left + price_usd <= limit_usd + INEXACT_USD:
                room_in = max(0.0, LIMIT_WINDOW_SECONDS - row["age"])
                return Spending(spent_usd=spent_usd, room_in_seconds=room_in)
        return Spending(spent_usd=spent_usd)

    # --- who is still there --------------------------------------------------------------------

    def _settle(self, db: sqlite3.Connection) -> None:
        """Name the rows of 0.1.0, and note what is in doubt because its sender is gone."""
        db.execute(f"UPDATE jobs SET key = {_KEY_OF_0} WHERE key IS NULL")  # noqa: S608
        if self._is_beat_due():
            self._show_life(db)
        for owner in db.execute("SELECT id FROM owners").fetchall():
            if not self._is_alive(db, owner["id"], None, None):
                db.execute(
                    "UPDATE jobs SET caller = NULL, caller_pid = NULL WHERE caller = ?",
                    (owner["id"],),
                )
                db.execute("DELETE FROM owners WHERE id = ?", (owner["id"],))
                self._owner.remove(owner["id"])
        rows = db.execute(
            "SELECT key, owner, pid, pid_started, deadline_at FROM jobs WHERE state = ?",
            (State.SUBMITTING.value,),
        ).fetchall()
        wall = self._clock.wall()
        for row in rows:
            lives = self._is_alive(db, row["owner"], row["pid"], row["pid_started"])
            if row["deadline_at"] >= wall and lives:
                continue
            if row["owner"] == self._owner.id:
                self._update(db, row["key"], state=State.UNKNOWN.value)
            else:  # not for merging back: its owner may know better by then
                db.execute(
                    "UPDATE jobs SET state = ? WHERE key = ?", (State.UNKNOWN.value, row["key"])
                )

    def _is_alive(
        self, db: sqlite3.Connection, owner: str | None, pid: int | None, started: str | None
    ) -> bool:
        if owner is None:  # written by version 0.1.0
            return self._processes.is_alive(pid, started)
        if owner == self._owner.id:
            return True
        beat = db.execute("SELECT * FROM owners WHERE id = ?", (owner,)).fetchone()
        if beat is None:
            return False
        gone = self._owner.is_gone(owner)
        return not gone if gone is not None else self._age(beat, beat["beat_at"]) <= LEASE_SECONDS

    def _age(self, row: sqlite3.Row, wall_at: float) -> float:
        if row["boot"] is not None and row["boot"] == self._boot:
            age: float = self._clock.boot_seconds() - row["boot_seconds"]
            return age
        seconds: float = self._clock.wall() - wall_at
        return seconds

    def _is_beat_due(self) -> bool:
        """A process that is never idle beats at its transactions."""
        if self._memory is not None or self._beat_at is None:
            return False
        return self._clock.boot_seconds() - self._beat_at >= self._beat_seconds

    def _show_life(self, db: sqlite3.Connection) -> None:
        self._owner.show_life()
        self._beat_at = self._clock.boot_seconds()
        db.execute(
            "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)",
            (self._owner.id, self._clock.wall(), self._boot, self._clock.boot_seconds()),
        )

    def _beat(self) -> None:
        if self._has_open_rows and self._memory is None:
            with self._transaction("BEGIN IMMEDIATE", self._open_file()) as db:
                self._restore_rows(db)
                self._show_life(db)

    # --- rows ----------------------------------------------------------------------------------

    def _row(self, db: sqlite3.Connection, key: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = db.execute("SELECT * FROM jobs WHERE key = ?", (key,)).fetchone()
        return row

    def _update(self, db: sqlite3.Connection, key: str, **values: Any) -> None:
        """Change a row; one that has vanished from the file is written again.

        Raises:
            LookupError: There is no such row; only in memory it may be one that cannot be read
                now, and is changed when the file can be used again.
        """
        if not _update_row(db, key, values):
            row = self._remembered.get(key)
            if row is not None:
                _insert_row(db, {**row, **values})
            elif db is not self._memory:
                raise LookupError(f"the ledger has no row {key}")
        self._note_change(db, key, values)

    def _note_change(self, db: sqlite3.Connection, key: str, values: dict[str, Any]) -> None:
        row = self._row(db, key)
        mine = (row["owner"], row["caller"], row["follower"]) if row is not None else ()
        if row is None or self._owner.id not in mine:
            self._changes.append((key, values, None))
            return
        self._changes.append((key, values, _values_of(row)))
        self._has_open_rows = True
        if db is not self._memory:
            self._show_life(db)

    def _keep_changes(self, *, in_memory: bool) -> None:
        """Remember what the transaction has changed, now that it is certain."""
        for key, values, row in self._changes:
            if in_memory:
                self._unsaved.setdefault(key, {}).update(values)
            if row is None:
                self._remembered.pop(key, None)
            else:
                self._remembered[key] = row
        self._changes.clear()

    def _restore_rows(self, db: sqlite3.Connection) -> None:
        """Write the rows of this process into a file that was put in the place of its own."""
        own = db.execute("SELECT 1 FROM owners WHERE id = ?", (self._owner.id,)).fetchone()
        if self._has_open_rows and own is None:
            self._add_remembered(db)
            self._show_life(db)

    def _add_remembered(self, db: sqlite3.Connection) -> None:
        for key, row in self._remembered.items():
            if self._row(db, key) is None:
                _insert_row(db, row)

    def _record(self, db: sqlite3.Connection, row: sqlite3.Row | None) -> Record:
        if row is None:
            raise LookupError("the row that was just written is not there")
        return Record(
            key=row["key"] or f"id-{row['id']}",
            kind=Kind(row["kind"] or Kind.VIDEO.value),
            fingerprint=row["request"],
            state=State(row["state"]),
            created_at=row["created_at"],
            age_seconds=self._age(row, row["created_at"]),
            sender_lives=self._is_alive(db, row["owner"], row["pid"], row["pid_started"]),
            caller_waits=self._caller_waits(db, row),
            received_at=row["answered_at"],
            reply=_parse(row["reply"]),
            result=_parse(row["result"]),
            follower=self._identify_follower(db, row["follower"]),
            **{name: row[name] for name in _PLAIN_COLUMNS},
        )

    def _identify_follower(self, db: sqlite3.Connection, owner: str | None) -> Follower | None:
        """Who follows a job; one that is frozen has lost it as one that is gone."""
        if owner is None:
            return None
        if owner == self._owner.id:
            return Follower.THIS
        beat = db.execute("SELECT * FROM owners WHERE id = ?", (owner,)).fetchone()
        frozen = beat is None or self._age(beat, beat["beat_at"]) > LEASE_SECONDS
        return None if frozen or self._owner.is_gone(owner) else Follower.OTHER

    def _caller_waits(self, db: sqlite3.Connection, row: sqlite3.Row) -> bool:
        if row["owner"] is None:  # written by version 0.1.0
            return self._processes.is_alive(row["caller_pid"], row["caller_started"])
        return row["caller"] is not None and self._is_alive(db, row["caller"], None, None)

    # --- the file ------------------------------------------------------------------------------

    async def read_trouble(self) -> str | None:
        """See `base.Ledger`."""
        await self._run(self._settle)
        return self.trouble

    @property
    def trouble(self) -> str | None:
        """What the last transaction found wrong, as a sentence for the person."""
        set_aside = sorted(self._folder.glob(f"{FILE_NAME}.damaged-*"))
        damage = DAMAGED.format(name=set_aside[-1].name) if set_aside else None
        return self._trouble or damage

    async def aclose(self) -> None:
        """See `base.Ledger`."""
        if self._has_open_rows:
            await self._run(self._unregister)
        if self._memory is not None:
            await self._worker.run(self._close_memory)
        self._worker.stop()
        self._owner.close()

    def _unregister(self, db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE jobs SET caller = NULL, caller_pid = NULL WHERE caller = ?", (self._owner.id,)
        )
        db.execute("DELETE FROM owners WHERE id = ?", (self._owner.id,))

    async def _run(
        self, work: Callable[..., T], *args: Any, begin: str = "BEGIN IMMEDIATE", **kwargs: Any
    ) -> T:
        def bound(db: sqlite3.Connection) -> T:
            return work(db, *args, **kwargs)

        return await self._worker.run(self._do, bound, begin)

    def _do(self, work: Callable[[sqlite3.Connection], T], begin: str) -> T:
        """One transaction, in the file if that can be used, else in memory."""
        try:
            return self._do_in_file(work, begin)
        except NewerLedgerError:
            self._remember_in_memory(NEWER, why="a later version has written it")
        except (OSError, sqlite3.OperationalError) as error:
            self._is_shared |= getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            trouble = NOT_WRITTEN.format(check=own_command("check"))
            self._remember_in_memory(trouble, why=_explain(error))
        assert self._memory is not None  # noqa: S101 - `_remember_in_memory` has just made it
        with self._transaction(begin, self._memory) as db:
            result = work(db)
        self._keep_changes(in_memory=True)
        return result

    def _do_in_file(self, work: Callable[[sqlite3.Connection], T], begin: str) -> T:
        try:
            with self._transaction(begin, self._open_file()) as db:
                self._restore_rows(db)
                if self._memory is not None:
                    self._merge_into(db)
                result = work(db)
        except sqlite3.DatabaseError as error:
            # Its subclasses are about the moment or about us; the class itself is "malformed".
            if type(error) is not sqlite3.DatabaseError:
                raise
            self._set_aside()
            return self._do_in_file(work, begin)
        self._keep_changes(in_memory=False)
        self._is_shared = True
        self._forget_memory()
        return result

    @contextmanager
    def _transaction(self, begin: str, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        self._changes.clear()
        try:
            db.execute(begin)
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            if db is not self._memory:
                db.close()

    def _open_file(self) -> sqlite3.Connection:
        """A connection to the file, made or migrated where that has not been done."""
        self._make_private()
        self._opened = self._identify_file()
        busy_seconds = self._busy_seconds
        if self._memory is not None:
            busy_seconds = min(busy_seconds, RETRY_BUSY_SECONDS)
        db = sqlite3.connect(
            self._file, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            db.row_factory = sqlite3.Row
            migrate(db)
        except BaseException:
            db.close()
            raise
        return db

    def _identify_file(self) -> tuple[int, int]:
        facts = self._file.stat()
        return facts.st_dev, facts.st_ino

    def _make_private(self) -> None:
        if not self._file.exists():
            self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))

    def _remember_in_memory(self, trouble: str, *, why: str) -> None:
        self._trouble = trouble
        if self._memory is not None:
            return
        log.warning(
            "The ledger in %s cannot be used (%s). Until it can, what is bought is remembered by "
            "this process only: after its end, an identical request would be bought again.",
            self._folder,
            why,
        )
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if not self._copy_into(memory):
            memory.close()
            memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            migrate(memory)
        memory.row_factory = sqlite3.Row
        self._add_remembered(memory)  # bought by this process, so known without the file
        self._memory = memory

    def _copy_into(self, memory: sqlite3.Connection) -> bool:
        """Whether the file could still be read, as on a full or read-only disk."""
        try:
            uri = f"file:{quote(os.fsencode(self._file))}?mode=ro"
            source = sqlite3.connect(uri, uri=True, timeout=0)
            with contextlib.closing(source):
                # Without a transaction of its own, `backup` would never stop waiting for a lock.
                source.execute("BEGIN")
                source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
                source.backup(memory)
            migrate(memory)
        except (OSError, ValueError, sqlite3.Error, NewerLedgerError):
            return False
        return True

    def _merge_into(self, db: sqlite3.Connection) -> None:
        """Write what changed while only memory could be used."""
        assert self._memory is not None  # noqa: S101 - asked by the caller
        for key, values in self._unsaved.items():
            row = self._row(self._memory, key)
            if not _update_row(db, key, values) and row is not None:
                _insert_row(db, _values_of(row))
        if self._has_open_rows:
            self._show_life(db)

    def _forget_memory(self) -> None:
        self._trouble = None
        if self._memory is not None:
            self._close_memory()
            self._unsaved.clear()

    def _close_memory(self) -> None:
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _set_aside(self) -> None:
        """Move a damaged file away, so that the next transaction makes a new one."""
        if self._identify_file() != self._opened:  # another process was quicker
            return
        name = f"{FILE_NAME}.damaged-{int(self._clock.wall())}"
        while (self._folder / name).exists():
            name += "-again"
        self._file.replace(self._folder / name)
        log.warning("%s", DAMAGED.format(name=name))


def _explain(error: OSError | sqlite3.OperationalError) -> str:
    """Why the file cannot be used; SQLite ends some transactions by itself, e.g. on a full disk."""
    first = error.__context__ if isinstance(error.__context__, sqlite3.Error) else error
    return getattr(first, "strerror", None) or str(first)


def _insert_row(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608


def _update_row(db: sqlite3.Connection, key: str, values: Mapping[str, Any]) -> bool:
    """Whether there is such a row."""
    names = ", ".join(f"{name} = ?" for name in values)
    statement = f"UPDATE jobs SET {names} WHERE key = ?"  # noqa: S608 - names are ours
    return db.execute(statement, (*values.values(), key)).rowcount > 0


def _values_of(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in row.keys() if name != "id"}  # noqa: SIM118


def _holds(result: object, value: str) -> bool:
    """Whether one of the values in a result is exactly this one."""
    if isinstance(result, dict):
        return any(_holds(inner, value) for inner in result.values())
    if isinstance(result, list):
        return any(_holds(inner, value) for inner in result)
    return result == value


def _parse(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


_KEY_OF_0: Final = "printf('0.1.0-%d-%.0f', id, created_at * 1000)"
"""The key of a row of 0.1.0: the same in the file and in a copy of it in memory."""
_PLAIN_COLUMNS: Final = (
    "account",
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
    "finished_at",
    "last_reply",
    "asked_at",
)
