"""Asks about a paid video job, waits for its end, and cancels it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from minimax.api.client import MiniMaxClient
from minimax.api.error_codes import INVALID_PARAMETER, advice_for
from minimax.api.replies import StatusReply
from minimax.errors import MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.runtime import Runtime
from minimax.safe_text import quote
from minimax.time_budgets import ASK_GRACE_SECONDS
from minimax.tool_results import CancelledJob, JobStatus, VideoStatus
from minimax.validation import check_id
from minimax.video import apis
from minimax.video.apis import VideoApi
from minimax.video.next_steps import POLL_AFTER_SECONDS, next_step_after_status

__all__ = ["Report", "VideoJob", "VideoJobs", "cancel", "query"]

Report = Callable[[float, str], Awaitable[None]]
"""Told at every question: seconds waited so far, and MiniMax's own word."""

FIRST_PAUSE_SECONDS: Final = 3.0
PAUSE_GROWTH: Final = 1.5
LONGEST_PAUSE_SECONDS: Final = 8.0
PAUSE_JITTER: Final = 0.2
"""The longest pause with its jitter stays under 10 s: no end is noticed later than that."""
TOLERATED_FAILURES: Final = 5
"""Questions in a row that may fail inside one wait."""
FILE_ID_TRIES: Final = 3
FILE_ID_PAUSE_SECONDS: Final = 2.0
"""A job may be finished a moment before its file has an id."""


async def query(
    runtime: Runtime, task_id: str, *, wait_seconds: float = 0, report: Report | None = None
) -> VideoStatus:
    """How a job stands: asked once, or until it ends or `wait_seconds` are over.

    The end of the wait is a normal result. Cancelling this leaves the paid job alone.

    Raises:
        InputError: `task_id` cannot be one.
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    job = runtime.get_shared(VideoJobs).get(check_id(task_id, "task_id"))
    await runtime.deliveries.note_use(job.task_id)
    started = runtime.clock.now()
    reply = await (_wait(job, wait_seconds, report) if wait_seconds > 0 else job.refresh())
    return _status_result(runtime, job.task_id, reply, runtime.clock.now() - started)


async def cancel(runtime: Runtime, task_id: str) -> CancelledJob:
    """Cancel a job that has not begun; free of charge.

    Raises:
        InputError: `task_id` cannot be one.
        RefusedError: It cannot be cancelled; the text says what can be done instead.
        MiniMaxError: MiniMax could not be asked.
    """
    job = runtime.get_shared(VideoJobs).get(check_id(task_id, "task_id"))
    await runtime.deliveries.note_use(job.task_id)
    await job.cancel()
    return CancelledJob(
        task_id=job.task_id,
        status="cancelled",
        charged=False,
        next_step=runtime.write_next_step(
            "The job was cancelled before it began; nothing is charged."
        ),
    )


# --- one job, as all its callers see it --------------------------------------------------------


class VideoJobs:
    """The jobs that were asked about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._jobs: dict[str, VideoJob] = {}

    def get(self, task_id: str) -> "VideoJob":
        """The job of this task id."""
        if task_id not in self._jobs:
            self._jobs[task_id] = VideoJob(self._runtime, task_id)
        return self._jobs[task_id]


