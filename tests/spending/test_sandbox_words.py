"""With `--sandbox` no text speaks of prices or of seven days as if they were real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client

import minimax_server
from minimax.sandbox import Sandbox, serve
from minimax.settings import Settings
from tests.support import samples
from tests.support.in_process import call, failure

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def sandboxed(
    settings: Settings, *, daily_limit_usd: float | None = None
) -> AsyncIterator[Client]:
    """A host of a server that was started with `--sandbox`."""
    at = replace(settings, sandbox=True, daily_limit_usd=daily_limit_usd)
    backend = lambda: serve(Sandbox())  # noqa: E731
    async with Client(minimax_server.make_server(lambda: at, backend=backend)) as client:
        yield client


async def test_the_instructions_and_every_paid_tool_begin_with_what_the_sandbox_is(
    settings: Settings,
) -> None:
    async with sandboxed(settings) as client:
        instructions = client.instructions or ""
        tools = (await client.list_tools()).tools
    paid = [tool for tool in tools if tool.annotations == minimax_server.PAID]
    assert "generate_video" in [tool.name for tool in paid]
    for tool in paid:
        assert (tool.description or "").startswith("Sandbox: nothing is charged")
    assert instructions.startswith(
        "Sandbox: nothing is charged; every file is a fixed sample that ignores the prompt; "
        "everything is forgotten when the server ends."
    )


async def test_results_of_paid_tools_say_that_nothing_is_charged(
    settings: Settings, home: Path
) -> None:
    recording = str(samples.put(home / "me.wav", samples.wav()))
    async with sandboxed(settings) as client:
        voice = await call(client, "voice_clone", audio=recording)
        design = await call(client, "voice_design", prompt="A sailor", preview_text="Ahoy.")
        others = [
            await call(client, "text_to_audio", text="Good day.", voice_id=voice["voice_id"]),
            await call(client, "long_text_to_audio", text="Good day."),
            await call(client, "long_text_to_audio", text="Good day.", dry_run=True),
            await call(client, "text_to_image", prompt="a fox"),
            await call(client, "generate_video", prompt="a fox"),
            await call(client, "generate_video", prompt="a fox", dry_run=True),
            await call(client, "transcribe_audio", audio=recording),
        ]
    for result in (voice, design):
        assert "It lasts as long as this sandbox, for nothing." in result["next_step"]
        assert "MiniMax would delete it" in result["next_step"]
    for result in (design, *others):
        assert "Nothing is charged here." in result["next_step"]
        assert "List price" not in result["next_step"]
        assert "MiniMax now charges" not in result["next_step"]


async def test_the_limit_can_be_tried_and_says_that_nothing_is_charged(settings: Settings) -> None:
    async with sandboxed(settings, daily_limit_usd=0.3) as client:
        await call(client, "generate_video", prompt="a fox")
        text = await failure(client, "generate_video", prompt="an owl")
    assert text.startswith("Sandbox: nothing is charged here, and the limit counts")
    assert "Nothing was sent" in text


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("text_to_audio", {"text": "Good day."}),
        ("text_to_image", {"prompt": "a fox"}),
        ("voice_design", {"prompt": "A sailor", "preview_text": "Ahoy."}),
    ],
)
async def test_what_could_not_be_saved_says_who_charges_and_that_nobody_does_here(
    tool: str, arguments: dict[str, str], settings: Settings
) -> None:
    samples.put(settings.base_path, b"a file where the folder should be")
    async with sandboxed(settings) as client:
        made = await call(client, tool, **arguments)
    assert "MiniMax charges for making it again. Nothing is charged here. " in made["next_step"]
