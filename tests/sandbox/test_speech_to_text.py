"""The sandbox transcribes as MiniMax documents it, and makes the words up."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from minimax.sandbox import Fault, Sandbox, serve
from minimax.sandbox.media import samples as media
from tests.support import media_seeds
from tests.support.samples import png, wav

pytestmark = pytest.mark.anyio

PATH = "/v1/speech_to_text"
MIB = 1024 * 1024


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(keys={"key"})


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer key"}
    async with (
        serve(sandbox) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        yield client


async def send(
    http: httpx.AsyncClient, data: bytes | None = None, *, name: str = "a.wav", **fields: str
) -> httpx.Response:
    content = wav(2) if data is None else data
    form = {"model": "asr-1.0", **fields}
    return await http.post(PATH, data=form, files={"file": (name, content)})


async def test_json_is_the_text_and_the_length_without_a_status(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    heard = (await send(http)).json()
    assert sorted(heard) == ["duration", "text", "trace_id"]
    assert heard["duration"] == 2.0
    assert heard["text"].startswith("This is transcript 1 of the sandbox.")
    [charge] = sandbox.bill
    assert (charge.what, charge.amount_usd) == ("transcript", 0.000211)


@pytest.mark.parametrize(
    ("level", "first"),
    [
        pytest.param({}, "This is transcript 1 of the sandbox.", id="default"),
        pytest.param(
            {"timestamp_level": "sentence"}, "This is transcript 1 of the sandbox.", id="sentence"
        ),
        pytest.param({"timestamp_level": "word"}, "This", id="word"),
    ],
)
async def test_verbose_json_has_speakers_and_times_in_seconds(
    level: dict[str, str], first: str, http: httpx.AsyncClient
) -> None:
    heard = (await send(http, None, response_format="verbose_json", **level)).json()
    parts = heard["segments"]
    assert heard["n_speakers"] == 1
    assert [part["id"] for part in parts] == list(range(len(parts)))
    assert {part["speaker"] for part in parts} == {"S1"}
    assert " ".join(part["text"] for part in parts) == heard["text"]
    assert parts[0]["text"] == first
    assert (parts[0]["start"], parts[-1]["end"]) == (0, 2)


@pytest.mark.parametrize(
    ("response_format", "beginning"),
    [
        pytest.param("srt", "1\n00:00:00,000 --> 00:00:01,000\nThis is", id="srt"),
        pytest.param("vtt", "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\nThis is", id="vtt"),
    ],
)
async def test_subtitles_come_as_text(
    response_format: str, beginning: str, http: httpx.AsyncClient
) -> None:
    answer = await send(http, response_format=response_format)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.startswith(beginning)


async def test_every_transcript_has_words_of_its_own(http: httpx.AsyncClient) -> None:
    texts = [(await send(http)).json()["text"] for _ in range(2)]
    assert texts[0] != texts[1]


async def test_a_silent_recording_has_no_words_and_costs_the_same(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    heard = (await send(http, name="Silence.wav", response_format="verbose_json")).json()
    assert (heard["text"], heard["n_speakers"], heard["segments"]) == ("", 0, [])
    assert sandbox.count_charges("transcript") == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(media.RECORDING.read_bytes(), id="mp3"),
        pytest.param(media.load_speech("flac").data, id="flac"),
        pytest.param(media.load_speech("opus").data, id="opus"),
        pytest.param(media_seeds.m4a(), id="m4a"),
        pytest.param(wav(500, rate=1000), id="longest"),
    ],
)
async def test_every_documented_type_and_length_is_taken(
    data: bytes, http: httpx.AsyncClient
) -> None:
    assert (await send(http, data, name="recording")).status_code == 200


@pytest.mark.parametrize(
    ("data", "fields", "status", "said"),
    [
        pytest.param(None, {"model": "asr-2"}, 400, "model must be one of asr-1.0", id="model"),
        pytest.param(None, {"model": ""}, 400, "model is required", id="no-model"),
        pytest.param(
            None, {"response_format": "xml"}, 400, "response_format must be one of", id="format"
        ),
        pytest.param(
            None, {"timestamp_level": "letter"}, 400, "timestamp_level must be one of", id="level"
        ),
        pytest.param(None, {"stream": "true"}, 400, "does not stream", id="stream"),
        pytest.param(None, {"stream": "maybe"}, 400, "stream must be one of", id="stream-word"),
        pytest.param(png(), {}, 400, "not audio that can be decoded", id="image"),
        pytest.param(wav(501, rate=1000), {}, 400, "longer than 500 seconds", id="too-long"),
        pytest.param(
            wav(1) + bytes(50 * MIB), {}, 413, "larger than 52428800 bytes", id="too-large"
        ),
    ],
)
async def test_an_invalid_request_is_refused_with_a_status_and_costs_nothing(
    data: bytes | None,
    fields: dict[str, str],
    status: int,
    said: str,
    http: httpx.AsyncClient,
    sandbox: Sandbox,
) -> None:
    answer = await send(http, data, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, "bad_request_error")
    assert said in error["message"]
    assert "base_resp" not in answer.json()
    assert not sandbox.bill


async def test_a_request_without_a_file_or_of_another_kind_is_refused(
    http: httpx.AsyncClient,
) -> None:
    without = await http.post(PATH, data={"model": "asr-1.0"}, files={"other": ("a", b"a")})
    as_json = await http.post(PATH, json={"model": "asr-1.0"})
    assert [answer.status_code for answer in (without, as_json)] == [400, 400]
    assert "file is required" in without.json()["error"]["message"]
    assert "must be multipart/form-data" in as_json.json()["error"]["message"]


@pytest.mark.parametrize(("code", "status"), [(1008, 402), (1026, 422), (1002, 429), (1033, 500)])
async def test_a_fault_comes_with_the_status_of_its_code(
    code: int, status: int, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(PATH, code=code))
    answer = await send(http)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(f"({code})")


async def test_a_key_that_is_not_known_is_refused(http: httpx.AsyncClient) -> None:
    answer: Any = await http.post(PATH, headers={"Authorization": "Bearer other"})
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authorized_error"
