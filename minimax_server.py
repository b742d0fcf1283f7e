"""The MiniMax MCP server: every tool, with the text that a model reads, and the command line.

Each tool is also a coroutine that Python code can await:

    from minimax_server import query_video_generation
    result = await query_video_generation("...")
"""

import argparse
import asyncio
import dataclasses
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.message import SessionMessage
from mcp_types import (
    Completion,
    CompletionArgument,
    JSONRPCNotification,
    JSONRPCRequest,
    Prompt,
    ToolAnnotations,
)
from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from minimax import __version__, logs, runtime
from minimax.audience import address_chat
from minimax.catalog import (
    DEFAULT_SPEECH_MODEL,
    SPEECH_PRICES_USD_PER_MILLION,
    VIDEO_MODELS,
    price_list,
)
from minimax.errors import InputError, MiniMaxError, SettingsError
from minimax.jobs.news import JobEvent, JobNews
from minimax.limits import (
    ACCURACY,
    EMOTIONS,
    IMAGE_SIDE,
    IMAGES,
    MODIFICATION,
    PITCH,
    SOUND_EFFECTS,
    SPEED,
    VOLUME,
)
from minimax.player import app as player
from minimax.player.attach import attach
from minimax.protocol.busy import RefuseWhenBusy
from minimax.protocol.prompts import CheckPrompts
from minimax.protocol.question import Answered, Form
from minimax.protocol.strict_tool import Toolbox
from minimax.protocol.updates import Updates
from minimax.runtime import Backend, Call, Runtime
from minimax.safe_text import shorten
from minimax.scope import MiniMax
from minimax.settings import Settings, own_command
from minimax.time_budgets import (
    ANSWER_SECONDS,
    CALL_SECONDS,
    CLOSING_SECONDS,
    LEAST_WORK_SECONDS,
    LONGEST_CALL_SECONDS,
    LONGEST_WAIT_SECONDS,
)
from minimax.tool_results import (
    AccountStatus,
    CancelledJob,
    ClonedVoice,
    DeletedVoice,
    DesignedVoice,
    GeneratedImages,
    ListedTask,
    LongAudioStatus,
    Speech,
    SubmittedSpeech,
    SubmittedVideo,
    TaskList,
    Transcript,
    VideoFile,
    VideoStatus,
    VoiceList,
)
from minimax.video.request import VideoRequest

if TYPE_CHECKING:
    from minimax.jobs.job import JobType
    from minimax.spending.consent import Quote
    from minimax.team.server import Parts

__all__ = [
    "MiniMax",
    "account_status",
    "cancel_video_generation",
    "delete_voice",
    "generate_video",
    "list_video_tasks",
    "list_voices",
    "long_text_to_audio",
    "main",
    "make_server",
    "query_long_audio",
    "query_video_generation",
    "retrieve_video_file",
    "text_to_audio",
    "text_to_image",
    "transcribe_audio",
    "upscale_video",
    "voice_clone",
    "voice_design",
]

INSTRUCTIONS: Final = """\
Most calls cost money: make only what the person asked for.
Video: generate_video once, then query_video_generation(task_id, wait_seconds=45) until completed \
or failed; path tells where it was saved.
Never request the same thing again unless a result says so: each call is charged.
Yesterday's jobs: list_video_tasks.
Clone only voices that the person may use.
Voice: voice_clone with a recording of 10 seconds to 5 minutes, then text_to_audio(text, \
voice_id). A voice that is not the person's own needs the speaker's permission.
A completed video without a path: retrieve_video_file(file_id). Jobs continue on their own, so \
the person may leave and ask later."""
"""Some hosts read no further than 512 characters: the rules come first, what helps after them."""

SANDBOX_INSTRUCTIONS: Final = """\
Sandbox: nothing is charged; every file is a fixed sample that ignores the prompt; everything is \
forgotten when the server ends. Say so with each file.
"""
SANDBOX_NOTE: Final = """\
Sandbox: nothing is charged and nothing is sent out; prices and time limits are MiniMax's.
"""
"""Before the description of every paid tool."""

PAID: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
READ_ONLY: Final = ToolAnnotations(read_only_hint=True, open_world_hint=True)
WRITES_FILES: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True
)

DESTRUCTIVE: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True
)
TASKS_URI: Final = "minimax://tasks"
LAST_PORT: Final = 65535
TEAM_COMMANDS: Final = ("serve-http", "work", "set-up")
MOST_TASKS_SHOWN: Final = 100
LONGEST_WORD: Final = 100
"""Characters of MiniMax's word for a status, in a report of progress."""
SHOWN: Final[Mapping[str, Any]] = {"meta": player.META, "attach": attach}
"""For tools whose results the player shows."""
MOST_COMPLETIONS: Final = 100
"""The protocol's limit for one completion."""

