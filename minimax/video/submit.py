"""Buys a video: checks the request, uploads what is too large for it, and buys once."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from minimax.api.error_codes import name_known_models
from minimax.catalog import VIDEO_MODELS
from minimax.errors import RefusedError
from minimax.files.inputs import Input
from minimax.jobs.uploads import UploadUse, upload_files
from minimax.ledger.records import Purchase
from minimax.runtime import Runtime
from minimax.spending.buy_once import remaining_seconds
from minimax.spending.consent import Quote, quote_purchase
from minimax.spending.wording import estimate_text
from minimax.tool_results import SubmittedVideo
from minimax.video.apis.base import GENERATION, INPUT_PURPOSE
from minimax.video.prepare import PreparedVideo, prepare
from minimax.video.purchase import JobRequest, buy_job, make_purchase, would_buy_job
from minimax.video.request import VideoRequest

__all__ = ["quote", "submit"]

TOOL = "generate_video"


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
        purchase = await asyncio.to_thread(_make_purchase, runtime, video)
        if video.api.to_upload(video.body) and await would_buy_job(
            runtime, purchase, second_charge_agreed=second_charge_agreed
        ):
            video = await _upload(
                runtime, request, video, key=purchase.fingerprint, within_seconds=within_seconds
            )
        wanted = JobRequest(
            tool=TOOL,
            api=video.api,
            task_type=GENERATION,
            purchase=purchase,
            send=partial(_send, runtime, video),
            price_note=_price_note(video),
            opened=opened,
        )
        return await buy_job(
            runtime,
            wanted,
            second_charge_agreed=second_charge_agreed,
            within_seconds=remaining_seconds(within_seconds, runtime.clock.now() - started),
        )


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
            partial(asyncio.to_thread, _make_purchase, runtime, video),
        )


def _make_purchase(runtime: Runtime, video: PreparedVideo) -> Purchase:
    return make_purchase(
        runtime,
        video.body,
        api=video.api,
        model=video.model,
        prompt=video.prompt,
        duration=video.duration,
        resolution=video.resolution,
        price_usd=video.list_price_usd,
    )


async def _upload(
    runtime: Runtime,
    request: VideoRequest,
    video: PreparedVideo,
    *,
    key: str,
    within_seconds: float | None,
) -> PreparedVideo:
    """The prepared video with its largest files uploaded; arguments as `upload_files`."""

    def open_large_files(opened: ExitStack) -> list[Input]:
        again = prepare(request, settings=runtime.settings, opened=opened)
        return again.api.to_upload(again.body)

    file_ids = await upload_files(
        runtime,
        open_large_files,
        use=UploadUse(INPUT_PURPOSE, "video", TOOL),
        key=key,
        within_seconds=within_seconds,
    )
    body = await asyncio.to_thread(video.api.with_uploads, video.body, file_ids)
    return replace(video, body=dict(body))


async def _send(runtime: Runtime, video: PreparedVideo) -> str:
    try:
        return await video.api.submit(await runtime.client(), video.body)
    except RefusedError as refusal:
        raise name_known_models(refusal, video.model, VIDEO_MODELS) from None


# --- what a caller is told ---------------------------------------------------------------------


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
            f"{_price_note(video)}"
        ),
    )


def _price_note(video: PreparedVideo) -> str:
    if video.list_price_usd is None or not video.has_unknown_length:
        return ""
    return (
        " This is the maximum: MiniMax fetches linked reference videos itself, so their length is "
        "not known here, and the longest that it accepts is counted."
    )
