"""What an HTTP response of MiniMax means: a reply, or which error."""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from minimax.api.answers import parse_json
from minimax.api.error_codes import (
    BALANCE_TOO_LOW,
    INPUT_BLOCKED,
    INVALID_PARAMETER,
    KEY_CODES,
    MODERATION_CODES,
    UNKNOWN_ERROR,
    advice_for,
)
from minimax.errors import MiniMaxError, Outcome, RefusedError, UnansweredError
from minimax.safe_text import LINK_CHARACTERS, REMOVED_TEXT, KeyFilter, plain, quote
from minimax.validation import is_http_url

__all__ = [
    "NO_RECORD",
    "HttpAnswer",
    "concerns_key",
    "error_fields",
    "outcome_of",
    "parse_retry_after",
    "refusal_error",
    "status_of",
    "unreadable_error",
]

NO_RECORD: Final = "record not found"
_CODE_IN_MESSAGE: Final = re.compile(r"\((\d{4,5})\)\W*$")
_CODES_OF_TYPES: Final[Mapping[str, int]] = {
    "bad_request_error": INVALID_PARAMETER,
    "insufficient_balance_error": BALANCE_TOO_LOW,
    "unprocessable_entity_error": INPUT_BLOCKED,
}
"""What v2's error types mean, where the message names no code."""
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F-]{8,64}")


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer; header names are looked up in any letter case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def is_success(self) -> bool:
        """Whether its status is one of 200 to 299."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    def payload(self, *, key_filter: KeyFilter) -> dict[str, Any] | None:
        """Its JSON object, without the key in it, should a server echo what it was sent."""
        try:
            found = parse_json(self.content)
        except ValueError:
            return None
        return _Scrubber(key_filter).scrub(found) if isinstance(found, dict) else None


SOUND_FIELDS: Final = frozenset({"audio", "trial_audio"})
"""Sound as hex is megabytes of any digits; it is saved and never shown. A link there is shown."""


MOST_ECHOES: Final = 20
"""Texts of one answer out of which the key is cut; with more of them, they go as a whole."""


class _Scrubber:
    """Takes the key out of the texts of one answer."""

    def __init__(self, key_filter: KeyFilter) -> None:
        self._key_filter = key_filter
        self._echoes = 0

    def scrub(self, value: Any) -> Any:
        """The same value, its texts without the key."""
        if isinstance(value, str):
            return self._scrub_text(value)
        if isinstance(value, list):
            value[:] = [self.scrub(item) for item in value]
        if isinstance(value, dict):
            for name, item in value.items():
                if not (name in SOUND_FIELDS and _is_sound(item)):
                    value[name] = self.scrub(item)
        return value

    def _scrub_text(self, text: str) -> str:
        """Of what is longer than any text that is shown, the beginning decides."""
        head = text if len(text) <= LINK_CHARACTERS else text[:LINK_CHARACTERS]
        if self._echoes >= MOST_ECHOES and self._key_filter.may_hold_key(head):
            return REMOVED_TEXT
        scrubbed = self._key_filter.scrub(head)
        if scrubbed == head:
            return text
        self._echoes += 1
        return scrubbed


def _is_sound(value: Any) -> bool:
    return isinstance(value, str) and not is_http_url(value.lstrip())


# --- MiniMax's verdict -------------------------------------------------------------------------


def status_of(payload: Mapping[str, Any] | None, *, in_reply: bool) -> tuple[int, str]:
    """MiniMax's code and words; code 0 where it names none.

    Where the verdict is part of the reply (the status call), `Fail` and the moderation codes are
    an answer about the job, not about the question.
    """
    if payload is None:
        return 0, ""
    code, said = _v1_status(payload) if "base_resp" in payload else _v2_status(payload)
    failed_job = str(payload.get("status") or "").lower() in ("fail", "failed")
    if in_reply and (failed_job or code in MODERATION_CODES):
        return 0, ""
    return code, said


def _v1_status(payload: Mapping[str, Any]) -> tuple[int, str]:
    said = payload.get("base_resp")
    if not isinstance(said, dict):
        return 0, ""
    try:
        return int(said.get("status_code") or 0), str(said.get("status_msg") or "")
    except (TypeError, ValueError, OverflowError):
        return -1, "unreadable status_code"


def _v2_status(payload: Mapping[str, Any]) -> tuple[int, str]:
    error = payload.get("error")
    if not isinstance(error, dict):
        return 0, ""
    said = str(error.get("message") or "")
    found = _CODE_IN_MESSAGE.search(said)
    code = int(found.group(1)) if found else _CODES_OF_TYPES.get(str(error.get("type")), 0)
    return code, said


# --- refusals ----------------------------------------------------------------------------------


def concerns_key(answer: HttpAnswer, code: int) -> bool:
    """Whether the key was refused, by MiniMax's code or, without one, by the status."""
    by_status = answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return code in KEY_CODES or (not code and by_status)


