"""Hailuo and 01-series models: `/v1/video_generation`."""

from collections.abc import Mapping
from typing import Any

from minimax.api.client import MiniMaxClient
from minimax.api.json_body import drop_none
from minimax.api.replies import StatusReply
from minimax.catalog import VIDEO_MODELS, VideoMode, VideoModel
from minimax.errors import InputError, RefusedError
from minimax.files.requirements import FRAME, MediaRequirements
from minimax.limits import HAILUO_PROMPT_CHARACTERS
from minimax.validation import check_length
from minimax.video.apis.base import Media, VideoApi
from minimax.video.request import VideoRequest

__all__ = ["HailuoApi"]


class HailuoApi(VideoApi):
    """See `base.VideoApi`."""

    name = "v1"
    modes = frozenset(VideoMode) - {VideoMode.REFERENCES}

    def requirements(self, field: str) -> MediaRequirements:  # noqa: ARG002
        return FRAME

    def check(self, request: VideoRequest, mode: VideoMode, known: VideoModel | None) -> None:
        check_length("prompt", request.prompt, HAILUO_PROMPT_CHARACTERS, taker="this model")
        if request.ratio is not None:
            raise InputError("ratio is for MiniMax-H3 models; here the first frame decides.")
        if mode is VideoMode.LAST_FRAME:
            raise InputError(
                "last_frame needs a first_frame too; without one it is for model=MiniMax-H3 only."
            )
        _check_fast_pretreatment(request, known)

    def body(
        self,
        request: VideoRequest,
        *,
        model: str,
        known: VideoModel | None,
        size: tuple[str | None, int | None],
        media: Media,
    ) -> dict[str, Any]:
        resolution, duration = size if known is None or known.sends_size else (None, None)
        subject = media["subject_image"]
        fields = {
            "model": model,
            "prompt": request.prompt,
            "prompt_optimizer": request.prompt_optimizer,
            "fast_pretreatment": request.fast_pretreatment,
            "duration": duration,
            "resolution": resolution,
            "first_frame_image": next(iter(media["first_frame"]), None),
            "last_frame_image": next(iter(media["last_frame"]), None),
            "subject_reference": [{"type": "character", "image": subject}] if subject else None,
        }
        return drop_none(**fields)

    async def submit(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        return await client.submit_video(body)

    async def status(self, client: MiniMaxClient, task_id: str) -> StatusReply:
        return await client.call_video_generation_status(task_id)

    async def link(self, client: MiniMaxClient, file_id: str) -> str:
        return await client.retrieve_file(file_id)

    async def cancel(
        self,
        client: MiniMaxClient,  # noqa: ARG002
        task_id: str,
        reply: StatusReply,  # noqa: ARG002
    ) -> bool:
        raise RefusedError(
            f"The job {task_id} cannot be cancelled: MiniMax has no way to cancel Hailuo and "
            "01-series jobs. It continues and is charged; its video can be fetched when it is "
            "finished.",
            task_id=task_id,
        )


def _check_fast_pretreatment(request: VideoRequest, known: VideoModel | None) -> None:
    if request.fast_pretreatment is None or known is None or known.takes_fast_pretreatment:
        return
    takers = ", ".join(m.name for m in VIDEO_MODELS.values() if m.takes_fast_pretreatment)
    raise InputError(f"fast_pretreatment is for {takers} only. Leave it out for {known.name}.")
