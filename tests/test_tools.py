"""The tools as a host sees them: schemas, arguments, results, errors."""

import asyncio
import json
import pydoc
import re
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from pydantic import SecretStr

import minimax_server
from minimax.catalog import VIDEO_MODELS, VideoMode
from minimax.errors import InputError, MaybeChargedError, MiniMaxError, RefusedError, SettingsError
from minimax.ledger.records import Kind
from minimax.ledger.sqlite import SqliteLedger
from minimax.sandbox import Fault, Sandbox, serve
from minimax.settings import Settings
from minimax.video import prepare, submit
from minimax.video.request import VideoRequest
from tests.conftest import KEY
from tests.support import samples
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

# --- what a host reads -------------------------------------------------------------------------


async def list_tools() -> list[dict[str, Any]]:
    async with Client(minimax_server.make_server()) as client:
        tools = (await client.list_tools()).tools
    return [json.loads(tool.model_dump_json(by_alias=True, exclude_none=True)) for tool in tools]


async def test_schemas_are_plain_and_strict() -> None:
    for tool in await list_tools():
        schema = tool["inputSchema"]
        text = json.dumps(schema)
        assert "anyOf" not in text
        assert "null" not in text
        assert "additionalProperties" not in text  # google-genai fails where it is
        assert tool["outputSchema"]["type"] == "object"
        assert tool["title"]
        assert all("description" in field for field in schema["properties"].values()), tool["name"]


async def test_only_what_cannot_be_left_out_is_required() -> None:
    required = {
        tool["name"]: tool["inputSchema"].get("required", []) for tool in await list_tools()
    }
    assert required == {
        "voice_clone": ["audio"],
        "generate_video": [],
        "query_video_generation": ["task_id"],
        "retrieve_video_file": ["file_id"],
        "upscale_video": ["task_id"],
        "account_status": [],
        "list_video_tasks": [],
        "cancel_video_generation": ["task_id"],
        "text_to_audio": ["text"],
        "long_text_to_audio": [],
        "query_long_audio": ["task_id"],
        "list_voices": [],
        "voice_design": ["prompt", "preview_text"],
        "delete_voice": ["voice_id"],
        "text_to_image": ["prompt"],
        "transcribe_audio": ["audio"],
    }


async def test_annotations_are_honest() -> None:
    hints = {tool["name"]: tool["annotations"] for tool in await list_tools()}
    for paid in (
        *("voice_clone", "generate_video", "upscale_video", "transcribe_audio"),
        *("text_to_audio", "long_text_to_audio", "voice_design", "text_to_image"),
    ):
        assert hints[paid]["readOnlyHint"] is False
        assert hints[paid]["idempotentHint"] is False
        assert hints[paid]["openWorldHint"] is True
    for free in ("query_video_generation", "query_long_audio", "list_video_tasks", "list_voices"):
        assert hints[free]["readOnlyHint"] is True
    assert hints["delete_voice"]["destructiveHint"] is True


LARGEST_LIST_BYTES = 32 * 1024


async def test_the_whole_list_is_small() -> None:
    as_sent = json.dumps(await list_tools(), ensure_ascii=False, separators=(",", ":"))
    assert len(as_sent.encode()) <= LARGEST_LIST_BYTES


CHARACTERS_THAT_EVERY_HOST_READS = 512
RULES = [
    "Most calls cost money",
    "generate_video once",
    "query_video_generation(task_id, wait_seconds=45) until completed or failed",
    "Never request the same thing again unless a result says so",
    "Yesterday's jobs: list_video_tasks",
    "Clone only voices that the person may use",
]


@pytest.mark.parametrize("is_sandbox", [False, True], ids=["MiniMax", "sandbox"])
async def test_the_beginning_of_the_instructions_carries_every_rule(
    is_sandbox: bool, settings: Settings
) -> None:
    backend = partial(serve, Sandbox()) if is_sandbox else None
    async with Client(minimax_server.make_server(lambda: settings, backend=backend)) as client:
        text = client.instructions or ""
    beginning = text[:CHARACTERS_THAT_EVERY_HOST_READS]
    assert [rule for rule in RULES if rule not in beginning] == []
    assert {"voice_clone", "text_to_audio", "retrieve_video_file"} <= set(re.findall(r"\w+", text))


