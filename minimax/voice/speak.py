"""Speaks a text in one of the account's voices and saves the audio."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from minimax import delivery
from minimax.api.error_codes import NO_SUCH_VOICE, name_known_models
from minimax.api.json_body import drop_none
from minimax.api.replies import SpeechReply
from minimax.catalog import DEFAULT_VOICE, SPEECH_PRICES_USD_PER_MILLION
from minimax.errors import InputError, Outcome, RefusedError, StorageError
from minimax.files.outputs import SavedFile
from minimax.ledger.records import Kind
from minimax.limits import SPEECH_CHARACTERS, SUBTITLE_LEVELS
from minimax.runtime import Runtime
from minimax.spending.billed_result import BilledRequest, buy_result, keep_link, quote_result
from minimax.spending.consent import Quote
from minimax.spending.estimates import estimate_speech
from minimax.tool_results import Speech
from minimax.validation import check_choice, is_http_url
from minimax.voice.first_uses import FirstUse, KnownVoices, first_use_text, sum_fees
from minimax.voice.speech_options import RAW_TYPES, MixedVoice, SpeechOptions, parse_voice_mix
from minimax.voice.subtitles import save_subtitles

__all__ = ["SpeechRequest", "quote", "speak"]

NEAR_EMPTY_MS: Final = 500
NEAR_EMPTY_FROM_CHARACTERS: Final = 20
"""A text of this length takes longer to say than a near-empty clip lasts."""


@dataclass(frozen=True, kw_only=True)
class SpeechRequest(SpeechOptions):
    """What a caller may say about a synthesis; None is "not given"."""

    text: str
    voice_mix: Sequence[str] = ()
    subtitles: str = ""
    output_directory: str | None = None

    @property
    def mix(self) -> list[MixedVoice]:
        """The voices that are mixed; empty where one voice speaks."""
        return parse_voice_mix(self.voice_mix)

    @property
    def voice_ids(self) -> list[str]:
        """Every voice that is heard."""
        return [voice.voice_id for voice in self.mix] or [self.voice_id or DEFAULT_VOICE]


async def speak(
    runtime: Runtime,
    request: SpeechRequest,
    *,
    second_charge_agreed: bool = False,
    within_seconds: float | None = None,
) -> Speech:
    """Synthesize a text and save it, or give its link where only links are wanted.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, and whether it was made and charged is not known.
        UnansweredError: It takes longer than `within_seconds`; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    for voice_id in request.voice_ids:
        await runtime.deliveries.note_use(voice_id)
    result = await buy_result(
        runtime,
        await _prepare(runtime, request),
        second_charge_agreed=second_charge_agreed,
        within_seconds=within_seconds,
    )
    return cast("Speech", result)


