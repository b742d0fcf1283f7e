"""When a request is sent again: outcome classes, one policy per endpoint, one tenacity assembly.

Nothing else in this package repeats a request. Polling is not retrying: `jobs` decides when to ask
again, this module only how hard one ask is tried.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from minimax.api.policies import (
    Policy,
)
from minimax.clock import Clock
from minimax.errors import MiniMaxError, Outcome, UnansweredError

__all__ = ["run"]

T = TypeVar("T")

TRANSIENT_BASE_SECONDS: Final = 0.5
TRANSIENT_CAP_SECONDS: Final = 8.0
THROTTLED_BASE_SECONDS: Final = 2.0
THROTTLED_CAP_SECONDS: Final = 30.0
LONGEST_OBEYED_WAIT_SECONDS: Final = 60.0
"""A longer Retry-After is told to the caller instead of being slept through."""


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
