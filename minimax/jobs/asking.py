"""One call's question about a job: asked once or waited for, and followed from then on."""

from minimax.api.error_codes import advice_for
from minimax.api.replies import StatusReply
from minimax.jobs.earlier_sandbox import explain_forgotten
from minimax.jobs.follower import JobFollower
from minimax.jobs.job import Job, JobType
from minimax.jobs.rhythm import FIRST_PAUSE_SECONDS
from minimax.jobs.waiting import Report, wait_for_end
from minimax.runtime import Runtime
from minimax.safe_text import quote

__all__ = ["ask_or_wait", "explain_failure", "follow_accepted"]


def follow_accepted(runtime: Runtime, task_id: str, job_type: JobType) -> None:
    """Follow a job that MiniMax has just accepted; returns at once."""
    follower = runtime.get_shared(JobFollower)
    follower.follow(task_id, job_type, first_ask_seconds=FIRST_PAUSE_SECONDS)


async def ask_or_wait(
    runtime: Runtime, job: Job, *, wait_seconds: float, report: Report | None
) -> StatusReply:
    """How a job stands: asked once, or until it ends or `wait_seconds` are over.

    Raises:
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    async with explain_forgotten(runtime, job.task_id):
        asking = wait_for_end(job, wait_seconds, report) if wait_seconds > 0 else job.refresh()
        reply = await asking
    if job.is_in_ledger and not reply.is_final:
        runtime.get_shared(JobFollower).follow(job.task_id, job.type)
    return reply


def explain_failure(reply: StatusReply) -> str:
    """Why a job failed, as far as MiniMax says."""
    advice = advice_for(reply.base_resp.status_code)
    if advice is not None:
        return f"{advice.meaning} {advice.remedy}"
    status = reply.status.lower()
    if status in ("expired", "cancelled"):
        return f"MiniMax says that the job is {status}."
    words = reply.base_resp.status_msg
    unexplained = not words or words == "success"
    return "MiniMax gave no reason." if unexplained else f"MiniMax says {quote(words)}."
