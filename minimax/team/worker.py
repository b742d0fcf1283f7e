"""Follows paid jobs to their end and stores what they made, whether or not anyone asks."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from minimax.errors import MiniMaxError, SettingsError
from minimax.jobs.follower import JobFollower
from minimax.jobs.job import Jobs, JobType
from minimax.team.database import Connection, Row
from minimax.team.pace import free_place
from minimax.team.runtime import Team
from minimax.team.telemetry import MEASURE_SECONDS
from minimax.video.job import VIDEO_JOBS
from minimax.voice.long_speech_job import LONG_SPEECH_JOBS

__all__ = ["follow_job", "work"]

log = logging.getLogger(__name__)

JOB_TYPES: Final[Mapping[str, JobType]] = MappingProxyType(
    {job_type.kind.value: job_type for job_type in (VIDEO_JOBS, LONG_SPEECH_JOBS)}
)
"""By the kind of a row; a kind of a later version is left to later workers."""


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
    row = await _take_over(team, key)
    job_type = None if row is None else JOB_TYPES.get(row["kind"])
    if row is None or job_type is None or row["path"] is not None:
        return
    try:
        member = team.accounts.member(row["tenant"])
    except SettingsError:
        log.warning("The account of the job %s is gone; it is no longer followed.", row["task_id"])
        return
    runtime = team.runtime_of(member, follows=True)
    task_id = str(row["task_id"])
    with team.telemetry.tracer.start_as_current_span("minimax.follow"):
        await runtime.get_shared(JobFollower).follow_to_end(task_id, job_type)
    runtime.get_shared(Jobs).forget(task_id, job_type)
    await free_place(team.database, task_id)


async def _take_over(team: Team, key: str) -> Row | None:
    """Make the job of a row this process's, whoever had it.

    The queue gives a job to one worker at a time. The worker before may live and have left it, as
    after a restart of PostgreSQL; to wait for that one would be to wait for ever.
    """

    async def take(db: Connection) -> Row | None:
        taken = await db.execute(
            "UPDATE minimax_purchases SET follower = %s WHERE key = %s AND task_id IS NOT NULL"
            " RETURNING tenant, kind, task_id, path",
            (team.sender.id, key),
        )
        return await taken.fetchone()

    return await team.database.run_statement(take)
