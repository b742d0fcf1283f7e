"""Makes images from a prompt and saves them, also for use as frames of a video."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from minimax import delivery
from minimax.api.json_body import drop_none
from minimax.api.replies import ImageReply
from minimax.catalog import IMAGE_MODEL, IMAGE_PRICE_USD
from minimax.errors import MiniMaxError, RefusedError
from minimax.files import inputs, media_types, outputs
from minimax.files.outputs import SavedFile
from minimax.files.requirements import PORTRAIT
from minimax.files.source import Source, file_version, parse_source
from minimax.limits import ASPECT_RATIOS, IMAGE_PROMPT_CHARACTERS, IMAGES
from minimax.runtime import Runtime
from minimax.settings import Settings
from minimax.spending.billed_call import call_billed, run_or_join
from minimax.spending.wording import list_price_text
from minimax.tool_results import GeneratedImages
from minimax.validation import check_choice, check_length, check_range

__all__ = ["ImageRequest", "make"]


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """What a caller may say about images; None is "not given"."""

    prompt: str
    aspect_ratio: str | None = None
    n: int = 1
    subject_image: str | None = None
    seed: int | None = None
    prompt_optimizer: bool | None = None
    output_directory: str | None = None


async def make(
    runtime: Runtime, request: ImageRequest, *, within_seconds: float | None = None
) -> GeneratedImages:
    """Make images and save them, or give their links where only links are wanted.

    What takes longer than `within_seconds` goes on and is joined by the next identical call.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        MaybeChargedError: It was sent, and whether it was made and charged is not known.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    check_length("prompt", request.prompt, IMAGE_PROMPT_CHARACTERS)
    check_choice("aspect_ratio", request.aspect_ratio, ASPECT_RATIOS)
    check_range("n", request.n, IMAGES)
    subject = await asyncio.to_thread(_parse_subject, request, runtime.settings)
    return await run_or_join(
        runtime,
        request,
        partial(_make, subject=subject),
        within_seconds=within_seconds,
        about=file_version(subject),
    )


def _parse_subject(request: ImageRequest, settings: Settings) -> Source | None:
    if request.subject_image is None:
        return None
    return parse_source(request.subject_image, field="subject_image", settings=settings)


async def _make(
    runtime: Runtime, request: ImageRequest, folder: Path, *, subject: Source | None
) -> GeneratedImages:
    reply = await _request_images(runtime, request, subject)
    urls = reply.data.image_urls
    saved, problem = await _save_all(runtime, reply, folder)
    return GeneratedImages(
        paths=[str(file.path) for file in saved],
        image_urls=urls,
        blocked=reply.metadata.failed_count,
        next_step=runtime.write_next_step(
            _next_step(saved, urls)
            + _describe_blocked(reply.metadata.failed_count)
            + delivery.ignored_links_text(reply.ignored_links)
            + f" {list_price_text(IMAGE_PRICE_USD * len(urls), decimals=4)}"
            + delivery.saving_failed_text(problem, link="image_urls")
        ),
    )


async def _request_images(
    runtime: Runtime, request: ImageRequest, subject: Source | None
) -> ImageReply:
    client = await runtime.client()
    with ExitStack() as opened:
        body = await asyncio.to_thread(_body, request, subject, opened)
        reply = await call_billed(client.make_images(body), what="The image")
    if not reply.data.image_urls:
        raise RefusedError("MiniMax's content check held every image back. Reword the prompt.")
    return reply


def _body(request: ImageRequest, subject: Source | None, opened: ExitStack) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model": IMAGE_MODEL,
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "n": request.n,
        "response_format": "url",
        "seed": request.seed,
        "prompt_optimizer": request.prompt_optimizer,
    }
    if subject is not None:
        image = inputs.open_image(
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
        return f"Give the person the {len(urls)} links; they work for about a day."
    return (
        f"{len(saved)} images are saved; tell the person where. Their paths can be given to "
        "generate_video as first_frame and last_frame."
    )


def _describe_blocked(blocked: int) -> str:
    return f" The content check held {blocked} back; reword the prompt for more." if blocked else ""
