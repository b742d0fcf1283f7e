"""The sandbox follows the documented rules of MiniMax's API, tested over real HTTP."""

import asyncio
import base64
import io
import json
import signal
import struct
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import imagesize
import pytest
from tinytag import TinyTag

from minimax.sandbox import Charge, Fault, Sandbox, VideoStages, run, serve
from minimax.sandbox.bounded import MAX_ITEMS, BoundedDict, RecentList
from minimax.sandbox.http.routes import build_app
from minimax.sandbox.ids import IdGenerator
from minimax.sandbox.media import samples
from minimax.sandbox.signed_links import StoreLink
from tests.support.media_seeds import clip, mp3
from tests.support.samples import png, wav

pytestmark = pytest.mark.anyio

DAY = 24 * 60 * 60
VOICE = "narrator-01"
VIDEO_REQUEST = {"model": "MiniMax-Hailuo-2.3", "prompt": "a sun crosses the sky"}
VIDEO_REQUEST_V2 = {
    "model": "MiniMax-H3",
    "content": [{"type": "text", "text": "a sun crosses the sky"}],
    "resolution": "768P",
    "duration": 4,
    "ratio": "16:9",
}


def make_data_uri(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


FRAME = make_data_uri(png(400, 400))


class RowIds:
    """Makes readable test ids for rows with a dict; pytest calls it with each value in turn."""

    def __init__(self) -> None:
        self._row = 0

    def __call__(self, value: Any) -> str:
        if isinstance(value, dict):
            self._row += 1
            return f"{self._row} {json.dumps(value)[:50]}"
        return str(value)[:40]


class Client:
    """A thin client of the API that returns parsed JSON."""

    def __init__(self, base_url: str, http: httpx.AsyncClient) -> None:
        self.base_url = base_url
        self.http = http

    async def get(self, path: str, **query: Any) -> Any:
        return (await self.http.get(path, params=query)).json()

    async def post(self, path: str, body: Any) -> Any:
        return (await self.http.post(path, json=body)).json()

    async def post_for_code(self, path: str, body: Any) -> int:
        return int((await self.post(path, body))["base_resp"]["status_code"])

    async def upload(
        self, data: bytes, *, name: str = "voice.wav", purpose: str = "voice_clone"
    ) -> int:
        response = await self.http.post(
            "/v1/files/upload", data={"purpose": purpose}, files={"file": (name, data)}
        )
        return int(response.json()["file"]["file_id"])

    async def clone(self, voice_id: str = VOICE, **fields: Any) -> Any:
        file_id = await self.upload(wav(12))
        return await self.post(
            "/v1/voice_clone", {"file_id": file_id, "voice_id": voice_id, **fields}
        )

    async def speak(self, voice_id: str = VOICE, **fields: Any) -> Any:
        body = {"model": "speech-2.8-hd", "text": "Hello there.", **fields}
        return await self.post("/v1/t2a_v2", {"voice_setting": {"voice_id": voice_id}, **body})

    async def download(self, url: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.get(url)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@asynccontextmanager
async def connect(sandbox: Sandbox, *, authorization: str = "Bearer key") -> AsyncIterator[Client]:
    """Serve `sandbox`, and connect a client to it."""
    headers = {"Authorization": authorization}
    async with (
        serve(sandbox) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False) as http,
    ):
        yield Client(base_url, http)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    async with connect(sandbox) as client:
        yield client


def get_code(response: Any) -> int:
    return int(response["base_resp"]["status_code"])


# --- keys, paths, traces


@pytest.mark.parametrize(
    ("authorization", "code"),
    [("", 1004), ("key", 1004), ("Basic key", 1004), ("Bearer", 1004), ("Bearer other", 2049)],
)
async def test_an_invalid_key_is_refused_before_anything_else(
    authorization: str, code: int
) -> None:
    async with connect(Sandbox(keys={"good"}), authorization=authorization) as client:
        v1 = await client.http.post("/v1/video_generation", content=b"no json")
        v2 = await client.http.post("/v2/video_generation", content=b"no json")
    assert (v1.status_code, get_code(v1.json()), v1.json()["task_id"]) == (200, code, "")
    assert v2.status_code == 401
    assert v2.json()["error"]["type"] == "authorized_error"
    assert v2.json()["error"]["message"].endswith(f"({code})")


async def test_a_valid_key_is_accepted() -> None:
    async with connect(Sandbox(keys={"good"}), authorization="Bearer good") as client:
        assert await client.post_for_code("/v1/get_voice", {"voice_type": "system"}) == 0


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/nothing"), ("GET", "/v1/get_voice"), ("PUT", "/v2/x")]
)
async def test_an_unknown_path_is_404_in_plain_text(client: Client, method: str, path: str) -> None:
    response = await client.http.request(method, path)
    assert (response.status_code, response.text) == (404, "404 page not found")


async def test_every_response_has_its_own_trace_id(client: Client, sandbox: Sandbox) -> None:
    responses = [await client.http.get(path) for path in ("/v1/x", "/v1/files/list", "/v2/x")]
    traces = [response.headers["trace-id"] for response in responses]
    assert len(set(traces)) == 3
    assert all(len(trace) == 32 and int(trace, 16) for trace in traces)
    assert [request.trace_id for request in sandbox.requests] == traces


async def test_requests_are_recorded_without_their_query(client: Client, sandbox: Sandbox) -> None:
    await client.get("/v1/files/list", purpose="voice_clone")
    (request,) = sandbox.requests
    assert (request.method, request.path) == ("GET", "/v1/files/list")
    assert request.headers["authorization"] == "Bearer key"
    assert sandbox.count("GET /v1/files/list") == 1


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"\xff"])
@pytest.mark.parametrize("path", ["/v1/voice_clone", "/v1/t2a_v2", "/v1/video_generation"])
async def test_a_body_that_is_not_a_json_object_is_2013(
    client: Client, path: str, body: bytes
) -> None:
    response = await client.http.post(path, content=body)
    assert (response.status_code, get_code(response.json())) == (200, 2013)


# --- files


async def test_an_upload_is_listed_retrieved_and_deleted(client: Client, sandbox: Sandbox) -> None:
    file_id = await client.upload(b"words", name="a.mp3")
    assert file_id >= 900_000_000_000_000
    response = await client.get("/v1/files/list", purpose="voice_clone")
    assert [file["file_id"] for file in response["files"]] == [file_id]
    file = (await client.get("/v1/files/retrieve", file_id=file_id))["file"]
    assert (file["bytes"], file["filename"], file["purpose"]) == (5, "a.mp3", "voice_clone")
    content = await client.http.get("/v1/files/retrieve_content", params={"file_id": file_id})
    assert content.content == b"words"
    blob = sandbox.files[file_id].blob
    assert blob
    path = blob.path
    del blob  # the last reference besides the file itself
    body = {"file_id": file_id, "purpose": "voice_clone"}
    assert (await client.post("/v1/files/delete", body))["file_id"] == file_id
    assert get_code(await client.get("/v1/files/retrieve", file_id=file_id)) == 2013
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/files/list", {}),
        ("/v1/files/list", {"purpose": "video_understanding"}),
        ("/v1/files/retrieve", {}),
        ("/v1/files/retrieve", {"file_id": "abc"}),
        ("/v1/files/retrieve", {"file_id": "1"}),
        ("/v1/files/retrieve_content", {"file_id": "1"}),
    ],
)
async def test_a_query_for_no_known_file_is_2013(
    client: Client, path: str, query: dict[str, str]
) -> None:
    assert get_code(await client.get(path, **query)) == 2013


@pytest.mark.parametrize(
    "changes", [{"purpose": "prompt_audio"}, {"purpose": "all"}, {"file_id": 1}]
)
async def test_a_file_is_deleted_only_by_its_id_and_purpose(
    client: Client, changes: dict[str, Any]
) -> None:
    body = {"file_id": await client.upload(b"words"), "purpose": "voice_clone"}
    assert await client.post_for_code("/v1/files/delete", body | changes) == 2013
    assert await client.post_for_code("/v1/files/delete", body) == 0


@pytest.mark.parametrize(
    ("purpose", "name", "size", "status", "code"),
    [
        ("voice_clone", "a.ogg", 100, 200, 0),
        ("voice_clone", "a.mp3", 20 * 1024 * 1024 + 1, 200, 2013),
        ("retrieval", "a.mp3", 100, 200, 2013),
        ("video_generation_input", "a.gif", 100, 400, 2013),
        ("video_generation_input", "a.mp3", 15 * 1024 * 1024 + 1, 400, 2013),
        ("video_generation_input", "a.png", 100, 400, 2013),
        ("video_generation_input", "a.mp3", 100, 200, 0),
        ("t2a_async_input", "a.txt", 100, 200, 0),
    ],
)
async def test_an_upload_is_validated_by_its_purpose(
    client: Client, sandbox: Sandbox, purpose: str, name: str, size: int, status: int, code: int
) -> None:
    response = await client.http.post(
        "/v1/files/upload", data={"purpose": purpose}, files={"file": (name, bytes(size))}
    )
    assert (response.status_code, get_code(response.json())) == (status, code)
    assert len(sandbox.files) == (code == 0)


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"purpose": "voice_clone"}},
        {"data": {"purpose": "voice_clone"}, "files": {"other": ("a.mp3", b"x")}},
        {"files": {"file": ("a.mp3", b"x")}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    ],
    ids=["json", "no file", "no purpose", "torn multipart", "no boundary"],
)
async def test_an_incomplete_upload_is_2013(client: Client, sent: dict[str, Any]) -> None:
    response = await client.http.post("/v1/files/upload", **sent)
    assert get_code(response.json()) == 2013


