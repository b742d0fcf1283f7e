"""Distinguishes a task id from a file id by what is in the ledger; nothing is sent."""

from minimax.errors import InputError
from minimax.jobs.kinds import refuse_id_of_other_kind
from minimax.ledger.records import Kind
from minimax.runtime import Runtime
from minimax.video.apis import H3

__all__ = ["refuse_file_id"]


async def refuse_file_id(runtime: Runtime, ident: str) -> None:
    """Refuse a file id where a task id of a video is wanted, and the ids of a long speech.

    Raises:
        InputError: With the job that the file belongs to, and the calls that take either.
    """
    record = await refuse_id_of_other_kind(runtime, ident, field="task_id", kind=Kind.VIDEO)
    if record is not None and record.task_id == ident:
        return
    if record is not None:
        task_id = record.task_id
    elif H3.owns_file(ident):
        task_id = H3.task_of(ident)
    else:
        return
    raise InputError(
        f"task_id: {ident} is a file_id, of the video that the finished job {task_id} made. "
        f'To save it, call retrieve_video_file(file_id="{ident}"); for the job, call '
        f'query_video_generation(task_id="{task_id}"). Nothing was sent.'
    )
