"""Buying a video: once, whatever happens to the call, the connection or the process.

The submission runs as work of its own. The ledger decides, before anything is sent, whether an
intended purchase is to be made, joined, handed over or refused.
"""

import asyncio
import datetime
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from minimax.api import policies
from minimax.api.json_body import Picture
from minimax.catalog import PRICES_AS_OF
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.ledger.records import Decision, JobRecord, Purchase, State
from minimax.runtime import Runtime
from minimax.tool_results import SubmittedVideo
from minimax.video import prepare, uploads
from minimax.video.job import POLL_AFTER_SECONDS, waiting_call
from minimax.video.prepare import PreparedVideo
from minimax.video.request import VideoRequest

__all__ = ["submit"]

log = logging.getLogger(__name__)

DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policy's own deadline, a submission that still has no outcome has none."""
CLOCK_DIFFERENCE_SECONDS: Final = 120.0
"""A job that MiniMax lists may be so far from our own note of the submission."""
ELSEWHERE_PAUSE_SECONDS: Final = 0.5
"""Between looks at a submission that another server of this user is making."""


async def submit(
    runtime: Runtime,
    wish: VideoRequest,
    *,
    second_charge_agreed: bool = False,
    dry_run: bool = False,
    within_seconds: float | None = None,
) -> SubmittedVideo:
    """Check a wish and buy it once; returns as soon as MiniMax has accepted.

    Args:
        runtime: The loop's own.
        wish: What the caller wants.
        second_charge_agreed: Buy although an earlier identical attempt ended in doubt.
        dry_run: Only check and estimate.
        within_seconds: Answer after this long at the latest; what was begun goes on.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    with ExitStack() as opened:
        order = await asyncio.to_thread(
            prepare.prepare, wish, settings=runtime.settings, opened=opened
        )
        if dry_run:
            return _estimate(runtime, order)
        purchase = await asyncio.to_thread(_purchase, runtime, order)
        started = time.monotonic()
        if order.generation.to_upload(order.body) and _is_to_be_bought(
            runtime, purchase, second_charge_agreed=second_charge_agreed
        ):
            order = await uploads.upload_large_images(
                runtime, wish, order, key=purchase.fingerprint, within_seconds=within_seconds
            )
        return await _bought(
            _Attempt(runtime, order, purchase, opened),
            second_charge_agreed=second_charge_agreed,
            within_seconds=_left(within_seconds, time.monotonic() - started),
        )


def _is_to_be_bought(runtime: Runtime, purchase: Purchase, *, second_charge_agreed: bool) -> bool:
    """Whether an earlier attempt is not what the call gets; the ledger's verdict comes later."""
    owed = runtime.ledger.owes(purchase.fingerprint)
    return owed is None or (owed is Decision.REFUSE and second_charge_agreed)


def _left(within_seconds: float | None, passed_seconds: float) -> float | None:
    return None if within_seconds is None else max(0.0, within_seconds - passed_seconds)


class _Attempt:
    """One call's intent to buy."""

    def __init__(
        self, runtime: Runtime, order: PreparedVideo, purchase: Purchase, opened: ExitStack
    ) -> None:
        self.runtime = runtime
        self.ledger = runtime.ledger
        self.order = order
        self.purchase = purchase
        self._opened = opened

    def begin(self, job: JobRecord) -> None:
        """Send it, as work that outlives this call and owns the opened pictures from now on."""
        opened = self._opened.pop_all()
        self.runtime.background.start(
            job.id, lambda: _send(self.runtime, self.order, job, opened), paid=True
        )

    def leave(self, job: JobRecord) -> None:
        """The caller has gone; the job stays for the next identical call, and on stderr."""
        self.ledger.abandoned(job)
        task = self.runtime.background.task(job.id)
        if task is not None:
            task.add_done_callback(_tell)


def _tell(task: "asyncio.Task[str]") -> None:
    if not task.cancelled() and task.exception() is None:
        log.warning(
            "A video job was accepted after its caller had gone: task_id %s. The next identical "
            "call gets it; list_video_tasks shows it.",
            task.result(),
        )