async def test_an_upload_over_the_largest_limit_is_refused(
    client: Client, sandbox: Sandbox
) -> None:
    response = await client.http.post(
        "/v1/files/upload",
        data={"purpose": "voice_clone"},
        files={"file": ("a.mp3", bytes(52 * 1024 * 1024))},
    )
    assert get_code(response.json()) == 2013
    assert not sandbox.files


# --- voice cloning


async def test_a_clone_response_does_not_contain_the_voice_id(
    client: Client, sandbox: Sandbox
) -> None:
    assert await client.clone() == {
        "input_sensitive": False,
        "input_sensitive_type": 0,
        "demo_audio": "",
        "base_resp": {"status_code": 0, "status_msg": "success"},
    }
    assert sandbox.bill == []


async def test_a_clone_preview_is_a_link_and_is_billed_at_once(
    client: Client, sandbox: Sandbox
) -> None:
    response = await client.clone(text="你好 you", model="speech-2.8-turbo")
    demo = await client.download(response["demo_audio"])
    assert demo.headers["content-type"] == "audio/mpeg"
    assert TinyTag.get(file_obj=io.BytesIO(demo.content)).duration == pytest.approx(
        response["extra_info"]["audio_length"] / 1000, abs=0.01
    )
    assert response["extra_info"]["usage_characters"] == 8
    assert sandbox.bill == [Charge("speech", 0.00048, VOICE)]


@pytest.mark.parametrize("name", ["recording.mp3", "voice.m4a", "voice.wav"])
async def test_a_clone_accepts_every_documented_format(client: Client, name: str) -> None:
    data = samples.RECORDING.read_bytes()
    file_id = await client.upload(data, name=name)
    assert (
        await client.post_for_code("/v1/voice_clone", {"file_id": file_id, "voice_id": VOICE}) == 0
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"file_id": None}, "file_id or audio_url is required"),
        ({"file_id": "123"}, "file_id has the wrong type"),
        ({"voice_id": None}, "voice_id is required"),
        ({"voice_id": "short-1"}, "voice_id length"),
        ({"voice_id": "x" * 257}, "voice_id length"),
        ({"voice_id": "1narrator"}, "voice_id first character"),
        ({"voice_id": "énarrator"}, "voice_id first character"),
        ({"voice_id": "narrator_"}, "voice_id characters"),
        ({"voice_id": "narra tor"}, "voice_id characters"),
        ({"text": "hello"}, "model is required"),
        ({"text": "hello", "model": "speech-9"}, "method t2a-v2 not have model: speech-9"),
        ({"text": "x" * 1001, "model": "speech-2.8-hd"}, "text must not be longer"),
        ({"language_boost": "Klingon"}, "language_boost must be one of"),
        ({"text_validation": "x" * 201}, "text_validation must not be longer"),
        ({"accuracy": 1.5}, "accuracy must be between"),
        ({"need_noise_reduction": "yes"}, "need_noise_reduction must be a boolean"),
        ({"file_id": 1}, "file_id not exist"),
        ({"clone_prompt": {"prompt_text": "Hi."}}, "prompt_audio or audio_url is required"),
        ({"clone_prompt": {"prompt_audio": 1}}, "clone_prompt.prompt_text is required"),
        ({"clone_prompt": {"prompt_audio": 1, "prompt_text": "Hi."}}, "file_id not exist"),
    ],
)
async def test_an_invalid_clone_request_is_2013(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    response = await client.clone(**({"voice_id": VOICE} | fields))
    assert get_code(response) == 2013
    assert response["base_resp"]["status_msg"].startswith(f"invalid params, {message}")
    assert not sandbox.voices


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (wav(12), "voice.ogg", 2013),
        (wav(12), "voice", 2013),
        (wav(9.9), "voice.wav", 2037),
        (wav(301), "voice.wav", 2037),
        (b"no audio at all", "voice.mp3", 1000),
        (wav(10), "voice.WAV", 0),
        (wav(300), "voice.wav", 0),
    ],
    ids=["extension", "no extension", "short", "long", "broken", "shortest", "longest"],
)
async def test_the_sample_is_validated_by_the_clone_not_by_the_upload(
    client: Client, data: bytes, name: str, code: int
) -> None:
    file_id = await client.upload(data, name=name)
    assert (
        await client.post_for_code("/v1/voice_clone", {"file_id": file_id, "voice_id": VOICE})
        == code
    )


@pytest.mark.parametrize(
    ("seconds", "prompt_text", "code"),
    [(7, "Hi.", 0), (8, "Hi.", 2048), (7, "[mismatch]", 1044)],
)
async def test_a_prompt_clip_must_be_short_and_match_its_transcript(
    client: Client, seconds: float, prompt_text: str, code: int
) -> None:
    clip = await client.upload(wav(seconds), purpose="prompt_audio")
    prompt = {"prompt_audio": clip, "prompt_text": prompt_text}
    assert get_code(await client.clone(clone_prompt=prompt)) == code


async def test_a_mismatching_transcript_is_1043(client: Client) -> None:
    assert get_code(await client.clone(text_validation="[mismatch]")) == 1043


async def test_a_voice_id_in_use_is_2039(client: Client) -> None:
    assert get_code(await client.clone()) == 0
    assert get_code(await client.clone()) == 2039
    assert get_code(await client.clone("English_Graceful_Lady")) == 2039


async def test_a_clone_is_checked_in_minimaxs_order() -> None:
    async with connect(Sandbox(unverified=True)) as client:
        short, unreadable = await client.upload(wav(1)), await client.upload(b"no audio")
        matching = {"voice_id": VOICE, "text_validation": "fits"}
        mismatching = matching | {"text_validation": "[mismatch]"}

        async def clone_for_code(body: dict[str, Any]) -> int:
            return await client.post_for_code("/v1/voice_clone", body)

        assert await clone_for_code({"file_id": short, "voice_id": "Wise_Woman"}) == 2039
        assert await clone_for_code(mismatching | {"file_id": short}) == 2037
        assert await clone_for_code(mismatching | {"file_id": unreadable}) == 1043
        assert await clone_for_code(matching | {"file_id": unreadable}) == 2038


# --- voices


async def test_there_are_at_least_three_hundred_system_voices(client: Client) -> None:
    voices = (await client.post("/v1/get_voice", {"voice_type": "system"}))["system_voice"]
    ids = [voice["voice_id"] for voice in voices]
    assert len(set(ids)) == len(ids) >= 300
    assert "English_Graceful_Lady" in ids
    assert {voice["created_time"] for voice in voices} == {"1970-01-01"}
    assert all(voice["voice_name"] for voice in voices)


@pytest.mark.parametrize("voice", ["English_expressive_narrator", "female-shaonv"])
async def test_the_voices_that_minimaxs_own_clients_take_by_themselves_speak(
    client: Client, voice: str
) -> None:
    assert get_code(await client.speak(voice)) == 0


async def test_a_clone_is_listed_after_its_first_use(client: Client, sandbox: Sandbox) -> None:
    await client.clone()
    body = {"voice_type": "voice_cloning"}
    assert (await client.post("/v1/get_voice", body))["voice_cloning"] is None
    assert get_code(await client.speak()) == 0
    (voice,) = (await client.post("/v1/get_voice", body))["voice_cloning"]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert voice == {"voice_id": VOICE, "description": [], "created_time": today}
    assert [charge.what for charge in sandbox.bill] == ["voice_clone", "speech"]


@pytest.mark.parametrize(
    ("voice_type", "groups"),
    [
        ("system", {"system_voice"}),
        ("voice_cloning", {"voice_cloning"}),
        ("voice_generation", {"voice_generation"}),
        ("all", {"system_voice", "voice_cloning", "voice_generation"}),
    ],
)
async def test_voices_are_listed_by_type(client: Client, voice_type: str, groups: set[str]) -> None:
    response = await client.post("/v1/get_voice", {"voice_type": voice_type})
    assert set(response) == groups | {"base_resp"}


@pytest.mark.parametrize("body", [{}, {"voice_type": "mine"}])
async def test_listing_voices_without_a_valid_type_is_2013(
    client: Client, body: dict[str, str]
) -> None:
    assert await client.post_for_code("/v1/get_voice", body) == 2013


async def test_the_clone_fee_is_charged_once_at_first_use(client: Client, sandbox: Sandbox) -> None:
    await client.clone()
    assert sandbox.count_charges("voice_clone") == 0
    for _ in range(3):
        await client.speak()
    assert sandbox.count_charges("voice_clone") == 1
    assert sandbox.bill[0] == Charge("voice_clone", 1.5, VOICE)


async def test_an_unused_voice_expires_after_seven_days(client: Client, sandbox: Sandbox) -> None:
    await client.clone()
    await client.clone("narrator-02")
    await client.speak("narrator-02")
    sandbox.clock.advance(7 * DAY - 10)
    assert get_code(await client.clone()) == 2039
    sandbox.clock.advance(20)
    assert get_code(await client.speak()) == 2054
    assert get_code(await client.speak("narrator-02")) == 0


async def test_a_preview_does_not_keep_a_voice_from_expiring(
    client: Client, sandbox: Sandbox
) -> None:
    await client.clone(text="hello", model="speech-2.8-hd")
    sandbox.clock.advance(7 * DAY + 1)
    assert get_code(await client.speak()) == 2054


async def test_a_deleted_voice_id_cannot_be_used_again(client: Client) -> None:
    await client.clone()
    body = {"voice_type": "voice_cloning", "voice_id": VOICE}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    response = await client.post("/v1/delete_voice", body)
    assert (response["voice_id"], response["created_time"]) == (VOICE, today)
    assert get_code(await client.speak()) == 2054
    assert get_code(await client.clone()) == 2039
    assert (await client.post("/v1/delete_voice", body))["voice_id"] == ""


