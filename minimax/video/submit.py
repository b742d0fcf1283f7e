"""Buys a video: checks the request, uploads what is too large for it, and buys once."""

import asyncio
import datetime
import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from minimax.api import policies
from minimax.api.json_body import StreamedImage
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.ledger.records import JobRecord, Purchase, would_buy
from minimax.runtime import Runtime
from minimax.spending.buy_once import PaidJob, buy_once
from minimax.spending.wording import list_price_text
from minimax.tool_results import SubmittedVideo
from minimax.video.next_steps import POLL_AFTER_SECONDS, waiting_call
from minimax.video.prepare import PreparedVideo, prepare
from minimax.video.request import VideoRequest
from minimax.video.uploads import upload_large_images

__all__ = ["submit"]

DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policy's own deadline, a submission that still has no outcome has none."""
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
        if video.api.to_upload(video.body) and _would_buy(
            runtime, purchase, second_charge_agreed=second_charge_agreed
        ):
            video = await upload_large_images(
                runtime, request, video, key=purchase.fingerprint, within_seconds=within_seconds
            )
        bought = await buy_once(
            runtime,
            PaidJob(
                purchase=purchase,
                send=partial(_send, runtime, video),
                find_again=partial(_find_again, runtime, video),
                opened=opened,
                refused_error=_error_after_doubt,
                doubt_error=_doubt_error,
                still_sending_error=_still_sending_error,
            ),
            second_charge_agreed=second_charge_agreed,
            within_seconds=_remaining(within_seconds, runtime.clock.now() - started),
        )
        return _result_of_purchase(runtime, bought.job, bought.task_id, reused=bought.reused)


def _would_buy(runtime: Runtime, purchase: Purchase, *, second_charge_agreed: bool) -> bool:
    """Whether an earlier attempt is not what the call gets; the ledger's decision comes later."""
    earlier = runtime.ledger.peek(purchase.fingerprint)
    return would_buy(earlier, second_charge_agreed=second_charge_agreed)


def _remaining(within_seconds: float | None, passed_seconds: float) -> float | None:
    return None if within_seconds is None else max(0.0, within_seconds - passed_seconds)


async def _send(runtime: Runtime, video: PreparedVideo) -> str:
    return await video.api.submit(await runtime.client(), video.body)


async def _find_again(runtime: Runtime, video: PreparedVideo, job: JobRecord) -> str | None:
    """The one job in MiniMax's own list that this submission may have become, if there is one."""
    client = await runtime.client()
    try:
        recent = await video.api.recent(client)
    except MiniMaxError:
        return None
    candidates = [
        remote.task_id
        for remote in recent
        if remote.model == video.model
        and abs(remote.created_at - job.created_at) <= CLOCK_DIFFERENCE_SECONDS
        and runtime.ledger.by_task(remote.task_id) is None
    ]
    if len(candidates) != 1:
        return None
    runtime.ledger.mark_probable(job, candidates[0])
    return candidates[0]


# --- what is bought ----------------------------------------------------------------------------


def _purchase(runtime: Runtime, video: PreparedVideo) -> Purchase:
    return Purchase(
        fingerprint=_fingerprint(video.body, runtime.account),
        api=video.api.name,
        model=video.model,
        prompt=video.prompt,
        duration=video.duration,
        resolution=video.resolution,
        price_usd=video.list_price_usd,
        deadline_seconds=policies.SUBMIT.deadline_seconds + DEADLINE_MARGIN_SECONDS,
    )


def _fingerprint(body: Mapping[str, Any], account: str) -> str:
    """What makes two requests identical: the same words and the same content of images."""

    def digest(value: object) -> str:
        if not isinstance(value, StreamedImage):
            raise TypeError(f"{type(value).__name__} does not belong in a request")
        return value.digest()

    text = json.dumps(body, default=digest, sort_keys=True)
    return hashlib.sha256(f"{account}\n{text}".encode()).hexdigest()


# --- what a caller is told ---------------------------------------------------------------------


def _error_after_doubt(job: JobRecord) -> MaybeChargedError:
    when = datetime.datetime.fromtimestamp(job.created_at, datetime.UTC)
    return MaybeChargedError(
        f"An identical request of {when:%Y-%m-%d %H:%M} UTC ended in doubt: MiniMax may have "
        f"accepted and charged it, so it is not sent again.{_look_text(job.task_id)} Ask the "
        "person, who can look at the usage page of the MiniMax platform. Only if they agree in "
        "this chat that it may be paid for twice, call again with allow_second_charge=true.",
        outcome=Outcome.UNKNOWN,
        task_id=job.task_id,
    )


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


def _result_of_purchase(
    runtime: Runtime, job: JobRecord, task_id: str, *, reused: bool
) -> SubmittedVideo:
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
        next_step=runtime.write_next_step(
            f"{handed_over if reused else ''}The job is accepted and takes one to several minutes. "
            f"Call {waiting_call(task_id)} and repeat that until status is completed or "
            f"failed. Do not call generate_video again for this video. "
            f"{list_price_text(job.price_usd)}{_trouble(runtime)}"
        ),
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
            f"with the same arguments without dry_run. {list_price_text(video.list_price_usd)}"
        ),
    )


def _trouble(runtime: Runtime) -> str:
    return f" {runtime.ledger.trouble}" if runtime.ledger.trouble else ""
