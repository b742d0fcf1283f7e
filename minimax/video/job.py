"""Paid video jobs: asked about, waited for, listed, cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from minimax.api.client import MiniMaxClient
from minimax.api.error_codes import INVALID_PARAMETER, MODERATION_CODES, advice_for
from minimax.api.replies import StatusReply, job_status
from minimax.errors import MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.runtime import Runtime
from minimax.safe_text import plain, quoted
from minimax.tool_results import (
    LONGEST_WAIT_SECONDS,
    CancelledJob,
    JobStatus,
    VideoStatus,
)
from minimax.validation import checked_id
from minimax.video import apis
from minimax.video.apis import VideoApi

__all__ = ["POLL_AFTER_SECONDS", "Report", "cancel", "query", "waiting_call"]

Report = Callable[[float, str], Awaitable[None]]
"""Told at every ask: seconds waited so far, and MiniMax's own word."""

ASK_GRACE_SECONDS: Final = 4.0
"""How much longer than its wait a call may take for the ask that is under way."""
FIRST_PAUSE_SECONDS: Final = 3.0
PAUSE_GROWTH: Final = 1.5
LONGEST_PAUSE_SECONDS: Final = 8.0
PAUSE_JITTER: Final = 0.2
"""The longest pause with its jitter stays under 10 s: no end is noticed later than that."""
TOLERATED_FAILURES: Final = 5
"""Asks in a row that may fail inside one wait."""
FILE_ID_TRIES: Final = 3
FILE_ID_PAUSE_SECONDS: Final = 2.0
"""A job may be finished a moment before its file has an id."""
POLL_AFTER_SECONDS: Final = 10


# --- asking and waiting ------------------------------------------------------------------------


async def query(
    runtime: Runtime, task_id: str, *, wait_seconds: float = 0, report: Report | None = None
) -> VideoStatus:
    """How a job stands: asked once, or until it ends or `wait_seconds` are over.

    The end of the wait is a normal result. Cancelling this leaves the paid job alone.

    Raises:
        InputError: `task_id` cannot be one.
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    watch = runtime.own(VideoJobs).of(checked_id(task_id, "task_id"))
    started = runtime.clock.now()
    reply = await (_wait(watch, wait_seconds, report) if wait_seconds > 0 else watch.ask())
    return _status(runtime, watch.task_id, reply, runtime.clock.now() - started)


class VideoJobs:
    """The jobs that this loop asks about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._of: dict[str, VideoJob] = {}

    def of(self, task_id: str) -> "VideoJob":
        if task_id not in self._of:
            self._of[task_id] = VideoJob(self._runtime, task_id)
        return self._of[task_id]