# --- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        pytest.param("query_video_generation", {}, "task_id is required.", id="nothing-given"),
        pytest.param(
            "query_video_generation", {"task_id": None}, "task_id is required.", id="null"
        ),
        pytest.param("query_video_generation", {"task_id": ""}, "task_id is required.", id="empty"),
        pytest.param(
            "query_video_generation",
            {"task_id": "1", "wait": 3},
            "There is no argument 'wait'. This tool takes: task_id, wait_seconds.",
            id="unknown-name",
        ),
        pytest.param(
            "query_video_generation",
            {"task_id": "1", "wait_seconds": 46},
            "wait_seconds must be 45 or less.",
            id="over-range",
        ),
        pytest.param(
            "query_video_generation",
            {"task_id": "1", "wait_seconds": "soon"},
            "wait_seconds must be a number.",
            id="wrong-type",
        ),
        pytest.param(
            "query_video_generation", {"task_id": ["1"]}, "task_id must be a text.", id="a-list"
        ),
        pytest.param(
            "query_video_generation", {"task_id": "../1"}, "task_id is not an id.", id="traversal"
        ),
        pytest.param(
            "query_video_generation", {"task_id": "1&x=2"}, "task_id is not an id.", id="query"
        ),
        pytest.param(
            "generate_video",
            {"prompt": "x", "duration": 6.5},
            "duration must be a whole number.",
            id="half-a-second",
        ),
        pytest.param(
            "generate_video",
            {"prompt": "x", "prompt_optimizer": "maybe"},
            "prompt_optimizer must be true or false.",
            id="maybe",
        ),
        pytest.param("list_video_tasks", {"limit": 0}, "limit must be 1 or more.", id="limit-0"),
    ],
)
async def test_a_wrong_argument_is_named_in_our_own_words_and_nothing_is_sent(
    name: str, arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, name, **arguments)
    assert not sandbox.requests


