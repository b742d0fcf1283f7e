"""Logs to stderr, without the key and without signed links."""

import logging
import sys
from typing import Final

from minimax.safe_text import redact

__all__ = ["configure"]

CHATTY_LIBRARIES: Final = ("httpx", "httpcore", "hpack", "asyncio", "uvicorn", "mcp")
"""httpx logs whole URLs at INFO, signatures included; httpcore prints cookies at DEBUG."""


class _Redacting(logging.Formatter):
    """Formats a record, traceback included, then removes secrets from the whole text."""

    def __init__(self, secret: str | None) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        return text.replace(self._secret, "[key removed]") if self._secret else text


def configure(level: str, *, secret: str | None = None) -> None:
    """Send every log record to stderr, at `level` for our own and WARNING for libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting(secret))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