@pytest.mark.parametrize(
    "body",
    [
        {"voice_type": "system", "voice_id": VOICE},
        {"voice_type": "voice_generation", "voice_id": VOICE},
        {"voice_type": "voice_cloning"},
        {"voice_id": VOICE},
    ],
)
async def test_a_voice_is_deleted_only_by_its_type_and_id(
    client: Client, sandbox: Sandbox, body: dict[str, str]
) -> None:
    await client.clone()
    assert await client.post_for_code("/v1/delete_voice", body) == 2013
    assert VOICE in sandbox.voices


async def test_a_designed_voice_can_be_used_and_is_charged_at_first_use(
    client: Client, sandbox: Sandbox
) -> None:
    body = {"prompt": "an old sailor", "preview_text": "Ahoy."}
    response = await client.post("/v1/voice_design", body)
    assert response["voice_id"].startswith("sandbox")
    assert TinyTag.get(file_obj=io.BytesIO(bytes.fromhex(response["trial_audio"]))).duration
    assert [charge.what for charge in sandbox.bill] == ["speech"]
    assert get_code(await client.speak(response["voice_id"])) == 0
    assert Charge("voice_design", 3.0, response["voice_id"]) in sandbox.bill
    response = await client.post("/v1/get_voice", {"voice_type": "voice_generation"})
    assert response["voice_generation"][0]["description"] == ["an old sailor"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"voice_id": "sailor-01"}, 0),
        ({"voice_id": "Wise_Woman"}, 2039),
        ({"prompt": ""}, 2013),
        ({"preview_text": None}, 2013),
        ({"preview_text": "x" * 501}, 2013),
        ({"prompt": "[refuse input]"}, 1026),
    ],
)
async def test_voice_design_validates_its_request(
    client: Client, fields: dict[str, Any], code: int
) -> None:
    body = {"prompt": "an old sailor", "preview_text": "Ahoy."} | fields
    assert await client.post_for_code("/v1/voice_design", body) == code


# --- quota and balance


async def test_the_quota_of_a_plan_is_told_in_the_form_of_june_2026(client: Client) -> None:
    rows = (await client.get("/v1/token_plan/remains"))["model_remains"]
    assert [row["model_name"] for row in rows] == ["general", "video"]
    assert {row["current_interval_remaining_percent"] for row in rows} == {100}


async def test_the_balance_is_what_the_bill_leaves_of_the_credit(client: Client) -> None:
    before = await client.get("/account/query_balance")
    await client.clone()
    await client.speak(text="x" * 5000)
    after = await client.get("/account/query_balance")
    assert (before["available_amount"], after["available_amount"]) == ("100.00", "98.00")
    assert get_code(after) == 0


async def test_the_balance_needs_a_key() -> None:
    async with connect(Sandbox(keys={"good"})) as client:
        assert get_code(await client.get("/account/query_balance")) == 2049


# --- text to audio


@pytest.mark.parametrize("audio_format", samples.SPEECH_FORMATS)
async def test_speech_is_available_in_every_format_with_correct_properties(
    client: Client, audio_format: str
) -> None:
    response = await client.speak(
        "English_Graceful_Lady", audio_setting={"format": audio_format, "sample_rate": 16000}
    )
    audio, facts = bytes.fromhex(response["data"]["audio"]), response["extra_info"]
    assert response["data"]["status"] == 2
    assert facts["audio_format"] == audio_format
    assert facts["audio_size"] == len(audio)
    assert 4000 < facts["audio_length"] < 4500
    assert len(response["trace_id"]) == 32


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 32000, 44100])
@pytest.mark.parametrize("channel", [1, 2])
async def test_wav_has_the_requested_sample_rate_and_channels(
    client: Client, rate: int, channel: int
) -> None:
    setting = {"format": "wav", "sample_rate": rate, "channel": channel}
    response = await client.speak("Wise_Woman", audio_setting=setting)
    with wave.open(io.BytesIO(bytes.fromhex(response["data"]["audio"]))) as audio:
        assert (audio.getframerate(), audio.getnchannels()) == (rate, channel)
        assert audio.getnframes() / rate == pytest.approx(4.24, abs=0.01)
    assert response["extra_info"]["audio_sample_rate"] == rate


async def test_mu_law_wav_has_a_mu_law_header(client: Client) -> None:
    setting = {"format": "pcmu_wav"}
    response = await client.speak("Wise_Woman", audio_setting=setting)
    audio = bytes.fromhex(response["data"]["audio"])
    assert audio[:4] == b"RIFF"
    assert struct.unpack("<I", audio[4:8])[0] == len(audio) - 8
    assert struct.unpack("<HHI", audio[20:28]) == (7, 1, 8000)


async def test_speech_as_a_link_is_in_the_audio_field(client: Client) -> None:
    response = await client.speak("Wise_Woman", output_format="url")
    audio = await client.download(response["data"]["audio"])
    assert len(audio.content) == response["extra_info"]["audio_size"]
    assert urlsplit(response["data"]["audio"]).path.endswith(".mp3")


async def test_subtitles_are_a_link_to_a_list_of_sentences(client: Client) -> None:
    response = await client.speak("Wise_Woman", text="One. Two, three!  四。", subtitle_enable=True)
    subtitles = (await client.download(response["data"]["subtitle_file"])).json()
    assert [item["text"] for item in subtitles] == ["One.", "Two, three!", "四。"]
    assert subtitles[0]["time_begin"] == 0
    assert subtitles[1]["time_begin"] == subtitles[0]["time_end"]
    assert subtitles[-1]["time_end"] == response["extra_info"]["audio_length"]


async def test_subtitles_by_word_time_each_word_of_each_sentence(client: Client) -> None:
    text = " One two.  三四 "
    response = await client.speak(
        "Wise_Woman", text=text, subtitle_enable=True, subtitle_type="word"
    )
    subtitles = (await client.download(response["data"]["subtitle_file"])).json()
    words = [word for item in subtitles for word in item["timestamped_words"]]
    assert [word["word"] for word in words] == ["One", "two.", "三", "四"]
    assert [text[word["word_begin"] : word["word_end"]] for word in words] == [
        word["word"] for word in words
    ]
    times = [time for word in words for time in (word["time_begin"], word["time_end"])]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(response["extra_info"]["audio_length"], abs=1)


async def test_subtitles_by_sentence_time_no_words(client: Client) -> None:
    response = await client.speak("Wise_Woman", text="One two.", subtitle_enable=True)
    (subtitle,) = (await client.download(response["data"]["subtitle_file"])).json()
    assert subtitle["timestamped_words"] is None


async def test_speech_is_billed_by_its_characters(client: Client, sandbox: Sandbox) -> None:
    await client.speak("Wise_Woman", text="ab 你好", model="speech-2.6-turbo")
    assert sandbox.bill == [Charge("speech", round(7 * 60 / 1_000_000, 6), "Wise_Woman")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "speech-3"}, 2013),
        ({"model": None}, 2013),
        ({"text": ""}, 2013),
        ({"text": "x" * 10_000}, 2013),
        ({"text": 7}, 2013),
        ({"text": "x" * 9_999}, 0),
        ({"text": "a\x00b"}, 1042),
        ({"text": "line\nline\ttab"}, 0),
        ({"stream": True}, 2013),
        ({"stream": False}, 0),
        ({"voice_setting": {}}, 2013),
        ({"voice_setting": {"voice_id": "nobody-here"}}, 2054),
        ({"voice_setting": {"voice_id": "Wise_Woman", "speed": 2.1}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "speed": 0.5}}, 0),
        ({"voice_setting": {"voice_id": "Wise_Woman", "vol": 0}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "vol": 10}}, 0),
        ({"voice_setting": {"voice_id": "Wise_Woman", "pitch": 13}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "pitch": 1.5}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "emotion": "neutral"}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "emotion": "whisper"}}, 2013),
        ({"voice_setting": {"voice_id": "Wise_Woman", "emotion": "calm"}}, 0),
        ({"audio_setting": {"format": "ogg"}}, 2013),
        ({"audio_setting": {"sample_rate": 48000}}, 2013),
        ({"audio_setting": {"bitrate": 1}}, 2013),
        ({"audio_setting": {"channel": 3}}, 2013),
        ({"output_format": "base64"}, 2013),
        ({"subtitle_type": "word_streaming"}, 2013),
        ({"language_boost": "auto"}, 0),
        ({"language_boost": "Tamil"}, 0),
        ({"language_boost": "Tamil", "model": "speech-02-hd"}, 2013),
        ({"voice_modify": {"pitch": 101}}, 2013),
        ({"voice_modify": {"sound_effects": "robotic"}}, 0),
        ({"voice_modify": {}, "audio_setting": {"format": "opus"}}, 2013),
        ({"pronunciation_dict": {"tone": ["no slash"]}}, 2013),
        ({"pronunciation_dict": {"tone": ["omg/oh my god"]}}, 0),
        ({"timbre_weights": [{"voice_id": "Wise_Woman", "weight": 101}]}, 2013),
        ({"timbre_weights": [{"voice_id": "Wise_Woman", "weight": 50}] * 5}, 2013),
        ({"timbre_weights": ["Wise_Woman"]}, 2013),
        ({"timbre_weights": [{"voice_id": "Wise_Woman", "weight": 50}], "voice_setting": {}}, 0),
        (
            {
                "timbre_weights": [{"voice_id": "Wise_Woman", "weight": 50}],
                "voice_setting": {"voice_id": ""},
            },
            0,
        ),
        ({"timbre_weights": [{"weight": 50}]}, 2013),
    ],
    ids=RowIds(),
)
async def test_text_to_audio_validates_its_request(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], code: int
) -> None:
    response = await client.speak("Wise_Woman", **fields)
    assert get_code(response) == code
    assert (response["data"] is None) is (code != 0)
    assert sandbox.count_charges("speech") == (code == 0)