def refusal_error(answer: HttpAnswer, code: int, said: str, *, endpoint: str) -> MiniMaxError:
    """The error for an answer that is no reply.

    Args:
        answer: As it came.
        code: MiniMax's own, or 0.
        said: Its words.
        endpoint: As `errors.ENDPOINT_CODES` knows it.
    """
    if not code:
        return _http_refusal(answer, said)
    # v2 calls an unknown task an unknown error, with HTTP 500.
    no_task = code == UNKNOWN_ERROR and NO_RECORD in said.lower()
    advice = advice_for(INVALID_PARAMETER if no_task else code, endpoint=endpoint)
    if advice is None:
        return RefusedError(
            f"MiniMax answered with a code that is not known here.{_quote_words(said)}",
            outcome=Outcome.UNKNOWN if answer.is_success else outcome_of(answer.status),
            **error_fields(answer, code),
        )
    return RefusedError(
        f"{advice.meaning} {advice.remedy}{_quote_words(said)}",
        outcome=advice.outcome,
        **error_fields(answer, code),
    )


def _quote_words(said: str) -> str:
    """MiniMax's own words; it may have none, or none that can be seen."""
    return f" MiniMax says {quote(said)}." if plain(said) else ""


def outcome_of(status: int) -> Outcome:
    """What an HTTP status alone says about a request that did not succeed."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome.THROTTLED
    doubtful = status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Outcome.UNKNOWN if doubtful else Outcome.REJECTED


def _http_refusal(answer: HttpAnswer, said: str) -> MiniMaxError:
    outcome = outcome_of(answer.status)
    words = _quote_words(said)
    if outcome is Outcome.UNKNOWN:
        text = f"MiniMax is in trouble. Try again later.{words}"
        return UnansweredError(text, outcome=outcome, **error_fields(answer))
    return RefusedError(f"{_http_text(answer)}{words}", outcome=outcome, **error_fields(answer))


def _http_text(answer: HttpAnswer) -> str:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "Too many requests at once. Send them more slowly."
    if answer.is_redirect:
        return (
            "The API host answered with a redirect, which is never followed. Check "
            "MINIMAX_API_HOST."
        )
    if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "The request is larger than MiniMax takes. Is a file too large? Give a smaller one."
    if answer.status == HTTPStatus.NOT_FOUND:
        return "The API host does not know this address. Check MINIMAX_API_HOST."
    return "MiniMax refused the request."


def unreadable_error(answer: HttpAnswer) -> UnansweredError:
    """The error for a success that holds nothing to go by."""
    return UnansweredError(
        "MiniMax's answer could not be read, or lacks what it should hold. Call again.",
        outcome=Outcome.UNKNOWN,
        **error_fields(answer),
    )


def error_fields(answer: HttpAnswer, code: int | None = None) -> dict[str, Any]:
    """What an error keeps of an answer."""
    return {
        "code": code or None,
        "http_status": answer.status,
        "trace_id": _trace_id(answer),
        "retry_after_seconds": parse_retry_after(answer.headers.get("Retry-After")),
    }


def _trace_id(answer: HttpAnswer) -> str | None:
    given = answer.headers.get("Trace-Id", "")
    return given if _TRACE_ID.fullmatch(given) else None


LONGEST_BELIEVED_WAIT_SECONDS: Final = 7 * 24 * 3600.0
"""A Retry-After beyond a week is nonsense, and treated as if none was given."""


def parse_retry_after(text: str | None, *, unix_now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for; None where it makes no sense.

    Args:
        text: The header: seconds, or an HTTP date.
        unix_now: What an HTTP date is compared with; the machine's clock when not given.
    """
    if text is None:
        return None
    seconds = _as_number(text)
    if seconds is None:
        seconds = _until(text, time.time() if unix_now is None else unix_now)
    believed = seconds is not None and 0 < seconds <= LONGEST_BELIEVED_WAIT_SECONDS
    return seconds if believed else None


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else 0.0


def _until(text: str, unix_now: float) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() - unix_now
    except (ValueError, OverflowError, OSError):
        return None
