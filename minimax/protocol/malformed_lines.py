"""Answers lines on the pipe that are not messages, so that nobody waits for them."""

import json
from collections.abc import Iterator
from typing import Any, Final

from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from minimax.protocol.lines import TooLongLineError

__all__ = ["make_refusals"]

NOT_JSON: Final = "This line is not JSON."
NOT_A_MESSAGE: Final = "This is not a JSON-RPC 2.0 message; batches are not part of MCP."
TOO_LONG: Final = (
    "This line is longer than {mebibytes} MiB and was skipped; nothing was done. Give a file by "
    "its path or an https URL, not as a data: URI."
)


def make_refusals(error: Exception) -> list[JSONRPCError]:
    """What to answer to a line that is no message, as JSON-RPC 2.0 wants it.

    Blank lines, broken notifications and broken answers await nothing.
    """
    if isinstance(error, TooLongLineError):
        text = TOO_LONG.format(mebibytes=error.limit_bytes >> 20)
        return [_error(INVALID_REQUEST, error.ident, text)]
    if not isinstance(error, ValidationError):
        return []
    details = error.errors(include_url=False, include_context=False)
    if details[0]["type"] == "json_invalid":
        return [_error(PARSE_ERROR, ident, NOT_JSON) for ident in _ids_of_text(details[0]["input"])]
    return [_error(INVALID_REQUEST, ident, NOT_A_MESSAGE) for ident in _ids_of(_whole(details))]


def _error(code: int, ident: str | int | None, text: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=ident, error=ErrorData(code=code, message=text))


def _ids_of_text(text: Any) -> Iterator[str | int | None]:
    """The id in a line that only a more lenient parser can read."""
    line = str(text).strip()
    if not line:
        return
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    yield _usable(message.get("id")) if isinstance(message, dict) else None


def _whole(details: list[Any]) -> Any:
    """The message itself, from the complaints about its parts."""
    for detail in details:
        if detail["type"] == "missing" or len(detail["loc"]) == 1:
            return detail["input"]
    return None


def _ids_of(message: Any) -> Iterator[str | int | None]:
    if not isinstance(message, dict):
        entries = message if isinstance(message, list) else []
        if not entries:
            yield None
        for entry in entries:
            yield from _ids_of(entry)
    elif "method" in message and "id" in message:
        yield _usable(message["id"])


def _usable(ident: Any) -> str | int | None:
    """An id that can be written back; a lone surrogate cannot."""
    if isinstance(ident, str):
        return ident if _encodes(ident) else None
    return ident if isinstance(ident, int) and not isinstance(ident, bool) else None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
