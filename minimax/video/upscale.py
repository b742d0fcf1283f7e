"""Buys a 2K version of a finished 768P MiniMax-H3 video, as a job of its own.

MiniMax takes the task id of the video from allow-listed accounts, and the video itself from all.
The task id is tried first, since a refusal costs nothing.
"""

import asyncio
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from minimax.api.error_codes import INVALID_PARAMETER, advice_for
from minimax.catalog import REGENERATED_MODEL, REGENERATED_TO
from minimax.errors import InputError, MiniMaxError, Outcome, RefusedError
from minimax.files.inputs import Input
from minimax.jobs.uploads import UploadUse, upload_files
from minimax.ledger.records import Purchase
from minimax.runtime import Runtime
from minimax.spending.buy_once import remaining_seconds
from minimax.spending.consent import Quote, quote_purchase
from minimax.spending.wording import estimate_text
from minimax.tool_results import SubmittedVideo
from minimax.validation import check_id
from minimax.video.apis import H3
from minimax.video.apis.base import INPUT_PURPOSE, REGENERATION
from minimax.video.job import get_job
from minimax.video.purchase import JobRequest, buy_job, make_purchase, would_buy_job
from minimax.video.source import NotSendableError, Source, find_source, prepare_base

__all__ = ["quote", "upscale"]

TOOL: Final = "upscale_video"


async def upscale(
    runtime: Runtime,
    task_id: str,
    *,
    second_charge_agreed: bool = False,
    dry_run: bool = False,
    within_seconds: float | None = None,
) -> SubmittedVideo:
    """Check a finished job and buy its video in 2K once; returns as soon as MiniMax has accepted.

    Args:
        runtime: What the calls share.
        task_id: The finished job.
        second_charge_agreed: Buy although an earlier identical attempt ended in doubt.
        dry_run: Only check and estimate.
        within_seconds: Answer after this long at the latest; what was begun goes on.

    Raises:
        InputError: It is no finished MiniMax-H3 video of 768P; nothing was sent.
        RefusedError: This account may not, or MiniMax refused for another reason; nothing was
            charged.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax could not be reached; nothing was charged.
    """
    ident = check_id(task_id, "task_id")
    if dry_run:
        return _estimate_result(runtime, await find_source(runtime, ident))
    await get_job(runtime, ident)  # its answer has arrived
    buying = _Buying(runtime, ident, second_charge_agreed, within_seconds)
    return await buying.buy()


