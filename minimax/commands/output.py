"""What commands print, where the reader may go away early, as in `check | head -1`."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec

__all__ = ["end_quietly_when_cut"]

P = ParamSpec("P")
CUT: Final = 1
"""The exit code where the output had no reader any more."""


def end_quietly_when_cut(command: Callable[P, int]) -> Callable[P, int]:
    """A command that ends without a traceback when nobody reads its output any more."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            code = command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            return CUT
        return code

    return run


def _drop_output() -> None:
    """Let what is still buffered go nowhere; Python flushes it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
