"""MiniMax's two video APIs, and which one serves a model, a file or a ledger row.

    HAILUO  /v1: Hailuo and 01-series models; a finished job has a file id
    H3      /v2: MiniMax-H3 models; a finished job has a link, and `file_id` is a handle of ours

Nothing outside this folder tells them apart.
"""

from typing import Final

from minimax.video.apis.base import Media, MediaSource, RemoteJob, VideoApi
from minimax.video.apis.h3 import H3Api
from minimax.video.apis.hailuo import HailuoApi

__all__ = [
    "ALL",
    "H3",
    "HAILUO",
    "Media",
    "MediaSource",
    "RemoteJob",
    "VideoApi",
    "by_name",
    "for_file",
    "for_model",
]

HAILUO: Final[VideoApi] = HailuoApi()
H3: Final = H3Api()
ALL: Final[tuple[VideoApi, ...]] = (HAILUO, H3)


def for_model(model: str) -> VideoApi:
    """The API that serves a model; models that nobody knows are Hailuo's to refuse."""
    return H3 if H3.serves(model) else HAILUO


def for_file(file_id: str) -> VideoApi:
    """The API whose `file_id` this is."""
    return H3 if H3.owns_file(file_id) else HAILUO


def by_name(name: str) -> VideoApi:
    """The API that a ledger row names."""
    return next(api for api in ALL if api.name == name)
