"""The player in a real browser, in a host around the official AppBridge."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import KEY
from tests.player.apps_host import ERAS, connect
from tests.player.browser import Browser, Host, Player, serve_host
from tests.player.policies import POLICIES, feeds
from tests.support.virtual_time import VirtualTime

pytestmark = [pytest.mark.clients, pytest.mark.anyio]

SLOW = VideoStages(preparing_seconds=1000, queueing_seconds=1000, processing_seconds=1000)


@pytest.fixture(params=["legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def slow_sandbox() -> AsyncIterator[Sandbox]:
    """Jobs whose states pass when the test advances the sandbox's clock."""
    made = Sandbox(keys={KEY}, stages=SLOW)
    async with serve(made):
        yield made


@pytest.fixture
async def host(
    settings: Settings,
    slow_sandbox: Sandbox,
    browser: Browser,
    time: VirtualTime,
    monkeypatch: pytest.MonkeyPatch,
    era: str,
) -> AsyncIterator[Host]:
    monkeypatch.setattr(minimax_server, "Runtime", partial(Runtime, clock=time.clock))
    async with (
        connect(settings, slow_sandbox, era=era) as client,
        serve_host(client, browser) as serving,
    ):
        yield serving


async def media(player: Player) -> dict[str, Any]:
    """How the video or the sound on the page is."""
    found: dict[str, Any] = await player.run(
        "() => { const one = document.querySelector('video, audio');"
        " return one && { readyState: one.readyState, duration: one.duration, muted: one.muted,"
        " paused: one.paused, fed: document.body.dataset.fed }; }"
    )
    return found


@pytest.mark.parametrize("era", ERAS, indirect=True)
async def test_a_job_is_followed_to_the_video_without_any_call_of_the_model(
    host: Host, slow_sandbox: Sandbox
) -> None:
    order = {"prompt": "A red fox runs through fresh snow"}
    async with host.player(await host.call("generate_video", **order), input=order) as player:
        await player.until_state("queued")
        assert await player.text("title") == "Waiting at MiniMax"
        slow_sandbox.clock.advance(2500)
        await player.until_state("processing")
        await player.until("() => /says: Processing/.test(document.body.textContent)")
        slow_sandbox.clock.advance(1000)
        await player.until_state("ready")
        assert await player.text("title") == "The video is ready"
        assert (await media(player))["readyState"] == 4
        path = await player.text("path")
        assert Path(path).read_bytes()[4:8] == b"ftyp"
        await player.until_host("() => window.seen.told.length > 0")
        seen = await player.seen()
        assert {call["name"] for call in seen["calls"]} == {
            "query_video_generation",
            "retrieve_video_file",
        }
        text, about, image = seen["told"][0]["content"]
        assert path in text["text"]
        assert "beginning, middle and end" in about["text"]
        assert image["type"] == "image"
