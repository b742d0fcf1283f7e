"""What can go wrong, in sentences for the person who has to act on it.

    MiniMaxError
    ├── SettingsError      a setting is missing or wrong; nothing was sent
    ├── InputError         an argument or a file cannot be used; nothing was sent
    ├── UnreachableError   MiniMax could not be reached; nothing was sent
    ├── RefusedError       MiniMax answered with a refusal
    │   └── KeyRefusedError    the key is wrong, or belongs to the other region
    ├── UnansweredError    sent, and no usable answer came back
    │   └── MaybeChargedError  the same for something that costs money
    └── StorageError       a file could not be written or fetched here

Every error carries the facts as fields; its text says what happened, what that means for money or
files, and what to do next. Texts are our own: no library message, no key, no signed link.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Self

__all__ = [
    "CODES",
    "Advice",
    "InputError",
    "KeyRefusedError",
    "MaybeChargedError",
    "MiniMaxError",
    "Outcome",
    "RefusedError",
    "SettingsError",
    "StorageError",
    "UnansweredError",
    "UnreachableError",
    "advice_for",
]


class Outcome(Enum):
    """What is known about a request that did not succeed; retries and money hang on it."""

    NOT_SENT = "not sent"
    """No byte of the request left this machine."""
    REJECTED = "rejected"
    """The service said no before doing anything."""
    THROTTLED = "throttled"
    """The service said: not now."""
    UNKNOWN = "unknown"
    """The request left, and what became of it is not known."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a code means and what to do next; both are full sentences."""

    meaning: str
    outcome: Outcome
    remedy: str


UNKNOWN_ERROR: Final = 1000
KEY_REFUSED: Final = 1004
BALANCE_TOO_LOW: Final = 1008
INPUT_BLOCKED: Final = 1026
RESULT_BLOCKED: Final = 1027
INVALID_PARAMETER: Final = 2013
VOICE_ID_TAKEN: Final = 2039
KEY_UNKNOWN: Final = 2049
SAMPLE_UNUSABLE: Final = 20132
"""Codes that more than their text hangs on."""

KEY_CODES: Final = frozenset({KEY_REFUSED, KEY_UNKNOWN})
MODERATION_CODES: Final = frozenset({INPUT_BLOCKED, RESULT_BLOCKED})
LINK_OVER: Final = frozenset({403, 404, 410})
"""HTTP statuses by which object stores say that a signed link has expired."""

_LATER: Final = "Try again in a minute."
_CONSOLE: Final = "platform.minimax.io (mainland: platform.minimaxi.com)"
_REJECTED, _THROTTLED, _UNKNOWN = Outcome.REJECTED, Outcome.THROTTLED, Outcome.UNKNOWN

