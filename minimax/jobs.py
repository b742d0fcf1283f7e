"""Paid video jobs: submitted once, asked about, waited for, fetched."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from minimax import downloads, kinds, media, orders, places
from minimax.errors import (
    MODERATION_CODES,
    InputError,
    MaybeChargedError,
    MiniMaxError,
    Outcome,
    RefusedError,
    UnansweredError,
    advice_for,
    quoted,
)
from minimax.models import (
    PRICES_AS_OF,
    StatusReply,
    SubmittedVideo,
    VideoFile,
    VideoStatus,
    job_status,
)
from minimax.orders import Order, Wish
from minimax.runtime import Runtime

__all__ = ["LONGEST_WAIT_SECONDS", "Report", "fetch", "query", "submit"]

Report = Callable[[float, str], Awaitable[None]]
"""Told at every ask: seconds waited so far, and MiniMax's own word."""

LONGEST_WAIT_SECONDS: Final = 45
"""Hosts cut a call at 60 seconds; the last ask must fit in as well."""
ASK_GRACE_SECONDS: Final = 4.0
"""How much longer than its wait a call may take for the ask that is under way."""
FIRST_PAUSE_SECONDS: Final = 3.0
PAUSE_GROWTH: Final = 1.5
LONGEST_PAUSE_SECONDS: Final = 8.0
PAUSE_JITTER: Final = 0.2
"""The longest pause with its jitter stays under 10 s: no end is noticed later than that."""
FRESH_SECONDS: Final = 2.0
"""Within a wait, an answer this young is not asked for again."""
TOLERATED_FAILURES: Final = 5
"""Asks in a row that may fail inside one wait."""
FILE_ID_TRIES: Final = 3
FILE_ID_PAUSE_SECONDS: Final = 2.0
"""A job may be finished a moment before its file has an id."""
FILE_SETTLES_SECONDS: Final = 30.0
"""A finished job's file may be unknown to files/retrieve for so long."""
FILE_PAUSE_SECONDS: Final = 3.0
POLL_AFTER_SECONDS: Final = 10
INVALID_PARAMETER: Final = 2013

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


# --- submitting --------------------------------------------------------------------------------


async def submit(runtime: Runtime, wish: Wish) -> SubmittedVideo:
    """Check a wish, submit it once, and return as soon as MiniMax has accepted.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        MaybeChargedError: It was sent, and whether it was accepted is not known.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    with ExitStack() as opened:
        order = await asyncio.to_thread(orders.take, wish, settings=runtime.settings, opened=opened)
        task_id = await _accepted(runtime, order)
    return _submitted(runtime, order, task_id)


async def _accepted(runtime: Runtime, order: Order) -> str:
    client = await runtime.client()
    try:
        return await client.submit_video(order.body)
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise _maybe_charged(error) from None


def _maybe_charged(error: MiniMaxError) -> MaybeChargedError:
    return MaybeChargedError(
        "The video request was sent and no usable answer came back: MiniMax may have accepted and "
        "charged it. It was not sent again, and must not be: do not call generate_video again for "
        "this wish. Tell the person, who can look at the usage page of the MiniMax platform.",
        outcome=Outcome.UNKNOWN,
        code=error.code,
        http_status=error.http_status,
        trace_id=error.trace_id,
    )


def _submitted(runtime: Runtime, order: Order, task_id: str) -> SubmittedVideo:
    price = order.list_price_usd
    cost = f" List price: ${price:.2f} ({PRICES_AS_OF})." if price is not None else ""
    return SubmittedVideo(
        task_id=task_id,
        status="queued",
        model=order.model,
        duration=order.duration,
        resolution=order.resolution,
        reused=False,
        estimated_cost_usd=price,
        poll_after_seconds=POLL_AFTER_SECONDS,
        next_step=runtime.next_step(
            "The job is accepted and takes one to several minutes. Call "
            f'query_video_generation(task_id="{task_id}", wait_seconds={LONGEST_WAIT_SECONDS}) and '
            "repeat that until status is completed or failed. Do not call generate_video again "
            f"for this wish.{cost}"
        ),
    )


# --- asking and waiting ------------------------------------------------------------------------


async def query(
    runtime: Runtime, task_id: str, *, wait_seconds: float = 0, report: Report | None = None
) -> VideoStatus:
    """How a job stands: asked once, or until it ends or `wait_seconds` are over.

    The end of the wait is a normal result. Cancelling this leaves the paid job alone.

    Raises:
        InputError: `task_id` cannot be one.
        MiniMaxError: MiniMax could not be asked. The job is not affected.
    """
    watch = runtime.own(_Watches).of(_checked_id(task_id, "task_id"))
    started = runtime.clock.now()
    reply = await (_wait(watch, wait_seconds, report) if wait_seconds > 0 else watch.ask())
    return _status(runtime, watch.task_id, reply, runtime.clock.now() - started)


class _Watches:
    """The jobs that this loop asks about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._of: dict[str, _Watch] = {}

    def of(self, task_id: str) -> "_Watch":
        if task_id not in self._of:
            self._of[task_id] = _Watch(self._runtime, task_id)
        return self._of[task_id]


