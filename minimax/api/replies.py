"""MiniMax's replies as models: lenient about types, strict about what is used."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from minimax.api.error_codes import MODERATION_CODES
from minimax.safe_text import plain
from minimax.tool_results import (
    JobStatus,
)

__all__ = ["StatusReply", "job_status"]


def _id_text(value: Any) -> str:
    """Ids come as text or as numbers, and as "", 0 or null where there is none yet."""
    return "" if value in (0, "0") else str(value)


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


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


IdText = Annotated[str, BeforeValidator(_id_text)]
Number = Annotated[int, BeforeValidator(_number_or_zero)]
NumberOrNone = Annotated[float | None, BeforeValidator(_number_or_none)]


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
    status_msg: str = ""


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
    download_url: str = ""


class UploadReply(Reply):
    """Reply of files/upload."""

    file: FileObject = FileObject()

    @property
    def is_complete(self) -> bool:
        """Whether it names the file."""
        return bool(self.file.file_id)


class FileReply(Reply):
    """Reply of files/retrieve."""

    file: FileObject = FileObject()

    @property
    def is_complete(self) -> bool:
        """Whether it holds a link."""
        return bool(self.file.download_url)


class CloneReply(ConfirmedReply):
    """Reply of voice_clone; it does not repeat the voice_id."""

    demo_audio: str = ""


class SubmitReply(Reply):
    """Reply of video_generation."""

    task_id: IdText = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names the job."""
        return bool(self.task_id)


class StatusReply(Reply):
    """Reply of query/video_generation: the status word and `base_resp` are both statuses."""

    status: str = ""
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
        return plain(self.status)


class TaskError(Reply):
    """Why a v2 job failed; the code comes as a text."""

    code: Number = 0
    message: str = ""


class TaskContent(Reply):
    """What a finished v2 job holds."""

    url: str = ""


class VideoTask(Reply):
    """One v2 job."""

    id: IdText = ""
    model: str = ""
    status: str = ""
    created_at: float = 0
    duration: Number = 0
    resolution: str = ""
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

    items: list[VideoTask] = []


class SpeechData(Reply):
    """`audio` is hex, or a link where one was asked for."""

    audio: str = ""
    subtitle_file: str = ""


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

    voice_id: IdText = ""
    trial_audio: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it names the voice."""
        return bool(self.voice_id)


class ImageData(Reply):
    """Links to the images that were made."""

    image_urls: list[str] = []


class ImageFacts(Reply):
    """How many images were blocked; it comes as a number or as a text."""

    failed_count: Number = 0


class ImageReply(Reply):
    """Reply of image_generation."""

    id: IdText = ""
    data: ImageData = ImageData()
    metadata: ImageFacts = ImageFacts()

    @property
    def is_complete(self) -> bool:
        """Whether it holds images, or says that they were blocked."""
        return bool(self.data.image_urls) or self.metadata.failed_count > 0


class Voice(Reply):
    """One voice; clones and designs have no name."""

    voice_id: IdText = ""
    voice_name: str = ""
    description: Annotated[list[str], BeforeValidator(_texts)] = []


class VoicesReply(ConfirmedReply):
    """Reply of get_voice; groups without voices may be missing."""

    system_voice: list[Voice] = []
    voice_cloning: list[Voice] = []
    voice_generation: list[Voice] = []


class PlanQuota(Reply):
    """One row of a plan's quota; what is not told is None.

    Up to May 2026 a row counts calls of one model. MiniMax calls the field of what *remains*
    `usage_count` (MiniMax-AI/MiniMax-M2 #99). Since June 2026 the rows are `general` and `video`,
    the counts are 0 and a percentage tells what remains.
    """

    model_name: str = ""
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
