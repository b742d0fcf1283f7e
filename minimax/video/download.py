"""Saves a finished video on this computer, however often somebody asks for it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from minimax import delivery
from minimax.api.error_codes import INVALID_PARAMETER
from minimax.errors import RefusedError, StorageError
from minimax.files import media_types, outputs
from minimax.jobs.job import Jobs
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning
from minimax.tool_results import VideoFile
from minimax.validation import check_id
from minimax.video import apis

__all__ = ["Report", "download_video", "save_by_itself"]

Report = Callable[[float, float | None], Awaitable[None]]
"""Told while a download goes on: bytes so far, and of how many, if that is known."""

FILE_SETTLES_SECONDS: Final = 30.0
"""A finished job's file may be unknown to files/retrieve for so long."""
FILE_PAUSE_SECONDS: Final = 3.0


async def download_video(
    runtime: Runtime,
    file_id: str,
    *,
    output_directory: str | None = None,
    within_seconds: float | None = None,
    report: Report | None = None,
) -> VideoFile:
    """Save a finished video, or give its link where only links are wanted.

    A download that takes longer than `within_seconds` goes on and is joined by the next call.

    Raises:
        InputError: `file_id` cannot be one, or the folder is outside the base path.
        MiniMaxError: MiniMax does not know the file, or the download failed.
    """
    ident = check_id(file_id, "file_id")
    await runtime.deliveries.note_use(ident)
    if runtime.settings.resource_mode == "url":
        return _link_result(runtime, ident, await _request_link(runtime, ident))
    download = await _prepare_download(runtime, ident, output_directory)
    saved = await _find_saved(runtime, download, anywhere=output_directory is None)
    if saved is not None:
        return _result_of_saved(runtime, download, saved)
    download = runtime.background.start(download.key, download)
    try:
        saved = await runtime.background.join(
            download.key, within_seconds=within_seconds, tick=partial(download.report_to, report)
        )
    except StillRunning:
        return _downloading_result(runtime, download)
    return _result_of_saved(runtime, download, saved)


async def save_by_itself(runtime: Runtime, file_id: str) -> Path:
    """Save a finished video in the folder for results, and write down where.

    Raises:
        MiniMaxError: MiniMax does not know the file, or the download failed.
    """
    download = await _prepare_download(runtime, file_id, None)
    saved = await asyncio.to_thread(download.find_saved)
    if saved is None:
        download = runtime.background.start(download.key, download)
        saved = await runtime.background.join(download.key, within_seconds=None)
    else:
        await runtime.ledger.record_path(file_id, saved.path)
    return saved.path


async def _prepare_download(
    runtime: Runtime, file_id: str, output_directory: str | None
) -> "VideoDownload":
    folder = await asyncio.to_thread(runtime.results.resolve_folder, output_directory)
    download = VideoDownload(runtime, file_id, folder)
    # A finished download is found on disk, so its task can be dropped.
    runtime.background.forget(download.key)
    return download


async def _find_saved(
    runtime: Runtime, download: "VideoDownload", *, anywhere: bool
) -> outputs.SavedFile | None:
    """The complete file that was saved before, in this folder or, if `anywhere`, in another."""
    saved = await asyncio.to_thread(download.find_saved)
    if saved is not None or not anywhere:
        return saved
    path = await delivery.find_saved_path(runtime, await runtime.ledger.by_file(download.file_id))
    if path is None:
        return None
    found = await asyncio.to_thread(runtime.results.describe, path)
    return outputs.SavedFile(path=path, bytes=found.bytes, media_type=found.media_type)


class VideoDownload:
    """One file on its way to one folder; calls for the same share its download."""

    def __init__(self, runtime: Runtime, file_id: str, folder: Path) -> None:
        self.file_id = file_id
        self.key = runtime.work_key("download", file_id, folder)
        self.link = delivery.RenewableLink(lambda: _request_link(runtime, file_id))
        self._runtime = runtime
        self._folder = folder
        self._stem = outputs.file_stem("video", file_id)
        self._received_bytes = 0
        self._total_bytes: int | None = None

    def find_saved(self) -> outputs.SavedFile | None:
        """The complete file that an earlier call saved, if there is one."""
        return self._runtime.results.find_saved(
            self._stem, types=media_types.VIDEO_TYPES, folder=self._folder
        )

    async def __call__(self) -> outputs.SavedFile:
        """Download it."""
        try:
            saved = await self._download()
        except StorageError as error:
            raise StorageError(
                f"{error} The video is still at MiniMax: call again with the same file_id, which "
                "costs nothing.",
                outcome=error.outcome,
            ) from None
        await self._runtime.ledger.record_path(self.file_id, saved.path)
        return saved

    async def _download(self) -> outputs.SavedFile:
        return await delivery.download_link(
            self._runtime,
            self.link,
            stem=self._stem,
            types=media_types.VIDEO_TYPES,
            folder=self._folder,
            on_bytes=self._note_bytes,
        )

    def _note_bytes(self, received_bytes: int, total_bytes: int | None) -> None:
        self._received_bytes, self._total_bytes = received_bytes, total_bytes

    async def report_to(self, report: Report | None) -> None:
        """Report how far it is, where somebody wants to know."""
        if report is not None:
            await report(self._received_bytes, self._total_bytes)


async def _request_link(runtime: Runtime, file_id: str) -> str:
    """A fresh link; the file of a job that has only just ended may need a moment to be found.

    Of an id that no job is known to have made, it is not known whether it is one of a file.
    """
    client = await runtime.client()
    started = runtime.clock.now()
    while True:
        try:
            return await apis.for_file(file_id).link(client, file_id)
        except RefusedError as refusal:
            settling = runtime.clock.now() - started < FILE_SETTLES_SECONDS
            if refusal.code != INVALID_PARAMETER or not settling:
                raise
            if not await _is_known_file(runtime, file_id):
                raise
        await runtime.clock.sleep(FILE_PAUSE_SECONDS)


async def _is_known_file(runtime: Runtime, file_id: str) -> bool:
    """Whether a job that was bought or asked about here has made it."""
    if runtime.get_shared(Jobs).has_file(file_id):
        return True
    return await runtime.ledger.by_file(file_id) is not None


def _result_of_saved(
    runtime: Runtime, download: VideoDownload, saved: outputs.SavedFile
) -> VideoFile:
    return VideoFile(
        file_id=download.file_id,
        status="saved",
        video_url=download.link.url,
        path=str(saved.path),
        bytes=saved.bytes,
        media_type=saved.media_type,
        next_step=runtime.write_next_step(
            f"The video is saved. {runtime.results.say_where(saved.path)}"
            f"{_link_life_text(download.link.url)}"
        ),
    )


def _link_life_text(url: str | None) -> str:
    return "" if url is None else f" (video_url works {delivery.link_life_text(url)})"


def _downloading_result(runtime: Runtime, download: VideoDownload) -> VideoFile:
    return VideoFile(
        file_id=download.file_id,
        status="downloading",
        video_url=download.link.url,
        path=None,
        bytes=None,
        media_type=None,
        next_step=runtime.write_next_step(
            "The download continues. Call retrieve_video_file again with the same "
            "arguments: that joins it and returns the path when it is done."
        ),
    )


def _link_result(runtime: Runtime, file_id: str, url: str) -> VideoFile:
    return VideoFile(
        file_id=file_id,
        status="link",
        video_url=url,
        path=None,
        bytes=None,
        media_type=None,
        next_step=runtime.write_next_step(
            f"Give the person the link; it works {delivery.link_life_text(url)} and needs no key. "
            "Call this again for a fresh one."
        ),
    )
