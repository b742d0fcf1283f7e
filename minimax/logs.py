"""Logs to stderr, without the key and without signed links."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from minimax.safe_text import KeyFilter, keep_one_line, redact

__all__ = ["configure", "silence_http_logs"]

CHATTY_LIBRARIES: Final = (
    "httpx",
    "httpcore",
    "hpack",
    "asyncio",
    "uvicorn",
    "mcp",
    "psycopg",
    "procrastinate",
)
"""httpx logs whole URLs at INFO, signatures included; httpcore prints cookies at DEBUG."""

HTTP_LOGGERS: Final = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)
"""Those that write while a request of ours is sent (httpx 0.28, httpcore 1)."""


class _Redacting(logging.Formatter):
    """Formats a record, traceback included, then removes secrets from the whole text."""

    def __init__(self, secrets: Iterable[str | None]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._key_filters = [KeyFilter(secret) for secret in secrets]

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        for key_filter in self._key_filters:
            text = key_filter.scrub(text)
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The message alone: a line break in it must not look like another record."""
        return keep_one_line(super().formatMessage(record))


def configure(level: str, *, secret: str | None = None, more_secrets: Iterable[str] = ()) -> None:
    """Send every log record to stderr, at `level` for our own and WARNING for libraries.

    Args:
        level: Of the standard library.
        secret: The key, which shows up in no record.
        more_secrets: What shows up in none either, like the keys of a team.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting([secret, *more_secrets]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


# --- in programs of other people, which configure their own logs -------------------------------

_sends_ours: ContextVar[bool] = ContextVar("minimax_sends_request", default=False)


def _is_of_others(_: logging.LogRecord) -> bool:
    return not _sends_ours.get()


@contextmanager
def silence_http_logs() -> Iterator[None]:
    """HTTP libraries log nothing about the requests in this block: links in them are signed.

    Levels and handlers stay as the program has them, and so do the records of its own requests.
    """
    for name in HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_is_of_others)
    token = _sends_ours.set(True)
    try:
        yield
    finally:
        _sends_ours.reset(token)