async def test_no_voice_of_a_mix_is_used_if_one_is_unknown(
    client: Client, sandbox: Sandbox
) -> None:
    await client.clone()
    timbres = [{"voice_id": name, "weight": 50} for name in (VOICE, "nobody-here")]
    assert get_code(await client.speak(timbre_weights=timbres)) == 2054
    assert sandbox.bill == []


# --- video, v1

HAILUO = "MiniMax-Hailuo-2.3"
FAST = "MiniMax-Hailuo-2.3-Fast"
HAILUO_02 = "MiniMax-Hailuo-02"
TEXT, FIRST_FRAME, BOTH_FRAMES = "text", "first frame", "both frames"
SUPPORTED: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {
    (HAILUO, TEXT): {"768P": (6, 10), "1080P": (6,)},
    (HAILUO, FIRST_FRAME): {"768P": (6, 10), "1080P": (6,)},
    (FAST, FIRST_FRAME): {"768P": (6, 10), "1080P": (6,)},
    (HAILUO_02, TEXT): {"768P": (6, 10), "1080P": (6,)},
    (HAILUO_02, FIRST_FRAME): {"512P": (6, 10), "768P": (6, 10), "1080P": (6,)},
    (HAILUO_02, BOTH_FRAMES): {"768P": (6, 10), "1080P": (6,)},
    ("T2V-01", TEXT): {"720P": (6,)},
    ("T2V-01-Director", TEXT): {"720P": (6,)},
    ("I2V-01", FIRST_FRAME): {"720P": (6,)},
    ("I2V-01-Director", FIRST_FRAME): {"720P": (6,)},
    ("I2V-01-live", FIRST_FRAME): {"720P": (6,)},
    ("video-01", TEXT): {"720P": (6,)},
}
MODELS = sorted({model for model, _ in SUPPORTED})
MODE_FIELDS: dict[str, dict[str, str]] = {
    TEXT: {},
    FIRST_FRAME: {"first_frame_image": FRAME},
    BOTH_FRAMES: {"first_frame_image": FRAME, "last_frame_image": FRAME},
}


@pytest.mark.parametrize("mode", [TEXT, FIRST_FRAME, BOTH_FRAMES])
@pytest.mark.parametrize("model", MODELS)
async def test_models_accept_only_their_modes_resolutions_and_durations(
    client: Client, model: str, mode: str
) -> None:
    supported = SUPPORTED.get((model, mode), {})
    for resolution in ("512P", "720P", "768P", "768p", "1080P", "2K"):
        for duration in (5, 6, 10):
            length = {"resolution": resolution, "duration": duration}
            request = VIDEO_REQUEST | {"model": model} | MODE_FIELDS[mode] | length
            expected = 0 if duration in supported.get(resolution, ()) else 2013
            assert await client.post_for_code("/v1/video_generation", request) == expected, length


@pytest.mark.parametrize(
    ("fields", "price_usd"),
    [
        ({}, 0.28),
        ({"duration": 10}, 0.56),
        ({"resolution": "1080P"}, 0.49),
        ({"model": FAST, "first_frame_image": FRAME}, 0.19),
        ({"model": HAILUO_02, "first_frame_image": FRAME, "resolution": "512P"}, 0.10),
        ({"model": "T2V-01"}, 0.0),
    ],
)
async def test_a_video_is_billed_once_at_list_price(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], price_usd: float
) -> None:
    task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST | fields))["task_id"]
    assert task_id.startswith("sandbox")
    assert task_id.removeprefix("sandbox").isdecimal()
    assert sandbox.bill == [Charge("video", price_usd, task_id)]


SUBJECT = {"type": "character", "image": [FRAME]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "video-9"}, "unsupported model: video-9"),
        ({"model": None}, "model is required"),
        ({"model": FAST}, f"model {FAST} does not support Text-to-Video mode"),
        ({"resolution": "768p"}, f"model {HAILUO} does not support resolution 768p"),
        ({"prompt": None}, "prompt is required"),
        ({"prompt": "x" * 2001}, "prompt must not be longer"),
        ({"duration": "6"}, "duration has the wrong type"),
        ({"prompt_optimizer": "yes"}, "prompt_optimizer must be a boolean"),
        ({"model": "T2V-01", "fast_pretreatment": True}, "model T2V-01 does not support fast"),
        ({"subject_reference": [SUBJECT]}, f"model {HAILUO} does not support Subject"),
        ({"model": "S2V-01"}, "model S2V-01 does not support Text-to-Video mode"),
        ({"model": "S2V-01", "subject_reference": []}, "subject_reference must hold exactly"),
        (
            {"model": "S2V-01", "subject_reference": [SUBJECT | {"image": [FRAME, FRAME]}]},
            "subject_reference[0].image must hold exactly one",
        ),
        (
            {"model": "S2V-01", "subject_reference": [SUBJECT], "duration": 6},
            "model S2V-01 does not support duration",
        ),
    ],
)
async def test_an_invalid_v1_video_request_is_2013(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    response = await client.post("/v1/video_generation", VIDEO_REQUEST | fields)
    assert (get_code(response), response["task_id"]) == (2013, "")
    assert response["base_resp"]["status_msg"].startswith(f"invalid params, {message}")
    assert not sandbox.videos
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (FRAME, 0),
        ("https://example.com/never-fetched.jpg", 0),
        (make_data_uri(png(301, 700)), 0),
        (make_data_uri(png(300, 400)), 2013),
        (make_data_uri(png(400, 1001)), 2013),
        (make_data_uri(png(1001, 400)), 2013),
        (make_data_uri(b"not an image"), 2013),
        (make_data_uri(png(400, 400), "image/gif"), 2013),
        ("data:image/png;base64,@@@", 2013),
        ("mm_file://900000000000000", 2013),
        ("frame.png", 2013),
        ("", 2013),
    ],
    ids=[
        "good", "https", "smallest", "short side", "narrow", "wide", "no image", "gif",
        "no base64", "upload", "path", "empty",
    ],
)  # fmt: skip
async def test_frames_are_validated(client: Client, frame: str, code: int) -> None:
    for name in ("first_frame_image", "last_frame_image"):
        frames = {"first_frame_image": FRAME, name: frame}
        request = VIDEO_REQUEST | {"model": HAILUO_02} | frames
        assert await client.post_for_code("/v1/video_generation", request) == code


@pytest.mark.parametrize("fields", [{}, {"prompt": None}], ids=["with words", "without"])
async def test_a_request_with_an_image_needs_no_prompt(
    client: Client, fields: dict[str, Any]
) -> None:
    first = VIDEO_REQUEST | {"first_frame_image": FRAME} | fields
    subject = VIDEO_REQUEST | {"model": "S2V-01", "subject_reference": [SUBJECT]} | fields
    assert await client.post_for_code("/v1/video_generation", first) == 0
    assert await client.post_for_code("/v1/video_generation", subject) == 0


async def test_a_v1_task_changes_its_status_by_the_clock(client: Client, sandbox: Sandbox) -> None:
    task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST))["task_id"]
    states = []
    for _ in range(5):
        response = await client.get("/v1/query/video_generation", task_id=task_id)
        assert (response["task_id"], get_code(response)) == (task_id, 0)
        states.append((response["status"], bool(response["file_id"]), response["video_width"]))
        sandbox.clock.advance(0.9 if len(states) == 3 else 0.6)
        if len(states) == 3:
            sandbox.clock.advance(2)
    assert states[0] == ("Preparing", False, 0)
    assert states[1] == ("Queueing", False, 0)
    assert states[2] == ("Processing", False, 0)
    assert states[3:] == [("Success", True, 1366)] * 2


async def test_a_finished_v1_video_is_a_file_of_zero_bytes_with_a_link(
    client: Client, sandbox: Sandbox
) -> None:
    task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST))["task_id"]
    sandbox.clock.advance(10)
    task = await client.get("/v1/query/video_generation", task_id=task_id)
    file_id = task["file_id"]
    assert isinstance(file_id, str)
    assert task == await client.get("/v1/query/video_generation", task_id=task_id)
    file = (await client.get("/v1/files/retrieve", file_id=file_id))["file"]
    assert file["file_id"] == int(file_id) >= 900_000_000_000_000
    assert (file["bytes"], file["purpose"]) == (0, "video_generation")
    assert file["filename"] == "output_aigc.mp4"
    download = await client.download(file["download_url"])
    assert download.headers["content-type"] == "video/mp4"
    assert download.content == (samples.FOLDER / "video.mp4").read_bytes()
    content = await client.http.get("/v1/files/retrieve_content", params={"file_id": file_id})
    assert content.content == download.content


@pytest.mark.parametrize(
    ("size", "resolution", "reported"),
    [((768, 512), "768P", (1152, 768)), ((400, 1000), "1080P", (432, 1080))],
)
async def test_a_video_has_the_aspect_of_its_first_frame(
    client: Client, sandbox: Sandbox, size: Any, resolution: str, reported: Any
) -> None:
    request = VIDEO_REQUEST | {
        "first_frame_image": make_data_uri(png(*size)),
        "resolution": resolution,
    }
    task_id = (await client.post("/v1/video_generation", request))["task_id"]
    sandbox.clock.advance(10)
    task = await client.get("/v1/query/video_generation", task_id=task_id)
    assert (task["video_width"], task["video_height"]) == reported


