"""One paid job as all its callers see it: asked about in one rhythm, by one process of a ledger."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from minimax.api.client import MiniMaxClient
from minimax.api.replies import StatusReply
from minimax.errors import MiniMaxError, Outcome, UnansweredError
from minimax.jobs.news import JobNews
from minimax.jobs.rhythm import FIRST_PAUSE_SECONDS, MOST_HISTORY, Rhythm
from minimax.ledger.records import Follower, Kind, Record
from minimax.runtime import Runtime
from minimax.tool_results import JobStatus

__all__ = ["Job", "JobType", "Jobs"]

FILE_ID_TRIES: Final = 3
FILE_ID_PAUSE_SECONDS: Final = 2.0
"""A job may be finished a moment before its file has an id."""
LOOK_PAUSE_SECONDS: Final = 2.0
"""Between two looks at the row of a job that another process follows."""
UNKNOWN_PAUSE_SECONDS: Final = 10.0
"""Between two looks for a row of a job that was bought elsewhere."""
FRESH_SECONDS: Final = 10.0
"""A reply that another process got so recently is not asked for again."""
SLEEP_PIECE_SECONDS: Final = 1.0
"""A longer sleep would not notice in time that the machine was asleep."""
ASLEEP_SECONDS: Final = 5.0
"""From here on the machine was asleep, and not merely busy."""
LAST_LOOK_SECONDS: Final = 4.0
"""A wait that ends asks once more where the last question is so old."""
LATE_SECONDS: Final = 5.0
"""A question that came so much later than planned tells nothing about how long a job took."""
MOST_JOBS: Final = 1000
"""That are remembered by a process; of more than that, the oldest are read again when needed."""
ASKS_PER_SECOND: Final = 2.0
"""Of one process for all its jobs together. MiniMax names no limit for questions; the lowest that
it names for all requests of a video API is 300 a minute (platform documentation "rate limits")."""


Pace = Callable[[], float]
"""The shortest pause, in seconds, that the number of jobs allows."""


class JobType(Protocol):
    """What the jobs of one kind have in common."""

    @property
    def kind(self) -> Kind:
        """As the ledger names it."""
        ...

    async def ask(
        self, client: MiniMaxClient, task_id: str, *, api: str
    ) -> tuple[StatusReply, str]:
        """MiniMax's reply about a job, and which API gave it; `api` is empty where not known."""
        ...

    async def save(self, runtime: Runtime, record: Record) -> Path:
        """Save what a completed job made, and write down where."""
        ...

    def next_step_in_list(self, record: Record, status: str, saved_as: str | None) -> str:
        """What can be done with one in a list; `saved_as` leads to its result, if it is saved."""
        ...


