"""Buys a video: checks the request, uploads what is too large for it, and buys once."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from minimax.api import policies
from minimax.api.error_codes import name_known_models
from minimax.api.json_body import describe_body
from minimax.catalog import VIDEO_MODELS
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.ledger.records import Kind, Purchase, Record, State, would_buy
from minimax.runtime import Runtime
from minimax.spending.buy_once import Accepted, Bought, PaidRequest, buy_once, remaining_seconds
from minimax.spending.consent import Quote, quote_purchase
from minimax.spending.wording import doubt_note, estimate_text, still_in_doubt_error
from minimax.tool_results import SubmittedVideo
from minimax.video import apis
from minimax.video.next_steps import POLL_AFTER_SECONDS, waiting_call
from minimax.video.prepare import PreparedVideo, prepare
from minimax.video.request import VideoRequest
from minimax.video.uploads import upload_large_images

__all__ = ["quote", "submit"]

DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policy's own deadline, a submission that still has no outcome has none."""
TWIN_SECONDS: Final = 600.0
"""An identical video that is younger is named in the answer."""
RIVALS_LOOKED_AT: Final = 20
"""Newest rows; more requests within CLOCK_DIFFERENCE_SECONDS are not to be expected."""
CLOCK_DIFFERENCE_SECONDS: Final = 120.0
"""A job that MiniMax lists may be so far from our own note of the submission."""


async def submit(
    runtime: Runtime,
    request: VideoRequest,
    *,
    second_charge_agreed: bool = False,
    dry_run: bool = False,
    within_seconds: float | None = None,
) -> SubmittedVideo:
    """Check a request and buy its video once; returns as soon as MiniMax has accepted.

    Args:
        runtime: What the calls share.
        request: What the caller wants.
        second_charge_agreed: Buy although an earlier identical attempt ended in doubt.
        dry_run: Only check and estimate.
        within_seconds: Answer after this long at the latest; what was begun goes on.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    started = runtime.clock.now()
    with ExitStack() as opened:
        video = await asyncio.to_thread(prepare, request, settings=runtime.settings, opened=opened)
        if dry_run:
            return _estimate_result(runtime, video)
        purchase = await asyncio.to_thread(_purchase, runtime, video)
        if video.api.to_upload(video.body) and await _would_buy(
            runtime, purchase, second_charge_agreed=second_charge_agreed
        ):
            video = await upload_large_images(
                runtime, request, video, key=purchase.fingerprint, within_seconds=within_seconds
            )
        twin = await runtime.ledger.find_recent_twin(
            purchase.fingerprint, within_seconds=TWIN_SECONDS
        )
        bought = await buy_once(
            runtime,
            PaidRequest(
                purchase=purchase,
                send=partial(_send, runtime, video),
                deliver=_deliver_nothing,
                is_intact=_is_task_enough,
                is_ours=partial(_is_ours, runtime),
                find_again=partial(_find_again, runtime, video),
                opened=opened,
                refused_error=_refused_error,
                doubt_error=_doubt_error,
                still_working_error=_still_sending_error,
            ),
            second_charge_agreed=second_charge_agreed,
            within_seconds=remaining_seconds(within_seconds, runtime.clock.now() - started),
        )
        return _result_of_purchase(runtime, bought, None if bought.reused else twin)


async def quote(runtime: Runtime, request: VideoRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to.

    Raises:
        InputError: MiniMax would refuse the request.
    """
    with ExitStack() as opened:
        video = await asyncio.to_thread(prepare, request, settings=runtime.settings, opened=opened)
        size = [video.model, video.resolution, video.duration and f"{video.duration} s"]
        what = f"A video ({', '.join(str(part) for part in size if part)})"
        return await quote_purchase(
            runtime,
            Quote(what, video.list_price_usd),
            partial(asyncio.to_thread, _purchase, runtime, video),
        )


async def _would_buy(runtime: Runtime, purchase: Purchase, *, second_charge_agreed: bool) -> bool:
    """Whether an earlier attempt is not what the call gets; the ledger's decision comes later."""
    return would_buy(
        await runtime.ledger.peek(purchase),
        price_usd=purchase.price_usd,
        second_charge_agreed=second_charge_agreed,
    )


