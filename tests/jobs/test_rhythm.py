"""The pauses between the questions about one job, from how long earlier jobs took."""

import itertools
import random
from collections.abc import Sequence

import pytest

from minimax.clock import Clock
from minimax.jobs.rhythm import FIRST_PAUSE_SECONDS, LEAST_HISTORY, Rhythm

FIVE_JOBS = [96.0, 104.0, 99.0, 101.0, 100.0]


def ask_until(end_seconds: float, took_seconds: Sequence[float], *, seed: int = 1) -> list[float]:
    """When a job that ends then is asked about; the last question notices the end."""
    rhythm = Rhythm(took_seconds, clock=Clock(jitter=random.Random(seed).uniform))
    asked = [FIRST_PAUSE_SECONDS]
    while asked[-1] < end_seconds:
        asked.append(asked[-1] + rhythm.next_pause(asked[-1]))
    return asked


def pauses(asked: Sequence[float]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(asked)]


@pytest.mark.parametrize("jobs", [[], FIVE_JOBS[: LEAST_HISTORY - 1]], ids=["none", "too few"])
def test_without_history_the_pauses_grow_to_some_eight_seconds(jobs: list[float]) -> None:
    found = pauses(ask_until(100, jobs))
    assert found[0] < found[1] < found[2]
    assert 6.4 <= max(found) <= 9.6


def test_with_history_a_job_is_asked_about_once_before_its_window_and_then_often() -> None:
    asked = ask_until(100, FIVE_JOBS)
    assert [round(each) for each in asked[:3]] == [3, 42, 84]
    assert max(pauses(asked)[2:]) <= 4.2
    assert len(asked) <= 8


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("end", [84.5, 91.0, 100.0, 113.0])
def test_an_end_within_the_window_is_noticed_within_one_short_pause(end: float, seed: int) -> None:
    assert ask_until(end, FIVE_JOBS, seed=seed)[-1] - end <= 4.2


def test_a_job_that_takes_much_longer_is_asked_about_less_and_less_often() -> None:
    asked = ask_until(600, FIVE_JOBS)
    late = [pause for at, pause in zip(asked, pauses(asked), strict=False) if at > 120]
    assert late[0] <= 4.2
    assert late[-1] == 8.0
    assert late == sorted(late) or max(late) == 8.0


def test_jobs_that_got_faster_move_the_window() -> None:
    faster = [30.0] * 10
    assert ask_until(30, [*faster, *FIVE_JOBS])[-1] - 30 <= 4.2


def test_one_job_in_twenty_that_was_exceptionally_fast_does_not_open_the_window_early() -> None:
    jobs = [20.0, *[100.0] * 19]
    assert len(ask_until(100, jobs)) == len(ask_until(100, [100.0] * 20))


def test_while_questions_fail_the_pauses_grow_to_a_minute() -> None:
    rhythm = Rhythm(FIVE_JOBS, clock=Clock(jitter=lambda low, high: (low + high) / 2))
    found = [rhythm.next_pause(90, failures=failures) for failures in range(12)]
    assert max(found[:6]) <= 4.2
    assert found[6:9] == [16.0, 32.0, 60.0]
    assert found[-1] == 60.0