WHILE_BUSY: Final = (
    "Meanwhile list_video_tasks, and query_video_generation without wait_seconds, still work."
)

Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""An id; models like to write the digits as a number."""


def _leave_out_zero(value: object, check: ValidatorFunctionWrapHandler) -> object:
    return None if value in (0, "0") else check(value)


def _leave_out_nothing(value: object) -> object:
    return [] if type(value) is list and not any(value) else value


# Under strict schemas a model must write something where it means "not given".
OptionalInt = Annotated[int | None, WrapValidator(_leave_out_zero)]
References = Annotated[list[str] | None, BeforeValidator(_leave_out_nothing)]
ImageSide = Annotated[
    int | None,
    Field(ge=IMAGE_SIDE.least, le=IMAGE_SIDE.most),
    WrapValidator(_leave_out_zero),
]
ModificationNumber = Annotated[int | None, Field(ge=MODIFICATION.least, le=MODIFICATION.most)]


def _read_subtitle_level(value: object) -> object:
    """The level; true and false, which stood here before there were levels, still work."""
    return {"true": "sentence", "false": ""}.get(str(value).lower(), value)


SubtitleLevel = Annotated[
    str | bool,
    PlainValidator(_read_subtitle_level, json_schema_input_type=Literal["", "sentence", "word"]),
]


async def _use_runtime_of_server(
    ctx: ServerRequestContext[Runtime, Any], call_next: CallNext
) -> HandlerResult:
    """Give every request its server's runtime: some transports run it in the sender's context."""
    with runtime.use(ctx.lifespan_context), address_chat():
        return await call_next(ctx)


@asynccontextmanager
async def _answer(ctx: Context[Any, Any], elapsed_seconds: float) -> AsyncIterator[None]:
    """Name the call that is answered, once it is written down which answers have arrived."""
    running = await runtime.current()
    with suppress(SettingsError):  # the call itself tells what is wrong
        if running.settings.has_key:
            running.background.start_once("take up jobs", partial(_take_up_jobs, running))
    running.deliveries.note_request()
    await running.deliveries.settle()
    with runtime.answer_call(Call(str(ctx.request_id), elapsed_seconds)):
        yield


async def _take_up_jobs(running: Runtime) -> None:
    """Follow the jobs that an earlier server has left unfinished."""
    with runtime.use(running), suppress(SettingsError):  # the call itself tells what is wrong
        if running.settings.auto_save:
            from minimax.jobs.follower import JobFollower

            await running.get_shared(JobFollower).take_up(*_job_types())


def _job_types() -> "Sequence[JobType]":
    """What is bought as a job: followed, saved by itself and listed."""
    from minimax.video.job import VIDEO_JOBS
    from minimax.voice.long_speech_job import LONG_SPEECH_JOBS

    return VIDEO_JOBS, LONG_SPEECH_JOBS


toolbox = Toolbox(
    user_error=MiniMaxError,
    argument_error=InputError,
    longest_call_seconds=LONGEST_CALL_SECONDS,
    answer_seconds=ANSWER_SECONDS,
    around_call=_answer,
)


# --- what a call would cost --------------------------------------------------------------------

Arguments = Mapping[str, Any]


def _pick(arguments: Arguments, request_type: type) -> dict[str, Any]:
    """The arguments that a request takes, without those that were not given."""
    names = {field.name for field in dataclasses.fields(request_type)}
    return {name: value for name, value in arguments.items() if name in names and value is not None}


async def _quote_clone(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.voice import clone

    request = clone.CloneRequest(**_pick(arguments, clone.CloneRequest))
    return await clone.quote(running, request)


async def _quote_video(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.video import submit

    if arguments["dry_run"]:
        return None
    return await submit.quote(running, VideoRequest(**_pick(arguments, VideoRequest)))


async def _quote_upscale(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.video import upscale

    if arguments["dry_run"]:
        return None
    return await upscale.quote(running, arguments["task_id"])


async def _quote_speech(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.voice import speak

    request = speak.SpeechRequest(**_pick(arguments, speak.SpeechRequest))
    return await speak.quote(running, request)


async def _quote_long_speech(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.voice import long_speech

    if arguments["dry_run"]:
        return None
    request = long_speech.LongSpeechRequest(**_pick(arguments, long_speech.LongSpeechRequest))
    return await long_speech.quote(running, request)


async def _quote_design(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.voice import design

    request = design.DesignRequest(**_pick(arguments, design.DesignRequest))
    return await design.quote(running, request)


async def _quote_images(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax import image

    return await image.quote(running, image.ImageRequest(**_pick(arguments, image.ImageRequest)))


async def _quote_transcript(running: Runtime, arguments: Arguments) -> "Quote | None":
    from minimax.voice import transcribe

    picked = _pick(arguments, transcribe.TranscriptionRequest)
    return await transcribe.quote(running, transcribe.TranscriptionRequest(**picked))


QuoteCall = Callable[[Runtime, Arguments], Coroutine[Any, Any, "Quote | None"]]


async def _ask_price(quote: QuoteCall, arguments: Arguments) -> Form | None:
    """The question about a price, where the person wants to be asked."""
    from minimax.spending.consent import Consent, PriceAnswer

    running = await runtime.current()
    priced = await quote(running, arguments)
    if priced is None:
        return None
    return Form(running.get_shared(Consent).write_question(priced), PriceAnswer)


async def _apply_answer(quote: QuoteCall, answered: Answered, arguments: Arguments) -> None:
    from minimax.spending.consent import Consent

    running = await runtime.current()
    priced = await quote(running, arguments)
    if priced is not None:
        consent = running.get_shared(Consent)
        consent.apply_answer(answered.data, priced, in_time=answered.in_time)


def _make_question(quote: QuoteCall) -> dict[str, Any]:
    return {"ask": partial(_ask_price, quote), "apply_answer": partial(_apply_answer, quote)}


# --- the tools ---------------------------------------------------------------------------------


@toolbox.tool(title="Clone a voice", annotations=PAID, **_make_question(_quote_clone))
async def voice_clone(
    audio: Annotated[
        str,
        Field(
            description="Recording of one speaker, 10 s to 5 min, mp3, m4a or wav, up to 20 MB: "
            "its path on this computer, an https URL, a data: URI, or an earlier upload's file_id."
        ),
    ],
    voice_id: Annotated[
        str | None,
        Field(
            description="Id for the new voice: 8 to 256 letters, digits, - or _, beginning with a "
            "letter. Generated if left out."
        ),
    ] = None,
    preview_text: Annotated[
        str | None,
        Field(description="Up to 1,000 characters to hear the voice with; billed as speech."),
    ] = None,
    *,
    model: Annotated[
        str | None, Field(description="Speech model of the preview, like speech-2.8-hd.")
    ] = None,
    prompt_audio: Annotated[
        str | None,
        Field(description="Clip under 8 s of the same speaker, for more likeness; a path."),
    ] = None,
    prompt_text: Annotated[
        str | None, Field(description="Exactly what prompt_audio says, with its punctuation.")
    ] = None,
    text_validation: Annotated[
        str | None,
        Field(description="What the recording says, up to 200 characters; refused if it differs."),
    ] = None,
    accuracy: Annotated[
        float | None,
        Field(
            ge=ACCURACY.least,
            le=ACCURACY.most,
            description="How closely text_validation must match.",
        ),
    ] = None,
    language_boost: Annotated[
        str | None, Field(description="Language to favour, like English or auto.")
    ] = None,
    need_noise_reduction: Annotated[
        bool | None, Field(description="True: clean background noise first.")
    ] = None,
    need_volume_normalization: Annotated[
        bool | None, Field(description="True: even out the loudness first.")
    ] = None,
    delete_recording: Annotated[
        bool,
        Field(
            description="True: delete MiniMax's copy of the recording once the voice is made, even "
            "one given as file_id."
        ),
    ] = False,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    ctx: Context[Any, Any] | None = None,
) -> ClonedVoice:
    """Make a voice from a recording, to speak with as voice_id.

    Cloning is free at first: MiniMax charges for the clone (list price $1.50) when the voice first
    speaks, and deletes it after 7 days if it never does. A preview_text is billed at once.
    Only for voices that the person may use. The recording is checked here before it is uploaded;
    a file that was attached to the chat is not on this computer: ask where it is.
    """
    from minimax.voice import clone

    request = clone.CloneRequest(
        audio=audio,
        voice_id=voice_id,
        preview_text=preview_text,
        model=model,
        prompt_audio=prompt_audio,
        prompt_text=prompt_text,
        text_validation=text_validation,
        accuracy=accuracy,
        language_boost=language_boost,
        need_noise_reduction=need_noise_reduction,
        need_volume_normalization=need_volume_normalization,
        delete_recording=delete_recording,
    )
    return await clone.clone(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Generate a video", annotations=PAID, **_make_question(_quote_video), **SHOWN)
async def generate_video(
    prompt: Annotated[
        str | None,
        Field(
            description="What happens, up to 2,000 characters. Camera commands like [Push in] or "
            "[Pan left] are allowed."
        ),
    ] = None,
    first_frame: Annotated[
        str | None,
        Field(
            description="Image to begin with: path, https URL or data: URI; jpg, png or webp, "
            "up to 20 MB, short side over 300 px."
        ),
    ] = None,
    last_frame: Annotated[
        str | None, Field(description="Image to end with; Hailuo needs first_frame too.")
    ] = None,
    *,
    model: Annotated[
        str | None,
        Field(
            description="MiniMax-Hailuo-2.3, MiniMax-Hailuo-2.3-Fast, MiniMax-Hailuo-02, S2V-01, "
            "or the newest with sound: MiniMax-H3, MiniMax-H3-Max. Left out: a Hailuo model that "
            "takes the inputs."
        ),
    ] = None,
    duration: Annotated[
        OptionalInt, Field(description="Seconds: 6 or 10; MiniMax-H3 4 to 15.")
    ] = None,
    resolution: Annotated[
        str | None,
        Field(description="512P, 768P or 1080P, by model; MiniMax-H3 768P or 2K, Max 480P."),
    ] = None,
    subject_image: Annotated[
        str | None, Field(description="Face to keep through the video; instead of frames.")
    ] = None,
    references: Annotated[
        References,
        Field(description="MiniMax-H3: up to 9 images of what should appear; no frames then."),
    ] = None,
    reference_videos: Annotated[
        References,
        Field(
            description="MiniMax-H3: up to 3 videos of 2 to 15 s, 15 s together, mp4 or mov up to "
            "50 MB; each second is charged."
        ),
    ] = None,
    reference_audios: Annotated[
        References,
        Field(
            description="MiniMax-H3: up to 3 recordings of 2 to 15 s, 15 s together, wav or mp3; "
            "12 references in all."
        ),
    ] = None,
    ratio: Annotated[
        str | None,
        Field(description="MiniMax-H3 without frames: 16:9 (default), 9:16, 1:1, 4:3, 3:4, 21:9."),
    ] = None,
    prompt_optimizer: Annotated[
        bool | None, Field(description="False: take the prompt literally.")
    ] = None,
    fast_pretreatment: Annotated[
        bool | None, Field(description="Shorter prompt optimizing; Hailuo models.")
    ] = None,
    allow_second_charge: Annotated[
        bool,
        Field(
            description="True only if the person agreed in this chat that an attempt in doubt may "
            "be paid for twice."
        ),
    ] = False,
    dry_run: Annotated[
        bool, Field(description="True: check everything, estimate the cost, send nothing.")
    ] = False,
    ctx: Context[Any, Any] | None = None,
) -> SubmittedVideo:
    """Start a paid video job and return its task_id as soon as MiniMax accepts it.

    Costs about $0.10 to $0.56 (list price), MiniMax-H3 models $0.25 to $1.95 and more with
    reference_videos or many images; dry_run gives the price. It takes minutes; this server
    follows it and saves the video: call query_video_generation(task_id, wait_seconds=45), now or
    later. Call this once per video; each accepted call makes another video. If it fails with "may
    have accepted and charged", tell the person and do not call it again on your own. If an answer
    was lost, the next identical call returns its job (reused) instead of buying it twice.
    """
    from minimax.video import submit

    request = VideoRequest(
        prompt=prompt,
        first_frame=first_frame,
        last_frame=last_frame,
        model=model,
        duration=duration,
        resolution=resolution,
        subject_image=subject_image,
        references=references or [],
        reference_videos=reference_videos or [],
        reference_audios=reference_audios or [],
        ratio=ratio,
        prompt_optimizer=prompt_optimizer,
        fast_pretreatment=fast_pretreatment,
    )
    return await submit.submit(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        dry_run=dry_run,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Upscale a video", annotations=PAID, **_make_question(_quote_upscale), **SHOWN)
async def upscale_video(
    task_id: Annotated[Id, Field(description="Of a completed MiniMax-H3 video in 768P.")],
    *,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    dry_run: Annotated[
        bool, Field(description="True: check everything, estimate the cost, buy nothing.")
    ] = False,
    ctx: Context[Any, Any] | None = None,
) -> SubmittedVideo:
    """Upscale a finished 768P MiniMax-H3 video to 2K: a paid job with its own task_id.

    Costs $0.05 per second (list price), more if it was made from videos or many images; follow it
    like generate_video. MiniMax does this for allow-listed accounts; for others the saved video is
    sent, if it was made from a prompt alone. Otherwise it is refused, which costs nothing.
    """
    from minimax.video import upscale

    return await upscale.upscale(
        await runtime.current(),
        task_id,
        second_charge_agreed=allow_second_charge,
        dry_run=dry_run,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Follow a video job", annotations=READ_ONLY, attach=attach)
async def query_video_generation(
    task_id: Annotated[Id, Field(description="From generate_video.")],
    wait_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="How long to wait for the end; 45 is best.",
        ),
    ] = 0,
    ctx: Context[Any, Any] | None = None,
) -> VideoStatus:
    """Get the status of a video job; free.

    status is queued, processing, completed (path: where the video was saved; if there is none, give
    file_id to retrieve_video_file) or failed (the reason is in error). With wait_seconds=45 it
    returns when the job ends, or after 45 seconds; still processing is normal: call again. An
    error from this call means that MiniMax could not be asked: the job itself is not affected.
    """
    from minimax.video import job

    report = None if ctx is None else partial(_report, ctx, wait_seconds)
    return await job.query(
        await runtime.current(), task_id, wait_seconds=wait_seconds, report=report
    )


@toolbox.tool(title="Fetch a video file", annotations=WRITES_FILES, **SHOWN)
async def retrieve_video_file(
    file_id: Annotated[
        Id, Field(description="From query_video_generation; the job's task_id works as well.")
    ],
    output_directory: Annotated[
        str | None, Field(description="Folder inside the base folder.")
    ] = None,
    ctx: Context[Any, Any] | None = None,
) -> VideoFile:
    """Save a finished video on this computer and give its path; free, and repeatable.

    Saved in the folder MINIMAX_MCP_BASE_PATH (default ~/MiniMax); overwrites nothing, and downloads
    nothing twice. A long download continues after the call (downloading): call again with the same
    arguments. With MINIMAX_API_RESOURCE_MODE=url it gives a link that works for about an hour.
    """
    from minimax.video import retrieve

    report = None if ctx is None else partial(_report_bytes, ctx)
    return await retrieve.retrieve(
        await runtime.current(),
        file_id,
        output_directory=output_directory,
        within_seconds=_answer_within(ctx),
        report=report,
    )


@toolbox.tool(title="List paid jobs", annotations=READ_ONLY)
async def list_video_tasks(
    limit: Annotated[int, Field(ge=1, le=100, description="How many, newest first.")] = 20,
    status: Annotated[
        Literal["queued", "processing", "completed", "failed"] | None,
        Field(description="Only these."),
    ] = None,
    *,
    remote: Annotated[
        bool, Field(description="True: also MiniMax-H3 jobs of the last 7 days bought elsewhere.")
    ] = False,
) -> TaskList:
    """List the videos and long speeches bought from this computer, newest first; free.

    Finds yesterday's video in a new chat: task_id, status as last seen, prompt, file_id and the
    saved path. A job with status unknown was sent and never answered; it may have been charged.
    """
    from minimax.video import listing

    return await listing.list_jobs(
        await runtime.current(), _job_types(), limit=limit, status=status, remote=remote
    )


@toolbox.tool(title="Cancel a video job", annotations=DESTRUCTIVE)
async def cancel_video_generation(
    task_id: Annotated[Id, Field(description="From generate_video.")],
) -> CancelledJob:
    """Cancel a MiniMax-H3 job that is still queued; it is then not charged.

    Other jobs cannot be cancelled: the error says what can be done. Only if the person asked.
    """
    from minimax.video import job

    return await job.cancel(await runtime.current(), task_id)


@toolbox.tool(title="Speak a text", annotations=PAID, **_make_question(_quote_speech), **SHOWN)
async def text_to_audio(
    text: Annotated[
        str,
        Field(
            description="What to say, under 10,000 characters; <#0.5#> is a pause of half a second."
        ),
    ],
    voice_id: Annotated[
        str | None, Field(description="From list_voices, voice_clone or voice_design.")
    ] = None,
    model: Annotated[
        str | None,
        Field(description="speech-2.8-hd (default), speech-2.8-turbo, speech-2.6-hd and others."),
    ] = None,
    *,
    speed: Annotated[
        float | None, Field(ge=SPEED.least, le=SPEED.most, description="1 is normal.")
    ] = None,
    vol: Annotated[
        float | None, Field(gt=VOLUME.least, le=VOLUME.most, description="Loudness; 1 is normal.")
    ] = None,
    pitch: Annotated[
        int | None, Field(ge=PITCH.least, le=PITCH.most, description="Semitones; 0 is normal.")
    ] = None,
    emotion: Annotated[
        str | None,
        Field(
            description=f"{', '.join(EMOTIONS)}; the last two only with speech-2.6. Best left out."
        ),
    ] = None,
    language_boost: Annotated[
        str | None, Field(description="Language to favour, like English or auto.")
    ] = None,
    pronunciation: Annotated[
        list[str] | None,
        Field(
            description="How words are read: live/(laɪv), 处理/(chu3)(li3) or "  # noqa: RUF001 - IPA
            "omg/oh my god."
        ),
    ] = None,
    voice_mix: Annotated[
        list[str] | None,
        Field(
            description="Instead of voice_id, up to 4 voices mixed into one, with weights of 1 to "
            "100: English_Graceful_Lady:70."
        ),
    ] = None,
    effect: Annotated[
        str | None, Field(description=f"{', '.join(SOUND_EFFECTS)}; mp3, wav or flac.")
    ] = None,
    intensity: Annotated[
        ModificationNumber, Field(description="-100 is more forceful, 100 softer.")
    ] = None,
    timbre: Annotated[
        ModificationNumber, Field(description="-100 is more magnetic, 100 crisper.")
    ] = None,
    modify_pitch: Annotated[
        ModificationNumber,
        Field(description="-100 is deeper, 100 brighter; pitch is in semitones."),
    ] = None,
    format: Annotated[  # noqa: A002 - MiniMax's own name for it
        str | None, Field(description="mp3 (default), wav, flac, opus, pcm, pcmu_raw or pcmu_wav.")
    ] = None,
    sample_rate: Annotated[OptionalInt, Field(description="In Hz; 32000 when left out.")] = None,
    bitrate: Annotated[OptionalInt, Field(description="For mp3; 128000 when left out.")] = None,
    channel: Annotated[OptionalInt, Field(description="1 (default) or 2.")] = None,
    subtitles: Annotated[
        SubtitleLevel,
        Field(description="Also save an .srt file, by sentence (also: true) or by word."),
    ] = "",
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    output_directory: Annotated[
        str | None, Field(description="Folder inside the base folder.")
    ] = None,
    ctx: Context[Any, Any] | None = None,
) -> Speech:
    """Speak a text in a voice and save the audio; billed per character.

    List price $60 to $100 per million characters. When a cloned or designed voice speaks for the
    first time, MiniMax also charges its fee ($1.50 or $3.00) and keeps the voice for good; one
    that has not spoken within 7 days is deleted. Without voice_id an English system voice speaks.
    """
    from minimax.voice import speak

    request = speak.SpeechRequest(
        text=text,
        voice_id=voice_id,
        model=model or DEFAULT_SPEECH_MODEL,
        speed=speed,
        vol=vol,
        pitch=pitch,
        emotion=emotion,
        language_boost=language_boost,
        pronunciation=pronunciation or (),
        voice_mix=voice_mix or (),
        effect=effect,
        intensity=intensity,
        timbre=timbre,
        modify_pitch=modify_pitch,
        format=format or "mp3",
        sample_rate=sample_rate,
        bitrate=bitrate,
        channel=channel,
        subtitles=str(subtitles),
        output_directory=output_directory,
    )
    return await speak.speak(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Speak a long text", annotations=PAID, **_make_question(_quote_long_speech))
async def long_text_to_audio(
    text: Annotated[str | None, Field(description="Up to 50,000 characters.")] = None,
    voice_id: Annotated[str | None, Field(description="As in text_to_audio.")] = None,
    model: Annotated[str | None, Field(description="Likewise.")] = None,
    *,
    text_file: Annotated[
        str | None,
        Field(description="Instead of text: path of a .txt (UTF-8), under 1,000,000 characters."),
    ] = None,
    speed: Annotated[float | None, Field(description="0.5 to 2.")] = None,
    vol: Annotated[float | None, Field(description="Over 0 to 10.")] = None,
    pitch: Annotated[int | None, Field(description="-12 to 12.")] = None,
    emotion: Annotated[str | None, Field(description="Likewise.")] = None,
    language_boost: Annotated[str | None, Field(description="Likewise.")] = None,
    pronunciation: Annotated[list[str] | None, Field(description="Likewise.")] = None,
    english_normalization: Annotated[
        bool | None, Field(description="True: read English numbers better.")
    ] = None,
    effect: Annotated[str | None, Field(description="Likewise.")] = None,
    intensity: Annotated[int | None, Field(description="-100 to 100.")] = None,
    timbre: Annotated[int | None, Field(description="-100 to 100.")] = None,
    modify_pitch: Annotated[int | None, Field(description="-100 to 100.")] = None,
    format: Annotated[  # noqa: A002 - MiniMax's own name for it
        str | None, Field(description="Likewise.")
    ] = None,
    sample_rate: Annotated[int | None, Field(description="Likewise; opus has others.")] = None,
    bitrate: Annotated[int | None, Field(description="For mp3.")] = None,
    channel: Annotated[int | None, Field(description="1 or 2 (default).")] = None,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    dry_run: Annotated[
        bool, Field(description="True: check, estimate the cost, buy nothing.")
    ] = False,
    ctx: Context[Any, Any] | None = None,
) -> SubmittedSpeech:
    """Start a paid job that speaks a long text, like a chapter; costs and options as text_to_audio.

    Returns its task_id; call query_long_audio next. Audio and subtitles are saved automatically.
    If an answer was lost, the next identical call returns its job (reused).
    """
    from minimax.voice import long_speech

    request = long_speech.LongSpeechRequest(
        text=text,
        text_file=text_file,
        voice_id=voice_id,
        model=model or DEFAULT_SPEECH_MODEL,
        speed=speed,
        vol=vol,
        pitch=pitch,
        emotion=emotion,
        language_boost=language_boost,
        pronunciation=pronunciation or (),
        english_normalization=english_normalization,
        effect=effect,
        intensity=intensity,
        timbre=timbre,
        modify_pitch=modify_pitch,
        format=format or "mp3",
        sample_rate=sample_rate,
        bitrate=bitrate,
        channel=channel,
    )
    return await long_speech.speak_long(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        dry_run=dry_run,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Follow a long speech", annotations=READ_ONLY)
async def query_long_audio(
    task_id: Annotated[Id, Field(description="From long_text_to_audio.")],
    wait_seconds: Annotated[
        float,
        Field(
            ge=0, le=LONGEST_WAIT_SECONDS, description="How long to wait for the end; 45 is best."
        ),
    ] = 0,
    ctx: Context[Any, Any] | None = None,
) -> LongAudioStatus:
    """Get the status of a long speech; free. Like query_video_generation: call it until it ends.

    completed: path and subtitle_path (.srt) tell where it was saved, else audio_url is a link.
    error says why it failed or could not be saved. MiniMax keeps it for about nine hours.
    """
    from minimax.voice import long_speech_job

    report = None if ctx is None else partial(_report, ctx, wait_seconds)
    return await long_speech_job.query(
        await runtime.current(), task_id, wait_seconds=wait_seconds, report=report
    )


@toolbox.tool(title="List voices", annotations=READ_ONLY)
async def list_voices(
    voice_type: Annotated[
        Literal["all", "system", "voice_cloning", "voice_generation"],
        Field(description="voice_cloning: clones; voice_generation: designed voices."),
    ] = "all",
    search: Annotated[
        str | None, Field(description="Words in the id, name or description, like english calm.")
    ] = None,
    limit: Annotated[
        int,
        Field(ge=1, le=500, description="How many at most."),
    ] = 20,
) -> VoiceList:
    """List the voices that can speak, your own first; free.

    There are about 300 system voices: narrow them with search. A new clone or design shows up only
    after it has spoken once; its voice_id works before that.
    """
    from minimax.voice import library

    return await library.list_voices(
        await runtime.current(), voice_type=voice_type, search=search, limit=limit
    )


@toolbox.tool(title="Design a voice", annotations=PAID, **_make_question(_quote_design))
async def voice_design(
    prompt: Annotated[str, Field(description="What the voice should be like.")],
    preview_text: Annotated[
        str, Field(description="Up to 500 characters to hear it with; billed as speech.")
    ],
    voice_id: Annotated[
        str | None, Field(description="Id for the new voice. MiniMax makes one if left out.")
    ] = None,
    *,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    output_directory: Annotated[
        str | None, Field(description="Folder inside the base folder.")
    ] = None,
    ctx: Context[Any, Any] | None = None,
) -> DesignedVoice:
    """Make a new voice from a description and save a preview of it.

    The preview is billed at once; the voice itself (list price $3.00) when it first speaks. MiniMax
    deletes it after 7 days if it never does.
    """
    from minimax.voice import design

    request = design.DesignRequest(
        prompt=prompt,
        preview_text=preview_text,
        voice_id=voice_id,
        output_directory=output_directory,
    )
    return await design.design(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Transcribe a recording", annotations=PAID, **_make_question(_quote_transcript))
async def transcribe_audio(
    audio: Annotated[
        str,
        Field(
            description="Up to 500 s and 50 MB, mp3, m4a, wav, flac, ogg or opus: its path on this "
            "computer, an https URL, or a data: URI."
        ),
    ],
    language: Annotated[
        str | None,
        Field(description="Main language, like en, zh or ja; detected if left out."),
    ] = None,
    *,
    segments: Annotated[
        bool, Field(description="False: the text alone, without times and speakers.")
    ] = True,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    ctx: Context[Any, Any] | None = None,
) -> Transcript:
    """Write down what a recording says, who says it and when; $0.38 per hour (list price).

    Cut a longer recording into parts first.
    """
    from minimax.voice import transcribe

    request = transcribe.TranscriptionRequest(audio=audio, language=language, segments=segments)
    return await transcribe.transcribe(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        within_seconds=_answer_within(ctx),
    )


@toolbox.tool(title="Delete a voice", annotations=DESTRUCTIVE)
async def delete_voice(
    voice_id: Annotated[str, Field(description="The exact id.")],
    voice_type: Annotated[
        Literal["voice_cloning", "voice_generation"],
        Field(description="voice_cloning for a clone, voice_generation for a designed voice."),
    ] = "voice_cloning",
) -> DeletedVoice:
    """Delete a cloned or designed voice for good.

    This cannot be undone, and the id can never be used again. Only if the person named this voice
    and asked for it to be deleted.
    """
    from minimax.voice import library

    return await library.delete(await runtime.current(), voice_id, voice_type=voice_type)


@toolbox.tool(title="Money and limits", annotations=READ_ONLY)
async def account_status(ctx: Context[Any, Any] | None = None) -> AccountStatus:  # noqa: ARG001
    """Show what was spent from this computer, what may still be spent, and what the plan has left.

    Free. Sums are list prices by tool for the last 24 hours, 7 and 30 days; a purchase whose
    outcome is unknown counts. Call it when the person asks about money or a limit refused a call.
    """
    from minimax.spending import statement

    return await statement.make_statement(await runtime.current())


@toolbox.tool(title="Make images", annotations=PAID, **_make_question(_quote_images), **SHOWN)
async def text_to_image(
    prompt: Annotated[str, Field(description="What to show, up to 1,500 characters.")],
    aspect_ratio: Annotated[
        str | None,
        Field(description="1:1 (default), 16:9, 4:3, 3:2, 2:3, 3:4, 9:16 or 21:9."),
    ] = None,
    n: Annotated[int, Field(ge=IMAGES.least, le=IMAGES.most, description="How many.")] = 1,
    *,
    width: Annotated[
        ImageSide, Field(description="Pixels, a multiple of 8; with height, without aspect_ratio.")
    ] = None,
    height: Annotated[ImageSide, Field(description="Likewise.")] = None,
    subject_image: Annotated[
        str | None, Field(description="Portrait whose face to keep: path, https URL or data: URI.")
    ] = None,
    seed: Annotated[int | None, Field(description="The same seed gives similar images.")] = None,
    prompt_optimizer: Annotated[
        bool | None, Field(description="True: let MiniMax embellish the prompt.")
    ] = None,
    allow_second_charge: Annotated[
        bool, Field(description="True only if the person agreed to a second charge.")
    ] = False,
    output_directory: Annotated[
        str | None, Field(description="Folder inside the base folder.")
    ] = None,
    ctx: Context[Any, Any] | None = None,
) -> GeneratedImages:
    """Make images from a prompt and save them; about $0.0035 each (list price).

    Their paths can be given to generate_video as first_frame and last_frame. blocked counts
    images that MiniMax's content check held back.
    """
    from minimax import image

    request = image.ImageRequest(
        prompt=prompt,
        aspect_ratio=aspect_ratio,
        n=n,
        width=width,
        height=height,
        subject_image=subject_image,
        seed=seed,
        prompt_optimizer=prompt_optimizer,
        output_directory=output_directory,
    )
    return await image.make(
        await runtime.current(),
        request,
        second_charge_agreed=allow_second_charge,
        within_seconds=_answer_within(ctx),
    )


def _answer_within(ctx: Context[Any, Any] | None) -> float | None:
    """How long a call may take: hosts cut it at 60 seconds, Python code awaits the end."""
    if ctx is None:
        return None
    call = runtime.current_call()
    elapsed_seconds = 0.0 if call is None else call.elapsed_seconds
    return max(LEAST_WORK_SECONDS, CALL_SECONDS - elapsed_seconds)


async def _report_bytes(ctx: Context[Any, Any], received: float, total: float | None) -> None:
    await ctx.report_progress(received, total, "bytes")


async def _report(
    ctx: Context[Any, Any], wait_seconds: float, elapsed_seconds: float, word: str
) -> None:
    elapsed = min(round(elapsed_seconds, 1), wait_seconds)
    await ctx.report_progress(elapsed, wait_seconds, f"MiniMax says {shorten(word, LONGEST_WORD)}")


# --- the server and the command line -----------------------------------------------------------


def make_server(
    load_settings: Callable[[], Settings] = Settings.from_env,
    *,
    backend: Backend | None = None,
    host_listens: Callable[[], bool] = lambda: True,
    on_runtime: Callable[[Runtime], object] = lambda _: None,
) -> MCPServer[Runtime]:
    """The server, ready to be served; nothing is read or opened before a call needs it.

    Args:
        load_settings: Where the settings come from.
        backend: Something else than MiniMax to speak to: the sandbox.
        host_listens: Whether an answer can still reach the host.
        on_runtime: Told of the runtime when the server starts.
    """
    updates = Updates("minimax")

    @asynccontextmanager
    async def lifespan(_: MCPServer[Runtime]) -> AsyncIterator[Runtime]:
        opened = Runtime(load_settings, backend=backend, host_listens=host_listens)
        opened.get_shared(JobNews).listen(partial(_tell_host, updates))
        on_runtime(opened)
        async with runtime.host_runtime(opened):
            yield opened

    async def list_prompts() -> Sequence[Prompt]:
        return await server.list_prompts()

    server = MCPServer(
        "minimax",
        title="MiniMax",
        instructions=INSTRUCTIONS if backend is None else SANDBOX_INSTRUCTIONS + INSTRUCTIONS,
        version=__version__,
        tools=toolbox.tools if backend is None else _describe_for_sandbox(toolbox.tools),
        lifespan=lifespan,
        extensions=[player.make_extension()],
        log_level="WARNING",
        subscriptions=updates.bus,
        middleware=[
            _use_runtime_of_server,
            CheckPrompts(list_prompts),
            updates,
            RefuseWhenBusy(
                is_look=_only_looks,
                unfinished_work=lambda opened: opened.background.tasks,
                advice=WHILE_BUSY,
            ),
        ],
    )
    updates.add_to(server)
    _add_prompts(server)
    _add_resources(server)
    player.add_files(server)
    server.completion()(_complete)  # type: ignore[no-untyped-call]
    return server


def _tell_host(updates: Updates, event: JobEvent) -> None:
    """Tell a host that wants to know what became of a job."""
    updates.note_change(TASKS_URI)
    updates.note_change(f"{TASKS_URI}/{event.task_id}")
    if event.path is not None:
        updates.note_message(f"The result of the job {event.task_id} is saved: {event.path}")


def _describe_for_sandbox(tools: Sequence[Tool]) -> list[Tool]:
    """The tools with words that claim no charge."""
    return [
        tool.model_copy(update={"description": SANDBOX_NOTE + tool.description})
        if tool.annotations == PAID
        else tool
        for tool in tools
    ]


def _only_looks(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call costs nothing and does not wait for a job."""
    read_only = {tool.name for tool in toolbox.tools if tool.annotations == READ_ONLY}
    return tool in read_only and not arguments.get("wait_seconds")