class VideoJob:
    """What is known about one job, shared by all calls that ask about it."""

    def __init__(self, runtime: Runtime, task_id: str) -> None:
        self.task_id = task_id
        self.clock = runtime.clock
        self._runtime = runtime
        self._asking = asyncio.Lock()
        self._reply: StatusReply | None = None
        self._trouble: MiniMaxError | None = None
        self.due_at = 0.0
        self._generation: VideoApi | None = None
        self._bought_here = False
        self._noted_status: JobStatus | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS / PAUSE_GROWTH

    async def ask(self) -> StatusReply:
        """Ask MiniMax now; a final answer is remembered."""
        async with self._asking:
            return await self._ask()

    async def news(self) -> StatusReply:
        """The last answer or trouble, or a new one where it is time to ask again.

        However many calls wait for one job, side by side or one after the other, it is asked about
        in one rhythm.
        """
        async with self._asking:
            if self.clock.now() >= self.due_at:
                return await self._ask()
            if self._trouble is not None:
                raise self._trouble
            return self._reply or await self._ask()

    async def _ask(self) -> StatusReply:
        if self._reply is not None and _is_final(self._reply):
            return self._reply
        self._trouble = None
        try:
            self._reply = await self._asked()
        except MiniMaxError as error:
            if error.outcome is Outcome.REJECTED:
                self._reply = None
            else:
                self._trouble = error
            raise
        finally:
            self.due_at = self.clock.now() + self._next_pause()
        return self._reply

    async def _asked(self) -> StatusReply:
        if self._generation is None:  # this loop's first ask; later ones know the job
            known = self._runtime.ledger.by_task(self.task_id)
            if known is not None and known.final_reply is not None:
                return StatusReply.model_validate_json(known.final_reply)
            self._bought_here = known is not None
            self._generation = apis.by_name(known.api) if known is not None else None
        client = await self._runtime.client()
        for _ in range(FILE_ID_TRIES):
            reply = await self._status(client)
            if _end_of(reply) != "completed" or reply.file_id:
                self._note(reply)
                return reply
            await self.clock.sleep(FILE_ID_PAUSE_SECONDS)
        raise UnansweredError(
            f"The job {self.task_id} is finished, but MiniMax does not name its file yet. "
            "The video is not lost: ask again in a minute with the same task_id.",
            outcome=Outcome.UNKNOWN,
            task_id=self.task_id,
        )

    async def _status(self, client: MiniMaxClient) -> StatusReply:
        """A job that the ledger does not know is asked of one API, then of the other."""
        if self._generation is not None:
            return await self._generation.status(client, self.task_id)
        *first, last = apis.ALL
        for generation in first:
            try:
                reply = await generation.status(client, self.task_id)
            except RefusedError as refusal:
                if refusal.code != INVALID_PARAMETER:
                    raise
            else:
                self._generation = generation
                return reply
        reply = await last.status(client, self.task_id)
        self._generation = last
        return reply

    def _note(self, reply: StatusReply) -> None:
        """Keep the ledger up to date; a final answer is never asked for again."""
        status, final = _end_of(reply), _is_final(reply)
        if self._bought_here and status != self._noted_status:
            self._runtime.ledger.follow(
                self.task_id,
                status=status,
                file_id=reply.file_id or None,
                reply=reply.model_dump_json() if final else None,
            )
            self._noted_status = status

    async def cancel(self) -> None:
        """Cancel it through the API that knows it."""
        client = await self._runtime.client()
        reply = await self.ask()
        if self._generation is None or _is_final(reply):
            raise RefusedError(
                f"The job {self.task_id} has ended, so there is nothing to cancel.",
                task_id=self.task_id,
            )
        cancelled = await self._generation.cancel(client, self.task_id)
        self._reply = reply.model_copy(update={"status": "cancelled" if cancelled else "failed"})
        self._note(self._reply)
        if not cancelled:
            raise RefusedError(
                f"The job {self.task_id} ended at the very moment at which it was to be cancelled: "
                "it may have been charged, and MiniMax has deleted its record. Look at MiniMax's "
                "own page for the video.",
                task_id=self.task_id,
            )

    def _next_pause(self) -> float:
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)
        return self._pause_seconds * self.clock.jitter(1 - PAUSE_JITTER, 1 + PAUSE_JITTER)


async def _wait(watch: VideoJob, wait_seconds: float, report: Report | None) -> StatusReply:
    waiting = _Waiting(watch, wait_seconds, report)
    try:
        async with asyncio.timeout(wait_seconds + ASK_GRACE_SECONDS):
            return await waiting.for_end()
    except TimeoutError:
        if waiting.reply is None:
            raise UnansweredError(
                "MiniMax did not answer in time. The job is not affected; ask again.",
                outcome=Outcome.UNKNOWN,
                task_id=watch.task_id,
            ) from None
        return waiting.reply


