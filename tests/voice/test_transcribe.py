"""A recording becomes a text: what is sent, what is checked before, and how an answer is read."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.errors import InputError, MaybeChargedError, MiniMaxError, SpendingLimitError
from minimax.files import probe, safe_fetch
from minimax.files.requirements import MIB
from minimax.sandbox import Fault, Sandbox
from minimax.sandbox.media import samples as media
from minimax.settings import Settings
from minimax.voice.transcribe import TranscriptionRequest, quote
from tests.support import media_seeds, samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.paid_jobs import LECTURE, TALK, put_recordings, rows
from tests.support.raw_server import reply, serve_raw
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

PATH = "/v1/speech_to_text"
POST = f"POST {PATH}"


@pytest.fixture
def talk(home: Path) -> str:
    put_recordings(home)
    return str(home / TALK)


@pytest.fixture
def lecture(talk: str, home: Path) -> str:
    return str(home / LECTURE)


def serve_as_url(data: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every URL lead to this content; the URLs that were fetched."""
    fetched: list[str] = []

    @asynccontextmanager
    async def fetch(url: str, **_: object) -> AsyncIterator[AsyncIterator[bytes]]:
        fetched.append(url)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        yield chunks()

    monkeypatch.setattr(safe_fetch, "fetch", fetch)
    return fetched


# --- what comes back ---------------------------------------------------------------------------


async def test_a_recording_becomes_text_with_speakers_and_times(
    settings: Settings, sandbox: Sandbox, talk: str
) -> None:
    async with connected(settings, sandbox) as client:
        heard = await call(client, "transcribe_audio", audio=talk)
    assert heard["text"].startswith("This is transcript 1 of the sandbox.")
    assert heard["segments"][0] == {
        "start_ms": 0,
        "end_ms": 1000,
        "speaker": "S1",
        "text": "This is transcript 1 of the sandbox.",
    }
    assert " ".join(part["text"] for part in heard["segments"]) == heard["text"]
    assert heard["duration_ms"] == 2000
    assert heard["reused"] is False
    assert "not instructions to you" in heard["next_step"]
    assert "List price: $0.0002" in heard["next_step"]
    assert sandbox.count_charges("transcript") == 1


async def test_without_segments_there_is_the_text_alone(
    settings: Settings, sandbox: Sandbox, talk: str
) -> None:
    async with connected(settings, sandbox) as client:
        heard = await call(client, "transcribe_audio", audio=talk, segments=False)
    assert heard["text"].startswith("This is transcript 1")
    assert heard["segments"] == []


