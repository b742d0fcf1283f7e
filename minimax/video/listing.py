"""Lists the paid jobs: those in the ledger, and the videos that MiniMax lists."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from minimax.delivery import find_saved_path
from minimax.jobs.earlier_sandbox import FORGOTTEN
from minimax.jobs.job import JobType
from minimax.ledger.records import Kind, Record, State
from minimax.runtime import Runtime
from minimax.safe_text import shorten
from minimax.tool_results import (
    JobStatus,
    ListedTask,
    TaskList,
)
from minimax.video import apis
from minimax.video.apis import RemoteJob
from minimax.video.next_steps import next_step_in_list

__all__ = ["describe_job", "list_jobs"]

SHOWN_PROMPT: Final = 200
"""Characters of a prompt in a list; a hundred whole ones would flood a model's context."""


async def list_jobs(
    runtime: Runtime,
    job_types: Sequence[JobType],
    *,
    limit: int,
    status: str | None = None,
    remote: bool = False,
) -> TaskList:
    """What was bought from this machine, newest first.

    Args:
        runtime: What the calls share.
        job_types: What can be bought as a job.
        limit: How many.
        status: Only these.
        remote: Also what MiniMax itself lists, bought from elsewhere.
    """
    types = {job_type.kind: job_type for job_type in job_types}
    jobs = await runtime.ledger.newest(limit, kinds=list(types), status=status)
    tasks = [
        _ledger_task(runtime, job, types[job.kind], await find_saved_path(job)) for job in jobs
    ]
    if remote:
        found = [_remote_task(one) for one in await _remote_jobs(runtime)]
        tasks += [task for task in found if status in (None, task["status"])]
        tasks.sort(key=lambda task: task["created_at"], reverse=True)
    trouble = await runtime.ledger.read_trouble()
    if tasks:
        text = "Each task says what can be done with it."
    else:
        text = "Nothing was bought from here." if trouble is None else ""
    text = f"{text} {trouble}".strip() if trouble else text
    return TaskList(tasks=tasks[:limit], next_step=runtime.write_next_step(text))


async def _remote_jobs(runtime: Runtime) -> list[RemoteJob]:
    """What MiniMax lists and the ledger does not hold."""
    client = await runtime.client()
    found = [one for api in apis.ALL for one in await api.recent(client)]
    return [one for one in found if await runtime.ledger.by_task(one.task_id) is None]


def _remote_task(one: RemoteJob) -> ListedTask:
    status, file_id = one.reply.job_status, one.reply.file_id or None
    return ListedTask(
        kind=Kind.VIDEO.value,
        task_id=one.task_id,
        status=status,
        model=one.model,
        prompt=None,
        created_at=_iso(one.created_at),
        file_id=file_id,
        path=None,
        answered=True,
        next_step=next_step_in_list(status, one.task_id, file_id),
    )


async def describe_job(
    runtime: Runtime, job_types: Sequence[JobType], task_id: str
) -> ListedTask | None:
    """One job as a list shows it; None where it was not bought from this machine."""
    job = await runtime.ledger.by_task(task_id)
    if job is None:
        return None
    [job_type] = [one for one in job_types if one.kind is job.kind]
    return _ledger_task(runtime, job, job_type, await find_saved_path(job))


def _ledger_task(runtime: Runtime, job: Record, job_type: JobType, path: Path | None) -> ListedTask:
    status = _status_to_show(job)
    next_step = job_type.next_step_in_list(job, status, path)
    if path is None and runtime.is_of_earlier_sandbox(job.created_at):
        next_step = FORGOTTEN
    return ListedTask(
        kind=job.kind.value,
        task_id=job.task_id,
        status=status,
        model=job.model,
        prompt=None if job.prompt is None else shorten(job.prompt, SHOWN_PROMPT),
        created_at=_iso(job.created_at),
        file_id=job.file_id,
        path=None if path is None else str(path),
        answered=job.received_at is not None,
        next_step=next_step,
    )


def _iso(unix_seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")


ListedStatus = JobStatus | Literal["submitting", "unknown"]


def _status_to_show(job: Record) -> ListedStatus:
    if job.state is State.SUBMITTING:
        return "submitting"
    in_doubt = job.state is State.UNKNOWN and job.status not in ("completed", "failed")
    return "unknown" if in_doubt else job.status or "queued"