async def quote(runtime: Runtime, request: SpeechRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to."""
    speech = await _prepare(runtime, request)  # its price depends on what the voice has done

    async def prepare() -> BilledRequest:
        return speech

    what = f"Speech of {len(request.text):,} characters ({request.model})"
    return await quote_result(runtime, Quote(what, speech.price_usd), prepare)


async def _prepare(runtime: Runtime, request: SpeechRequest) -> BilledRequest:
    _check(request)
    folder = await asyncio.to_thread(runtime.results.resolve_folder, request.output_directory)
    first_uses = await runtime.get_shared(KnownVoices).find_first_uses(request.voice_ids)
    return BilledRequest(
        kind=Kind.SPEECH,
        tool="text_to_audio",
        noun="The speech",
        model=request.model,
        prompt=request.text,
        price_usd=estimate_speech(request.model, request.text, fees_usd=sum_fees(first_uses)),
        identity={**_body(request), "folder": str(folder)},
        send=partial(_send, runtime, request),
        make_result=partial(_make_result, runtime, request, folder, first_uses=first_uses),
        without_content=_without_audio,
    )


# --- checking ----------------------------------------------------------------------------------


def _check(request: SpeechRequest) -> None:
    if len(request.text) >= SPEECH_CHARACTERS:
        raise InputError(
            f"text has {len(request.text)} characters; MiniMax takes less than "
            f"{SPEECH_CHARACTERS} here. Give it to long_text_to_audio, which takes more."
        )
    check_choice("subtitles", request.subtitles or None, SUBTITLE_LEVELS)
    if request.mix and request.voice_id is not None:
        raise InputError("voice_id and voice_mix exclude each other: give one of them.")
    request.check_options()


# --- making ------------------------------------------------------------------------------------


async def _send(runtime: Runtime, request: SpeechRequest) -> SpeechReply:
    client = await runtime.client()
    try:
        reply = await client.speak(_body(request))
    except RefusedError as refusal:
        if refusal.code == NO_SUCH_VOICE and runtime.settings.sandbox:
            raise _forgotten_voice_error(refusal) from None
        raise name_known_models(refusal, request.model, SPEECH_PRICES_USD_PER_MILLION) from None
    runtime.get_shared(KnownVoices).note_speech(request.voice_ids)
    return reply


def _forgotten_voice_error(refusal: RefusedError) -> RefusedError:
    error = RefusedError.after(
        refusal,
        "The sandbox has no such voice. It forgets cloned and designed voices when the server "
        "ends: if this one is of an earlier run, make it again, which costs nothing. list_voices "
        "names those that it has.",
    )
    error.after_unknown = refusal.after_unknown
    return error


def _without_audio(reply: dict[str, Any]) -> dict[str, Any]:
    """The reply as the ledger keeps it: a link, but no sound as hex."""
    data = reply["data"]
    return {**reply, "data": {**data, "audio": keep_link(data["audio"])}}


def _body(request: SpeechRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "text": request.text,
        # MiniMax wants the voice to be there, and empty, where voices are mixed.
        "voice_setting": {
            "voice_id": "" if request.mix else request.voice_ids[0],
            **request.manner,
        },
        "audio_setting": drop_none(
            format=request.format,
            sample_rate=request.sample_rate,
            bitrate=request.bitrate,
            channel=request.channel,
        ),
        "output_format": "url",
        **request.further_fields,
        **drop_none(
            timbre_weights=[voice.fields for voice in request.mix] or None,
            subtitle_enable=bool(request.subtitles) or None,
            subtitle_type="word" if request.subtitles == "word" else None,
        ),
    }


# --- saving and saying -------------------------------------------------------------------------


async def _make_result(
    runtime: Runtime,
    request: SpeechRequest,
    folder: Path,
    content: Mapping[str, Any],
    *,
    first_uses: Sequence[FirstUse],
) -> Mapping[str, Any]:
    reply = SpeechReply.model_validate(content)
    stem = f"speech-{_name_of(request, reply)}"
    sound, problem = await _save_audio(runtime, request, reply, stem, folder)
    subtitles = await save_subtitles(runtime, reply, stem, folder)
    return {
        "path": str(sound.path) if sound else None,
        "audio_url": reply.data.audio if is_http_url(reply.data.audio) else None,
        "voice_id": None if request.mix else request.voice_ids[0],
        "duration_ms": reply.extra_info.audio_length or None,
        "characters": reply.extra_info.usage_characters or None,
        "subtitle_path": str(subtitles.path) if subtitles else None,
        "next_step": runtime.write_next_step(
            _next_step(runtime, sound)
            + first_use_text(first_uses, sandbox=runtime.settings.sandbox)
            + _near_empty_text(request, reply)
            + delivery.saving_failed_text(problem, link="audio_url")
        ),
    }


def _name_of(request: SpeechRequest, reply: SpeechReply) -> str:
    """A name from what was made; the same speech made twice gets a number after it."""
    return sha256(repr((request, reply.extra_info)).encode()).hexdigest()[:12]


async def _save_audio(
    runtime: Runtime, request: SpeechRequest, reply: SpeechReply, stem: str, folder: Path
) -> delivery.SavedOrError:
    """The sound as a file; what cannot be saved must not hide what was paid for."""
    linked = is_http_url(reply.data.audio)
    if runtime.settings.resource_mode == "url" and linked:
        return None, None
    raw_type = RAW_TYPES.get(request.format)
    saved, problem = await delivery.try_saving(
        delivery.save_audio(runtime, reply.data.audio, stem=stem, folder=folder, raw_type=raw_type)
    )
    if problem is not None and not linked:
        raise StorageError(
            "The speech was made and is charged, but there is no link to it."
            f"{delivery.saving_failed_text(problem)}",
            outcome=Outcome.UNKNOWN,  # an identical call would be charged
        )
    return saved, problem


def _next_step(runtime: Runtime, sound: SavedFile | None) -> str:
    if sound is None:
        return "Give the person the link audio_url; it works for about a day and needs no key."
    return f"The speech is saved. {runtime.results.say_where(sound.path)}"


def _near_empty_text(request: SpeechRequest, reply: SpeechReply) -> str:
    length_ms = reply.extra_info.audio_length
    long_text = len(request.text) >= NEAR_EMPTY_FROM_CHARACTERS
    if not long_text or not 0 < length_ms < NEAR_EMPTY_MS:
        return ""
    return (
        f" But it lasts only {length_ms / 1000:.1f} seconds, far too short for this text: MiniMax "
        "sometimes delivers a nearly empty clip. Listen to it; making it again is charged again."
    )
