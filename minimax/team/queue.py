"""The queue of accepted jobs: Procrastinate on the same PostgreSQL.

A job is queued in the transaction that writes it down as accepted, so none is forgotten. One
worker at a time holds it; where its heartbeat stops, another begins again, which costs nothing:
asking and saving may be done twice.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import procrastinate
from procrastinate import RetryStrategy
from procrastinate.exceptions import ConnectorException

from minimax.team.database import Connection, Database

__all__ = ["JobQueue", "create_queue_tables"]

log = logging.getLogger(__name__)

QUEUE: Final = "minimax"
AT_ONCE: Final = 500
"""Jobs that one worker follows; each is a coroutine that sleeps most of the time."""
BEAT_SECONDS: Final = 3.0
SILENT_SECONDS: Final = 10.0
"""A worker that is silent for so long has lost its jobs to others."""
LOOK_SECONDS: Final = 2.0
"""How often the queue is looked at where no notification came."""
UNWIND_SECONDS: Final = 2.0
RESTART_SECONDS: Final = 1.0
"""Before a worker that lost its database begins again."""
MOST_TRIES: Final = 60
FIRST_RETRY_SECONDS: Final = 10
RETRY_GROWTH_SECONDS: Final = 10

Follow = Callable[[str], Awaitable[None]]
"""Follows the job of a row to its end."""


class JobQueue:
    """The queue, for those who put jobs into it and for those who work.

    Args:
        url: Of the database.
    """

    def __init__(self, url: str) -> None:
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=4)
        self._app = procrastinate.App(connector=connector)
        self._follow: Follow | None = None
        retry = RetryStrategy(
            max_attempts=MOST_TRIES, wait=FIRST_RETRY_SECONDS, linear_wait=RETRY_GROWTH_SECONDS
        )

        @self._app.task(name="follow", queue=QUEUE, retry=retry)
        async def follow(key: str) -> None:
            if self._follow is not None:
                await self._follow(key)

        @self._app.periodic(cron="* * * * * */5")
        @self._app.task(name="rescue", queue=QUEUE, queueing_lock="rescue")
        async def rescue(timestamp: int) -> None:  # noqa: ARG001 - the library's signature
            await self._rescue()

        self._task = follow

    async def put(self, db: Connection, key: str) -> None:
        """Queue the job of a row, in the transaction of this connection."""
        await self._task.configure(connection=db).defer_async(key=key)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["JobQueue"]:
        """The queue, connected."""
        async with self._app.open_async():
            yield self

    async def _rescue(self) -> None:
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=SILENT_SECONDS):
            log.warning("A worker is gone; its job %s is taken over.", job.id)
            await manager.retry_job(job)

    async def work(self, follow: Follow, *, stop: asyncio.Event) -> None:
        """Work until told to stop; what is being followed then goes to another worker.

        The library's worker ends where one of its connections breaks, so it is begun again.
        """
        self._follow = follow
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._work_until(stopping)
                await asyncio.wait({stopping}, timeout=RESTART_SECONDS)
        finally:
            stopping.cancel()

    async def _work_until(self, stopping: "asyncio.Task[bool]") -> None:
        """Work until told to stop, or until the database is in trouble."""
        working = asyncio.create_task(
            self._app.run_worker_async(
                queues=[QUEUE],
                concurrency=AT_ONCE,
                install_signal_handlers=False,
                shutdown_graceful_timeout=UNWIND_SECONDS,
                delete_jobs="successful",
                update_heartbeat_interval=BEAT_SECONDS,
                stalled_worker_timeout=SILENT_SECONDS,
                fetch_job_polling_interval=LOOK_SECONDS,
            )
        )
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                log.warning("The worker lost its database, and starts again.")
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectorException):
                await working


async def create_queue_tables(database: Database) -> None:
    """Make the queue's own tables, if they are missing."""

    async def look(db: Connection) -> bool:
        found = await db.execute("SELECT to_regclass('procrastinate_jobs') IS NOT NULL AS made")
        row = await found.fetchone()
        return row is not None and bool(row["made"])

    if await database.run(look):
        return
    connector = procrastinate.PsycopgConnector(conninfo=database.url, min_size=1, max_size=1)
    app = procrastinate.App(connector=connector)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
