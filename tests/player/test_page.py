"""The player in a real browser, in a host around the official AppBridge."""

import asyncio
import base64
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters

import minimax_server
from minimax.files import saved
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import KEY
from tests.player.apps_host import ERAS, SHOWS_APPS, connect
from tests.player.browser import Browser, Host, Player, serve_host
from tests.player.policies import POLICIES, feeds
from tests.player.results import (
    downloading,
    failed,
    job_result,
    place_video,
    result_of,
    status,
    video,
    video_files,
)
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
        connect(settings, slow_sandbox, era=era, clock=time.clock) as client,
        serve_host(client, browser, folder=settings.base_path) as serving,
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


A_LATER_TIMER = "() => new Promise((done) => setTimeout(done, 100))"
"""Fires after every pause between two questions that the page had begun before."""
FOX = {"prompt": "A red fox runs through fresh snow"}
SPEECH = {"text": "Hello. This is the sandbox's voice.", "subtitles": True}


# --- jobs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS, indirect=True)
async def test_a_job_is_followed_to_the_video_without_any_call_of_the_model(
    host: Host, slow_sandbox: Sandbox
) -> None:
    async with host.player(await host.call("generate_video", **FOX), input=FOX) as player:
        await player.until_state("queued")
        assert await player.text("title") == "Waiting at MiniMax"
        slow_sandbox.clock.advance(2500)
        await player.until_state("processing")
        await player.until("() => /says: Processing/.test(document.body.innerText)")
        await player.until(
            "() => /^\\d+:\\d\\d$/.test(document.getElementById('time').textContent)"
        )
        slow_sandbox.clock.advance(1000)
        await player.until_state("ready")
        assert await player.text("title") == "The video is ready"
        assert "640 \N{MULTIPLICATION SIGN} 360 · 5.9 s" in await player.text("note")
        assert (await media(player))["readyState"] == 4
        await player.until("() => !document.querySelector('video').paused")
        path = await player.text("path")
        assert Path(path).read_bytes()[4:8] == b"ftyp"
        await player.until_host("() => window.seen.told.length > 0")
        seen = await player.seen()
        assert {call["name"] for call in seen["calls"]} == {
            "query_video_generation",
            "retrieve_video_file",
        }
        text, image = seen["told"][0]["content"]
        assert path in text["text"]
        assert "beginning, middle and end" in text["text"]
        assert base64.b64decode(image["data"])[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("era", ERAS, indirect=True)
async def test_a_host_that_hands_on_no_files_gets_the_path(
    host: Host, slow_sandbox: Sandbox
) -> None:
    job = await host.call("generate_video", **FOX)
    slow_sandbox.clock.advance(5000)
    without = {"serverResources": None, "downloadFile": None}
    async with host.player(job, input=FOX, capabilities=without) as player:
        await player.until_state("ready")
        assert await player.text("title") == "The video is saved"
        assert await player.text("note") == "This host does not hand files to the player."
        assert Path(await player.text("path")).is_file()
        assert await player.buttons() == ["Copy path", "Full screen"]
        assert (await player.seen())["reads"] == 0


async def test_a_host_that_calls_no_tools_for_it_sends_the_person_to_the_chat(host: Host) -> None:
    job = await host.call("generate_video", **FOX)
    async with host.player(job, input=FOX, capabilities={"serverTools": None}) as player:
        await player.until("() => /Ask in the chat/.test(document.body.innerText)")
        assert await player.text("title") == "The video is ordered"


async def test_a_job_that_fails_says_why_and_tells_the_model(
    host: Host, slow_sandbox: Sandbox
) -> None:
    order = {"prompt": "[block output] a storm"}
    async with host.player(await host.call("generate_video", **order), input=order) as player:
        await player.until_state("queued")
        await player.until("() => /MiniMax says/.test(document.body.innerText)")
        slow_sandbox.clock.advance(5000)
        await player.until_state("failed")
        assert await player.text("title") == "The video failed"
        reason = await player.text("note")
        assert "content" in reason
        await player.until_host("() => window.seen.told.length > 0")
        assert reason in (await player.seen())["told"][0]["content"][0]["text"]


async def test_an_old_job_is_shown_and_the_model_is_not_told_again(
    host: Host, slow_sandbox: Sandbox
) -> None:
    job = await host.call("generate_video", **FOX)
    slow_sandbox.clock.advance(5000)
    in_words: dict[str, Any] = {"updateModelContext": {"text": {}}}
    for _ in range(2):
        async with host.player(job, input=FOX, capabilities=in_words) as player:
            await player.until_state("ready")
            assert (await media(player))["readyState"] == 4
            await player.click("Full screen")  # comes after what would have been told
            await player.until_host("() => window.seen.modes.length > 0")
            assert (await player.seen())["told"] == []


async def test_time_goes_on_from_when_the_job_was_ordered(host: Host) -> None:
    job = await host.call("generate_video", **FOX)
    job["_meta"]["minimax/player"]["at"] -= 3_723_000
    async with host.player(job, input=FOX) as player:
        await player.until("() => /^01:02:/.test(document.getElementById('time').textContent)")


async def test_without_images_the_model_is_told_in_words(host: Host) -> None:
    running, done = status("processing"), status("completed")
    answers = itertools.chain([running, done])
    host.scripted["query_video_generation"] = lambda _: next(answers)
    host.scripted["retrieve_video_file"] = video(place_video(host.folder), images=False)
    async with host.player(job_result(), input=FOX) as player:
        await player.until_state("ready")
        await player.until_host("() => window.seen.told.length > 0")
        [text] = (await player.seen())["told"][0]["content"]
        assert text["type"] == "text"


async def test_the_model_hears_of_a_video_that_cannot_be_played_here(host: Host) -> None:
    answers = itertools.chain([status("processing"), status("completed")])
    path = place_video(host.folder)
    host.scripted["query_video_generation"] = lambda _: next(answers)
    host.scripted["retrieve_video_file"] = video(path)
    async with host.player(job_result(), input=FOX, policy="no media") as player:
        await player.until_state("ready")
        await player.until_host("() => window.seen.told.length > 0")
        [text] = (await player.seen())["told"][0]["content"]
        assert str(path) in text["text"]


async def test_a_download_that_goes_on_is_joined(host: Host) -> None:
    path = place_video(host.folder)
    downloads = itertools.chain([downloading(), downloading(), video(path)])
    released = asyncio.Event()

    async def retrieve(_: Any) -> Any:
        await released.wait()
        return next(downloads)

    host.scripted["query_video_generation"] = status("completed")
    host.scripted["retrieve_video_file"] = retrieve
    async with host.player(job_result(), input=FOX) as player:
        await player.until_state("saving")
        assert await player.text("title") == "Saving the video on this computer"
        released.set()
        await player.until_state("ready")
        assert next(downloads, None) is None


async def test_a_video_that_cannot_be_saved_says_why_and_can_be_tried_again(host: Host) -> None:
    results = itertools.chain([failed("The disk is full."), video(place_video(host.folder))])
    host.scripted["query_video_generation"] = status("completed")
    host.scripted["retrieve_video_file"] = lambda _: next(results)
    async with host.player(job_result(), input=FOX) as player:
        await player.until_state("failed")
        assert await player.text("title") == "The video could not be saved"
        assert "The disk is full." in await player.text("note")
        await player.click("Try again")
        await player.until_state("ready")


async def test_a_saved_path_in_the_status_needs_no_further_call(host: Host) -> None:
    done = status("completed", path=str(place_video(host.folder)), files=video_files())
    host.scripted["query_video_generation"] = done
    async with host.player(job_result(), input=FOX) as player:
        await player.until_state("ready")
        names = [call["name"] for call in (await player.seen())["calls"]]
        assert names == ["query_video_generation"]
        assert (await media(player))["readyState"] == 4


async def test_questions_that_fail_are_asked_again_and_then_by_hand(host: Host) -> None:
    answers: list[Any] = [failed("MiniMax could not be reached.")] * 5
    answers += [status("failed", error="It could not be made.")]
    asked = iter(answers)
    host.scripted["query_video_generation"] = lambda _: next(asked)
    async with host.player(job_result(), input=FOX) as player:
        await player.until("() => document.querySelector('button')")
        assert await player.text("title") == "The job could not be asked about"
        assert "MiniMax could not be reached." in await player.text("note")
        await player.click("Try again")
        await player.until("() => /could not be made/.test(document.body.innerText)")


async def test_nothing_is_asked_while_nobody_looks(host: Host) -> None:
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden,"
    hide += " configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
    answering = asyncio.Event()
    asked: list[Any] = []

    async def answer(params: Any) -> Any:
        asked.append(params)
        await answering.wait()
        return status("processing") if len(asked) < 3 else status("failed", error="x")

    host.scripted["query_video_generation"] = answer
    async with host.player(job_result(), input=FOX) as player:
        await player.until_host("() => window.seen.calls.length === 1")
        await player.run(hide, argument=True)
        answering.set()
        await player.until_state("processing")
        await player.run(A_LATER_TIMER)
        assert len((await player.seen())["calls"]) == 1
        await player.run(hide, argument=False)
        await player.until_state("failed")
        assert [question["arguments"]["wait_seconds"] for question in asked] == [0, 20, 20]


# --- media under the policies of six hosts -----------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_video_plays_or_its_path_is_shown(host: Host, policy: str) -> None:
    async with host.player(video(place_video(host.folder)), policy=policy) as player:
        await expect_media(player, policy, "video")


@pytest.mark.parametrize("policy", POLICIES)
async def test_speech_plays_or_its_path_is_shown(host: Host, policy: str) -> None:
    async with host.player(await host.call("text_to_audio", **SPEECH), policy=policy) as player:
        await expect_media(player, policy, "speech")


async def expect_media(player: Player, policy: str, what: str) -> None:
    await player.until_state("ready")
    assert Path(await player.text("path")).is_file()
    if feeds(policy) is None:
        assert await player.text("title") == f"The {what} is saved"
        assert await player.text("note") == "This host cannot play it here."
        assert await media(player) is None
    else:
        assert await player.text("title") == f"The {what} is ready"
        playing = await media(player)
        assert playing["fed"] == feeds(policy)
        assert playing["readyState"] >= 2


@pytest.mark.parametrize("policy", POLICIES)
async def test_images_are_shown_whole(host: Host, policy: str) -> None:
    result = await host.call("text_to_image", prompt="An oak", aspect_ratio="16:9")
    async with host.player(result, policy=policy) as player:
        await player.until_state("ready")
        assert await image_widths(player) == [1280]
        assert await player.run("() => document.body.dataset.fed") == (feeds(policy) or "data")


async def image_widths(player: Player) -> list[int]:
    found: list[int] = await player.run(
        "() => [...document.querySelectorAll('img')].map((image) => image.naturalWidth)"
    )
    return found


# --- other results -----------------------------------------------------------------------------


async def test_before_there_is_a_result_the_request_is_shown(host: Host) -> None:
    async with host.player(input=FOX) as player:
        await player.until("() => /red fox/.test(document.body.innerText)")
        assert await player.text("title") == "Asking MiniMax"
        await player.deliver(await host.call("generate_video", **FOX, dry_run=True))
        await player.until_state("ready")
        assert await player.text("title") == "About $0.28"
        assert "nothing was sent" in await player.text("note")


async def test_a_call_that_was_refused_says_why(host: Host) -> None:
    async with host.player(await host.call("generate_video"), input={}) as player:
        await player.until_state("failed")
        assert "prompt is required" in await player.text("note")


async def test_a_cancelled_call_says_so(host: Host) -> None:
    async with host.player(input=FOX) as player:
        await player.in_host("() => window.bridge.sendToolCancelled({ reason: 'stopped' })")
        await player.until_state("failed")
        assert await player.text("title") == "Cancelled"


@pytest.mark.parametrize("kind", ["speech", "video", "image"])
async def test_an_old_result_whose_file_is_gone_says_so(host: Host, kind: str) -> None:
    if kind == "video":
        result = video(place_video(host.folder))
    elif kind == "speech":
        result = await host.call("text_to_audio", text="Soon gone.")
    else:
        result = await host.call("text_to_image", prompt="An oak")
    data = result["structuredContent"]
    Path(data.get("path") or data["paths"][0]).unlink()
    async with host.player(result) as player:
        await player.until_state("gone")
        assert await player.text("title") == f"The {kind} is gone"
        assert "moved or deleted" in await player.text("note")


async def test_a_file_that_has_changed_is_not_shown_as_the_old_one(host: Host) -> None:
    path = place_video(host.folder)
    result = video(path)
    path.write_bytes(path.read_bytes()[:-1])
    async with host.player(result) as player:
        await player.until_state("ready")
        assert await player.text("note") == "The file has changed since it was saved."


async def test_a_piece_that_is_lost_on_the_way_is_read_again(host: Host) -> None:
    result = video(place_video(host.folder))
    losses = iter([MCPError(-32603, "lost"), MCPError(-32603, "lost")])

    def read(params: Any) -> Any:
        return next(losses, None) if "/media/" in params["uri"] else None

    host.scripted["resources/read"] = read
    async with host.player(result) as player:
        await player.until_state("ready")
        assert (await media(player))["readyState"] >= 2


@pytest.mark.parametrize("form", ["mp3", "wav", "flac", "opus", "pcm"])
async def test_every_format_that_browsers_know_is_played(host: Host, form: str) -> None:
    result = await host.call("text_to_audio", text="Hello.", format=form)
    async with host.player(result) as player:
        await player.until_state("ready")
        if form == "pcm":
            assert await player.text("note") == "This host cannot play it here."
        else:
            assert (await media(player))["duration"] > 1


@pytest.mark.parametrize("era", ERAS)
async def test_it_works_over_stdio_as_in_a_real_host(
    browser: Browser, home: Path, era: str
) -> None:
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    server = StdioServerParameters(
        command=sys.executable, args=[minimax_server.__file__, "--sandbox"], env=env
    )
    async with (
        Client(server, mode=era, extensions=[SHOWS_APPS]) as client,
        serve_host(client, browser, folder=home / "MiniMax") as host,
        host.player(await host.call("generate_video", **FOX), input=FOX) as player,
    ):
        await player.until_state("ready")
        assert (await media(player))["readyState"] == 4
        assert Path(await player.text("path")).parent == home / "MiniMax"


async def test_a_host_without_sound_is_told_of(host: Host) -> None:
    mute = {'"use strict";': '"use strict"; HTMLMediaElement.prototype.canPlayType = () => "";'}
    async with host.player(video(place_video(host.folder)), patch=mute) as player:
        await player.until_state("ready")
        assert "plays videos without sound" in await player.text("note")


async def test_links_are_offered_where_nothing_is_saved(host: Host) -> None:
    data = {**video(place_video(host.folder))["structuredContent"], "status": "link", "path": None}
    result = {**result_of(data | {"video_url": "https://example.com/a.mp4"}), "_meta": {}}
    async with host.player(result) as player:
        await player.until_state("ready")
        await player.click("Open link")
        await player.until_host("() => window.seen.links.length > 0")
        assert (await player.seen())["links"] == ["https://example.com/a.mp4"]


async def test_several_images_stand_in_a_grid_each_with_its_buttons(host: Host) -> None:
    prompt = "An oak in <b>four</b> <img src=x onerror=alert(1)> seasons"
    result = await host.call("text_to_image", prompt=prompt, n=4)
    assert len(json.dumps(result)) < 150_000
    async with host.player(result, input={"prompt": prompt}) as player:
        await player.until_state("ready")
        assert await player.text("title") == "4 images are ready"
        assert await image_widths(player) == [1024] * 4
        assert await player.run("() => document.querySelectorAll('main b').length") == 0
        assert (await player.buttons()).count("Copy path") == 4
        await player.click("Copy path of image 3")
        await player.until("() => /Copied/.test(document.body.innerText)")
        assert '- button "Copied"' in await player.tab.do("roles")
        copied = await player.in_host("() => navigator.clipboard.readText()")
        assert copied == result["structuredContent"]["paths"][2]


async def test_an_image_without_a_file_leaves_the_others_in_their_places(host: Host) -> None:
    result = await host.call("text_to_image", prompt="An oak", n=3)
    del result["_meta"]["minimax/player"]["files"][1]
    result["content"] = result["content"][:1]
    async with host.player(result) as player:
        await player.until_state("ready")
        assert await image_widths(player) == [1024, 0, 1024]


async def test_images_that_only_have_paths_show_their_paths(host: Host) -> None:
    result = await host.call("text_to_image", prompt="An oak", n=3)
    result["content"], result["_meta"] = result["content"][:1], {}
    async with host.player(result) as player:
        await player.until_state("ready")
        assert (await player.text("path")).split("\n") == result["structuredContent"]["paths"]


# --- subtitles ---------------------------------------------------------------------------------

LIT = "() => [...document.querySelectorAll('[aria-current=true]')].map((one) => one.textContent)"


async def test_subtitles_are_lit_as_they_are_spoken(host: Host) -> None:
    async with host.player(await host.call("text_to_audio", **SPEECH), input=SPEECH) as player:
        await player.until_state("ready")
        spoken = await player.run(
            "() => [...document.querySelectorAll('.words span')].map((one) => one.textContent)"
        )
        assert " ".join(spoken) == SPEECH["text"]
        assert await player.run(LIT) == []
        await player.run("() => { document.querySelector('audio').play(); }")
        for sentence in spoken:
            await player.until(
                "(words) => document.querySelector('[aria-current]')?.textContent === words",
                sentence,
            )
        await player.run("() => document.querySelector('.words span').click()")
        await player.until(
            "(words) => document.querySelector('[aria-current]')?.textContent === words", spoken[0]
        )


# --- buttons -----------------------------------------------------------------------------------


async def test_the_path_is_copied(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        await player.until_state("ready")
        await player.click("Copy path")
        await player.until("() => /Copied/.test(document.body.innerText)")
        copied = await player.in_host("() => navigator.clipboard.readText()")
        assert copied == await player.text("path")


async def test_a_copy_of_the_file_goes_to_the_host_byte_for_byte(host: Host) -> None:
    path = place_video(host.folder)
    async with host.player(video(path)) as player:
        await player.until_state("ready")
        await player.click("Save a copy")
        await player.until_host("() => window.seen.downloads.length > 0")
        [content] = (await player.seen())["downloads"][0]["contents"]
        assert content["resource"]["uri"].endswith(path.name)
        assert base64.b64decode(content["resource"]["blob"]) == path.read_bytes()


async def test_full_screen_is_asked_for_and_left_again(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        await player.until_state("ready")
        await player.click("Full screen")
        await player.click("Leave full screen")
        await player.until_host("() => window.seen.modes.length === 2")
        assert (await player.seen())["modes"] == ["fullscreen", "inline"]


async def test_a_host_without_full_screen_gets_no_button_for_it(host: Host) -> None:
    inline = {"availableDisplayModes": ["inline"]}
    async with host.player(video(place_video(host.folder)), context=inline) as player:
        await player.until_state("ready")
        assert await player.buttons() == ["Copy path", "Save a copy"]


async def test_everything_can_be_reached_and_used_by_keyboard(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        await player.until_state("ready")
        focused = "() => document.activeElement.textContent"
        for _ in range(12):
            await player.tab.do("press", key="Tab")
            if await player.run(focused) == "Copy path":
                break
        outline = await player.run("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        await player.tab.do("press", key="Enter")
        await player.until("() => document.activeElement.textContent === 'Copied'")
        await player.tab.do("press", key="Tab")
        assert await player.run(focused) == "Save a copy"


async def test_a_screen_reader_hears_what_it_is_and_how_it_stands(host: Host) -> None:
    async with host.player(job_result(), input=FOX) as player:
        host.scripted["query_video_generation"] = status("processing")
        await player.until_state("processing")
        roles = await player.tab.do("roles")
        assert '- heading "MiniMax is making the video" [level=1]' in roles
        assert '- progressbar "MiniMax is making the video"' in roles
        live = "() => document.getElementById('title').ariaLive"
        assert await player.run(live) == "polite"
        assert await player.run("() => document.getElementById('time').ariaLive") == "off"
    async with host.player(video(place_video(host.folder)), input=FOX) as player:
        await player.until_state("ready")
        assert await player.run("() => document.querySelector('video').ariaLabel") == (
            "Video: A red fox runs through fresh snow"
        )


async def test_nothing_moves_by_itself_for_people_who_do_not_want_that(host: Host) -> None:
    async with host.player(video(place_video(host.folder)), reduced_motion=True) as player:
        await player.until_state("ready")
        assert (await media(player))["paused"]
        assert (
            await player.run(
                "() => getComputedStyle(document.querySelector('#bar i')).animationName"
            )
            == "none"
        )


# --- looks and lifetime ------------------------------------------------------------------------

COLORS = "() => [getComputedStyle(document.body).color, getComputedStyle(document.body)"
COLORS += ".backgroundColor, document.documentElement.style.colorScheme]"


async def test_the_theme_follows_the_host(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        await player.until_state("ready")
        assert await player.run(COLORS) == ["rgb(29, 28, 26)", "rgb(255, 255, 255)", "light"]
        await player.in_host("() => window.changeContext({ theme: 'dark' })")
        await player.until("() => document.documentElement.dataset.theme === 'dark'")
        assert await player.run(COLORS) == ["rgb(247, 245, 239)", "rgb(36, 35, 33)", "dark"]
        variables = {"--color-text-primary": "rgb(1, 2, 3)"}
        await player.in_host(
            "(variables) => window.changeContext({ styles: { variables } })", variables
        )
        await player.until("() => getComputedStyle(document.body).color === 'rgb(1, 2, 3)'")


Make = Callable[[Host], Any]


@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize("kind", ["video", "speech", "image", "images"])
async def test_nothing_sticks_out_of_a_narrow_or_a_wide_host(
    host: Host, kind: str, width: int
) -> None:
    results: dict[str, Any] = {
        "video": lambda: video(place_video(host.folder)),
        "speech": partial(host.call, "text_to_audio", **SPEECH),
        "image": partial(host.call, "text_to_image", prompt="An oak"),
        "images": partial(host.call, "text_to_image", prompt="An oak", n=3),
    }
    result = results[kind]()
    result = await result if asyncio.iscoroutine(result) else result
    async with host.player(result, width=width, input=FOX) as player:
        await player.until_state("ready")
        assert await player.run("() => document.documentElement.scrollWidth") <= width
        await player.until(
            "() => innerHeight === Math.ceil(document.body.getBoundingClientRect().height)"
        )


async def test_a_host_can_ping_it_and_gets_an_error_for_what_it_does_not_know(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        assert await player.in_host("() => window.bridge.request({ method: 'ping' })") == {}
        code = "() => window.bridge.request({ method: 'tools/list' }).catch(({ code }) => code)"
        assert await player.in_host(code) == -32601


async def test_at_its_end_it_stops_to_ask_and_lets_go_of_the_media(host: Host) -> None:
    async with host.player(video(place_video(host.folder))) as player:
        await player.until_state("ready")
        assert await player.in_host("() => window.bridge.teardownResource({})") == {}
        assert await media(player) is None
    host.scripted["query_video_generation"] = status("processing")
    async with host.player(job_result(), input=FOX) as player:
        await player.until_state("processing")
        assert player.app["app"]["name"] == "minimax-player"
        assert player.app["capabilities"] == {"availableDisplayModes": ["inline", "fullscreen"]}
        assert await player.in_host("() => window.bridge.teardownResource({})") == {}
        asked = len((await player.seen())["calls"])
        await player.run(A_LATER_TIMER)
        assert len((await player.seen())["calls"]) == asked


async def test_messages_of_others_than_the_host_are_not_heard(host: Host) -> None:
    forged = {"jsonrpc": "2.0", "method": "ui/notifications/tool-result", "params": result_of({})}
    async with host.player(input=FOX) as player:
        await player.run("(forged) => window.postMessage(forged, '*')", forged)
        await player.run("() => new Promise((done) => setTimeout(done, 0))")
        assert await player.text("title") == "Asking MiniMax"


# --- large files -------------------------------------------------------------------------------

LARGE_BYTES = 300 * 1024 * 1024
MANY_READS = 560
"""Of 600: most of the file has come."""
LARGEST_HEAP_BYTES = 32 * 1024 * 1024


async def test_a_large_video_waits_for_a_click_and_is_read_in_pieces(host: Host) -> None:
    path = place_video(host.folder, padded_to=LARGE_BYTES)
    reads, released = itertools.count(), asyncio.Event()

    async def read(params: Any) -> None:
        if "/media/" in params["uri"] and next(reads) >= MANY_READS:
            await released.wait()

    host.scripted["resources/read"] = read
    async with host.player(video(path), input=FOX) as player:
        await player.until_state("ready")
        assert (await player.seen())["reads"] == 0
        assert "314.6 MB" in await player.text("note")
        await player.click("Play here")
        await player.until_host(f"() => window.seen.reads === {MANY_READS + 3}")
        assert await player.text("title") == "Loading the video"
        assert (
            90 < await player.run("() => Number(document.querySelector('#bar').ariaValueNow)") < 97
        )
        assert await player.tab.do("heap") < LARGEST_HEAP_BYTES
        released.set()
        await player.until("() => document.querySelector('video')")
        assert (await media(player))["readyState"] >= 2
        seen = await player.seen()
        assert seen["reads"] == LARGE_BYTES // saved.PIECE_BYTES
        assert seen["readsAtOnce"] <= 3
        assert seen["largestRead"] <= 700_000
