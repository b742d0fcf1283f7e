"""What each tool returns: one TypedDict per tool, with every key always present."""

from typing import Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

__all__ = [
    "AccountStatus",
    "CancelledJob",
    "ClonedVoice",
    "DeletedVoice",
    "DesignedVoice",
    "JobStatus",
    "ListedTask",
    "LongAudioStatus",
    "PlanQuotaRow",
    "SubmittedSpeech",
    "SubmittedVideo",
    "TaskList",
    "VideoFile",
    "VideoStatus",
]


REUSED: Final = "True: bought by an earlier call whose answer was lost."

JobStatus = Literal["queued", "processing", "completed", "failed"]


class ClonedVoice(TypedDict):
    """Result of voice_clone."""

    voice_id: Annotated[str, Field(description="Give this to text_to_audio to speak.")]
    status: Annotated[
        Literal["cloned", "uploading"], Field(description="uploading: call again to join it.")
    ]
    file_id: Annotated[
        str | None, Field(description="The recording at MiniMax, unless it was deleted.")
    ]
    demo_audio_url: Annotated[str | None, Field(description="Link to the preview, if asked for.")]
    demo_audio_path: Annotated[str | None, Field(description="The preview saved here.")]
    next_step: str


class SubmittedVideo(TypedDict):
    """Result of generate_video and upscale_video."""

    task_id: Annotated[str | None, Field(description="Give this to query_video_generation.")]
    status: Literal["queued"] | None
    model: str
    duration: Annotated[int | None, Field(description="Seconds; None: the model decides.")]
    resolution: str | None
    reused: Annotated[bool, Field(description="True: an earlier, already paid job was returned.")]
    estimated_cost_usd: Annotated[float | None, Field(description="List price, if known.")]
    poll_after_seconds: int | None
    next_step: str


class VideoStatus(TypedDict):
    """Result of query_video_generation."""

    task_id: str
    status: JobStatus
    provider_status: Annotated[str, Field(description="MiniMax's own status word.")]
    file_id: Annotated[str | None, Field(description="Give this to retrieve_video_file.")]
    path: Annotated[str | None, Field(description="Where the video was saved.")]
    video_width: int | None
    video_height: int | None
    error: Annotated[str | None, Field(description="Why the job failed, if it did.")]
    error_code: int | None
    elapsed_seconds: Annotated[int | None, Field(description="How long this call waited.")]
    poll_after_seconds: Annotated[int | None, Field(description="Ask again after this long.")]
    next_step: str


class VideoFile(TypedDict):
    """Result of retrieve_video_file."""

    file_id: str
    status: Annotated[
        Literal["saved", "downloading", "link"],
        Field(description="downloading: call again to join it."),
    ]
    video_url: Annotated[str | None, Field(description="Works for about an hour, without a key.")]
    path: Annotated[str | None, Field(description="The video on this computer.")]
    bytes: int | None
    media_type: str | None
    next_step: str


class CancelledJob(TypedDict):
    """Result of cancel_video_generation."""

    task_id: str
    status: Literal["cancelled"]
    charged: bool
    next_step: str


class ListedTask(TypedDict):
    """One paid job of list_video_tasks."""

    kind: Annotated[str, Field(description="video or long_speech.")]
    task_id: str | None
    status: Literal["queued", "processing", "completed", "failed", "submitting", "unknown"]
    model: str
    prompt: Annotated[str | None, Field(description="Its beginning, up to 200 characters.")]
    created_at: Annotated[str, Field(description="ISO 8601, UTC.")]
    file_id: str | None
    path: Annotated[str | None, Field(description="Where its result was saved, if it was.")]
    answered: Annotated[bool, Field(description="False: its task_id never reached a caller.")]
    next_step: str


class TaskList(TypedDict):
    """Result of list_video_tasks."""

    tasks: Annotated[list[ListedTask], Field(description="Newest first.")]
    next_step: str


