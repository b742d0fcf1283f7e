"""Speech, voices and images: the rest of the journey."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagesize
import pytest

import minimax_server
from minimax.errors import MaybeChargedError, RefusedError, StorageError
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.voice import subtitles
from tests.support import samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.raw_server import ok, serve_raw
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


@pytest.fixture
def recording(home: Path) -> Path:
    return put(home / "a.wav", samples.wav())


# --- speaking ----------------------------------------------------------------------------------


async def test_a_text_is_spoken_and_saved(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="Good morning, everybody.")
    path = Path(spoken["path"])
    assert path.parent == settings.base_path
    assert path.suffix == ".mp3"
    assert path.stat().st_size > 1000
    assert spoken["voice_id"] == "English_Graceful_Lady"
    assert spoken["characters"] == len("Good morning, everybody.")
    assert spoken["duration_ms"] > 1000
    assert sandbox.count_charges("speech") == 1


@pytest.mark.parametrize(
    ("wanted", "extension"),
    [
        ("mp3", "mp3"),
        ("wav", "wav"),
        ("flac", "flac"),
        ("opus", "opus"),
        ("pcm", "pcm"),
        ("pcmu_raw", "ulaw"),
        ("pcmu_wav", "wav"),
    ],
)
async def test_the_extension_follows_the_format(
    wanted: str, extension: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="Good morning.", format=wanted)
    assert Path(spoken["path"]).suffix == f".{extension}"


async def test_hex_in_the_answer_is_saved_and_never_shown(
    settings: Settings, time: VirtualTime
) -> None:
    sound = b"ID3" + bytes(range(256)) * 5000
    script = [
        ok(data={"audio": sound.hex(), "status": 2}, extra_info={"audio_length": 4210}),
    ]
    async with serve_raw(*script) as server:
        server_like: Any = type("At", (), {"url": server.url})
        async with use_runtime(settings, server_like, time):
            spoken = await minimax_server.text_to_audio("Good morning.")
    assert Path(str(spoken["path"])).read_bytes() == sound
    assert spoken["audio_url"] is None
    assert len(json.dumps(spoken)) < 1000


async def test_emotion_is_sent_only_when_given(settings: Settings, time: VirtualTime) -> None:
    script = [ok(data={"audio": "494433" + "00" * 50}, extra_info={})]
    async with serve_raw(*script) as server:
        at: Any = type("At", (), {"url": server.url})
        async with use_runtime(settings, at, time):
            await minimax_server.text_to_audio("Good morning.")
            await minimax_server.text_to_audio("Good morning.", emotion="calm")
    sent = [request.json["voice_setting"] for request in server.requests]
    assert sent == [
        {"voice_id": "English_Graceful_Lady"},
        {"voice_id": "English_Graceful_Lady", "emotion": "calm"},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"text": "x" * 10_000}, "long_text_to_audio", id="too-long"),
        pytest.param({"emotion": "bored"}, "emotion must be one of", id="unknown-emotion"),
        pytest.param({"emotion": "whisper"}, "not for speech-2.8-hd", id="whisper-on-2.8"),
        pytest.param({"format": "ogg"}, "format must be one of", id="format"),
        pytest.param({"sample_rate": 48000}, "sample_rate must be one of", id="rate"),
        pytest.param({"bitrate": 1}, "bitrate must be one of", id="bitrate"),
        pytest.param({"bitrate": 64000, "format": "wav"}, "mp3 only", id="bitrate-for-wav"),
        pytest.param({"channel": 3}, "channel must be one of", id="channel"),
        pytest.param({"speed": 3}, "speed must be 2 or less", id="speed"),
        pytest.param({"vol": 0}, "vol must be more than 0", id="vol"),
        pytest.param({"pitch": 13}, "pitch must be 12 or less", id="pitch"),
        pytest.param({"output_directory": "../x"}, "MINIMAX_MCP_BASE_PATH", id="folder"),
    ],
)
async def test_speech_that_would_be_refused_costs_nothing(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "text_to_audio", **{"text": "Hello.", **arguments})
    assert not sandbox.requests


async def test_an_unknown_model_is_refused_with_the_known_ones(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(client, "text_to_audio", text="Hello.", model="speech-9-hd")
    assert "The model speech-9-hd is not known here; known are: speech-2.8-hd, " in text
    assert "speech-01-turbo" in text
    assert text.count("MiniMax code 2013") == 1
    assert not sandbox.count_charges("speech")


async def test_a_refusal_of_a_known_model_does_not_name_models(
    settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("/v1/t2a_v2", code=2013, message="invalid params, text"))
    async with connected(settings, sandbox) as client:
        text = await failure(client, "text_to_audio", text="Hello.")
    assert "known" not in text


async def test_a_model_that_a_plan_lacks_is_refused_as_before(
    settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("/v1/t2a_v2", code=2061))
    async with connected(settings, sandbox) as client:
        text = await failure(client, "text_to_audio", text="Hello.", model="speech-9-hd")
    assert "Use another model" in text
    assert "known are" not in text


async def test_subtitles_are_saved_as_srt(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="One. Two.", subtitles=True)
    lines = Path(spoken["subtitle_path"]).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "1"
    assert " --> " in lines[1]
    assert lines[2] == "One."


def test_srt_times_are_hours_minutes_seconds_and_milliseconds() -> None:
    items = [{"text": "Hi\nthere", "time_begin": 0, "time_end": 3_661_007.4}]
    assert subtitles.srt_text(items) == "1\n00:00:00,000 --> 01:01:01,007\nHi there\n"


async def test_the_first_use_of_a_clone_says_that_its_fee_falls_due_and_the_second_does_not(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording))
        first = await call(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
        second = await call(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
    assert "charges its fee, $1.50 (list price" in first["next_step"]
    assert "November 2026" in first["next_step"]
    assert "$1.50" not in second["next_step"]
    assert sandbox.count_charges("voice_clone") == 1


@pytest.mark.parametrize(
    ("preview", "fee"),
    [({"preview_text": "Good day."}, "$1.50"), ({}, "$3.00")],
    ids=["with a preview the ledger knows it", "without one it may be either"],
)
async def test_the_fee_of_a_clone_that_an_earlier_server_made_is_the_higher_one_only_if_unknown(
    preview: dict[str, str], fee: str, settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording), **preview)
    async with connected(replace(settings, daily_limit_usd=1.0), sandbox) as client:
        text = await failure(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
    assert f"this would cost {fee}" in text


async def test_a_listed_voice_has_no_fee_coming(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        voices = await call(client, "list_voices", voice_type="system")
        other = voices["system"][-1]["voice_id"]
        spoken = await call(client, "text_to_audio", text="Hello.", voice_id=other)
    assert "charges its fee" not in spoken["next_step"]


async def test_a_voice_that_is_gone_explains_the_seven_days(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording))
        sandbox.clock.advance(8 * 24 * 3600)
        text = await failure(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
    assert "7 days" in text
    assert "2054" in text


async def test_a_nearly_empty_clip_is_noticed(settings: Settings, time: VirtualTime) -> None:
    script = [ok(data={"audio": "494433" + "00" * 50}, extra_info={"audio_length": 200})]
    async with serve_raw(*script) as server:
        at: Any = type("At", (), {"url": server.url})
        async with use_runtime(settings, at, time):
            spoken = await minimax_server.text_to_audio("A long sentence takes its time.")
    assert "only 0.2 seconds" in spoken["next_step"]


@pytest.mark.parametrize(
    ("tool", "path", "arguments"),
    [
        ("text_to_audio", "/v1/t2a_v2", {"text": "Hello."}),
        ("voice_design", "/v1/voice_design", {"prompt": "calm", "preview_text": "Hello."}),
        ("text_to_image", "/v1/image_generation", {"prompt": "a cat"}),
    ],
)
async def test_what_is_billed_is_not_repeated_in_doubt_and_is_when_surely_not_made(
    tool: str,
    path: str,
    arguments: dict[str, Any],
    settings: Settings,
    sandbox: Sandbox,
    time: VirtualTime,
) -> None:
    async with use_runtime(settings, sandbox, time):
        sandbox.faults.add(Fault(path, when="after", reset=True))
        with pytest.raises(MaybeChargedError, match="not repeated"):
            await getattr(minimax_server, tool)(**arguments)
        assert sandbox.count(f"POST {path}") == 1
        sandbox.faults.add(Fault(path, code=1002, times=2))
        await getattr(minimax_server, tool)(**arguments)
    assert sandbox.count(f"POST {path}") == 4


async def test_speech_that_cannot_be_saved_is_still_handed_over_as_a_link(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    put(settings.base_path, b"a file where the folder should be")
    async with use_runtime(settings, sandbox, time):
        spoken = await minimax_server.text_to_audio("Hello.")
    assert spoken["path"] is None
    assert str(spoken["audio_url"]).startswith("http")
    assert f"Saving in {settings.base_path} failed: " in spoken["next_step"]
    assert "audio_url still works for a while" in spoken["next_step"]
    [warning] = [record.getMessage() for record in caplog.records if "delivery" in record.name]
    assert warning.startswith(f"A paid result could not be saved: Saving in {settings.base_path} ")
    assert "Signature" not in caplog.text
    assert "MiniMax charges for making it again." in spoken["next_step"]


async def test_speech_without_a_link_that_cannot_be_saved_says_that_it_is_charged(
    settings: Settings, time: VirtualTime
) -> None:
    put(settings.base_path, b"a file where the folder should be")
    async with serve_raw(ok(data={"audio": "ff" * 900})) as api, use_runtime(settings, api, time):
        with pytest.raises(StorageError, match=r"is charged.*MiniMax charges for making it again"):
            await minimax_server.text_to_audio("Hello.", "English_Graceful_Lady")


@pytest.mark.parametrize("length", [4210, "4210", 4209.7, None, "", "soon", 1e999], ids=repr)
async def test_an_odd_fact_beside_the_sound_does_not_spoil_what_was_paid_for(
    length: Any, settings: Settings, time: VirtualTime
) -> None:
    sound = (b"ID3" + bytes(900)).hex()
    async with (
        serve_raw(ok(data={"audio": sound}, extra_info={"audio_length": length})) as api,
        use_runtime(settings, api, time),
    ):
        spoken = await minimax_server.text_to_audio("Hello.")
    assert spoken["path"]
    assert spoken["duration_ms"] in (4210, None)


async def test_subtitles_that_come_at_the_second_try_are_saved(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        sandbox.faults.add(Fault("/download/", when="after", times=1, status=200, body=b"ID3x"))
        sandbox.faults.add(Fault("/download/", status=503))
        spoken = await minimax_server.text_to_audio("Hello. How are you?", subtitles=True)
    assert spoken["subtitle_path"]


async def test_an_empty_answer_about_images_is_a_doubt_and_no_moderation(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(ok(data=None)) as api, use_runtime(settings, api, time):
        with pytest.raises(MaybeChargedError, match="may have made and charged it"):
            await minimax_server.text_to_image("a lake")
    assert len(api.requests) == 1


async def test_in_url_mode_speech_and_images_are_links(
    settings: Settings, sandbox: Sandbox
) -> None:
    links_only = replace(settings, resource_mode="url")
    async with connected(links_only, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="Hello.", subtitles=True)
        images = await call(client, "text_to_image", prompt="a cat", n=2)
        designed = await call(client, "voice_design", prompt="calm", preview_text="Hello.")
    assert spoken["path"] is None
    assert spoken["audio_url"].startswith("http")
    assert images["paths"] == []
    assert len(images["image_urls"]) == 2
    assert designed["preview_path"] is None
    assert not settings.base_path.exists()


@pytest.mark.parametrize(
    ("n", "mode", "said"),
    [
        (1, "url", "Give the person the link; it works for about a day."),
        (2, "url", "Give the person the 2 links; they work for about a day."),
        (1, "local", "The image is saved; tell the person where."),
        (2, "local", "2 images are saved; tell the person where."),
    ],
)
async def test_one_image_is_spoken_of_as_one(
    n: int, mode: Any, said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(replace(settings, resource_mode=mode), sandbox) as client:
        images = await call(client, "text_to_image", prompt="a cat", n=n)
    assert said in images["next_step"]


async def test_images_that_cannot_be_saved_are_handed_over_as_links(
    settings: Settings, sandbox: Sandbox
) -> None:
    put(settings.base_path, b"a file where the folder should be")
    async with connected(settings, sandbox) as client:
        images = await call(client, "text_to_image", prompt="a cat", n=2)
    assert f" Saving in {settings.base_path} failed: " in images["next_step"]
    assert "image_urls still work for a while." in images["next_step"]


# --- voices ------------------------------------------------------------------------------------


async def test_voices_are_found_by_words_and_the_answer_stays_small(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        everything = await client.call_tool("list_voices", {})
        found = await call(client, "list_voices", search="graceful LADY")
        more = await call(client, "list_voices", limit=500)
    size = len(everything.model_dump_json(by_alias=True, exclude_none=True))
    assert size < 8 * 1024
    assert everything.structured_content is not None
    assert everything.structured_content["total"] >= 300
    assert len(everything.structured_content["system"]) == 20
    assert "English_Graceful_Lady" in [voice["voice_id"] for voice in found["system"]]
    assert len(more["system"]) >= 300


async def test_all_three_groups_are_listed_and_null_groups_are_tolerated(
    settings: Settings, time: VirtualTime
) -> None:
    script = [
        ok(
            system_voice=None,
            voice_cloning=[{"voice_id": "Mine-12345", "description": [], "created_time": "x"}],
            voice_generation=[{"voice_id": "ttv-voice-1", "description": None}],
        )
    ]
    async with serve_raw(*script) as server:
        at: Any = type("At", (), {"url": server.url})
        async with use_runtime(settings, at, time):
            found = await minimax_server.list_voices()
    assert found["system"] == []
    assert [voice["voice_id"] for voice in found["cloned"]] == ["Mine-12345"]
    assert [voice["voice_id"] for voice in found["designed"]] == ["ttv-voice-1"]
    assert found["total"] == 2
    assert "only after" in found["next_step"]


async def test_a_new_clone_shows_up_after_its_first_use(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = (await call(client, "voice_clone", audio=str(recording)))["voice_id"]
        before = await call(client, "list_voices", voice_type="voice_cloning")
        await call(client, "text_to_audio", text="Hello.", voice_id=voice)
        after = await call(client, "list_voices", voice_type="voice_cloning")
    assert before["cloned"] == []
    assert [found["voice_id"] for found in after["cloned"]] == [voice]


async def test_a_designed_voice_has_its_preview_saved_and_not_shown(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_design", prompt="calm, deep", preview_text="Hello.")
    assert Path(voice["preview_path"]).stat().st_size > 1000
    assert len(json.dumps(voice)) < 1000
    assert "$3.00" in voice["next_step"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"preview_text": "x" * 501}, "500 at most"),
        ({"voice_id": "9digits-first"}, "begin with a letter"),
    ],
)
async def test_a_design_that_would_be_refused_costs_nothing(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox
) -> None:
    request = {"prompt": "calm", "preview_text": "Hello.", **arguments}
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "voice_design", **request)
    assert not sandbox.requests


async def test_a_voice_is_deleted_by_its_exact_id(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = (await call(client, "voice_clone", audio=str(recording)))["voice_id"]
        await call(client, "text_to_audio", text="Hello.", voice_id=voice)
        assert "nothing was deleted" in await failure(client, "delete_voice", voice_id="Other-123")
        deleted = await call(client, "delete_voice", voice_id=voice)
        assert "2054" in await failure(client, "text_to_audio", text="Hello.", voice_id=voice)
    assert deleted == {"voice_id": voice, "deleted": True}


# --- images ----------------------------------------------------------------------------------


async def test_images_are_saved_and_what_was_held_back_is_counted(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        made = await call(client, "text_to_image", prompt="a cat [block one]", n=3)
    assert made["blocked"] == 1
    assert len(made["paths"]) == 2
    assert all(Path(path).stat().st_size > 100 for path in made["paths"])
    assert "held 1 back" in made["next_step"]


async def test_when_every_image_is_held_back_it_is_an_error(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match="every image"):
            await minimax_server.text_to_image("[block one]")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prompt": "x" * 1501}, "1500 at most"),
        ({"aspect_ratio": "5:4"}, "aspect_ratio must be one of"),
        ({"n": 10}, "n must be 9 or less"),
        ({"width": 1024}, "width and height belong together"),
        ({"height": 1024}, "width and height belong together"),
        ({"width": 504, "height": 1024}, "width must be 512 or more"),
        ({"width": 1024, "height": 2056}, "height must be 2048 or less"),
        ({"width": 1023, "height": 1024}, "width must be a multiple of 8, like 1016"),
        ({"width": 1024, "height": 516}, "height must be a multiple of 8, like 512"),
        ({"width": 1024.5, "height": 1024}, "width must be a whole number"),
        (
            {"width": 1024, "height": 576, "aspect_ratio": "16:9"},
            "aspect_ratio and width with height exclude each other",
        ),
        ({"subject_image": "~/missing.png"}, "no such file"),
    ],
)
async def test_images_that_would_be_refused_cost_nothing(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "text_to_image", **{"prompt": "a cat", **arguments})
    assert not sandbox.requests


@pytest.mark.parametrize("size", [(512, 2048), (1000, 1024)], ids=str)
async def test_images_have_the_width_and_height_that_were_asked_for(
    size: tuple[int, int], settings: Settings, sandbox: Sandbox
) -> None:
    width, height = size
    async with connected(settings, sandbox) as client:
        made = await call(client, "text_to_image", prompt="a cat", n=2, width=width, height=height)
    assert [imagesize.get(path) for path in made["paths"]] == [size, size]
    assert sandbox.bill[0].amount_usd == pytest.approx(2 * 0.0035)


async def test_a_size_is_sent_as_it_was_given_and_a_ratio_without_one(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(ok(data={"image_urls": []})) as api, use_runtime(settings, api, time):
        for size in ({"width": 640, "height": 512}, {"aspect_ratio": "16:9"}, {}):
            with pytest.raises(MaybeChargedError):
                await minimax_server.text_to_image("a cat", **size)
    plain = {"model": "image-01", "prompt": "a cat", "n": 1, "response_format": "url"}
    assert [request.json for request in api.requests] == [
        {**plain, "width": 640, "height": 512},
        {**plain, "aspect_ratio": "16:9"},
        plain,
    ]


async def test_another_size_is_another_purchase(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/image_generation", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.text_to_image("a cat", width=640, height=512)
        other = await minimax_server.text_to_image("a cat", width=512, height=640)
        same = await minimax_server.text_to_image("a cat", width=640, height=512)
    assert "ended in doubt" not in other["next_step"]
    assert "ended in doubt" in same["next_step"]


async def test_a_subject_is_sent_along(settings: Settings, sandbox: Sandbox, home: Path) -> None:
    face = put(home / "face.png", samples.png())
    async with connected(settings, sandbox) as client:
        made = await call(client, "text_to_image", prompt="a cat", subject_image=str(face))
    assert len(made["paths"]) == 1


async def test_the_whole_journey_clone_speech_two_images_video_file(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording))
        await call(client, "text_to_audio", text="Hello.", voice_id=voice["voice_id"])
        made = await call(client, "text_to_image", prompt="sunrise", n=2, aspect_ratio="16:9")
        first, last = made["paths"]
        job = await call(client, "generate_video", first_frame=first, last_frame=last)
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        video = await call(client, "retrieve_video_file", file_id=status["file_id"])
    assert video["status"] == "saved"
    assert job["model"] == "MiniMax-Hailuo-02"
