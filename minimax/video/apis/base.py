"""What either video API can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from minimax.api.client import MiniMaxClient
from minimax.api.replies import StatusReply
from minimax.catalog import VideoMode, VideoModel
from minimax.files.inputs import Input
from minimax.files.requirements import MediaRequirements
from minimax.video.request import VideoRequest

__all__ = ["ImageSource", "RemoteJob", "VideoApi"]

ImageSource = str | Input
"""A link that MiniMax fetches itself, or an opened file."""


@dataclass(frozen=True, kw_only=True)
class RemoteJob:
    """A job as MiniMax's own list shows it."""

    task_id: str
    model: str
    created_at: float
    reply: StatusReply


class VideoApi(Protocol):
    """One of MiniMax's video APIs.

    Attributes:
        name: How the ledger calls it.
        modes: What a video may be made from, as far as this API has a field for it.
        picture_rules: What it takes as a picture.
    """

    name: str
    modes: frozenset[VideoMode]
    picture_rules: MediaRequirements

    def serves(self, model: str) -> bool:
        """Whether this model is called through this API."""
        ...

    def owns_file(self, file_id: str) -> bool:
        """Whether this `file_id` came from this API."""
        ...

    def check(self, wish: VideoRequest, mode: VideoMode, known: VideoModel | None) -> None:
        """Refuse what this API has no field for.

        Raises:
            InputError: With the field's name and what is allowed.
        """
        ...

    def body(
        self,
        wish: VideoRequest,
        *,
        model: str,
        known: VideoModel | None,
        size: tuple[str | None, int | None],
        pictures: Mapping[str, list[ImageSource]],
    ) -> dict[str, Any]:
        """The request, from a checked wish."""
        ...

    def to_upload(self, body: Mapping[str, Any]) -> list[Input]:
        """Pictures that make the request too large, to be uploaded before it."""
        ...

    def with_uploads(
        self, body: Mapping[str, Any], file_ids: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """The request with uploads in place of the pictures whose digest is among `file_ids`."""
        ...

    async def submit(self, client: MiniMaxClient, body: Mapping[str, Any]) -> str:
        """Send a paid request once; returns the task id."""
        ...

    async def status(self, client: MiniMaxClient, task_id: str) -> StatusReply:
        """Ask once how a job stands."""
        ...

    async def link(self, client: MiniMaxClient, file_id: str) -> str:
        """A fresh download link."""
        ...

    async def cancel(self, client: MiniMaxClient, task_id: str) -> bool:
        """Cancel a job that was queued a moment ago; False where it had ended in that moment.

        Raises:
            RefusedError: It cannot be cancelled; the text says what can be done instead.
        """
        ...

    async def recent(self, client: MiniMaxClient) -> list[RemoteJob]:
        """The jobs that MiniMax itself lists, newest first; empty where there is no list."""
        ...