async def _bought(
    attempt: _Attempt, *, second_charge_agreed: bool, within_seconds: float | None
) -> SubmittedVideo:
    # From the ledger's verdict to the start of the work there is no await, so that no cancelled
    # call can leave a row behind for which nothing was ever sent.
    verdict, job = attempt.ledger.begin(attempt.purchase, second_charge_agreed=second_charge_agreed)
    if verdict is Decision.REFUSE:
        raise _refused(job)
    if verdict is Decision.BUY:
        attempt.begin(job)
    try:
        async with asyncio.timeout(within_seconds):
            task_id = await _accepted(attempt.runtime, job)
    except TimeoutError:
        attempt.leave(job)
        raise _still_sending() from None
    except asyncio.CancelledError:
        attempt.leave(job)
        raise
    if not attempt.runtime.host_listens():
        attempt.leave(job)
        raise _still_sending()
    # The last statement that can fail: what is answered here is not handed over again.
    attempt.ledger.answered(job)
    return _submitted(attempt.runtime, job, task_id, reused=verdict is not Decision.BUY)


async def _accepted(runtime: Runtime, job: JobRecord) -> str:
    """The task id of a row, waited for where its submission is under way."""
    if runtime.background.task(job.id) is not None:
        return str(await runtime.background.collect(job.id, within_seconds=None))
    return await _accepted_elsewhere(runtime, job)


async def _accepted_elsewhere(runtime: Runtime, job: JobRecord) -> str:
    """Another server of this user is sending it, or has sent it."""
    now = job
    while now.state is State.SUBMITTING:
        await runtime.clock.sleep(ELSEWHERE_PAUSE_SECONDS)
        now = runtime.ledger.settled(job)
    if now.state is State.ACCEPTED and now.task_id is not None:
        return now.task_id
    if now.state is State.UNKNOWN:
        raise _refused(now)
    raise UnansweredError(
        "An identical request of another chat was refused by MiniMax; nothing was charged. "
        "Call again to see why.",
        outcome=Outcome.REJECTED,
    )


async def _send(runtime: Runtime, order: PreparedVideo, job: JobRecord, opened: ExitStack) -> str:
    ledger = runtime.ledger
    with opened:
        try:
            client = await runtime.client()
            task_id = await order.generation.submit(client, order.body)
        except MiniMaxError as error:
            if error.outcome is not Outcome.UNKNOWN:
                ledger.ended(job, State.REJECTED)
                raise
            ledger.ended(job, State.UNKNOWN)
            probable = await _found_again(runtime, order, job)
            raise _in_doubt(error, probable) from None
        except BaseException:
            ledger.ended(job, State.UNKNOWN)
            raise
    ledger.accepted(job, task_id)
    return task_id


async def _found_again(runtime: Runtime, order: PreparedVideo, job: JobRecord) -> str | None:
    """The one job in MiniMax's own list that this submission may have become, if there is one."""
    client = await runtime.client()
    try:
        listed = await order.generation.recent(client)
    except MiniMaxError:
        return None
    found = [
        remote.task_id
        for remote in listed
        if remote.model == order.model
        and abs(remote.created_at - job.created_at) <= CLOCK_DIFFERENCE_SECONDS
        and runtime.ledger.by_task(remote.task_id) is None
    ]
    if len(found) != 1:
        return None
    runtime.ledger.probable(job, found[0])
    return found[0]


# --- what is bought ----------------------------------------------------------------------------


def _purchase(runtime: Runtime, order: PreparedVideo) -> Purchase:
    return Purchase(
        fingerprint=_fingerprint(order.body, runtime.key_digest),
        api=order.generation.name,
        model=order.model,
        prompt=order.prompt,
        duration=order.duration,
        resolution=order.resolution,
        price_usd=order.list_price_usd,
        deadline_seconds=policies.SUBMIT.deadline_seconds + DEADLINE_MARGIN_SECONDS,
    )


