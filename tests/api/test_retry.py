"""When a request is sent again, decided in one place."""

import asyncio
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimax.api import policies, responses, retry
from minimax.errors import MiniMaxError, Outcome, UnansweredError
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

N, R, T, U = Outcome.NOT_SENT, Outcome.REJECTED, Outcome.THROTTLED, Outcome.UNKNOWN


class Attempts:
    """Fails with each outcome in turn, then succeeds."""

    def __init__(self, *outcomes: Outcome, retry_after_seconds: float | None = None) -> None:
        self.count = 0
        self._outcomes = outcomes
        self._retry_after = retry_after_seconds

    async def __call__(self) -> str:
        self.count += 1
        if self.count <= len(self._outcomes):
            raise MiniMaxError(
                "no",
                outcome=self._outcomes[self.count - 1],
                retry_after_seconds=self._retry_after,
            )
        return "done"


@pytest.mark.parametrize(
    ("policy", "outcomes", "requests"),
    [
        pytest.param(policies.UPLOAD, [U, U], 3, id="upload-after-503-twice"),
        pytest.param(policies.UPLOAD, [N, T], 3, id="upload-not-sent-then-throttled"),
        pytest.param(policies.STATUS, [U, U, U], 4, id="status-three-failures"),
        pytest.param(policies.CLONE, [U, U], 3, id="clone-without-preview"),
        pytest.param(policies.CLONE_WITH_PREVIEW, [N], 2, id="clone-with-preview-not-sent"),
        pytest.param(policies.SUBMIT, [N, N], 3, id="submit-not-sent-twice"),
        pytest.param(policies.SUBMIT, [T], 2, id="submit-throttled"),
    ],
)
async def test_what_may_be_repeated_is_repeated_until_it_succeeds(
    policy: policies.Policy, outcomes: list[Outcome], requests: int, time: VirtualTime
) -> None:
    attempts = Attempts(*outcomes)
    assert await retry.run(policy, attempts, clock=time.clock) == "done"
    assert attempts.count == requests


@pytest.mark.parametrize(
    ("policy", "outcome", "requests"),
    [
        pytest.param(policies.SUBMIT, U, 1, id="a-paid-submission-in-doubt"),
        pytest.param(policies.SUBMIT, R, 1, id="a-refused-submission"),
        pytest.param(policies.CLONE_WITH_PREVIEW, U, 1, id="a-billed-preview-in-doubt"),
        pytest.param(policies.STATUS, R, 1, id="a-refused-question"),
        pytest.param(policies.UPLOAD, U, 3, id="three-uploads-at-most"),
        pytest.param(policies.STATUS, T, 4, id="four-questions-at-most"),
    ],
)
async def test_the_last_error_comes_out_as_it_was_raised(
    policy: policies.Policy, outcome: Outcome, requests: int, time: VirtualTime
) -> None:
    attempts = Attempts(*[outcome] * 9)
    with pytest.raises(MiniMaxError, match="no") as caught:
        await retry.run(policy, attempts, clock=time.clock)
    assert caught.value.outcome is outcome
    assert attempts.count == requests


async def test_waits_grow_with_full_jitter_and_are_longer_when_throttled(
    time: VirtualTime,
) -> None:
    await retry.run(policies.STATUS, Attempts(U, U, U), clock=time.clock)
    assert time.slept == [0.5, 1.0, 2.0]
    time.slept.clear()
    await retry.run(policies.STATUS, Attempts(T, T, T), clock=time.clock)
    assert time.slept == [2.0, 4.0, 8.0]


async def test_retry_after_is_obeyed_where_it_fits(time: VirtualTime) -> None:
    await retry.run(policies.SUBMIT, Attempts(T, retry_after_seconds=2.5), clock=time.clock)
    assert time.slept == [2.5]


@pytest.mark.parametrize("asked", [45.0, 3600.0], ids=["beyond-the-deadline", "an-hour"])
async def test_a_wait_that_does_not_fit_fails_now_and_says_how_long(
    asked: float, time: VirtualTime
) -> None:
    attempts = Attempts(T, retry_after_seconds=asked)
    with pytest.raises(MiniMaxError, match=f"wait {asked:.0f} seconds"):
        await retry.run(policies.STATUS, attempts, clock=time.clock)
    assert attempts.count == 1
    assert time.slept == []


async def test_the_deadline_ends_an_attempt_that_hangs(time: VirtualTime) -> None:
    policy = replace(policies.STATUS, deadline_seconds=0.01)
    with pytest.raises(UnansweredError) as caught:
        await retry.run(policy, asyncio.Event().wait, clock=time.clock)
    assert caught.value.outcome is U


async def test_cancellation_is_never_swallowed_nor_repeated(time: VirtualTime) -> None:
    started, count = asyncio.Event(), 0

    async def attempt() -> None:
        nonlocal count
        count += 1
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(retry.run(policies.UPLOAD, attempt, clock=time.clock))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert count == 1


@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("bug")], ids=repr)
async def test_a_bug_is_not_retried(error: Exception, time: VirtualTime) -> None:
    count = 0

    async def attempt() -> None:
        nonlocal count
        count += 1
        raise error

    with pytest.raises(type(error)):
        await retry.run(policies.UPLOAD, attempt, clock=time.clock)
    assert count == 1


async def test_an_error_knows_whether_an_earlier_attempt_was_left_in_doubt(
    time: VirtualTime,
) -> None:
    for outcomes, expected in [((U, R), True), ((N, R), False), ((R,), False)]:
        with pytest.raises(MiniMaxError) as caught:
            await retry.run(policies.CLONE, Attempts(*outcomes), clock=time.clock)
        assert caught.value.after_unknown is expected


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("20", 20),
        ("1.5", 1.5),
        ("0", None),
        ("-10", None),
        ("-1", None),
        ("61", 61),
        ("3600", 3600),
        ("1" + "0" * 40, None),
        ("inf", None),
        ("nan", None),
        ("banana", None),
        ("", None),
        (formatdate(NOW + 30, usegmt=True), 30),
        (formatdate(NOW - 30, usegmt=True), None),
        ("Fri, 99 Foo 2099 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    text: str | None, seconds: float | None
) -> None:
    assert responses.parse_retry_after(text, unix_now=NOW) == seconds


@given(st.text())
def test_no_retry_after_header_crashes(text: str) -> None:
    found = responses.parse_retry_after(text, unix_now=NOW)
    assert found is None or 0 < found <= responses.LONGEST_BELIEVED_WAIT_SECONDS
