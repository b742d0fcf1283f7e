"""Lists the paid video jobs: those in the ledger, and those that MiniMax lists."""

import asyncio
import datetime
from typing import Final, Literal

from minimax.ledger.records import JobRecord, State
from minimax.runtime import Runtime
from minimax.safe_text import shortened
from minimax.tool_results import (
    JobStatus,
    ListedTask,
    TaskList,
)
from minimax.video import apis
from minimax.video.apis import RemoteJob
from minimax.video.job import _end_of

__all__ = ["list_jobs"]

SHOWN_PROMPT: Final = 200
"""Characters of a prompt in a list; a hundred whole ones would flood a model's context."""


async def list_jobs(
    runtime: Runtime, *, limit: int, status: str | None = None, remote: bool = False
) -> TaskList:
    """What was bought from this machine, newest first.

    Args:
        runtime: The loop's own.
        limit: How many.
        status: Only these.
        remote: Also what MiniMax itself lists, bought from elsewhere.
    """
    jobs = await asyncio.to_thread(runtime.ledger.newest, limit, status=status)
    tasks = [_listed(job) for job in jobs]
    if remote:
        found = [_listed_remote(one) for one in await _remote(runtime)]
        tasks += [task for task in found if status in (None, task["status"])]
        tasks.sort(key=lambda task: task["created_at"], reverse=True)
    text = "Each task says what can be done with it." if tasks else "Nothing was bought from here."
    return TaskList(tasks=tasks[:limit], next_step=runtime.next_step(text))


async def _remote(runtime: Runtime) -> list[RemoteJob]:
    """What MiniMax lists and the ledger does not hold."""
    client = await runtime.client()
    found = [one for generation in apis.ALL for one in await generation.recent(client)]
    return [one for one in found if runtime.ledger.by_task(one.task_id) is None]


def _listed_remote(one: RemoteJob) -> ListedTask:
    status, file_id = _end_of(one.reply), one.reply.file_id or None
    return ListedTask(
        task_id=one.task_id,
        status=status,
        model=one.model,
        prompt=None,
        created_at=_iso(one.created_at),
        file_id=file_id,
        path=None,
        answered=True,
        next_step=_what_to_do(status, one.task_id, file_id),
    )


def _listed(job: JobRecord) -> ListedTask:
    status = _listed_status(job)
    return ListedTask(
        task_id=job.task_id,
        status=status,
        model=job.model,
        prompt=None if job.prompt is None else shortened(job.prompt, SHOWN_PROMPT),
        created_at=_iso(job.created_at),
        file_id=job.file_id,
        path=job.path,
        answered=job.answered_at is not None,
        next_step=_what_to_do(status, job.task_id, job.file_id),
    )


def _iso(unix_seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC)
    return moment.isoformat(timespec="seconds")


ListedStatus = JobStatus | Literal["submitting", "unknown"]


def _listed_status(job: JobRecord) -> ListedStatus:
    if job.state is State.SUBMITTING:
        return "submitting"
    in_doubt = job.state is State.UNKNOWN and job.status not in ("completed", "failed")
    return "unknown" if in_doubt else job.status or "queued"


def _what_to_do(status: ListedStatus, task_id: str | None, file_id: str | None) -> str:
    if status == "submitting":
        return "Still being sent."
    if status == "unknown":
        look = f' It is probably query_video_generation(task_id="{task_id}").' if task_id else ""
        return f"MiniMax may have accepted and charged this; look at its usage page.{look}"
    if file_id is not None:
        return f'retrieve_video_file(file_id="{file_id}")'
    if status == "failed":
        return "This job ended without a video."
    return f'query_video_generation(task_id="{task_id}")'
