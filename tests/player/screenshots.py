"""Take the pictures of the player that the documents show, from the sandbox.

    uv run python -m tests.player.screenshots

writes them into docs/images. With a folder after it, a picture of every state goes there instead.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from PIL import Image
from pydantic import SecretStr

from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.player import results
from tests.player.apps_host import connect
from tests.player.browser import Browser, Host, Player, launch, serve_host
from tests.support.host import ROOT

IMAGES: Final = ROOT / "docs" / "images"
COLORS: Final = 128
"""In the pictures of the documents, so that they stay small."""
FOX: Final = {"prompt": "A red fox runs through fresh snow"}
POEM: Final = {"text": "Hello. This is the sandbox's voice. Nothing was charged."}
FOREVER: Final = VideoStages(processing_seconds=1e6)

Result = Callable[[Host], Awaitable[dict[str, Any] | None]]


async def _no_result(_: Host) -> None:
    return None


def _call(tool: str, **arguments: Any) -> Result:
    return lambda host: host.call(tool, **arguments)


async def _job(_: Host) -> dict[str, Any]:
    """Ordered a moment ago."""
    at_ms = (time.time() - 83) * 1000
    return results.result_of(results.job_result()["structuredContent"], at=at_ms)


async def _video(host: Host) -> dict[str, Any]:
    return results.video(results.place_video(host.folder))


async def _gone(host: Host) -> dict[str, Any]:
    result = await _video(host)
    (host.folder / "video-7.mp4").unlink()
    return result


async def _play_to_the_second_sentence(player: Player) -> None:
    await player.run(
        "() => { const one = document.querySelector('audio'); one.currentTime = 1.2; }"
    )
    await player.until("() => document.querySelector('[aria-current]')")


async def _seek(player: Player) -> None:
    """To a moment that is the same in every picture."""
    await player.run(
        "() => new Promise((done) => { const one = document.querySelector('video');"
        " one.pause(); one.onseeked = done; one.currentTime = 2.5; })"
    )


@dataclass(frozen=True, kw_only=True)
class State:
    """One picture: how the player gets there, and when it is there."""

    result: Result = _job
    given: dict[str, Any] = field(default_factory=lambda: dict(FOX))
    scripted: dict[str, Any] = field(default_factory=dict)
    until: str = "ready"
    then: Callable[[Player], Awaitable[None]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _hold(_: Any) -> Any:
    return asyncio.Event().wait()


def _hold_all_but_the_first(params: Any) -> Any:
    first = "/media/" not in params["uri"] or "offset=0&" in params["uri"]
    return None if first else _hold(params)


async def _large_video(host: Host) -> dict[str, Any]:
    return results.video(results.place_video(host.folder, padded_to=3 * 512 * 1024))


SUBTITLED: Final = _call("text_to_audio", **POEM, subtitles=True)
FOUR_OAKS: Final = _call("text_to_image", prompt="An oak in four seasons", aspect_ratio="3:2", n=4)
OAKS: Final = {"prompt": "An oak in four seasons"}
PROCESSING: Final = {"query_video_generation": results.status("processing")}
NO_SOUND: Final = {
    '"use strict";': '"use strict"; HTMLMediaElement.prototype.canPlayType = () => "";'
}

IN_THE_DOCUMENTS: Final = {
    "player-job": State(scripted=PROCESSING, until="processing"),
    "player-video": State(result=_video, then=_seek),
    "player-speech": State(result=SUBTITLED, given=POEM, then=_play_to_the_second_sentence),
}
STATES: Final = {
    **IN_THE_DOCUMENTS,
    "waiting": State(result=_no_result, until="waiting"),
    "queued": State(scripted={"query_video_generation": results.status("queued")}, until="queued"),
    "saving": State(
        scripted={
            "query_video_generation": results.status("completed"),
            "retrieve_video_file": _hold,
        },
        until="saving",
    ),
    "loading": State(
        result=_large_video,
        scripted={"resources/read": _hold_all_but_the_first},
        until="loading",
    ),
    "failed": State(
        scripted={
            "query_video_generation": results.status(
                "failed", error="MiniMax's content check refused the result."
            )
        },
        until="failed",
    ),
    "refused": State(result=_call("generate_video"), given={}, until="failed"),
    "estimate": State(result=_call("generate_video", **FOX, dry_run=True)),
    "gone": State(result=_gone, until="gone"),
    "without-sound": State(result=_video, then=_seek, options={"patch": NO_SOUND}),
    "without-media": State(result=_video, options={"policy": "no media"}),
    "without-files": State(result=_video, options={"capabilities": {"serverResources": None}}),
    "video-dark": State(result=_video, then=_seek, options={"theme": "dark"}),
    "video-narrow": State(result=_video, then=_seek, options={"width": 320}),
    "speech-dark": State(
        result=SUBTITLED,
        given=POEM,
        then=_play_to_the_second_sentence,
        options={"theme": "dark"},
    ),
    "image": State(result=_call("text_to_image", prompt="An oak"), given=OAKS),
    "images": State(result=FOUR_OAKS, given=OAKS),
    "images-dark": State(result=FOUR_OAKS, given=OAKS, options={"theme": "dark"}),
    "images-narrow": State(result=FOUR_OAKS, given=OAKS, options={"width": 320}),
}


async def take(host: Host, state: State, into: Path) -> None:
    host.scripted = state.scripted
    result = await state.result(host)
    options = {"width": 560, **state.options}
    async with host.player(result, input=state.given, **options) as player:
        await player.until_state(state.until)
        if state.then is not None:
            await state.then(player)
        await player.run(
            "() => { const path = document.getElementById('path');"
            " path.textContent = path.textContent.replace(/.*MiniMax/, '/home/you/MiniMax'); }"
        )
        await player.tab.do("screenshot", path=str(into))


@asynccontextmanager
async def hosting(browser: Browser, home: Path) -> AsyncIterator[Host]:
    sandbox = Sandbox(stages=FOREVER)
    plain = Settings.from_env(environ={"HOME": str(home)}, env_file=home / "none")
    settings = replace(
        plain,
        api_key=SecretStr("any"),
        base_path=home / "MiniMax",
        state_dir=home / "state",
    )
    settings.base_path.mkdir()
    async with (
        serve(sandbox),
        connect(settings, sandbox) as client,
        serve_host(client, browser, folder=settings.base_path) as host,
    ):
        yield host


async def _take_all(browser: Browser, home: Path, states: dict[str, State], folder: Path) -> None:
    async with hosting(browser, home) as host:
        for name, state in states.items():
            await take(host, state, folder / f"{name}.png")


def _make_small(file: Path) -> None:
    with Image.open(file) as image:
        small = image.convert("RGB").quantize(COLORS)
    small.save(file, optimize=True)


def main() -> int:
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else IMAGES
    states = IN_THE_DOCUMENTS if folder == IMAGES else STATES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, launch() as browser:
        asyncio.run(_take_all(browser, Path(home).resolve(), states, folder))
    for name in states:
        file = folder / f"{name}.png"
        _make_small(file)
        sys.stdout.write(f"{file}: {file.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
