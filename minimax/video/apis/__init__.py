"""MiniMax's two video APIs behind one face; nothing else in this package tells them apart.

    v1  Hailuo and 01-series models; a finished job has a file id
    v2  MiniMax-H3 models; a finished job has a link, and `file_id` is a handle of ours

`of_model`, `of_file` and `named` choose one; a task that nobody remembers is asked of both.
"""

from typing import Final

from minimax.video.apis.base import RemoteJob, VideoApi
from minimax.video.apis.h3 import H3Api
from minimax.video.apis.hailuo import HailuoApi

__all__ = ["ALL", "RemoteJob", "VideoApi", "by_name", "for_file", "for_model"]

ALL: Final[tuple[VideoApi, ...]] = (HailuoApi(), H3Api())
"""In the order in which an unknown task is asked for."""


def for_model(model: str) -> VideoApi:
    """The API that serves a model; models that nobody knows are v1's to refuse."""
    return next((one for one in reversed(ALL) if one.serves(model)), ALL[0])


def for_file(file_id: str) -> VideoApi:
    """The API whose `file_id` this is."""
    return next((one for one in reversed(ALL) if one.owns_file(file_id)), ALL[0])


def by_name(name: str) -> VideoApi:
    """The API that a ledger row names."""
    return next(one for one in ALL if one.name == name)
