"""What a process remembers of jobs."""

import pytest

from minimax.jobs import job as jobs_module
from minimax.jobs.job import Jobs
from minimax.runtime import Runtime
from minimax.settings import Settings
from minimax.video.job import VIDEO_JOBS

pytestmark = pytest.mark.anyio


async def test_a_job_is_forgotten_only_while_nobody_waits_for_it(settings: Settings) -> None:
    jobs = Jobs(Runtime(lambda: settings))
    job = jobs.get("1", VIDEO_JOBS)
    job.watchers = 1
    jobs.forget("1", VIDEO_JOBS)
    assert jobs.get("1", VIDEO_JOBS) is job
    job.watchers = 0
    jobs.forget("1", VIDEO_JOBS)
    assert jobs.get("1", VIDEO_JOBS) is not job
    jobs.forget("never heard of", VIDEO_JOBS)


async def test_of_too_many_jobs_the_oldest_are_forgotten(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MOST_JOBS", 2)
    jobs = Jobs(Runtime(lambda: settings))
    first = jobs.get("1", VIDEO_JOBS)
    watched = jobs.get("2", VIDEO_JOBS)
    watched.watchers = 1
    for task_id in ("3", "4", "5"):
        jobs.get(task_id, VIDEO_JOBS)
    assert jobs.get("2", VIDEO_JOBS) is watched
    assert jobs.get("1", VIDEO_JOBS) is not first
