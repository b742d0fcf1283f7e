"""MiniMax's replies as models: lenient about types, strict about what is used."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from minimax.api.error_codes import MODERATION_CODES
from minimax.safe_text import clean_link, keep_one_line, plain
from minimax.tool_results import (
    JobStatus,
)
from minimax.validation import is_http_url, is_id

__all__ = ["StatusReply", "job_status"]


VOICE_ID_CHARACTERS: Final = 256
"""Platform documentation "voice clone"."""
LISTED_VOICES: Final = 10_000
"""Of one kind; accounts have some 300 of the system's, and as many clones as they made."""
LISTED_TASKS: Final = 1_000
"""Ten times the page that is asked for."""
TRANSCRIPT_CHARACTERS: Final = 20_000
"""Of the text, and of all parts together; 500 seconds, the longest recording, at 40 a second."""
TRANSCRIPT_PARTS: Final = 500
LABEL_CHARACTERS: Final = 40
"""Of a speaker; they come as S1, S2 and so on."""
LAST_MOMENT: Final = 253_402_300_799
"""The end of the year 9999 in Unix seconds; Python knows no later date."""


def _id_text(value: Any) -> str:
    """Ids come as text or as numbers, and as "", 0 or null where there is none yet.

    What no caller could give back as an id is none.
    """
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if text != "0" and is_id(text) else ""


def _voice_id_text(value: Any) -> str:
    """System voices have blanks and brackets in their ids, so only what is invisible is refused."""
    text = value if isinstance(value, str) else _id_text(value)
    usable = len(text) <= VOICE_ID_CHARACTERS and keep_one_line(text).strip() == text
    return text if usable else ""