class Jobs:
    """The jobs that this process has asked about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._jobs: dict[tuple[Kind, str], Job] = {}

    def get(self, task_id: str, job_type: JobType) -> "Job":
        """The job of this kind with this task id."""
        key = (job_type.kind, task_id)
        if key not in self._jobs:
            self._forget_oldest()
            self._jobs[key] = Job(self._runtime, task_id, job_type, pace_seconds=self._pace)
        return self._jobs[key]

    def has_file(self, file_id: str) -> bool:
        """Whether one of them has made this file."""
        return any(job.file_id == file_id for job in self._jobs.values())

    def forget(self, task_id: str, job_type: JobType) -> None:
        """Let go of a job that nobody waits for; what became of it is in the ledger."""
        self._forget((job_type.kind, task_id))

    def _forget(self, key: tuple[Kind, str]) -> None:
        job = self._jobs.get(key)
        if job is not None and not job.watchers:
            del self._jobs[key]

    def _forget_oldest(self) -> None:
        for key in list(self._jobs)[: max(0, len(self._jobs) - MOST_JOBS)]:
            self._forget(key)

    def _pace(self) -> float:
        """The shortest pause at which all jobs that are watched stay below the limit."""
        watched = sum(job.watchers > 0 for job in self._jobs.values())
        return watched / ASKS_PER_SECOND


class Job:
    """What is known about one job, shared by all calls that ask about it and by its follower.

    Attributes:
        task_id: MiniMax's name for it.
        type: What it has in common with others of its kind.
        clock: The time it is asked by.
        due_at: When it is worth asking again, on that clock.
        api: Which API knows it; empty until that is known.
        watchers: How many wait for its end, its follower included.
        is_claimed: It is to be followed by this process, unless another one does.
        is_used: A caller has named it, so its id has been checked.
        saving_error: Why its file could not be saved when that was last tried.
    """

    def __init__(
        self, runtime: Runtime, task_id: str, job_type: JobType, *, pace_seconds: Pace
    ) -> None:
        self.task_id = task_id
        self.type = job_type
        self.clock = runtime.clock
        self.due_at = 0.0
        self.api = ""
        self.watchers = 0
        self.is_claimed = False
        self._runtime = runtime
        self._pace_seconds = pace_seconds
        self.is_used = False
        self.saving_error: MiniMaxError | None = None
        self._asking = asyncio.Lock()
        self._questions = 0
        self._failures = 0
        self._reply: StatusReply | None = None
        self._failure: MiniMaxError | None = None
        self._row: Record | None = None
        self._row_due_at = 0.0
        """When the ledger is worth a look again, where it does not know the job."""
        self._accepted_at = self._time()
        self._rhythm: Rhythm | None = None
        self._unfinished_at: float | None = None
        """When it was last known not to have ended."""
        self._planned_at = 0.0
        """When it was to be asked about after that."""

    async def note_use(self) -> None:
        """A caller has used the task id, so the answer that told it has arrived."""
        if not self.is_used:
            await self._runtime.ledger.receive_by_use(self.task_id)
            self.is_used = True

    # --- asking --------------------------------------------------------------------------------

    async def refresh(self) -> StatusReply:
        """How it stands now; a final reply is remembered and never asked for again.

        A question that is under way already is joined.

        Raises:
            MiniMaxError: MiniMax could not be asked.
        """
        earlier = self._questions
        async with self._asking:
            if self._questions != earlier:
                return self._last_outcome() or await self._refresh(is_due=False)
            return await self._refresh(is_due=False)

    async def latest(self) -> StatusReply:
        """The last reply or failure, or a new one where it is time to ask again.

        However many calls wait for one job, side by side or one after the other, it is asked about
        in one rhythm.

        Raises:
            MiniMaxError: MiniMax could not be asked.
        """
        async with self._asking:
            if self.clock.now() >= self.due_at:
                return await self._refresh(is_due=True)
            return self._last_outcome() or await self._refresh(is_due=True)

    def _last_outcome(self) -> StatusReply | None:
        if self._failure is not None:
            raise self._failure
        return self._reply

    async def _refresh(self, *, is_due: bool) -> StatusReply:
        if self._reply is not None and self._reply.is_final:
            return self._reply
        self._failure = None
        try:
            self._reply = await self._read_row(is_due=is_due) or await self._ask()
        except MiniMaxError as error:
            self._failures += 1
            if error.outcome is Outcome.REJECTED:
                self._reply = None
            else:
                self._failure = error
            self.due_at = self.clock.now() + await self._next_pause()
            raise
        finally:
            self._questions += 1
        self._failures = 0
        return self._reply

    async def _read_row(self, *, is_due: bool) -> StatusReply | None:
        """What the ledger knows of it; None where MiniMax has to be asked.

        MiniMax is not asked about what has ended, nor about what another process follows.
        """
        if self._row is None and self.clock.now() < self._row_due_at:
            return None
        ledger = self._runtime.ledger
        row = await ledger.by_task(self.task_id)
        if row is not None and row.follower is None and self.is_claimed:
            row = await ledger.claim_job(self.task_id)
        self._note_row(row)
        if row is None:
            self._row_due_at = self.clock.now() + UNKNOWN_PAUSE_SECONDS
            return None
        if row.final_reply is not None:
            return StatusReply.model_validate_json(row.final_reply)
        if row.follower is not Follower.OTHER or not (is_due or _is_fresh(row)):
            return None
        self.due_at = self.clock.now() + LOOK_PAUSE_SECONDS
        reply = _last_reply(row)
        self._tell_news(reply.job_status)
        return reply

    def _note_row(self, row: Record | None) -> None:
        if row is not None and self._row is None:
            self.api = self.api or row.api
            self._accepted_at = self._time() - row.age_seconds
            if row.age_seconds < FIRST_PAUSE_SECONDS:
                self._unfinished_at = self._accepted_at
                self._planned_at = self._accepted_at + FIRST_PAUSE_SECONDS
        self._row = row

    async def _ask(self) -> StatusReply:
        client = await self._runtime.client()
        for _ in range(FILE_ID_TRIES):
            reply, self.api = await self.type.ask(client, self.task_id, api=self.api)
            if reply.job_status != "completed" or reply.file_id:
                await self.record(reply)
                return reply
            await self.clock.sleep(FILE_ID_PAUSE_SECONDS)
        raise UnansweredError(
            f"The job {self.task_id} is finished, but MiniMax does not name its file yet. "
            "What was made is not lost: ask again in a minute with the same task_id.",
            outcome=Outcome.UNKNOWN,
            task_id=self.task_id,
        )

    async def conclude(self, reply: StatusReply) -> None:
        """It has ended by our own doing, with this as its last word."""
        await self.record(reply)
        self._reply = reply

    # --- what is written down ------------------------------------------------------------------

    async def record(self, reply: StatusReply) -> None:
        """Keep the ledger up to date, and tell whoever wants to know of changes."""
        took_seconds = self._seconds_taken(reply)
        if not reply.is_final:
            pause = await self._next_pause()
            self.due_at = self.clock.now() + pause
            self._unfinished_at, self._planned_at = self._time(), self._time() + pause
        if self._row is not None and (self.is_claimed or reply != self._reply):
            await self._runtime.ledger.record_status(
                self.task_id,
                status=reply.job_status,
                file_id=reply.file_id or None,
                reply=reply.model_dump_json(),
                is_final=reply.is_final,
                took_seconds=took_seconds,
            )
        self._tell_news(reply.job_status)

    def _tell_news(self, status: JobStatus) -> None:
        self._runtime.get_shared(JobNews).note_status(self.task_id, status)

    def _seconds_taken(self, reply: StatusReply) -> float | None:
        """It ended between the last question and this one; None where that was not watched."""
        is_punctual = self._time() <= self._planned_at + LATE_SECONDS
        if reply.job_status != "completed" or self._unfinished_at is None or not is_punctual:
            return None
        return (self._unfinished_at + self._time()) / 2 - self._accepted_at

    # --- time ----------------------------------------------------------------------------------

    def _time(self) -> float:
        """Seconds that pass also while the machine is asleep."""
        return self.clock.now() + self.clock.asleep_seconds()

    @property
    def elapsed_seconds(self) -> float:
        """How long it has been under way."""
        return self._time() - self._accepted_at

    @property
    def file_id(self) -> str | None:
        """What it made, once that is known."""
        return None if self._reply is None else self._reply.file_id or None

    @property
    def is_in_ledger(self) -> bool:
        """Whether it was bought from here."""
        return self._row is not None

    @property
    def has_ended(self) -> bool:
        """Whether a final reply is known."""
        return self._reply is not None and self._reply.is_final

    @property
    def may_have_news(self) -> bool:
        """Whether the end of a wait is worth a question of its own."""
        rhythm, unfinished_at = self._rhythm, self._unfinished_at
        if rhythm is None or rhythm.knows_history or unfinished_at is None:
            return False
        return self._time() - unfinished_at >= LAST_LOOK_SECONDS

    async def wait_until_due(self, *, until: float = math.inf) -> None:
        """Sleep until it is worth asking again, the job has ended, or the clock shows `until`.

        It is worth asking at once when the machine was asleep.
        """
        asleep_before = self.clock.asleep_seconds()
        while not self.has_ended:
            left = min(self.due_at, until) - self.clock.now()
            if left <= 0:
                return
            await self.clock.sleep(min(left, SLEEP_PIECE_SECONDS))
            if self.clock.asleep_seconds() - asleep_before > ASLEEP_SECONDS:
                self.due_at = self.clock.now()

    async def _next_pause(self) -> float:
        if self._rhythm is None:
            self._rhythm = Rhythm(await self._read_history(), clock=self.clock)
        pause = self._rhythm.next_pause(self.elapsed_seconds, failures=self._failures)
        return max(pause, self._pace_seconds())

    async def _read_history(self) -> list[float]:
        if self._row is None:
            return []
        return await self._runtime.ledger.job_times(self._row, limit=MOST_HISTORY)


def _is_fresh(row: Record) -> bool:
    ledger_now = row.created_at + row.age_seconds
    return row.asked_at is not None and abs(ledger_now - row.asked_at) <= FRESH_SECONDS


def _last_reply(row: Record) -> StatusReply:
    """What the process that follows a job was told; nothing yet means that it waits its turn."""
    if row.last_reply is None:
        return StatusReply(status=row.status or "queued")
    return StatusReply.model_validate_json(row.last_reply)
