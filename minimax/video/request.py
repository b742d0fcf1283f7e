"""What a caller asks for about a video, before any model's rules are applied."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from minimax.catalog import VideoMode
from minimax.errors import InputError

__all__ = ["REFERENCES", "VideoRequest", "mode_of"]


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
    reference_videos: list[str] = field(default_factory=list)
    reference_audios: list[str] = field(default_factory=list)
    ratio: str | None = None
    prompt_optimizer: bool | None = None
    fast_pretreatment: bool | None = None


REFERENCES: Final = ("references", "reference_videos", "reference_audios")
KINDS_OF_INPUT: Final = (("first_frame", "last_frame"), ("subject_image",), REFERENCES)
"""Fields that exclude the fields of each other kind."""


def mode_of(request: VideoRequest) -> VideoMode:
    """What the video is to be made from.

    Raises:
        InputError: Nothing was given, or inputs that exclude each other.
    """
    given = [[name for name in kind if _is_given(request, name)] for kind in KINDS_OF_INPUT]
    if sum(map(bool, given)) > 1:
        raise InputError(
            f"{' and '.join(chain(*given))} cannot be combined: a video is made from frames "
            "(first_frame, last_frame), from a subject_image, or from references (references, "
            "reference_videos, reference_audios)."
        )
    if any(_is_given(request, name) for name in REFERENCES):
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


def _is_given(request: VideoRequest, name: str) -> bool:
    return getattr(request, name) not in (None, [])
