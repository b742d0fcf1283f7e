"""Subtitles of a speech: MiniMax's items become a SubRip (.srt) file."""

import logging
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from minimax import delivery
from minimax.api import policies, retry
from minimax.api.answers import parse_json
from minimax.api.replies import SpeechReply
from minimax.files.outputs import SavedFile
from minimax.runtime import Runtime
from minimax.safe_text import keep_one_line

__all__ = ["read_subtitles", "save_subtitles", "srt_text"]

LARGEST_SUBTITLES_BYTES: Final = 5 * 1024 * 1024

MOST_VALUES: Final = 1_000_000
"""Of the subtitles of a million characters: some 30,000 sentences with a dozen values each."""

log = logging.getLogger(__name__)


async def save_subtitles(
    runtime: Runtime, reply: SpeechReply, stem: str, folder: Path
) -> SavedFile | None:
    """Save the subtitles that a speech links to; None where there are none or that fails."""
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


def read_subtitles(data: bytes) -> str | None:
    """SubRip text of MiniMax's subtitles as they come in a file; None where it is something else.

    What is wrong with them must not hide a speech that is paid for.
    """
    try:
        items = parse_json(data, most_values=MOST_VALUES, most_wide_bytes=len(data))
        return srt_text(items) if isinstance(items, list) else None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.warning("The subtitles could not be read (%s).", type(error).__name__)
        return None


class _Cue(NamedTuple):
    """What is shown together, and when, in milliseconds."""

    text: str
    begin: float
    end: float


def srt_text(items: list[dict[str, Any]]) -> str:
    """SubRip text of MiniMax's subtitle items (`text`, `time_begin`, `time_end` in ms).

    An item that knows when its words are spoken becomes a subtitle for each word.
    """
    cues = [cue for item in items for cue in _cues(item)]
    blocks = [
        f"{number}\n{_time(cue.begin)} --> {_time(cue.end)}\n"
        f"{' '.join(keep_one_line(cue.text).split())}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def _cues(item: Mapping[str, Any]) -> Iterator[_Cue]:
    words = item.get("timestamped_words")
    if not words:
        yield _Cue(str(item["text"]), item["time_begin"], item["time_end"])
        return
    # A number or a name comes once for each of its syllables, under the same place in the text.
    for (text, _), parts in groupby(words, lambda part: (part["word"], part.get("word_begin"))):
        first, *others = parts
        last = others[-1] if others else first
        yield _Cue(str(text), first["time_begin"], last["time_end"])


def _time(milliseconds: float) -> str:
    seconds, rest = divmod(round(milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{rest:03}"
