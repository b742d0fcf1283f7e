"""This process as the others see it: a random id with a heartbeat in the database."""

import asyncio
import contextlib
import logging
import math
import secrets
import time
from typing import Final

import psycopg
from psycopg import AsyncConnection

from minimax.errors import UnreachableError
from minimax.ledger.owners import BEAT_SECONDS, LEASE_SECONDS
from minimax.team.database import BROKEN, CONNECT_SECONDS, Connection, Database

__all__ = ["ALIVE", "Sender"]

log = logging.getLogger(__name__)

ALIVE: Final = (
    "EXISTS (SELECT FROM minimax_senders s WHERE s.id = {column}"
    f" AND s.seen_at >= minimax_now() - {LEASE_SECONDS})"
)
"""Whether the process that a column names has shown its life within the lease."""
_BEAT: Final = (
    "INSERT INTO minimax_senders AS s VALUES (%(id)s, minimax_now()) ON CONFLICT (id)"
    " DO UPDATE SET seen_at = minimax_now()"
)
LATE_SECONDS: Final = 2 * BEAT_SECONDS
"""From here on a heartbeat has been missed."""
_FORGET_SECONDS: Final = 24 * 3600


class Sender:
    """One process, be it a replica or a worker.

    Attributes:
        id: Random, so that it is never mistaken for a process of another machine.
    """

    def __init__(self, database: Database) -> None:
        self.id = secrets.token_hex(16)
        self._database = database
        self._beat_at = -math.inf

    async def beat(self, db: Connection) -> None:
        """Show its life before it writes, unless `beat_forever` has done so in time."""
        if time.monotonic() - self._beat_at > LATE_SECONDS:
            await db.execute(
                f"{_BEAT} WHERE s.seen_at < minimax_now() - {BEAT_SECONDS}", {"id": self.id}
            )

    async def beat_forever(self) -> None:
        """Show its life until cancelled.

        On a connection of its own: a pool that is busy must not look like death.
        """
        db: AsyncConnection[tuple[object, ...]] | None = None
        try:
            while True:
                try:
                    if db is None or db.closed:
                        db = await AsyncConnection.connect(
                            self._database.url, autocommit=True, connect_timeout=CONNECT_SECONDS
                        )
                    await db.execute(_BEAT, {"id": self.id})
                    self._beat_at = time.monotonic()
                except BROKEN as error:
                    log.warning("A heartbeat was missed: %s.", type(error).__name__)
                    await _close(db)
                    db = None
                await asyncio.sleep(BEAT_SECONDS)
        finally:
            await _close(db)

    async def unregister(self) -> None:
        """It ends in order: what it leaves belongs to others at once, or after its lease."""

        async def forget(db: Connection) -> None:
            await db.execute(
                "UPDATE minimax_purchases SET caller = NULL WHERE caller = %s", (self.id,)
            )
            await db.execute(
                "DELETE FROM minimax_senders WHERE id = %s OR seen_at < minimax_now() - %s",
                (self.id, _FORGET_SECONDS),
            )

        try:
            await self._database.run(forget, tries=1)
        except UnreachableError:
            log.warning("The database is gone; others take over after %.0f s.", LEASE_SECONDS)


async def _close(db: AsyncConnection[tuple[object, ...]] | None) -> None:
    if db is not None:
        with contextlib.suppress(psycopg.Error):
            await db.close()
