"""Errors of one call from Python name things as its caller knows them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["reword_errors", "rewording_errors"]

Reword = Callable[[Exception], None]
"""Changes the text of an error, and leaves everything else of it."""

_reword: ContextVar[Reword | None] = ContextVar("minimax_reword", default=None)


def reword_errors(reword: Reword) -> None:
    """Let an error that leaves the call that is under way be changed by `reword` first.

    For whoever learns only during a call how its caller names things.
    """
    _reword.set(reword)


@contextmanager
def rewording_errors(kind: type[Exception]) -> Iterator[None]:
    """A call: what `reword_errors` is given inside changes the errors of this kind, and ends."""
    token = _reword.set(None)
    try:
        yield
    except kind as error:
        reword = _reword.get()
        if reword is not None:
            reword(error)
        raise
    finally:
        _reword.reset(token)
