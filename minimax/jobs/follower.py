"""Follows paid jobs while nobody asks, and saves what they made.

One process of a ledger follows a job: it holds the claim on its row. Others look at the row, and
claim the job when that process is gone. Nothing here can delay, fail or repeat a call.
"""

import logging
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final

from minimax import runtime
from minimax.errors import KeyRefusedError, MiniMaxError, Outcome, SettingsError
from minimax.jobs.job import LOOK_PAUSE_SECONDS, Job, Jobs, JobType
from minimax.jobs.news import JobNews
from minimax.ledger.records import Follower, Record
from minimax.runtime import Runtime

__all__ = ["JobFollower"]

MOST_FOLLOWED: Final = 20
"""At once, by one process."""
LOOKED_AT: Final = 200
"""Unfinished jobs that are looked at when the server starts."""
YOUNG_SECONDS: Final = 24 * 3600.0
"""An older job is asked about once."""
TOLERATED_REFUSALS: Final = 3
"""In a row; then MiniMax does not know the job, or not under this key."""
SAVING_TRIES: Final = 5
SAVING_PAUSE_SECONDS: Final = 30.0
"""After the first failure; it doubles."""

log = logging.getLogger(__name__)


class JobFollower:
    """The jobs that this process follows."""

    def __init__(self, running: Runtime) -> None:
        self._runtime = running
        self._followed: dict[str, Job] = {}
        self._waiting: dict[str, tuple[JobType, bool]] = {}
        """Until one of those that are followed ends: by task id, whether it is asked about once."""

    def follow(self, task_id: str, job_type: JobType, *, first_ask_seconds: float = 0) -> None:
        """Follow a job from now on, where that is wanted; returns at once.

        Args:
            task_id: The job.
            job_type: What kind of job it is.
            first_ask_seconds: How long it need not be asked about.
        """
        if self._runtime.settings.auto_save:
            self._begin(task_id, job_type, first_ask_seconds=first_ask_seconds)

    async def follow_to_end(self, task_id: str, job_type: JobType) -> None:
        """Follow a job here and now, until it has ended and its file is saved.

        Raises:
            MiniMaxError: MiniMax refuses, or the file cannot be saved.
        """
        await self._follow_to_end(self._runtime.get_shared(Jobs).get(task_id, job_type), once=False)

    def is_following(self, task_id: str) -> bool:
        """Whether this process follows it now."""
        return task_id in self._followed

    def _start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._runtime.background.start_unattended(
            key, partial(runtime.run_with, self._runtime, work)
        )

    # --- which jobs ----------------------------------------------------------------------------

    async def take_up(self, *job_types: JobType) -> None:
        """Follow what was left unfinished when an earlier server ended, the newest jobs first.

        Raises:
            SettingsError: One of the settings cannot be used.
        """
        if not self._runtime.settings.auto_save or not self._runtime.account:
            return
        types = {job_type.kind: job_type for job_type in job_types}
        found = await self._runtime.ledger.unfinished_jobs(
            LOOKED_AT, kinds=list(types), account=self._runtime.account
        )
        for record in found:
            if record.task_id is not None:
                is_old = record.age_seconds > YOUNG_SECONDS
                self._begin(record.task_id, types[record.kind], once=is_old)

    def _begin(
        self, task_id: str, job_type: JobType, *, first_ask_seconds: float = 0, once: bool = False
    ) -> None:
        if task_id in self._followed:
            return
        if len(self._followed) >= MOST_FOLLOWED:
            self._waiting.setdefault(task_id, (job_type, once))
            return
        self._waiting.pop(task_id, None)
        job = self._runtime.get_shared(Jobs).get(task_id, job_type)
        if first_ask_seconds:
            job.due_at = job.clock.now() + first_ask_seconds
        self._followed[task_id] = job
        self._start(("follow", task_id), partial(self._follow, job, once=once))

    async def _follow_to_end(self, job: Job, *, once: bool) -> None:
        job.watchers += 1
        job.is_claimed = True
        try:
            await self._wait_for_end(job, once=once)
            if job.has_ended:
                await self._save(job)
        finally:
            job.watchers -= 1
            job.is_claimed = False

    async def _follow(self, job: Job, *, once: bool) -> None:
        try:
            await self._follow_to_end(job, once=once)
        except MiniMaxError as error:
            log.info("the job %s is no longer followed: %s", job.task_id, error)
        finally:
            del self._followed[job.task_id]
        await self._runtime.ledger.release_job(job.task_id)
        self._follow_next()

    def _follow_next(self) -> None:
        if self._waiting:
            task_id, (job_type, once) = next(iter(self._waiting.items()))
            self._begin(task_id, job_type, once=once)

    # --- one job -------------------------------------------------------------------------------

    async def _wait_for_end(self, job: Job, *, once: bool) -> None:
        """Ask until it has ended; or only once.

        Raises:
            MiniMaxError: It cannot be followed: MiniMax refuses the key, or does not know the job.
        """
        if not once:
            await job.wait_until_due()
        refusals = 0
        while not job.has_ended:
            try:
                await job.latest()
            except (KeyRefusedError, SettingsError):
                raise
            except MiniMaxError as error:  # it may be answered next time; the pauses grow
                refusals += error.outcome is Outcome.REJECTED
                if refusals >= TOLERATED_REFUSALS:
                    raise
            else:
                refusals = 0
            if once:
                return
            await job.wait_until_due()

    async def _save(self, job: Job) -> None:
        """Save what it made, unless links are wanted or it is saved already.

        Raises:
            MiniMaxError: It cannot be saved; it is still at MiniMax.
        """
        pause_seconds = SAVING_PAUSE_SECONDS
        for tries_left in reversed(range(SAVING_TRIES)):
            record = await self._claim_unsaved(job)
            if record is None:
                return
            try:
                path = await job.type.save(self._runtime, record)
            except MiniMaxError as error:
                _note_saving_error(job, error)
                if not tries_left:
                    raise
            else:
                job.saving_error = None
                self._runtime.get_shared(JobNews).note_saved(job.task_id, path)
                return
            await self._runtime.clock.sleep(pause_seconds)
            pause_seconds *= 2

    async def _claim_unsaved(self, job: Job) -> Record | None:
        """The row of a completed job that this process has to save; None: nothing is to be done."""
        if self._runtime.settings.resource_mode == "url":
            return None
        while True:
            record = await self._runtime.ledger.claim_job(job.task_id)
            if record is None or record.status != "completed" or record.path is not None:
                return None
            if record.follower is Follower.THIS:
                return record
            await self._runtime.clock.sleep(LOOK_PAUSE_SECONDS)


def _note_saving_error(job: Job, error: MiniMaxError) -> None:
    if job.saving_error is None:
        log.warning("The file of the job %s could not be saved: %s", job.task_id, error)
    job.saving_error = error
