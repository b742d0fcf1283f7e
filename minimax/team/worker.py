"""Follows paid jobs to their end and stores what they made, whoever asks or does not."""

import asyncio
import logging
from contextlib import suppress

from minimax.errors import MiniMaxError, SettingsError
from minimax.jobs.follower import JobFollower
from minimax.jobs.job import Jobs
from minimax.team.database import Connection, Row
from minimax.team.pace import free_place
from minimax.team.runtime import Team
from minimax.team.telemetry import MEASURE_SECONDS
from minimax.video.job import VIDEO_JOBS

__all__ = ["follow_job", "work"]

log = logging.getLogger(__name__)


async def work(team: Team, *, stop: asyncio.Event) -> None:
    """Follow queued jobs until told to stop."""

    async def follow(key: str) -> None:
        await follow_job(team, key)

    measuring = asyncio.create_task(_measure(team))
    try:
        await team.queue.work(follow, stop=stop)
    finally:
        measuring.cancel()
        await asyncio.wait({measuring})


async def _measure(team: Team) -> None:
    while True:
        with suppress(MiniMaxError):  # the next look may find the database
            await team.telemetry.measure(team.database)
        await team.clock.sleep(MEASURE_SECONDS)


async def follow_job(team: Team, key: str) -> None:
    """Follow the job of a row; the object that it made is named by the job, so it is one.

    Raises:
        MiniMaxError: MiniMax or the store refuse at the moment; it is tried again later.
    """
    row = await _read_row(team, key)
    if row is None or row["path"] is not None:
        return
    try:
        member = team.accounts.member(row["tenant"])
    except SettingsError:
        log.warning("The account of the job %s is gone; it is followed no more.", row["task_id"])
        return
    runtime = team.runtime_of(member, follows=True)
    task_id = str(row["task_id"])
    with team.telemetry.tracer.start_as_current_span("minimax.follow"):
        await runtime.get_shared(JobFollower).follow_to_end(task_id, VIDEO_JOBS)
    runtime.get_shared(Jobs).forget(task_id)
    await free_place(team.database, task_id)


async def _read_row(team: Team, key: str) -> Row | None:
    async def read(db: Connection) -> Row | None:
        found = await db.execute(
            "SELECT tenant, task_id, path FROM minimax_purchases"
            " WHERE key = %s AND task_id IS NOT NULL",
            (key,),
        )
        return await found.fetchone()

    return await team.database.run(read)
