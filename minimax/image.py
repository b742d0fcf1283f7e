"""Makes images from a prompt and saves them, also for use as frames of a video."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from minimax import delivery
from minimax.api.json_body import describe_body, drop_none
from minimax.api.replies import ImageReply
from minimax.catalog import IMAGE_MODEL
from minimax.errors import InputError, MiniMaxError, RefusedError
from minimax.files import inputs, media_types, outputs, paths
from minimax.files.outputs import SavedFile
from minimax.files.requirements import PORTRAIT
from minimax.files.source import Source, parse_source
from minimax.ledger.records import Kind
from minimax.limits import (
    ASPECT_RATIOS,
    IMAGE_PROMPT_CHARACTERS,
    IMAGE_SIDE,
    IMAGE_SIDE_STEP,
    IMAGES,
)
from minimax.runtime import Runtime
from minimax.settings import Settings
from minimax.spending.billed_result import BilledRequest, buy_result, quote_result
from minimax.spending.consent import Quote
from minimax.spending.estimates import estimate_images
from minimax.tool_results import GeneratedImages
from minimax.validation import check_choice, check_length, check_range

__all__ = ["ImageRequest", "make", "quote"]


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """What a caller may say about images; None is "not given"."""

    prompt: str
    aspect_ratio: str | None = None
    n: int = 1
    width: int | None = None
    height: int | None = None
    subject_image: str | None = None
    seed: int | None = None
    prompt_optimizer: bool | None = None
    output_directory: str | None = None


async def make(
    runtime: Runtime,
    request: ImageRequest,
    *,
    second_charge_agreed: bool = False,
    within_seconds: float | None = None,
) -> GeneratedImages:
    """Make images and save them, or give their links where only links are wanted.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, and whether it was made and charged is not known.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    with ExitStack() as opened:
        result = await buy_result(
            runtime,
            await _prepare(runtime, request, opened),
            second_charge_agreed=second_charge_agreed,
            within_seconds=within_seconds,
        )
    return cast("GeneratedImages", result)


async def quote(runtime: Runtime, request: ImageRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to."""
    what = "An image" if request.n == 1 else f"{request.n} images"
    priced = Quote(f"{what} ({IMAGE_MODEL})", estimate_images(request.n))
    with ExitStack() as opened:
        return await quote_result(runtime, priced, partial(_prepare, runtime, request, opened))


async def _prepare(runtime: Runtime, request: ImageRequest, opened: ExitStack) -> BilledRequest:
    check_length("prompt", request.prompt, IMAGE_PROMPT_CHARACTERS)
    check_range("n", request.n, IMAGES)
    _check_size(request)
    folder = await asyncio.to_thread(
        paths.resolve_output_folder, request.output_directory, settings=runtime.settings
    )
    body, description = await asyncio.to_thread(_write_body, request, runtime.settings, opened)
    return BilledRequest(
        kind=Kind.IMAGE,
        tool="text_to_image",
        noun="The image",
        model=IMAGE_MODEL,
        prompt=request.prompt,
        price_usd=estimate_images(request.n),
        identity={"body": description, "folder": str(folder)},
        send=partial(_send, runtime, body),
        make_result=partial(_make_result, runtime, folder),
        opened=opened,
    )


def _check_size(request: ImageRequest) -> None:
    check_choice("aspect_ratio", request.aspect_ratio, ASPECT_RATIOS)
    if (request.width is None) != (request.height is None):
        raise InputError("width and height belong together: give both or neither.")
    if request.width is not None and request.aspect_ratio is not None:
        raise InputError("aspect_ratio and width with height exclude each other.")
    for field, side in (("width", request.width), ("height", request.height)):
        check_range(field, side, IMAGE_SIDE)
        if side is not None and side % IMAGE_SIDE_STEP:
            raise InputError(
                f"{field} must be a multiple of {IMAGE_SIDE_STEP}, like "
                f"{side - side % IMAGE_SIDE_STEP}."
            )


def _write_body(
    request: ImageRequest, settings: Settings, opened: ExitStack
) -> tuple[dict[str, Any], str]:
    """The request's body, and what makes it identical to another one."""
    subject = _parse_subject(request, settings)
    body = _body(request, subject, opened)
    return body, describe_body(body)


def _parse_subject(request: ImageRequest, settings: Settings) -> Source | None:
    if request.subject_image is None:
        return None
    return parse_source(request.subject_image, field="subject_image", settings=settings)


async def _send(runtime: Runtime, body: Mapping[str, Any]) -> ImageReply:
    reply = await (await runtime.client()).make_images(body)
    if not reply.data.image_urls:
        raise RefusedError("MiniMax's content check held every image back. Reword the prompt.")
    return reply


async def _make_result(
    runtime: Runtime, folder: Path, content: Mapping[str, Any]
) -> Mapping[str, Any]:
    reply = ImageReply.model_validate(content)
    urls = reply.data.image_urls
    saved, problem = await _save_all(runtime, reply, folder)
    return {
        "paths": [str(file.path) for file in saved],
        "image_urls": urls,
        "blocked": reply.metadata.failed_count,
        "next_step": runtime.write_next_step(
            _next_step(saved, urls)
            + _describe_blocked(reply.metadata.failed_count)
            + delivery.ignored_links_text(reply.ignored_links)
            + delivery.saving_failed_text(problem, link="image_urls")
        ),
    }


def _body(request: ImageRequest, subject: Source | None, opened: ExitStack) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model": IMAGE_MODEL,
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "width": request.width,
        "height": request.height,
        "n": request.n,
        "response_format": "url",
        "seed": request.seed,
        "prompt_optimizer": request.prompt_optimizer,
    }
    if subject is not None:
        image = inputs.open_media(
            subject, field="subject_image", requirements=PORTRAIT, opened=opened
        )
        fields["subject_reference"] = [{"type": "character", "image_file": image}]
    return drop_none(**fields)


async def _save_all(
    runtime: Runtime, reply: ImageReply, folder: Path
) -> tuple[list[SavedFile], MiniMaxError | None]:
    """The images as files; what cannot be saved must not hide what was paid for."""
    if runtime.settings.resource_mode == "url":
        return [], None
    saved: list[SavedFile] = []
    for number, url in enumerate(reply.data.image_urls, 1):
        stem = f"{outputs.file_stem('image', reply.id)}-{number}"
        try:
            file = await delivery.save_link(
                runtime, url, stem=stem, types=media_types.IMAGE_TYPES, folder=folder
            )
        except MiniMaxError as error:
            return saved, error
        saved.append(file)
    return saved, None


def _next_step(saved: list[SavedFile], urls: list[str]) -> str:
    if not saved:
        links = "link; it works" if len(urls) == 1 else f"{len(urls)} links; they work"
        return f"Give the person the {links} for about a day."
    images = "The image is" if len(saved) == 1 else f"{len(saved)} images are"
    return (
        f"{images} saved; tell the person where. A path can be given to generate_video as "
        "first_frame or last_frame."
    )


def _describe_blocked(blocked: int) -> str:
    return f" The content check held {blocked} back; reword the prompt for more." if blocked else ""