CODES: Final[Mapping[int, Advice]] = MappingProxyType(
    {
        UNKNOWN_ERROR: Advice(
            "MiniMax reports an unknown error.",
            _UNKNOWN,
            "Try again later; MiniMax support can look the Trace-Id up.",
        ),
        1001: Advice("MiniMax's own processing timed out.", _UNKNOWN, _LATER),
        1002: Advice(
            "Too many requests in this minute.",
            _THROTTLED,
            "Wait a minute, then go on more slowly.",
        ),
        KEY_REFUSED: Advice(
            "MiniMax does not accept the API key.",
            _REJECTED,
            "Check MINIMAX_API_KEY: the whole key, without 'Bearer' and without a group id.",
        ),
        BALANCE_TOO_LOW: Advice(
            "The balance is too low; nothing was started and nothing charged.",
            _REJECTED,
            f"Top up under Billing at {_CONSOLE}. A subscription's quota and the pay-as-you-go "
            "balance are separate.",
        ),
        1013: Advice("MiniMax reports an internal service error.", _UNKNOWN, _LATER),
        1024: Advice("MiniMax reports an internal error.", _UNKNOWN, _LATER),
        INPUT_BLOCKED: Advice(
            "MiniMax's content check refused the input.",
            _REJECTED,
            "Reword the prompt or change the picture; the same input will be refused again.",
        ),
        RESULT_BLOCKED: Advice(
            "MiniMax's content check blocked the result.",
            _REJECTED,
            "Change the prompt or the picture, then generate anew.",
        ),
        1028: Advice(
            "The quota for this model is used up.",
            _REJECTED,
            "Wait for the quota to be reset, or use another model or plan.",
        ),
        1030: Advice(
            "The quota for this model is used up.",
            _REJECTED,
            "Wait for the quota to be reset, or use another model or plan.",
        ),
        1033: Advice("MiniMax reports a system error.", _UNKNOWN, _LATER),
        1039: Advice(
            "The token limit of this minute is reached.",
            _THROTTLED,
            "Wait a minute, or send a shorter text.",
        ),
        1041: Advice(
            "Too many connections at once.",
            _THROTTLED,
            "Run fewer calls side by side; if it stays, ask MiniMax support.",
        ),
        1042: Advice(
            "More than a tenth of the text is invisible or illegal characters.",
            _REJECTED,
            "Send the text without them.",
        ),
        1043: Advice(
            "The recording does not say what text_validation says.",
            _REJECTED,
            "Correct text_validation, lower accuracy, or leave both out.",
        ),
        1044: Advice(
            "The prompt recording and prompt_text do not match.",
            _REJECTED,
            "Give in prompt_text exactly what is said in prompt_audio, with its punctuation.",
        ),
        INVALID_PARAMETER: Advice(
            "MiniMax refused a parameter; its own message names it.",
            _REJECTED,
            "Correct that parameter and call again. Nothing was charged.",
        ),
        2037: Advice(
            "The recording is too short or too long.",
            _REJECTED,
            "Give a recording of 10 seconds to 5 minutes.",
        ),
        2038: Advice(
            "This account may not clone voices yet.",
            _REJECTED,
            f"Verify the account (personal or enterprise) at {_CONSOLE}, then call again.",
        ),
        VOICE_ID_TAKEN: Advice(
            "This voice_id is taken already.",
            _REJECTED,
            "Choose another voice_id, or leave it out to have one made. If it is your own earlier "
            "clone, that voice works as it is.",
        ),
        2042: Advice(
            "This voice belongs to another account.",
            _REJECTED,
            "Use a voice of the account that the key belongs to.",
        ),
        2045: Advice(
            "The number of requests grew too fast.",
            _THROTTLED,
            "Wait a minute, then go on more slowly.",
        ),
        2048: Advice(
            "The prompt recording is too long.",
            _REJECTED,
            "Give a prompt_audio of less than 8 seconds.",
        ),
        KEY_UNKNOWN: Advice(
            "MiniMax does not know this API key here.",
            _REJECTED,
            "Check MINIMAX_API_KEY: the whole key, without 'Bearer'.",
        ),
        2054: Advice(
            "There is no such voice.",
            _REJECTED,
            "Check the voice_id. MiniMax deletes a cloned or designed voice that has not spoken "
            "within 7 days; such a voice must be made anew under another voice_id.",
        ),
        2056: Advice(
            "The plan's usage limit is reached; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window (5 hours, or a week), or use a pay-as-you-go key.",
        ),
        2057: Advice(
            "This key is not made for this service.",
            _REJECTED,
            "Use a pay-as-you-go key, or a subscription that includes it.",
        ),
        2061: Advice(
            "The plan does not include this model; nothing was charged.",
            _REJECTED,
            "Use another model, or a pay-as-you-go key (sk-api-...).",
        ),
        2062: Advice(
            "The plan is throttled for now; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window, or use a pay-as-you-go key.",
        ),
        2067: Advice(
            "The plan's usage cap is reached; nothing was charged.",
            _REJECTED,
            "Wait for the plan's next window, or use a pay-as-you-go key.",
        ),
        SAMPLE_UNUSABLE: Advice(
            "MiniMax cannot use this sample or this voice_id.",
            _REJECTED,
            "Check both: the file id must be of your own upload, the voice_id new.",
        ),
    }
)
"""MiniMax's error table (platform documentation "errorcode", and codes seen in practice)."""

