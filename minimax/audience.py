"""Who reads an error: a model in a chat, or a person who reads a program's log."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["address_chat", "pick_text"]

_is_chat: ContextVar[bool] = ContextVar("minimax_reader_is_chat", default=False)


@contextmanager
def address_chat() -> Iterator[None]:
    """Errors in this context, and in the tasks started in it, are read by a model."""
    token = _is_chat.set(True)
    try:
        yield
    finally:
        _is_chat.reset(token)


def pick_text(*, chat: str, program: str) -> str:
    """The text for whoever reads the error.

    Args:
        chat: For a model, which can ask a person, and whose settings are in a host.
        program: For a log: says what is to be changed in the call or in the environment.
    """
    return chat if _is_chat.get() else program
