"""Hailuo and 01-series models: `/v1/video_generation`."""

from collections.abc import Mapping
from typing import Any, Final

from minimax.api.client import MiniMaxClient
from minimax.api.json_body import given
from minimax.api.replies import StatusReply
from minimax.catalog import VIDEO_MODELS, VideoMode, VideoModel
from minimax.errors import InputError, RefusedError
from minimax.files.inputs import Input
from minimax.files.requirements import FRAME
from minimax.validation import check_length
from minimax.video.apis.base import ImageSource, RemoteJob
from minimax.video.request import VideoRequest

__all__ = ["HailuoApi"]

LONGEST_PROMPT: Final = 2000
"""Characters (platform documentation "video generation")."""


class HailuoApi:
    """See `face.Generation`."""

    name = "v1"
    modes = frozenset(VideoMode) - {VideoMode.REFERENCES}
    picture_rules = FRAME

    def serves(self, model: str) -> bool:  # noqa: ARG002
        return True

    def owns_file(self, file_id: str) -> bool:  # noqa: ARG002
        return True

    def check(self, wish: VideoRequest, mode: VideoMode, known: VideoModel | None) -> None:
        check_length("prompt", wish.prompt, LONGEST_PROMPT, taker="this model")
        if wish.ratio is not None:
            raise InputError("ratio is for MiniMax-H3 models; here the first frame decides.")
        if mode is VideoMode.LAST_FRAME:
            raise InputError(
                "last_frame needs a first_frame with it; alone it is for model=MiniMax-H3."
            )
        _check_fast_pretreatment(wish, known)

    def body(
        self,
        wish: VideoRequest,
        *,
        model: str,
        known: VideoModel | None,
        size: tuple[str | None, int | None],
        pictures: Mapping[str, list[ImageSource]],
    ) -> dict[str, Any]:
        resolution, duration = size if known is None or known.sends_size else (None, None)
        subject = pictures["subject_image"]
        fields = {
            "model": model,
            "prompt": wish.prompt,
            "prompt_optimizer": wish.prompt_optimizer,
            "fast_pretreatment": wish.fast_pretreatment,
            "duration": duration,
            "resolution": resolution,
            "first_frame_image": next(iter(pictures["first_frame"]), None),
            "last_frame_image": next(iter(pictures["last_frame"]), None),
            "subject_reference": [{"type": "character", "image": subject}] if subject else None,
        }
        return given(**fields)

    def to_upload(self, body: Mapping[str, Any]) -> list[Input]:  # noqa: ARG002
        return []

    def with_uploads(
        self,
        body: Mapping[str, Any],
        file_ids: Mapping[str, str],  # noqa: ARG002
    ) -> Mapping[str, Any]:
        return body

    async def submit(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        return await client.submit_video(body)

    async def status(self, client: MiniMaxClient, task_id: str) -> StatusReply:
        return await client.call_video_generation_status(task_id)

    async def link(self, client: MiniMaxClient, file_id: str) -> str:
        return await client.retrieve_file(file_id)

    async def cancel(self, client: MiniMaxClient, task_id: str) -> bool:  # noqa: ARG002
        raise RefusedError(
            f"The job {task_id} cannot be cancelled: MiniMax has no way to cancel Hailuo and "
            "01-series jobs. It goes on and is charged; its video can be fetched when it is "
            "finished.",
            task_id=task_id,
        )

    async def recent(self, client: MiniMaxClient) -> list[RemoteJob]:  # noqa: ARG002
        return []


def _check_fast_pretreatment(wish: VideoRequest, known: VideoModel | None) -> None:
    if wish.fast_pretreatment is None or known is None or known.takes_fast_pretreatment:
        return
    takers = ", ".join(m.name for m in VIDEO_MODELS.values() if m.takes_fast_pretreatment)
    raise InputError(f"fast_pretreatment is for {takers} only. Leave it out for {known.name}.")
