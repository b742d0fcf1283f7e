"""What each of MiniMax's video APIs can do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.api.client import MiniMaxClient
from minimax.api.replies import StatusReply
from minimax.catalog import VideoMode, VideoModel
from minimax.files.inputs import Input
from minimax.files.requirements import MediaRequirements
from minimax.video.request import VideoRequest

__all__ = [
    "GENERATION",
    "INPUT_PURPOSE",
    "REGENERATION",
    "Media",
    "MediaSource",
    "RemoteJob",
    "VideoApi",
]

GENERATION: Final = "generation"
REGENERATION: Final = "regeneration"
"""What MiniMax's list calls a video that is made from a prompt, and one that is made in 2K from
another one (`task_type`)."""
INPUT_PURPOSE: Final = "video_generation_input"
"""What files are uploaded for."""

MediaSource = str | Input
"""A link that MiniMax fetches itself, or an opened file."""
Media = Mapping[str, list[MediaSource]]
"""What a video is made from, by the field of the request."""


@dataclass(frozen=True, kw_only=True)
class RemoteJob:
    """A job as MiniMax's own list shows it; None is "not told"."""

    task_id: str
    model: str
    created_at: float
    reply: StatusReply
    duration: int | None = None
    resolution: str | None = None
    task_type: str | None = None

    def is_like(
        self, model: str, duration: int | None, resolution: str | None, task_type: str
    ) -> bool:
        """Whether it may be the job of such a request, as far as the list tells."""
        return (
            self.model == model
            and self.duration in (None, duration)
            and self.resolution in (None, resolution)
            and self.task_type in (None, task_type)
        )


class VideoApi(ABC):
    """One of MiniMax's video APIs; what only one of them has is nothing here.

    Attributes:
        name: How the ledger calls it.
        modes: What a video may be made from, as far as this API has a field for it.
    """

    name: str
    modes: frozenset[VideoMode]

    @abstractmethod
    def requirements(self, field: str) -> MediaRequirements:
        """What it takes as a file in a field of the request."""

    @abstractmethod
    def check(self, request: VideoRequest, mode: VideoMode, known: VideoModel | None) -> None:
        """Refuse what this API has no field for.

        Raises:
            InputError: With the field's name and what is allowed.
        """

    def check_media(self, media: Media) -> None:  # noqa: ARG002
        """Refuse files that are too much together; each by itself has been checked.

        Raises:
            InputError: With the field's name and what is allowed.
        """
        return

    @abstractmethod
    def body(
        self,
        request: VideoRequest,
        *,
        model: str,
        known: VideoModel | None,
        size: tuple[str | None, int | None],
        media: Media,
    ) -> dict[str, Any]:
        """The body of the request, from a checked request."""

    def to_upload(self, body: Mapping[str, Any]) -> list[Input]:  # noqa: ARG002
        """Files that do not fit into the request, to be uploaded before it."""
        return []

    def with_uploads(
        self,
        body: Mapping[str, Any],
        file_ids: Mapping[str, str],  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """The body with uploads in place of the files whose digest is among `file_ids`."""
        return body

    @abstractmethod
    async def submit(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        """Send a paid request once; returns the task id."""

    @abstractmethod
    async def status(self, client: MiniMaxClient, task_id: str) -> StatusReply:
        """Ask once how a job stands."""

    @abstractmethod
    async def link(self, client: MiniMaxClient, file_id: str) -> str:
        """A fresh download link."""

    @abstractmethod
    async def cancel(self, client: MiniMaxClient, task_id: str, reply: StatusReply) -> bool:
        """Cancel a job; False where it ended in that very moment.

        Args:
            client: The API.
            task_id: The job.
            reply: How it stood a moment ago.

        Raises:
            RefusedError: It cannot be cancelled; the text says what can be done instead.
        """

    async def recent(self, client: MiniMaxClient) -> list[RemoteJob]:  # noqa: ARG002
        """The jobs that MiniMax itself lists, newest first; empty where there is no list."""
        return []
