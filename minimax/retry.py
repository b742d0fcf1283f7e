"""When a request is sent again: outcome classes, one policy per endpoint, one tenacity assembly.

Nothing else in this package repeats a request. Polling is not retrying: `jobs` decides when to ask
again, this module only how hard one ask is tried.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from minimax.clock import Clock
from minimax.errors import MiniMaxError, Outcome, UnansweredError

__all__ = [
    "CANCEL",
    "CLONE",
    "CLONE_WITH_PREVIEW",
    "DELETE",
    "DOWNLOAD",
    "LOOK_UP",
    "MAKE",
    "STATUS",
    "STATUS_V2",
    "SUBMIT",
    "UPLOAD",
    "Policy",
    "parse_retry_after",
    "run",
]

T = TypeVar("T")

TRANSIENT_BASE_SECONDS: Final = 0.5
TRANSIENT_CAP_SECONDS: Final = 8.0
THROTTLED_BASE_SECONDS: Final = 2.0
THROTTLED_CAP_SECONDS: Final = 30.0
LONGEST_OBEYED_WAIT_SECONDS: Final = 60.0
"""A longer Retry-After is told to the caller instead of being slept through."""
LONGEST_BELIEVED_WAIT_SECONDS: Final = 7 * 24 * 3600.0
"""A Retry-After beyond a week is nonsense, and treated as if none was given."""

_SAFE: Final = frozenset({Outcome.NOT_SENT, Outcome.THROTTLED})
_ALL: Final = _SAFE | {Outcome.UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How one endpoint is retried.

    Attributes:
        name: The endpoint as `errors.ENDPOINT_CODES` knows it.
        retries_on: Outcomes after which the same request may be sent again.
        attempts: Requests in all, the first one included.
        deadline_seconds: Around all attempts and the waits between them.
        read_seconds: Longest silence of the server within one attempt.
    """

    name: str
    retries_on: frozenset[Outcome]
    attempts: int
    deadline_seconds: float
    read_seconds: float


# A duplicate upload is an orphaned file, a duplicate question costs nothing.
UPLOAD: Final = Policy(
    name="upload", retries_on=_ALL, attempts=3, deadline_seconds=180, read_seconds=60
)
STATUS: Final = Policy(
    name="status", retries_on=_ALL, attempts=4, deadline_seconds=30, read_seconds=15
)
STATUS_V2: Final = replace(STATUS, name="status_v2")
LOOK_UP: Final = Policy(
    name="look_up", retries_on=_ALL, attempts=4, deadline_seconds=30, read_seconds=15
)
# The voice_id is the natural idempotency key: a second clone of it is refused (2039).
CLONE: Final = Policy(
    name="voice_clone", retries_on=_ALL, attempts=3, deadline_seconds=120, read_seconds=90
)
# The preview's synthesis is billed.
CLONE_WITH_PREVIEW: Final = Policy(
    name="voice_clone", retries_on=_SAFE, attempts=2, deadline_seconds=120, read_seconds=90
)
# A duplicate is a film.
SUBMIT: Final = Policy(
    name="submit", retries_on=_SAFE, attempts=3, deadline_seconds=60, read_seconds=60
)
# Synthesis, designs and pictures are billed when they are made.
MAKE: Final = Policy(
    name="make", retries_on=_SAFE, attempts=3, deadline_seconds=120, read_seconds=110
)
# On a job that has ended meanwhile, the same request erases a paid film: it is sent once.
CANCEL: Final = Policy(
    name="cancel", retries_on=frozenset(), attempts=1, deadline_seconds=30, read_seconds=25
)
# Deleting twice is deleting once, but the second answer is "no such voice".
DELETE: Final = Policy(
    name="delete", retries_on=_SAFE, attempts=3, deadline_seconds=60, read_seconds=30
)
DOWNLOAD: Final = Policy(
    name="download", retries_on=_ALL, attempts=3, deadline_seconds=600, read_seconds=30
)


async def run(policy: Policy, attempt: Callable[[], Awaitable[T]], *, clock: Clock) -> T:
    """Call `attempt` until it succeeds, may not be repeated, or the policy is used up.

    Raises:
        MiniMaxError: The last attempt's error, as it was raised.
        UnansweredError: The policy's deadline passed while an attempt was under way.
    """
    pacing = _Pacing(policy, clock)
    retrying = AsyncRetrying(
        sleep=clock.sleep,
        retry=retry_if_exception(pacing.may_repeat),
        wait=pacing.wait_seconds,
        stop=pacing.is_over,
        reraise=True,
    )
    try:
        async with asyncio.timeout(policy.deadline_seconds):
            return await retrying(attempt)
    except TimeoutError:
        raise UnansweredError(
            f"MiniMax did not answer within {policy.deadline_seconds:.0f} seconds. Call again.",
            outcome=Outcome.UNKNOWN,
        ) from None


class _Pacing:
    """One run's answers to: again? after how long? or is it too late?"""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._started = clock.now()
        self._in_doubt = False

    def may_repeat(self, error: BaseException) -> bool:
        if not isinstance(error, MiniMaxError):
            return False
        error.after_unknown = self._in_doubt
        self._in_doubt = self._in_doubt or error.outcome is Outcome.UNKNOWN
        return error.outcome in self._policy.retries_on

    def wait_seconds(self, state: RetryCallState) -> float:
        error = _error_of(state)
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        throttled = error.outcome is Outcome.THROTTLED
        base = THROTTLED_BASE_SECONDS if throttled else TRANSIENT_BASE_SECONDS
        cap = THROTTLED_CAP_SECONDS if throttled else TRANSIENT_CAP_SECONDS
        return self._clock.jitter(0, min(cap, base * 2 ** (state.attempt_number - 1)))

    def is_over(self, state: RetryCallState) -> bool:
        left = self._policy.deadline_seconds - (self._clock.now() - self._started)
        too_long = state.upcoming_sleep > min(left, LONGEST_OBEYED_WAIT_SECONDS)
        return too_long or state.attempt_number >= self._policy.attempts


def _error_of(state: RetryCallState) -> MiniMaxError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, MiniMaxError):  # `may_repeat` lets nothing else through
        raise TypeError("a wait was asked for without an error of ours") from error
    return error


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
