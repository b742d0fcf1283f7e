"""Asks about a paid video job, waits for its end, and cancels it."""

from pathlib import Path
from typing import Final

from minimax.api.client import MiniMaxClient
from minimax.api.error_codes import INVALID_PARAMETER
from minimax.api.replies import StatusReply
from minimax.delivery import find_saved_path
from minimax.errors import RefusedError
from minimax.jobs.asking import ask_or_wait, explain_failure
from minimax.jobs.earlier_sandbox import explain_forgotten
from minimax.jobs.follower import JobFollower
from minimax.jobs.job import Job, Jobs
from minimax.jobs.waiting import Report
from minimax.ledger.records import Kind, Record
from minimax.runtime import Runtime
from minimax.time_budgets import SAVE_GRACE_SECONDS
from minimax.tool_results import CancelledJob, VideoStatus
from minimax.validation import check_id
from minimax.video import apis, download
from minimax.video.ids import refuse_file_id
from minimax.video.next_steps import POLL_AFTER_SECONDS, next_step_after_status, next_step_in_list

__all__ = ["VIDEO_JOBS", "Report", "cancel", "get_job", "query"]

SAVED_LOOK_SECONDS: Final = 0.25
"""Between two looks whether a finished video has been saved."""


class VideoJobs:
    """See `jobs.job.JobType`."""

    kind = Kind.VIDEO

    async def ask(
        self, client: MiniMaxClient, task_id: str, *, api: str
    ) -> tuple[StatusReply, str]:
        """A job that the ledger does not know is asked of one API, then of the other."""
        if api:
            return await apis.by_name(api).status(client, task_id), api
        try:
            return await apis.HAILUO.status(client, task_id), apis.HAILUO.name
        except RefusedError as refusal:
            if refusal.code != INVALID_PARAMETER:
                raise
        return await apis.H3.status(client, task_id), apis.H3.name

    async def save(self, runtime: Runtime, record: Record) -> Path:
        """Save the video where `retrieve_video_file` finds it."""
        assert record.file_id is not None  # noqa: S101 - a completed job names its file
        return await download.save_by_itself(runtime, record.file_id)

    def next_step_in_list(self, record: Record, status: str, saved_as: str | None) -> str:
        """See `next_steps`."""
        return next_step_in_list(status, record.task_id, record.file_id, saved_as)


VIDEO_JOBS: Final = VideoJobs()


async def query(
    runtime: Runtime, task_id: str, *, wait_seconds: float = 0, report: Report | None = None
) -> VideoStatus:
    """How a job stands: asked once, or until it ends or `wait_seconds` are over.

    The end of the wait is a normal result. Cancelling this leaves the paid job alone.

    Raises:
        InputError: `task_id` cannot be one.
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    job = await get_job(runtime, task_id)
    started = runtime.clock.now()
    reply = await ask_or_wait(runtime, job, wait_seconds=wait_seconds, report=report)
    elapsed = runtime.clock.now() - started
    path = None
    if reply.job_status == "completed":
        path = await _find_path(
            runtime,
            job,
            within_seconds=wait_seconds and wait_seconds - elapsed + SAVE_GRACE_SECONDS,
        )
    return _status_result(runtime, job, reply, elapsed, path)


async def cancel(runtime: Runtime, task_id: str) -> CancelledJob:
    """Cancel a job that has not begun; free of charge.

    Raises:
        InputError: `task_id` cannot be one.
        RefusedError: It cannot be cancelled; the text says what can be done instead.
        MiniMaxError: MiniMax could not be asked.
    """
    job = await get_job(runtime, task_id)
    await _cancel(runtime, job)
    return CancelledJob(
        task_id=job.task_id,
        status="cancelled",
        charged=False,
        next_step=runtime.write_next_step(
            "The job was cancelled before it began; nothing is charged."
        ),
    )


async def get_job(runtime: Runtime, task_id: str) -> Job:
    """The job that a caller names; whoever has its id has had the answer that told it.

    Raises:
        InputError: `task_id` cannot be one, or is an id of something else.
    """
    job = runtime.get_shared(Jobs).get(check_id(task_id, "task_id"), VIDEO_JOBS)
    if not (job.is_used or job.is_in_ledger):
        await refuse_file_id(runtime, job.task_id)
    await job.note_use()
    return job


async def _cancel(runtime: Runtime, job: Job) -> None:
    """Cancel it through the API that knows it, if it is queued at this very moment."""
    client = await runtime.client()
    async with explain_forgotten(runtime, job.task_id):
        reply = await job.refresh()
    if not job.api or reply.is_final:
        raise RefusedError(
            f"The job {job.task_id} has ended, so there is nothing to cancel.",
            task_id=job.task_id,
        )
    cancelled = await apis.by_name(job.api).cancel(client, job.task_id, reply)
    status = "cancelled" if cancelled else "failed"
    await job.conclude(reply.model_copy(update={"status": status}))
    if not cancelled:
        raise RefusedError(
            f"The job {job.task_id} ended just as it was being cancelled: it may have been "
            "charged, and MiniMax has deleted its record. Look at MiniMax's "
            "own page for the video.",
            task_id=job.task_id,
        )


async def _find_path(runtime: Runtime, job: Job, *, within_seconds: float) -> Path | None:
    """Where a finished video was saved; waits a little while it is being saved."""
    follower = runtime.get_shared(JobFollower)
    started = runtime.clock.now()
    while True:
        path = await find_saved_path(runtime, await runtime.ledger.by_task(job.task_id))
        waited = runtime.clock.now() - started
        is_expected = job.saving_error is None and follower.is_following(job.task_id)
        if path is not None or waited >= within_seconds or not is_expected:
            return path
        await runtime.clock.sleep(SAVED_LOOK_SECONDS)


# --- what a caller is told ---------------------------------------------------------------------


def _status_result(
    runtime: Runtime,
    job: Job,
    reply: StatusReply,
    elapsed_seconds: float,
    path: Path | None,
) -> VideoStatus:
    status = reply.job_status
    where = None if path is None else runtime.results.say_where(path)
    failed, completed = status == "failed", status == "completed"
    code = reply.base_resp.status_code or None
    error = None if path else job.saving_error
    not_saved = f" It could not be saved by itself: {error}" if error else ""
    return VideoStatus(
        task_id=job.task_id,
        status=status,
        provider_status=reply.word,
        file_id=reply.file_id if completed else None,
        path=None if path is None else str(path),
        video_width=reply.video_width or None,
        video_height=reply.video_height or None,
        error=explain_failure(reply) if failed else None,
        error_code=code if failed else None,
        elapsed_seconds=round(elapsed_seconds),
        poll_after_seconds=None if failed or completed else POLL_AFTER_SECONDS,
        next_step=runtime.write_next_step(
            next_step_after_status(status, job.task_id, reply.file_id, where) + not_saved
        ),
    )
