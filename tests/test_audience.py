"""An error speaks to whoever reads it: a model in a chat, or the log of a program."""

import ast
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client

import minimax_server
from minimax import runtime
from minimax.errors import MiniMaxError
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from tests.support.host import ROOT
from tests.support.in_process import failure

pytestmark = pytest.mark.anyio

OF_CHATS = re.compile(
    r"\b(the person|ask them|this chat|the chat|another chat|the host|a host|restart)\b",
    re.IGNORECASE,
)
"""Words that mean nothing in the log of a program."""
TELLS = "told by a host's question only"
ONLY_OVER_MCP = {ROOT / "minimax/spending/consent.py": TELLS}

Setting = Callable[[Settings, Sandbox], Settings]
LOST_VIDEO = Fault("/v1/video_generation", when="after", reset=True)
LOST_SPEECH = Fault("/v1/t2a_v2", when="after", reset=True)
LONG_TEXT = "Hello " * 166 + "all."

CASES: dict[str, tuple[str, dict[str, object], Setting]] = {
    "no key": ("list_voices", {}, lambda settings, _: replace(settings, api_key=None)),
    "a file that is not there": (
        "voice_clone",
        {"audio": "~/none.mp3"},
        lambda settings, _: settings,
    ),
    "a file outside": (
        "generate_video",
        {"first_frame": "/etc/hostname"},
        lambda settings, _: settings,
    ),
    "nothing may be bought": (
        "generate_video",
        {"prompt": "a dog"},
        lambda settings, _: replace(settings, daily_limit_usd=0.0),
    ),
    "over the limit": (
        "generate_video",
        {"prompt": "a dog"},
        lambda settings, _: replace(settings, daily_limit_usd=0.01),
    ),
    "a video in doubt": (
        "generate_video",
        {"prompt": "a dog"},
        lambda settings, sandbox: _with_fault(settings, sandbox, LOST_VIDEO),
    ),
    "speech in doubt": (
        "text_to_audio",
        {"text": LONG_TEXT},
        lambda settings, sandbox: _with_fault(settings, sandbox, LOST_SPEECH),
    ),
}
TWICE = {"a video in doubt", "speech in doubt"}
"""The second call is refused in other words than the first."""


def _with_fault(settings: Settings, sandbox: Sandbox, fault: Fault) -> Settings:
    sandbox.faults.add(fault)
    return settings


def arrange(case: str, settings: Settings, sandbox: Sandbox) -> Settings:
    return CASES[case][2](replace(settings, api_host=sandbox.url), sandbox)


@pytest.mark.parametrize("case", CASES)
async def test_an_exception_reads_well_in_a_log(
    case: str, settings: Settings, sandbox: Sandbox
) -> None:
    name, arguments, _ = CASES[case]
    tool: Callable[..., Awaitable[object]] = getattr(minimax_server, name)
    at = arrange(case, settings, sandbox)
    async with runtime.host_runtime(Runtime(lambda: at)):
        for _ in range(2 if case in TWICE else 1):
            with pytest.raises(MiniMaxError) as caught:
                await tool(**arguments)
            assert not OF_CHATS.findall(str(caught.value))
            assert "  " not in str(caught.value)


@pytest.mark.parametrize("case", CASES)
async def test_over_mcp_the_model_is_told_whom_to_ask(
    case: str, settings: Settings, sandbox: Sandbox
) -> None:
    name, arguments, _ = CASES[case]
    at = arrange(case, settings, sandbox)
    async with Client(minimax_server.make_server(lambda: at)) as client:
        for _ in range(2 if case in TWICE else 1):
            told = await failure(client, name, **arguments)
            assert OF_CHATS.findall(told)
            assert "  " not in told


# --- the whole code ----------------------------------------------------------------------------


def error_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text inside of a call that makes an error, without what is said in chats only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _makes_error(node.func):
            yield from _texts(node)


def _makes_error(function: ast.expr) -> bool:
    name = getattr(function, "attr", getattr(function, "id", ""))
    of = getattr(getattr(function, "value", None), "id", "")
    return name.endswith("Error") or (name == "after" and of.endswith("Error"))


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.keyword) and node.arg == "chat":
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def modules() -> list[Path]:
    apart = {"sandbox", "commands", "protocol", "player", "team"}
    found = (ROOT / "minimax").rglob("*.py")
    return [path for path in found if path.relative_to(ROOT / "minimax").parts[0] not in apart]


def test_no_error_speaks_to_a_chat_where_a_program_reads_it() -> None:
    """What is said in chats only belongs into `pick_text(chat=...)`."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in modules()
        if path not in ONLY_OVER_MCP
        for line, text in error_texts(path)
        if OF_CHATS.search(text)
    ]
    assert found == []


async def test_an_unknown_argument_is_a_type_error_in_python_and_named_over_mcp(
    settings: Settings, sandbox: Sandbox
) -> None:
    at = replace(settings, api_host=sandbox.url)
    wrong: dict[str, object] = {"prompt": "a dog", "colour": "brown"}
    async with runtime.host_runtime(Runtime(lambda: at)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            await minimax_server.generate_video(**wrong)  # type: ignore[arg-type]
    async with Client(minimax_server.make_server(lambda: at)) as client:
        told = await failure(client, "generate_video", **wrong)
    assert "There is no argument 'colour'" in told
    assert sandbox.count_charges("video") == 0