def _add_prompts(server: MCPServer[Any], *, where: str = " on this computer") -> None:
    @server.prompt(
        title="Clone my voice and read a text",
        description=f"Read a text with the voice of a recording{where}, or of a voice_id.",
    )
    def clone_and_speak(
        text: Annotated[str, Field(description="The text to read aloud.")],
        recording: Annotated[
            str, Field(description="A recording of your voice; not needed with a voice_id.")
        ] = "",
        model: Annotated[str, Field(description="Speech model; empty: the default.")] = "",
        voice_id: Annotated[
            str, Field(description="A voice that you have; nothing is cloned then.")
        ] = "",
    ) -> str:
        source = (
            f"Use my voice {voice_id}."
            if voice_id
            else f"Clone my voice from the recording {recording} with voice_clone."
        )
        with_model = f" and the model {model}" if model else ""
        return (
            f"{source} Then let it read this with text_to_audio{with_model}, and tell me where "
            f"the file is:\n\n{text}"
        )

    @server.prompt(title="Turn two images into a video")
    def pictures_to_video(
        first_frame: Annotated[str, Field(description="The image that the video begins with.")],
        last_frame: Annotated[str, Field(description="The image that it ends with.")],
        what_happens: Annotated[str, Field(description="What happens in between.")] = "",
        model: Annotated[str, Field(description="Video model; empty: the default.")] = "",
    ) -> str:
        """Make a video that begins with one image and ends with another."""
        prompt = f" What happens: {what_happens}" if what_happens else ""
        prompt += f" Use the model {model}." if model else ""
        return (
            f"Make a video with generate_video from first_frame {first_frame} to last_frame "
            f"{last_frame}.{prompt} First tell me what it costs (dry_run) and ask me. Then follow "
            "it with query_video_generation(wait_seconds=45) until it is completed, fetch it with "
            "retrieve_video_file, and tell me where the file is."
        )