class _Watch:
    """What is known about one job, shared by all calls that ask about it."""

    def __init__(self, runtime: Runtime, task_id: str) -> None:
        self.task_id = task_id
        self.clock = runtime.clock
        self._runtime = runtime
        self._asking = asyncio.Lock()
        self._reply: StatusReply | None = None
        self._asked_at = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS / PAUSE_GROWTH

    async def ask(self, *, fresh_seconds: float = 0) -> StatusReply:
        """Ask MiniMax; a final answer is remembered, a fresh one shared."""
        async with self._asking:
            reply, age = self._reply, self.clock.now() - self._asked_at
            if reply is not None and (_is_final(reply) or age < fresh_seconds):
                return reply
            self._reply = await self._asked()
            self._asked_at = self.clock.now()
            return self._reply

    async def _asked(self) -> StatusReply:
        client = await self._runtime.client()
        for _ in range(FILE_ID_TRIES):
            reply = await client.call_video_generation_status(self.task_id)
            if _end_of(reply) != "completed" or reply.file_id:
                return reply
            await self.clock.sleep(FILE_ID_PAUSE_SECONDS)
        raise UnansweredError(
            f"The job {self.task_id} is finished, but MiniMax does not name its file yet. "
            "The video is not lost: ask again in a minute with the same task_id.",
            outcome=Outcome.UNKNOWN,
            task_id=self.task_id,
        )

    def next_pause(self) -> float:
        """Growing pauses, also across the calls that wait for this job one after the other."""
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)
        return self._pause_seconds * self.clock.jitter(1 - PAUSE_JITTER, 1 + PAUSE_JITTER)


async def _wait(watch: _Watch, wait_seconds: float, report: Report | None) -> StatusReply:
    waiting = _Waiting(watch, wait_seconds, report)
    try:
        async with asyncio.timeout(wait_seconds + ASK_GRACE_SECONDS):
            return await waiting.for_end()
    except TimeoutError:
        if waiting.reply is None:
            raise UnansweredError(
                "MiniMax did not answer in time. The job is not affected; ask again.",
                outcome=Outcome.UNKNOWN,
                task_id=watch.task_id,
            ) from None
        return waiting.reply


class _Waiting:
    """One call's wait for the end of a job."""

    def __init__(self, watch: _Watch, wait_seconds: float, report: Report | None) -> None:
        self._watch = watch
        self._clock = watch.clock
        self._started = self._clock.now()
        self._wait_seconds = wait_seconds
        self._report = report
        self._failures = 0
        self.reply: StatusReply | None = None

    async def for_end(self) -> StatusReply:
        while True:
            left = self._wait_seconds - self._elapsed()
            trouble = await self._ask()
            if self.reply is not None and (_is_final(self.reply) or left <= 0):
                return self.reply
            if trouble is not None and left <= 0:
                raise trouble
            await self._clock.sleep(min(self._watch.next_pause(), max(left, 0)))

    def _elapsed(self) -> float:
        return self._clock.now() - self._started

    async def _ask(self) -> MiniMaxError | None:
        """One ask; a passing failure is returned, and tolerated a few times in a row."""
        try:
            self.reply = await self._watch.ask(fresh_seconds=FRESH_SECONDS)
        except MiniMaxError as error:
            self._failures += 1
            if error.outcome is Outcome.REJECTED or self._failures > TOLERATED_FAILURES:
                raise
            return error
        self._failures = 0
        if self._report is not None:
            await self._report(self._elapsed(), _shown_word(self.reply))
        return None


def _end_of(reply: StatusReply) -> str:
    """Our status word; moderation codes end a job whatever the word beside them."""
    if reply.base_resp.status_code in MODERATION_CODES:
        return "failed"
    return job_status(reply.status)


def _is_final(reply: StatusReply) -> bool:
    return _end_of(reply) in ("completed", "failed")


def _shown_word(reply: StatusReply) -> str:
    return quoted(reply.status).strip("'")