async def quote(runtime: Runtime, task_id: str) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to.

    Raises:
        InputError: It is no finished MiniMax-H3 video of 768P.
        MiniMaxError: MiniMax could not be asked about it.
    """
    ident = check_id(task_id, "task_id")
    if not await would_buy_job(runtime, _purchase(runtime, ident), second_charge_agreed=True):
        return None
    source = await find_source(runtime, ident)
    what = f"A video in {REGENERATED_TO} ({REGENERATED_MODEL}, {source.seconds} s)"

    async def prepare() -> Purchase:
        return _purchase(runtime, ident, source)

    return await quote_purchase(runtime, Quote(what, source.price_usd), prepare)


def _purchase(runtime: Runtime, task_id: str, source: Source | None = None) -> Purchase:
    """The purchase of a video in 2K: the same whichever way it is asked for."""
    return make_purchase(
        runtime,
        H3.regeneration_by_task(task_id),
        api=H3,
        model=REGENERATED_MODEL,
        prompt=_listed_prompt(task_id, source),
        duration=None if source is None else source.seconds,
        resolution=REGENERATED_TO,
        price_usd=None if source is None else source.price_usd,
    )


def _listed_prompt(task_id: str, source: Source | None) -> str:
    prompt = source.record.prompt if source is not None and source.record is not None else None
    return f"{task_id} in {REGENERATED_TO}" + (f": {prompt}" if prompt else "")


class _Buying:
    """One call that buys: by the task id, and where that is not allowed by the saved video."""

    def __init__(
        self,
        runtime: Runtime,
        task_id: str,
        second_charge_agreed: bool,  # noqa: FBT001 - an internal step
        within_seconds: float | None,
    ) -> None:
        self._runtime = runtime
        self._task_id = task_id
        self._agreed = second_charge_agreed
        self._within_seconds = within_seconds
        self._started = runtime.clock.now()
        self._source: Source | None = None

    async def buy(self) -> SubmittedVideo:
        buys = await would_buy_job(
            self._runtime,
            _purchase(self._runtime, self._task_id),
            second_charge_agreed=self._agreed,
        )
        # What was bought before is handed over whatever has become of its source.
        source = await self._find_source() if buys else None
        if source is not None and not source.is_kept:
            return await self._buy_by_video(None)
        try:
            return await self._buy_by_task()
        except RefusedError as refusal:
            if not may_be_about_account(refusal):
                raise
            return await self._buy_by_video(refusal)

    async def _find_source(self) -> Source:
        if self._source is None:
            self._source = await find_source(self._runtime, self._task_id)
        return self._source

    async def _buy_by_task(self) -> SubmittedVideo:
        async def send() -> str:
            await self._find_source()  # if nothing was to be bought a moment ago, it is checked now
            body = H3.regeneration_by_task(self._task_id)
            return await H3.regenerate(await self._runtime.client(), body)

        return await self._buy(JobRequest(send=send, **self._what_is_bought()))

    async def _buy_by_video(self, refusal: RefusedError | None) -> SubmittedVideo:
        source = await self._find_source()
        with ExitStack() as opened:
            try:
                body = await asyncio.to_thread(prepare_base, source, opened)
            except NotSendableError as reason:
                raise _not_possible_error(refusal, reason) from None
            if H3.to_upload(body):
                body = await self._upload(source, body)

            async def send() -> str:
                return await H3.regenerate(await self._runtime.client(), body)

            return await self._buy(JobRequest(send=send, opened=opened, **self._what_is_bought()))

    async def _upload(self, source: Source, body: dict[str, Any]) -> dict[str, Any]:
        purchase = _purchase(self._runtime, self._task_id, source)
        file_ids = await upload_files(
            self._runtime,
            partial(_open_large_files, source),
            key=purchase.fingerprint,
            use=UploadUse(INPUT_PURPOSE, "video", TOOL),
            within_seconds=self._left_seconds(),
        )
        return dict(await asyncio.to_thread(H3.with_uploads, body, file_ids))

    def _what_is_bought(self) -> dict[str, Any]:
        purchase = _purchase(self._runtime, self._task_id, self._source)
        return {"tool": TOOL, "api": H3, "task_type": REGENERATION, "purchase": purchase}

    async def _buy(self, wanted: JobRequest) -> SubmittedVideo:
        return await buy_job(
            self._runtime,
            wanted,
            second_charge_agreed=self._agreed,
            within_seconds=self._left_seconds(),
        )

    def _left_seconds(self) -> float | None:
        passed_seconds = self._runtime.clock.now() - self._started
        return remaining_seconds(self._within_seconds, passed_seconds)


def _open_large_files(source: Source, opened: ExitStack) -> list[Input]:
    return H3.to_upload(prepare_base(source, opened))


def may_be_about_account(refusal: RefusedError) -> bool:
    """Whether MiniMax may have meant that this account is not allow-listed.

    Which code it says that with is not documented. What the other way would meet as well, like an
    empty balance, is something else.
    """
    if refusal.outcome is not Outcome.REJECTED or refusal.http_status == HTTPStatus.UNAUTHORIZED:
        return False
    code = refusal.code
    return code is None or code == INVALID_PARAMETER or advice_for(code) is None


# --- what a caller is told ---------------------------------------------------------------------


def _not_possible_error(refusal: RefusedError | None, reason: NotSendableError) -> MiniMaxError:
    if refusal is None:
        return InputError(
            "task_id: MiniMax keeps a video for 7 days, and this one is older, so only the saved "
            f"file could be made again in 2K. That is not possible: {reason} Nothing was sent."
        )
    return RefusedError.after(
        refusal,
        f"{refusal.text} By its task_id it does that for allow-listed accounts only; from others "
        f"it takes the saved video itself, and that is not possible here: {reason} Nothing was "
        "charged.",
    )


def _estimate_result(runtime: Runtime, source: Source) -> SubmittedVideo:
    return SubmittedVideo(
        task_id=None,
        status=None,
        model=REGENERATED_MODEL,
        duration=source.seconds,
        resolution=REGENERATED_TO,
        reused=False,
        estimated_cost_usd=source.price_usd,
        poll_after_seconds=None,
        next_step=runtime.write_next_step(
            "Nothing was bought. This video can be made again in 2K, if MiniMax does that for this "
            "account; a refusal costs nothing. To buy it, call upscale_video with the same task_id "
            "without dry_run. "
            f"{estimate_text(source.price_usd, sandbox=runtime.settings.sandbox)}"
        ),
    )
