"""Finds the finished MiniMax-H3 video that is to be made again in 2K, and says what that costs."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minimax.api.error_codes import INVALID_PARAMETER, UNKNOWN_ERROR
from minimax.api.replies import VideoTask, job_status
from minimax.catalog import (
    REGENERATED_FROM,
    REGENERATED_MODEL,
    REGENERATION_SHARE,
    VIDEO_MODELS,
)
from minimax.errors import InputError, RefusedError
from minimax.files import inputs
from minimax.files.requirements import BASE_VIDEO
from minimax.files.source import LocalFile
from minimax.jobs.earlier_sandbox import explain_forgotten
from minimax.jobs.job import Jobs
from minimax.ledger.records import Record
from minimax.runtime import Runtime
from minimax.tool_results import JobStatus
from minimax.video.apis import H3
from minimax.video.apis.base import REGENERATION
from minimax.video.apis.h3 import ROLES, TEXT_RATIOS
from minimax.video.ids import refuse_file_id
from minimax.video.job import VIDEO_JOBS
from minimax.video.next_steps import waiting_call
from minimax.video.purchase import fingerprint_body
from minimax.video.request import VideoRequest

__all__ = ["NotSendableError", "Source", "find_source", "prepare_base"]

SAVED: Final = "the saved video"
"""In place of the name of an argument, in texts about that file."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A finished video of 768P.

    Attributes:
        task_id: Of the job that made it.
        seconds: Its length as it was asked for; None where MiniMax does not say.
        price_usd: List price of the same in 2K.
        record: Its row in the ledger; None where it was bought from elsewhere.
    """

    task_id: str
    seconds: int | None
    price_usd: float | None
    record: Record | None = None

    @property
    def is_kept(self) -> bool:
        """Whether MiniMax still has it."""
        return self.record is None or self.record.is_kept


class NotSendableError(Exception):
    """The saved video cannot be sent in place of its task id; its text goes on after a colon."""


async def find_source(runtime: Runtime, task_id: str) -> Source:
    """The video of a job, from the ledger if it was bought from here, else from MiniMax.

    Raises:
        InputError: It is no finished MiniMax-H3 video of 768P.
        MiniMaxError: MiniMax could not be asked, or knows no such job. Nothing was charged.
    """
    record = await runtime.ledger.by_task(task_id)
    if record is None:
        await refuse_file_id(runtime, task_id)
        return await _ask_for_source(runtime, task_id)
    _check_kind(task_id, model=record.model, resolution=record.resolution)
    if record.status != "completed":
        async with explain_forgotten(runtime, task_id):
            reply = await runtime.get_shared(Jobs).get(task_id, VIDEO_JOBS).refresh()
        _check_finished(task_id, reply.job_status)
    return Source(
        task_id=task_id,
        seconds=record.duration,
        price_usd=_price(record.price_usd),
        record=record,
    )


async def _ask_for_source(runtime: Runtime, task_id: str) -> Source:
    try:
        task = await (await runtime.client()).query_video_v2(task_id)
    except RefusedError as refusal:
        if refusal.code not in (INVALID_PARAMETER, UNKNOWN_ERROR):
            raise
        raise RefusedError.after(
            refusal,
            f"MiniMax has no {REGENERATED_MODEL} job {task_id} of the last 7 days, and only its "
            "videos can be made again in 2K. list_video_tasks names what was bought from here.",
        ) from None
    is_made_again = task.task_type == REGENERATION
    resolution = "2K" if is_made_again else task.resolution
    _check_kind(task_id, model=task.model, resolution=resolution)
    _check_finished(task_id, job_status(task.status))
    return Source(
        task_id=task_id, seconds=task.duration or None, price_usd=_price(_price_of_task(task))
    )


def _check_kind(task_id: str, *, model: str, resolution: str | None) -> None:
    if model != REGENERATED_MODEL:
        raise InputError(
            f"task_id: the job {task_id} was made by {model}; only videos of {REGENERATED_MODEL} "
            f"in {REGENERATED_FROM} can be made again in 2K. Nothing was sent."
        )
    if resolution != REGENERATED_FROM:
        raise InputError(
            f"task_id: the video of job {task_id} is in {resolution or 'another resolution'}; only "
            f"those in {REGENERATED_FROM} can be made again in 2K. Nothing was sent."
        )


def _check_finished(task_id: str, status: JobStatus) -> None:
    if status == "failed":
        raise InputError(
            f"task_id: the job {task_id} ended without a video, so there is nothing to make again. "
            "Nothing was sent."
        )
    if status != "completed":
        raise InputError(
            f"task_id: the job {task_id} is not finished yet. Call {waiting_call(task_id)} until "
            "it is completed, then upscale_video again. Nothing was sent."
        )


# --- what it costs -----------------------------------------------------------------------------


def _price(price_at_768p_usd: float | None) -> float | None:
    """Every item of the price in 768P costs the same share again."""
    return None if price_at_768p_usd is None else round(price_at_768p_usd * REGENERATION_SHARE, 4)


def _price_of_task(task: VideoTask) -> float | None:
    """List price of a job in 768P that was bought from elsewhere."""
    model = VIDEO_MODELS[REGENERATED_MODEL]
    price = model.sizes.get((REGENERATED_FROM, task.duration))
    if price is None:
        return None
    price += max(0, task.usage.input_seconds) * model.reference_video_usd[REGENERATED_FROM]
    further_images = max(0, task.usage.input_image_count - model.free_images)
    return price + further_images * model.further_image_usd


# --- the saved video ---------------------------------------------------------------------------


def prepare_base(source: Source, opened: ExitStack) -> dict[str, Any]:
    """The body of a request that sends the saved video itself; reads its file.

    MiniMax needs all that the video was made from, exactly as it was. That is known here where it
    was made from its prompt alone.

    Args:
        source: The video.
        opened: Receives the opened file; closed by the caller once it is sent.

    Raises:
        NotSendableError: The file is not here, is not as MiniMax made it, or more would be needed.
    """
    record = source.record
    if record is None or record.prompt is None:
        raise NotSendableError(
            "it was not bought from this computer, so what it was made from is not known here."
        )
    if not _is_from_prompt_alone(record):
        raise NotSendableError(
            "it was made from more than its prompt, which MiniMax would need again and this "
            "server does not keep."
        )
    video = opened.enter_context(_open_saved(record))
    return H3.regeneration_by_video(record.prompt, video)


def _is_from_prompt_alone(record: Record) -> bool:
    """Whether the ledger's fingerprint is that of a request with this prompt and no files."""
    requests = [VideoRequest(prompt=record.prompt, ratio=ratio) for ratio in TEXT_RATIOS]
    bodies = (
        H3.body(
            request,
            model=record.model,
            known=VIDEO_MODELS.get(record.model),
            size=(record.resolution, record.duration),
            media={field: [] for field in ROLES},
        )
        for request in requests
    )
    return record.fingerprint in [fingerprint_body(body) for body in bodies]


def _open_saved(record: Record) -> inputs.Input:
    fetch = f'Call retrieve_video_file(file_id="{record.file_id}"), then upscale_video again.'
    if record.path is None:
        raise NotSendableError(f"it is not saved on this computer. {fetch}")
    path = Path(record.path)
    if not path.is_file():
        raise NotSendableError(f"the saved file was moved or deleted. {fetch}")
    try:
        return inputs.open_input(LocalFile(path), field=SAVED, requirements=BASE_VIDEO)
    except InputError as error:
        raise NotSendableError(error.text.removesuffix(" Nothing was sent.")) from None
