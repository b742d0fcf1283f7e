"""Transfers that outlast a call go on by themselves and are joined by the next call."""

import asyncio
from pathlib import Path

import pytest

import minimax_server
from minimax import delivery, image
from minimax.errors import (
    StorageError,
)
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.video import download
from minimax.voice import clone
from tests.support import samples
from tests.support.in_process import call, connected, use_runtime
from tests.support.paid_jobs import wait_until
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


async def finish_job(running: Runtime) -> None:
    """Let the work that is under way end."""
    await wait_until(lambda: running.background.tasks)
    await asyncio.wait(running.background.tasks)


async def buy_video() -> str:
    """The file id of a video that is ready to be fetched."""
    job = await minimax_server.generate_video("x")
    status = await minimax_server.query_video_generation(str(job["task_id"]))
    return str(status["file_id"])


async def test_a_long_download_goes_on_and_is_joined(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time) as running:
        file_id = await buy_video()
        sandbox.faults.add(Fault("/download/", delay_seconds=0.3))
        first = await download.download_video(running, file_id, within_seconds=0.05)
        await finish_job(running)
        second = await download.download_video(running, file_id, within_seconds=5)
    assert (first["status"], first["path"]) == ("downloading", None)
    assert "same arguments" in first["next_step"]
    assert second["status"] == "saved"
    assert sum(seen.path.startswith("/download/") for seen in sandbox.requests) == 1


async def test_a_video_that_cannot_be_saved_is_still_at_minimax_and_says_so(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        file_id = await buy_video()
        put(settings.base_path, b"a file where the folder should be")
        with pytest.raises(StorageError, match=r"call again with the same file_id.*costs nothing"):
            await minimax_server.retrieve_video_file(file_id)
        settings.base_path.unlink()
        saved = await minimax_server.retrieve_video_file(file_id)
    assert saved["status"] == "saved"


async def test_a_long_clone_goes_on_under_one_voice_id_and_is_joined(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    request = clone.CloneRequest(audio=str(put(home / "a.wav", samples.wav())))
    sandbox.faults.add(Fault("/v1/files/upload", delay_seconds=0.3))
    async with use_runtime(settings, sandbox, time) as running:
        first = await clone.clone(running, request, within_seconds=0.05)
        await finish_job(running)
        second = await clone.clone(running, request, within_seconds=5)
        third = await clone.clone(running, request)
    assert first["status"] == "uploading"
    assert (second["status"], second["voice_id"]) == ("cloned", first["voice_id"])
    assert third["voice_id"] != second["voice_id"]
    assert sandbox.count("POST /v1/files/upload") == 1
    assert sandbox.count("POST /v1/voice_clone") == 2


async def test_a_download_reports_its_bytes(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert message == "bytes"
        heard.append((progress, total))

    monkeypatch.setattr("minimax.runtime.background.TICK_SECONDS", 0.02)
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        sandbox.faults.add(Fault("/download/", bytes_per_second=300_000))
        arguments = {"file_id": status["file_id"]}
        result = await client.call_tool("retrieve_video_file", arguments, progress_callback=hear)
    assert result.structured_content is not None
    assert heard
    assert heard[-1][1] == result.structured_content["bytes"]
    assert heard == sorted(heard)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://x.example/f?Expires=4600&Signature=s", "for 60 more minutes"),
        ("https://x.example/f?Expires=900", "for 0 more minutes"),
        ("https://x.example/f?Expires=soon", "for about an hour"),
        ("https://x.example/f", "for about an hour"),
    ],
)
def test_a_link_says_how_long_it_still_works(url: str, said: str) -> None:
    assert delivery.link_life_text(url, unix_now=1000.0) == said


async def test_a_video_that_was_moved_before_anyone_was_told_is_downloaded_again(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time) as running:
        file_id = await buy_video()
        sandbox.faults.add(Fault("/download/", delay_seconds=0.2))
        await download.download_video(running, file_id, within_seconds=0.02)
        await finish_job(running)
        [video] = settings.base_path.glob("*.mp4")
        video.rename(video.with_name("holiday.mp4"))
        again = await download.download_video(running, file_id, within_seconds=5)
    assert Path(str(again["path"])).exists()


async def test_another_recording_under_the_same_name_is_another_voice(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    recording = put(home / "a.wav", samples.wav(12))
    request = clone.CloneRequest(audio=str(recording))
    async with use_runtime(settings, sandbox, time) as running:
        sandbox.faults.add(Fault("/v1/files/upload", delay_seconds=0.2))
        first = await clone.clone(running, request, within_seconds=0.02)
        await finish_job(running)
        put(recording, samples.wav(14))
        second = await clone.clone(running, request, within_seconds=5)
    assert first["voice_id"] != second["voice_id"]
    assert sandbox.count("POST /v1/files/upload") == 2


async def test_another_face_under_the_same_name_makes_other_images(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    face = put(home / "face.png", samples.png(400, 400))
    request = image.ImageRequest(prompt="x", subject_image=str(face))
    async with use_runtime(settings, sandbox, time) as running:
        sandbox.faults.add(Fault("/v1/image_generation", when="after", delay_seconds=0.2))
        leaving = asyncio.create_task(image.make(running, request))
        await wait_until(lambda: running.background.tasks)
        leaving.cancel()
        await finish_job(running)
        put(face, samples.png(400, 500))
        await image.make(running, request, within_seconds=5)
    assert sandbox.count_charges("image") == 2


async def test_a_lost_recording_is_uploaded_anew_also_beside_a_fresh_prompt_clip(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    audio = str(put(home / "a.wav", samples.wav()))
    clip = str(put(home / "clip.wav", samples.wav(6)))
    async with connected(settings, sandbox) as client:
        await call(client, "voice_clone", audio=audio)
        sandbox.files.clear()
        voice = await call(
            client, "voice_clone", audio=audio, prompt_audio=clip, prompt_text="Hello."
        )
    assert voice["status"] == "cloned"
