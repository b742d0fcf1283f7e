"""A tool is whole, or one message names everything that it still lacks."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations

import minimax_server
from minimax.protocol.strict_tool import Toolbox
from minimax.time_budgets import LONGEST_CALL_SECONDS
from tests.support.host import ROOT
from tests.support.markdown import rows

READS = ("query_", "list_", "account_")
DESTROYS = ("delete_", "cancel_")


def missing_parts(tool: Tool) -> Iterator[str]:
    """Where a tool should be and is not, and what is wrong about it."""
    name = tool.name
    if name not in minimax_server.__all__:
        yield "`__all__` of minimax_server.py"
    if not (ROOT / "tests" / "golden" / f"tool-{name}.json").exists():
        yield "its golden words: uv run python -m tests.test_golden_words"
    if f"\n## {name}\n" not in _read("docs/TOOLS.md").replace("`", ""):
        yield "docs/TOOLS.md: uv run python -m tests.scripts.generated_docs"
    if name not in _prices():
        yield "a row of the README's table of tools"
    if f"`{name}`" not in _read("CHANGELOG.md"):
        yield "its name in CHANGELOG.md"
    if not _is_called_by_a_test(name):
        yield "a test that calls it"
    if tool.annotations != _fitting_annotations(name):
        yield "annotations that fit its name and its price in the README"


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _prices() -> dict[str, str]:
    """What each tool costs, by the README's table."""
    return {tool.strip("`"): price for tool, _, price in rows(ROOT / "README.md", "tool")}


def _fitting_annotations(name: str) -> ToolAnnotations:
    if name.startswith(DESTROYS):
        return minimax_server.DESTRUCTIVE
    if _prices().get(name) != "free":
        return minimax_server.PAID
    return minimax_server.READ_ONLY if name.startswith(READS) else minimax_server.WRITES_FILES


def _is_called_by_a_test(name: str) -> bool:
    call = re.compile(rf'"{name}"|minimax_server\.{name}\(')
    tests = (ROOT / "tests").rglob("test_*.py")
    return any(call.search(path.read_text(encoding="utf-8")) for path in tests if path != HERE)


HERE = Path(__file__)


def report(tools: Sequence[Tool]) -> str:
    """One line for each tool that is not whole; empty where all are."""
    lines = {tool.name: ", ".join(missing_parts(tool)) for tool in tools}
    return "\n".join(f"{name} lacks: {parts}" for name, parts in lines.items() if parts)


def test_every_tool_is_whole() -> None:
    missing = report(minimax_server.toolbox.tools)
    assert not missing, missing


def test_a_half_added_tool_is_told_everything_that_it_lacks() -> None:
    toolbox = Toolbox(
        user_error=Exception, argument_error=Exception, longest_call_seconds=LONGEST_CALL_SECONDS
    )

    @toolbox.tool(title="Half", annotations=minimax_server.PAID)
    async def list_halves() -> str:
        """Half a tool."""
        return ""

    assert report(toolbox.tools).split(", ") == [
        "list_halves lacks: `__all__` of minimax_server.py",
        "its golden words: uv run python -m tests.test_golden_words",
        "docs/TOOLS.md: uv run python -m tests.scripts.generated_docs",
        "a row of the README's table of tools",
        "its name in CHANGELOG.md",
        "a test that calls it",
    ]


def test_a_free_tool_that_is_annotated_as_paid_is_noticed() -> None:
    [tool] = [tool for tool in minimax_server.toolbox.tools if tool.name == "list_voices"]
    paid = tool.model_copy(update={"annotations": minimax_server.PAID})
    assert report([paid]) == (
        "list_voices lacks: annotations that fit its name and its price in the README"
    )
