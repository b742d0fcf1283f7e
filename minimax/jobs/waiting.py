"""One call's wait for the end of a job."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from minimax.api.replies import StatusReply
from minimax.errors import MiniMaxError, Outcome, UnansweredError
from minimax.jobs.job import Job
from minimax.time_budgets import ASK_GRACE_SECONDS

__all__ = ["Report", "wait_for_end"]

Report = Callable[[float, str], Awaitable[None]]
"""Told every few seconds: seconds waited so far, and MiniMax's own word."""

TOLERATED_FAILURES: Final = 5
"""Questions in a row that may fail inside one wait."""
REPORT_SECONDS: Final = 5.0
"""Between two reports; some hosts give up on a call that shows no life."""


async def wait_for_end(job: Job, wait_seconds: float, report: Report | None) -> StatusReply:
    """The final reply, or the last one when `wait_seconds` are over.

    Raises:
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    waiting = _Waiting(job, wait_seconds, report)
    job.watchers += 1
    try:
        async with asyncio.timeout(wait_seconds + ASK_GRACE_SECONDS):
            return await waiting.until_end()
    except TimeoutError:
        if waiting.reply is None:
            raise UnansweredError(
                "MiniMax did not answer in time. The job is not affected; ask again.",
                outcome=Outcome.UNKNOWN,
                task_id=job.task_id,
            ) from None
        return waiting.reply
    finally:
        job.watchers -= 1


class _Waiting:
    def __init__(self, job: Job, wait_seconds: float, report: Report | None) -> None:
        self._job = job
        self._clock = job.clock
        self._started = self._clock.now()
        self._end = self._started + wait_seconds
        self._report = report
        self._failures = 0
        self._last_failure: MiniMaxError | None = None
        self.reply: StatusReply | None = None

    async def until_end(self) -> StatusReply:
        while True:
            is_over = self._clock.now() >= self._end
            failure = await self._look(is_last=is_over)
            if self.reply is not None and (self.reply.is_final or is_over):
                return self.reply
            if failure is not None and is_over:
                raise failure
            report_at = self._clock.now() + REPORT_SECONDS
            await self._job.wait_until_due(until=min(self._end, report_at))

    async def _look(self, *, is_last: bool) -> MiniMaxError | None:
        """One look; a passing failure is returned, and tolerated a few times in a row."""
        try:
            if is_last and self._job.may_have_news:
                self.reply = await self._job.refresh()
            else:
                self.reply = await self._job.latest()
        except MiniMaxError as error:
            if error is not self._last_failure:
                self._last_failure = error
                self._failures += 1
            if error.outcome is Outcome.REJECTED or self._failures > TOLERATED_FAILURES:
                raise
            return error
        self._failures = 0
        if self._report is not None:
            await self._report(self._clock.now() - self._started, self.reply.word)
        return None