async def test_null_and_empty_stand_for_not_given(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(
            client,
            "generate_video",
            prompt="[1, 2]",
            first_frame=None,
            last_frame="",
            model="",
            duration=None,
            resolution=None,
        )
    assert job["model"] == "MiniMax-Hailuo-2.3"


@pytest.mark.parametrize(
    ("name", "needed", "empty", "path"),
    [
        pytest.param(
            "generate_video",
            {"prompt": "a fox"},
            {
                "duration": 0,
                "references": [""],
                "reference_videos": ["", ""],
                "reference_audios": [],
            },
            "/v1/video_generation",
            id="video",
        ),
        pytest.param(
            "text_to_audio",
            {"text": "Good day."},
            {
                "sample_rate": 0,
                "bitrate": 0,
                "channel": 0,
                "pronunciation": [],
                "voice_mix": [],
            },
            "/v1/t2a_v2",
            id="speech",
        ),
        pytest.param(
            "text_to_image",
            {"prompt": "a fox"},
            {"width": 0, "height": 0},
            "/v1/image_generation",
            id="image",
        ),
    ],
)
async def test_what_a_model_writes_under_a_strict_schema_stands_for_not_given(
    name: str,
    needed: dict[str, Any],
    empty: dict[str, Any],
    path: str,
    settings: Settings,
    sandbox: Sandbox,
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, name, **needed)
        await call(client, name, **needed, **empty)
    assert sandbox.count(f"POST {path}") == 2
    ledger = SqliteLedger(settings.state_dir)
    plain, strict = await ledger.newest(2, kinds=list(Kind))
    await ledger.aclose()
    assert plain.fingerprint == strict.fingerprint


async def test_an_id_may_be_written_as_a_number(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(client, "query_video_generation", task_id=123456)
    assert "must be" not in text


async def test_python_callers_get_the_same_checks_as_exceptions(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(InputError, match="wait_seconds must be 45"):
            await minimax_server.query_video_generation("1", 90)
        with pytest.raises(InputError, match="task_id is required"):
            await minimax_server.query_video_generation("")
        with pytest.raises(TypeError, match="nonsense"):
            await minimax_server.generate_video("x", nonsense=1)  # type: ignore[call-arg]


# --- cloning -----------------------------------------------------------------------------------


@pytest.fixture
def recording(home: Path) -> Path:
    return put(home / "my voice.wav", samples.wav())


async def test_a_voice_is_cloned_and_its_preview_saved(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(
            client, "voice_clone", audio=str(recording), preview_text="Hello", voice_id="Sunny-1234"
        )
    assert voice["voice_id"] == "Sunny-1234"
    assert voice["status"] == "cloned"
    assert Path(voice["demo_audio_path"]).parent == settings.base_path
    assert Path(voice["demo_audio_path"]).stat().st_size > 1000
    assert voice["file_id"].isdigit()
    assert "7 days" in voice["next_step"]


async def test_without_a_voice_id_one_is_made_and_without_text_there_is_no_preview(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording))
    assert voice["voice_id"].startswith("voice-")
    assert voice["demo_audio_url"] is None
    assert voice["demo_audio_path"] is None
    assert sandbox.count_charges("speech") == 0


async def test_in_url_mode_the_preview_is_a_link_and_nothing_is_written(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    links_only = replace(settings, resource_mode="url")
    async with connected(links_only, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording), preview_text="Hello")
    assert voice["demo_audio_url"].startswith("http")
    assert voice["demo_audio_path"] is None
    assert not settings.base_path.exists()


async def test_a_repeated_clone_does_not_upload_again(
    settings: Settings, sandbox: Sandbox, recording: Path, home: Path
) -> None:
    twin = put(home / "copy.wav", recording.read_bytes())
    async with connected(settings, sandbox) as client:
        first = await call(client, "voice_clone", audio=str(recording))
        second = await call(client, "voice_clone", audio=str(twin))
    assert first["voice_id"] != second["voice_id"]
    assert sandbox.count("POST /v1/files/upload") == 1
    assert sandbox.count("POST /v1/voice_clone") == 2


async def test_an_upload_that_minimax_no_longer_has_is_made_anew(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, "voice_clone", audio=str(recording))
        sandbox.files.clear()
        await call(client, "voice_clone", audio=str(recording))
    assert sandbox.count("POST /v1/files/upload") == 2


async def test_the_file_id_of_an_earlier_upload_is_taken(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        first = await call(client, "voice_clone", audio=str(recording))
        await call(client, "voice_clone", audio=first["file_id"])
    assert sandbox.count("POST /v1/files/upload") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"voice_id": "1starts-with-digit"}, "begin with a letter", id="digit-first"),
        pytest.param({"voice_id": "short"}, "8 to 256", id="too-short"),
        pytest.param({"voice_id": "ends-with-dash-"}, "end with a letter", id="dash-last"),
        pytest.param({"voice_id": "has blanks in"}, "only letters", id="blanks"),
        pytest.param({"voice_id": "x" * 257}, "8 to 256", id="too-long"),
        pytest.param({"preview_text": "x" * 1001}, "1000 at most", id="long-preview"),
        pytest.param({"text_validation": "x" * 201}, "200 at most", id="long-validation"),
        pytest.param({"prompt_text": "Hi."}, "belong together", id="prompt-text-alone"),
        pytest.param({"accuracy": 1.5}, "accuracy must be 1 or less", id="accuracy"),
    ],
)
async def test_a_clone_that_would_be_refused_costs_nothing(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "voice_clone", audio=str(recording), **arguments)
    assert not sandbox.requests


async def test_a_prompt_clip_is_checked_before_anything_is_sent(
    settings: Settings, sandbox: Sandbox, recording: Path, home: Path
) -> None:
    clip = put(home / "clip.wav", samples.wav(9))
    async with connected(settings, sandbox) as client:
        text = await failure(
            client, "voice_clone", audio=str(recording), prompt_audio=str(clip), prompt_text="Hi."
        )
        assert "less than 8 seconds" in text
        assert not sandbox.requests
        put(clip, samples.wav(6))
        await call(
            client, "voice_clone", audio=str(recording), prompt_audio=str(clip), prompt_text="Hi."
        )
    assert sandbox.count("POST /v1/files/upload") == 2


