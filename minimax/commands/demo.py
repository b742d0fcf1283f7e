"""`minimax_server.py demo`: shows a person every step, as a host would call it.

A real MCP client starts the real server over stdio. By default the server speaks to the built-in
MiniMax, so that nothing is sent out and nothing costs.
"""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from minimax.catalog import (
    CLONE_PRICE_USD,
    DEFAULT_VIDEO_MODELS,
    IMAGE_PRICE_USD,
    PRICES_AS_OF,
    VIDEO_MODELS,
    VideoMode,
)
from minimax.commands.key_check import find_accepting_host
from minimax.errors import MiniMaxError, SettingsError
from minimax.sandbox.media.samples import RECORDING
from minimax.settings import KEY_PAGE, Settings, own_command, where_keys_go
from minimax.time_budgets import LONGEST_WAIT_SECONDS

__all__ = ["run"]

SPOKEN: Final = "Good morning. This is my new voice, and this is how it sounds."
IMAGE_PROMPT: Final = "The sun over a calm sea, wide view, warm light"
PROMPT: Final = "The sun rises over the sea and sets again while the light changes. [Static shot]"
BAR_WIDTH: Final = 30
BAR_SECONDS: Final = 0.2
TYPICAL_SECONDS: Final = {False: 8.0, True: 100.0}
"""How long a video takes, on the sandbox and at MiniMax; only the bar needs it."""


def run(*, server_file: Path, live: bool = False) -> int:
    """Show the job; returns the exit code.

    Args:
        server_file: The server that is started, as hosts name it.
        live: At MiniMax and for real, after the price was named and the person agreed.
    """
    if live and not _is_ready_to_spend():
        print("Nothing was done.")
        return 1
    try:
        asyncio.run(_tour(server_file, live=live))
    except (TourError, SettingsError, OSError, BaseExceptionGroup) as failure:
        print(f"\nIt did not work: {_first(failure)}", file=sys.stderr)
        return 1
    return 0


def _first(failure: BaseException) -> BaseException:
    """The failure itself; the MCP client wraps it on its way out."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


class TourError(Exception):
    """A tool answered with an error; its text is for the person."""


def _is_ready_to_spend() -> bool:
    """Whether there is a key that MiniMax accepts, and the person agrees to the price."""
    try:
        settings = Settings.from_env()
        if settings.api_key is None:
            raise SettingsError(
                f"There is no MiniMax API key yet. Make one at {KEY_PAGE}, put it as "
                f"MINIMAX_API_KEY into {where_keys_go('the environment of this terminal')}, and "
                "run this again."
            )
        find_accepting_host(settings)
    except MiniMaxError as error:
        print(error, file=sys.stderr)
        return False
    return _ask_to_spend()


def _ask_to_spend() -> bool:
    model = VIDEO_MODELS[DEFAULT_VIDEO_MODELS[VideoMode.FIRST_AND_LAST_FRAME]]
    video = next(iter(model.sizes.values())) or 0
    total = video + CLONE_PRICE_USD + 2 * IMAGE_PRICE_USD
    print(
        f"At MiniMax this costs about ${total:.2f} (list prices of {PRICES_AS_OF}): a video with\n"
        f"{model.name} ${video:.2f}, a cloned voice that speaks ${CLONE_PRICE_USD:.2f}, two "
        "images and a\nsentence less than a cent each."
    )
    try:
        return input("Go on? Type yes: ").strip().lower() == "yes"
    except EOFError:  # nobody is there to agree
        return False


async def _tour(server_file: Path, *, live: bool) -> None:
    settings = Settings.from_env(sandbox=not live)
    print("Starting the server as an MCP host does ...")
    async with Client(_server(settings, server_file, live=live)) as client:
        tools = (await client.list_tools()).tools
        print(f"It is up and offers {len(tools)} tools.\n")
        spent_before_usd = await _read_spent(client)
        voice_id = await _clone(client, _put_recording(settings))
        await _speak(client, voice_id)
        await _make_video(client, await _make_images(client), live=live)
        await _show_cost(client, spent_before_usd, live=live)
    if not live:
        print("\nThat was the sandbox: no key, no cost, nothing was sent out.")
        print(f"For your own: {own_command('check')}")


def _server(settings: Settings, server_file: Path, *, live: bool) -> StdioServerParameters:
    """The server under the person's settings, but for those that the tour itself depends on."""
    needed = {
        "MINIMAX_API_RESOURCE_MODE": "local",
        "MINIMAX_MCP_INPUT_PATHS": str(settings.base_path),
    }
    if not live:  # every tour counts, and a person may want many
        needed["MINIMAX_MCP_DAILY_LIMIT_USD"] = "off"
    arguments = [str(server_file)] if live else [str(server_file), "--sandbox"]
    return StdioServerParameters(
        command=sys.executable, args=arguments, env={**os.environ, **needed}
    )


