"""POST /v1/speech_to_text: the request is validated as MiniMax documents it; the words are made up.

MiniMax API: platform documentation "speech to text" and its OpenAPI file. Errors are sent as v2
sends them, with an HTTP status, and success carries no `base_resp`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, BinaryIO, Final

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.billing import Bill
from minimax.sandbox.checks.audio import measure_audio
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.units import MB

MODEL: Final = "asr-1.0"
MAX_BYTES: Final = 50 * MB
MAX_SECONDS: Final = 500
USD_PER_SECOND: Final = 0.38 / 3600
FORMATS: Final = ("json", "verbose_json", "srt", "vtt")
LEVELS: Final = ("sentence", "word")
SILENCE_MARK: Final = "silence"
"""In a recording with this in its file name nobody speaks."""
_TOO_LARGE: Final = 413


@dataclass(frozen=True)
class Upload:
    """One uploaded recording."""

    source: BinaryIO
    name: str
    size: int


class SpeechToText:
    """The speech_to_text endpoint; every transcript has its number in it."""

    def __init__(self, *, bill: Bill) -> None:
        self._bill = bill
        self._numbers = count(1)

    def transcribe(
        self, upload: Upload, fields: Mapping[str, str], *, trace_id: str
    ) -> dict[str, Any] | str:
        """Return the JSON of a transcript, or subtitles."""
        params = Params(fields)
        response_format, level = _read_fields(params)
        seconds = _measure(upload)
        self._bill.charge("transcript", seconds * USD_PER_SECOND, item_id=trace_id)
        sentences = [] if SILENCE_MARK in upload.name.lower() else self._make_sentences(seconds)
        facts = {"duration": round(seconds, 3), "trace_id": trace_id}
        plain = {"text": " ".join(sentences), **facts}
        if response_format == "json":
            return plain
        parts = sentences if level == "sentence" else " ".join(sentences).split()
        segments = _make_segments(parts, seconds)
        if response_format == "verbose_json":
            return {**plain, "n_speakers": 1 if segments else 0, "segments": segments}
        return _write_subtitles(segments, response_format)

    def _make_sentences(self, seconds: float) -> list[str]:
        return [
            f"This is transcript {next(self._numbers)} of the sandbox.",
            f"It knows that the recording lasts {seconds:.1f} seconds, and not what it says.",
        ]


def _read_fields(params: Params) -> tuple[str, str]:
    params.read_choice("model", [MODEL], required=True)
    response_format = params.read_choice("response_format", FORMATS, default="json")
    level = params.read_choice("timestamp_level", LEVELS, default="sentence")
    if params.read_choice("stream", ("true", "false"), default="false") == "true":
        raise invalid_params("the sandbox does not stream transcripts")
    return response_format, level


def _measure(upload: Upload) -> float:
    """Check a recording and return its length; of raw AAC (.aac) the sandbox cannot tell it."""
    if upload.size > MAX_BYTES:
        raise invalid_params(f"file is larger than {MAX_BYTES} bytes", status=_TOO_LARGE)
    seconds = measure_audio(upload.source)
    if seconds is None:
        raise invalid_params("file is not audio that can be decoded")
    if seconds > MAX_SECONDS:
        raise invalid_params(f"audio is longer than {MAX_SECONDS} seconds")
    return seconds


def _make_segments(parts: list[str], seconds: float) -> list[dict[str, Any]]:
    """Spread the parts evenly over the recording."""
    edges = [round(seconds * number / (len(parts) or 1), 3) for number in range(len(parts) + 1)]
    return [
        {"id": number, "start": start, "end": end, "speaker": "S1", "text": part}
        for number, (part, (start, end)) in enumerate(zip(parts, pairwise(edges), strict=True))
    ]


def _write_subtitles(segments: list[dict[str, Any]], response_format: str) -> str:
    comma = "," if response_format == "srt" else "."
    entries = [
        f"{part['id'] + 1}\n{_write_time(part['start'], comma)} --> "
        f"{_write_time(part['end'], comma)}\n{part['text']}\n"
        for part in segments
    ]
    return "\n".join(entries if response_format == "srt" else ["WEBVTT\n", *entries])


def _write_time(seconds: float, comma: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, left = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{left:02d}{comma}{milliseconds:03d}"