class Speech(TypedDict):
    """Result of text_to_audio."""

    path: Annotated[str | None, Field(description="The speech on this computer.")]
    audio_url: Annotated[str | None, Field(description="Works for about a day, without a key.")]
    voice_id: Annotated[str | None, Field(description="None for a mix.")]
    duration_ms: int | None
    characters: Annotated[int | None, Field(description="Billed characters.")]
    subtitle_path: str | None
    reused: Annotated[bool, Field(description=REUSED)]
    next_step: str


class SubmittedSpeech(TypedDict):
    """Result of long_text_to_audio."""

    task_id: str | None
    status: Literal["queued"] | None
    characters: Annotated[int, Field(description="Billed characters.")]
    reused: Annotated[bool, Field(description=REUSED)]
    estimated_cost_usd: float | None
    next_step: str


class LongAudioStatus(TypedDict):
    """Result of query_long_audio."""

    task_id: str
    status: JobStatus
    path: str | None
    subtitle_path: str | None
    audio_url: str | None
    error: str | None
    error_code: int | None
    next_step: str


class ListedVoice(TypedDict):
    """One voice of list_voices."""

    voice_id: str
    name: str | None
    description: str | None


class VoiceList(TypedDict):
    """Result of list_voices."""

    system: list[ListedVoice]
    cloned: list[ListedVoice]
    designed: list[ListedVoice]
    total: Annotated[int, Field(description="How many match; the lists may be shorter.")]
    next_step: str


class PlanQuotaRow(TypedDict):
    """One row of a subscription plan's quota."""

    name: Annotated[str, Field(description="general, video, or a model.")]
    remaining_percent: float | None
    resets_at: str | None
    weekly_remaining_percent: float | None
    weekly_resets_at: str | None


class AccountStatus(TypedDict):
    """Result of account_status."""

    host: Annotated[str, Field(description="The API host in use.")]
    region: str
    key_kind: str
    spent_24_hours_usd: Annotated[
        dict[str, float],
        Field(description="List prices by tool; upscale_video counts as generate_video."),
    ]
    spent_7_days_usd: dict[str, float]
    spent_30_days_usd: dict[str, float]
    spent_by_day_usd: Annotated[
        list[float], Field(description="Seven times 24 hours, newest first.")
    ]
    daily_limit_usd: Annotated[float | None, Field(description="null: no limit is set.")]
    left_of_limit_usd: float | None
    ask_above_usd: Annotated[float | None, Field(description="null: never asked.")]
    open_jobs: Annotated[int, Field(description="Jobs that are not known to have ended.")]
    plan_quota: list[PlanQuotaRow]
    next_step: str


class DesignedVoice(TypedDict):
    """Result of voice_design."""

    voice_id: Annotated[str, Field(description="Give this to text_to_audio to speak.")]
    preview_path: str | None
    reused: Annotated[bool, Field(description=REUSED)]
    next_step: str


class DeletedVoice(TypedDict):
    """Result of delete_voice."""

    voice_id: str
    deleted: bool


class TranscribedPart(TypedDict):
    """A sentence or so, and when it is said."""

    start_ms: int | None
    end_ms: int | None
    speaker: Annotated[str | None, Field(description="S1, S2 and so on.")]
    text: str


class Transcript(TypedDict):
    """Result of transcribe_audio."""

    text: Annotated[str, Field(description="Everything that is said; empty if nothing was heard.")]
    segments: list[TranscribedPart]
    duration_ms: int | None
    reused: Annotated[bool, Field(description=REUSED)]
    next_step: str


class GeneratedImages(TypedDict):
    """Result of text_to_image."""

    paths: Annotated[list[str], Field(description="Images on this computer.")]
    image_urls: Annotated[list[str], Field(description="Work for about a day, without a key.")]
    blocked: Annotated[int, Field(description="Images that the content check held back.")]
    reused: Annotated[bool, Field(description=REUSED)]
    next_step: str
