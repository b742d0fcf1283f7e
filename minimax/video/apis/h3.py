"""MiniMax-H3 models: `/v2/video_generation`.

There is no file id: a finished task holds a link that expires. `file_id` is therefore a handle of
ours, made from the task id, and every link is requested again.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from minimax.api.client import MiniMaxClient
from minimax.api.json_body import JsonBody, drop_none, uri_length
from minimax.api.replies import BaseResp, StatusReply, VideoTask, job_status
from minimax.catalog import REGENERATED_MODEL, REGENERATED_TO, VideoMode, VideoModel
from minimax.errors import InputError, RefusedError, UnansweredError
from minimax.files.inputs import Input
from minimax.files.requirements import H3_AUDIO, H3_IMAGE, H3_VIDEO, MIB, MediaRequirements
from minimax.limits import (
    H3_FILES,
    H3_PROMPT_CHARACTERS,
    H3_REFERENCE_SECONDS,
    H3_REFERENCES,
)
from minimax.safe_text import quote
from minimax.validation import check_choice, check_length
from minimax.video.apis.base import Media, MediaSource, RemoteJob, VideoApi
from minimax.video.request import REFERENCES, VideoRequest

__all__ = ["ROLES", "TEXT_RATIOS", "H3Api"]

RATIOS: Final = ("adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
TEXT_RATIOS: Final = RATIOS[1:]
"""What a video from a prompt alone may have."""
DEFAULT_RATIO: Final = "16:9"
LARGEST_BODY_BYTES: Final = 60 * MIB
"""MiniMax takes 64 MB a request; the rest is left for how it counts."""
HANDLE: Final = "v2-"
SERVED: Final = re.compile(r"MiniMax-H\d", re.IGNORECASE)
FRAMED: Final = frozenset(
    {VideoMode.FIRST_FRAME, VideoMode.LAST_FRAME, VideoMode.FIRST_AND_LAST_FRAME}
)
ROLES: Final = {
    "first_frame": ("image_url", "first_frame"),
    "last_frame": ("image_url", "last_frame"),
    "references": ("image_url", "reference_image"),
    "reference_videos": ("video_url", "reference_video"),
    "reference_audios": ("audio_url", "reference_audio"),
}
"""Type and role of an item of `content`, by the field of the request."""
REQUIREMENTS: Final = {"reference_videos": H3_VIDEO, "reference_audios": H3_AUDIO}
CONTENT_TYPES: Final = ("image_url", "video_url", "audio_url")


class H3Api(VideoApi):
    """See `base.VideoApi`."""

    name = "v2"
    modes = frozenset(VideoMode) - {VideoMode.SUBJECT}

    def requirements(self, field: str) -> MediaRequirements:
        return REQUIREMENTS.get(field, H3_IMAGE)

    def serves(self, model: str) -> bool:
        """Whether this model is called through this API."""
        return SERVED.match(model) is not None

    def owns_file(self, file_id: str) -> bool:
        """Whether this `file_id` is a handle of ours."""
        return file_id.startswith(HANDLE)

    def task_of(self, file_id: str) -> str:
        """The task id that a handle was made from."""
        return file_id.removeprefix(HANDLE)

    def check(self, request: VideoRequest, mode: VideoMode, known: VideoModel | None) -> None:  # noqa: ARG002
        if request.prompt is None:
            raise InputError("prompt is required by MiniMax-H3 models, also beside images.")
        check_length("prompt", request.prompt, H3_PROMPT_CHARACTERS, taker="this model")
        for field in ("prompt_optimizer", "fast_pretreatment"):
            if getattr(request, field) is not None:
                raise InputError(f"{field} is for Hailuo models. Leave it out here.")
        _check_counts(request)
        _check_ratio(request.ratio, mode)

    def check_media(self, media: Media) -> None:
        for field in REQUIREMENTS:
            _check_total(media[field], field)

    def body(
        self,
        request: VideoRequest,
        *,
        model: str,
        known: VideoModel | None,  # noqa: ARG002
        size: tuple[str | None, int | None],
        media: Media,
    ) -> dict[str, Any]:
        resolution, duration = size
        plain = not any(media.values())
        fields = {
            "model": model,
            "content": [{"type": "text", "text": request.prompt}, *_content(media)],
            "resolution": resolution,
            "duration": duration,
            "ratio": request.ratio or (DEFAULT_RATIO if plain else None),
        }
        return drop_none(**fields)

    def to_upload(self, body: Mapping[str, Any]) -> list[Input]:
        """Videos that no data: URI is documented for, and the largest files until the rest fits."""
        files = [url for url in map(_url_of, body["content"]) if isinstance(url, Input)]
        found = [file for file in files if file.media_type == "video/quicktime"]
        left = JsonBody(body).length - sum(map(uri_length, found))
        for file in sorted((f for f in files if f not in found), key=lambda f: -f.size):
            if left <= LARGEST_BODY_BYTES:
                break
            found.append(file)
            left -= uri_length(file)
        return found

    def with_uploads(
        self, body: Mapping[str, Any], file_ids: Mapping[str, str]
    ) -> Mapping[str, Any]:
        return {**body, "content": [_with_upload(item, file_ids) for item in body["content"]]}

    async def submit(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        return await client.submit_video_v2(body)

    def regeneration_by_task(self, task_id: str) -> dict[str, Any]:
        """The body of a request for a finished job's video in 2K; for allow-listed accounts."""
        return {
            "model": REGENERATED_MODEL,
            "source_task_id": task_id,
            "resolution": REGENERATED_TO,
        }

    def regeneration_by_video(self, prompt: str, video: MediaSource) -> dict[str, Any]:
        """The same for a video that is sent along, which was made from a prompt alone."""
        base = {"type": "video_url", "video_url": {"url": video}, "role": "base_video"}
        return {
            "model": REGENERATED_MODEL,
            "content": [{"type": "text", "text": prompt}, base],
            "resolution": REGENERATED_TO,
        }

    async def regenerate(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        """Send a paid request for a video in 2K once; returns the task id."""
        return await client.regenerate_video(body)

    async def status(self, client: MiniMaxClient, task_id: str) -> StatusReply:
        return _as_status(await client.query_video_v2(task_id))

    async def link(self, client: MiniMaxClient, file_id: str) -> str:
        task_id = self.task_of(file_id)
        task = await client.query_video_v2(task_id)
        if task.content.url:
            return task.content.url
        if job_status(task.status) == "completed":
            raise UnansweredError("MiniMax names no link for this video yet. Call again.")
        raise RefusedError(
            f"The video of job {task_id} is not there: MiniMax says {quote(task.status)}. "
            "Follow it with query_video_generation.",
            task_id=task_id,
        )

    async def cancel(self, client: MiniMaxClient, task_id: str, reply: StatusReply) -> bool:
        """Only a job that was queued a moment ago: on a finished one it erases the paid video."""
        if reply.status.lower() != "queued":
            raise RefusedError(_not_cancelled_text(task_id, reply.job_status), task_id=task_id)
        return await client.delete_video_v2(task_id) == "cancelled"

    async def recent(self, client: MiniMaxClient) -> list[RemoteJob]:
        return [
            RemoteJob(
                task_id=task.id,
                model=task.model,
                created_at=task.created_at,
                duration=task.duration or None,
                resolution=task.resolution or None,
                task_type=task.task_type or None,
                reply=_as_status(task),
            )
            for task in await client.list_videos_v2()
        ]


def _check_ratio(ratio: str | None, mode: VideoMode) -> None:
    if ratio is None:
        return
    check_choice("ratio", ratio, RATIOS)
    if mode is VideoMode.TEXT and ratio == "adaptive":
        raise InputError(
            "ratio adaptive needs an image or a video to adapt to. Take one of: "
            f"{', '.join(TEXT_RATIOS)}."
        )
    if mode in FRAMED and ratio != "adaptive":
        raise InputError("ratio follows the frames that were given. Leave it out.")


def _check_counts(request: VideoRequest) -> None:
    counts = {field: len(getattr(request, field)) for field in REFERENCES}
    for field, count in counts.items():
        most, noun = H3_REFERENCES[field], REQUIREMENTS.get(field, H3_IMAGE).noun
        if count > most:
            raise InputError(f"{field} may hold {most} {noun}s at most; there are {count}.")
    if sum(counts.values()) > H3_FILES:
        raise InputError(
            f"{', '.join(REFERENCES)} may hold {H3_FILES} files together; there are "
            f"{sum(counts.values())}."
        )


def _check_total(clips: list[MediaSource], field: str) -> None:
    """Refuse clips that are too long together, as far as their lengths are known here."""
    seconds = sum(clip.seconds or 0.0 for clip in clips if isinstance(clip, Input))
    if seconds > H3_REFERENCE_SECONDS:
        raise InputError(
            f"{field}: the files are {seconds:.1f} seconds long together; MiniMax takes "
            f"{H3_REFERENCE_SECONDS} at most. Nothing was sent."
        )


def _content(media: Media) -> Iterator[dict[str, Any]]:
    for field, (kind, role) in ROLES.items():
        for source in media[field]:
            yield {"type": kind, kind: {"url": source}, "role": role}


def _url_of(item: Mapping[str, Any]) -> MediaSource | None:
    """Where an item of `content` has its file from; None for a text."""
    return next((item[kind]["url"] for kind in CONTENT_TYPES if kind in item), None)


def _with_upload(item: dict[str, Any], file_ids: Mapping[str, str]) -> dict[str, Any]:
    source = _url_of(item)
    file_id = file_ids.get(source.digest()) if isinstance(source, Input) else None
    if file_id is None:
        return item
    return {**item, item["type"]: {"url": f"mm_file://{file_id}"}}


def _as_status(task: VideoTask) -> StatusReply:
    """A v2 task in the words of the status call, its handle in place of a file id."""
    completed = job_status(task.status) == "completed"
    return StatusReply(
        status=task.status,
        file_id=f"{HANDLE}{task.id}" if completed else "",
        base_resp=BaseResp(status_code=task.error.code, status_msg=task.error.message),
    )


def _not_cancelled_text(task_id: str, status: str) -> str:
    if status == "processing":
        return (
            f"The job {task_id} is already running, and MiniMax cancels queued jobs only. It "
            "continues and is charged; fetch its video when it is finished."
        )
    return (
        f"The job {task_id} has ended, so there is nothing to cancel. Its record was left alone: "
        "deleting it would erase a paid video."
    )