@pytest.mark.parametrize(("mark", "code"), [("[block output]", 1027), ("[fail]", 0)])
async def test_a_v1_task_fails_only_at_its_end(
    client: Client, sandbox: Sandbox, mark: str, code: int
) -> None:
    request = VIDEO_REQUEST | {"prompt": f"a sun {mark}"}
    task_id = (await client.post("/v1/video_generation", request))["task_id"]
    sandbox.clock.advance(3)
    task = await client.get("/v1/query/video_generation", task_id=task_id)
    assert (task["status"], get_code(task)) == ("Processing", 0)
    sandbox.clock.advance(3)
    task = await client.get("/v1/query/video_generation", task_id=task_id)
    assert (task["status"], task["file_id"], get_code(task)) == ("Fail", "", code)
    assert sandbox.count_charges("video") == 1


async def test_a_refused_prompt_is_neither_accepted_nor_billed(
    client: Client, sandbox: Sandbox
) -> None:
    request = VIDEO_REQUEST | {"prompt": "a sun [refuse input]"}
    assert await client.post_for_code("/v1/video_generation", request) == 1026
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("task_id", "message"), [("", "task_id cannot by empty"), ("1", "task not found")]
)
async def test_an_unknown_v1_task_is_2013_without_a_status(
    client: Client, task_id: str, message: str
) -> None:
    response = await client.get("/v1/query/video_generation", task_id=task_id)
    assert (get_code(response), response["status"], response["file_id"]) == (2013, "", "")
    assert response["base_resp"]["status_msg"] == f"invalid params, {message}"


# --- store


@pytest.fixture
async def video_url(client: Client, sandbox: Sandbox) -> str:
    task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST))["task_id"]
    sandbox.clock.advance(10)
    file_id = (await client.get("/v1/query/video_generation", task_id=task_id))["file_id"]
    file = (await client.get("/v1/files/retrieve", file_id=file_id))["file"]
    return str(file["download_url"])


async def test_a_link_is_valid_for_an_hour_and_retrieve_signs_a_new_one(
    client: Client, sandbox: Sandbox, video_url: str
) -> None:
    query = parse_qs(urlsplit(video_url).query)
    assert set(query) == {"Expires", "OSSAccessKeyId", "Signature"}
    assert (await client.download(video_url)).headers["content-length"] == "83650"
    sandbox.clock.advance(3602)
    expired = await client.download(video_url)
    assert expired.status_code == 403
    assert expired.headers["content-type"] == "application/xml"
    assert "<Code>AccessDenied</Code>" in expired.text
    (file_id,) = [file.id for file in sandbox.files.values()]
    file = (await client.get("/v1/files/retrieve", file_id=file_id))["file"]
    assert file["download_url"] != video_url
    assert (await client.download(file["download_url"])).status_code == 200


@pytest.mark.parametrize("part", ["Expires", "Signature"])
async def test_a_modified_link_is_403(client: Client, video_url: str, part: str) -> None:
    changed = httpx.URL(video_url).copy_set_param(part, "99999999999")
    response = await client.download(str(changed))
    assert response.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in response.text


async def test_a_download_with_an_authorization_header_is_400(
    client: Client, video_url: str
) -> None:
    response = await client.http.get(video_url)
    assert response.status_code == 400
    assert "<Code>InvalidArgument</Code>" in response.text


async def test_a_link_to_unknown_content_is_404(client: Client, sandbox: Sandbox) -> None:
    link = StoreLink("/download/unknown/video.mp4")
    url = sandbox.store.sign_url(link, base_url=client.base_url)
    assert (await client.download(url)).status_code == 404


async def test_the_sample_video_lasts_about_six_seconds() -> None:
    download = TinyTag.get(samples.FOLDER / "video.mp4")
    assert download.duration == pytest.approx(5.875, abs=0.1)


@pytest.mark.parametrize("video_bytes", [83_658, 200_000])
async def test_a_padded_video_has_its_size_and_ends_in_a_free_box(
    video_bytes: int,
) -> None:
    data = b"".join(samples.load_video(size_bytes=video_bytes).iter_chunks())
    assert len(data) == video_bytes
    boxes, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        boxes.append(kind)
        at += size
    assert at == video_bytes
    assert boxes[:2] == [b"ftyp", b"moov"]
    assert boxes[-1] == b"free"


@pytest.mark.parametrize("video_bytes", [1, 83_650, 2**40])
async def test_a_video_cannot_be_padded_to_an_impossible_size(video_bytes: int) -> None:
    with pytest.raises(ValueError, match="video_bytes"):
        Sandbox(video_bytes=video_bytes)


async def test_bodies_are_throttled_in_both_directions() -> None:
    async with connect(Sandbox(bytes_per_second=400_000)) as client:
        started = time.monotonic()
        file_id = await client.upload(bytes(80_000))
        upload_seconds = time.monotonic() - started
        await client.http.get("/v1/files/retrieve_content", params={"file_id": file_id})
        download_seconds = time.monotonic() - started - upload_seconds
    assert upload_seconds >= 0.2
    assert download_seconds >= 0.2


# --- images


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1024, 1024)),
        ({"aspect_ratio": "16:9"}, (1280, 720)),
        ({"aspect_ratio": "2:3"}, (832, 1248)),
        ({"aspect_ratio": "21:9"}, (1344, 576)),
        ({"width": 512, "height": 2048}, (512, 2048)),
        ({"width": 512, "height": 2048, "aspect_ratio": "4:3"}, (1152, 864)),
    ],
)
async def test_images_are_jpegs_of_the_requested_size(
    client: Client, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    body = {"model": "image-01", "prompt": "a boat", **fields}
    response = await client.post("/v1/image_generation", body)
    assert response["metadata"] == {"success_count": "1", "failed_count": "0"}
    (url,) = response["data"]["image_urls"]
    image = await client.download(url)
    assert image.headers["content-type"] == "image/jpeg"
    assert imagesize.get(io.BytesIO(image.content)) == size
    assert image.content[-2:] == b"\xff\xd9"


async def test_several_images_differ_and_are_one_charge(client: Client, sandbox: Sandbox) -> None:
    body = {"model": "image-01", "prompt": "a boat", "n": 3, "response_format": "base64"}
    response = await client.post("/v1/image_generation", body)
    images = [base64.b64decode(text) for text in response["data"]["image_base64"]]
    assert len(set(images)) == 3
    assert sandbox.bill == [Charge("image", 0.0105, response["id"])]


async def test_one_of_the_images_can_be_blocked(client: Client) -> None:
    body = {"model": "image-01", "prompt": "a boat [block one]", "n": 2}
    response = await client.post("/v1/image_generation", body)
    assert response["metadata"] == {"success_count": "1", "failed_count": "1"}
    assert len(response["data"]["image_urls"]) == 1


SUBJECT_REFERENCE = {"type": "character", "image_file": FRAME}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"subject_reference": [SUBJECT_REFERENCE]}, 0),
        ({"model": "image-01-live"}, 0),
        ({"seed": 7, "prompt_optimizer": True}, 0),
        ({"model": "image-02"}, 2013),
        ({"prompt": ""}, 2013),
        ({"prompt": "x" * 1501}, 2013),
        ({"n": 0}, 2013),
        ({"n": 10}, 2013),
        ({"aspect_ratio": "5:4"}, 2013),
        ({"aspect_ratio": "21:9", "model": "image-01-live"}, 2013),
        ({"width": 512}, 2013),
        ({"width": 500, "height": 512}, 2013),
        ({"width": 516, "height": 512}, 2013),
        ({"width": 512, "height": 512, "model": "image-01-live"}, 2013),
        ({"response_format": "hex"}, 2013),
        ({"subject_reference": [SUBJECT_REFERENCE, SUBJECT_REFERENCE]}, 2013),
        ({"subject_reference": [{"type": "character", "image": [FRAME]}]}, 2013),
        ({"prompt": "[refuse input]"}, 1026),
    ],
    ids=RowIds(),
)
async def test_image_generation_validates_its_request(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], code: int
) -> None:
    body = {"model": "image-01", "prompt": "a boat"} | fields
    response = await client.post("/v1/image_generation", body)
    assert get_code(response) == code
    assert (response["data"] is None) is (code != 0)
    assert sandbox.count_charges("image") == (code == 0)


# --- video, v2


async def create_task(client: Client, **fields: Any) -> str:
    response = await client.post("/v2/video_generation", VIDEO_REQUEST_V2 | fields)
    assert set(response) == {"task_id"}, response
    return str(response["task_id"])


async def query_task(client: Client, task_id: str) -> Any:
    return (await client.get(f"/v2/query/video_generation/{task_id}"))["task"]


def text(text: str = "a sun crosses the sky") -> dict[str, Any]:
    return {"type": "text", "text": text}


def image(url: str = FRAME, **role: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, **role}


def video(url: str = "https://example.com/a.mp4", **role: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}, **role}


def audio(url: str = "https://example.com/a.mp3", **role: str) -> dict[str, Any]:
    return {"type": "audio_url", "audio_url": {"url": url}, **role}


def clip_uri(seconds: float = 3, **fields: Any) -> str:
    return make_data_uri(clip(seconds, **fields), "video/mp4")


FIRST = {"role": "first_frame"}
LAST = {"role": "last_frame"}
REF_IMAGE = {"role": "reference_image"}
REF_VIDEO = {"role": "reference_video"}
REF_AUDIO = {"role": "reference_audio"}