def _fingerprint(body: Mapping[str, Any], key_digest: str) -> str:
    """What makes two orders identical: the same words and the same content of pictures."""

    def content(value: object) -> str:
        if not isinstance(value, Picture):
            raise TypeError(f"{type(value).__name__} does not belong in an order")
        return value.digest()

    text = json.dumps(body, default=content, sort_keys=True)
    return hashlib.sha256(f"{key_digest}\n{text}".encode()).hexdigest()


# --- what is said ------------------------------------------------------------------------------


def _refused(job: JobRecord) -> MaybeChargedError:
    when = datetime.datetime.fromtimestamp(job.created_at, datetime.UTC)
    return MaybeChargedError(
        f"An identical request of {when:%Y-%m-%d %H:%M} UTC ended in doubt: MiniMax may have "
        f"accepted and charged it, so it is not sent again.{_look(job.task_id)} Ask the person, "
        "who can look at the usage page of the MiniMax platform. Only if they agree in this chat "
        "that it may be paid for twice, call again with allow_second_charge=true.",
        outcome=Outcome.UNKNOWN,
        task_id=job.task_id,
    )


def _in_doubt(error: MiniMaxError, probable: str | None) -> MaybeChargedError:
    return MaybeChargedError.after(
        error,
        "The video request was sent and no usable answer came back: MiniMax may have accepted and "
        "charged it. It was not sent again, and must not be: do not call generate_video again for "
        f"this wish.{_look(probable)} Tell the person, who can look at the usage page of the "
        "MiniMax platform. Only if they agree that it may be paid for twice, call again with "
        "allow_second_charge=true.",
        task_id=probable,
    )


def _look(probable: str | None) -> str:
    if probable is None:
        return ""
    return (
        f" MiniMax lists exactly one job of that minute, which is probably this one: follow it "
        f'with query_video_generation(task_id="{probable}").'
    )


def _still_sending() -> UnansweredError:
    return UnansweredError(
        "The request is still being sent and goes on by itself; nothing is lost. Call "
        "generate_video again with exactly the same arguments: that joins it and does not buy a "
        "second video.",
        outcome=Outcome.UNKNOWN,
    )


def _submitted(runtime: Runtime, job: JobRecord, task_id: str, *, reused: bool) -> SubmittedVideo:
    handed_over = (
        "This very video was bought by an earlier call whose answer was lost; it is handed over "
        "and nothing was bought now. "
    )
    return SubmittedVideo(
        task_id=task_id,
        status="queued",
        model=job.model,
        duration=job.duration,
        resolution=job.resolution,
        reused=reused,
        estimated_cost_usd=job.price_usd,
        poll_after_seconds=POLL_AFTER_SECONDS,
        next_step=runtime.next_step(
            f"{handed_over if reused else ''}The job is accepted and takes one to several minutes. "
            f"Call {waiting_call(task_id)} and repeat that until status is completed or "
            f"failed. Do not call generate_video again for this wish.{_cost(job.price_usd)}"
            f"{_trouble(runtime)}"
        ),
    )


def _estimate(runtime: Runtime, order: PreparedVideo) -> SubmittedVideo:
    return SubmittedVideo(
        task_id=None,
        status=None,
        model=order.model,
        duration=order.duration,
        resolution=order.resolution,
        reused=False,
        estimated_cost_usd=order.list_price_usd,
        poll_after_seconds=None,
        next_step=runtime.next_step(
            "Nothing was sent. MiniMax would take this request; to buy it, call generate_video "
            f"with the same arguments without dry_run.{_cost(order.list_price_usd)}"
        ),
    )


def _cost(price_usd: float | None) -> str:
    if price_usd is None:
        return " MiniMax names no list price for this model."
    return f" List price: ${price_usd:.2f} ({PRICES_AS_OF})."


def _trouble(runtime: Runtime) -> str:
    return f" {runtime.ledger.trouble}" if runtime.ledger.trouble else ""
