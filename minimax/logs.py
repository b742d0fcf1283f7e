"""Logs to stderr, without the key and without signed links."""

import logging
import sys
from typing import Final

from minimax.safe_text import KeyFilter, keep_one_line, redact

__all__ = ["configure"]

CHATTY_LIBRARIES: Final = ("httpx", "httpcore", "hpack", "asyncio", "uvicorn", "mcp")
"""httpx logs whole URLs at INFO, signatures included; httpcore prints cookies at DEBUG."""


class _Redacting(logging.Formatter):
    """Formats a record, traceback included, then removes secrets from the whole text."""

    def __init__(self, secret: str | None) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._key_filter = KeyFilter(secret)

    def format(self, record: logging.LogRecord) -> str:
        return self._key_filter.scrub(redact(super().format(record)))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The message alone: a line break in it must not look like another record."""
        return keep_one_line(super().formatMessage(record))


def configure(level: str, *, secret: str | None = None) -> None:
    """Send every log record to stderr, at `level` for our own and WARNING for libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting(secret))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
