"""The PostgreSQL of a team: connections, their repair, and the tables.

Every piece of work here may run twice: a connection that breaks is replaced, and the work is done
again. So each piece is one transaction, or one statement, that has the same effect however often
it is done.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from minimax.clock import Clock
from minimax.errors import Outcome, SettingsError, UnreachableError

__all__ = ["BROKEN", "VERSION", "Connection", "Database", "Row", "create_tables", "open_database"]

T = TypeVar("T")
Row = dict[str, Any]
Connection = AsyncConnection[Row]

log = logging.getLogger(__name__)

BROKEN: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # a standby that has not been promoted yet
    PoolTimeout,
)
"""The connection or the server is in trouble, and not the statement."""
TRIES: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 3.0
CONNECT_SECONDS: Final = 5
POOL_SECONDS: Final = 5.0
"""How long a piece of work waits for a connection."""
SETUP_LOCK: Final = 727_001
"""Several may make the tables at once; this advisory lock lets one at a time."""
VERSION: Final = 1
"""Of the tables. A server starts on its own version and on later ones, which only add."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS minimax_version (version integer NOT NULL);
-- Seconds since 1970 by the database's clock: the one that all machines of a team share.
CREATE OR REPLACE FUNCTION minimax_now() RETURNS double precision LANGUAGE sql VOLATILE
    AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;
CREATE TABLE IF NOT EXISTS minimax_senders (
    id text PRIMARY KEY,
    seen_at double precision NOT NULL
);
CREATE TABLE IF NOT EXISTS minimax_purchases (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    tenant text NOT NULL,
    shared_key boolean NOT NULL DEFAULT false,
    kind text NOT NULL,
    request text NOT NULL,
    account text NOT NULL,
    state text NOT NULL,
    open boolean NOT NULL DEFAULT false,
    sender text NOT NULL,
    caller text,
    follower text,
    settles text[] NOT NULL DEFAULT '{}',
    created_at double precision NOT NULL,
    deadline_at double precision NOT NULL,
    received_at double precision,
    used_at double precision,
    finished_at double precision,
    asked_at double precision,
    took_seconds double precision,
    task_id text,
    api text NOT NULL,
    model text NOT NULL,
    prompt text,
    duration integer,
    resolution text,
    price_usd double precision,
    status text,
    file_id text,
    path text,
    last_reply text,
    final_reply text,
    reply text,
    result text
);
-- Of one account's identical requests at most one is open, on whatever replica it was made.
CREATE UNIQUE INDEX IF NOT EXISTS minimax_purchases_one_open
    ON minimax_purchases (tenant, request) WHERE open;
CREATE INDEX IF NOT EXISTS minimax_purchases_unreceived
    ON minimax_purchases (tenant, request, created_at);
CREATE INDEX IF NOT EXISTS minimax_purchases_newest ON minimax_purchases (tenant, created_at DESC);
CREATE INDEX IF NOT EXISTS minimax_purchases_shared ON minimax_purchases (created_at)
    WHERE shared_key;
CREATE INDEX IF NOT EXISTS minimax_purchases_submitting ON minimax_purchases (tenant)
    WHERE state = 'submitting';
CREATE INDEX IF NOT EXISTS minimax_purchases_by_task ON minimax_purchases (task_id)
    WHERE task_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS minimax_purchases_by_file ON minimax_purchases (file_id)
    WHERE file_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS minimax_purchases_by_size ON minimax_purchases (model, created_at DESC)
    WHERE took_seconds IS NOT NULL;
