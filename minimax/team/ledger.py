"""The ledger in PostgreSQL: what all replicas of a team bought, one account's rows at a time.

A row is written before its request leaves, and decided on under a lock of its account; one partial
unique index holds that of identical requests at most one is open, whatever else goes wrong. Over
a network nobody can tell whether an answer arrived, so a purchase stays open until its caller uses
what it was told. Without the database nothing is sent.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from minimax.errors import Outcome, SpendingLimitError, UnansweredError, UnreachableError
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
from minimax.spending.wording import show_usd
from minimax.team.database import BROKEN, Connection, Database, Row, unreachable_error
from minimax.team.sender import ALIVE, Sender
from minimax.team.telemetry import Telemetry
from minimax.tool_results import JobStatus

__all__ = ["Account", "OnAccepted", "PostgresLedger", "accept_row"]

T = TypeVar("T")
Work = Callable[[Connection], Awaitable[T]]
OnAccepted = Callable[[Connection, str], Awaitable[object]]
"""Told the key of an accepted job, in the transaction that writes it down."""

log = logging.getLogger(__name__)

DECISION_TRIES: Final = 5
LATE_SECONDS: Final = 5.0
"""Then what became of a request is in the log as well."""
OUTCOME_TRIES: Final = 30
"""What became of a request is tried to be written down for more than a minute."""
INEXACT_USD: Final = 1e-6
"""As much may a sum of list prices be off in binary; the cheapest speech costs more."""
QUEUE: Final = "queue"
"""In the place of a follower: a worker will take the job up."""
UNATTENDED_SECONDS: Final = 120.0
"""A job that no worker has asked about for so long is asked about by whoever wants to know."""

_COLUMNS: Final = (
    "*, minimax_now() AS now,"
    f" {ALIVE.format(column='sender')} AS sender_lives,"
    f" {ALIVE.format(column='caller')} AS caller_lives,"
    f" {ALIVE.format(column='follower')} AS follower_lives"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM minimax_purchases"
_INSERT: Final = f"""
INSERT INTO minimax_purchases (key, tenant, shared_key, kind, request, account, state, open, sender,
    caller, settles, created_at, deadline_at, api, model, prompt, duration, resolution, price_usd)
VALUES (%(key)s, %(tenant)s, %(shared)s, %(kind)s, %(request)s, %(account)s, 'submitting',
    %(open)s, %(sender)s, %(caller)s, %(settles)s, minimax_now(),
    minimax_now() + %(deadline_seconds)s, %(api)s, %(model)s, %(prompt)s, %(duration)s,
    %(resolution)s, %(price_usd)s)
ON CONFLICT (tenant, request) WHERE open DO NOTHING
RETURNING {_COLUMNS}
"""
_SETTLE: Final = (
    "UPDATE minimax_purchases SET state = 'unknown' WHERE tenant = %(tenant)s"
    " AND state = 'submitting' AND (deadline_at < minimax_now()"
    f" OR NOT (sender = %(sender)s OR {ALIVE.format(column='sender')}))"
)
_CHARGES: Final = (
    "SELECT kind, COALESCE(price_usd, %(unpriced)s) AS usd, minimax_now() - created_at AS age"
    " FROM minimax_purchases WHERE state <> 'rejected'"
    " AND created_at > minimax_now() - %(within)s AND {whose} ORDER BY created_at"
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose purchases a ledger holds.

    Attributes:
        name: Of the account; what one account bought is invisible to any other.
        shares_key: It buys with a key that others use as well.
        shared_limit_usd: Most that all who share the key may spend in 24 hours; None: no limit.
    """

    name: str
    shares_key: bool = False
    shared_limit_usd: float | None = None


