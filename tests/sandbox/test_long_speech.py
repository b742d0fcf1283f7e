"""The sandbox's asynchronous speech, over HTTP: its states, its rules, its one file."""

import io
import json
import tarfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.sandbox.media import samples as media

pytestmark = pytest.mark.anyio

CREATE, QUERY = "/v1/t2a_async_v2", "/v1/query/t2a_async_query_v2"
STAGES = VideoStages(preparing_seconds=10, queueing_seconds=10, processing_seconds=10)
PLAIN: dict[str, Any] = {
    "model": "speech-2.8-hd",
    "text": "Once upon a time. There was a fox.",
    "voice_setting": {"voice_id": "Wise_Woman"},
}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(keys={"key"}, stages=STAGES)


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer key"}
    async with (
        serve(sandbox) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        yield client


async def create(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    body = {name: value for name, value in {**PLAIN, **fields}.items() if value is not None}
    answer: dict[str, Any] = (await http.post(CREATE, json=body)).json()
    return answer


async def query(http: httpx.AsyncClient, task_id: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get(QUERY, params={"task_id": str(task_id)})).json()
    return answer


async def retrieve(http: httpx.AsyncClient, file_id: int) -> dict[str, Any]:
    answer: dict[str, Any] = (
        await http.get("/v1/files/retrieve", params={"file_id": file_id})
    ).json()
    return answer


async def download(http: httpx.AsyncClient, url: str) -> httpx.Response:
    """Without the key, which no object store takes."""
    async with httpx.AsyncClient(trust_env=False) as store:
        return await store.get(url)


async def upload(http: httpx.AsyncClient, data: bytes, *, name: str = "a.txt") -> int:
    form = {"purpose": "t2a_async_input"}
    answer = await http.post("/v1/files/upload", data=form, files={"file": (name, data)})
    return int(answer.json()["file"]["file_id"])


async def test_a_task_has_its_file_id_from_the_beginning_and_its_file_at_the_end(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    created = await create(http)
    assert created["task_id"].isdecimal()
    assert created["usage_characters"] == len(PLAIN["text"])
    waiting = await query(http, created["task_id"])
    assert waiting["status"] == "Processing"
    assert waiting["task_id"] == int(created["task_id"])
    assert waiting["file_id"] == created["file_id"]
    assert (await retrieve(http, created["file_id"]))["base_resp"]["status_code"] == 2013
    sandbox.clock.advance(30)
    assert (await query(http, created["task_id"]))["status"] == "Success"
    file = (await retrieve(http, created["file_id"]))["file"]
    assert (file["purpose"], file["bytes"]) == ("t2a_async", 0)
    assert file["filename"] == f"{created['file_id']}.tar"


async def test_the_file_is_an_archive_of_sound_subtitles_and_facts(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    created = await create(http)
    sandbox.clock.advance(30)
    await query(http, created["task_id"])
    url = (await retrieve(http, created["file_id"]))["file"]["download_url"]
    content = (await download(http, url)).content
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.rpartition(".")[2]] = file.read()
    assert found["mp3"] == media.load_speech("mp3").data
    titles = json.loads(found["titles"])
    assert [item["text"] for item in titles] == ["Once upon a time.", "There was a fox."]
    assert titles[1]["time_begin"] == titles[0]["time_end"]
    assert json.loads(found["extra"])["audio_length"] == media.load_speech("mp3").length_ms
    whole = await http.get("/v1/files/retrieve_content", params={"file_id": created["file_id"]})
    assert whole.content == content


async def test_a_link_lives_for_nine_hours_and_so_does_what_it_leads_to(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    created = await create(http)
    sandbox.clock.advance(30)
    await query(http, created["task_id"])
    url = (await retrieve(http, created["file_id"]))["file"]["download_url"]
    sandbox.clock.advance(8 * 3600)
    assert (await download(http, url)).status_code == 200
    assert (await query(http, created["task_id"]))["status"] == "Success"
    sandbox.clock.advance(3700)
    assert (await download(http, url)).status_code == 403
    assert (await query(http, created["task_id"]))["status"] == "Expired"
    assert (await retrieve(http, created["file_id"]))["base_resp"]["status_code"] == 2013


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        pytest.param("x [fail]", "Failed", 0, id="failed"),
        pytest.param("x [block output]", "Failed", 1027, id="blocked"),
    ],
)
async def test_a_task_can_fail(
    text: str, status: str, code: int, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    created = await create(http, text=text)
    sandbox.clock.advance(30)
    found = await query(http, created["task_id"])
    assert (found["status"], found["base_resp"]["status_code"]) == (status, code)


@pytest.mark.parametrize("task_id", ["4711", "abc", ""])
async def test_an_unknown_task_is_answered_with_200_and_empty_fields(
    task_id: str, http: httpx.AsyncClient
) -> None:
    found = await query(http, task_id)
    assert (found["task_id"], found["status"], found["file_id"]) == (0, "", 0)
    assert found["base_resp"]["status_code"] == 2013


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"model": None}, 2013, id="no-model"),
        pytest.param({"model": "speech-9"}, 2013, id="unknown-model"),
        pytest.param({"text": None}, 2013, id="no-text"),
        pytest.param({"text": "x" * 50_001}, 2013, id="too-long"),
        pytest.param({"text": "\x01" * 20 + "x"}, 1042, id="invisible"),
        pytest.param({"text": "[refuse input]"}, 1026, id="refused"),
        pytest.param({"voice_setting": None}, 2013, id="no-voice-setting"),
        pytest.param({"voice_setting": {"voice_id": "Nobody-1234"}}, 2054, id="unknown-voice"),
        pytest.param({"text": None, "text_file_id": "12"}, 2013, id="file-id-as-text"),
        pytest.param({"text": None, "text_file_id": 12}, 2013, id="unknown-file"),
        pytest.param({"audio_setting": {"audio_sample_rate": 48000}}, 2013, id="rate"),
        pytest.param({"audio_setting": {"format": "opus"}}, 2013, id="opus-at-the-usual-rate"),
        pytest.param({"audio_setting": {"channel": 3}}, 2013, id="channel"),
        pytest.param(
            {"audio_setting": {"format": "pcm"}, "voice_modify": {"timbre": 1}}, 2013, id="pcm"
        ),
        pytest.param({"language_boost": "Klingon"}, 2013, id="language"),
    ],
)
async def test_what_minimax_would_refuse_is_refused_and_not_charged(
    fields: dict[str, Any], code: int, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    refused = await create(http, **fields)
    assert refused["base_resp"]["status_code"] == code
    assert refused["task_id"] == ""
    assert not sandbox.bill
    assert not sandbox.long_speeches


async def test_opus_has_rates_of_its_own(http: httpx.AsyncClient) -> None:
    sound = {"format": "opus", "audio_sample_rate": 24000}
    assert (await create(http, audio_setting=sound))["task_id"]


async def test_sound_has_two_channels_unless_one_is_asked_for(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await create(http, audio_setting={"format": "wav"})
    await create(http, audio_setting={"format": "wav", "channel": 1})
    assert [task.sample.channels for task in sandbox.long_speeches.values()] == [2, 1]


@pytest.mark.parametrize(
    ("data", "name", "usd"),
    [
        pytest.param("中文 x".encode(), "a.txt", 0.0006, id="text"),
        pytest.param(b"x" * 999_999, "a.txt", 99.9999, id="longest"),
        pytest.param(b"x" * 1_000_000, "a.txt", None, id="too-long"),
        pytest.param(b" ", "a.txt", None, id="blank"),
        pytest.param(b"\xff\xfe", "a.txt", None, id="not-UTF-8"),
        pytest.param(b"PK", "a.zip", None, id="zip"),
    ],
)
async def test_a_text_file_is_read_when_the_task_is_made_and_billed_by_its_characters(
    data: bytes, name: str, usd: float | None, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    created = await create(http, text=None, text_file_id=await upload(http, data, name=name))
    assert [charge.amount_usd for charge in sandbox.bill] == ([] if usd is None else [usd])
    assert bool(created["task_id"]) is (usd is not None)


async def test_a_recording_is_no_text_file(http: httpx.AsyncClient) -> None:
    form = {"purpose": "voice_clone"}
    sent = await http.post("/v1/files/upload", data=form, files={"file": ("a.txt", b"Hello")})
    file_id = sent.json()["file"]["file_id"]
    refused = await create(http, text=None, text_file_id=file_id)
    assert refused["base_resp"]["status_code"] == 2013


async def test_the_first_use_of_a_made_voice_is_charged(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.voices.create("Anna-reads-1", voice_type="voice_cloning")
    for _ in range(2):
        await create(http, voice_setting={"voice_id": "Anna-reads-1"})
    assert sandbox.count_charges("voice_clone") == 1
    assert sandbox.count_charges("long_speech") == 2


async def test_faults_apply_to_its_paths_and_its_tasks_are_in_the_state(
    http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(CREATE, when="after", code=1002))
    assert (await create(http))["base_resp"]["status_code"] == 1002
    [task] = (await http.get("/sandbox/state")).json()["tasks"]
    assert (task["model"], task["status"]) == ("speech-2.8-hd", "Processing")
