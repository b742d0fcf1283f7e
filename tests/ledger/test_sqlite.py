"""The ledger: what is on disk, who may read it, and what it says after everything went wrong."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.errors import MaybeChargedError
from minimax.ledger.processes import Processes
from minimax.ledger.records import Decision, JobRecord, Purchase, State
from minimax.ledger.sqlite import FILE_NAME, Ledger
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support.host import ROOT
from tests.support.paid_jobs import (
    SLOW,
    buy,
    cancel_call,
    count_submissions,
    open_server,
    rows,
    run_sandbox,
    states,
    wait_until,
)
from tests.support.virtual_time import VirtualTime

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX modes and process ids")

DEADLINE_SECONDS = 70.0
HOUR = 3600.0
NOW = 1_800_000_000.0

PURCHASE = Purchase(
    fingerprint="f",
    api="v1",
    model="MiniMax-Hailuo-2.3",
    prompt="a dog",
    duration=6,
    resolution="768P",
    price_usd=0.28,
    deadline_seconds=DEADLINE_SECONDS,
)


class WallClock:
    """What the ledger calls now."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ledger(folder: Path, clock: WallClock) -> Iterator[Ledger]:
    made = Ledger(folder, now=clock)
    yield made
    made.close()


def begin(ledger: Ledger, purchase: Purchase = PURCHASE) -> JobRecord:
    verdict, job = ledger.begin(purchase, second_charge_agreed=False)
    assert verdict is Decision.BUY
    return job


def decide_next(ledger: Ledger) -> Decision:
    return ledger.begin(PURCHASE, second_charge_agreed=False)[0]