class VideoJob:
    """What is known about one job, shared by all calls that ask about it.

    Attributes:
        task_id: MiniMax's name for it.
        clock: The time it is asked by.
        due_at: When it is worth asking again, on that clock.
    """

    def __init__(self, runtime: Runtime, task_id: str) -> None:
        self.task_id = task_id
        self.clock = runtime.clock
        self.due_at = 0.0
        self._runtime = runtime
        self._asking = asyncio.Lock()
        self._reply: StatusReply | None = None
        self._failure: MiniMaxError | None = None
        self._api: VideoApi | None = None
        self._is_in_ledger = False
        self._recorded_status: JobStatus | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS / PAUSE_GROWTH

    async def refresh(self) -> StatusReply:
        """Ask MiniMax now; a final reply is remembered and never asked for again."""
        async with self._asking:
            return await self._refresh()

    async def latest(self) -> StatusReply:
        """The last reply or failure, or a new one where it is time to ask again.

        However many calls wait for one job, side by side or one after the other, it is asked about
        in one rhythm.
        """
        async with self._asking:
            if self.clock.now() >= self.due_at:
                return await self._refresh()
            if self._failure is not None:
                raise self._failure
            return self._reply or await self._refresh()

    async def cancel(self) -> None:
        """Cancel it through the API that knows it, if it is queued at this very moment."""
        client = await self._runtime.client()
        reply = await self.refresh()
        if self._api is None or reply.is_final:
            raise RefusedError(
                f"The job {self.task_id} has ended, so there is nothing to cancel.",
                task_id=self.task_id,
            )
        cancelled = await self._api.cancel(client, self.task_id, reply)
        self._reply = reply.model_copy(update={"status": "cancelled" if cancelled else "failed"})
        await self._record(self._reply)
        if not cancelled:
            raise RefusedError(
                f"The job {self.task_id} ended at the very moment at which it was to be cancelled: "
                "it may have been charged, and MiniMax has deleted its record. Look at MiniMax's "
                "own page for the video.",
                task_id=self.task_id,
            )

    async def _refresh(self) -> StatusReply:
        if self._reply is not None and self._reply.is_final:
            return self._reply
        self._failure = None
        try:
            self._reply = await self._read_ledger() or await self._ask_until_file_is_named()
        except MiniMaxError as error:
            if error.outcome is Outcome.REJECTED:
                self._reply = None
            else:
                self._failure = error
            raise
        finally:
            self.due_at = self.clock.now() + self._next_pause()
        return self._reply

    async def _read_ledger(self) -> StatusReply | None:
        """The final reply, if an earlier process recorded it; at the first question only."""
        if self._api is not None:
            return None
        row = await self._runtime.ledger.by_task(self.task_id)
        if row is not None and row.received_at is None:
            await self._runtime.ledger.receive_by_use(self.task_id)
        if row is not None and row.final_reply is not None:
            return StatusReply.model_validate_json(row.final_reply)
        self._is_in_ledger = row is not None
        self._api = apis.by_name(row.api) if row is not None else None
        return None

    async def _ask_until_file_is_named(self) -> StatusReply:
        client = await self._runtime.client()
        for _ in range(FILE_ID_TRIES):
            reply = await self._ask(client)
            if reply.job_status != "completed" or reply.file_id:
                await self._record(reply)
                return reply
            await self.clock.sleep(FILE_ID_PAUSE_SECONDS)
        raise UnansweredError(
            f"The job {self.task_id} is finished, but MiniMax does not name its file yet. "
            "The video is not lost: ask again in a minute with the same task_id.",
            outcome=Outcome.UNKNOWN,
            task_id=self.task_id,
        )

    async def _ask(self, client: MiniMaxClient) -> StatusReply:
        """Ask once; a job that the ledger does not know is asked of one API, then of the other."""
        if self._api is not None:
            return await self._api.status(client, self.task_id)
        try:
            reply = await apis.HAILUO.status(client, self.task_id)
        except RefusedError as refusal:
            if refusal.code != INVALID_PARAMETER:
                raise
        else:
            self._api = apis.HAILUO
            return reply
        reply = await apis.H3.status(client, self.task_id)
        self._api = apis.H3
        return reply

    async def _record(self, reply: StatusReply) -> None:
        """Keep the ledger up to date; a final reply is never asked for again."""
        if self._is_in_ledger and reply.job_status != self._recorded_status:
            await self._runtime.ledger.record_status(
                self.task_id,
                status=reply.job_status,
                file_id=reply.file_id or None,
                reply=reply.model_dump_json() if reply.is_final else None,
            )
            self._recorded_status = reply.job_status

    def _next_pause(self) -> float:
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)
        return self._pause_seconds * self.clock.jitter(1 - PAUSE_JITTER, 1 + PAUSE_JITTER)


# --- waiting -----------------------------------------------------------------------------------


async def _wait(job: VideoJob, wait_seconds: float, report: Report | None) -> StatusReply:
    waiting = _Waiting(job, wait_seconds, report)
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


class _Waiting:
    """One call's wait for the end of a job."""

    def __init__(self, job: VideoJob, wait_seconds: float, report: Report | None) -> None:
        self._job = job
        self._clock = job.clock
        self._started = self._clock.now()
        self._wait_seconds = wait_seconds
        self._report = report
        self._failures = 0
        self.reply: StatusReply | None = None

    async def until_end(self) -> StatusReply:
        while True:
            failure = await self._look()
            left = self._wait_seconds - self._seconds_so_far()
            if self.reply is not None and (self.reply.is_final or left <= 0):
                return self.reply
            if failure is not None and left <= 0:
                raise failure
            pause = self._job.due_at - self._clock.now()
            await self._clock.sleep(max(0.0, min(pause, left)))

    def _seconds_so_far(self) -> float:
        return self._clock.now() - self._started

    async def _look(self) -> MiniMaxError | None:
        """One look; a passing failure is returned, and tolerated a few times in a row."""
        try:
            self.reply = await self._job.latest()
        except MiniMaxError as error:
            self._failures += 1
            if error.outcome is Outcome.REJECTED or self._failures > TOLERATED_FAILURES:
                raise
            return error
        self._failures = 0
        if self._report is not None:
            await self._report(self._seconds_so_far(), self.reply.word)
        return None


# --- what a caller is told ---------------------------------------------------------------------


def _status_result(
    runtime: Runtime, task_id: str, reply: StatusReply, elapsed_seconds: float
) -> VideoStatus:
    status = reply.job_status
    failed, completed = status == "failed", status == "completed"
    code = reply.base_resp.status_code or None
    return VideoStatus(
        task_id=task_id,
        status=status,
        provider_status=reply.word,
        file_id=reply.file_id if completed else None,
        video_width=reply.video_width or None,
        video_height=reply.video_height or None,
        error=_failure_text(reply) if failed else None,
        error_code=code if failed else None,
        elapsed_seconds=round(elapsed_seconds),
        poll_after_seconds=None if failed or completed else POLL_AFTER_SECONDS,
        next_step=runtime.write_next_step(next_step_after_status(status, task_id, reply.file_id)),
    )


def _failure_text(reply: StatusReply) -> str:
    advice = advice_for(reply.base_resp.status_code)
    if advice is not None:
        return f"{advice.meaning} {advice.remedy}"
    status = reply.status.lower()
    if status in ("expired", "cancelled"):
        return f"MiniMax says that the job is {status}."
    words = reply.base_resp.status_msg
    unexplained = not words or words == "success"
    return "MiniMax gave no reason." if unexplained else f"MiniMax says {quote(words)}."
