"""Uploads what does not fit into a paid request itself; uploads are free."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from minimax.api.client import MiniMaxClient
from minimax.errors import MiniMaxError, Outcome, UnansweredError
from minimax.files.inputs import Input
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning

__all__ = ["OpenFiles", "UploadUse", "upload_files"]

OpenFiles = Callable[[ExitStack], list[Input]]
"""Opens and checks the files, in a thread; what is closed at the end goes into its argument."""


class UploadUse(NamedTuple):
    """What files are uploaded for.

    Attributes:
        purpose: As MiniMax calls it.
        noun: What is made from them, for what a caller is told.
        tool: The MCP tool, likewise.
    """

    purpose: str
    noun: str
    tool: str


async def upload_files(
    runtime: Runtime,
    open_files: OpenFiles,
    *,
    use: UploadUse,
    key: str,
    within_seconds: float | None,
) -> dict[str, str]:
    """File ids by the digest of what was uploaded.

    Args:
        runtime: What the calls share.
        open_files: Opens them once more: the uploads may outlive the call that started them, whose
            files are closed at its end, and calls that join bring files of their own.
        use: What they are uploaded for.
        key: The same for identical requests; they share the uploads.
        within_seconds: Answer after this long at the latest; the uploads go on.

    Raises:
        UnansweredError: They take longer, or MiniMax did not answer; nothing was bought.
        MiniMaxError: MiniMax refused one or could not be reached; nothing was bought.
    """
    work = runtime.work_key("uploads", key)
    runtime.background.start(work, partial(_upload_all, runtime, open_files, use))
    try:
        file_ids: dict[str, str] = await runtime.background.join(
            work, within_seconds=within_seconds
        )
    except StillRunning:
        raise UnansweredError(
            "The files are still being uploaded to MiniMax, and the upload continues. No "
            f"{use.noun} has been requested yet. Call {use.tool} again with exactly the same "
            "arguments: that joins the upload.",
            outcome=Outcome.NOT_SENT,
        ) from None
    return file_ids


async def _upload_all(runtime: Runtime, open_files: OpenFiles, use: UploadUse) -> dict[str, str]:
    file_ids: dict[str, str] = {}
    with ExitStack() as opened:
        files = await asyncio.to_thread(open_files, opened)
        client = await runtime.client()
        for file in files:
            digest = await asyncio.to_thread(file.digest)
            if digest not in file_ids:
                file_ids[digest] = await _upload(client, file, use)
    return file_ids


async def _upload(client: MiniMaxClient, file: Input, use: UploadUse) -> str:
    try:
        return await client.upload_file(
            file, name=file.name, media_type=file.media_type, purpose=use.purpose
        )
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise UnansweredError.after(
            error,
            f"A file could not be uploaded to MiniMax, so no {use.noun} was requested and nothing "
            "was charged. Call again; if it happens again, give a smaller file.",
        ) from None
