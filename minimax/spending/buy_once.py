"""A paid job is bought once, whatever happens to the call, the connection or the process.

The ledger decides, before anything is sent, whether a purchase is to be made, joined, handed over
or refused. The request then runs as work that outlives its call.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, NamedTuple

from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.ledger.records import Decision, JobRecord, Purchase, State
from minimax.runtime import Runtime

__all__ = ["Bought", "PaidJob", "buy_once"]

OTHER_PROCESS_PAUSE_SECONDS: Final = 0.5
"""Between looks at a submission that another process of this user is making."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PaidJob:
    """What is to be bought, how it is sent, and what a caller is told.

    Attributes:
        purchase: As the ledger writes it down.
        send: Sends it once and returns the task id.
        find_again: The task that a submission in doubt has probably become, if one can be found.
        opened: Files that the request reads from; closed when it has been sent.
        refused_error: For a job that is in doubt since an earlier call.
        doubt_error: For a job whose submission has just ended in doubt.
        still_sending_error: For a submission that takes longer than the caller waits.
    """

    purchase: Purchase
    send: Callable[[], Awaitable[str]]
    find_again: Callable[[JobRecord], Awaitable[str | None]]
    opened: ExitStack
    refused_error: Callable[[JobRecord], MaybeChargedError]
    doubt_error: Callable[[MiniMaxError, str | None], MaybeChargedError]
    still_sending_error: Callable[[], UnansweredError]


class Bought(NamedTuple):
    """An accepted job; `reused` where an earlier call had bought it already."""

    job: JobRecord
    task_id: str
    reused: bool


async def buy_once(
    runtime: Runtime,
    wanted: PaidJob,
    *,
    second_charge_agreed: bool,
    within_seconds: float | None,
) -> Bought:
    """Buy it, join it, or hand over what was bought before.

    Raises:
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    # From the ledger's decision to the start of the work there is no await, so that no cancelled
    # call can leave a row behind for which nothing was ever sent.
    decision, job = runtime.ledger.begin(wanted.purchase, second_charge_agreed=second_charge_agreed)
    if decision is Decision.REFUSE:
        raise wanted.refused_error(job)
    if decision is Decision.BUY:
        opened = wanted.opened.pop_all()
        runtime.background.start(
            _work_key(runtime, job), lambda: _send(runtime, wanted, job, opened), paid=True
        )
    try:
        async with asyncio.timeout(within_seconds):
            task_id = await _wait_for_task_id(runtime, wanted, job)
    except TimeoutError:
        _leave(runtime, job)
        raise wanted.still_sending_error() from None
    except asyncio.CancelledError:
        _leave(runtime, job)
        raise
    if not runtime.host_listens():
        _leave(runtime, job)
        raise wanted.still_sending_error()
    # The last statement that can fail: what is answered here is not handed over again.
    runtime.ledger.mark_answered(job)
    return Bought(job, task_id, reused=decision is not Decision.BUY)


def _work_key(runtime: Runtime, job: JobRecord) -> Hashable:
    return runtime.work_key("job", job.id)


async def _send(runtime: Runtime, wanted: PaidJob, job: JobRecord, opened: ExitStack) -> str:
    ledger = runtime.ledger
    with opened:
        try:
            task_id = await wanted.send()
        except MiniMaxError as error:
            if error.outcome is not Outcome.UNKNOWN:
                ledger.mark_ended(job, State.REJECTED)
                raise
            ledger.mark_ended(job, State.UNKNOWN)
            probable = await wanted.find_again(job)
            raise wanted.doubt_error(error, probable) from None
        except BaseException:
            ledger.mark_ended(job, State.UNKNOWN)
            raise
    ledger.mark_accepted(job, task_id)
    return task_id


async def _wait_for_task_id(runtime: Runtime, wanted: PaidJob, job: JobRecord) -> str:
    key = _work_key(runtime, job)
    if runtime.background.task(key) is not None:
        return str(await runtime.background.join(key, within_seconds=None))
    return await _wait_for_other_process(runtime, wanted, job)


async def _wait_for_other_process(runtime: Runtime, wanted: PaidJob, job: JobRecord) -> str:
    now = job
    while now.state is State.SUBMITTING:
        await runtime.clock.sleep(OTHER_PROCESS_PAUSE_SECONDS)
        now = runtime.ledger.reload(job)
    if now.state is State.ACCEPTED and now.task_id is not None:
        return now.task_id
    if now.state is State.UNKNOWN:
        raise wanted.refused_error(now)
    raise UnansweredError(
        "An identical request of another chat was refused by MiniMax; nothing was charged. "
        "Call again to see why.",
        outcome=Outcome.REJECTED,
    )


def _leave(runtime: Runtime, job: JobRecord) -> None:
    """The caller has gone; the job stays for the next identical call, and on stderr."""
    runtime.ledger.mark_abandoned(job)
    task = runtime.background.task(_work_key(runtime, job))
    if task is not None:
        task.add_done_callback(_log_late_acceptance)


def _log_late_acceptance(task: "asyncio.Task[str]") -> None:
    if not task.cancelled() and task.exception() is None:
        log.warning(
            "A video job was accepted after its caller had gone: task_id %s. The next identical "
            "call gets it; list_video_tasks shows it.",
            task.result(),
        )
