"""Uploads the largest files first where a request would be too large; uploads are free."""

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
from minimax.video.prepare import PreparedVideo, prepare
from minimax.video.request import VideoRequest

__all__ = ["upload_large_files"]

PURPOSE: Final = "video_generation_input"


async def upload_large_files(
    runtime: Runtime,
    request: VideoRequest,
    video: PreparedVideo,
    *,
    key: str,
    within_seconds: float | None,
) -> PreparedVideo:
    """The prepared video with its largest files uploaded.

    Args:
        runtime: What the calls share.
        request: What it was prepared from.
        video: As it was prepared; its request would be too large.
        key: The same for identical requests; they share the uploads.
        within_seconds: Answer after this long at the latest; the uploads go on.

    Raises:
        UnansweredError: They take longer, or MiniMax did not answer; nothing was bought.
        MiniMaxError: MiniMax refused one or could not be reached; nothing was bought.
    """
    work = runtime.work_key("uploads", key)
    runtime.background.start(work, partial(_upload_all, runtime, request))
    try:
        file_ids = await runtime.background.join(work, within_seconds=within_seconds)
    except StillRunning:
        raise UnansweredError(
            "The files are still on their way to MiniMax; that goes on by itself. No video has "
            "been requested yet. Call generate_video again with exactly the same arguments: that "
            "joins it.",
            outcome=Outcome.NOT_SENT,
        ) from None
    body = await asyncio.to_thread(video.api.with_uploads, video.body, file_ids)
    return replace(video, body=dict(body))


async def _upload_all(runtime: Runtime, request: VideoRequest) -> dict[str, str]:
    """File ids by the digest of what was uploaded.

    The request is prepared once more: this may outlive the call that started it, whose files are
    closed at its end, and calls that join bring files of their own.
    """
    file_ids: dict[str, str] = {}
    with ExitStack() as opened:
        video = await asyncio.to_thread(prepare, request, settings=runtime.settings, opened=opened)
        client = await runtime.client()
        for file in video.api.to_upload(video.body):
            digest = await asyncio.to_thread(file.digest)
            if digest not in file_ids:
                file_ids[digest] = await _upload(client, file)
    return file_ids


async def _upload(client: MiniMaxClient, file: Input) -> str:
    try:
        return await client.upload_file(
            file, name=file.name, media_type=file.media_type, purpose=PURPOSE
        )
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise UnansweredError.after(
            error,
            "A file could not be uploaded to MiniMax, so no video was requested and nothing was "
            "charged. Call again; if it happens again, give a smaller file.",
        ) from None
