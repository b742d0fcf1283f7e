"""What a call brings along is let go, even where the caller does not wait for the result."""

import asyncio
import base64
import contextlib
import gc
import tracemalloc
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

import minimax_server
from minimax.files.requirements import MIB
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.support import samples
from tests.support.in_process import use_runtime
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

CONTENT_BYTES = 8 * MIB


def data_uri(content: bytes) -> str:
    """The content, with tags after it that make it large."""
    tags = b"LIST" + CONTENT_BYTES.to_bytes(4, "little") + bytes(CONTENT_BYTES)
    return "data:;base64," + base64.b64encode(content + tags).decode()


@contextlib.contextmanager
def keeping_little() -> Iterator[None]:
    """What is done inside may keep no content."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        gc.collect()
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < CONTENT_BYTES / 2


async def cancel_once_begun(call: Coroutine[Any, Any, Any], runtime: Runtime) -> None:
    """Leave a call alone with its work, and wait until that has ended."""
    task = asyncio.create_task(call)
    while not runtime.background.tasks:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait(runtime.background.tasks)


async def test_a_cancelled_clone_keeps_its_voice_and_not_its_recording(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time) as runtime:
        await minimax_server.list_voices()  # what the first call imports and opens is kept
        with keeping_little():
            recording = data_uri(samples.wav())
            await cancel_once_begun(minimax_server.voice_clone(audio=recording), runtime)
            del recording
        assert len(runtime.background.tasks) == 1
        again = await minimax_server.voice_clone(audio=data_uri(samples.wav()))
        assert again["status"] == "cloned"
        assert sandbox.count("POST /v1/voice_clone") == 1


async def test_a_cancelled_clone_of_what_is_no_recording_keeps_nothing_of_it(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time) as runtime:
        await minimax_server.list_voices()
        with keeping_little():
            recording = data_uri(b"Dear diary")
            await cancel_once_begun(minimax_server.voice_clone(audio=recording), runtime)
            del recording


async def test_another_recording_is_another_clone(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time):
        first, second = await asyncio.gather(
            minimax_server.voice_clone(audio=data_uri(samples.wav(12))),
            minimax_server.voice_clone(audio=data_uri(samples.wav(13))),
        )
    assert first["voice_id"] != second["voice_id"]


async def test_a_cancelled_transcript_keeps_its_text_and_not_its_recording(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    async with use_runtime(settings, sandbox, time) as runtime:
        await minimax_server.transcribe_audio(data_uri(samples.wav(2)))
        with keeping_little():
            recording = data_uri(samples.wav(3))
            await cancel_once_begun(minimax_server.transcribe_audio(recording), runtime)
            del recording
        heard = await minimax_server.transcribe_audio(data_uri(samples.wav(3)))
        assert heard["reused"] is True
