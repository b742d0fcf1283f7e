"""Long texts become speech as jobs: what is sent, what is refused, what it costs, what is saved.

A lost answer, a killed process and the rest of what may happen to money is in
`tests/spending/test_over_stdio.py`, for every paid tool; following is in `tests/jobs`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.errors import InputError, MaybeChargedError, RefusedError, UnansweredError
from minimax.ledger.records import Kind
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.sandbox.media import samples as media
from minimax.settings import Settings
from minimax.voice import subtitles
from tests.files.test_archives import make_tar, of_type, regular
from tests.support import samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.paid_jobs import cancel_call
from tests.support.raw_server import (
    CLOSED,
    Behaviour,
    Connection,
    RawServer,
    hang,
    http,
    ok,
    refuse,
    reply,
    serve_raw,
)
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

LADY = "English_Graceful_Lady"
SUBMIT, QUERY = "/v1/t2a_async_v2", "/v1/query/t2a_async_query_v2"
TEXT = "Once upon a time. There was a fox."
LONG = "Hello. " * 200
"""Too dear to be made again by itself where an attempt ended in doubt."""


async def speak(text: str = TEXT, **arguments: Any) -> str:
    job = await minimax_server.long_text_to_audio(text, **arguments)
    assert job["task_id"] is not None
    return job["task_id"]


# --- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param({}, {}, id="plain"),
        pytest.param(
            {"voice_id": "Anna-1", "speed": 1.5, "vol": 2, "pitch": -3, "emotion": "calm"},
            {
                "voice_setting": {
                    "voice_id": "Anna-1",
                    "speed": 1.5,
                    "vol": 2,
                    "pitch": -3,
                    "emotion": "calm",
                }
            },
            id="manner",
        ),
        pytest.param(
            {"english_normalization": True},
            {"voice_setting": {"voice_id": LADY, "english_normalization": True}},
            id="english_normalization",
        ),
        pytest.param(
            {"sample_rate": 44100, "bitrate": 64000, "channel": 1},
            {
                "audio_setting": {
                    "format": "mp3",
                    "audio_sample_rate": 44100,
                    "bitrate": 64000,
                    "channel": 1,
                }
            },
            id="sound",
        ),
        pytest.param(
            {"format": "opus"},
            {"audio_setting": {"format": "opus", "audio_sample_rate": 24000}},
            id="opus-has-no-usual-rate",
        ),
        pytest.param(
            {"format": "opus", "sample_rate": 48000},
            {"audio_setting": {"format": "opus", "audio_sample_rate": 48000}},
            id="opus-at-48000",
        ),
        pytest.param(
            {"effect": "robotic", "timbre": 5, "modify_pitch": -7, "intensity": 1},
            {
                "voice_modify": {
                    "sound_effects": "robotic",
                    "timbre": 5,
                    "pitch": -7,
                    "intensity": 1,
                }
            },
            id="modification",
        ),
        pytest.param(
            {"pronunciation": ["omg/oh my god"], "language_boost": "English"},
            {"pronunciation_dict": {"tone": ["omg/oh my god"]}, "language_boost": "English"},
            id="words",
        ),
        pytest.param({"model": "speech-2.6-turbo"}, {"model": "speech-2.6-turbo"}, id="model"),
    ],
)
async def test_an_option_becomes_its_part_of_the_body_and_nothing_else(
    arguments: dict[str, Any], sent: dict[str, Any], settings: Settings, time: VirtualTime
) -> None:
    accepted = ok(task_id=95157322514444, file_id=1, system_voice=[])
    async with serve_raw(accepted) as api, use_runtime(settings, api, time):
        assert await speak(**arguments) == "95157322514444"
    [submission] = [request for request in api.requests if request.target == SUBMIT]
    plain = {
        "model": "speech-2.8-hd",
        "text": TEXT,
        "voice_setting": {"voice_id": LADY},
        "audio_setting": {"format": "mp3"},
    }
    assert submission.json == {**plain, **sent}


async def test_a_text_file_is_uploaded_first_and_named_by_its_id_as_a_number(
    settings: Settings, home: Path, time: VirtualTime
) -> None:
    book = put(home / "My book.txt", "Es war einmal. 从前".encode())
    script = [ok(file={"file_id": 318204477100233}), ok(task_id="95157322514444")]
    async with serve_raw(*script) as api, use_runtime(settings, api, time):
        job = await minimax_server.long_text_to_audio(text_file=str(book))
    upload, submission = api.requests
    assert b'name="purpose"\r\n\r\nt2a_async_input' in upload.body
    assert b'filename="text.txt"' in upload.body
    assert book.read_bytes() in upload.body
    assert b"My book" not in upload.body
    assert submission.json["text_file_id"] == 318204477100233
    assert "text" not in submission.json
    assert job["characters"] == len("Es war einmal. ") + 2 * len("从前")


# --- what is refused here ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({}, "one of the two", id="nothing"),
        pytest.param({"text": "a", "text_file": "~/book.txt"}, "one of the two", id="both"),
        pytest.param({"text": " \n "}, "nothing that can be spoken", id="blank"),
        pytest.param({"text": "x" * 50_001}, "takes 50000 at most", id="too-long"),
        pytest.param({"text_file": "~/blank.txt"}, "nothing that can be spoken", id="blank-file"),
        pytest.param({"text_file": "~/huge.txt"}, "fewer than 1,000,000", id="huge-file"),
        pytest.param({"text_file": "~/missing.txt"}, "no such file", id="missing-file"),
        pytest.param({"text_file": "~/image.png"}, "ends in .txt", id="image"),
        pytest.param({"text_file": "/etc/passwd"}, "not inside a folder", id="outside"),
        pytest.param({"text": "a", "speed": 3}, "speed must be 2 or less", id="speed"),
        pytest.param({"text": "a", "vol": 0}, "vol must be more than 0", id="vol"),
        pytest.param({"text": "a", "pitch": 13}, "pitch must be 12 or less", id="pitch"),
        pytest.param({"text": "a", "emotion": "bored"}, "emotion must be one of", id="emotion"),
        pytest.param(
            {"text": "a", "emotion": "whisper"}, "is not for speech-2.8-hd", id="whisper-in-2.8"
        ),
        pytest.param({"text": "a", "format": "aac"}, "format must be one of", id="format"),
        pytest.param(
            {"text": "a", "format": "wav", "bitrate": 64000}, "for the format mp3", id="bitrate"
        ),
        pytest.param({"text": "a", "sample_rate": 48000}, "sample_rate must be", id="rate-of-mp3"),
        pytest.param(
            {"text": "a", "format": "opus", "sample_rate": 32000},
            "8000, 12000, 16000, 24000, 48000",
            id="rate-of-opus",
        ),
        pytest.param({"text": "a", "channel": 3}, "channel must be one of: 1, 2", id="channel"),
        pytest.param(
            {"text": "a", "format": "opus", "effect": "robotic"}, "not with opus", id="effect-opus"
        ),
        pytest.param({"text": "a", "format": "pcm", "timbre": 9}, "not with pcm", id="timbre-pcm"),
        pytest.param(
            {"text": "a", "format": "pcmu_wav", "intensity": 9}, "not with pcmu_wav", id="pcmu"
        ),
        pytest.param({"text": "a", "modify_pitch": 101}, "must be 100 or less", id="modify_pitch"),
        pytest.param(
            {"text": "a", "pronunciation": ["live"]}, "not a word with", id="pronunciation"
        ),
        pytest.param({"text": "a", "voice_mix": ["b:1"]}, "no argument 'voice_mix'", id="mix"),
        pytest.param({"text": "a", "subtitles": "word"}, "no argument 'subtitles'", id="subtitles"),
    ],
)
async def test_what_would_be_refused_is_refused_before_anything_is_sent(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    put(home / "blank.txt", b"\n\n")
    put(home / "book.txt", b"Hello.")
    put(home / "huge.txt", b"x" * 1_000_000)
    put(home / "image.png", samples.png(400, 400))
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "long_text_to_audio", **arguments)
    assert not sandbox.requests


async def test_the_longest_text_and_the_longest_file_are_taken(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    put(home / "book.txt", b"x" * 999_999)
    unlimited = replace(settings, daily_limit_usd=None)
    async with connected(unlimited, sandbox) as client:
        text = await call(client, "long_text_to_audio", text="x" * 50_000)
        file = await call(client, "long_text_to_audio", text_file="~/book.txt")
    assert [charge.amount_usd for charge in sandbox.bill] == [5.0, 99.9999]
    assert (text["characters"], file["characters"]) == (50_000, 999_999)


async def test_a_text_that_is_too_long_for_text_to_audio_is_sent_on_to_this_tool(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert "long_text_to_audio" in await failure(client, "text_to_audio", text="x" * 10_000)


# --- money -------------------------------------------------------------------------------------


async def test_the_price_counts_a_chinese_character_twice_and_a_dry_run_buys_nothing(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    put(home / "book.txt", ("中" * 1000 + "x" * 1000).encode())
    async with connected(settings, sandbox) as client:
        priced = await call(
            client,
            "long_text_to_audio",
            text_file="~/book.txt",
            model="speech-2.8-turbo",
            dry_run=True,
        )
        assert not sandbox.requests
        job = await call(
            client, "long_text_to_audio", text_file="~/book.txt", model="speech-2.8-turbo"
        )
    assert (priced["task_id"], priced["status"], priced["characters"]) == (None, None, 3000)
    assert priced["estimated_cost_usd"] == job["estimated_cost_usd"] == pytest.approx(0.18)
    assert [charge.amount_usd for charge in sandbox.bill] == [0.18]


async def test_a_made_voice_that_speaks_first_costs_its_fee_once(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    recording = put(home / "a.wav", samples.wav())
    async with connected(settings, sandbox) as client:
        await call(client, "voice_clone", audio=str(recording), voice_id="Anna-reads-1")
        words = {"text": TEXT, "voice_id": "Anna-reads-1"}
        priced = await call(client, "long_text_to_audio", **words, dry_run=True)
        first = await call(client, "long_text_to_audio", **words)
        again = await call(client, "long_text_to_audio", **words)
    assert priced["estimated_cost_usd"] == first["estimated_cost_usd"] > 1.5
    assert "fee of a cloned or designed voice" in priced["next_step"]
    assert "This voice has spoken for the first time" in first["next_step"]
    assert again["estimated_cost_usd"] < 0.01
    assert sandbox.count_charges("voice_clone") == 1


async def test_the_daily_limit_is_checked_before_anything_is_bought(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(replace(settings, daily_limit_usd=0.5), sandbox) as client:
        assert "would cost $0.70" in await failure(
            client, "long_text_to_audio", text="Hello. " * 1000
        )
    assert not sandbox.requests


async def test_the_statement_and_the_list_know_the_kind(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        video = await call(client, "generate_video", prompt="a fox")
        speech = await call(client, "long_text_to_audio", text=LONG)
        account = await call(client, "account_status")
        listed = (await call(client, "list_video_tasks"))["tasks"]
        shown = await client.read_resource("minimax://tasks")
        one = await client.read_resource(f"minimax://tasks/{speech['task_id']}")
    assert account["spent_24_hours_usd"] == {"generate_video": 0.28, "long_text_to_audio": 0.14}
    assert account["open_jobs"] == 2
    assert [(task["kind"], task["task_id"]) for task in listed] == [
        ("long_speech", speech["task_id"]),
        ("video", video["task_id"]),
    ]
    assert listed[0]["next_step"] == f'query_long_audio(task_id="{speech["task_id"]}")'
    assert listed[1]["next_step"] == f'query_video_generation(task_id="{video["task_id"]}")'
    assert listed[0]["prompt"].startswith("Hello.")
    assert len(listed[0]["prompt"]) <= 200
    assert json.loads(shown.contents[0].text) == listed  # type: ignore[union-attr]
    assert json.loads(one.contents[0].text) == listed[0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"text": LONG + "!"}, id="text"),
        pytest.param({"voice_id": "English_Calm_Man"}, id="voice"),
        pytest.param({"speed": 1.1}, id="speed"),
        pytest.param({"format": "wav"}, id="format"),
        pytest.param({"english_normalization": True}, id="normalization"),
        pytest.param({"effect": "robotic"}, id="effect"),
    ],
)
async def test_calls_that_differ_in_an_option_are_two_purchases(
    change: dict[str, Any], settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(SUBMIT, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError, match="may have accepted and charged"):
            await speak(LONG)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await speak(LONG)
        await speak(**{"text": LONG, **change})
    assert sandbox.count_charges("long_speech") == 2


async def test_a_file_counts_by_its_content_and_not_by_its_name(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    put(home / "a.txt", LONG.encode())
    put(home / "b.txt", LONG.encode())
    put(home / "c.txt", LONG.upper().encode())
    sandbox.faults.add(Fault(SUBMIT, when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.long_text_to_audio(text_file="~/a.txt")
        with pytest.raises(MaybeChargedError, match="identical request"):
            await minimax_server.long_text_to_audio(text_file="~/b.txt")
        await minimax_server.long_text_to_audio(text_file="~/c.txt")
    assert sandbox.count_charges("long_speech") == 2


async def test_a_text_file_whose_answer_was_lost_is_handed_over_without_another_upload(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    put(home / "a.txt", LONG.encode())
    sandbox.faults.add(Fault(SUBMIT, when="after", delay_seconds=0.1))
    async with use_runtime(settings, sandbox, time):
        await cancel_call(
            minimax_server.long_text_to_audio(text_file="~/a.txt"),
            once=lambda: sandbox.count_charges("long_speech"),
        )
        job = await minimax_server.long_text_to_audio(text_file="~/a.txt")
    assert job["reused"] is True
    assert "nothing was bought now" in job["next_step"]
    assert sandbox.count("POST /v1/files/upload") == sandbox.count(f"POST {SUBMIT}") == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 502, "times": None}, id="502"),
        pytest.param({"reset": True, "times": None}, id="reset"),
    ],
)
async def test_a_failed_upload_buys_nothing_and_the_next_call_does(
    fault: dict[str, Any], settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    put(home / "a.txt", LONG.encode())
    sandbox.faults.add(Fault("/v1/files/upload", **fault))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(UnansweredError, match="no speech was requested"):
            await minimax_server.long_text_to_audio(text_file="~/a.txt")
        sandbox.faults.clear()
        await minimax_server.long_text_to_audio(text_file="~/a.txt")
    assert sandbox.count_charges("long_speech") == 1


async def test_nothing_is_bought_or_in_doubt_while_the_text_is_on_its_way(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    put(home / "a.txt", LONG.encode())
    sandbox.faults.add(Fault("/v1/files/upload", hang=True))
    async with use_runtime(settings, sandbox, time) as running:
        await cancel_call(
            minimax_server.long_text_to_audio(text_file="~/a.txt"),
            once=lambda: sandbox.count("POST /v1/files/upload"),
        )
        assert await running.ledger.newest(1, kinds=[Kind.LONG_SPEECH]) == []


@pytest.mark.parametrize("code", [1002, 1008, 1026, 1042, 2013, 2056])
async def test_a_refused_job_is_not_charged_and_not_in_doubt(
    code: int, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(SUBMIT, code=code, times=None))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match=f"MiniMax code {code}"):
            await speak(LONG)
        sandbox.faults.clear()
        await speak(LONG)
    assert sandbox.count_charges("long_speech") == 1


async def test_an_unknown_model_is_answered_with_those_that_are_known(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match=r"known are: speech-2\.8-hd"):
            await speak(model="speech-9")


# --- how it stands -----------------------------------------------------------------------------


async def test_the_sound_and_its_subtitles_are_saved_together_and_once(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "long_text_to_audio", text=TEXT)
        first = await call(client, "query_long_audio", task_id=job["task_id"])
        requests = len(sandbox.requests)
        again = await call(client, "query_long_audio", task_id=job["task_id"])
    assert again == first
    assert len(sandbox.requests) == requests
    assert first["status"] == "completed"
    sound, subtitle = Path(first["path"]), Path(first["subtitle_path"])
    assert sound.read_bytes() == media.load_speech("mp3").data
    blocks = subtitle.read_text(encoding="utf-8").strip().split("\n\n")
    assert [block.split("\n")[2] for block in blocks] == ["Once upon a time.", "There was a fox."]
    assert {path.name for path in settings.base_path.iterdir()} == {sound.name, subtitle.name}
    assert first["audio_url"] is first["error"] is None


@pytest.mark.parametrize("audio_format", media.SPEECH_FORMATS)
async def test_every_format_is_saved_as_what_it_is(
    audio_format: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    extension = {"pcmu_raw": "ulaw", "pcmu_wav": "wav"}.get(audio_format, audio_format)
    async with use_runtime(settings, sandbox, time):
        found = await minimax_server.query_long_audio(await speak(format=audio_format))
    assert found["path"] is not None
    assert Path(found["path"]).suffix == f".{extension}"
    assert found["subtitle_path"] is not None


async def test_words_of_minimax_count_in_any_letter_case_and_the_file_id_does_not(
    settings: Settings, time: VirtualTime
) -> None:
    statuses = {
        "Processing": "processing",
        "PROCESSING": "processing",
        "processing": "processing",
        "something new": "processing",
        "Failed": "failed",
        "failed": "failed",
        "EXPIRED": "failed",
    }
    for number, (word, ours) in enumerate(statuses.items()):
        script = ok(task_id=number, status=word, file_id=95157322514496)
        async with serve_raw(script) as api, use_runtime(settings, api, time):
            found = await minimax_server.query_long_audio(f"100{number}")
        assert (found["status"], found["path"]) == (ours, None)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        pytest.param("x [fail]", None, "gave no reason", id="failed"),
        pytest.param("x [block output]", 1027, "content check", id="blocked"),
    ],
)
async def test_a_failed_job_is_a_normal_result_with_its_reason(
    text: str, code: int | None, said: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        found = await minimax_server.query_long_audio(await speak(text))
    assert (found["status"], found["error_code"]) == ("failed", code)
    assert said in str(found["error"])
    assert "costs again" in found["next_step"]


async def test_an_unknown_id_is_an_error_and_not_a_failed_job(
    settings: Settings, time: VirtualTime
) -> None:
    unknown = refuse(2013, "invalid params, task not found", task_id=0, status="", file_id=0)
    async with serve_raw(unknown) as api, use_runtime(settings, api, time):
        with pytest.raises(RefusedError, match="does not know this job"):
            await minimax_server.query_long_audio("95157322514444")


async def test_a_job_that_is_under_way_is_told_so_and_waited_for(
    settings: Settings, time: VirtualTime
) -> None:
    slow = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=1000)
    sandbox = Sandbox(stages=slow)
    async with serve(sandbox), use_runtime(settings, sandbox, time):
        task_id = await speak()
        first = await minimax_server.query_long_audio(task_id)
        sandbox.clock.advance(1000)
        last = await minimax_server.query_long_audio(task_id, wait_seconds=45)
    assert (first["status"], last["status"]) == ("processing", "completed")
    assert f'query_long_audio(task_id="{task_id}", wait_seconds=45)' in first["next_step"]


# --- whose id it is ----------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True], ids=["same-server", "after-a-restart"])
async def test_ids_of_videos_and_of_speeches_are_told_apart_without_a_request(
    restarted: bool, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async def check() -> None:
        requests = len(sandbox.requests)
        for use, ident, said in wrong:
            with pytest.raises(InputError, match="Nothing was sent") as caught:
                await use(ident)
            assert said in str(caught.value)
        assert len(sandbox.requests) == requests

    async with use_runtime(settings, sandbox, time):
        video = str((await minimax_server.generate_video("a fox"))["task_id"])
        video_file = str((await minimax_server.query_video_generation(video))["file_id"])
        speech = await speak()
        await minimax_server.query_long_audio(speech)
        tasks = (await minimax_server.list_video_tasks())["tasks"]
        speech_file = next(str(task["file_id"]) for task in tasks if task["task_id"] == speech)
        ask_video = f'query_video_generation(task_id="{video}")'
        ask_speech = f'query_long_audio(task_id="{speech}")'
        wrong: list[Any] = [
            (minimax_server.query_long_audio, video, ask_video),
            (minimax_server.query_long_audio, video_file, ask_video),
            (minimax_server.query_long_audio, speech_file, ask_speech),
            (minimax_server.query_video_generation, speech, ask_speech),
            (minimax_server.query_video_generation, speech_file, ask_speech),
            (minimax_server.cancel_video_generation, speech, ask_speech),
            (minimax_server.upscale_video, speech, ask_speech),
            (minimax_server.retrieve_video_file, speech, ask_speech),
            (minimax_server.retrieve_video_file, speech_file, ask_speech),
        ]
        if not restarted:
            await check()
    if restarted:
        async with use_runtime(settings, sandbox, time):
            await check()


# --- links -------------------------------------------------------------------------------------


async def test_in_link_mode_every_question_gives_a_fresh_link_and_nothing_is_written(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(replace(settings, resource_mode="url"), sandbox, time):
        task_id = await speak()
        first = await minimax_server.query_long_audio(task_id)
        sandbox.clock.advance(3600)
        again = await minimax_server.query_long_audio(task_id)
    assert first["audio_url"] is not None
    assert first["audio_url"] != again["audio_url"]
    assert "archive" in first["next_step"]
    assert (first["path"], first["subtitle_path"]) == (None, None)
    assert not settings.base_path.exists()


async def test_an_expired_link_is_renewed_once(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/download/", status=403, body=b"<Error/>"))
    async with use_runtime(settings, sandbox, time):
        found = await minimax_server.query_long_audio(await speak())
    assert found["path"] is not None
    assert sandbox.count("GET /v1/files/retrieve") == 2


@pytest.mark.parametrize("mode", ["files", "url"])
async def test_what_minimax_keeps_no_more_is_said_plainly(
    mode: Any, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    changed = replace(settings, resource_mode="url") if mode == "url" else settings
    async with use_runtime(changed, sandbox, time):
        task_id = await speak()
        sandbox.faults.add(Fault("/v1/files/retrieve", code=2013, times=None))
        found = await minimax_server.query_long_audio(task_id)
    assert (found["status"], found["path"], found["audio_url"]) == ("completed", None, None)
    assert "no longer has it" in str(found["error"])
    assert "charged again" in str(found["error"])


async def test_a_job_asked_about_too_late_is_expired_and_says_so(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        task_id = await speak()
        sandbox.clock.advance(10 * 3600)
        found = await minimax_server.query_long_audio(task_id)
    assert found["status"] == "failed"
    assert "nine hours" in str(found["error"])


async def test_what_was_saved_is_found_although_minimax_has_it_no_more(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        task_id = await speak()
        first = await minimax_server.query_long_audio(task_id)
    sandbox.clock.advance(10 * 3600)
    async with use_runtime(settings, sandbox, time):
        again = await minimax_server.query_long_audio(task_id)
    assert again == first


# --- what comes behind the link ----------------------------------------------------------------

SOUND = media.load_speech("mp3").data
TITLES = json.dumps([{"text": "Hello.", "time_begin": 0, "time_end": 1500.5}]).encode()
EXTRA = json.dumps({"audio_length": 1500, "word_count": 6}).encode()


def answer_query(delivered: bytes) -> Behaviour:
    """A MiniMax with one finished job, whose link leads to this."""

    async def behave(connection: Connection) -> Any:
        [server] = running
        target = server.requests[-1].target
        if target.startswith(QUERY):
            body = http({"status": "Success", "file_id": 900, "base_resp": {"status_code": 0}})
        elif target.startswith("/v1/files/retrieve"):
            body = http({"file": {"file_id": 900, "download_url": f"{server.url}/x/900.tar"}})
        else:
            body = http(delivered)
        await connection.send(body)
        return CLOSED

    running: list[RawServer] = []
    behave.running = running  # type: ignore[attr-defined]
    return behave


async def deliver(delivered: bytes, settings: Settings, time: VirtualTime) -> dict[str, Any]:
    behave = answer_query(delivered)
    async with serve_raw(behave) as api, use_runtime(settings, api, time):
        behave.running.append(api)  # type: ignore[attr-defined]
        return dict(await minimax_server.query_long_audio("95157322514444"))


@pytest.mark.parametrize(
    ("delivered", "has_subtitles"),
    [
        pytest.param(SOUND, False, id="sound-alone"),
        pytest.param(make_tar(regular("a.mp3", SOUND)), False, id="archive-of-the-sound"),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", TITLES), regular("c", EXTRA)),
            True,
            id="sound-first",
        ),
        pytest.param(
            make_tar(regular("c", EXTRA), regular("b", TITLES), regular("a", SOUND)),
            True,
            id="sound-last",
        ),
        pytest.param(
            make_tar(regular("a.titles", SOUND), regular("a.mp3", TITLES)), True, id="names-swapped"
        ),
        pytest.param(
            make_tar(regular("../../../up.mp3", SOUND), regular("/abs.titles", TITLES)),
            True,
            id="names-that-lead-away",
        ),
        pytest.param(
            make_tar(of_type(b"2", link="/etc/passwd"), regular("a", SOUND)), False, id="link-first"
        ),
        pytest.param(
            make_tar(regular("a", b"what is this"), regular("b", SOUND)), False, id="odd-file-first"
        ),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", SOUND), regular("c", TITLES)),
            True,
            id="two-sounds",
        ),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", b"[{]")), False, id="broken-subtitles"
        ),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", b'[{"text": 1}]')), False, id="no-times"
        ),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", b'[{"text":"x","time_begin":1e999}]')),
            False,
            id="endless-time",
        ),
        pytest.param(
            make_tar(regular("a", SOUND), regular("b", b"[" * 100_000)), False, id="deep-subtitles"
        ),
        pytest.param(make_tar(regular("a", SOUND), regular("b", b"[]")), False, id="no-subtitles"),
        pytest.param(
            make_tar(regular("a", SOUND))[:-1024] + b"x" * 512, False, id="garbage-at-the-end"
        ),
    ],
)
async def test_the_sound_is_saved_whatever_comes_with_it(
    delivered: bytes, has_subtitles: bool, settings: Settings, time: VirtualTime
) -> None:
    found = await deliver(delivered, settings, time)
    folder = settings.base_path
    assert found["path"] == str(folder / "speech-900.mp3")
    assert Path(found["path"]).read_bytes() == SOUND
    assert (found["subtitle_path"] is not None) is has_subtitles
    names = {"speech-900.mp3", "speech-900.srt"} if has_subtitles else {"speech-900.mp3"}
    assert {path.name for path in folder.iterdir()} == names
    if has_subtitles:
        text = (folder / "speech-900.srt").read_text(encoding="utf-8")
        assert text == "1\n00:00:00,000 --> 00:00:01,500\nHello.\n"


@pytest.mark.parametrize(
    "delivered",
    [
        pytest.param(b"<html>", id="page"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04" + bytes(900), id="zip"),
        pytest.param(make_tar(regular("b", TITLES)), id="no-sound"),
        pytest.param(make_tar(), id="empty-archive"),
        pytest.param(make_tar(of_type(b"2", link="/etc/passwd")), id="only-a-link"),
        pytest.param(make_tar(regular("a", SOUND))[:5000], id="cut"),
        pytest.param(make_tar(regular("a.mp3", b"#!/bin/sh\n" * 99)), id="program"),
        pytest.param(make_tar(*[regular("x", b"")] * 101), id="very-many-files"),
    ],
)
async def test_what_holds_no_sound_is_not_saved_and_its_link_is_given(
    delivered: bytes, settings: Settings, time: VirtualTime
) -> None:
    found = await deliver(delivered, settings, time)
    assert (found["status"], found["path"]) == ("completed", None)
    assert found["audio_url"].endswith("/x/900.tar")
    assert "nothing was saved" in found["error"] or "ends too early" in found["error"]
    assert list(settings.base_path.glob("*")) == []


async def test_large_subtitles_do_not_hide_the_sound(settings: Settings, time: VirtualTime) -> None:
    items = json.dumps([{"text": "中" * 30, "time_begin": 0, "time_end": 1}] * 30_000).encode()
    assert len(items) > 5_000_000
    found = await deliver(make_tar(regular("a", SOUND), regular("b", items)), settings, time)
    assert Path(str(found["subtitle_path"])).stat().st_size > 2_000_000


async def test_subtitles_beyond_reason_are_left_out(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subtitles, "MOST_VALUES", 2)
    found = await deliver(make_tar(regular("a", SOUND), regular("b", TITLES)), settings, time)
    assert (found["path"] is not None, found["subtitle_path"]) == (True, None)


async def test_a_download_that_is_cut_behind_the_sound_is_begun_again_for_the_subtitles(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    size = len(media.load_speech("mp3").data) + 1200
    sandbox.faults.add(
        Fault("/download/", when="after", cut_after_bytes=size, announce_length=True)
    )
    async with use_runtime(settings, sandbox, time):
        found = await minimax_server.query_long_audio(await speak("A fox. " * 100))
    assert found["subtitle_path"] is not None
    assert len(list(settings.base_path.iterdir())) == 2


async def test_a_sound_without_its_row_is_found_on_disk_the_next_time(
    settings: Settings, time: VirtualTime
) -> None:
    first = await deliver(make_tar(regular("a", SOUND), regular("b", TITLES)), settings, time)
    again = await deliver(b"<html>", settings, time)
    assert again == first


async def test_a_download_that_takes_long_goes_on_and_is_joined(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minimax.voice import long_speech_job

    monkeypatch.setattr(long_speech_job, "SAVE_GRACE_SECONDS", 0.05)
    sandbox.faults.add(Fault("/download/", when="after", delay_seconds=0.3))
    async with use_runtime(settings, sandbox, time):
        task_id = await speak()
        first = await minimax_server.query_long_audio(task_id)
        monkeypatch.setattr(long_speech_job, "SAVE_GRACE_SECONDS", 5.0)
        last = await minimax_server.query_long_audio(task_id)
    assert "is being saved" in first["next_step"]
    assert (first["path"], last["path"] is not None) == (None, True)
    assert sum("/download/" in request.path for request in sandbox.requests) == 1


async def test_a_file_that_is_not_known_at_once_is_waited_for(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/files/retrieve", code=2013, times=3))
    async with use_runtime(settings, sandbox, time):
        found = await minimax_server.query_long_audio(await speak())
    assert found["path"] is not None


async def test_a_hanging_question_ends_with_its_wait(settings: Settings, time: VirtualTime) -> None:
    async with serve_raw(hang) as api, use_runtime(settings, api, time):
        with pytest.raises(UnansweredError):
            await minimax_server.query_long_audio("95157322514444", wait_seconds=0.01)


async def test_a_job_without_a_file_is_told_not_to_be_lost(
    settings: Settings, time: VirtualTime
) -> None:
    script = reply({"status": "Success", "file_id": 0, "base_resp": {"status_code": 0}})
    async with serve_raw(script) as api, use_runtime(settings, api, time):
        with pytest.raises(UnansweredError, match="not lost"):
            await minimax_server.query_long_audio("95157322514444")
