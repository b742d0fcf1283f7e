"""Buys the speech of a long text, as a job: checks it, uploads a text file, and buys once."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from minimax.api import policies
from minimax.api.error_codes import name_known_models
from minimax.api.json_body import drop_none
from minimax.catalog import DEFAULT_VOICE, SPEECH_PRICES_USD_PER_MILLION
from minimax.errors import (
    InputError,
    MaybeChargedError,
    MiniMaxError,
    Outcome,
    RefusedError,
    UnansweredError,
)
from minimax.files.texts import TextFile, read_text_file
from minimax.jobs.asking import follow_accepted
from minimax.jobs.uploads import UploadUse, upload_files
from minimax.ledger.records import CHEAP_USD, Kind, Purchase, Record, would_buy
from minimax.limits import (
    LONG_SPEECH_CHARACTERS,
    OPUS_SAMPLE_RATES,
    SAMPLE_RATES,
    TEXT_FILE_CHARACTERS,
)
from minimax.runtime import Runtime
from minimax.safe_text import shorten
from minimax.settings import Settings
from minimax.spending.buy_once import Accepted, Bought, PaidRequest, buy_once, remaining_seconds
from minimax.spending.consent import Quote, quote_purchase
from minimax.spending.estimates import count_characters, estimate_speech
from minimax.spending.wording import (
    doubt_note,
    estimate_text,
    not_again_text,
    show_usd,
    still_in_doubt_error,
)
from minimax.tool_results import SubmittedSpeech
from minimax.validation import check_length
from minimax.voice.first_uses import FirstUse, KnownVoices, first_use_text, sum_fees
from minimax.voice.long_speech_job import LONG_SPEECH_JOBS, waiting_call
from minimax.voice.speech_options import SpeechOptions

__all__ = ["LongSpeechRequest", "quote", "speak_long"]

TOOL: Final = "long_text_to_audio"
INPUT_PURPOSE: Final = "t2a_async_input"
OPUS_SAMPLE_RATE: Final = 24_000
"""Asked for where none is given: MiniMax's usual rate is none that opus has."""
KEPT_PROMPT: Final = 1_000
"""Characters of the text that the ledger keeps, for lists."""
CHARACTERS_PER_SECOND: Final = 15
"""Of speech, roughly; it only tells jobs of about one length."""
DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policies' own deadlines, a submission that still has no outcome has none."""


@dataclass(frozen=True, kw_only=True)
class LongSpeechRequest(SpeechOptions):
    """What a caller may say about a long speech; None is "not given"."""

    text: str | None = None
    text_file: str | None = None
    english_normalization: bool | None = None


async def speak_long(
    runtime: Runtime,
    request: LongSpeechRequest,
    *,
    second_charge_agreed: bool = False,
    dry_run: bool = False,
    within_seconds: float | None = None,
) -> SubmittedSpeech:
    """Check a request and buy its speech once; returns as soon as MiniMax has accepted.

    Args:
        runtime: What the calls share.
        request: What the caller wants.
        second_charge_agreed: Buy although an earlier identical attempt ended in doubt.
        dry_run: Only check and estimate.
        within_seconds: Answer after this long at the latest; what was begun goes on.

    Raises:
        InputError: MiniMax would refuse it; nothing was sent.
        SpendingLimitError: It would exceed the daily limit; nothing was bought.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still being sent; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    started = runtime.clock.now()
    speech = await _prepare(runtime, request)
    if dry_run:
        return _estimate_result(runtime, speech)
    await runtime.deliveries.note_use(speech.voice_id)
    sender = _Sender(runtime, speech)
    earlier = await runtime.ledger.peek(speech.purchase)
    if would_buy(earlier, price_usd=speech.price_usd, second_charge_agreed=second_charge_agreed):
        await sender.upload(within_seconds)
    bought = await buy_once(
        runtime,
        _paid_request(runtime, speech, sender),
        second_charge_agreed=second_charge_agreed,
        within_seconds=remaining_seconds(within_seconds, runtime.clock.now() - started),
    )
    follow_accepted(runtime, str(bought.task_id), LONG_SPEECH_JOBS)
    return _result_of_purchase(runtime, speech, bought)


async def quote(runtime: Runtime, request: LongSpeechRequest) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to.

    Raises:
        InputError: MiniMax would refuse the request.
    """
    speech = await _prepare(runtime, request)

    async def prepare() -> Purchase:
        return speech.purchase

    what = f"Speech of {len(speech.text):,} characters ({request.model})"
    return await quote_purchase(runtime, Quote(what, speech.price_usd), prepare)


