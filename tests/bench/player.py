"""How long a saved video takes to its first frame in the player, in a host of our own."""

import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcp import Client, StdioServerParameters

from tests.bench import drive
from tests.bench.rows import OURS, Bench, Row, seconds
from tests.clients.packages import Unavailable
from tests.player.apps_host import SHOWS_APPS
from tests.player.browser import Browser, Host, Player, launch, serve_host
from tests.player.results import place_video

VIDEO_BYTES: Final = 30_000_000
FIRST_FRAME_SECONDS: Final = 4.0
TURNS: Final = 3


async def first_frame(bench: Bench) -> list[Row]:
    """From the call that finds the file to the first picture, read over stdio in pieces."""
    try:
        with launch() as browser:
            took = await _measured(bench, browser)
    except Unavailable as reason:
        sys.stderr.write(f"Left out: the player; {reason}.\n")
        return []
    median = statistics.median(took)
    return [
        Row(
            what=f"{VIDEO_BYTES // 1_000_000} MB video, call to first frame in the player "
            "(own host)",
            budget=f"at most {FIRST_FRAME_SECONDS:.0f} s",
            measured=f"{median:.1f} s",
            kept=median <= FIRST_FRAME_SECONDS,
            used={OURS: median / FIRST_FRAME_SECONDS},
        )
    ]


async def _measured(bench: Bench, browser: Browser) -> list[float]:
    async with _hosting(bench, browser) as host:
        place_video(host.folder, padded_to=VIDEO_BYTES)
        took = []
        for turn in range(TURNS + 1):
            async with host.player(patch={}) as player:
                taken = await seconds(_show(host, player))
            if turn > 0:
                took.append(taken)
    return took


async def _show(host: Host, player: Player) -> None:
    await player.deliver(await host.call("retrieve_video_file", file_id="7"))
    await player.until("() => document.querySelector('video')?.readyState >= 2")


@asynccontextmanager
async def _hosting(bench: Bench, browser: Browser) -> AsyncIterator[Host]:
    command, *arguments = bench.commands[OURS]
    env = drive.environment(bench.folder, bench.api.sandbox)
    server = StdioServerParameters(command=command, args=arguments, env=env)
    folder = bench.folder / drive.SAVED_FOLDER
    async with (
        Client(server, mode="legacy", extensions=[SHOWS_APPS]) as client,
        serve_host(client, browser, folder=folder) as host,
    ):
        yield host
