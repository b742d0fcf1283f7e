"""The words a model reads are golden: a change to them is a reviewed change.

    uv run python -m tests.test_golden_words

writes them again.
"""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types import PromptReference

import minimax_server
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.support.in_process import call, connected

GOLDEN = Path(__file__).resolve().parent / "golden"
TEAM = GOLDEN / "team"
REWRITE = "after an intended change, run: uv run python -m tests.test_golden_words"

pytestmark = pytest.mark.anyio


async def words(server: MCPServer[Any] | None = None) -> dict[str, Any]:
    """Everything a host shows to a model, by file name."""
    async with Client(server or minimax_server.make_server()) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
        found: dict[str, Any] = {"instructions": client.instructions}
    for kind, entries in (("tool", tools), ("prompt", prompts), ("resource", resources)):
        for entry in entries:
            dumped = entry.model_dump_json(by_alias=True, exclude_none=True)
            found[f"{kind}-{entry.name}"] = json.loads(dumped)
    return found


async def team_words() -> dict[str, Any]:
    """The same of a team's server."""
    from minimax.team.face import make_face

    parts = minimax_server._make_team_parts()
    server: MCPServer[Any] = MCPServer(
        "minimax", instructions=parts.instructions, tools=make_face(parts.tools).tools
    )
    parts.add_more(server)
    return await words(server)


async def test_the_words_of_a_team_are_those_that_were_reviewed() -> None:
    pytest.importorskip("psycopg", reason="the extra `team` is not installed here")
    kept = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in TEAM.glob("*.json")}
    assert await team_words() == kept, REWRITE


async def test_the_words_are_those_that_were_reviewed() -> None:
    kept = {
        file.stem: json.loads(file.read_text(encoding="utf-8")) for file in GOLDEN.glob("*.json")
    }
    assert await words() == kept, REWRITE


async def test_the_prompts_tell_the_two_journeys() -> None:
    async with Client(minimax_server.make_server()) as client:
        spoken = await client.get_prompt(
            "clone_and_speak", {"recording": "~/me.m4a", "text": "Good morning."}
        )
        video = await client.get_prompt(
            "pictures_to_video", {"first_frame": "a.png", "last_frame": "b.png"}
        )
    texts = [str(found.messages[0].content) for found in (spoken, video)]
    assert "~/me.m4a" in texts[0]
    assert "Good morning." in texts[0]
    assert "dry_run" in texts[1]


async def test_models_and_voices_are_completed(settings: Settings, sandbox: Sandbox) -> None:
    ref = PromptReference(type="ref/prompt", name="clone_and_speak")
    async with connected(settings, sandbox) as client:
        models = await client.complete(ref, {"name": "model", "value": "speech-2.8"})
        voices = await client.complete(ref, {"name": "voice_id", "value": "graceful_lady"})
        nothing = await client.complete(ref, {"name": "text", "value": "x"})
    assert models.completion.values == ["speech-2.8-hd", "speech-2.8-turbo"]
    assert "English_Graceful_Lady" in voices.completion.values
    assert nothing.completion.values == []


async def test_the_model_table_and_the_ledger_can_be_shown(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="x")
        shown = {
            name: json.loads((await client.read_resource(f"minimax://{name}")).contents[0].text)  # type: ignore[union-attr]
            for name in ("models", "tasks")
        }
    hailuo = next(m for m in shown["models"]["video"] if m["model"] == "MiniMax-Hailuo-02")
    assert {"resolution": "768P", "seconds": 10, "price": 0.56} in hailuo["sizes"]
    assert "November 2026" in shown["models"]["prices"]
    assert [task["task_id"] for task in shown["tasks"]] == [job["task_id"]]


async def test_completion_without_a_key_is_empty_and_no_error(settings: Settings) -> None:
    keyless = replace(settings, api_key=None)
    ref = PromptReference(type="ref/prompt", name="clone_and_speak")
    async with Client(minimax_server.make_server(lambda: keyless)) as client:
        found = await client.complete(ref, {"name": "voice_id", "value": "x"})
    assert found.completion.values == []


def write() -> None:
    """Take the present words as reviewed."""
    for folder, found in ((GOLDEN, words()), (TEAM, team_words())):
        folder.mkdir(exist_ok=True)
        for file in folder.glob("*.json"):
            file.unlink()
        for name, content in asyncio.run(found).items():
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"{len(list(GOLDEN.rglob('*.json')))} files written\n")
