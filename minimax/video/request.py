"""What a caller asks for about a video, before any model's rules are applied."""

from dataclasses import dataclass, field

from minimax.catalog import VideoMode
from minimax.errors import InputError

__all__ = ["VideoRequest", "mode_of"]


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """What a caller may say about a video; None and an empty list are "not given"."""

    prompt: str | None = None
    first_frame: str | None = None
    last_frame: str | None = None
    model: str | None = None
    duration: int | None = None
    resolution: str | None = None
    subject_image: str | None = None
    references: list[str] = field(default_factory=list)
    ratio: str | None = None
    prompt_optimizer: bool | None = None
    fast_pretreatment: bool | None = None


def mode_of(request: VideoRequest) -> VideoMode:
    """What the video is to be made from.

    Raises:
        InputError: Nothing was given, or images that exclude each other.
    """
    framed = request.first_frame is not None or request.last_frame is not None
    if sum([framed, request.subject_image is not None, bool(request.references)]) > 1:
        raise InputError(
            "first_frame and last_frame, subject_image, and references cannot be combined: give "
            "one of the three."
        )
    if request.references:
        return VideoMode.REFERENCES
    if request.subject_image is not None:
        return VideoMode.SUBJECT
    if request.first_frame is not None:
        both = request.last_frame is not None
        return VideoMode.FIRST_AND_LAST_FRAME if both else VideoMode.FIRST_FRAME
    if request.last_frame is not None:
        return VideoMode.LAST_FRAME
    if request.prompt is None:
        raise InputError("prompt is required, unless a first_frame or a subject_image is given.")
    return VideoMode.TEXT