-- Whose voices and uploads these are, where several accounts share one key.
CREATE TABLE IF NOT EXISTS minimax_belongings (
    kind text NOT NULL,
    id text NOT NULL,
    tenant text NOT NULL,
    created_at double precision NOT NULL DEFAULT minimax_now(),
    PRIMARY KEY (kind, id)
);
-- One row for each key of MiniMax's: when its next request may leave, and what is in flight.
CREATE TABLE IF NOT EXISTS minimax_pace (
    key_digest text PRIMARY KEY,
    next_at double precision NOT NULL
);
CREATE TABLE IF NOT EXISTS minimax_in_flight (
    key_digest text NOT NULL,
    ticket text PRIMARY KEY,
    expires_at double precision NOT NULL
);
CREATE INDEX IF NOT EXISTS minimax_in_flight_by_key ON minimax_in_flight (key_digest);
"""


def unreachable_error() -> UnreachableError:
    """What a call is told that found no database: nothing is sent without one."""
    return UnreachableError(
        "This server's database cannot be reached at the moment. Without it nothing is bought, so "
        "this call sent nothing and cost nothing. Call again in a minute.",
        outcome=Outcome.NOT_SENT,
    )


@dataclass(frozen=True)
class Database:
    """Connections to one PostgreSQL, shared by everything in this process.

    Attributes:
        pool: The connections.
        url: For connections of one's own, like that of the heartbeat.
        clock: The time that pauses go by.
    """

    pool: "AsyncConnectionPool[Connection]"
    url: str
    clock: Clock = field(default_factory=Clock)

    async def run(self, work: Callable[[Connection], Awaitable[T]], *, tries: int = TRIES) -> T:
        """Do work in one transaction; over another connection where one breaks.

        Args:
            work: May be done several times, the last time for good.
            tries: How often it is begun at most; the pauses between grow up to 3 seconds.

        Raises:
            UnreachableError: There was no database all the time.
        """

        async def work_as_one(db: Connection) -> T:
            async with db.transaction():
                return await work(db)

        return await self.run_statement(work_as_one, tries=tries)

    async def run_statement(
        self, work: Callable[[Connection], Awaitable[T]], *, tries: int = TRIES
    ) -> T:
        """Do work that needs no transaction, since all it does is one statement; like `run`.

        Raises:
            UnreachableError: There was no database all the time.
        """
        for turn in range(tries):
            try:
                async with self.pool.connection() as db:
                    return await work(db)
            except BROKEN as error:
                log.warning("The database could not be used: %s.", type(error).__name__)
            if turn < tries - 1:
                pause = FIRST_PAUSE_SECONDS * 2**turn
                await self.clock.sleep(min(pause, LONGEST_PAUSE_SECONDS))
                await self.pool.check()  # where one connection broke, others may have as well
        raise unreachable_error()


@asynccontextmanager
async def open_database(
    url: str, *, pool_size: int = 10, clock: Clock | None = None
) -> AsyncIterator[Database]:
    """Connections that notice when PostgreSQL is gone, and come back with it."""
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=pool_size,
        timeout=POOL_SECONDS,
        kwargs={
            "row_factory": dict_row,
            "autocommit": True,
            "connect_timeout": CONNECT_SECONDS,
            "prepare_threshold": None,  # works behind pgbouncer as well
        },
        open=False,
    )
    async with pool:
        yield Database(pool, url, clock or Clock())


async def create_tables(database: Database) -> None:
    """Make what is missing; harmless where all is there, and where several do it at once."""

    async def create(db: Connection) -> None:
        await db.execute("SELECT pg_advisory_xact_lock(%s)", (SETUP_LOCK,))
        await db.execute(TABLES)
        await db.execute("DELETE FROM minimax_version WHERE version < %s", (VERSION,))
        await db.execute(
            "INSERT INTO minimax_version SELECT %s WHERE NOT EXISTS (SELECT FROM minimax_version)",
            (VERSION,),
        )

    await database.run(create)


async def check_version(database: Database) -> None:
    """Refuse a database whose tables are missing or older than this server.

    Raises:
        SettingsError: `set-up` has to be run first.
        UnreachableError: There is no database.
    """

    async def read(db: Connection) -> int:
        try:
            found = await (await db.execute("SELECT version FROM minimax_version")).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return 0 if found is None else int(found["version"])

    if await database.run(read) < VERSION:
        raise SettingsError(
            "The tables of team mode are missing in the database of MINIMAX_TEAM_DATABASE_URL, or "
            "are older than this server. Run: uv run --extra team minimax_server.py set-up"
        )