def _status(
    runtime: Runtime, task_id: str, reply: StatusReply, elapsed_seconds: float
) -> VideoStatus:
    status = job_status("fail") if _end_of(reply) == "failed" else job_status(reply.status)
    failed, completed = status == "failed", status == "completed"
    code = reply.base_resp.status_code or None
    return VideoStatus(
        task_id=task_id,
        status=status,
        provider_status=_shown_word(reply),
        file_id=reply.file_id if completed else None,
        video_width=reply.video_width or None,
        video_height=reply.video_height or None,
        error=_failure_text(reply) if failed else None,
        error_code=code if failed else None,
        elapsed_seconds=round(elapsed_seconds),
        poll_after_seconds=None if failed or completed else POLL_AFTER_SECONDS,
        next_step=runtime.next_step(_what_next(status, task_id, reply.file_id)),
    )


def _failure_text(reply: StatusReply) -> str:
    advice = advice_for(reply.base_resp.status_code)
    if advice is not None:
        return f"{advice.meaning} {advice.remedy}"
    word = reply.status.lower()
    if word in ("expired", "cancelled"):
        return f"MiniMax says that the job is {word}."
    said = reply.base_resp.status_msg
    unexplained = not said or said == "success"
    return "MiniMax gave no reason." if unexplained else f"MiniMax says {quoted(said)}."


def _what_next(status: str, task_id: str, file_id: str) -> str:
    if status == "completed":
        return f'The video is ready: call retrieve_video_file(file_id="{file_id}").'
    if status == "failed":
        return (
            "This job has ended without a video; asking again changes nothing. Tell the person "
            "why, and generate anew only with their agreement: a new job costs again."
        )
    return (
        "Still under way, which is normal. Call "
        f'query_video_generation(task_id="{task_id}", wait_seconds={LONGEST_WAIT_SECONDS}) again. '
        "Do not call generate_video again for this wish."
    )


# --- fetching ----------------------------------------------------------------------------------


async def fetch(
    runtime: Runtime, file_id: str, *, output_directory: str | None = None
) -> VideoFile:
    """Save a finished video, or give its link where only links are wanted.

    Raises:
        InputError: `file_id` cannot be one, or the folder is outside the base path.
        MiniMaxError: MiniMax does not know the file, or the download failed.
    """
    ident = _checked_id(file_id, "file_id")
    settings = runtime.settings
    if settings.resource_mode == "url":
        return _link(runtime, ident, await _minted(runtime, ident))
    folder = await asyncio.to_thread(places.output_place, output_directory, settings=settings)
    stem = media.stem_for("video", ident)
    saved = await asyncio.to_thread(media.find_saved, stem, types=kinds.VIDEO_TYPES, folder=folder)
    return (
        await _saved(runtime, ident, stem, folder)
        if saved is None
        else _file(runtime, ident, saved, None)
    )


async def _saved(runtime: Runtime, file_id: str, stem: str, folder: Path) -> VideoFile:
    link = downloads.Link(lambda: _minted(runtime, file_id))
    saved = await downloads.fetch(
        await runtime.client(),
        link,
        stem=stem,
        types=kinds.VIDEO_TYPES,
        folder=folder,
        clock=runtime.clock,
    )
    return _file(runtime, file_id, saved, link.url)


async def _minted(runtime: Runtime, file_id: str) -> str:
    """A fresh link; a file that has only just been finished may need a moment to be found."""
    client = await runtime.client()
    started = runtime.clock.now()
    while True:
        try:
            return await client.retrieve_file(file_id)
        except RefusedError as refusal:
            settling = runtime.clock.now() - started < FILE_SETTLES_SECONDS
            if refusal.code != INVALID_PARAMETER or not settling:
                raise
        await runtime.clock.sleep(FILE_PAUSE_SECONDS)


def _file(runtime: Runtime, file_id: str, saved: media.SavedFile, url: str | None) -> VideoFile:
    return VideoFile(
        file_id=file_id,
        status="saved",
        video_url=url,
        path=str(saved.path),
        bytes=saved.bytes,
        media_type=saved.media_type,
        next_step=runtime.next_step(f"The video is saved. Tell the person where: {saved.path}"),
    )


def _link(runtime: Runtime, file_id: str, url: str) -> VideoFile:
    return VideoFile(
        file_id=file_id,
        status="link",
        video_url=url,
        path=None,
        bytes=None,
        media_type=None,
        next_step=runtime.next_step(
            "Give the person the link; it works for about an hour and needs no key. "
            "Call this again for a fresh one."
        ),
    )


def _checked_id(text: str, field: str) -> str:
    ident = text.strip()
    if not _ID.fullmatch(ident):
        raise InputError(f"{field} is not an id. Give it exactly as an earlier result named it.")
    return ident
