"""Repeats a request where its policy allows that; nothing else in this package repeats one.

Polling is not retrying: `video.job` decides when to ask again, this module only how hard one
question is tried.
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

    async def try_once() -> T:
        try:
            return await attempt()
        except MiniMaxError as error:
            pacing.note_failure(error)
            raise

    try:
        async with asyncio.timeout(policy.deadline_seconds):
            return await retrying(try_once)
    except TimeoutError:
        raise UnansweredError(
            f"MiniMax did not answer within {policy.deadline_seconds:.0f} seconds. Call again.",
            outcome=Outcome.UNKNOWN,
        ) from None


class _Pacing:
    """Whether one run repeats its request, after how long, and when it is too late."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._started = clock.now()
        self._in_doubt = False

    def note_failure(self, error: MiniMaxError) -> None:
        error.after_unknown = self._in_doubt
        self._in_doubt = self._in_doubt or error.outcome is Outcome.UNKNOWN

    def may_repeat(self, error: BaseException) -> bool:
        return isinstance(error, MiniMaxError) and error.outcome in self._policy.retries_on

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
        too_long = state.upcoming_sleep > min(left, self._policy.longest_wait_seconds)
        return too_long or state.attempt_number >= self._policy.attempts


def _error_of(state: RetryCallState) -> MiniMaxError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, MiniMaxError):  # `may_repeat` lets nothing else through
        raise TypeError("a wait was asked for without an error of ours") from error
    return error
