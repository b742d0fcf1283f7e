"""The errors of this package, as sentences for the person who has to act on them.

    MiniMaxError
    ├── SettingsError      a setting is missing or wrong; nothing was sent
    ├── SpendingLimitError the daily limit allows no more; nothing was sent
    ├── DeclinedError      the person did not agree to the price; nothing was sent
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

from enum import Enum
from http import HTTPStatus
from typing import Self

__all__ = [
    "DeclinedError",
    "InputError",
    "KeyRefusedError",
    "MaybeChargedError",
    "MiniMaxError",
    "Outcome",
    "RefusedError",
    "SettingsError",
    "SpendingLimitError",
    "StorageError",
    "UnansweredError",
    "UnreachableError",
]


class Outcome(Enum):
    """What is known about a request that did not succeed; it decides about retries and money."""

    NOT_SENT = "not sent"
    """No byte of the request left this machine."""
    REJECTED = "rejected"
    """The service said no before doing anything."""
    THROTTLED = "throttled"
    """The service said: not now."""
    UNKNOWN = "unknown"
    """The request left, and what became of it is not known."""


class MiniMaxError(Exception):
    """Base of all errors of this package.

    Attributes:
        text: What happened and what to do next, without the codes and ids at its end.
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
        self.text = message
        self.outcome = outcome
        self.code = code
        self.http_status = http_status
        self.trace_id = trace_id
        self.retry_after_seconds = retry_after_seconds
        self.task_id = task_id
        super().__init__(message + self._wait_text() + self._reference())

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

    def _wait_text(self) -> str:
        if self.retry_after_seconds is None:
            return ""
        return f" MiniMax asks to wait {self.retry_after_seconds:.0f} seconds."

    def _reference(self) -> str:
        facts = {
            "MiniMax code": self.code,
            "HTTP": None if self.http_status == HTTPStatus.OK else self.http_status,
            "Trace-Id": self.trace_id,
        }
        shown = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        return f" ({shown})" if shown else ""


class SettingsError(MiniMaxError):
    """A setting is missing or wrong; nothing was sent."""


class InputError(MiniMaxError):
    """An argument or a file cannot be used; nothing was sent."""


class SpendingLimitError(MiniMaxError):
    """The daily limit allows no more; nothing was sent."""


class DeclinedError(MiniMaxError):
    """The person did not agree to the price; nothing was sent."""


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


def has_cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error, or one that it was raised from, is of a type."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