async def test_a_v2_task_changes_its_status_and_returns_a_link(
    client: Client, sandbox: Sandbox
) -> None:
    task_id = await create_task(client)
    task = await query_task(client, task_id)
    assert (task["status"], task["usage"]) == ("queued", {})
    assert "content" not in task
    sandbox.clock.advance(1.5)
    running = await query_task(client, task_id)
    assert (running["status"], running["usage"]) == ("running", {})
    sandbox.clock.advance(5)
    task = await query_task(client, task_id)
    assert task["id"] == task_id
    assert task["status"] == "succeeded"
    assert task["created_at"] <= running["updated_at"] <= task["updated_at"]
    assert (task["model"], task["resolution"], task["ratio"]) == ("MiniMax-H3", "768P", "16:9")
    assert (task["duration"], task["task_type"]) == (4, "generation")
    assert task["usage"]["total_tokens"] == 130_196
    download = await client.download(task["content"]["url"])
    assert (download.status_code, download.headers["content-type"]) == (200, "video/mp4")
    assert download.headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    ("fields", "price_usd"),
    [
        ({}, 0.32),
        ({"resolution": "2K", "duration": 15}, 1.95),
        ({"model": "MiniMax-H3-Max", "resolution": "480P", "duration": 5}, 0.25),
        ({"content": [text(), *[image(**REF_IMAGE)] * 7]}, 0.40),
        ({"content": [text(), video(clip_uri(4.2), **REF_VIDEO)]}, 0.72),
        ({"content": [text(), video(clip_uri(2), **REF_VIDEO)], "resolution": "2K"}, 0.78),
        ({"content": [text(), audio(make_data_uri(wav(9), "audio/wav"), **REF_AUDIO)]}, 0.32),
        ({"content": [text(), video(**REF_VIDEO)]}, 0.32),
        (
            {
                "model": "MiniMax-H3-Max",
                "resolution": "480P",
                "duration": 5,
                "content": [text(), video(clip_uri(2), **REF_VIDEO)],
            },
            0.3606,
        ),
    ],
)
async def test_a_v2_video_is_billed_by_the_second(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], price_usd: float
) -> None:
    task_id = await create_task(client, **fields)
    assert sandbox.bill == [Charge("video", price_usd, task_id)]


async def test_the_usage_of_a_v2_task_names_the_seconds_of_its_references(
    client: Client, sandbox: Sandbox
) -> None:
    content = [
        text(),
        image(**REF_IMAGE),
        video(clip_uri(4.2), **REF_VIDEO),
        audio(make_data_uri(mp3(3.5), "audio/mp3"), **REF_AUDIO),
    ]
    task_id = await create_task(client, content=content)
    sandbox.clock.advance(10)
    usage = (await query_task(client, task_id))["usage"]
    assert usage["input_seconds"] == 5
    assert usage["output_seconds"] == 4
    assert usage["total_seconds"] == 9
    assert usage["input_audio_seconds"] == 4
    assert usage["input_image_count"] == 1


H3_MAX = {"model": "MiniMax-H3-Max", "duration": 5}