def execute_sql(folder: Path, statement: str, *values: Any) -> None:
    """Change what is on disk behind the ledger's back."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute(statement, values)


def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Another process of this user."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


# --- states ------------------------------------------------------------------------------------

Step = Callable[[Ledger, JobRecord], None]

STEPS: dict[str, tuple[Step, State, Decision]] = {
    "nothing": (lambda ledger, job: None, State.SUBMITTING, Decision.BUY),
    "abandoned": (lambda ledger, job: ledger.mark_abandoned(job), State.SUBMITTING, Decision.JOIN),
    "accepted": (lambda ledger, job: ledger.mark_accepted(job, "1"), State.ACCEPTED, Decision.BUY),
    "accepted-and-abandoned": (
        lambda ledger, job: (ledger.mark_accepted(job, "1"), ledger.mark_abandoned(job))[1],  # type: ignore[func-returns-value]
        State.ACCEPTED,
        Decision.HAND_OVER,
    ),
    "abandoned-and-accepted": (
        lambda ledger, job: (ledger.mark_abandoned(job), ledger.mark_accepted(job, "1"))[1],  # type: ignore[func-returns-value]
        State.ACCEPTED,
        Decision.HAND_OVER,
    ),
    "answered": (
        lambda ledger, job: (ledger.mark_accepted(job, "1"), ledger.mark_answered(job))[1],  # type: ignore[func-returns-value]
        State.ACCEPTED,
        Decision.BUY,
    ),
    "rejected": (
        lambda ledger, job: ledger.mark_ended(job, State.REJECTED),
        State.REJECTED,
        Decision.BUY,
    ),
    "unknown": (
        lambda ledger, job: ledger.mark_ended(job, State.UNKNOWN),
        State.UNKNOWN,
        Decision.REFUSE,
    ),
}


@pytest.mark.parametrize(("step", "state", "verdict"), STEPS.values(), ids=STEPS)
def test_each_state_is_kept_and_decides_what_the_next_identical_call_gets(
    step: Step, state: State, verdict: Decision, ledger: Ledger, folder: Path, clock: WallClock
) -> None:
    job = begin(ledger)
    assert job.state is State.SUBMITTING
    step(ledger, job)
    assert ledger.reload(job).state is state
    with closing(Ledger(folder, now=clock)) as other:
        assert other.reload(job) == ledger.reload(job)
        assert decide_next(other) is verdict


def test_an_accepted_job_comes_before_a_doubt_about_the_same_request(ledger: Ledger) -> None:
    in_doubt, accepted = begin(ledger), begin(ledger)
    ledger.mark_accepted(accepted, "1")
    ledger.mark_abandoned(accepted)
    ledger.mark_ended(in_doubt, State.UNKNOWN)
    assert ledger.begin(PURCHASE, second_charge_agreed=False)[1].id == accepted.id


@pytest.mark.parametrize(
    ("accepted", "next_verdict"),
    [
        pytest.param(True, Decision.BUY, id="accepted"),
        pytest.param(False, Decision.REFUSE, id="refused-by-MiniMax"),
    ],
)
def test_an_agreement_that_bought_settles_every_doubt_about_the_request_and_none_about_another(
    ledger: Ledger, accepted: bool, next_verdict: Decision
) -> None:
    """The person agreed to one second charge, and has it only if MiniMax accepted."""
    other = replace(PURCHASE, fingerprint="g")
    for purchase in (PURCHASE, PURCHASE, other):
        verdict, job = ledger.begin(purchase, second_charge_agreed=True)
        assert verdict is Decision.BUY
        ledger.mark_ended(job, State.UNKNOWN)
    verdict, job = ledger.begin(PURCHASE, second_charge_agreed=True)
    assert verdict is Decision.BUY
    if accepted:
        ledger.mark_accepted(job, "1")
        ledger.mark_answered(job)
    else:
        ledger.mark_ended(job, State.REJECTED)
    assert decide_next(ledger) is next_verdict
    assert ledger.begin(other, second_charge_agreed=False)[0] is Decision.REFUSE


def test_a_doubt_about_another_variant_is_not_settled_by_one_that_was_accepted(
    ledger: Ledger,
) -> None:
    """Two were wanted and sent side by side; nobody has agreed to pay for a third."""
    lost, accepted = begin(ledger), begin(ledger)
    ledger.mark_ended(lost, State.UNKNOWN)
    ledger.mark_accepted(accepted, "1")
    ledger.mark_answered(accepted)
    assert decide_next(ledger) is Decision.REFUSE


# --- for how long, and whose -------------------------------------------------------------------


@pytest.mark.parametrize(("late", "state"), [(-1.0, State.SUBMITTING), (1.0, State.UNKNOWN)])
def test_a_submission_whose_deadline_has_passed_counts_as_unknown(
    late: float, state: State, ledger: Ledger, clock: WallClock
) -> None:
    job = begin(ledger)
    clock.now += DEADLINE_SECONDS + late
    assert ledger.reload(job).state is state
    expected = Decision.BUY if state is State.SUBMITTING else Decision.REFUSE
    assert decide_next(ledger) is expected


@pytest.mark.parametrize("step", ["accepted-and-abandoned", "unknown"])
@pytest.mark.parametrize(("hours", "over"), [(23.99, False), (24.01, True)])
def test_hand_over_and_refusal_last_24_hours(
    hours: float, over: bool, step: str, ledger: Ledger, clock: WallClock
) -> None:
    act, _, verdict = STEPS[step]
    act(ledger, begin(ledger))
    clock.now += hours * HOUR
    assert decide_next(ledger) is (Decision.BUY if over else verdict)


def test_a_job_older_than_a_day_is_still_listed(ledger: Ledger, clock: WallClock) -> None:
    ledger.mark_accepted(begin(ledger), "1")
    clock.now += 30 * 24 * HOUR
    assert [job.task_id for job in ledger.newest(20)] == ["1"]


@posix_only
def test_a_process_that_only_has_the_same_number_is_not_the_one_that_submitted(
    ledger: Ledger, folder: Path
) -> None:
    if Processes().start_time(os.getpid()) is None:
        pytest.skip("this system does not tell when a process started")
    job = begin(ledger)
    execute_sql(folder, "UPDATE jobs SET pid_started = '1'")
    assert ledger.reload(job).state is State.UNKNOWN


@posix_only
def test_a_caller_whose_number_was_given_to_another_process_is_gone(
    ledger: Ledger, folder: Path
) -> None:
    if Processes().start_time(os.getpid()) is None:
        pytest.skip("this system does not tell when a process started")
    ledger.mark_accepted(begin(ledger), "1")
    execute_sql(folder, "UPDATE jobs SET caller_started = '1'")
    assert decide_next(ledger) is Decision.HAND_OVER


@posix_only
def test_where_start_times_are_not_to_be_had_the_number_alone_decides(folder: Path) -> None:
    class WithoutStartTimes(Processes):
        def start_time(self, pid: int) -> None:
            return None

    with closing(Ledger(folder, processes=WithoutStartTimes())) as ledger:
        job = begin(ledger)
        assert ledger.reload(job).state is State.SUBMITTING


OTHER = f"""
import sys, time
from dataclasses import replace
from pathlib import Path
from minimax.ledger.records import Purchase
from minimax.ledger.sqlite import Ledger
PURCHASE = {PURCHASE!r}
folder = Path(sys.argv[1])
"""
"""How another process of this user begins; it imports nothing that takes long."""

BEGIN = f"""{OTHER}
ledger = Ledger(folder, now=lambda: {NOW})
ledger.begin(PURCHASE, second_charge_agreed=False)
print("begun", flush=True)
time.sleep(60)
"""


@posix_only
def test_the_submission_of_another_process_is_its_own_until_that_process_is_killed(
    ledger: Ledger, folder: Path
) -> None:
    other = run(BEGIN, folder)
    assert other.stdout is not None
    with other.stdout:
        assert other.stdout.readline() == "begun\n"
        [job] = ledger.newest(1)
        assert job.state is State.SUBMITTING
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert ledger.reload(job).state is State.UNKNOWN, "dead, though nobody has buried it"
        assert decide_next(ledger) is Decision.REFUSE
        other.wait()
    assert decide_next(ledger) is Decision.REFUSE


# --- on disk -----------------------------------------------------------------------------------


@posix_only
@pytest.mark.parametrize("umask", [0o022, 0o000], ids=oct)
def test_nobody_else_may_read_the_ledger(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with closing(Ledger(tmp_path / "deep" / "state")) as ledger:
            ledger.mark_accepted(begin(ledger), "1")
    finally:
        os.umask(before)
    folder = tmp_path / "deep" / "state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert files
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)


WRITE = (
    OTHER
    + """