async def _send(runtime: Runtime, video: PreparedVideo) -> Accepted:
    client = await runtime.client()
    try:
        return Accepted(task_id=await video.api.submit(client, video.body))
    except RefusedError as refusal:
        raise name_known_models(refusal, video.model, VIDEO_MODELS) from None


async def _deliver_nothing(_: Accepted) -> Mapping[str, Any]:
    """A video's result is its task id."""
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


async def _find_again(runtime: Runtime, video: PreparedVideo, record: Record) -> str | None:
    """The one job in MiniMax's own list that this submission may have become, if there is one."""
    client = await runtime.client()
    try:
        recent = await video.api.recent(client)
    except MiniMaxError:
        return None
    candidates = [
        remote.task_id
        for remote in recent
        if remote.is_like(video.model, video.duration, video.resolution)
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


# --- what is bought ----------------------------------------------------------------------------


def _purchase(runtime: Runtime, video: PreparedVideo) -> Purchase:
    body = describe_body(video.body)
    return Purchase(
        kind=Kind.VIDEO,
        fingerprint=_digest(body),
        legacy_fingerprint=_digest(f"{runtime.account}\n{body}"),
        account=runtime.account,
        api=video.api.name,
        model=video.model,
        prompt=video.prompt,
        duration=video.duration,
        resolution=video.resolution,
        price_usd=video.list_price_usd,
        deadline_seconds=policies.SUBMIT.deadline_seconds + DEADLINE_MARGIN_SECONDS,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- what a caller is told ---------------------------------------------------------------------


def _refused_error(record: Record) -> MaybeChargedError:
    return still_in_doubt_error(record, what="generate_video", look=_look_text(record.task_id))


def _doubt_error(error: MiniMaxError, probable: str | None) -> MaybeChargedError:
    return MaybeChargedError.after(
        error,
        "The video request was sent and no usable answer came back: MiniMax may have accepted and "
        "charged it. It was not sent again, and must not be: do not call generate_video again for "
        f"this video.{_look_text(probable)} Tell the person, who can look at the usage page of the "
        "MiniMax platform. Only if they agree that it may be paid for twice, call again with "
        "allow_second_charge=true.",
        task_id=probable,
    )


def _look_text(probable: str | None) -> str:
    if probable is None:
        return ""
    return (
        f" MiniMax lists exactly one job of that minute, which is probably this one: follow it "
        f'with query_video_generation(task_id="{probable}").'
    )


def _still_sending_error() -> UnansweredError:
    return UnansweredError(
        "The request is still being sent and goes on by itself; nothing is lost. Call "
        "generate_video again with exactly the same arguments: that joins it and does not buy a "
        "second video.",
        outcome=Outcome.UNKNOWN,
    )


def _result_of_purchase(runtime: Runtime, bought: Bought, twin: Record | None) -> SubmittedVideo:
    record, task_id = bought.record, str(bought.task_id)
    handed_over = (
        "This very video was bought by an earlier call whose answer was lost; it is handed over "
        "and nothing was bought now. "
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
            "failed. Do not call generate_video again for this video. "
            f"{estimate_text(record.price_usd, sandbox=runtime.settings.sandbox)}"
            f"{_twin_text(twin)}{doubt_note(record.price_usd) if bought.doubt else ''}"
            f"{_trouble_text(runtime)}"
        ),
    )


def _twin_text(twin: Record | None) -> str:
    if twin is None:
        return ""
    minutes = max(1, round(twin.age_seconds / 60))
    return (
        f" An identical video was bought {minutes} minute{'s' if minutes > 1 else ''} ago "
        f"(task_id {twin.task_id}); this is a second one."
    )


def _estimate_result(runtime: Runtime, video: PreparedVideo) -> SubmittedVideo:
    return SubmittedVideo(
        task_id=None,
        status=None,
        model=video.model,
        duration=video.duration,
        resolution=video.resolution,
        reused=False,
        estimated_cost_usd=video.list_price_usd,
        poll_after_seconds=None,
        next_step=runtime.write_next_step(
            "Nothing was sent. MiniMax would take this request; to buy it, call generate_video "
            "with the same arguments without dry_run. "
            f"{estimate_text(video.list_price_usd, sandbox=runtime.settings.sandbox)}"
        ),
    )


def _trouble_text(runtime: Runtime) -> str:
    return f" {runtime.ledger.trouble}" if runtime.ledger.trouble else ""