async def _show_as_it_is(_: type, result: Mapping[str, Any]) -> Mapping[str, Any]:
    return result


def _add_resources(
    server: MCPServer[Any],
    *,
    whose: str = "from this computer",
    show: Callable[[Any, Mapping[str, Any]], Awaitable[Mapping[str, Any]]] = _show_as_it_is,
) -> None:
    @server.resource(
        "minimax://models", title="Models, sizes and list prices", mime_type="application/json"
    )
    def models() -> str:
        """Video and speech models with durations, resolutions and list prices."""
        return json.dumps(price_list(), indent=1)

    @server.resource(
        TASKS_URI,
        title="Paid jobs",
        description=f"The video and long speech jobs bought {whose}, newest first.",
        mime_type="application/json",
    )
    async def tasks() -> str:
        from minimax.video import listing

        listed = await listing.list_jobs(
            await runtime.current(), _job_types(), limit=MOST_TASKS_SHOWN
        )
        found = await show(TaskList, listed)
        return json.dumps(found["tasks"], indent=1, ensure_ascii=False)

    @server.resource(f"{TASKS_URI}/{{task_id}}", title="A paid job", mime_type="application/json")
    async def task(task_id: str) -> str:
        """The status of one job; subscribers are notified when it changes and when it is saved."""
        from minimax.video import listing

        found = await listing.describe_job(await runtime.current(), _job_types(), task_id)
        if found is None:
            raise ResourceError(f"This job was not bought {whose}.")
        return json.dumps(await show(ListedTask, found), indent=1, ensure_ascii=False)

    @server.resource("minimax://spending", title="Money spent", mime_type="application/json")
    async def spending() -> str:
        """What account_status reports: sums by tool, limits, open jobs, the plan's quota."""
        from minimax.spending import statement

        found = await statement.make_statement(await runtime.current())
        return json.dumps(found, indent=1, ensure_ascii=False)