_NO_SUCH_JOB: Final = Advice(
    "MiniMax does not know this job.",
    _REJECTED,
    "Check the task_id; list_video_tasks names those bought from here.",
)
ENDPOINT_CODES: Final[Mapping[tuple[str, int], Advice]] = MappingProxyType(
    {
        ("status", INVALID_PARAMETER): _NO_SUCH_JOB,
        ("status_v2", INVALID_PARAMETER): Advice(
            _NO_SUCH_JOB.meaning,
            _REJECTED,
            f"{_NO_SUCH_JOB.remedy} MiniMax-H3 jobs can be asked for, and their videos fetched, "
            "for 7 days only.",
        ),
        # MiniMax staff found an undecodable recording behind every 1000 that a clone drew.
        ("voice_clone", UNKNOWN_ERROR): Advice(
            "MiniMax could not use the recording (it calls this an unknown error).",
            _REJECTED,
            "Save the recording anew as mp3, m4a or wav and call again; the same file will fail "
            "again.",
        ),
    }
)
"""Codes that mean something else on one endpoint."""


def advice_for(code: int, *, endpoint: str = "") -> Advice | None:
    """What a code means on an endpoint; None for one that is not known."""
    return ENDPOINT_CODES.get((endpoint, code)) or CODES.get(code)


class MiniMaxError(Exception):
    """Base of all errors of this package.

    Attributes:
        outcome: What is known about the request.
        code: MiniMax's own code, where it gave one.
        http_status: The HTTP status, where an answer came.
        trace_id: MiniMax's id of the request; its support asks for it first.
        retry_after_seconds: How long MiniMax asked to wait.
        task_id: The paid job that this is about, where one is known.
        after_unknown: An earlier attempt of the same request was left in doubt.
    """

    after_unknown = False

    def __init__(
        self,
        message: str,
        *,
        outcome: Outcome = Outcome.REJECTED,
        code: int | None = None,
        http_status: int | None = None,
        trace_id: str | None = None,
        retry_after_seconds: float | None = None,
        task_id: str | None = None,
    ) -> None:
        self.outcome = outcome
        self.code = code
        self.http_status = http_status
        self.trace_id = trace_id
        self.retry_after_seconds = retry_after_seconds
        self.task_id = task_id
        super().__init__(message + self._asked_wait() + self._reference())

    @classmethod
    def after(cls, error: "MiniMaxError", message: str, *, task_id: str | None = None) -> Self:
        """What `error` means where it is known what was asked for; with its outcome and ids."""
        return cls(
            message,
            outcome=error.outcome,
            code=error.code,
            http_status=error.http_status,
            trace_id=error.trace_id,
            task_id=task_id,
        )

    def _asked_wait(self) -> str:
        if self.retry_after_seconds is None:
            return ""
        return f" MiniMax asks to wait {self.retry_after_seconds:.0f} seconds."

    def _reference(self) -> str:
        facts = {
            "MiniMax code": self.code,
            "HTTP": None if self.http_status == HTTP_OK else self.http_status,
            "Trace-Id": self.trace_id,
        }
        shown = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        return f" ({shown})" if shown else ""


HTTP_OK: Final = 200


class SettingsError(MiniMaxError):
    """A setting is missing or wrong; nothing was sent."""


class InputError(MiniMaxError):
    """An argument or a file cannot be used; nothing was sent."""


class UnreachableError(MiniMaxError):
    """MiniMax could not be reached; nothing was sent."""


class RefusedError(MiniMaxError):
    """MiniMax answered with a refusal."""


class KeyRefusedError(RefusedError):
    """MiniMax does not accept the key: it is wrong, or it belongs to the other region."""


class UnansweredError(MiniMaxError):
    """The request was sent, and no usable answer came back."""


class MaybeChargedError(UnansweredError):
    """A paid request was sent, and whether MiniMax accepted and charged it is not known."""


class StorageError(MiniMaxError):
    """A file could not be written or fetched on this machine."""
