"""Asks about the job of a long speech, waits for its end, and says where its audio is."""

from pathlib import Path
from typing import Final, NamedTuple

from minimax import delivery
from minimax.api.client import MiniMaxClient
from minimax.api.replies import StatusReply
from minimax.errors import InputError, MiniMaxError
from minimax.jobs.asking import ask_or_wait, explain_failure
from minimax.jobs.job import Job, Jobs
from minimax.jobs.kinds import QUERY_TOOLS, refuse_id_of_other_kind
from minimax.jobs.waiting import Report
from minimax.ledger.records import Kind, Record
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning
from minimax.time_budgets import LONGEST_WAIT_SECONDS, SAVE_GRACE_SECONDS
from minimax.tool_results import LongAudioStatus
from minimax.validation import check_id
from minimax.voice.long_speech_files import SavedSpeech, find_or_save, request_link

__all__ = ["LONG_SPEECH_JOBS", "query", "waiting_call"]

LINK_LIFE: Final = "for about nine hours"
"""Platform documentation "asynchronous long TTS"; where the link does not say it itself."""


class LongSpeechJobs:
    """See `jobs.job.JobType`."""

    kind = Kind.LONG_SPEECH

    async def ask(
        self, client: MiniMaxClient, task_id: str, *, api: str
    ) -> tuple[StatusReply, str]:
        """MiniMax's reply; the file has an id before the job ends, and counts from then on."""
        reply = await client.query_long_speech(task_id)
        if reply.job_status != "completed":
            reply = reply.model_copy(update={"file_id": ""})
        return reply, api

    async def save(self, runtime: Runtime, record: Record) -> Path:
        """Save the sound and its subtitles."""
        assert record.file_id is not None  # noqa: S101 - a completed job names its file
        saved = await find_or_save(runtime, record.file_id, record, within_seconds=None)
        return saved.path

    def next_step_in_list(self, record: Record, status: str, saved_as: str | None) -> str:
        """What can be done with a long speech, in a list."""
        if saved_as is not None:
            return f"Its audio is saved; tell the person the {saved_as}."
        if status == "submitting":
            return "Still being sent."
        if status == "unknown":
            return "MiniMax may have accepted and charged this; look at its usage page."
        if status == "failed":
            return "This job ended without audio."
        return f'{QUERY_TOOLS[self.kind]}(task_id="{record.task_id}")'


LONG_SPEECH_JOBS: Final = LongSpeechJobs()


def waiting_call(task_id: str) -> str:
    """The call that waits best, as a model would write it."""
    tool = QUERY_TOOLS[Kind.LONG_SPEECH]
    return f'{tool}(task_id="{task_id}", wait_seconds={LONGEST_WAIT_SECONDS})'


