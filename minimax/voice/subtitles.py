"""Subtitles of a speech: MiniMax's items become a SubRip (.srt) file."""

import logging
from pathlib import Path
from typing import Any, Final

from minimax import delivery
from minimax.api import policies, retry
from minimax.api.answers import parse_json
from minimax.api.replies import SpeechReply
from minimax.files.outputs import SavedFile
from minimax.runtime import Runtime
from minimax.safe_text import keep_one_line

__all__ = []

LARGEST_SUBTITLES_BYTES: Final = 5 * 1024 * 1024

log = logging.getLogger(__name__)


async def save_subtitles(
    runtime: Runtime, reply: SpeechReply, stem: str, folder: Path
) -> SavedFile | None:
    url = reply.data.subtitle_file
    if not url or runtime.settings.resource_mode == "url":
        return None
    try:
        return await delivery.save_text(
            await _srt(runtime, url), stem=stem, folder=folder, media_type="application/x-subrip"
        )
    except Exception as error:  # noqa: BLE001 - the speech is paid for; subtitles are an extra
        log.warning("The subtitles could not be saved (%s).", type(error).__name__)
        return None


async def _srt(runtime: Runtime, url: str) -> str:
    client = await runtime.client()

    async def download() -> bytes:
        data = bytearray()
        async with client.download(url) as stream:
            async for chunk in stream.chunks:
                data += chunk
                if len(data) > LARGEST_SUBTITLES_BYTES:
                    raise ValueError("too long for subtitles")
        return bytes(data)

    return srt_text(parse_json(await retry.run(policies.DOWNLOAD, download, clock=runtime.clock)))


def srt_text(items: list[dict[str, Any]]) -> str:
    """SubRip text of MiniMax's subtitle items (`text`, `time_begin`, `time_end` in ms)."""
    blocks = [
        f"{number}\n{_time(item['time_begin'])} --> {_time(item['time_end'])}\n"
        f"{' '.join(keep_one_line(str(item['text'])).split())}\n"
        for number, item in enumerate(items, 1)
    ]
    return "\n".join(blocks)


def _time(milliseconds: float) -> str:
    seconds, rest = divmod(round(milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{rest:03}"
