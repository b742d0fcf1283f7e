"""MiniMax's limits for one key, kept by all replicas together, so that MiniMax refuses nothing."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from minimax.errors import MiniMaxError, Outcome, RefusedError
from minimax.team.database import Connection, Database

__all__ = ["Pace", "Place", "free_place"]

LONGEST_WAIT_SECONDS: Final = 30.0
"""For a turn or a place; a call is answered within 50 seconds, and sending takes some of them."""
LOOK_SECONDS: Final = 1.0
"""Between two looks whether a place is free."""
PLACE_SECONDS: Final = 1800.0
"""A job that nobody saw end gives its place back after so long; MiniMax-H3 takes minutes."""
H3_REQUESTS_A_MINUTE: Final = 300
"""Of one key (platform documentation "rate limits")."""
MINUTE_SECONDS: Final = 60.0

_TURN: Final = """
INSERT INTO minimax_pace AS p (key_digest, next_at)
VALUES (%(key)s, minimax_now() + %(gap)s)
ON CONFLICT (key_digest) DO UPDATE
    SET next_at = GREATEST(p.next_at, minimax_now()) + %(gap)s
    WHERE p.next_at <= minimax_now() + %(longest)s
RETURNING next_at - %(gap)s - minimax_now() AS wait
"""
_PLACE: Final = """
INSERT INTO minimax_in_flight (key_digest, ticket, expires_at)
SELECT %(key)s, %(ticket)s, minimax_now() + %(seconds)s
WHERE (SELECT count(*) FROM minimax_in_flight
    WHERE key_digest = %(key)s AND expires_at > minimax_now()) < %(most)s
"""


def _busy_error(what: str, when: str) -> RefusedError:
    return RefusedError(
        f"More {what} are requested at the moment than MiniMax accepts for this key. Nothing was "
        f"sent and nothing is charged. Call again {when}.",
        outcome=Outcome.REJECTED,
    )


class Place:
    """A place among the jobs that MiniMax runs at once; given back unless it is kept."""

    def __init__(self) -> None:
        self.task_id: str | None = None

    def keep(self, task_id: str) -> str:
        """The job was accepted and has the place until it ends."""
        self.task_id = task_id
        return task_id


class Pace:
    """The limits of one key.

    Args:
        database: Where all replicas look.
        key_digest: Names the key without holding it.
        requests_a_minute: For Hailuo videos.
        in_flight: MiniMax-H3 jobs at once.
    """

    def __init__(
        self, database: Database, key_digest: str, *, requests_a_minute: int, in_flight: int
    ) -> None:
        self._database = database
        self._key = key_digest
        self._requests_a_minute = requests_a_minute
        self._in_flight = in_flight

    async def take_turn(self) -> None:
        """Wait until the next Hailuo request may leave.

        Raises:
            RefusedError: That takes longer than a call can wait; nothing was sent.
        """
        await self._take_turn(f"hailuo {self._key}", self._requests_a_minute)

    async def _take_turn(self, key: str, requests_a_minute: int) -> None:
        values = {
            "key": key,
            "gap": MINUTE_SECONDS / requests_a_minute,
            "longest": LONGEST_WAIT_SECONDS,
        }

        async def take(db: Connection) -> float | None:
            row = await (await db.execute(_TURN, values)).fetchone()
            return None if row is None else float(row["wait"])

        wait_seconds = await self._database.run_statement(take)
        if wait_seconds is None:
            raise _busy_error("videos", "in a minute")
        if wait_seconds > 0:
            await self._database.clock.sleep(wait_seconds)

    @asynccontextmanager
    async def take_place(self) -> AsyncIterator[Place]:
        """Wait until another MiniMax-H3 job may run, and its request may leave.

        A request in doubt keeps its place: the job may run.

        Raises:
            RefusedError: That takes longer than a call can wait; nothing was sent.
        """
        await self._take_turn(f"h3 {self._key}", H3_REQUESTS_A_MINUTE)
        ticket = await self._wait_for_place()
        place = Place()
        try:
            yield place
        except MiniMaxError as error:
            if error.outcome is not Outcome.UNKNOWN:
                await free_place(self._database, ticket)
            raise
        if place.task_id is not None:
            await self._rename(ticket, place.task_id)

    async def _wait_for_place(self) -> str:
        ticket = secrets.token_hex(16)
        values = {
            "key": self._key,
            "ticket": ticket,
            "seconds": PLACE_SECONDS,
            "most": self._in_flight,
        }

        async def take(db: Connection) -> bool:
            await db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", (self._key,))
            await db.execute("DELETE FROM minimax_in_flight WHERE expires_at <= minimax_now()")
            return (await db.execute(_PLACE, values)).rowcount > 0

        waited_seconds = 0.0
        while not await self._database.run(take):
            if waited_seconds >= LONGEST_WAIT_SECONDS:
                raise _busy_error(
                    "MiniMax-H3 videos",
                    "when a job of this key has ended; one whose answer was lost counts for half "
                    "an hour",
                )
            await self._database.clock.sleep(LOOK_SECONDS)
            waited_seconds += LOOK_SECONDS
        return ticket

    async def _rename(self, ticket: str, task_id: str) -> None:
        async def rename(db: Connection) -> None:
            await db.execute(
                "UPDATE minimax_in_flight SET ticket = %s WHERE ticket = %s", (task_id, ticket)
            )

        await self._database.run_statement(rename)


async def free_place(database: Database, ticket: str) -> None:
    """A job has ended, or was not accepted: its place is free."""

    async def free(db: Connection) -> None:
        await db.execute("DELETE FROM minimax_in_flight WHERE ticket = %s", (ticket,))

    await database.run_statement(free)