# --- checking ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PreparedSpeech:
    """A checked request.

    Attributes:
        request: What the caller wants.
        text: What is said.
        file: Where it comes from, if not from the request itself.
        first_uses: Voices that speak for the first time.
        account: Tells keys apart without naming them.
    """

    request: LongSpeechRequest
    text: str
    file: TextFile | None
    first_uses: tuple[FirstUse, ...]
    account: str

    @property
    def voice_id(self) -> str:
        """The voice that speaks."""
        return self.request.voice_id or DEFAULT_VOICE

    @property
    def price_usd(self) -> float | None:
        """List price, if there is one."""
        return estimate_speech(self.request.model, self.text, fees_usd=sum_fees(self.first_uses))

    @property
    def purchase(self) -> Purchase:
        """As the ledger writes it down; the text of a file counts by its content."""
        told = hashlib.sha256(self.file.data).hexdigest() if self.file else None
        identity = json.dumps([Kind.LONG_SPEECH.value, self.make_body(), told], sort_keys=True)
        upload_seconds = policies.UPLOAD.deadline_seconds if self.file else 0
        return Purchase(
            kind=Kind.LONG_SPEECH,
            fingerprint=hashlib.sha256(identity.encode()).hexdigest(),
            account=self.account,
            model=self.request.model,
            prompt=shorten(self.text, KEPT_PROMPT),
            duration=_round_length(self.text),
            resolution=self.request.format,
            price_usd=self.price_usd,
            deadline_seconds=policies.SUBMIT.deadline_seconds
            + upload_seconds
            + DEADLINE_MARGIN_SECONDS,
        )

    def make_body(self, text_file_id: int | None = None) -> dict[str, Any]:
        """What is sent; without its text where that is in a file that is not uploaded yet."""
        request = self.request
        usual_rate = OPUS_SAMPLE_RATE if request.format == "opus" else None
        return {
            "model": request.model,
            **drop_none(text=None if self.file else self.text, text_file_id=text_file_id),
            "voice_setting": {
                "voice_id": self.voice_id,
                **request.manner,
                **drop_none(english_normalization=request.english_normalization),
            },
            "audio_setting": drop_none(
                format=request.format,
                audio_sample_rate=request.sample_rate or usual_rate,
                bitrate=request.bitrate,
                channel=request.channel,
            ),
            **request.further_fields,
        }


def _round_length(text: str) -> int:
    """About how many seconds it takes to say, as a power of two."""
    seconds = len(text) // CHARACTERS_PER_SECOND
    return 1 << seconds.bit_length()


async def _prepare(runtime: Runtime, request: LongSpeechRequest) -> PreparedSpeech:
    text, file = await asyncio.to_thread(_check, request, runtime.settings)
    voices = [request.voice_id or DEFAULT_VOICE]
    first_uses = await runtime.get_shared(KnownVoices).find_first_uses(voices)
    return PreparedSpeech(
        request=request,
        text=text,
        file=file,
        first_uses=tuple(first_uses),
        account=runtime.account,
    )


def _check(request: LongSpeechRequest, settings: Settings) -> tuple[str, TextFile | None]:
    """The text, and the file that it comes from.

    Raises:
        InputError: MiniMax would refuse it.
    """
    rates = OPUS_SAMPLE_RATES if request.format == "opus" else SAMPLE_RATES
    request.check_options(sample_rates=rates)
    if (request.text is None) is (request.text_file is None):
        raise InputError("Give the text in text, or a file with it in text_file: one of the two.")
    if request.text is not None:
        check_length("text", request.text, LONG_SPEECH_CHARACTERS)
        return _check_words("text", request.text), None
    file = read_text_file(
        str(request.text_file),
        field="text_file",
        settings=settings,
        fewer_characters_than=TEXT_FILE_CHARACTERS,
    )
    return _check_words("text_file", file.text), file


def _check_words(field: str, text: str) -> str:
    if not text.strip():
        raise InputError(f"{field} contains nothing that can be spoken. Nothing was sent.")
    return text


# --- buying ------------------------------------------------------------------------------------


class _Sender:
    """Sends one speech: its text file first, if it has one, and then the request."""

    def __init__(self, runtime: Runtime, speech: PreparedSpeech) -> None:
        self._runtime = runtime
        self._speech = speech
        self._text_file_id: int | None = None

    async def upload(self, within_seconds: float | None) -> None:
        """Upload the text file, unless there is none or it is uploaded; free.

        Raises:
            UnansweredError: It takes longer; nothing was bought, and it goes on.
            MiniMaxError: MiniMax refused it or could not be reached; nothing was bought.
        """
        file = self._speech.file
        if file is None or self._text_file_id is not None:
            return
        file_ids = await upload_files(
            self._runtime,
            lambda opened: [opened.enter_context(file.as_input())],
            use=UploadUse(INPUT_PURPOSE, "speech", TOOL),
            key=self._speech.purchase.fingerprint,
            within_seconds=within_seconds,
        )
        [file_id] = file_ids.values()
        self._text_file_id = int(file_id)

    async def send(self) -> Accepted:
        """Send the request once."""
        await self._upload_before_charge()
        client, speech = await self._runtime.client(), self._speech
        try:
            task_id = await client.submit_long_speech(speech.make_body(self._text_file_id))
        except RefusedError as refusal:
            raise name_known_models(
                refusal, speech.request.model, SPEECH_PRICES_USD_PER_MILLION
            ) from None
        self._runtime.get_shared(KnownVoices).note_speech([speech.voice_id])
        return Accepted(task_id=task_id)

    async def _upload_before_charge(self) -> None:
        try:
            await self.upload(None)
        except MiniMaxError as error:
            if error.outcome is Outcome.UNKNOWN:
                error.outcome = Outcome.NOT_SENT  # of what is paid for
            raise


