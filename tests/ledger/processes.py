"""Processes on one SQLite ledger that a test can kill: simulated ones, and real ones."""

import asyncio
import os
import sqlite3
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minimax.ledger.base import Ledger
from minimax.ledger.legacy_processes import Processes
from minimax.ledger.owners import Owner
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger
from tests.ledger.suite import ManualClock
from tests.support.host import ROOT
from tests.support.killable import SimulatedOwner

__all__ = ["LegacyProcesses", "SqliteStore", "execute_sql", "open_store", "start_process"]


class LegacyProcesses(Processes):
    """The process numbers that run, each started at time 1."""

    def __init__(self, *alive: int) -> None:
        self.alive = set(alive)

    def own_pid(self) -> int:
        return 1

    def start_time(self, pid: int) -> str | None:
        return "1" if pid == 1 or pid in self.alive else None

    def is_alive(self, pid: int | None, started: str | None) -> bool:
        return pid is not None and self.start_time(pid) is not None and started == "1"


@dataclass
class SqliteStore:
    """A folder, its clock, and who lives."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    processes: LegacyProcesses = field(default_factory=LegacyProcesses)
    alive: set[str] = field(default_factory=set)
    ledgers: list[tuple[SqliteLedger, Owner]] = field(default_factory=list)

    async def open(self, **options: Any) -> SqliteLedger:
        owner = SimulatedOwner(self.folder, self.alive)
        ledger = SqliteLedger(
            self.folder,
            clock=self.clock.ledger_clock,
            **{"owner": owner, "processes": self.processes, "busy_seconds": 0, **options},
        )
        self.ledgers.append((ledger, owner))
        return ledger

    async def kill(self, ledger: Ledger) -> None:
        [owner] = [owner for each, owner in self.ledgers if each is ledger]
        self.alive.discard(owner.id)

    async def overwrite_state(self, key: str, state: str) -> None:
        execute_sql(self.folder, "UPDATE jobs SET state = ? WHERE key = ?", state, key)

    @property
    def file(self) -> Path:
        return self.folder / FILE_NAME

    def rows(self) -> list[dict[str, Any]]:
        """What is on disk, oldest first."""
        with closing(sqlite3.connect(self.file, timeout=0)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute("SELECT * FROM jobs ORDER BY id")]


@asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(folder)
    try:
        yield store
    finally:
        for ledger, _ in store.ledgers:
            await ledger.aclose()


def execute_sql(folder: Path, statement: str, *values: Any) -> None:
    """Change what is on disk behind the ledger's back."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute(statement, values)


PROGRAM = """
import asyncio, sys
from pathlib import Path
from minimax.ledger.records import Kind, State
from minimax.ledger.sqlite import SqliteLedger
from tests.ledger.suite import begin, buy, make_purchase

async def main():
    ledger = SqliteLedger(Path(sys.argv[1]))
    arguments = sys.argv[2:]
{body}

asyncio.run(main())
"""


@asynccontextmanager
async def start_process(
    body: str, folder: Path, *arguments: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A real process that runs `body` with a `ledger` and its `arguments`; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM.format(body=textwrap.indent(body, "    ")),
        str(folder),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