async def _complete(
    _ref: object, argument: CompletionArgument, _context: object
) -> Completion | None:
    """Complete what a person types for a prompt; only models and voices have known values."""
    if argument.name == "model":
        known = [*VIDEO_MODELS, *SPEECH_PRICES_USD_PER_MILLION]
    elif argument.name == "voice_id":
        known = await _voice_ids()
    else:
        return None
    values = [name for name in known if argument.value.casefold() in name.casefold()]
    return Completion(values=values[:MOST_COMPLETIONS], total=len(values))


async def _voice_ids() -> list[str]:
    from minimax.voice import library

    try:
        return await library.ids(await runtime.current())
    except MiniMaxError:
        return []  # a completion is a convenience; the tools say what is wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; without one, serve MCP over stdio."""
    with address_chat():
        return _run(_options(arguments))


def _run(options: argparse.Namespace) -> int:
    if options.command == "demo":
        from minimax.commands import demo

        return demo.run(server_file=Path(__file__).resolve(), live=options.live)
    if options.command == "check":
        from minimax.commands import check

        return check.run(server_file=Path(__file__).resolve())
    if options.command == "install":
        from minimax.commands import install

        return install.run(
            options.host,
            server_file=Path(__file__).resolve(),
            remove=options.remove,
            sandbox=options.sandbox_in_host,
            print_only=options.print_only,
        )
    if options.command in TEAM_COMMANDS:
        return _run_for_team(options)
    if options.command == "sandbox":
        from minimax import sandbox

        return sandbox.run(port=options.port)
    return _serve(sandboxed=options.sandbox)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="MCP server for MiniMax voices and videos (stdio)."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--sandbox", action="store_true", help="serve on the built-in sandbox: no key, no cost"
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    demo = commands.add_parser("demo", help="run every step once, on the built-in sandbox")
    demo.add_argument(
        "--live", action="store_true", help="with your account; asks first, with the price"
    )
    commands.add_parser("check", help="check whether this machine and its hosts are ready")
    _add_install_options(commands.add_parser("install", help="add this server to a host"))
    sandbox = commands.add_parser("sandbox", help="run only the sandbox, for other clients")
    sandbox.add_argument(
        "--port", type=_port, metavar="N", default=8765, help="on 127.0.0.1 (default 8765)"
    )
    serve_http = commands.add_parser("serve-http", help="serve a team over HTTP (docs/TEAM.md)")
    serve_http.add_argument(
        "--port", type=_port, metavar="N", default=8000, help="to listen on (default 8000)"
    )
    commands.add_parser("work", help="follow the paid jobs of a team")
    commands.add_parser("set-up", help="create the tables in a team's database")
    return parser.parse_args(arguments)