def _put_recording(settings: Settings) -> Path:
    """Copy the tour's recording to where inputs may come from."""
    place = settings.base_path / "demo" / "recording.mp3"
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        shutil.copyfile(RECORDING, place)
    return place


async def _clone(client: Client, recording: Path) -> str:
    print(f"1. Cloning a voice from {recording}")
    voice = await _call(client, "voice_clone", audio=str(recording))
    print(f"   voice_id: {voice['voice_id']}\n")
    return str(voice["voice_id"])


async def _speak(client: Client, voice_id: str) -> None:
    print("2. Speaking with it")
    speech = await _call(client, "text_to_audio", text=SPOKEN, voice_id=voice_id)
    print(f"   speech:   {speech['path']}\n")


async def _make_images(client: Client) -> list[str]:
    print("3. Making two images")
    images = await _call(client, "text_to_image", prompt=IMAGE_PROMPT, aspect_ratio="16:9", n=2)
    for path in images["paths"]:
        print(f"   image:  {path}")
    print()
    return [images["paths"][0], images["paths"][-1]]


async def _make_video(client: Client, frames: list[str], *, live: bool) -> None:
    print("4. Generating a video from the first image to the second")
    first, last = frames
    job = await _call(client, "generate_video", prompt=PROMPT, first_frame=first, last_frame=last)
    print(f"   task_id:  {job['task_id']} ({job['model']}, {job['duration']} s)\n")
    print("5. Following the job")
    status = await _follow_job(client, job["task_id"], live=live)
    print("6. Fetching the file")
    video = await _call(client, "retrieve_video_file", file_id=status["file_id"])
    print(f"   video:    {video['path']}")


async def _read_spent(client: Client) -> float:
    status = await _call(client, "account_status")
    return float(sum(status["spent_24_hours_usd"].values()))


async def _show_cost(client: Client, spent_before_usd: float, *, live: bool) -> None:
    print("\n7. What it cost")
    list_price_usd = await _read_spent(client) - spent_before_usd
    if live:
        print(f"   ${list_price_usd:.2f} at most, by MiniMax's list prices")
    else:
        print(f"   $0.00; at MiniMax it would have been ${list_price_usd:.2f} at most")


async def _follow_job(client: Client, task_id: str, *, live: bool) -> dict[str, Any]:
    with _Bar(TYPICAL_SECONDS[live]) as bar:
        while True:
            status: dict[str, Any] = await _call(
                client,
                "query_video_generation",
                bar.show_progress,
                task_id=task_id,
                wait_seconds=LONGEST_WAIT_SECONDS,
            )
            if status["status"] == "failed":
                raise TourError(status["error"])
            if status["status"] == "completed":
                return status


class _Bar:
    """A progress bar that moves by itself; MiniMax tells words, and no share of the work."""

    def __init__(self, typical_seconds: float) -> None:
        self._typical_seconds = typical_seconds
        self._started = time.monotonic()
        self._word = ""
        self._moving: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self._moving = asyncio.create_task(self._move())
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._moving is not None:
            self._moving.cancel()
        if kind is None:
            self._word = "done"
            self._draw(1)
        print("\n")

    async def show_progress(self, _elapsed: float, _total: float | None, word: str | None) -> None:
        if word != self._word:
            self._word = word or ""
            self._draw()

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(BAR_SECONDS)
            self._draw()

    def _draw(self, share: float | None = None) -> None:
        if share is None:
            share = min((time.monotonic() - self._started) / self._typical_seconds, 0.99)
        filled = round(BAR_WIDTH * share)
        start = "\r" if sys.stdout.isatty() else "\n"
        bar = "#" * filled + "-" * (BAR_WIDTH - filled)
        print(f"{start}   [{bar}] {share:4.0%}  {self._word:<28}", end="", flush=True)


async def _call(client: Client, name: str, progress: Any = None, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments, progress_callback=progress)
    if result.is_error:
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        raise TourError(" ".join(texts))
    return result.structured_content
