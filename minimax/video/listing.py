"""Lists the paid video jobs: those in the ledger, and those that MiniMax lists."""

import datetime
from typing import Final, Literal

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
from minimax.video.download import find_saved_path
from minimax.video.next_steps import next_step_in_list

__all__ = ["describe_job", "list_jobs"]

SHOWN_PROMPT: Final = 200
"""Characters of a prompt in a list; a hundred whole ones would flood a model's context."""


async def list_jobs(
    runtime: Runtime, *, limit: int, status: str | None = None, remote: bool = False
) -> TaskList:
    """What was bought from this machine, newest first.

    Args:
        runtime: What the calls share.
        limit: How many.
        status: Only these.
        remote: Also what MiniMax itself lists, bought from elsewhere.
    """
    jobs = await runtime.ledger.newest(limit, kinds=[Kind.VIDEO], status=status)
    tasks = [await _ledger_task(runtime, job) for job in jobs]
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


async def describe_job(runtime: Runtime, task_id: str) -> ListedTask | None:
    """One job as a list shows it; None where it was not bought from this machine."""
    job = await runtime.ledger.by_task(task_id)
    return None if job is None else await _ledger_task(runtime, job)


async def _ledger_task(runtime: Runtime, job: Record) -> ListedTask:
    path = await find_saved_path(runtime, job)
    saved_as = None if path is None else runtime.results.word
    status = _status_to_show(job)
    return ListedTask(
        task_id=job.task_id,
        status=status,
        model=job.model,
        prompt=None if job.prompt is None else shorten(job.prompt, SHOWN_PROMPT),
        created_at=_iso(job.created_at),
        file_id=job.file_id,
        path=None if path is None else str(path),
        answered=job.received_at is not None,
        next_step=next_step_in_list(status, job.task_id, job.file_id, saved_as),
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