@pytest.mark.parametrize(
    "fields",
    [
        {"ratio": "9:16", "duration": 15, "resolution": "2K"},
        H3_MAX | {"resolution": "480P"},
        H3_MAX | {"extra": {"prompt_expansion_mode": "quality"}},
        {"content": [text(), image()], "ratio": None},
        {"content": [text(), image(**FIRST)], "ratio": "adaptive"},
        {"content": [text(), image(**FIRST), image(**LAST)]},
        {"content": [text(), image(**LAST)]},
        {"content": [text(), image(**REF_IMAGE), video(**REF_VIDEO), audio(**REF_AUDIO)]},
        {"content": [text(), audio(**REF_AUDIO)], "ratio": None},
        {"content": [text(), audio(make_data_uri(wav(3), "audio/wav"), **REF_AUDIO)]},
        {"content": [text(), video(clip_uri(15), **REF_VIDEO)]},
        {"content": [text(), video(clip_uri(rate=60, width=256, height=640), **REF_VIDEO)]},
        {"content": [text(), image("https://example.com/a.jpg", **FIRST)]},
        {"content": [text(""), text()]},
    ],
)
async def test_v2_accepts_what_it_documents(client: Client, fields: dict[str, Any]) -> None:
    assert await create_task(client, **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "MiniMax-H4"}, "unsupported model"),
        ({"model": None}, "model is required"),
        ({"content": None}, "content must contain"),
        ({"content": [text(" ")]}, "content must contain"),
        ({"content": [text("x" * 7001)]}, "content[0].text must not be longer"),
        ({"content": [text(), {"type": "file"}]}, "content[1].type must be one of"),
        ({"content": ["words"]}, "content must hold objects"),
        ({"resolution": None}, "resolution is required"),
        ({"resolution": "480P"}, "resolution must be one of"),
        ({"resolution": "768p"}, "resolution must be one of"),
        (H3_MAX | {"resolution": "2K"}, "resolution must be one of"),
        ({"duration": None}, "duration is required"),
        ({"duration": 3}, "duration must be between 4 and 15"),
        ({"duration": 16}, "duration must be between"),
        (H3_MAX | {"duration": 4}, "duration must be between 5 and 15"),
        ({"ratio": None}, "ratio is required"),
        ({"ratio": "adaptive"}, "ratio is required"),
        ({"ratio": "2:1"}, "ratio must be one of"),
        ({"extra": {"prompt_expansion_mode": "quality"}}, "extra is not supported"),
        (H3_MAX | {"extra": {"mode": "quality"}}, "extra.mode is unknown"),
        (H3_MAX | {"extra": {"prompt_expansion_mode": "best"}}, "extra.prompt_expansion_mode must"),
        ({"content": [text(), image(), image()]}, "content[1].role is required"),
        ({"content": [text(), video()]}, "content[1].role is required"),
        ({"content": [text(), image(**REF_AUDIO)]}, "content[1].role must be one of"),
        ({"content": [text(), video(role="base_video")]}, "content[1].role must be one of"),
        ({"content": [text(), image(**FIRST), image(**FIRST)]}, "content must not hold more"),
        ({"content": [text(), *[image(**REF_IMAGE)] * 10]}, "content must not hold more than 9"),
        ({"content": [text(), *[video(**REF_VIDEO)] * 4]}, "content must not hold more than 3"),
        ({"content": [text(), image(**FIRST), image(**REF_IMAGE)]}, "content must not mix"),
        ({"content": [text(), image(**FIRST), audio(**REF_AUDIO)]}, "content must not mix"),
        (
            {"content": [text(), image(make_data_uri(png(255, 400)))]},
            "image_url.url must be at least",
        ),
        (
            {"content": [text(), image(make_data_uri(png(5761, 2400)))]},
            "image_url.url must be at most",
        ),
        ({"content": [text(), image(make_data_uri(png(300, 751)))]}, "image_url.url is too narrow"),
        ({"content": [text(), image("frame.png")]}, "image_url.url must be a URL"),
        ({"content": [text(), image("mm_file://1")]}, "file_id not exist"),
        ({"content": [text(), audio("a.mp3", **REF_AUDIO)]}, "audio_url.url must be a URL"),
        (
            {"content": [text(), audio(make_data_uri(wav(1), "audio/wav"), **REF_AUDIO)]},
            "audio_url.url must be 2 to 15 s long",
        ),
        (
            {"content": [text(), *[audio(make_data_uri(wav(8), "audio/wav"), **REF_AUDIO)] * 2]},
            "audio_url clips are longer than 15 s together",
        ),
        (
            {"content": [text(), audio(make_data_uri(b"noise", "audio/wav"), **REF_AUDIO)]},
            "audio_url.url cannot be read",
        ),
        (
            {"content": [text(), video(make_data_uri(b"noise", "video/mp4"), **REF_VIDEO)]},
            "video_url.url cannot be read",
        ),
        (
            {"content": [text(), video(make_data_uri(clip(), "video/webm"), **REF_VIDEO)]},
            "video_url.url must be a URL or a data URI of video/mp4",
        ),
        ({"content": [text(), video(clip_uri(1), **REF_VIDEO)]}, "video_url.url must be 2 to 15 s"),
        ({"content": [text(), video(clip_uri(16), **REF_VIDEO)]}, "video_url.url must be 2 to 15"),
        (
            {"content": [text(), *[video(clip_uri(8), **REF_VIDEO)] * 2]},
            "video_url clips are longer than 15 s together",
        ),
        (
            {"content": [text(), video(clip_uri(rate=20), **REF_VIDEO)]},
            "video_url.url must have 2",
        ),
        (
            {"content": [text(), video(clip_uri(width=255), **REF_VIDEO)]},
            "video_url.url must have sides of 256",
        ),
        (
            {"content": [text(), video(clip_uri(width=1000), **REF_VIDEO)]},
            "video_url.url is too narrow",
        ),
        ({"content": [text(), video("mm_file://1", **REF_VIDEO)]}, "file_id not exist"),
        (
            {"content": [text(), audio("data:audio/wav;base64,@@@", **REF_AUDIO)]},
            "audio_url.url is not valid base64",
        ),
    ],
    ids=RowIds(),
)
async def test_an_invalid_v2_video_request_is_400(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    response = await client.http.post("/v2/video_generation", json=VIDEO_REQUEST_V2 | fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["message"].startswith(f"invalid params, {message}")
    assert error["message"].endswith("(2013)")
    assert (error["type"], error["http_code"]) == ("bad_request_error", "400")
    assert response.json()["request_id"] == response.headers["trace-id"]
    assert sandbox.bill == []


async def test_a_v2_request_has_at_most_twelve_files(client: Client) -> None:
    references = [*[image(**REF_IMAGE)] * 9, *[video(**REF_VIDEO)] * 3]
    assert await create_task(client, content=[text(), *references])
    content = [text(), *references, audio(**REF_AUDIO)]
    response = await client.http.post(
        "/v2/video_generation", json=VIDEO_REQUEST_V2 | {"content": content}
    )
    assert response.status_code == 400


async def test_a_v2_body_over_64_mb_is_refused(client: Client) -> None:
    response = await client.http.post("/v2/video_generation", content=bytes(64 * 1024 * 1024 + 1))
    assert response.status_code == 400
    assert "larger than" in response.json()["error"]["message"]


async def test_an_upload_can_be_used_by_v2_for_seven_days(client: Client, sandbox: Sandbox) -> None:
    image_bytes = png(400, 400)
    file_id = await client.upload(image_bytes, name="a.png", purpose="video_generation_input")
    content = [text(), image(f"mm_file://{file_id}")]
    assert await create_task(client, content=content)
    sandbox.clock.advance(7 * DAY)
    response = await client.http.post(
        "/v2/video_generation", json=VIDEO_REQUEST_V2 | {"content": content}
    )
    assert "file expired" in response.json()["error"]["message"]


async def test_an_uploaded_clip_is_measured_like_one_in_the_request(
    client: Client, sandbox: Sandbox
) -> None:
    short, fitting = [
        await client.upload(clip(seconds), name="a.mov", purpose="video_generation_input")
        for seconds in (1, 4.2)
    ]
    content = [text(), video(f"mm_file://{short}", **REF_VIDEO)]
    response = await client.http.post(
        "/v2/video_generation", json=VIDEO_REQUEST_V2 | {"content": content}
    )
    assert "must be 2 to 15 s long" in response.json()["error"]["message"]
    content = [text(), video(f"mm_file://{fitting}", **REF_VIDEO)]
    task_id = await create_task(client, content=content)
    assert sandbox.bill == [Charge("video", 0.72, task_id)]


@pytest.mark.parametrize(("mark", "code"), [("[block output]", "1027"), ("[fail]", "1000")])
async def test_a_failed_v2_task_has_an_error(
    client: Client, sandbox: Sandbox, mark: str, code: str
) -> None:
    task_id = await create_task(client, content=[text(mark)])
    sandbox.clock.advance(10)
    task = await query_task(client, task_id)
    assert (task["status"], task["error"]["code"], task["usage"]) == ("failed", code, {})


async def test_a_refused_v2_prompt_is_422(client: Client, sandbox: Sandbox) -> None:
    body = VIDEO_REQUEST_V2 | {"content": [text("[refuse input]")]}
    response = await client.http.post("/v2/video_generation", json=body)
    assert (response.status_code, sandbox.bill) == (422, [])


async def test_an_unknown_v2_task_is_500_and_an_expired_one_400(
    client: Client, sandbox: Sandbox
) -> None:
    response = await client.http.get("/v2/query/video_generation/451300118220963")
    assert response.status_code == 500
    assert response.json()["error"]["message"] == "record not found (1000)"
    task_id = await create_task(client)
    sandbox.clock.advance(7 * DAY)
    response = await client.http.get(f"/v2/query/video_generation/{task_id}")
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "invalid params, invalid task_id (2013)"


async def test_the_task_list_is_paged_newest_first(client: Client) -> None:
    ids = [await create_task(client) for _ in range(12)][::-1]
    response = await client.get("/v2/query/video_generation")
    assert [task["id"] for task in response["items"]] == ids[:10]
    assert response["total"] == 12
    response = await client.get("/v2/query/video_generation", page_num=3, page_size=5)
    assert [task["id"] for task in response["items"]] == ids[10:]


@pytest.mark.parametrize("page", [{"page_num": 0}, {"page_size": "ten"}])
async def test_a_page_number_must_be_positive(client: Client, page: dict[str, Any]) -> None:
    response = await client.http.get("/v2/query/video_generation", params=page)
    assert response.status_code == 400


async def test_the_task_list_can_be_filtered(client: Client, sandbox: Sandbox) -> None:
    expired = await create_task(client)
    sandbox.clock.advance(7 * DAY)
    done = await create_task(client)
    sandbox.clock.advance(10)
    queued = await create_task(client, **H3_MAX)

    async def list_ids(**filters: Any) -> list[str]:
        query = {f"filter.{name}": value for name, value in filters.items()}
        response = await client.get("/v2/query/video_generation", **query)
        return [task["id"] for task in response["items"]]

    assert await list_ids() == [queued, done]
    assert await list_ids(status="queued") == [queued]
    assert await list_ids(model="MiniMax-H3") == [done]
    assert await list_ids(task_type="regeneration") == []
    assert await list_ids(task_ids=[expired, done]) == [done]
    assert await list_ids(task_ids=f"{done},{queued}") == [queued, done]


# --- video, v2: regeneration

OWN_CLIP: dict[str, Any] = {"seconds": 124 / 24, "width": 1344, "height": 768}
BASE = {"role": "base_video"}


def base(**fields: Any) -> dict[str, Any]:
    return video(clip_uri(**OWN_CLIP | fields), **BASE)


def regeneration(**fields: Any) -> dict[str, Any]:
    return {"model": "MiniMax-H3", "resolution": "2K", **fields}


async def regenerate(client: Client, **fields: Any) -> httpx.Response:
    return await client.http.post("/v2/video_regeneration", json=regeneration(**fields))


async def create_source(client: Client, sandbox: Sandbox, **fields: Any) -> str:
    task_id = await create_task(client, **fields)
    sandbox.clock.advance(10)
    return task_id


async def test_a_finished_task_is_regenerated_in_2k_at_a_price_of_its_own(
    client: Client, sandbox: Sandbox
) -> None:
    content = [text(), *[image(**REF_IMAGE)] * 7, video(clip_uri(4.2), **REF_VIDEO)]
    source = await create_source(client, sandbox, content=content)
    response = await regenerate(client, source_task_id=source)
    assert response.json().keys() == {"task_id"}
    task_id = response.json()["task_id"]
    assert sandbox.bill[-1] == Charge("regeneration", 0.50, task_id)
    sandbox.clock.advance(10)
    task = await query_task(client, task_id)
    assert (task["task_type"], task["resolution"], task["duration"]) == ("regeneration", "2K", 4)
    assert (task["ratio"], task["status"]) == ("", "succeeded")
    assert (await client.download(task["content"]["url"])).status_code == 200
    listed = await client.get("/v2/query/video_generation", **{"filter.task_type": "regeneration"})
    assert [item["id"] for item in listed["items"]] == [task_id]


@pytest.mark.parametrize(
    ("content", "seconds", "price_usd"),
    [
        ([text(), base()], 5, 0.25),
        ([text(), base(seconds=107 / 24, width=768)], 4, 0.20),
        ([text(), base(seconds=362 / 24)], 15, 0.75),
        ([text(), image(**FIRST), base()], 5, 0.25),
        ([text(), video(clip_uri(2), **REF_VIDEO), audio(**REF_AUDIO), base()], 5, 0.35),
        ([text("x" * 40_000), base()], 5, 0.25),
        ([text(), video(**BASE)], 5, 0.25),
    ],
)
async def test_a_base_video_is_regenerated(
    client: Client,
    sandbox: Sandbox,
    content: list[dict[str, Any]],
    seconds: int,
    price_usd: float,
) -> None:
    task_id = (await regenerate(client, content=content)).json()["task_id"]
    assert sandbox.bill == [Charge("regeneration", price_usd, task_id)]
    assert (await query_task(client, task_id))["duration"] == seconds


async def test_the_video_of_a_768p_task_can_be_its_own_base(
    client: Client, sandbox: Sandbox
) -> None:
    source = await query_task(client, await create_source(client, sandbox))
    data = (await client.download(source["content"]["url"])).content
    content = [text(), video(make_data_uri(data, "video/mp4"), **BASE)]
    assert (await regenerate(client, content=content)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "exactly one of source_task_id and content"),
        ({"source_task_id": "1", "content": [text(), base()]}, "exactly one of source_task_id"),
        ({"source_task_id": "1", "model": "MiniMax-H3-Max"}, "model must be one of MiniMax-H3"),
        ({"source_task_id": "1", "model": None}, "model is required"),
        ({"source_task_id": "1", "resolution": "768P"}, "resolution must be one of 2K"),
        ({"source_task_id": "1", "resolution": None}, "resolution is required"),
        ({"source_task_id": "1"}, "invalid source_task_id"),
        ({"content": [text()]}, "content must hold exactly one base_video"),
        ({"content": [base()]}, "content must contain a non-empty text item"),
        ({"content": [text("x" * 40_001), base()]}, "content[0].text must not be longer"),
        ({"content": [text(), base(), base()]}, "content must not hold more than 1 base_video"),
        (
            {"content": [text(), image(**FIRST), image(**REF_IMAGE), base()]},
            "content must not mix frames and references",
        ),
        ({"content": [text(), base(sound=None)]}, "base_video must have an audio track"),
        ({"content": [text(), base(rate=30)]}, "base_video must have 24 fps"),
        ({"content": [text(), base(height=752)]}, "base_video must have sides divisible by 32"),
        ({"content": [text(), base(width=1376)]}, "base_video must have 589824 to 1032192 px"),
        ({"content": [text(), base(width=736)]}, "base_video must have 589824 to 1032192 px"),
        ({"content": [text(), base(seconds=5)]}, "base_video must have 107 to 362 frames"),
        ({"content": [text(), base(seconds=90 / 24)]}, "base_video must have 107 to 362 frames"),
        ({"content": [text(), video("mm_file://1", **BASE)]}, "file_id not exist"),
    ],
    ids=RowIds(),
)
async def test_an_invalid_regeneration_is_400(
    client: Client, sandbox: Sandbox, fields: dict[str, Any], message: str
) -> None:
    response = await regenerate(client, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"invalid params, {message}")
    assert sandbox.bill == []