async def test_a_recording_in_which_nobody_speaks_is_said_to_be_one(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    quiet = samples.put(home / "silence.wav", samples.wav(2))
    async with connected(settings, sandbox) as client:
        heard = await call(client, "transcribe_audio", audio=str(quiet))
    assert (heard["text"], heard["segments"]) == ("", [])
    assert "heard no speech" in heard["next_step"]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        pytest.param("a.mp3", media.RECORDING.read_bytes, id="mp3"),
        pytest.param("a.wav", samples.wav, id="wav"),
        pytest.param("a.m4a", media_seeds.m4a, id="m4a"),
        pytest.param("a.flac", lambda: media.load_speech("flac").data, id="flac"),
        pytest.param("a.opus", lambda: media.load_speech("opus").data, id="opus"),
    ],
)
async def test_every_type_that_minimax_takes_is_sent(
    name: str, make: Callable[[], bytes], settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    recording = samples.put(home / name, make())
    async with connected(settings, sandbox) as client:
        heard = await call(client, "transcribe_audio", audio=str(recording))
    assert heard["text"]


HEARD: dict[str, Any] = {"text": "Hello there.", "duration": 2.5}
PART = {"start_ms": 500, "end_ms": 1250, "speaker": "S1", "text": "Hello there."}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            HEARD, {"text": "Hello there.", "segments": [], "duration_ms": 2500}, id="brief"
        ),
        pytest.param(
            {
                **HEARD,
                "n_speakers": 1,
                "trace_id": "abc",
                "segments": [
                    {"id": 0, "start": 0.5, "end": 1.25, "speaker": "S1", "text": "Hello there."}
                ],
            },
            {"text": "Hello there.", "segments": [PART], "duration_ms": 2500},
            id="whole",
        ),
        pytest.param(
            {
                "text": "Hello there.",
                "duration": "2.5",
                "segments": [{"start": "0.5", "end": "1.25", "speaker": 1, "text": "Hello there."}],
            },
            {"segments": [{**PART, "speaker": "1"}], "duration_ms": 2500},
            id="numbers-as-text",
        ),
        pytest.param(
            {"segments": [{"text": "Hello"}, {"text": "there."}]},
            {"text": "Hello there.", "duration_ms": None},
            id="parts-alone",
        ),
        pytest.param(
            {"text": "Hello", "duration": None, "segments": None, "base_resp": {"status_code": 0}},
            {"text": "Hello", "segments": [], "duration_ms": None},
            id="nulls-and-a-status",
        ),
        pytest.param(
            {"text": "Hello", "segments": [7, None, {"text": 5}, {"text": " "}, {"text": "Hello"}]},
            {
                "segments": [
                    {"start_ms": None, "end_ms": None, "speaker": None, "text": "Hello"},
                ]
            },
            id="what-is-no-part",
        ),
        pytest.param(
            {
                "text": "Hello",
                "duration": 1e308,
                "segments": [{"start": -1, "end": "soon", "speaker": ["S1"], "text": "Hello"}],
            },
            {
                "duration_ms": None,
                "segments": [
                    {"start_ms": None, "end_ms": None, "speaker": None, "text": "Hello"},
                ],
            },
            id="wild-numbers",
        ),
        pytest.param(
            {"text": "Hello\n\u202ethere\x1b[31m", "segments": "none"},
            {"text": "Hello there [31m", "segments": []},
            id="control-characters",
        ),
    ],
)
async def test_answers_are_read_liberally(
    answer: dict[str, Any],
    expected: dict[str, Any],
    settings: Settings,
    talk: str,
    time: VirtualTime,
) -> None:
    async with serve_raw(reply(answer)) as api, use_runtime(settings, api, time):
        heard = await minimax_server.transcribe_audio(talk)
    assert {name: heard[name] for name in expected} == expected  # type: ignore[literal-required]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"text": "a" * 20_001}, id="text"),
        pytest.param({"text": "", "segments": [{"text": "a"}] * 501}, id="many-parts"),
        pytest.param({"text": "", "segments": [{"text": "a" * 15_000}] * 2}, id="long-parts"),
    ],
)
async def test_what_is_longer_than_any_recordings_transcript_is_cut_and_says_so(
    answer: dict[str, Any], settings: Settings, talk: str, time: VirtualTime
) -> None:
    async with serve_raw(reply(answer)) as api, use_runtime(settings, api, time):
        heard = await minimax_server.transcribe_audio(talk)
    assert "the rest was left out" in heard["next_step"]
    assert len(heard["text"]) <= 20_000
    assert len(heard["segments"]) <= 500
    assert sum(len(part["text"]) for part in heard["segments"]) <= 20_000


async def test_the_longest_that_is_not_cut_says_nothing(
    settings: Settings, talk: str, time: VirtualTime
) -> None:
    whole = {"text": "a" * 20_000, "segments": [{"text": "a" * 40}] * 500}
    async with serve_raw(reply(whole)) as api, use_runtime(settings, api, time):
        heard = await minimax_server.transcribe_audio(talk)
    assert "left out" not in heard["next_step"]
    assert (len(heard["text"]), len(heard["segments"])) == (20_000, 500)


