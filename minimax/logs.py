"""Logs to stderr, without the key and without signed links."""

import logging
import sys
from collections.abc import Iterable
from typing import Final

from minimax.safe_text import KeyFilter, keep_one_line, redact

__all__ = ["configure"]

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
