"""Pictures that are too much for one request go to MiniMax before it; nothing is bought by that."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from minimax.api.client import MiniMaxClient
from minimax.errors import MiniMaxError, Outcome, UnansweredError
from minimax.files.inputs import Input
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning
from minimax.video import prepare
from minimax.video.prepare import PreparedVideo
from minimax.video.request import VideoRequest

__all__ = ["upload_large_images"]

PURPOSE: Final = "video_generation_input"


async def upload_large_images(
    runtime: Runtime,
    wish: VideoRequest,
    order: PreparedVideo,
    *,
    key: str,
    within_seconds: float | None,
) -> PreparedVideo:
    """The order with its largest pictures uploaded.

    Args:
        runtime: The loop's own.
        wish: What the order was made from.
        order: As it was taken; its request would be too large.
        key: The same for identical orders; they share the uploads.
        within_seconds: Answer after this long at the latest; the uploads go on.

    Raises:
        UnansweredError: They take longer, or MiniMax did not answer; nothing was ordered.
        MiniMaxError: MiniMax refused one or could not be reached; nothing was ordered.
    """
    work = ("pictures", key)
    runtime.background.start(work, partial(_uploaded, runtime, wish))
    try:
        file_ids = await runtime.background.collect(work, within_seconds=within_seconds)
    except StillRunning:
        raise UnansweredError(
            "The pictures are still on their way to MiniMax; that goes on by itself. No video has "
            "been ordered yet. Call generate_video again with exactly the same arguments: that "
            "joins it.",
            outcome=Outcome.NOT_SENT,
        ) from None
    body = await asyncio.to_thread(order.generation.with_uploads, order.body, file_ids)
    return replace(order, body=dict(body))


async def _uploaded(runtime: Runtime, wish: VideoRequest) -> dict[str, str]:
    """File ids by the digest of what was uploaded.

    The pictures are opened anew: this outlives the call, whose own files are closed at its end.
    """
    file_ids: dict[str, str] = {}
    with ExitStack() as opened:
        order = await asyncio.to_thread(
            prepare.prepare, wish, settings=runtime.settings, opened=opened
        )
        client = await runtime.client()
        for picture in order.generation.to_upload(order.body):
            digest = await asyncio.to_thread(picture.digest)
            if digest not in file_ids:
                file_ids[digest] = await _upload(client, picture)
    return file_ids


async def _upload(client: MiniMaxClient, picture: Input) -> str:
    try:
        return await client.upload_file(
            picture, name=picture.name, media_type=picture.media_type, purpose=PURPOSE
        )
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise UnansweredError.after(
            error,
            "A picture could not be uploaded to MiniMax, so no video was ordered and nothing was "
            "charged. Call again.",
        ) from None
