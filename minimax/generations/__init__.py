"""MiniMax's two video APIs behind one face; nothing else in this package tells them apart.

    v1  Hailuo and 01-series models; a finished job has a file id
    v2  MiniMax-H3 models; a finished job has a link, and `file_id` is a handle of ours

`of_model`, `of_file` and `named` choose one; a task that nobody remembers is asked of both.
"""

from typing import Final

from minimax.generations.face import Generation, Remote
from minimax.generations.v1 import V1
from minimax.generations.v2 import V2

__all__ = ["ALL", "Generation", "Remote", "named", "of_file", "of_model"]

ALL: Final[tuple[Generation, ...]] = (V1(), V2())
"""In the order in which an unknown task is asked for."""


def of_model(model: str) -> Generation:
    """The API that serves a model; models that nobody knows are v1's to refuse."""
    return next((one for one in reversed(ALL) if one.serves(model)), ALL[0])


def of_file(file_id: str) -> Generation:
    """The API whose `file_id` this is."""
    return next((one for one in reversed(ALL) if one.owns_file(file_id)), ALL[0])


def named(name: str) -> Generation:
    """The API that a ledger row names."""
    return next(one for one in ALL if one.name == name)
