"""Fetches a finished video by its file id, or by the task id of the job that made it."""

from minimax.api.error_codes import INVALID_PARAMETER, UNKNOWN_ERROR
from minimax.errors import InputError, RefusedError
from minimax.jobs.earlier_sandbox import explain_forgotten
from minimax.jobs.job import Job
from minimax.jobs.kinds import refuse_id_of_other_kind
from minimax.ledger.records import Kind
from minimax.runtime import Runtime
from minimax.spending.buy_once import remaining_seconds
from minimax.tool_results import JobStatus, VideoFile
from minimax.validation import check_id
from minimax.video.apis import H3
from minimax.video.download import Report, download_video
from minimax.video.job import get_job
from minimax.video.next_steps import waiting_call

__all__ = ["retrieve"]


async def retrieve(
    runtime: Runtime,
    ident: str,
    *,
    output_directory: str | None = None,
    within_seconds: float | None = None,
    report: Report | None = None,
) -> VideoFile:
    """Save a finished video; arguments as `download_video`.

    What the ledger knows decides without a question what `ident` is. Otherwise MiniMax is asked for
    such a file, and if there is none for such a job.

    Raises:
        InputError: `ident` cannot be an id, is one of a long speech, or its job has no video yet.
        RefusedError: MiniMax knows neither such a file nor such a job.
        MiniMaxError: MiniMax could not be asked, or the download failed.
    """
    checked = check_id(ident, "file_id")
    async with explain_forgotten(runtime, checked):
        return await _retrieve(
            runtime,
            checked,
            output_directory=output_directory,
            within_seconds=within_seconds,
            report=report,
        )


async def _retrieve(
    runtime: Runtime,
    checked: str,
    *,
    output_directory: str | None,
    within_seconds: float | None,
    report: Report | None,
) -> VideoFile:
    started = runtime.clock.now()

    async def download(file_id: str) -> VideoFile:
        return await download_video(
            runtime,
            file_id,
            output_directory=output_directory,
            within_seconds=remaining_seconds(within_seconds, runtime.clock.now() - started),
            report=report,
        )

    await refuse_id_of_other_kind(runtime, checked, field="file_id", kind=Kind.VIDEO)
    known = await _find_known_file(runtime, checked)
    if known is not None:
        return await download(known)
    try:
        return await download(checked)
    except RefusedError as refusal:
        if refusal.code != INVALID_PARAMETER:
            raise
    return await download(await _ask_for_file(runtime, checked))


async def _find_known_file(runtime: Runtime, ident: str) -> str | None:
    """The file that an id stands for, where the ledger or its form tells; None: it may be any.

    Raises:
        InputError: It is the task id of a job that has no video.
    """
    ledger = runtime.ledger
    if H3.owns_file(ident) or await ledger.by_file(ident) is not None:
        return ident
    record = await ledger.by_task(ident)
    if record is None:
        return None
    job = await get_job(runtime, ident)
    return record.file_id or await _read_file(job)


async def _ask_for_file(runtime: Runtime, ident: str) -> str:
    try:
        return await _read_file(await get_job(runtime, ident))
    except RefusedError as refusal:
        if refusal.code not in (INVALID_PARAMETER, UNKNOWN_ERROR):
            raise
        raise RefusedError.after(
            refusal,
            f"MiniMax knows neither a file nor a job {ident}. Give a file_id or a task_id exactly "
            "as an earlier result named it; list_video_tasks names those of the videos bought from "
            "here. MiniMax-H3 videos can be fetched for 7 days.",
        ) from None


async def _read_file(job: Job) -> str:
    """The file of a job, as it stands now.

    Raises:
        InputError: The job has no video.
        MiniMaxError: MiniMax knows no such job, or could not be asked.
    """
    reply = await job.refresh()
    if reply.job_status != "completed":
        raise _no_video_error(job.task_id, reply.job_status)
    return reply.file_id


def _no_video_error(task_id: str, status: JobStatus) -> InputError:
    if status == "failed":
        return InputError(
            f"file_id: {task_id} is the task_id of a job that ended without a video; "
            f'query_video_generation(task_id="{task_id}") says why. There is nothing to fetch.'
        )
    return InputError(
        f"file_id: {task_id} is the task_id of a job that is not finished yet ({status}). Call "
        f"{waiting_call(task_id)} until it is completed, then call this again."
    )