async def test_a_lost_answer_to_a_clone_is_success_where_the_id_was_ours(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/voice_clone", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(str(recording))
    assert voice["status"] == "cloned"
    assert sandbox.count("POST /v1/voice_clone") == 2


async def test_a_lost_answer_with_the_callers_own_id_tells_both_readings(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/voice_clone", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match="just cloned, or an older one"):
            await minimax_server.voice_clone(str(recording), "Sunny-1234")


async def test_a_taken_id_is_an_error_where_nothing_was_in_doubt(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, "voice_clone", audio=str(recording), voice_id="Sunny-1234")
        text = await failure(client, "voice_clone", audio=str(recording), voice_id="Sunny-1234")
    assert "taken already" in text
    assert "2039" in text


async def test_a_preview_of_an_unknown_model_is_refused_with_the_known_ones(
    settings: Settings, sandbox: Sandbox, recording: Path
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(
            client, "voice_clone", audio=str(recording), preview_text="Hi", model="speech-9"
        )
    assert "The model speech-9 is not known here; known are: speech-2.8-hd, " in text
    assert not sandbox.voices


async def test_a_clone_with_a_billed_preview_is_not_repeated_in_doubt(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/voice_clone", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError, match="may have made and charged"):
            await minimax_server.voice_clone(str(recording), preview_text="Hello")
    assert sandbox.count("POST /v1/voice_clone") == 1


async def test_a_voice_is_cloned_from_an_earlier_upload_wherever_inputs_may_come_from(
    settings: Settings, sandbox: Sandbox, recording: Path, home: Path
) -> None:
    (home / "only").mkdir()
    elsewhere = replace(settings, input_paths=(home / "only",))
    async with connected(settings, sandbox) as client:
        voice = await call(client, "voice_clone", audio=str(recording))
    async with connected(elsewhere, sandbox) as client:
        again = await call(client, "voice_clone", audio=voice["file_id"])
    assert again["status"] == "cloned"
    assert sandbox.count("POST /v1/files/upload") == 1


async def test_a_preview_that_cannot_be_saved_does_not_hide_the_voice(
    settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    put(settings.base_path, b"a file where the folder should be")
    async with use_runtime(settings, sandbox, time):
        voice = await minimax_server.voice_clone(str(recording), preview_text="Hello")
    assert voice["status"] == "cloned"
    assert voice["demo_audio_path"] is None
    assert f"Saving in {settings.base_path} failed: " in voice["next_step"]


@pytest.mark.parametrize("path", ["/v1/files/upload", "/v1/voice_clone"])
async def test_two_503s_then_a_success_are_three_requests(
    path: str, settings: Settings, sandbox: Sandbox, recording: Path, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault(path, times=2, status=503))
    async with use_runtime(settings, sandbox, time):
        await minimax_server.voice_clone(str(recording))
    assert sandbox.count(f"POST {path}") == 3


# --- generating --------------------------------------------------------------------------------


@pytest.fixture
def frames(home: Path) -> tuple[str, str]:
    first = put(home / "first.png", samples.png(400, 401))
    return str(first), str(put(home / "last.png", samples.png(402, 400)))


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        pytest.param({"prompt": "x"}, ("MiniMax-Hailuo-2.3", 6, "768P"), id="text"),
        pytest.param({"first_frame": 0}, ("MiniMax-Hailuo-2.3", 6, "768P"), id="first-frame"),
        pytest.param(
            {"first_frame": 0, "last_frame": 1}, ("MiniMax-Hailuo-02", 6, "768P"), id="both-frames"
        ),
        pytest.param({"subject_image": 0}, ("S2V-01", 6, "720P"), id="subject"),
        pytest.param(
            {"prompt": "x", "duration": 10}, ("MiniMax-Hailuo-2.3", 10, "768P"), id="ten-seconds"
        ),
        pytest.param(
            {"prompt": "x", "resolution": "1080p"},
            ("MiniMax-Hailuo-2.3", 6, "1080P"),
            id="resolution-in-lower-case",
        ),
        pytest.param(
            {"first_frame": 0, "model": "MiniMax-Hailuo-02", "resolution": "512P"},
            ("MiniMax-Hailuo-02", 6, "512P"),
            id="512p-with-a-first-frame",
        ),
        pytest.param({"prompt": "x", "model": "T2V-01"}, ("T2V-01", 6, "720P"), id="01-series"),
    ],
)
async def test_the_model_and_size_follow_from_the_inputs(
    inputs: dict[str, Any],
    expected: tuple[str, int, str],
    frames: tuple[str, str],
    settings: Settings,
    sandbox: Sandbox,
) -> None:
    images = {name: frames[n] for name, n in inputs.items() if isinstance(n, int) and n < 2}
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", **{**inputs, **images})
    assert (job["model"], job["duration"], job["resolution"]) == expected
    assert job["status"] == "queued"
    assert job["reused"] is False
    assert sandbox.count_charges("video") == 1


@pytest.mark.parametrize("mode", VideoMode, ids=lambda mode: mode.name)
@pytest.mark.parametrize("model", VIDEO_MODELS)
def test_every_combination_is_refused_here_exactly_where_the_table_does_not_hold_it(
    model: str, mode: VideoMode, frames: tuple[str, str], settings: Settings
) -> None:
    inputs: dict[VideoMode, dict[str, Any]] = {
        VideoMode.TEXT: {},
        VideoMode.FIRST_FRAME: {"first_frame": frames[0]},
        VideoMode.LAST_FRAME: {"last_frame": frames[0]},
        VideoMode.FIRST_AND_LAST_FRAME: {"first_frame": frames[0], "last_frame": frames[1]},
        VideoMode.SUBJECT: {"subject_image": frames[0]},
        VideoMode.REFERENCES: {"references": list(frames)},
    }
    known = VIDEO_MODELS[model]
    for resolution in ("480P", "512P", "720P", "768P", "1080P", "2K"):
        for duration in (3, 4, 5, 6, 10, 15, 16):
            request = VideoRequest(
                prompt="x", model=model, resolution=resolution, duration=duration, **inputs[mode]
            )
            legal = mode in known.modes and (resolution, duration) in known.sizes_for(mode)
            with ExitStack() as opened:
                if legal:
                    order = prepare.prepare(request, settings=settings, opened=opened)
                    assert ("duration" in order.body) is known.sends_size
                else:
                    with pytest.raises(InputError, match=r"Allowed|Models that do"):
                        prepare.prepare(request, settings=settings, opened=opened)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        pytest.param({}, "prompt is required", id="nothing"),
        pytest.param({"last_frame": 1}, "last_frame needs a first_frame", id="last-frame-alone"),
        pytest.param(
            {"subject_image": 0, "first_frame": 1}, "cannot be combined", id="subject-and-frame"
        ),
        pytest.param({"prompt": "x" * 2001}, "2000 at most", id="long-prompt"),
        pytest.param(
            {"prompt": "x", "model": "MiniMax-Hailuo-2.3-Fast"},
            "makes no video from a prompt alone",
            id="fast-without-frame",
        ),
        pytest.param(
            {"prompt": "x", "duration": 10, "resolution": "1080P"},
            "768P with 6 or 10 seconds",
            id="ten-seconds-in-1080p",
        ),
        pytest.param(
            {"prompt": "x", "model": "T2V-01", "fast_pretreatment": True},
            "fast_pretreatment is for",
            id="pretreatment",
        ),
        pytest.param(
            {"prompt": "x", "first_frame": "http://x.example/a.png"}, "https", id="http-frame"
        ),
    ],
)
async def test_a_video_that_would_be_refused_costs_nothing(
    inputs: dict[str, Any],
    said: str,
    frames: tuple[str, str],
    settings: Settings,
    sandbox: Sandbox,
) -> None:
    images = {name: frames[n] for name, n in inputs.items() if n in (0, 1) and n is not True}
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "generate_video", **{**inputs, **images})
    assert not sandbox.requests


