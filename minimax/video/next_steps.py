"""What a video's results tell a model to do next."""

from pathlib import Path

from minimax.time_budgets import LONGEST_WAIT_SECONDS

__all__ = ["POLL_AFTER_SECONDS", "next_step_after_status", "next_step_in_list", "waiting_call"]

POLL_AFTER_SECONDS = 10


def waiting_call(task_id: str) -> str:
    """The call that waits best, as a model would write it."""
    return f'query_video_generation(task_id="{task_id}", wait_seconds={LONGEST_WAIT_SECONDS})'


def next_step_after_status(
    status: str, task_id: str, file_id: str, path: Path | None = None
) -> str:
    """After a question about one job; `path` is where its video was saved already."""
    if path is not None:
        return f"The video is saved. Tell the person where: {path}"
    if status == "completed":
        return f'The video is ready: call retrieve_video_file(file_id="{file_id}").'
    if status == "failed":
        return (
            "This job has ended without a video; asking again changes nothing. Tell the person "
            "why, and generate again only with their agreement: a new job costs again."
        )
    return (
        f"Still under way, which is normal. Call {waiting_call(task_id)} again. Do not call "
        "generate_video again for this video."
    )


def next_step_in_list(
    status: str, task_id: str | None, file_id: str | None, path: Path | None = None
) -> str:
    """For one job of a list."""
    if path is not None:
        return "Its video is saved; tell the person the path."
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