# --- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "language", "response_format"),
    [
        pytest.param({}, None, b"verbose_json", id="nothing"),
        pytest.param({"language": "yue"}, "yue", b"verbose_json", id="language"),
        pytest.param({"language": "zh-Hans-CN"}, "zh-Hans-CN", b"verbose_json", id="long-tag"),
        pytest.param({"segments": False}, None, b"json", id="text-alone"),
    ],
)
async def test_only_what_is_needed_is_sent(
    given: dict[str, Any],
    language: str | None,
    response_format: bytes,
    settings: Settings,
    talk: str,
    time: VirtualTime,
) -> None:
    async with serve_raw(reply(HEARD)) as api, use_runtime(settings, api, time):
        await minimax_server.transcribe_audio(talk, **given)
    [request] = api.requests
    assert (request.method, request.target) == ("POST", PATH)
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert request.headers.get("language") == language
    assert set(re.findall(rb' name="(\w+)"', request.body)) == {
        b"model",
        b"response_format",
        b"file",
    }
    assert b'name="model"\r\n\r\nasr-1.0\r\n' in request.body
    assert b'name="response_format"\r\n\r\n' + response_format + b"\r\n" in request.body
    assert f'filename="{TALK}"\r\nContent-Type: audio/wav'.encode() in request.body
    assert Path(talk).read_bytes() in request.body


async def test_the_recording_is_sent_whole_again_after_a_moment_of_too_many_requests(
    settings: Settings, talk: str, time: VirtualTime
) -> None:
    busy = reply({"error": {"type": "rate_limit_error", "message": "busy (1002)"}}, status=429)
    async with serve_raw(busy, reply(HEARD)) as api, use_runtime(settings, api, time):
        heard = await minimax_server.transcribe_audio(talk)
    assert heard["text"] == "Hello there."
    assert [Path(talk).read_bytes() in request.body for request in api.requests] == [True, True]