def _paid_request(runtime: Runtime, speech: PreparedSpeech, sender: _Sender) -> PaidRequest:
    return PaidRequest(
        purchase=speech.purchase,
        send=sender.send,
        deliver=partial(_deliver, runtime),
        is_intact=_is_task_enough,
        is_ours=partial(_is_ours, runtime),
        refused_error=_refused_error,
        doubt_error=partial(_doubt_error, speech.price_usd),
        still_working_error=_still_sending_error,
    )


async def _deliver(runtime: Runtime, accepted: Accepted) -> Mapping[str, Any]:
    """The result is the task id; its job is followed even if nobody waits for the answer."""
    follow_accepted(runtime, str(accepted.task_id), LONG_SPEECH_JOBS)
    return {}


def _is_task_enough(_: Mapping[str, Any]) -> bool:
    return True


async def _is_ours(runtime: Runtime, record: Record) -> bool:
    """Whether MiniMax knows a job that was bought with another key under this key as well."""
    if record.task_id is None:
        return False
    try:
        await (await runtime.client()).query_long_speech(record.task_id)
    except RefusedError:
        return False
    return True


# --- what a caller is told ---------------------------------------------------------------------


def _refused_error(record: Record) -> MaybeChargedError:
    return still_in_doubt_error(record, what=TOOL)


def _doubt_error(price_usd: float | None, error: MiniMaxError, _: str | None) -> MaybeChargedError:
    cheap = price_usd is not None and price_usd <= CHEAP_USD
    again = (
        f". Calling again makes it again, for {show_usd(price_usd or 0)} at most."
        if cheap
        else not_again_text(TOOL, "this text")
    )
    return MaybeChargedError.after(
        error,
        "The long speech was requested, and no usable answer came back: MiniMax may have accepted "
        f"and charged it. It was not sent again{again}",
    )


def _still_sending_error() -> UnansweredError:
    return UnansweredError(
        "The request is still being sent; it continues, and nothing is lost. Call "
        f"{TOOL} again with exactly the same arguments: that joins it and does not buy a second "
        "speech.",
        outcome=Outcome.UNKNOWN,
    )


def _result_of_purchase(
    runtime: Runtime, speech: PreparedSpeech, bought: Bought
) -> SubmittedSpeech:
    task_id, sandbox = str(bought.task_id), runtime.settings.sandbox
    handed_over = (
        "This speech was already bought by an earlier call whose answer was lost; it is returned "
        "here, and nothing was bought now. "
    )
    fees = "" if bought.reused else first_use_text(speech.first_uses, sandbox=sandbox)
    price_usd = bought.record.price_usd
    trouble = runtime.ledger.trouble
    return SubmittedSpeech(
        task_id=task_id,
        status="queued",
        characters=count_characters(speech.text),
        reused=bought.reused,
        estimated_cost_usd=price_usd,
        next_step=runtime.write_next_step(
            f"{handed_over if bought.reused else ''}The job is accepted; a long text takes "
            f"minutes. Call {waiting_call(task_id)} and repeat that until status is completed or "
            f"failed. Do not call {TOOL} again for this text. "
            f"{estimate_text(price_usd, sandbox=sandbox)}{fees}"
            f"{doubt_note(price_usd) if bought.doubt else ''}{f' {trouble}' if trouble else ''}"
        ),
    )


def _estimate_result(runtime: Runtime, speech: PreparedSpeech) -> SubmittedSpeech:
    fee = (
        " It includes the fee of a cloned or designed voice that speaks for the first time."
        if speech.first_uses
        else ""
    )
    return SubmittedSpeech(
        task_id=None,
        status=None,
        characters=count_characters(speech.text),
        reused=False,
        estimated_cost_usd=speech.price_usd,
        next_step=runtime.write_next_step(
            "Nothing was bought. MiniMax would take this request; to buy it, call "
            f"{TOOL} with the same arguments without dry_run. "
            f"{estimate_text(speech.price_usd, sandbox=runtime.settings.sandbox)}{fee}"
        ),
    )