def _number_or_zero(value: Any) -> int:
    """Numbers come as such, as texts, with a fraction, or as ""; none of it may spoil a reply."""
    try:
        return round(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def _number_or_none(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment_or_zero(value: Any) -> float:
    seconds = _number_or_zero(value)
    return seconds if 0 <= seconds <= LAST_MOMENT else 0


def _link_text(value: Any) -> str:
    """A link of the web, harmless to show; "" where it is none, or carries a sign-in."""
    link = clean_link(value) if isinstance(value, str) else ""
    try:
        host = urlsplit(link).netloc
    except ValueError:
        return ""
    return link if is_http_url(link) and host and "@" not in host else ""


def _sound_text(value: Any) -> Any:
    return _link_text(value) if isinstance(value, str) and is_http_url(value.lstrip()) else value


def _links(value: Any) -> Any:
    return [link for link in map(_link_text, value) if link] if isinstance(value, list) else value


def _words(value: Any) -> str:
    """What was heard, as one line; anybody may have chosen these words."""
    text = value if isinstance(value, str) else ""
    return " ".join(keep_one_line(text[:TRANSCRIPT_CHARACTERS]).split())


def _label(value: Any) -> str:
    text = str(value) if isinstance(value, int) else value
    return _words(text)[:LABEL_CHARACTERS]


def _words_or_none(value: Any) -> str | None:
    return _words(value) if isinstance(value, str) else None


def _parts(value: Any) -> list[Any]:
    """The parts of a transcript up to the bounds; what is no part is left out."""
    kept, characters = [], 0
    for part in value[:TRANSCRIPT_PARTS] if isinstance(value, list) else []:
        if not isinstance(part, dict):
            continue
        text = part.get("text")
        characters += len(text) if isinstance(text, str) else 0
        if characters > TRANSCRIPT_CHARACTERS:
            break
        kept.append(part)
    return kept


def _is_cut(parts: list[Any]) -> bool:
    return len(_parts(parts)) < sum(isinstance(part, dict) for part in parts)


def _seconds_or_none(value: Any) -> float | None:
    seconds = _number_or_none(value)
    return seconds if seconds is not None and 0 <= seconds <= LAST_MOMENT else None


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _object_or_empty(value: Any) -> Any:
    """What is only good to know may not spoil a reply."""
    return value if isinstance(value, dict) else {}


IdText = Annotated[str, BeforeValidator(_id_text)]
VoiceIdText = Annotated[str, BeforeValidator(_voice_id_text)]
Number = Annotated[int, BeforeValidator(_number_or_zero)]
NumberOrNone = Annotated[float | None, BeforeValidator(_number_or_none)]
Moment = Annotated[float, BeforeValidator(_moment_or_zero)]
"""Unix seconds."""
Seconds = Annotated[float | None, BeforeValidator(_seconds_or_none)]
"""Since the beginning of a recording."""
Words = Annotated[str, BeforeValidator(_words)]
Link = Annotated[str, BeforeValidator(_link_text)]
PlainText = Annotated[str, AfterValidator(plain)]
"""Words of MiniMax's that are shown."""


class Reply(BaseModel):
    """Base of all replies: unknown fields are ignored, so that new ones break nothing."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """A failed call has its payload fields present and empty."""
        if not isinstance(value, dict):
            return value
        return {name: content for name, content in value.items() if content is not None}

    @property
    def is_complete(self) -> bool:
        """Whether it holds what this endpoint answers with; without that it is no answer."""
        return True


class BaseResp(Reply):
    """The status that every v1 reply carries; 0 is success."""

    status_code: Number = 0
    status_msg: PlainText = ""


class ConfirmedReply(Reply):
    """A v1 reply whose only news may be that it succeeded; `base_resp` says so."""

    base_resp: Any = None

    @property
    def is_complete(self) -> bool:
        """Whether MiniMax gave its status, so that this is its reply and not some other success."""
        return self.base_resp is not None


class FileObject(Reply):
    """A file at MiniMax. `bytes` is 0 for generated videos, so it is not read."""

    file_id: IdText = ""
    download_url: Link = ""


class UploadReply(Reply):
    """Reply of files/upload."""

    file: FileObject = FileObject()

    @property
    def is_complete(self) -> bool:
        """Whether it names the file; such an id goes back as a number."""
        return self.file.file_id.isdecimal()


class FileReply(Reply):
    """Reply of files/retrieve."""

    file: FileObject = FileObject()

    @property
    def is_complete(self) -> bool:
        """Whether it holds a link."""
        return bool(self.file.download_url)


class CloneReply(ConfirmedReply):
    """Reply of voice_clone; it does not repeat the voice_id."""

    demo_audio: Link = ""


class SubmitReply(Reply):
    """Reply of video_generation and t2a_async_v2."""

    task_id: IdText = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names the job."""
        return bool(self.task_id)


class StatusReply(Reply):
    """How a v1 job stands: the status word and `base_resp` are both statuses."""

    status: PlainText = ""
    file_id: IdText = ""
    video_width: Number = 0
    video_height: Number = 0
    base_resp: BaseResp = BaseResp()

    @property
    def is_complete(self) -> bool:
        """Whether it says how the job stands, by a word or by a moderation code."""
        return bool(self.status) or self.is_blocked

    @property
    def is_blocked(self) -> bool:
        """Whether the content check ended the job; the word beside its code does not matter."""
        return self.base_resp.status_code in MODERATION_CODES

    @property
    def job_status(self) -> JobStatus:
        """The status in our words."""
        return "failed" if self.is_blocked else job_status(self.status)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.job_status in ("completed", "failed")

    @property
    def word(self) -> str:
        """MiniMax's own word for the status, fit to be shown."""
        return self.status


class TaskError(Reply):
    """Why a v2 job failed; the code comes as a text."""

    code: Number = 0
    message: PlainText = ""


class TaskContent(Reply):
    """What a finished v2 job holds."""

    url: Link = ""


class TaskUsage(Reply):
    """What a finished v2 job is billed for, beside its own seconds."""

    input_seconds: Number = 0
    input_image_count: Number = 0


class VideoTask(Reply):
    """One v2 job; `task_type` is generation, regeneration or h3_context_ir."""

    id: IdText = ""
    model: PlainText = ""
    status: PlainText = ""
    created_at: Moment = 0
    duration: Number = 0
    resolution: PlainText = ""
    task_type: PlainText = ""
    usage: Annotated[TaskUsage, BeforeValidator(_object_or_empty)] = TaskUsage()
    content: TaskContent = TaskContent()
    error: TaskError = TaskError()


class TaskReply(Reply):
    """Reply of the v2 query."""

    task: VideoTask = VideoTask()

    @property
    def is_complete(self) -> bool:
        """Whether it says how the job stands."""
        return bool(self.task.status)


class CancelReply(Reply):
    """Reply of the v2 delete: it cancels a queued job, and erases the record of an ended one."""

    action: str = ""
    status: str = ""

    @property
    def done(self) -> str:
        """What was done: `cancelled` or `deleted`."""
        return self.action or self.status

    @property
    def is_complete(self) -> bool:
        """Whether it says what was done."""
        return bool(self.done)


class TasksReply(Reply):
    """Reply of the v2 list."""

    items: Annotated[
        list[VideoTask],
        Field(max_length=LISTED_TASKS),
        AfterValidator(lambda tasks: [task for task in tasks if task.id]),
    ] = []


class SpeechData(Reply):
    """`audio` is hex, or a link where one was asked for."""

    audio: Annotated[str, BeforeValidator(_sound_text)] = ""
    subtitle_file: Link = ""


class SpeechFacts(Reply):
    """What was made; the characters are what is billed."""

    audio_length: Number = 0
    usage_characters: Number = 0


class SpeechReply(Reply):
    """Reply of t2a_v2."""

    data: SpeechData = SpeechData()
    extra_info: SpeechFacts = SpeechFacts()

    @property
    def is_complete(self) -> bool:
        """Whether it holds audio, as hex or as a link."""
        return bool(self.data.audio)


class DesignReply(Reply):
    """Reply of voice_design; `trial_audio` is hex."""

    voice_id: VoiceIdText = ""
    trial_audio: Annotated[str, BeforeValidator(_sound_text)] = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names the voice."""
        return bool(self.voice_id)


class TranscribedPart(Reply):
    """A sentence or so of a transcript, and when it was said, in seconds."""

    start: Seconds = None
    end: Seconds = None
    speaker: Annotated[str, BeforeValidator(_label)] = ""
    text: Words = ""


class TranscriptReply(Reply):
    """Reply of speech_to_text; a silent recording has an empty text.

    Attributes:
        is_cut: There was more than is kept.
    """

    text: Annotated[str | None, BeforeValidator(_words_or_none)] = None
    duration: Seconds = None
    segments: Annotated[list[TranscribedPart], BeforeValidator(_parts)] = []
    is_cut: bool = False

    @model_validator(mode="before")
    @classmethod
    def _note_cut(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        text, parts = value.get("text"), value.get("segments")
        is_cut = value.get("is_cut") is True
        is_cut |= isinstance(text, str) and len(text) > TRANSCRIPT_CHARACTERS
        is_cut |= isinstance(parts, list) and _is_cut(parts)
        return {**value, "is_cut": is_cut}

    @property
    def is_complete(self) -> bool:
        """Whether it says what was heard, or that nothing was."""
        return self.text is not None or bool(self.segments)


class ImageData(Reply):
    """Links to the images that were made."""

    image_urls: Annotated[list[str], BeforeValidator(_links)] = []


class ImageFacts(Reply):
    """How many images were blocked; it comes as a number or as a text."""

    failed_count: Number = 0


class ImageReply(Reply):
    """Reply of image_generation.

    Attributes:
        ignored_links: How many links came beyond those that were asked for.
    """

    id: IdText = ""
    data: ImageData = ImageData()
    metadata: ImageFacts = ImageFacts()
    ignored_links: int = 0

    def keep_links(self, most: int) -> "ImageReply":
        """The same reply with the first links only."""
        links = self.data.image_urls
        kept = ImageData(image_urls=links[:most])
        return self.model_copy(update={"data": kept, "ignored_links": max(0, len(links) - most)})

    @property
    def is_complete(self) -> bool:
        """Whether it holds images, or says that they were blocked."""
        return bool(self.data.image_urls) or self.metadata.failed_count > 0


class Voice(Reply):
    """One voice; clones and designs have no name."""

    voice_id: VoiceIdText = ""
    voice_name: str = ""
    description: Annotated[list[str], BeforeValidator(_texts)] = []


Voices = Annotated[
    list[Voice],
    Field(max_length=LISTED_VOICES),
    AfterValidator(lambda voices: [voice for voice in voices if voice.voice_id]),
]


class VoicesReply(ConfirmedReply):
    """Reply of get_voice; groups without voices may be missing."""

    system_voice: Voices = []
    voice_cloning: Voices = []
    voice_generation: Voices = []


class PlanQuota(Reply):
    """One row of a plan's quota; what is not told is None.

    Up to May 2026 a row counts calls of one model. MiniMax calls the field of what *remains*
    `usage_count` (MiniMax-AI/MiniMax-M2 #99). Since June 2026 the rows are `general` and `video`,
    the counts are 0 and a percentage tells what remains.
    """

    model_name: PlainText = ""
    end_time: Number = 0
    current_interval_total_count: Number = 0
    current_interval_usage_count: Number = 0
    current_interval_remaining_percent: NumberOrNone = None
    weekly_end_time: Number = 0
    current_weekly_total_count: Number = 0
    current_weekly_usage_count: Number = 0
    current_weekly_remaining_percent: NumberOrNone = None


class QuotaReply(ConfirmedReply):
    """Reply of token_plan/remains."""

    model_remains: list[PlanQuota] = []


_STATUS_WORDS: Final[Mapping[str, JobStatus]] = MappingProxyType(
    {
        "preparing": "queued",
        "queueing": "queued",
        "queued": "queued",
        "processing": "processing",
        "running": "processing",
        "success": "completed",
        "succeeded": "completed",
        "fail": "failed",
        "failed": "failed",
        "expired": "failed",
        "cancelled": "failed",
    }
)


def job_status(word: str) -> JobStatus:
    """Our word for MiniMax's; one that is not known counts as still under way."""
    return _STATUS_WORDS.get(word.lower(), "processing")