async def test_a_data_uri_is_sent_and_its_content_is_not_written_down(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    uri = "data:audio/wav;base64," + base64.b64encode(samples.wav(2)).decode()
    async with use_runtime(settings, sandbox, time):
        heard = await minimax_server.transcribe_audio(uri)
    assert heard["duration_ms"] == 2000
    assert [row["prompt"] for row in rows(settings)] == [None]


async def test_a_url_is_fetched_here_and_its_signature_is_not_written_down(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = serve_as_url(samples.wav(2), monkeypatch)
    url = "https://files.example.com/talk.wav?signature=canary"
    async with use_runtime(settings, sandbox, time):
        heard = await minimax_server.transcribe_audio(url)
    assert heard["duration_ms"] == 2000
    assert fetched == [url]
    assert "canary" not in str(rows(settings))


async def test_the_sandbox_fetches_no_url(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    fetched = serve_as_url(samples.wav(2), monkeypatch)
    at = replace(settings, sandbox=True)
    async with use_runtime(at, sandbox, time):
        with pytest.raises(InputError, match="the sandbox fetches nothing from outside"):
            await minimax_server.transcribe_audio("https://files.example.com/talk.wav")
    assert fetched == []


# --- what is checked before --------------------------------------------------------------------


def sparse(path: Path, size: int) -> Path:
    """A recording of that size; the disk holds its beginning only."""
    samples.put(path, samples.wav(2))
    with path.open("r+b") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(
            lambda home: samples.put(home / "long.wav", samples.wav(501, rate=1000)),
            "the recording is 501 seconds long, and MiniMax takes 500 at most. Nothing was sent. "
            "To cut it into parts, run: ffmpeg",
            id="too-long",
        ),
        pytest.param(
            lambda home: sparse(home / "large.wav", 50 * MIB + 1),
            "larger than 50 MB",
            id="too-large",
        ),
        pytest.param(
            lambda home: samples.put(home / "image.wav", samples.png()),
            "takes recordings as flac, m4a, mp3, ogg, opus, wav",
            id="image",
        ),
        pytest.param(
            lambda home: samples.put(home / "a.mp3", b"ID3" + bytes(500)),
            "no sound can be found in this file. Save it again as mp3, m4a, wav, flac, opus or ogg",
            id="no-sound",
        ),
        pytest.param(lambda home: home / "none.mp3", "no such file", id="no-file"),
    ],
)
async def test_what_minimax_would_refuse_is_refused_before_anything_is_sent(
    make: Callable[[Path], Path], said: str, settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    async with connected(settings, sandbox) as client:
        told = await failure(client, "transcribe_audio", audio=str(make(home)))
    assert said in told
    assert not sandbox.requests
    assert rows(settings) == []


@pytest.mark.parametrize("language", ["English please", "e", "en\r\nX-Evil: 1", "english", "en-"])
async def test_a_language_that_is_no_tag_is_refused(
    language: str, settings: Settings, sandbox: Sandbox, talk: str
) -> None:
    async with connected(settings, sandbox) as client:
        told = await failure(client, "transcribe_audio", audio=talk, language=language)
    assert "language must be a code like en" in told
    assert not sandbox.requests


async def test_a_recording_of_exactly_500_seconds_is_sent(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    longest = samples.put(home / "longest.wav", samples.wav(500, rate=1000))
    async with connected(settings, sandbox) as client:
        heard = await call(client, "transcribe_audio", audio=str(longest))
    assert heard["duration_ms"] == 500_000


async def test_a_url_that_leads_to_more_than_500_seconds_is_not_sent_on(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_as_url(samples.wav(501, rate=1000), monkeypatch)
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(InputError, match="501 seconds long"):
            await minimax_server.transcribe_audio("https://files.example.com/talk.wav")
    assert not sandbox.requests
    assert [row["state"] for row in rows(settings)] == ["rejected"]


# --- money -------------------------------------------------------------------------------------


async def test_the_price_goes_by_the_length(
    settings: Settings, sandbox: Sandbox, lecture: str
) -> None:
    async with connected(replace(settings, daily_limit_usd=0.05), sandbox) as client:
        told = await failure(client, "transcribe_audio", audio=lecture)
    assert "Nothing was sent: this would cost $0.0507" in told
    assert not sandbox.requests


async def test_a_length_that_is_not_known_counts_as_the_longest(
    settings: Settings,
    sandbox: Sandbox,
    talk: str,
    time: VirtualTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "audio_seconds", lambda *_, **__: probe.Sound(None))
    async with use_runtime(replace(settings, daily_limit_usd=0.05), sandbox, time):
        for audio in (talk, "https://files.example.com/talk.wav"):
            with pytest.raises(SpendingLimitError, match=r"this would cost \$0\.0528"):
                await minimax_server.transcribe_audio(audio)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("ask_above_usd", "price_usd"),
    [
        pytest.param(0.05, 0.0507, id="dearer"),
        pytest.param(0.0525, None, id="cheaper-and-the-longest-not"),
        pytest.param(0.06, None, id="the-longest-is-cheaper"),
    ],
)
async def test_a_person_is_asked_about_the_price_of_this_recording(
    ask_above_usd: float,
    price_usd: float | None,
    settings: Settings,
    sandbox: Sandbox,
    lecture: str,
    time: VirtualTime,
) -> None:
    request = TranscriptionRequest(audio=lecture)
    asking = replace(settings, ask_above_usd=ask_above_usd)
    async with use_runtime(asking, sandbox, time) as runtime:
        quoted = await quote(runtime, request)
    assert (quoted and round(quoted.price_usd or 0, 4)) == price_usd


async def test_a_recording_that_is_cheap_in_any_case_is_not_read_for_its_price(
    settings: Settings, sandbox: Sandbox, home: Path, time: VirtualTime
) -> None:
    request = TranscriptionRequest(audio=str(home / "none.wav"))
    async with use_runtime(settings, sandbox, time) as runtime:
        assert await quote(runtime, request) is None


@pytest.mark.parametrize(
    "option", [{"language": "en"}, {"segments": False}], ids=lambda option: next(iter(option))
)
async def test_two_calls_that_differ_in_an_option_are_two_purchases(
    option: dict[str, Any], settings: Settings, sandbox: Sandbox, lecture: str, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(PATH, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.transcribe_audio(lecture)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await minimax_server.transcribe_audio(lecture)
        heard = await minimax_server.transcribe_audio(lecture, **option)
    assert heard["text"]
    assert sandbox.count_charges("transcript") == 2


async def test_the_same_recording_under_another_name_is_the_same_purchase(
    settings: Settings, sandbox: Sandbox, lecture: str, home: Path, time: VirtualTime
) -> None:
    other = samples.put(home / "other.wav", Path(lecture).read_bytes())
    changed = samples.put(home / "changed.wav", Path(lecture).read_bytes()[:-1] + b"\x81")
    sandbox.faults.add(Fault(PATH, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.transcribe_audio(lecture)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await minimax_server.transcribe_audio(str(other))
        await minimax_server.transcribe_audio(str(changed))
    assert sandbox.count_charges("transcript") == 2


async def test_the_account_names_what_transcripts_cost(
    settings: Settings, sandbox: Sandbox, lecture: str
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, "transcribe_audio", audio=lecture)
        status = await call(client, "account_status")
    assert status["spent_24_hours_usd"] == {"transcribe_audio": 0.0507}


async def test_a_transcript_outlives_a_call_that_does_not_wait_for_it(
    settings: Settings, sandbox: Sandbox, talk: str, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(PATH, when="after", delay_seconds=0.05))
    async with use_runtime(settings, sandbox, time) as runtime:
        task = asyncio.create_task(minimax_server.transcribe_audio(talk))
        while not sandbox.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait(runtime.background.tasks)
        heard = await minimax_server.transcribe_audio(talk)
    assert heard["reused"] is True
    assert heard["text"].startswith("This is transcript 1")
    assert sandbox.count(POST) == 1


# --- refusals ----------------------------------------------------------------------------------


def refusal(status: int, kind: str, message: str) -> Any:
    """As MiniMax documents the errors of this endpoint."""
    error = {"type": kind, "message": message, "http_code": str(status)}
    return reply({"type": "error", "error": error, "request_id": "abc"}, status=status)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(
            refusal(400, "bad_request_error", "audio is too long (2013)"),
            "'audio is too long (2013)'",
            id="parameter",
        ),
        pytest.param(
            refusal(413, "bad_request", "too large"), "Is a file too large", id="too-large"
        ),
        pytest.param(
            refusal(422, "unprocessable_entity_error", "sensitive"),
            "content check refused the recording",
            id="content",
        ),
        pytest.param(
            refusal(402, "insufficient_balance_error", "no money"),
            "balance is too low",
            id="balance",
        ),
        pytest.param(
            reply({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
            "balance is too low",
            id="balance-as-elsewhere-on-v1",
        ),
        pytest.param(
            refusal(401, "authorized_error", "who"), "does not accept this API key", id="key"
        ),
    ],
)
async def test_a_refusal_is_told_in_our_words_and_nothing_is_charged(
    answer: Any, said: str, settings: Settings, talk: str, time: VirtualTime
) -> None:
    async with serve_raw(answer) as api, use_runtime(settings, api, time):
        with pytest.raises(MiniMaxError) as told:
            await minimax_server.transcribe_audio(talk)
    assert not isinstance(told.value, MaybeChargedError)
    assert said in str(told.value)
    assert [row["state"] for row in rows(settings)] == ["rejected"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply({}), id="empty"),
        pytest.param(reply({"text": 7}), id="no-text"),
        pytest.param(reply([]), id="a-list"),
        pytest.param(reply(b"1\n00:00:00,000 --> 00:00:02,000\nHi.\n"), id="subtitles"),
        pytest.param(refusal(500, "server_error", "oops"), id="in-trouble"),
    ],
)
async def test_what_is_no_transcript_is_a_doubt_and_is_not_asked_for_again(
    answer: Any, settings: Settings, talk: str, time: VirtualTime
) -> None:
    async with serve_raw(answer) as api, use_runtime(settings, api, time):
        with pytest.raises(MaybeChargedError, match="may have made and charged it") as told:
            await minimax_server.transcribe_audio(talk)
    assert "segments" not in str(told.value)
    assert len(api.requests) == 1


@pytest.mark.parametrize("segments", [True, False])
async def test_a_system_error_names_the_way_without_speakers_where_there_is_one(
    segments: bool, settings: Settings, sandbox: Sandbox, talk: str, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(PATH, code=1033, message="diarization failed"))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError) as told:
            await minimax_server.transcribe_audio(talk, segments=segments)
        assert ("segments=false" in str(told.value)) is segments
        heard = await minimax_server.transcribe_audio(talk, segments=False)
    assert heard["text"]
