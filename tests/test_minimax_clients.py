"""MiniMax's own clients work on the sandbox as they do on MiniMax.

A client is left out only where its package cannot be had.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimax.sandbox.media import samples as media
from tests.clients.minimax_clients import (
    MINIMAX_SERVERS,
    PLAN_KEY,
    Account,
    Call,
    CommandLine,
    MinimaxServer,
    open_account,
)
from tests.clients.packages import skipped_if_it_cannot_be_had
from tests.support.samples import png

pytestmark = pytest.mark.clients


@pytest.fixture
def account(home: Path) -> Iterator[Account]:
    with open_account(home) as opened:
        yield opened


@pytest.fixture
def recording(account: Account) -> str:
    return account.put("me.mp3", media.RECORDING.read_bytes())


@pytest.fixture
def frame(account: Account) -> str:
    return account.put("first.png", png())


# --- the two MCP servers -----------------------------------------------------------------------


@pytest.mark.parametrize("server", MINIMAX_SERVERS, ids=lambda server: server.name)
def test_minimaxs_server_speaks_clones_designs_paints_and_makes_videos(
    server: MinimaxServer, account: Account, recording: str, frame: str
) -> None:
    async def journey(call: Call) -> None:
        assert "English_Graceful_Lady" in await call("list_voices", voice_type="all")
        assert "/speech.mp3?" in await call("text_to_audio", text="Hello there.")
        source = {server.recording: recording}
        cloned = await call("voice_clone", voice_id="Anna-reads-1", text="Hello", **source)
        assert "/demo.mp3?" in cloned
        spoken = await call("text_to_audio", text="It is me.", voice_id="Anna-reads-1")
        assert "/speech.mp3?" in spoken
        designed = await call("voice_design", prompt="an old sailor", preview_text="Ahoy.")
        assert "sandbox-ttv-voice" in designed
        images = await call("text_to_image", prompt="a lake", n=2)
        assert images.count("/image.jpeg?") == 2
        video = {"prompt": "the sun sets", "async_mode": True}
        ordered = await call("generate_video", **video)
        account.pass_time(60)
        found = await call("query_video_generation", task_id=read_task_id(ordered))
        assert "/output_aigc.mp4?" in found
        read_task_id(await call("generate_video", model="I2V-01", first_frame_image=frame, **video))

    with skipped_if_it_cannot_be_had():
        server.drive(account, journey)
    assert account.bought() == [
        *("speech", "speech", "voice_clone", "speech", "speech"),
        *("image", "video", "video"),
    ]
    assert {voice["voice_id"] for voice in account.state()["voices"]} >= {"Anna-reads-1"}


def read_task_id(text: str) -> str:
    found = re.search(r"Task ID: (\w+)", text)
    assert found, text
    return found[1]


# --- the command line --------------------------------------------------------------------------


@pytest.fixture
def mmx(account: Account) -> CommandLine:
    with skipped_if_it_cannot_be_had():
        return CommandLine(account)


def test_mmx_speaks_with_the_voice_that_it_takes_by_itself(
    mmx: CommandLine, account: Account
) -> None:
    assert "English_expressive_narrator" in mmx.run("speech", "voices")
    out = account.home / "hello.mp3"
    mmx.run("speech", "synthesize", "--text", "Hello there.", "--subtitles", "--out", str(out))
    assert out.read_bytes() == media.load_speech().data
    assert "Hello there." in out.with_suffix(".srt").read_text(encoding="utf-8")
    assert account.bought() == ["speech"]


def test_mmx_makes_an_image_of_a_width_and_a_height(mmx: CommandLine, account: Account) -> None:
    out = account.home / "lake.jpg"
    size = ("--width", "640", "--height", "512")
    mmx.run(
        *("image", "generate", "--prompt", "a lake", *size),
        *("--response-format", "base64", "--out", str(out)),
    )
    assert out.read_bytes().startswith(b"\xff\xd8\xff")
    assert account.bought() == ["image"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="text"),
        pytest.param(["--image", "FRAME"], id="first-frame"),
        pytest.param(["--image", "FRAME", "--last-frame", "FRAME"], id="both-frames"),
        pytest.param(["--subject-image", "FRAME"], id="subject"),
        pytest.param(["--model", "MiniMax-H3"], id="h3"),
        pytest.param(["--model", "MiniMax-H3", "--image", "FRAME"], id="h3-first-frame"),
        pytest.param(["--model", "MiniMax-H3", "--reference-image", "FRAME"], id="h3-reference"),
    ],
)
def test_mmx_orders_a_video_and_asks_until_it_is_there(
    options: list[str], mmx: CommandLine, account: Account, frame: str
) -> None:
    named = [frame if option == "FRAME" else option for option in options]
    job = mmx.run("video", "generate", "--prompt", "the sun sets", "--async", *named)
    account.pass_time(600)
    model = named[:2] if "--model" in named else []
    found = mmx.run("video", "task", "get", "--task-id", job["taskId"], *model)
    assert "succe" in str(found).lower()
    assert account.bought() == ["video"]


def test_mmx_uploads_a_recording(mmx: CommandLine, account: Account, recording: str) -> None:
    file = mmx.run("file", "upload", "--file", recording, "--purpose", "voice_clone")
    assert [kept["file_id"] for kept in account.state()["files"]] == [file["file_id"]]


def test_mmx_transcribes_a_recording(mmx: CommandLine, account: Account, recording: str) -> None:
    options = ("--file", recording, "--response-format", "verbose_json", "--language", "en")
    heard = mmx.run("speech", "transcribe", *options)
    assert heard["text"].startswith("This is transcript 1 of the sandbox.")
    assert [part["speaker"] for part in heard["segments"]] == ["S1", "S1"]
    assert account.bought() == ["transcript"]


def test_mmx_reads_the_quota_of_a_plan_and_the_balance_of_a_key_without_one(
    mmx: CommandLine,
) -> None:
    quota = mmx.run("quota", "show", key=PLAN_KEY)
    assert [row["model_name"] for row in quota["model_remains"]] == ["general", "video"]
    assert mmx.run("quota", "show")["available_amount"] == "100.00"