class PostgresLedger:
    """See `base.Ledger`.

    Args:
        database: Where the rows are.
        sender: This process.
        account: Whose rows.
        knows_callers: Whether a caller's life is known, as over a pipe; over a network it is not.
        on_accepted: Queues an accepted job for a worker.
        follows: Whether this process takes up queued jobs.
        telemetry: Counts the outcomes.
    """

    trouble: str | None = None

    def __init__(
        self,
        database: Database,
        sender: Sender,
        account: Account,
        *,
        knows_callers: bool = False,
        on_accepted: OnAccepted | None = None,
        follows: bool = True,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._database = database
        self._sender = sender
        self._account = account
        self._knows_callers = knows_callers
        self._on_accepted = on_accepted
        self._follows = follows

    # --- buying --------------------------------------------------------------------------------

    async def begin(
        self,
        purchase: Purchase,
        *,
        second_charge_agreed: bool,
        limit_usd: float | None,
        ignoring: Sequence[str] = (),
    ) -> Beginning:
        """See `base.Ledger`.

        Raises:
            SpendingLimitError: All who share the key have spent what they may together.
            UnreachableError: There is no database; nothing may be sent.
        """
        key = secrets.token_hex(16)
        tries = 0

        async def begin(db: Connection) -> Beginning | None:
            nonlocal tries
            tries += 1
            await self._prepare(db)
            if tries > 1 and (written := await self._find(db, "key = %(key)s", key=key)):
                # by an earlier try of this call, whose answer was lost
                return self._make_beginning(
                    written, await self._sum(db), doubt=bool(written["settles"])
                )
            return await self._begin(
                db,
                purchase,
                key=key,
                agreed=second_charge_agreed,
                limit_usd=limit_usd,
                ignoring=ignoring,
            )

        for _ in range(DECISION_TRIES):
            beginning = await self._write(begin)
            if beginning is not None:
                return beginning
        raise unreachable_error()

    async def _begin(
        self,
        db: Connection,
        purchase: Purchase,
        *,
        key: str,
        agreed: bool,
        limit_usd: float | None,
        ignoring: Sequence[str],
    ) -> Beginning | None:
        """The decision; None where another row is open that was not to be seen."""
        rows = await self._find_unreceived(db, purchase.fingerprint)
        found = self._find_earlier(rows, ignoring)
        earlier = None if found is None else found[0]
        spent = await self._sum(db)
        if found is not None and not would_buy(
            earlier, price_usd=purchase.price_usd, second_charge_agreed=agreed
        ):
            return await self._return_earlier(db, found, rows, spent)
        if limit_usd is not None and spent + purchase.counted_usd > limit_usd + INEXACT_USD:
            spending = await self._compute_room(db, spent, purchase.counted_usd, limit_usd)
            return Beginning(decision=Decision.OVER_LIMIT, record=None, spending=spending)
        await self._check_shared_limit(db, purchase)
        return await self._insert(db, purchase, key, rows, spent, agreed=agreed)

    async def _prepare(self, db: Connection) -> None:
        """Let one decision of this account, and of those who share its limit, be made at a time."""
        shares_limit = self._account.shared_limit_usd is not None
        for name in ("*" if shares_limit else "", self._account.name):
            if name:
                await db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", (name,))
        await self._sender.beat(db)
        await db.execute(_SETTLE, self._values)

    async def _return_earlier(
        self, db: Connection, found: "tuple[Decision, Row]", rows: list[Row], spent: float
    ) -> Beginning:
        decision, row = found
        if decision is not Decision.REFUSE and self._knows_callers:
            await db.execute(
                "UPDATE minimax_purchases SET caller = %s WHERE key = %s",
                (self._sender.id, row["key"]),
            )
        return Beginning(
            decision=decision,
            record=self._record(row),
            spending=Spending(spent_usd=spent),
            doubt=decision is not Decision.REFUSE and bool(_find_doubts(rows)),
        )

    async def _insert(
        self,
        db: Connection,
        purchase: Purchase,
        key: str,
        rows: list[Row],
        spent: float,
        *,
        agreed: bool,
    ) -> Beginning | None:
        doubts = _find_doubts(rows)
        closed = [row["key"] for row in rows if row["open"]]
        if closed:
            await db.execute(
                "UPDATE minimax_purchases SET open = false WHERE key = ANY(%s)", (closed,)
            )
        values = {
            **vars(purchase),
            **self._values,
            "key": key,
            "shared": self._account.shares_key,
            "kind": purchase.kind.value,
            "request": purchase.fingerprint,
            "open": not self._knows_callers,
            "caller": self._sender.id if self._knows_callers else None,
            "settles": doubts if agreed else [],
            "prompt": None if purchase.prompt is None else _storable(purchase.prompt),
        }
        row = await (await db.execute(_INSERT, values)).fetchone()
        if row is None:
            return None
        return self._make_beginning(row, spent + purchase.counted_usd, doubt=bool(doubts))

    def _make_beginning(self, row: Row, spent: float, *, doubt: bool) -> Beginning:
        return Beginning(
            decision=Decision.BUY,
            record=self._record(row),
            spending=Spending(spent_usd=spent),
            doubt=doubt,
        )

    async def peek(self, purchase: Purchase) -> Decision | None:
        """See `base.Ledger`."""

        async def peek(db: Connection) -> Decision | None:
            await db.execute(_SETTLE, self._values)
            found = self._find_earlier(await self._find_unreceived(db, purchase.fingerprint), ())
            return None if found is None else found[0]

        return await self._write(peek)

    async def _find_unreceived(self, db: Connection, request: str) -> list[Row]:
        return await self._list(
            db,
            "request = %(request)s AND received_at IS NULL ORDER BY created_at, id",
            request=request,
        )

    def _find_earlier(
        self, rows: Sequence[Row], ignoring: Sequence[str]
    ) -> "tuple[Decision, Row] | None":
        """What an identical request gets of earlier ones, the best of it."""
        found = [(decide(self._record(row)), row) for row in rows if row["key"] not in ignoring]
        for wanted in (Decision.HAND_OVER, Decision.JOIN, Decision.REFUSE):
            for decision, row in found:
                if decision is wanted:
                    return wanted, row
        return None

    # --- what became of it ---------------------------------------------------------------------

    async def mark_accepted(
        self, key: str, *, task_id: str | None = None, reply: Mapping[str, Any] | None = None
    ) -> None:
        """See `base.Ledger`; the job is queued for a worker in the same transaction.

        Raises:
            UnansweredError: It could not be written down; what was bought is in the log.
        """

        async def mark(db: Connection) -> Row | None:
            row = await accept_row(
                db, key, task_id=task_id, reply=reply, on_accepted=self._on_accepted
            )
            if row is None:
                await self._require(db, key)
            return row

        row = await self._write_outcome(mark, f"accepted, task_id {task_id}")
        self._count(row, State.ACCEPTED)

    async def mark_ended(self, key: str, state: State) -> None:
        """See `base.Ledger`."""

        async def mark(db: Connection) -> Row | None:
            await self._require(db, key)
            changed = await db.execute(
                "UPDATE minimax_purchases SET state = %(state)s,"
                " open = open AND %(state)s <> 'rejected'"
                " WHERE key = %(key)s AND (state <> 'accepted' OR task_id IS NULL)"
                " RETURNING tenant, kind, price_usd",
                {"state": state.value, "key": key},
            )
            return await changed.fetchone()

        self._count(await self._write_outcome(mark, state.value), state)

    def _count(self, row: Row | None, state: State) -> None:
        if row is not None and self._telemetry is not None:
            self._telemetry.count_outcome(
                account=row["tenant"], kind=row["kind"], state=state, price_usd=row["price_usd"]
            )

    async def _write_outcome(self, work: Work[T], outcome: str) -> T:
        # In the log before a process is killed that waits for its database.
        late = asyncio.get_running_loop().call_later(
            LATE_SECONDS, log.warning, "A paid request is not written down yet: %s", outcome
        )
        try:
            return await self._write(work, tries=OUTCOME_TRIES)
        except UnreachableError:
            # The one thing that must not be lost; nobody but the log is left to take it.
            log.error("A paid request could not be written down: %s", outcome)  # noqa: TRY400
            raise UnansweredError(
                f"MiniMax's answer to this request ({outcome}) could not be written down, because "
                "this server's database cannot be reached. Do not repeat it: tell the person, and "
                "look with list_video_tasks and account_status later.",
                outcome=Outcome.UNKNOWN,
            ) from None
        finally:
            late.cancel()

    async def mark_probable(self, key: str, task_id: str) -> None:
        """See `base.Ledger`."""
        await self._update(
            "state = 'unknown', task_id = %(task_id)s",
            "key = %(key)s AND state <> 'accepted'",
            key=key,
            task_id=task_id,
        )

    async def record_result(self, key: str, result: Mapping[str, Any]) -> None:
        """See `base.Ledger`."""
        await self._update(
            "result = %(result)s", "key = %(key)s", key=key, result=json.dumps(result)
        )

    async def abandon(self, key: str) -> None:
        """See `base.Ledger`."""
        await self._update("caller = NULL", "key = %(key)s", key=key)

    async def mark_received(self, keys: Sequence[str]) -> None:
        """See `base.Ledger`."""
        await self._update(
            "received_at = minimax_now(), open = false", "key = ANY(%(keys)s)", keys=list(keys)
        )

    async def take_back(self, key: str) -> None:
        """See `base.Ledger`."""
        await self._update(
            "received_at = NULL, caller = NULL", "key = %(key)s AND used_at IS NULL", key=key
        )

    async def receive_by_use(self, value: str) -> None:
        """See `base.Ledger`; here an answer may have been given by any replica."""
        text = _storable(value)

        async def receive(db: Connection) -> None:
            rows = await self._list(
                db,
                "used_at IS NULL AND (task_id = %(text)s OR file_id = %(text)s OR path = %(text)s"
                " OR (strpos(result, %(quoted)s) > 0 AND (NOT %(known)s OR caller = %(sender)s)))",
                text=text,
                quoted=json.dumps(value),
                known=self._knows_callers,
            )
            keys = [row["key"] for row in rows if _is_used(row, value)]
            if keys:
                await db.execute(
                    "UPDATE minimax_purchases SET used_at = minimax_now(), open = false,"
                    " received_at = minimax_now() WHERE key = ANY(%s)",
                    (keys,),
                )

        await self._database.run_statement(receive)  # two, each of which may be repeated

    # --- looking -------------------------------------------------------------------------------

    async def reload(self, key: str) -> Record | None:
        """See `base.Ledger`."""

        async def look(db: Connection) -> Record | None:
            await db.execute(_SETTLE, self._values)
            row = await self._find(db, "key = %(key)s", key=key)
            return None if row is None else self._record(row)

        return await self._write(look)

    async def by_task(self, task_id: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._find_first("task_id = %(value)s", task_id)

    async def by_file(self, file_id: str) -> Record | None:
        """See `base.Ledger`."""
        return await self._find_first("file_id = %(value)s", file_id)

    async def newest(
        self, limit: int, *, kinds: Sequence[Kind], status: str | None = None
    ) -> list[Record]:
        """See `base.Ledger`."""
        names = [kind.value for kind in kinds]

        async def look(db: Connection) -> list[Record]:
            await db.execute(_SETTLE, self._values)
            rows = await self._list(
                db,
                "state <> 'rejected' AND kind = ANY(%(kinds)s)"
                " AND (%(status)s::text IS NULL OR status = %(status)s)"
                " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
                kinds=names,
                status=status,
                limit=limit,
            )
            return [self._record(row) for row in rows]

        return await self._write(look)

    async def find_recent_twin(self, fingerprint: str, *, within_seconds: float) -> Record | None:
        """See `base.Ledger`."""
        found = await self._find_first("request = %(value)s AND state = 'accepted'", fingerprint)
        return found if found is not None and found.age_seconds < within_seconds else None

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
        final = (
            ", final_reply = %(reply)s, finished_at = minimax_now(), took_seconds = %(took)s"
            if is_final
            else ""
        )
        await self._update(
            "status = %(status)s, last_reply = %(reply)s, asked_at = minimax_now(),"
            f" file_id = COALESCE(%(file_id)s, file_id){final}",
            "task_id = %(task_id)s",
            must_exist=False,
            task_id=task_id,
            status=status,
            file_id=file_id,
            reply=reply,
            took=took_seconds,
        )

    async def claim_job(self, task_id: str) -> Record | None:
        """See `base.Ledger`."""

        async def claim(db: Connection) -> Record | None:
            await self._sender.beat(db)
            await db.execute(
                "UPDATE minimax_purchases SET follower = %(sender)s WHERE tenant = %(tenant)s"
                " AND task_id = %(task_id)s AND (follower IS NULL"
                f" OR (%(follows)s AND NOT {ALIVE.format(column='follower')}))",
                {**self._values, "task_id": task_id, "follows": self._follows},
            )
            row = await self._find(db, "task_id = %(task_id)s", task_id=task_id)
            return None if row is None else self._record(row)

        return await self._write(claim)

    async def release_job(self, task_id: str) -> None:
        """See `base.Ledger`."""
        await self._update(
            "follower = NULL",
            "task_id = %(task_id)s AND follower = %(sender)s",
            must_exist=False,
            task_id=task_id,
        )

    async def unfinished_jobs(
        self, limit: int, *, kinds: Sequence[Kind], account: str
    ) -> list[Record]:
        """See `base.Ledger`."""

        async def look(db: Connection) -> list[Record]:
            rows = await self._list(
                db,
                "state = 'accepted' AND account = %(of_key)s AND kind = ANY(%(kinds)s)"
                " AND created_at > minimax_now() - %(oldest)s"
                " AND ((final_reply IS NULL AND status IN ('queued', 'processing'))"
                " OR (status = 'completed' AND path IS NULL AND follower IS NOT NULL))"
                " ORDER BY created_at DESC, id DESC",
                of_key=account,
                kinds=[kind.value for kind in kinds],
                oldest=max(KEPT_SECONDS[kind] for kind in kinds),
            )
            records = [self._record(row) for row in rows]
            return [record for record in records if record.is_kept][:limit]

        return await self._write(look)

    async def job_times(self, like: Record, *, limit: int) -> list[float]:
        """See `base.Ledger`; of all accounts, since MiniMax makes no difference between them."""

        async def look(db: Connection) -> list[float]:
            rows = await db.execute(
                "SELECT took_seconds FROM minimax_purchases WHERE took_seconds IS NOT NULL"
                " AND model = %s AND kind = %s AND duration IS NOT DISTINCT FROM %s"
                " AND resolution IS NOT DISTINCT FROM %s ORDER BY created_at DESC LIMIT %s",
                (like.model, like.kind.value, like.duration, like.resolution, limit),
            )
            return [row["took_seconds"] for row in await rows.fetchall()]

        return await self._database.run_statement(look)

    async def record_path(self, file_id: str, path: Path) -> None:
        """See `base.Ledger`."""
        await self._update(
            "path = %(path)s",
            "file_id = %(file_id)s",
            must_exist=False,
            path=path.as_posix(),
            file_id=file_id,
        )

    async def count_open_jobs(self) -> int:
        """See `base.Ledger`."""

        async def look(db: Connection) -> int:
            rows = await self._list(
                db,
                "status IN ('queued', 'processing') AND final_reply IS NULL"
                " AND created_at > minimax_now() - %(kept)s",
                kept=max(KEPT_SECONDS.values()),
            )
            return sum(self._record(row).is_kept for row in rows)

        return await self._write(look)

    # --- money ---------------------------------------------------------------------------------

    async def sum_spending(self, within_seconds: float) -> Mapping[Kind, float]:
        """See `base.Ledger`."""

        async def look(db: Connection) -> Mapping[Kind, float]:
            sums: dict[Kind, float] = {}
            for row in await self._list_charges(db, within_seconds):
                kind = _kind(row["kind"])
                sums[kind] = sums.get(kind, 0.0) + row["usd"]
            return sums

        return await self._write(look)

    async def _list_charges(self, db: Connection, within_seconds: float) -> list[Row]:
        values = {**self._values, "unpriced": UNPRICED_USD, "within": within_seconds}
        charges = _CHARGES.format(whose="tenant = %(tenant)s")
        return await (await db.execute(charges, values)).fetchall()

    async def _sum(self, db: Connection, *, of_all: bool = False) -> float:
        whose = "shared_key" if of_all else "tenant = %(tenant)s"
        values = {**self._values, "unpriced": UNPRICED_USD, "within": LIMIT_WINDOW_SECONDS}
        charges = _CHARGES.format(whose=whose)
        found = await db.execute(f"SELECT COALESCE(SUM(usd), 0) AS usd FROM ({charges}) c", values)
        row = await found.fetchone()
        return 0.0 if row is None else float(row["usd"])

    async def _compute_room(
        self, db: Connection, spent_usd: float, price_usd: float, limit_usd: float
    ) -> Spending:
        """When enough of what was spent leaves the window."""
        left = spent_usd
        for row in await self._list_charges(db, LIMIT_WINDOW_SECONDS):
            left -= row["usd"]
            if left + price_usd <= limit_usd + INEXACT_USD:
                room_in = max(0.0, LIMIT_WINDOW_SECONDS - row["age"])
                return Spending(spent_usd=spent_usd, room_in_seconds=room_in)
        return Spending(spent_usd=spent_usd)

    async def _check_shared_limit(self, db: Connection, purchase: Purchase) -> None:
        limit_usd = self._account.shared_limit_usd
        if limit_usd is None:
            return
        spent = await self._sum(db, of_all=True)
        if spent + purchase.counted_usd > limit_usd + INEXACT_USD:
            raise SpendingLimitError(
                f"Nothing was sent: this would cost {show_usd(purchase.counted_usd)}, and all who "
                "use this server's shared key may spend no more together within 24 hours. Ask "
                "whoever runs this server, or call again later."
            )

    # --- rows ----------------------------------------------------------------------------------

    @property
    def _values(self) -> dict[str, Any]:
        return {"tenant": self._account.name, "sender": self._sender.id}

    async def _list(self, db: Connection, where: str, **values: Any) -> list[Row]:
        rows = await db.execute(
            f"{_SELECT} WHERE tenant = %(tenant)s AND {where}", {**self._values, **values}
        )
        return await rows.fetchall()

    async def _find(self, db: Connection, where: str, **values: Any) -> Row | None:
        rows = await self._list(db, f"{where} ORDER BY id DESC LIMIT 1", **values)
        return rows[0] if rows else None

    async def _find_first(self, where: str, value: str) -> Record | None:
        async def look(db: Connection) -> Record | None:
            row = await self._find(db, where, value=_storable(value))
            return None if row is None else self._record(row)

        return await self._database.run_statement(look)

    async def _require(self, db: Connection, key: str) -> None:
        if await self._find(db, "key = %(key)s", key=key) is None:
            raise LookupError(f"the ledger has no row {key}")

    async def _update(
        self, sets: str, where: str, *, must_exist: bool = True, **values: Any
    ) -> None:
        """Change rows of this account.

        Raises:
            LookupError: There is no such row.
        """

        async def update(db: Connection) -> None:
            await self._sender.beat(db)
            changed = await db.execute(
                f"UPDATE minimax_purchases SET {sets} WHERE tenant = %(tenant)s AND {where}",
                {**self._values, **values},
            )
            if must_exist and not changed.rowcount and "key" in values:
                await self._require(db, values["key"])

        await self._database.run_statement(update)

    async def _write(self, work: Work[T], **options: Any) -> T:
        return await self._database.run(work, **options)

    def _record(self, row: Row) -> Record:
        mine = self._sender.id
        return Record(
            key=row["key"],
            kind=_kind(row["kind"]),
            state=State(row["state"]),
            created_at=row["created_at"],
            age_seconds=row["now"] - row["created_at"],
            sender_lives=row["sender"] == mine or row["sender_lives"],
            caller_waits=row["caller"] is not None
            and (row["caller"] == mine or row["caller_lives"]),
            received_at=row["received_at"],
            reply=None if row["reply"] is None else json.loads(row["reply"]),
            result=None if row["result"] is None else json.loads(row["result"]),
            follower=self._identify_follower(row),
            fingerprint=row["request"],
            **{name: row[name] for name in _PLAIN_COLUMNS},
        )

    def _identify_follower(self, row: Row) -> Follower | None:
        if row["follower"] is None:
            return None
        if row["follower"] == self._sender.id:
            return Follower.THIS
        if row["follower_lives"]:
            return Follower.OTHER
        if self._follows:
            return None
        # A worker will take it up; only where none does for long, others ask by themselves.
        attended_at = row["asked_at"] or row["created_at"]
        return Follower.OTHER if row["now"] - attended_at < UNATTENDED_SECONDS else None

    # --- the database --------------------------------------------------------------------------

    async def read_trouble(self) -> str | None:
        """See `base.Ledger`."""

        async def settle(db: Connection) -> None:
            await db.execute(_SETTLE, self._values)

        await self._write(settle)
        return None

    async def aclose(self) -> None:
        """Nothing: the process says goodbye for all accounts at once (`Sender.unregister`)."""


async def accept_row(
    db: Connection,
    key: str,
    *,
    task_id: str | None,
    reply: Mapping[str, Any] | None = None,
    on_accepted: OnAccepted | None,
) -> Row | None:
    """Write down that MiniMax accepted, once; settle the doubts that were agreed on by that.

    Returns:
        The row, if it was not known before.
    """
    queued = task_id is not None and on_accepted is not None
    changed = await db.execute(
        "UPDATE minimax_purchases SET state = 'accepted', task_id = %(task_id)s,"
        " status = %(status)s, reply = %(reply)s, follower = COALESCE(follower, %(follower)s)"
        " WHERE key = %(key)s AND (state <> 'accepted' OR task_id IS NULL)"
        " RETURNING tenant, kind, price_usd, settles",
        {
            "key": key,
            "task_id": task_id,
            "status": None if task_id is None else "queued",
            "reply": None if reply is None else json.dumps(reply),
            "follower": QUEUE if queued else None,
        },
    )
    row = await changed.fetchone()
    if row is None:
        return None
    if row["settles"]:
        await db.execute(
            "UPDATE minimax_purchases SET received_at = minimax_now(), open = false"
            " WHERE key = ANY(%s)",
            (row["settles"],),
        )
    if queued and on_accepted is not None:
        await _queue(db, key, on_accepted)
    return row


async def _queue(db: Connection, key: str, on_accepted: OnAccepted) -> None:
    """Queue a job; whatever is wrong with the queue, the acceptance stays written down."""
    try:
        async with db.transaction():
            await on_accepted(db, key)
    except BROKEN:
        raise
    except Exception:
        log.exception("A paid job could not be queued; it is followed when somebody asks about it.")
        await db.execute(
            "UPDATE minimax_purchases SET follower = NULL WHERE key = %s AND follower = %s",
            (key, QUEUE),
        )


def _find_doubts(rows: Sequence[Row]) -> list[str]:
    return [row["key"] for row in rows if State(row["state"]) is State.UNKNOWN]


def _kind(name: str) -> Kind:
    """What was bought; a kind of a later version counts as a video."""
    return Kind(name) if name in {kind.value for kind in Kind} else Kind.VIDEO


def _is_used(row: Row, value: str) -> bool:
    if value in (row["task_id"], row["file_id"], row["path"]):
        return True
    result = json.loads(row["result"]) if row["result"] else {}
    # A speech names the voice that spoke, which is not what was bought.
    spoke = row["kind"] == Kind.SPEECH.value and result.get("voice_id") == value
    return not spoke and _holds(result, value)


def _holds(result: object, value: str) -> bool:
    """Whether one of the values in a result is exactly this one."""
    if isinstance(result, dict):
        return any(_holds(inner, value) for inner in result.values())
    if isinstance(result, list):
        return any(_holds(inner, value) for inner in result)
    return result == value


def _storable(text: str) -> str:
    """The text as PostgreSQL takes it: without NUL, and without halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


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