def _add_install_options(install: argparse.ArgumentParser) -> None:
    install.add_argument("host", nargs="?", metavar="HOST", help="without one: list them")
    install.add_argument("--remove", action="store_true", help="remove this server")
    install.add_argument(
        "--sandbox",
        action="store_true",
        dest="sandbox_in_host",
        help="have the host start it on the built-in sandbox",
    )
    install.add_argument(
        "--print", action="store_true", dest="print_only", help="show the change, write nothing"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:6]) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"port must be 0 to {LAST_PORT}")
    return int(text)


def _run_for_team(options: argparse.Namespace) -> int:
    """Run a command of team mode, which needs the extra `team`."""
    try:
        from minimax.team import commands
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"Team mode needs the extra team, and {error.name} is not installed. Run: "
            "uv sync --extra team\n"
        )
        return 1
    if options.command == "serve-http":
        return commands.serve(port=options.port, parts=_make_team_parts())
    return commands.work() if options.command == "work" else commands.set_up()


def _make_team_parts() -> "Parts":
    """What a team's server has in common with this one, in words that know no disk."""
    from minimax.team import face
    from minimax.team.server import Parts

    def add_more(server: MCPServer[Any]) -> None:
        _add_prompts(server, where="")
        _add_resources(server, whose="by this account", show=face.present)
        server.completion()(_complete)  # type: ignore[no-untyped-call]

    return Parts(
        instructions=face.rephrase(
            INSTRUCTIONS,
            ("path tells where it was saved", "video_url is its link"),
            ("A completed video without a path", "A completed video without a link"),
        ),
        version=__version__,
        tools=toolbox,
        add_more=add_more,
        only_looks=_only_looks,
        busy_advice=WHILE_BUSY,
    )


