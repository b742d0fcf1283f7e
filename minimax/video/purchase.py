"""Buys a video job once, whatever kind of job it is, and reports the outcome."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from minimax.api import policies
from minimax.api.json_body import describe_body
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.jobs.asking import follow_accepted
from minimax.ledger.records import Kind, Purchase, Record, State, would_buy
from minimax.runtime import Runtime
from minimax.spending.buy_once import Accepted, Bought, PaidRequest, buy_once
from minimax.spending.wording import (
    doubt_note,
    estimate_text,
    not_again_text,
    still_in_doubt_error,
)
from minimax.tool_results import SubmittedVideo
from minimax.video import apis
from minimax.video.apis import VideoApi
from minimax.video.job import VIDEO_JOBS
from minimax.video.next_steps import POLL_AFTER_SECONDS, waiting_call

__all__ = ["JobRequest", "buy_job", "fingerprint_body", "make_purchase", "would_buy_job"]

DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policy's own deadline, a submission that still has no outcome has none."""
TWIN_SECONDS: Final = 600.0
"""An identical video that is younger is named in the answer."""
RIVALS_LOOKED_AT: Final = 20
"""Newest rows; more requests within CLOCK_DIFFERENCE_SECONDS are not to be expected."""
CLOCK_DIFFERENCE_SECONDS: Final = 120.0
"""A job that MiniMax lists may be so far from our own note of the submission."""


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A job that is to be bought, and how.

    Attributes:
        tool: The MCP tool, as a caller knows it.
        api: That knows the job afterwards.
        task_type: What MiniMax's list calls such a job; see `RemoteJob`.
        purchase: As the ledger writes it down.
        send: Sends the request once; the task id.
        price_note: What has to be said beside the price; begins with a blank, or is empty.
        opened: Files that the request reads from; closed when it has been sent.
    """

    tool: str
    api: VideoApi
    task_type: str
    purchase: Purchase
    send: Callable[[], Awaitable[str]]
    price_note: str = ""
    opened: ExitStack = field(default_factory=ExitStack)


def make_purchase(
    runtime: Runtime,
    body: Mapping[str, Any],
    *,
    api: VideoApi,
    model: str,
    prompt: str | None,
    duration: int | None,
    resolution: str | None,
    price_usd: float | None,
) -> Purchase:
    """The purchase that a request is; reads the files in its body.

    Args:
        runtime: What the calls share.
        body: What makes two requests the same purchase.
        api: That knows the job afterwards.
        model: MiniMax's name of the model.
        prompt: As it is listed.
        duration: Seconds of the video.
        resolution: Of the video.
        price_usd: List price, if there is one.
    """
    described = describe_body(body)
    return Purchase(
        kind=Kind.VIDEO,
        fingerprint=_digest(described),
        legacy_fingerprint=_digest(f"{runtime.account}\n{described}"),
        account=runtime.account,
        api=api.name,
        model=model,
        prompt=prompt,
        duration=duration,
        resolution=resolution,
        price_usd=price_usd,
        deadline_seconds=policies.SUBMIT.deadline_seconds + DEADLINE_MARGIN_SECONDS,
    )


def fingerprint_body(body: Mapping[str, Any]) -> str:
    """What the ledger calls a request with this body."""
    return _digest(describe_body(body))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def would_buy_job(
    runtime: Runtime, purchase: Purchase, *, second_charge_agreed: bool
) -> bool:
    """Whether an earlier attempt is not what the call gets; the ledger's decision comes later."""
    return would_buy(
        await runtime.ledger.peek(purchase),
        price_usd=purchase.price_usd,
        second_charge_agreed=second_charge_agreed,
    )


async def buy_job(
    runtime: Runtime,
    wanted: JobRequest,
    *,
    second_charge_agreed: bool,
    within_seconds: float | None,
) -> SubmittedVideo:
    """Buy a job, join it, or hand over what was bought before; arguments as `buy_once`.

    Raises:
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    twin = await runtime.ledger.find_recent_twin(
        wanted.purchase.fingerprint, within_seconds=TWIN_SECONDS
    )

    async def send() -> Accepted:
        return Accepted(task_id=await wanted.send())

    bought = await buy_once(
        runtime,
        PaidRequest(
            purchase=wanted.purchase,
            send=send,
            deliver=partial(_deliver, runtime),
            is_intact=_is_task_enough,
            is_ours=partial(_is_ours, runtime),
            find_again=partial(_find_again, runtime, wanted),
            opened=wanted.opened,
            refused_error=partial(_refused_error, wanted.tool),
            doubt_error=partial(_doubt_error, wanted.tool),
            still_working_error=partial(_still_sending_error, wanted.tool),
        ),
        second_charge_agreed=second_charge_agreed,
        within_seconds=within_seconds,
    )
    follow_accepted(runtime, str(bought.task_id), VIDEO_JOBS)
    return _result_of_purchase(runtime, wanted, bought, None if bought.reused else twin)


async def _deliver(runtime: Runtime, accepted: Accepted) -> Mapping[str, Any]:
    """A video's result is its task id; its job is followed even if nobody waits for the answer."""
    follow_accepted(runtime, str(accepted.task_id), VIDEO_JOBS)
    return {}


