"""A PostgreSQL ledger for the shared suite: processes that can be killed, time that is set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from minimax.ledger.base import Ledger
from minimax.team.database import Connection, Database
from minimax.team.ledger import Account, PostgresLedger
from minimax.team.sender import Sender
from tests.ledger.suite import ManualClock

__all__ = ["DatabaseClock", "PostgresStore", "open_postgres_store"]

LONG_AGO_SECONDS = 3600.0

TEST_CLOCK = """
CREATE TABLE IF NOT EXISTS test_clock (seconds double precision NOT NULL);
CREATE OR REPLACE FUNCTION minimax_now() RETURNS double precision LANGUAGE sql VOLATILE
    AS $$ SELECT COALESCE(
        (SELECT seconds FROM test_clock LIMIT 1),
        extract(epoch FROM clock_timestamp())::double precision
    ) $$;
"""
"""The database's clock in tests: the true one, unless a test has set another."""


class DatabaseClock(ManualClock):
    """The database's clock: it goes by what has passed, and no machine of ours sets it."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._seconds = self.wall
        self._url = url
        self._db = psycopg.connect(url, autocommit=True)
        self._db.execute("DELETE FROM test_clock")
        self._db.execute("INSERT INTO test_clock VALUES (%s)", (self._seconds,))

    def _pass(self, seconds: float) -> None:
        self._seconds += seconds
        self._db.execute("UPDATE test_clock SET seconds = %s", (self._seconds,))

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._pass(seconds)

    def reboot(self, *, seconds: float = 60.0) -> None:
        super().reboot(seconds=seconds)
        self._pass(seconds)

    def reopen(self) -> None:
        """The connection went with the server."""
        self._db.close()
        self._db = psycopg.connect(self._url, autocommit=True)

    def close(self) -> None:
        self._db.execute("DELETE FROM test_clock")
        self._db.close()


class ProcessLedger(PostgresLedger):
    """The ledger of a process that has one: it says goodbye when the ledger is closed."""

    def __init__(
        self, database: Database, sender: Sender, account: Account, **options: Any
    ) -> None:
        super().__init__(database, sender, account, **options)
        self.sender = sender

    async def aclose(self) -> None:
        await self.sender.unregister()


@dataclass
class PostgresStore:
    """One account's purchases, and the processes that make them."""

    database: Database
    clock: DatabaseClock
    options: dict[str, Any] = field(default_factory=dict)
    ledgers: list[ProcessLedger] = field(default_factory=list)

    async def open(self, account: Account | None = None, **options: Any) -> ProcessLedger:
        account = account or Account(name="alice")
        opened = ProcessLedger(
            self.database, Sender(self.database), account, **{**self.options, **options}
        )
        self.ledgers.append(opened)
        return opened

    async def kill(self, ledger: Ledger) -> None:
        """It is silent from now on, and has been for longer than its lease."""
        [sender] = [each.sender for each in self.ledgers if each is ledger]
        await self.execute(
            "UPDATE minimax_senders SET seen_at = seen_at - %s WHERE id = %s",
            LONG_AGO_SECONDS,
            sender.id,
        )

    async def overwrite_state(self, key: str, state: str) -> None:
        await self.execute("UPDATE minimax_purchases SET state = %s WHERE key = %s", state, key)

    async def execute(self, statement: str, *values: Any) -> None:
        async def execute(db: Connection) -> None:
            await db.execute(statement, values)

        await self.database.run_statement(execute)

    async def rows(self) -> list[dict[str, Any]]:
        """What is in the database, oldest first."""

        async def read(db: Connection) -> list[dict[str, Any]]:
            found = await db.execute("SELECT * FROM minimax_purchases ORDER BY id")
            return await found.fetchall()

        return await self.database.run_statement(read)


@asynccontextmanager
async def open_postgres_store(database: Database, **options: Any) -> AsyncIterator[PostgresStore]:
    clock = DatabaseClock(database.url)
    try:
        yield PostgresStore(database, clock, options)
    finally:
        clock.close()
