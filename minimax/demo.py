"""The guided tour: the whole job as a host does it, seen by a person.

A real MCP client starts the real server over stdio. By default the server speaks to the built-in
MiniMax, so that nothing is sent out and nothing costs.
"""

import asyncio
import os
import shutil
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from minimax.models import DEFAULT_VIDEO_MODELS, PRICES_AS_OF, VIDEO_MODELS, VideoMode
from minimax.settings import Settings

__all__ = ["run"]

SERVER: Final = Path(__file__).resolve().parent.parent / "minimax_server.py"
SAMPLES: Final = files("minimax.sandbox") / "media"
PROMPT: Final = "The sun rises over the sea and sets again while the light changes. [Static shot]"
BAR_WIDTH: Final = 30
BAR_SECONDS: Final = 0.2
TYPICAL_SECONDS: Final = {False: 8.0, True: 100.0}
"""How long a video takes, on the sandbox and at MiniMax; only the bar needs it."""
CLONE_PRICE_USD: Final = 1.50
"""Taken by MiniMax when a clone first speaks, which this tour does not make it do."""
WAIT_SECONDS: Final = 45


def run(*, live: bool = False) -> int:
    """Show the job; returns the exit code.

    Args:
        live: At MiniMax and for real, after the price was named and the person agreed.
    """
    if live and not _agreed():
        print("Nothing was done.")
        return 1
    try:
        asyncio.run(_tour(live=live))
    except TourError as failure:
        print(f"\nIt did not work: {failure}", file=sys.stderr)
        return 1
    return 0


class TourError(Exception):
    """A tool answered with an error; its text is for the person."""


def _agreed() -> bool:
    model = VIDEO_MODELS[DEFAULT_VIDEO_MODELS[VideoMode.FIRST_AND_LAST_FRAME]]
    price = next(iter(model.sizes.values())) or 0
    print(
        f"This makes one video with {model.name} at MiniMax for ${price:.2f} (list price, "
        f"{PRICES_AS_OF})\nand clones a voice, which costs ${CLONE_PRICE_USD:.2f} only if it ever "
        "speaks."
    )
    return input("Go on? Type yes: ").strip().lower() == "yes"


async def _tour(*, live: bool) -> None:
    settings = Settings.from_env(sandbox=not live)
    print("Starting the server as an MCP host does ...")
    async with Client(_server(live=live)) as client:
        tools = (await client.list_tools()).tools
        print(f"It is up and offers {len(tools)} tools.\n")
        inputs = _put_samples(settings)
        await _clone(client, inputs / "recording.mp3")
        await _film(client, inputs, live=live)
    if not live:
        print("\nThat was the sandbox: no key, no cost, nothing was sent out.")
        print("For your own: uv run minimax_server.py check")


def _server(*, live: bool) -> StdioServerParameters:
    arguments = [str(SERVER)] if live else [str(SERVER), "--sandbox"]
    return StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))


def _put_samples(settings: Settings) -> Path:
    """Copy the tour's recording and pictures to where inputs may come from."""
    folder = settings.base_path / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("recording.mp3", "first_frame.jpg", "last_frame.jpg"):
        shutil.copyfile(str(SAMPLES / name), folder / name)
    return folder


async def _clone(client: Client, recording: Path) -> None:
    print(f"1. Cloning a voice from {recording}")
    voice = await _call(
        client, "voice_clone", audio=str(recording), preview_text="Hello. This is my new voice."
    )
    print(f"   voice_id: {voice['voice_id']}")
    print(f"   preview:  {voice['demo_audio_path']}\n")


async def _film(client: Client, inputs: Path, *, live: bool) -> None:
    print("2. Generating a video from two pictures")
    job = await _call(
        client,
        "generate_video",
        prompt=PROMPT,
        first_frame=str(inputs / "first_frame.jpg"),
        last_frame=str(inputs / "last_frame.jpg"),
    )
    print(f"   task_id:  {job['task_id']} ({job['model']}, {job['duration']} s)\n")
    print("3. Following the job")
    status = await _followed(client, job["task_id"], live=live)
    print("4. Fetching the file")
    video = await _call(client, "retrieve_video_file", file_id=status["file_id"])
    print(f"   video:    {video['path']}")


async def _followed(client: Client, task_id: str, *, live: bool) -> dict[str, Any]:
    with _Bar(TYPICAL_SECONDS[live]) as bar:
        while True:
            status: dict[str, Any] = await _call(
                client,
                "query_video_generation",
                bar.heard,
                task_id=task_id,
                wait_seconds=WAIT_SECONDS,
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

    async def heard(self, _elapsed: float, _total: float | None, word: str | None) -> None:
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