def _is_task_enough(_: Mapping[str, Any]) -> bool:
    return True


async def _is_ours(runtime: Runtime, record: Record) -> bool:
    """Whether MiniMax knows a job that was bought with another key under this key as well."""
    if record.task_id is None:
        return False
    try:
        await apis.by_name(record.api).status(await runtime.client(), record.task_id)
    except RefusedError:
        return False
    return True


async def _find_again(runtime: Runtime, wanted: JobRequest, record: Record) -> str | None:
    """The one job in MiniMax's own list that this submission may have become, if there is one."""
    client = await runtime.client()
    try:
        recent = await wanted.api.recent(client)
    except MiniMaxError:
        return None
    bought = wanted.purchase
    candidates = [
        remote.task_id
        for remote in recent
        if remote.is_like(bought.model, bought.duration, bought.resolution, wanted.task_type)
        and abs(remote.created_at - record.created_at) <= CLOCK_DIFFERENCE_SECONDS
        and await runtime.ledger.by_task(remote.task_id) is None
    ]
    if len(candidates) != 1 or await _has_rival(runtime, record):
        return None
    await runtime.ledger.mark_probable(record.key, candidates[0])
    return candidates[0]


async def _has_rival(runtime: Runtime, record: Record) -> bool:
    """Whether another request of this model may have become the same job."""
    newest = await runtime.ledger.newest(RIVALS_LOOKED_AT, kinds=[Kind.VIDEO])
    return any(
        other.key != record.key
        and other.model == record.model
        and other.task_id is None
        and other.state in (State.SUBMITTING, State.UNKNOWN)
        and abs(other.created_at - record.created_at) <= CLOCK_DIFFERENCE_SECONDS
        for other in newest
    )


# --- what a caller is told ---------------------------------------------------------------------


def _refused_error(tool: str, record: Record) -> MaybeChargedError:
    return still_in_doubt_error(record, what=tool, look=_look_text(record.task_id))


def _doubt_error(tool: str, error: MiniMaxError, probable: str | None) -> MaybeChargedError:
    return MaybeChargedError.after(
        error,
        "The video request was sent and no usable answer came back: MiniMax may have accepted and "
        f"charged it. It was not sent again"
        f"{not_again_text(tool, 'this video', look=_look_text(probable))}",
        task_id=probable,
    )


def _look_text(probable: str | None) -> str:
    if probable is None:
        return ""
    return (
        f" MiniMax lists exactly one job of that minute, which is probably this one: follow it "
        f'with query_video_generation(task_id="{probable}").'
    )


def _still_sending_error(tool: str) -> UnansweredError:
    return UnansweredError(
        "The request is still being sent; it continues, and nothing is lost. Call "
        f"{tool} again with exactly the same arguments: that joins it and does not buy a "
        "second video.",
        outcome=Outcome.UNKNOWN,
    )


def _result_of_purchase(
    runtime: Runtime, wanted: JobRequest, bought: Bought, twin: Record | None
) -> SubmittedVideo:
    record, task_id = bought.record, str(bought.task_id)
    handed_over = (
        "This video was already bought by an earlier call whose answer was lost; it is returned "
        "here, and nothing was bought now. "
    )
    return SubmittedVideo(
        task_id=task_id,
        status="queued",
        model=record.model,
        duration=record.duration,
        resolution=record.resolution,
        reused=bought.reused,
        estimated_cost_usd=record.price_usd,
        poll_after_seconds=POLL_AFTER_SECONDS,
        next_step=runtime.write_next_step(
            f"{handed_over if bought.reused else ''}The job is accepted and takes one to several "
            f"minutes. Call {waiting_call(task_id)} and repeat that until status is completed or "
            f"failed. Do not call {wanted.tool} again for this video. "
            f"{estimate_text(record.price_usd, sandbox=runtime.settings.sandbox)}"
            f"{wanted.price_note}{_twin_text(twin)}"
            f"{doubt_note(record.price_usd) if bought.doubt else ''}{_trouble_text(runtime)}"
        ),
    )


def _twin_text(twin: Record | None) -> str:
    if twin is None:
        return ""
    minutes = round(twin.age_seconds / 60)
    ago = f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes else "less than a minute"
    return (
        f" An identical video was bought {ago} ago (task_id {twin.task_id}); this is a second one."
    )


def _trouble_text(runtime: Runtime) -> str:
    return f" {runtime.ledger.trouble}" if runtime.ledger.trouble else ""