@pytest.mark.parametrize(
    ("fields", "advance_seconds", "message"),
    [
        (H3_MAX, 10, "the source task is not a generation of MiniMax-H3"),
        ({"resolution": "2K"}, 10, "the source task is not in 768P"),
        ({}, 2, "the source task has not succeeded"),
        ({"content": [text("[fail]")]}, 10, "the source task has not succeeded"),
        ({}, 7 * DAY, "invalid source_task_id"),
    ],
    ids=RowIds(),
)
async def test_a_source_task_that_does_not_fit_is_refused(
    client: Client,
    sandbox: Sandbox,
    fields: dict[str, Any],
    advance_seconds: float,
    message: str,
) -> None:
    source = await create_task(client, **fields)
    sandbox.clock.advance(advance_seconds)
    response = await regenerate(client, source_task_id=source)
    assert response.json()["error"]["message"].startswith(f"invalid params, {message}")
    assert sandbox.count_charges("regeneration") == 0


async def test_a_regenerated_task_is_no_source(client: Client, sandbox: Sandbox) -> None:
    source = await create_source(client, sandbox)
    task_id = (await regenerate(client, source_task_id=source)).json()["task_id"]
    sandbox.clock.advance(10)
    response = await regenerate(client, source_task_id=task_id)
    assert "is not a generation" in response.json()["error"]["message"]


async def test_an_account_that_is_not_allow_listed_regenerates_base_videos_only() -> None:
    strict = Sandbox(allow_listed=False)
    async with connect(strict) as client:
        source = await create_source(client, strict)
        refused = await regenerate(client, source_task_id=source)
        accepted = await regenerate(client, content=[text(), base()])
    assert refused.status_code == 400
    assert "source_task_id is not enabled" in refused.json()["error"]["message"]
    assert accepted.status_code == 200
    assert strict.count_charges("regeneration") == 1


async def test_a_refused_prompt_of_a_regeneration_is_422(client: Client, sandbox: Sandbox) -> None:
    response = await regenerate(client, content=[text("[refuse input]"), base()])
    assert (response.status_code, sandbox.bill) == (422, [])


# --- video, v2: cancelling and deleting


async def delete_task(client: Client, task_id: str) -> httpx.Response:
    return await client.http.delete(f"/v2/video_generation/{task_id}")


async def test_a_queued_task_can_be_cancelled_and_is_refunded(
    client: Client, sandbox: Sandbox
) -> None:
    task_id = await create_task(client)
    response = await delete_task(client, task_id)
    assert response.json() == {"task_id": task_id, "action": "cancelled", "status": "cancelled"}
    assert (sandbox.bill, sandbox.count_charges("video")) == ([], 0)
    sandbox.clock.advance(60)
    assert (await query_task(client, task_id))["status"] == "cancelled"
    assert (await delete_task(client, task_id)).status_code == 400


async def test_only_a_finished_task_can_be_deleted(client: Client, sandbox: Sandbox) -> None:
    task_id = await create_task(client)
    sandbox.clock.advance(2)
    assert (await delete_task(client, task_id)).status_code == 400
    sandbox.clock.advance(10)
    response = await delete_task(client, task_id)
    assert response.json() == {"task_id": task_id, "action": "deleted", "status": "deleted"}
    assert sandbox.count_charges("video") == 1
    response = await delete_task(client, task_id)
    assert response.status_code == 400
    assert "invalid task_id" in response.json()["error"]["message"]
    assert (await client.http.get(f"/v2/query/video_generation/{task_id}")).status_code == 500


# --- the control routes


async def test_the_root_page_describes_the_sandbox(client: Client, sandbox: Sandbox) -> None:
    response = await client.download(client.base_url)
    assert response.text.startswith("This is a simulation of MiniMax on this machine")
    assert sandbox.requests == []


async def test_the_state_can_be_read_over_http(client: Client) -> None:
    task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST))["task_id"]
    second = await create_task(client)
    await client.clone()
    state = (await client.download(client.base_url + "/sandbox/state")).json()
    assert state["bill"][0] == {"what": "video", "amount_usd": 0.28, "id": task_id}
    assert state["counts"]["POST /v1/video_generation"] == 1
    assert [(task["task_id"], task["model"]) for task in state["tasks"]] == [
        (task_id, HAILUO),
        (second, "MiniMax-H3"),
    ]
    assert [voice["voice_id"] for voice in state["voices"]] == [VOICE]
    assert len(state["files"]) == 1


async def test_faults_can_be_added_and_cleared_over_http(client: Client, sandbox: Sandbox) -> None:
    fault = {"path": "/v1/", "times": None, "status": 502, "body": "<html>"}
    assert await client.post("/sandbox/faults", fault) == {"due": 1}
    response = await client.http.get("/v1/files/list")
    assert (response.status_code, response.text) == (502, "<html>")
    assert (await client.http.delete("/sandbox/faults")).json() == {"due": 0}
    assert (await client.http.get("/v1/files/list")).status_code == 200


async def test_a_fault_for_every_path_does_not_affect_the_control_routes(
    client: Client, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("/", times=None, status=503))
    assert (await client.http.get("/sandbox/state")).status_code == 200
    assert (await client.http.get("/")).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        "no object",
        {},
        {"path": 1},
        {"path": "/", "color": 1},
        {"path": "/", "body": "x"},
        {"path": "/", "status": 500, "when": "during"},
    ],
    ids=str,
)
async def test_an_invalid_fault_is_400(client: Client, fault: Any) -> None:
    assert (await client.http.post("/sandbox/faults", json=fault)).status_code == 400


async def test_the_clock_can_be_advanced_over_http(client: Client, sandbox: Sandbox) -> None:
    before = sandbox.clock.now()
    response = await client.post("/sandbox/clock", {"advance_seconds": 3600})
    assert response["now"] >= before + 3600
    invalid_bodies: list[Any] = [{}, {"advance_seconds": "soon"}, []]
    for body in invalid_bodies:
        assert (await client.http.post("/sandbox/clock", json=body)).status_code == 400


# --- configuration, ids, collections, serving


async def test_stages_can_be_configured() -> None:
    async with connect(Sandbox(stages=VideoStages(0, 0, 0))) as client:
        task_id = (await client.post("/v1/video_generation", VIDEO_REQUEST))["task_id"]
        task = await client.get("/v1/query/video_generation", task_id=task_id)
    assert task["status"] == "Success"


async def test_ids_are_recognisable_and_differ_between_sandboxes() -> None:
    one, two = IdGenerator(), IdGenerator()
    numbers = [ids.new_file_id() for ids in (one, two) for _ in range(1000)]
    assert len(set(numbers)) == len(numbers)
    assert all(900_000_000_000_000 <= number < 2**53 for number in numbers)
    assert one.new_task_id().startswith("sandbox")


async def test_bounded_collections_drop_their_oldest_items() -> None:
    recent: RecentList[int] = RecentList()
    newest: BoundedDict[int, None] = BoundedDict(max_items=3)
    for number in range(MAX_ITEMS + 5):
        recent.append(number)
        newest[number] = None
    assert (len(recent), recent[0]) == (MAX_ITEMS, 5)
    assert list(newest) == list(range(MAX_ITEMS + 2, MAX_ITEMS + 5))


async def test_importing_the_sandbox_does_not_import_a_web_server() -> None:
    code = "import sys, minimax.sandbox as s; s.Sandbox(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"starlette", "uvicorn", "python_multipart"} & set(done.stdout.split())


async def test_the_app_runs_under_another_asgi_server(sandbox: Sandbox) -> None:
    transport = httpx.ASGITransport(build_app(sandbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as http:
        response = await http.get("/v1/files/list", headers={"Authorization": "Bearer key"})
    assert get_code(response.json()) == 2013


async def test_a_port_in_use_is_reported(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(client.base_url.rsplit(":", 1)[1])
    assert await asyncio.to_thread(run, port) == 1
    assert capsys.readouterr().err.startswith(f"Cannot listen on 127.0.0.1:{port}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_prints_its_url_and_stops_cleanly(number: signal.Signals) -> None:
    code = "from minimax.sandbox import run; raise SystemExit(run(port=0))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert process.stdout
        line = process.stderr.readline()
        url = next(word.rstrip(";") for word in line.split() if word.startswith("http://"))
        assert httpx.get(url, trust_env=False).status_code == 200
        process.send_signal(number)
        assert process.wait(5) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_a_charge_that_there_is_not_is_a_mistake_of_the_test(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="'speach', only as one of video, "):
        sandbox.count_charges("speach")


async def test_what_was_asked_for_is_recorded(client: Client, sandbox: Sandbox) -> None:
    await client.post("/v1/video_generation", {"model": "MiniMax-Hailuo-2.3", "prompt": "x"})
    await client.post("/v1/video_generation", {"prompt": "x" * 100_000})
    await client.get("/v1/query/video_generation?task_id=1")
    sandbox.faults.add(Fault("/v1/", status=503))
    await client.http.post("/v1/video_generation", json={"prompt": "y"})
    small, large, without_body, faulted = sandbox.requests
    assert small.json == {"model": "MiniMax-Hailuo-2.3", "prompt": "x"}
    assert small.headers["authorization"].startswith("Bearer ")
    assert [request.json for request in (large, without_body, faulted)] == [None] * 3


async def test_the_bodies_of_the_newest_requests_are_kept(
    client: Client, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimax.sandbox.account.KEPT_BODIES", 2)
    for prompt in ("a", "b", "c"):
        await client.post("/v1/video_generation", {"prompt": prompt})
    assert [request.json for request in sandbox.requests] == [
        None,
        {"prompt": "b"},
        {"prompt": "c"},
    ]