class _Waiting:
    """One call's wait for the end of a job."""

    def __init__(self, watch: VideoJob, wait_seconds: float, report: Report | None) -> None:
        self._watch = watch
        self._clock = watch.clock
        self._started = self._clock.now()
        self._wait_seconds = wait_seconds
        self._report = report
        self._failures = 0
        self.reply: StatusReply | None = None

    async def for_end(self) -> StatusReply:
        while True:
            trouble = await self._look()
            left = self._wait_seconds - self._elapsed()
            if self.reply is not None and (_is_final(self.reply) or left <= 0):
                return self.reply
            if trouble is not None and left <= 0:
                raise trouble
            pause = self._watch.due_at - self._clock.now()
            await self._clock.sleep(max(0.0, min(pause, left)))

    def _elapsed(self) -> float:
        return self._clock.now() - self._started

    async def _look(self) -> MiniMaxError | None:
        """One look; a passing failure is returned, and tolerated a few times in a row."""
        try:
            self.reply = await self._watch.news()
        except MiniMaxError as error:
            self._failures += 1
            if error.outcome is Outcome.REJECTED or self._failures > TOLERATED_FAILURES:
                raise
            return error
        self._failures = 0
        if self._report is not None:
            await self._report(self._elapsed(), _shown_word(self.reply))
        return None


def _end_of(reply: StatusReply) -> JobStatus:
    """Our status word; moderation codes end a job whatever the word beside them."""
    if reply.base_resp.status_code in MODERATION_CODES:
        return "failed"
    return job_status(reply.status)


def _is_final(reply: StatusReply) -> bool:
    return _end_of(reply) in ("completed", "failed")


def _shown_word(reply: StatusReply) -> str:
    return plain(reply.status)


def _status(
    runtime: Runtime, task_id: str, reply: StatusReply, elapsed_seconds: float
) -> VideoStatus:
    status = _end_of(reply)
    failed, completed = status == "failed", status == "completed"
    code = reply.base_resp.status_code or None
    return VideoStatus(
        task_id=task_id,
        status=status,
        provider_status=_shown_word(reply),
        file_id=reply.file_id if completed else None,
        video_width=reply.video_width or None,
        video_height=reply.video_height or None,
        error=_failure_text(reply) if failed else None,
        error_code=code if failed else None,
        elapsed_seconds=round(elapsed_seconds),
        poll_after_seconds=None if failed or completed else POLL_AFTER_SECONDS,
        next_step=runtime.next_step(_what_next(status, task_id, reply.file_id)),
    )


def _failure_text(reply: StatusReply) -> str:
    advice = advice_for(reply.base_resp.status_code)
    if advice is not None:
        return f"{advice.meaning} {advice.remedy}"
    word = reply.status.lower()
    if word in ("expired", "cancelled"):
        return f"MiniMax says that the job is {word}."
    said = reply.base_resp.status_msg
    unexplained = not said or said == "success"
    return "MiniMax gave no reason." if unexplained else f"MiniMax says {quoted(said)}."


def _what_next(status: str, task_id: str, file_id: str) -> str:
    if status == "completed":
        return f'The video is ready: call retrieve_video_file(file_id="{file_id}").'
    if status == "failed":
        return (
            "This job has ended without a video; asking again changes nothing. Tell the person "
            "why, and generate anew only with their agreement: a new job costs again."
        )
    return (
        f"Still under way, which is normal. Call {waiting_call(task_id)} again. Do not call "
        "generate_video again for this wish."
    )


def waiting_call(task_id: str) -> str:
    """The call that waits best, as a model would write it."""
    return f'query_video_generation(task_id="{task_id}", wait_seconds={LONGEST_WAIT_SECONDS})'


# --- listing -----------------------------------------------------------------------------------


# --- cancelling --------------------------------------------------------------------------------


async def cancel(runtime: Runtime, task_id: str) -> CancelledJob:
    """Cancel a job that has not begun; free of charge.

    Raises:
        InputError: `task_id` cannot be one.
        RefusedError: It cannot be cancelled; the text says what can be done instead.
        MiniMaxError: MiniMax could not be asked.
    """
    watch = runtime.own(VideoJobs).of(checked_id(task_id, "task_id"))
    await watch.cancel()
    return CancelledJob(
        task_id=watch.task_id,
        status="cancelled",
        charged=False,
        next_step=runtime.next_step("The job was cancelled before it began; nothing is charged."),
    )