name, count = sys.argv[2], int(sys.argv[3])
ledger = Ledger(folder)
for i in range(count):
    purchase = replace(PURCHASE, fingerprint=f"{name}-{i}")
    verdict, job = ledger.begin(purchase, second_charge_agreed=False)
    ledger.mark_accepted(job, f"{name}-{i}")
    print(f"{name}-{i}", flush=True)
    ledger.mark_answered(job)
print(ledger.trouble)
"""
)


def test_several_processes_write_at_once_and_nothing_is_lost(folder: Path) -> None:
    count = 25
    writers = [run(WRITE, folder, name, count) for name in "abc"]
    said = [writer.communicate(timeout=30)[0].split() for writer in writers]
    assert [words[-1] for words in said] == ["None"] * 3
    with closing(Ledger(folder)) as ledger:
        jobs = ledger.newest(1000)
    assert {job.task_id for job in jobs} == {f"{name}-{i}" for name in "abc" for i in range(count)}
    assert all(job.state is State.ACCEPTED and job.answered_at for job in jobs)


@pytest.mark.parametrize("lines", [1, 7])
def test_what_was_written_before_a_kill_is_there_after_it(lines: int, folder: Path) -> None:
    writer = run(WRITE, folder, "a", 100_000)
    assert writer.stdout is not None
    with writer.stdout:
        said = [writer.stdout.readline().strip() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.read().split()
        writer.wait()
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(Ledger(folder)) as ledger:
        jobs = {job.task_id: job for job in ledger.newest(100_000)}
        assert ledger.trouble is None
    assert set(said) <= set(jobs)
    assert all(jobs[task_id].state is State.ACCEPTED for task_id in said)
    assert len(jobs) <= len(said) + 2


# --- a ledger that cannot be used --------------------------------------------------------------


def garbage(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(b"SQLite format 3\x00" + os.urandom(8192))


def no_database(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_text("Dear diary")


def cut_off(folder: Path) -> None:
    with closing(Ledger(folder)) as ledger:
        begin(ledger, replace(PURCHASE, fingerprint="other", prompt="x" * 20_000))
    os.truncate(folder / FILE_NAME, 6000)


def foreign_database(folder: Path) -> None:
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute("CREATE TABLE jobs (fingerprint, created_at, task_id)")


def database_without_a_column(folder: Path) -> None:
    Ledger(folder).close()
    execute_sql(folder, "ALTER TABLE jobs DROP COLUMN price_usd")


def a_folder_in_its_place(folder: Path) -> None:
    (folder / FILE_NAME).mkdir(parents=True)


def a_file_in_the_folders_place(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def below_a_file(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.write_text("")


def read_only(folder: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("nothing is read-only to this user")
    Ledger(folder).close()
    (folder / FILE_NAME).chmod(0o400)
    folder.chmod(0o500)


DAMAGES = [
    garbage,
    no_database,
    cut_off,
    foreign_database,
    database_without_a_column,
    a_folder_in_its_place,
    a_file_in_the_folders_place,
    below_a_file,
    read_only,
]
NOT_WRITTEN = "could not be written down"


def print_line(damage: Callable[..., Any]) -> str:
    return damage.__name__.replace("_", "-")


@pytest.mark.anyio
@pytest.mark.parametrize("damage", DAMAGES, ids=print_line)
async def test_a_ledger_that_cannot_be_used_does_not_stop_a_job_and_the_result_says_so(
    damage: Callable[[Path], None], settings: Settings, time: VirtualTime, home: Path
) -> None:
    settings = replace(settings, state_dir=home / "odd" / "state" / "minimax")
    damage(settings.state_dir)
    async with run_sandbox(settings) as (sandbox, settings), open_server(settings, time) as running:
        video = await buy(running)
        assert NOT_WRITTEN in video["next_step"]
        assert [video["task_id"]] == list(sandbox.videos)
        listed = [job.task_id for job in running.ledger.newest(20)]
    assert listed == [video["task_id"]]


@pytest.mark.anyio
async def test_a_ledger_that_can_be_used_is_not_complained_about(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (_, settings), open_server(settings, time) as running:
        assert NOT_WRITTEN not in (await buy(running))["next_step"]


@pytest.mark.anyio
async def test_without_a_ledger_the_rules_hold_as_long_as_the_process_lives(
    settings: Settings, time: VirtualTime
) -> None:
    garbage(settings.state_dir)
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        await cancel_call(buy(running), once=lambda: count_submissions(sandbox))
        assert (await buy(running))["reused"]
        assert not (await buy(running))["reused"]
    assert sandbox.count_charges("video") == 2


Trouble = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def writes_fail(folder: Path) -> Iterator[None]:
    """The disk is full, or has become read-only: SQLite says no to every change."""
    with pytest.MonkeyPatch.context() as patch:
        real = sqlite3.connect

        def connect(database: Any, **options: Any) -> sqlite3.Connection:
            in_memory = database == ":memory:"
            name = database if in_memory else f"file:{folder / FILE_NAME}?mode=ro"
            connection: sqlite3.Connection = real(name, uri=not in_memory, **options)
            return connection

        patch.setattr(sqlite3, "connect", connect)
        yield


@contextmanager
def overwritten(folder: Path) -> Iterator[None]:
    """Somebody's backup or editor has put something else in its place."""
    (folder / FILE_NAME).write_bytes(b"Dear diary, " * 1000)
    yield