def _serve(*, sandboxed: bool) -> int:
    from minimax.protocol import stdio

    load_settings = _load_settings(sandboxed=sandboxed)
    if sys.stdin.isatty():
        sys.stderr.write(
            "This is an MCP server: a host such as Claude Desktop starts it and speaks JSON-RPC "
            f"with it. To see it work, run: {own_command('demo')}\n"
        )
    watcher = _HostWatcher()
    server = make_server(
        load_settings,
        backend=_sandbox if sandboxed else None,
        host_listens=stdio.host_listener(),
        on_runtime=watcher.watch,
    )
    return stdio.serve(server, closing_seconds=CLOSING_SECONDS, on_message=watcher.note_message)


class _HostWatcher:
    """Sees from the host's messages which answers have arrived, and which are ignored."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._settling: set[asyncio.Task[None]] = set()

    def watch(self, opened: Runtime) -> None:
        self._runtime = opened

    def note_message(self, message: SessionMessage) -> None:
        if self._runtime is None:
            return
        deliveries = self._runtime.deliveries
        if isinstance(message.message, JSONRPCRequest):
            deliveries.note_request(str(message.message.id))
        elif isinstance(message.message, JSONRPCNotification):
            if message.message.method != "notifications/cancelled":
                return
            call = (message.message.params or {}).get("requestId")
            deliveries.note_cancellation(str(call))
        else:
            return
        task = asyncio.create_task(deliveries.settle())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


def _load_settings(*, sandboxed: bool) -> Callable[[], Settings]:
    """Settings as they are now; one that cannot be used is an error of every call, not a crash.

    What is missing or wrong is read again by the next call: a person may have edited `.env`.
    """
    load = partial(_load_and_configure_logs, sandboxed=sandboxed)
    try:
        load()
    except SettingsError as error:
        logs.configure("WARNING")
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - it is a sentence
    return load


def _load_and_configure_logs(*, sandboxed: bool) -> Settings:
    settings = Settings.from_env(sandbox=sandboxed)
    logs.configure(settings.log_level, secret=settings.secret)
    return settings


@asynccontextmanager
async def _sandbox() -> AsyncIterator[str]:
    from minimax.sandbox import Sandbox, serve

    async with serve(Sandbox()) as base_url:
        yield base_url


if __name__ == "__main__":
    sys.exit(main())
