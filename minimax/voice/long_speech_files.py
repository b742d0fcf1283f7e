"""Saves what the job of a long speech made: its audio, and its subtitles as a SubRip file.

MiniMax delivers one tar archive with three files behind one link: the sound, the subtitles (JSON,
`.titles`) and facts (JSON, `.extra`). Its documentation does not say so; public programs that use
the endpoint do. A sound alone behind the link is taken as well.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from minimax import delivery
from minimax.api import policies
from minimax.api.error_codes import INVALID_PARAMETER
from minimax.api.signed_links import LARGEST_SPEECH_BYTES
from minimax.audience import pick_text
from minimax.errors import RefusedError, StorageError
from minimax.files import media_types, outputs
from minimax.files.archives import BLOCK_BYTES, ByteStream, TarMember, is_tar, read_members
from minimax.files.outputs import SavedFile
from minimax.ledger.records import Record
from minimax.runtime import Runtime
from minimax.voice.speech_options import RAW_TYPES
from minimax.voice.subtitles import read_subtitles

if TYPE_CHECKING:
    from minimax.api.signed_links import Download

__all__ = ["SavedSpeech", "find_or_save", "request_link"]

LARGEST_SUBTITLES_BYTES: Final = 16 * 1024 * 1024
"""A million characters in sentences, each with its times, are about 10 MB."""
FILE_SETTLES_SECONDS: Final = 30.0
"""The file of a job that has only just ended may be unknown to files/retrieve for so long."""
FILE_PAUSE_SECONDS: Final = 3.0
SUBTITLES: Final = frozenset({"application/x-subrip"})
SOUNDS: Final = media_types.SPOKEN_TYPES | frozenset(RAW_TYPES.values())

log = logging.getLogger(__name__)


class SavedSpeech(NamedTuple):
    """Where a speech is, and its subtitles, if it has any."""

    path: Path
    subtitle_path: Path | None


async def find_or_save(
    runtime: Runtime, file_id: str, record: Record | None, *, within_seconds: float | None
) -> SavedSpeech:
    """What was saved before, or is saved now; calls for the same file share one download.

    Args:
        runtime: What the calls share.
        file_id: Of the finished job.
        record: Its row, if it was bought from here.
        within_seconds: Longest wait; the download goes on.

    Raises:
        StillRunning: It takes longer.
        MiniMaxError: MiniMax does not have the file, or it could not be saved.
    """
    path = await delivery.find_saved_path(runtime, record)
    if path is not None:
        return SavedSpeech(path, await _find_subtitles(runtime, path.parent, file_id))
    folder = await asyncio.to_thread(runtime.results.resolve_folder, None)
    if record is None:
        sound = await _find_sound(runtime, folder, file_id)
        if sound is not None:
            return SavedSpeech(sound.path, await _find_subtitles(runtime, folder, file_id))
    key = runtime.work_key("long speech", file_id)
    runtime.background.start(key, SpeechDownload(runtime, file_id, record, folder))
    saved: SavedSpeech = await runtime.background.join(key, within_seconds=within_seconds)
    return saved


def _stem(file_id: str) -> str:
    return outputs.file_stem("speech", file_id)


async def _find_sound(runtime: Runtime, folder: Path, file_id: str) -> SavedFile | None:
    return await asyncio.to_thread(
        runtime.results.find_saved, _stem(file_id), types=SOUNDS, folder=folder
    )


async def _find_subtitles(runtime: Runtime, folder: Path, file_id: str) -> Path | None:
    found = await asyncio.to_thread(
        runtime.results.find_saved, _stem(file_id), types=SUBTITLES, folder=folder
    )
    return None if found is None else found.path


async def request_link(runtime: Runtime, file_id: str, record: Record | None) -> str:
    """A fresh link to what a finished job made.

    Raises:
        RefusedError: MiniMax does not have it, or has it no more.
        MiniMaxError: MiniMax could not be asked.
    """
    client = await runtime.client()
    started = runtime.clock.now()
    while True:
        try:
            return await client.retrieve_file(file_id)
        except RefusedError as refusal:
            if refusal.code != INVALID_PARAMETER:
                raise
            is_young = record is not None and record.is_kept
            if not is_young or runtime.clock.now() - started >= FILE_SETTLES_SECONDS:
                raise _gone_error(refusal) from None
        await runtime.clock.sleep(FILE_PAUSE_SECONDS)


def _gone_error(refusal: RefusedError) -> RefusedError:
    return RefusedError.after(
        refusal,
        "MiniMax does not have the audio of this job, or no longer has it: it keeps audio for "
        "about nine hours. Making it again is charged again"
        + pick_text(chat=", so ask the person first.", program="."),
    )


class SpeechDownload:
    """One finished speech on its way to the folder for results.

    What an attempt has saved stays saved: the next one takes only what is missing.
    """

    def __init__(self, runtime: Runtime, file_id: str, record: Record | None, folder: Path) -> None:
        self._runtime = runtime
        self._file_id = file_id
        self._folder = folder
        self._stem = _stem(file_id)
        self._raw_type = RAW_TYPES.get(record.resolution or "") if record is not None else None
        self._link = delivery.RenewableLink(lambda: request_link(runtime, file_id, record))
        self._sound: SavedFile | None = None
        self._subtitles: str | None = None

    async def __call__(self) -> SavedSpeech:
        """Download and save it, and write down where."""
        self._sound = await _find_sound(self._runtime, self._folder, self._file_id)
        subtitle_path = await _find_subtitles(self._runtime, self._folder, self._file_id)
        if self._sound is None or subtitle_path is None:
            await self._download()
            subtitle_path = subtitle_path or await self._save_subtitles()
        path = self._saved_sound().path
        await self._runtime.ledger.record_path(self._file_id, path)
        return SavedSpeech(path, subtitle_path)

    async def _download(self) -> None:
        try:
            await delivery.fetch_link(
                await self._runtime.client(),
                self._link,
                self._receive,
                clock=self._runtime.clock,
                policy=policies.DOWNLOAD_LONG_SPEECH,
                most_bytes=LARGEST_SPEECH_BYTES,
            )
        except StorageError as error:
            if self._sound is None:
                raise StorageError(
                    f"{error} It is still at MiniMax for about nine hours after it was made: call "
                    "again with the same task_id, which costs nothing.",
                    outcome=error.outcome,
                ) from None
            log.warning("A speech was saved, and what came after it was not: %s", error)

    def _saved_sound(self) -> SavedFile:
        if self._sound is None:
            raise outputs.not_media("holds no sound")
        return self._sound

    async def _receive(self, download: "Download") -> None:
        stream = ByteStream(download.chunks)
        if not is_tar(await stream.peek(BLOCK_BYTES)):
            await self._save_sound(stream.rest())
            return
        async with aclosing(read_members(stream)) as members:
            async for member in members:
                await self._take(member)
        self._saved_sound()

    async def _take(self, member: TarMember) -> None:
        """Keep a file of the archive if it is the sound, or the subtitles."""
        head = await member.peek(media_types.HEAD_BYTES)
        if head.lstrip()[:1] in (b"[", b"{") and member.size <= LARGEST_SUBTITLES_BYTES:
            data = b"".join([chunk async for chunk in member.chunks()])
            found = await asyncio.to_thread(read_subtitles, data)
            self._subtitles = self._subtitles or found
        elif self._raw_type is not None or media_types.sniff_media_type(head) in SOUNDS:
            await self._save_sound(member.chunks())

    async def _save_sound(self, chunks: AsyncIterator[bytes]) -> None:
        if self._sound is None:
            self._sound = await self._runtime.results.save(
                chunks,
                stem=self._stem,
                types=media_types.SPOKEN_TYPES,
                folder=self._folder,
                raw_type=self._raw_type,
            )

    async def _save_subtitles(self) -> Path | None:
        if not self._subtitles:
            return None
        save = partial(delivery.save_text, self._runtime, stem=self._stem, folder=self._folder)
        saved, problem = await delivery.try_saving(
            save(self._subtitles, media_type="application/x-subrip")
        )
        if problem is not None:
            log.warning("The subtitles could not be saved: %s", problem)
        return saved.path if saved is not None else None