TROUBLES = pytest.mark.parametrize("trouble", [writes_fail, overwritten], ids=print_line)


@pytest.mark.anyio
async def test_a_job_whose_id_could_not_be_written_down_is_told_with_its_id(
    settings: Settings, time: VirtualTime
) -> None:
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        call = asyncio.create_task(buy(running))
        await wait_until(lambda: count_submissions(sandbox))
        with writes_fail(settings.state_dir):
            video = await call
            assert NOT_WRITTEN in video["next_step"]
        assert [video["task_id"]] == list(sandbox.videos)
    assert states(settings) == ["submitting"]


@pytest.mark.anyio
@TROUBLES
async def test_a_job_that_could_not_be_written_down_is_remembered_by_the_process(
    trouble: Trouble, settings: Settings, time: VirtualTime
) -> None:
    """The ledger is lost while the submission is in flight; its caller is gone."""
    async with (
        run_sandbox(settings, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        call = asyncio.create_task(buy(running))
        await wait_until(lambda: count_submissions(sandbox))
        with trouble(settings.state_dir):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            work = next(iter(running.background.paid_tasks), None)
            if work is not None:
                await asyncio.wait({work})
            again = await buy(running)
        assert again["reused"]
    assert sandbox.count_charges("video") == 1


@pytest.mark.anyio
@TROUBLES
async def test_two_requests_are_not_mixed_up_when_the_ledger_is_lost_between_them(
    trouble: Trouble, settings: Settings, time: VirtualTime
) -> None:
    """Both rows may get the same number: one on disk, one in memory."""
    async with (
        run_sandbox(settings, SLOW, SLOW) as (sandbox, settings),
        open_server(settings, time) as running,
    ):
        first = asyncio.create_task(buy(running))
        await wait_until(lambda: count_submissions(sandbox))
        with trouble(settings.state_dir):
            second = await buy(running, prompt="a cat")
            one = await first
        prompts = {task.id: task.prompt for task in sandbox.videos.values()}
    assert [prompts[str(video["task_id"])] for video in (one, second)] == [
        "a dog runs along the beach",
        "a cat",
    ]
    assert sandbox.count_charges("video") == 2


@pytest.mark.anyio
async def test_a_state_that_a_later_version_wrote_counts_as_in_doubt(
    settings: Settings, time: VirtualTime
) -> None:
    async with run_sandbox(settings) as (sandbox, settings), open_server(settings, time) as running:
        await buy(running)
        execute_sql(settings.state_dir, "UPDATE jobs SET state = 'reconciled', answered_at = NULL")
        with pytest.raises(MaybeChargedError):
            await buy(running)
        video = await buy(running, prompt="a cat")
        listed = await minimax_server.list_video_tasks()
    assert [task["status"] for task in listed["tasks"]] == ["queued", "unknown"]
    assert video["task_id"] in sandbox.videos
    assert sandbox.count_charges("video") == 2


# --- what is in it -----------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_key_is_not_in_the_ledger(settings: Settings, time: VirtualTime) -> None:
    async with run_sandbox(settings) as (_, settings), open_server(settings, time) as running:
        await buy(running)
    files = [file for file in settings.state_dir.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    assert b"a dog runs along the beach" in kept
    assert KEY.encode() not in kept
    assert KEY.removeprefix("sk-api-").encode() not in kept
    assert len(rows(settings)) == 1


def test_the_newest_jobs_come_first_without_those_that_cost_nothing(
    ledger: Ledger, clock: WallClock
) -> None:
    for i in range(4):
        clock.now += 1
        job = begin(ledger, replace(PURCHASE, fingerprint=str(i)))
        if i == 2:
            ledger.mark_ended(job, State.REJECTED)
        else:
            ledger.mark_accepted(job, str(i))
    ledger.record_status("1", status="completed", file_id="900", reply="{}")
    assert [job.task_id for job in ledger.newest(20)] == ["3", "1", "0"]
    assert [job.task_id for job in ledger.newest(2)] == ["3", "1"]
    assert [job.task_id for job in ledger.newest(20, status="completed")] == ["1"]
    assert [job.task_id for job in ledger.newest(20, status="queued")] == ["3", "0"]


def test_a_job_keeps_its_status_file_and_path(ledger: Ledger, folder: Path, tmp_path: Path) -> None:
    ledger.mark_accepted(begin(ledger), "1")
    ledger.record_status("1", status="completed", file_id="900", reply="{}")
    ledger.record_path("900", tmp_path / "film.mp4")
    with closing(Ledger(folder)) as other:
        job = other.by_task("1")
        assert job is not None
        assert job == other.newest(1)[0]
        assert other.by_task("2") is None
    assert (job.status, job.file_id, job.path) == ("completed", "900", str(tmp_path / "film.mp4"))
    assert job.final_reply == "{}"


def test_a_later_look_does_not_take_the_file_id_away(ledger: Ledger) -> None:
    ledger.mark_accepted(begin(ledger), "1")
    ledger.record_status("1", status="completed", file_id="900", reply=None)
    ledger.record_status("1", status="completed", file_id=None, reply=None)
    job = ledger.by_task("1")
    assert job is not None
    assert job.file_id == "900"