async def query(
    runtime: Runtime, task_id: str, *, wait_seconds: float = 0, report: Report | None = None
) -> LongAudioStatus:
    """How a job stands, and where its sound is: saved now where that has not happened yet.

    The end of the wait is a normal result. Cancelling this leaves the paid job alone.

    Raises:
        InputError: `task_id` cannot be one, or is an id of something else.
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    job = runtime.get_shared(Jobs).get(check_id(task_id, "task_id"), LONG_SPEECH_JOBS)
    if not (job.is_used or job.is_in_ledger):
        await _refuse_other_ids(runtime, job.task_id)
    await job.note_use()
    started = runtime.clock.now()
    reply = await ask_or_wait(runtime, job, wait_seconds=wait_seconds, report=report)
    if reply.job_status != "completed":
        return _result_of_unfinished(runtime, job.task_id, reply)
    left_seconds = max(0.0, wait_seconds - (runtime.clock.now() - started)) + SAVE_GRACE_SECONDS
    sound = await _obtain(runtime, job, reply.file_id, within_seconds=left_seconds)
    return _result_of_completed(runtime, job.task_id, sound)


async def _refuse_other_ids(runtime: Runtime, ident: str) -> None:
    record = await refuse_id_of_other_kind(runtime, ident, field="task_id", kind=Kind.LONG_SPEECH)
    if record is not None and record.task_id != ident:
        raise InputError(
            f"task_id: {ident} is the file_id of a long speech. Call "
            f'query_long_audio(task_id="{record.task_id}") for it. Nothing was sent.'
        )


class Sound(NamedTuple):
    """What became of a finished speech: saved, linked to, or neither, with the reason."""

    saved: SavedSpeech | None = None
    url: str | None = None
    problem: MiniMaxError | None = None


async def _obtain(runtime: Runtime, job: Job, file_id: str, *, within_seconds: float) -> Sound:
    record = await runtime.ledger.by_task(job.task_id)
    links_only = runtime.settings.resource_mode == "url"
    try:
        if links_only:
            return Sound(url=await request_link(runtime, file_id, record))
        return Sound(
            saved=await find_or_save(runtime, file_id, record, within_seconds=within_seconds)
        )
    except StillRunning:
        return Sound()
    except MiniMaxError as error:
        return Sound(problem=error) if links_only else await _link_instead(runtime, file_id, error)


async def _link_instead(runtime: Runtime, file_id: str, problem: MiniMaxError) -> Sound:
    """What is paid for must not be out of reach only because it could not be saved here."""
    try:
        return Sound(url=await request_link(runtime, file_id, None), problem=problem)
    except MiniMaxError:
        return Sound(problem=problem)


# --- what a caller is told ---------------------------------------------------------------------


def _result_of_unfinished(runtime: Runtime, task_id: str, reply: StatusReply) -> LongAudioStatus:
    failed = reply.job_status == "failed"
    next_step = (
        "This job has ended without audio; asking again changes nothing. Tell the person why, and "
        "start again only with their agreement: a new job costs again."
        if failed
        else f"Still under way, which is normal. Call {waiting_call(task_id)} again. Do not call "
        "long_text_to_audio again for this text."
    )
    return LongAudioStatus(
        task_id=task_id,
        status=reply.job_status,
        path=None,
        subtitle_path=None,
        audio_url=None,
        error=_explain(reply) if failed else None,
        error_code=(reply.base_resp.status_code or None) if failed else None,
        next_step=runtime.write_next_step(next_step),
    )


def _explain(reply: StatusReply) -> str:
    if reply.status.lower() == "expired":
        return (
            "MiniMax says that the job has expired: it keeps audio for about nine hours, and has "
            "deleted this."
        )
    return explain_failure(reply)


def _result_of_completed(runtime: Runtime, task_id: str, sound: Sound) -> LongAudioStatus:
    saved, problem = sound.saved, sound.problem
    return LongAudioStatus(
        task_id=task_id,
        status="completed",
        path=str(saved.path) if saved else None,
        subtitle_path=str(saved.subtitle_path) if saved and saved.subtitle_path else None,
        audio_url=sound.url,
        error=str(problem) if problem else None,
        error_code=problem.code if problem else None,
        next_step=runtime.write_next_step(_next_step(runtime, task_id, sound)),
    )


def _next_step(runtime: Runtime, task_id: str, sound: Sound) -> str:
    if sound.saved is not None:
        return f"The speech is saved. {runtime.results.say_where(sound.saved.path)}"
    if sound.url is not None:
        life = delivery.link_life_text(sound.url, unsaid=LINK_LIFE)
        prefix = "The speech could not be saved here. " if sound.problem else ""
        return (
            f"{prefix}Give the person the link audio_url; it works {life}, needs no key, and leads "
            "to the audio, or to an archive (.tar) of the audio and its subtitles. Call this again "
            "for a fresh one."
        )
    if sound.problem is not None:
        return "The speech was made, but is not saved here. Tell the person why: see error."
    return (
        f"The speech is made and is being saved. Call {waiting_call(task_id)} again: that tells "
        f"the {runtime.results.word}."
    )