async def test_a_model_that_the_table_does_not_know_passes_untouched(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(
            client, "generate_video", prompt="x", model="MiniMax-Next", duration=99
        )
    assert "The model MiniMax-Next is not known here; known are: MiniMax-Hailuo-2.3," in text
    assert "MiniMax-H3-Max" in text
    assert text.count("MiniMax code 2013") == 1
    assert sandbox.count("POST /v1/video_generation") == 1


async def test_the_configured_model_is_used_where_it_takes_the_inputs(
    settings: Settings, sandbox: Sandbox, frames: tuple[str, str]
) -> None:
    fast = replace(settings, video_model="MiniMax-Hailuo-2.3-Fast")
    async with connected(fast, sandbox) as client:
        with_frame = await call(client, "generate_video", first_frame=frames[0])
        without = await call(client, "generate_video", prompt="x")
    assert with_frame["model"] == "MiniMax-Hailuo-2.3-Fast"
    assert without["model"] == "MiniMax-Hailuo-2.3"


async def test_frames_arrive_whole_and_truthfully_labelled(
    settings: Settings, sandbox: Sandbox, frames: tuple[str, str]
) -> None:
    async with connected(settings, sandbox) as client:
        await call(client, "generate_video", first_frame=frames[0], last_frame=frames[1])
        await call(client, "generate_video", first_frame="https://images.example/a.png")
    assert sandbox.count_charges("video") == 2


# --- following and fetching --------------------------------------------------------------------


async def test_the_whole_journey_ends_in_a_file(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        video = await call(client, "retrieve_video_file", file_id=status["file_id"])
        again = await call(client, "retrieve_video_file", file_id=status["file_id"])
        tasks = (await call(client, "list_video_tasks"))["tasks"]
    assert (status["status"], status["provider_status"]) == ("completed", "Success")
    assert (status["video_width"], status["video_height"]) == (1366, 768)
    assert video["status"] == "saved"
    assert video["media_type"] == "video/mp4"
    assert Path(video["path"]).stat().st_size == video["bytes"]
    assert again["path"] == video["path"]
    assert sandbox.count("GET /v1/files/retrieve") == 1
    assert [task["task_id"] for task in tasks] == [job["task_id"]]
    assert tasks[0]["path"] == video["path"]
    assert tasks[0]["status"] == "completed"


@pytest.mark.parametrize(
    ("prompt", "code", "said"),
    [("[block output]", 1027, "content check"), ("[fail]", None, "no reason")],
)
async def test_a_failed_job_is_a_normal_result_with_its_reason(
    prompt: str, code: int | None, said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt=prompt)
        status = await call(client, "query_video_generation", task_id=job["task_id"])
    assert status["status"] == "failed"
    assert status["error_code"] == code
    assert said in status["error"]
    assert status["file_id"] is None


async def test_an_unknown_task_is_an_error_and_not_a_failed_job(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(client, "query_video_generation", task_id="4711")
    assert "does not know this job" in text


async def test_an_expired_link_is_renewed_once(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/download/", status=403, body=b"<Error/>"))
    async with use_runtime(settings, sandbox, time):
        job = await minimax_server.generate_video("x")
        status = await minimax_server.query_video_generation(str(job["task_id"]))
        video = await minimax_server.retrieve_video_file(str(status["file_id"]))
    assert video["status"] == "saved"
    assert sandbox.count("GET /v1/files/retrieve") == 2


async def test_two_fetches_at_once_share_one_download(settings: Settings, sandbox: Sandbox) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        files = await asyncio.gather(
            *[call(client, "retrieve_video_file", file_id=status["file_id"]) for _ in range(5)]
        )
    assert len({file["path"] for file in files}) == 1
    assert sum(seen.path.startswith("/download/") for seen in sandbox.requests) == 1


async def test_in_url_mode_a_link_is_given_and_nothing_is_written(
    settings: Settings, sandbox: Sandbox
) -> None:
    links_only = replace(settings, resource_mode="url")
    async with connected(links_only, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        video = await call(client, "retrieve_video_file", file_id=status["file_id"])
    assert video["status"] == "link"
    assert video["video_url"].startswith("http")
    assert not settings.base_path.exists()


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1002, "Wait a minute"),
        (1004, "MINIMAX_API_HOST=https://api.minimaxi.com"),
        (1008, "Top up"),
        (1026, "Reword the prompt"),
        (2013, "its own message names it"),
        (2049, "MINIMAX_API_HOST=https://api.minimaxi.com"),
        (2056, "next window"),
        (2061, "Use another model"),
    ],
)
async def test_each_refusal_says_its_own_remedy_with_code_and_trace(
    code: int, said: str, settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/video_generation", times=None, code=code, message="server text"))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MiniMaxError, match=said) as caught:
            await minimax_server.generate_video("x")
    assert caught.value.code == code
    assert f"MiniMax code {code}, Trace-Id" in str(caught.value)
    assert sandbox.count_charges("video") == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [(2037, "10 seconds to 5 minutes"), (2038, "Verify the account"), (1000, "mp3, m4a or wav")],
)
async def test_a_clone_refusal_says_its_own_remedy(
    code: int,
    said: str,
    settings: Settings,
    sandbox: Sandbox,
    recording: Path,
    time: VirtualTime,
) -> None:
    sandbox.faults.add(Fault("/v1/voice_clone", times=None, code=code, message="server text"))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(RefusedError, match=said):
            await minimax_server.voice_clone(str(recording))
    assert sandbox.count("POST /v1/voice_clone") == 1


async def test_a_setting_that_cannot_be_used_is_told_by_every_call_and_not_by_a_crash() -> None:
    def broken() -> Settings:
        raise SettingsError("MINIMAX_API_HOST is not one of MiniMax's API hosts.")

    async with Client(minimax_server.make_server(broken)) as client:
        assert len((await client.list_tools()).tools) > 0
        assert "MINIMAX_API_HOST" in await failure(client, "generate_video", prompt="x")


async def test_without_a_key_the_tools_are_listed_and_a_call_says_how_to_get_one(
    settings: Settings,
) -> None:
    keyless = replace(settings, api_key=None)
    async with Client(minimax_server.make_server(lambda: keyless)) as client:
        assert len((await client.list_tools()).tools) > 0
        assert "platform.minimax.io" in await failure(client, "generate_video", prompt="x")


async def test_a_bug_shows_no_library_text(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*args: object) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(submit, "prepare", bug)
    async with connected(settings, sandbox) as client:
        assert "secret detail" not in await failure(client, "generate_video", prompt="x")


async def test_the_key_is_a_canary_that_shows_up_nowhere(
    settings: Settings, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sandbox.faults.add(Fault("/v1/query", code=2013, message=f"bad key {KEY}", times=None))
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        text = await failure(client, "query_video_generation", task_id=job["task_id"])
    assert KEY not in text
    assert KEY not in json.dumps(job)
    for file in settings.state_dir.iterdir():
        assert KEY.encode() not in file.read_bytes()


async def test_the_wrong_key_names_the_other_host(settings: Settings, sandbox: Sandbox) -> None:
    stranger = replace(settings, api_key=SecretStr("sk-api-somebody-else"))
    async with connected(stranger, sandbox) as client:
        text = await failure(client, "generate_video", prompt="x")
    assert "MINIMAX_API_HOST=https://api.minimaxi.com" in text
    assert "2049" in text


# --- what help() shows in Python ---------------------------------------------------------------


async def test_help_shows_plain_types_and_what_each_argument_means() -> None:
    for tool in minimax_server.toolbox.tools:
        shown = pydoc.plain(pydoc.render_doc(getattr(minimax_server, tool.name)))
        assert "Annotated" not in shown
        assert "FieldInfo" not in shown
        assert "ctx" not in shown
        for name, field in tool.parameters["properties"].items():
            assert f"{name}: {field['description']}" in shown
        assert tool.description.partition("\n")[0] in shown
        assert "Args:" not in tool.description


async def test_help_says_what_may_be_left_out() -> None:
    shown = pydoc.plain(pydoc.render_doc(minimax_server.list_video_tasks))
    assert "limit: int = 20" in shown
    assert "*, remote: bool = False" in " ".join(shown.split())
