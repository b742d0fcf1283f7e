"""The documents are true: their programs, commands, blocks, tables and links are tried."""

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from dotenv import dotenv_values

import minimax_server
from minimax import catalog
from minimax.clock import Clock
from minimax.sandbox import Fault, Sandbox, VideoStages, serve
from minimax.scope import GivenSettings
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support import samples
from tests.support.host import ROOT
from tests.support.markdown import DOCUMENTS, POLLING, README, Block, blocks, code_spans, rows

SAMPLES = ROOT / "minimax" / "sandbox" / "media"
ENV_EXAMPLE = ROOT / ".env.example"
TEAM = ROOT / "docs" / "TEAM.md"


PYTHON = blocks("python")
LIBRARY = ROOT / "docs" / "LIBRARY.md"
IN_FILES = {
    "app = FastAPI": "service.py",
    "pytest_plugins": "conftest.py",
    "def test_": "test_service.py",
}
"""Pieces of a project, by what they hold, and the file that each is."""
PROGRAMS = [block for block in PYTHON if not any(mark in block.text for mark in IN_FILES)]
JSON = blocks("json")


# --- the programs ------------------------------------------------------------------------------


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in a thread of its own that the settings point at; sleeping moves its clock."""
    stages = VideoStages(preparing_seconds=5, queueing_seconds=5, processing_seconds=50)
    made, sleep = Sandbox(keys={KEY, "key-of-anna", "key-of-ben"}, stages=stages), asyncio.sleep

    async def skip(seconds: float) -> None:
        made.clock.advance(seconds)
        await sleep(0)

    monkeypatch.setattr("asyncio.sleep", skip)
    monkeypatch.setattr(
        "minimax.runtime.per_loop.Clock", lambda: Clock(now=made.clock.now, sleep=skip)
    )
    monkeypatch.setattr("minimax.settings.read_env_file", lambda *_: {})
    monkeypatch.setattr("getpass.getpass", lambda _: KEY)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(made)) as url,
    ):
        monkeypatch.setenv("MINIMAX_API_KEY", KEY)
        monkeypatch.setenv("MINIMAX_API_HOST", url)
        yield made


@pytest.fixture
def names(home: Path, sandbox: Sandbox) -> dict[str, Any]:
    """What the documents take for granted: files of the person, and a video job under way."""
    for folder in ("Pictures", "Recordings"):
        (home / folder).mkdir()
    shutil.copyfile(SAMPLES / "recording.mp3", home / "Recordings" / "me.mp3")
    shutil.copyfile(SAMPLES / "recording.mp3", home / "Recordings" / "meeting.mp3")
    (home / "Recordings" / "short.wav").write_bytes(samples.wav(3))
    samples.put(home / "Books" / "chapter.txt", b"Once upon a time.")
    for image in ("first.jpg", "last.jpg"):
        (home / "Pictures" / image).write_bytes(samples.png())
    task_id = asyncio.run(request_video())
    sandbox.videos["video_task_123"] = sandbox.videos[task_id]
    return {
        "__name__": "__main__",
        "prompt": "The sun sets over the lake",
        "first_frame": "~/Pictures/first.jpg",
        "last_frame": "~/Pictures/last.jpg",
        "task_id": task_id,
    }


async def request_video() -> str:
    video = await minimax_server.generate_video("A paper boat sails across a lake of tea.")
    assert video["task_id"] is not None
    return video["task_id"]


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block as `python -m asyncio` does, which knows `await` outside of functions."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(block.text, str(block), "exec", flags=flags, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, names))
    else:
        exec(code, names)


PROMPT = "task_id: str\n"
"""What the prompt of `python -m asyncio` has already, where the examples are pasted."""


def test_the_types_of_every_program_fit(tmp_path: Path) -> None:
    """A person who saves one and type-checks it finds no error."""
    folder, cache = tmp_path / "programs", tmp_path / "cache"
    folder.mkdir()
    for block in PYTHON:
        in_file = [name for mark, name in IN_FILES.items() if mark in block.text]
        name, *_ = [*in_file, f"{block.document.stem.lower()}_line_{block.line}.py"]
        is_whole = "asyncio.run(" in block.text
        (folder / name).write_text(block.text if is_whole else PROMPT + block.text, "utf-8")
    options = ["--strict", "--disable-error-code=top-level-await", f"--cache-dir={cache}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(folder)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def printed_files(text: str) -> list[Path]:
    return [Path(path) for path in re.findall(r"\S*[/\\]MiniMax[/\\]\S+", text)]


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_every_program_runs_as_written(
    block: Block, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run(block, names)
    printed = capsys.readouterr().out
    assert printed
    assert "None" not in printed
    assert all(path.is_file() for path in printed_files(printed))


def test_the_service_and_its_test_run_as_written(tmp_path: Path) -> None:
    for mark, name in IN_FILES.items():
        text = program(LIBRARY, mark).text
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))},
            "PYTHONPATH": str(ROOT),
        },
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_library_page_names_every_setting_that_code_can_give() -> None:
    names = [code_spans(name)[0] for name, _ in rows(LIBRARY, "argument")]
    assert names == list(GivenSettings.__annotations__)
    variables = [code_spans(variable)[0] for _, variable in rows(LIBRARY, "argument")]
    assert set(variables) <= settings_read()


def program(document: Path, mark: str) -> Block:
    [found] = [block for block in blocks("python", documents=[document]) if mark in block.text]
    return found


@pytest.mark.parametrize(
    ("age_seconds", "said"),
    [(0, "Still generating"), (20, "Still generating"), (90, "Video ready: 9")],
    ids=["queued", "processing", "completed"],
)
def test_example_1_tells_how_the_video_stands(
    age_seconds: int,
    said: str,
    names: dict[str, Any],
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sandbox.clock.advance(age_seconds)
    run(program(README, 'query_video_generation("video_task_123")'), names)
    assert said in capsys.readouterr().out


def test_a_piece_for_the_prompt_has_no_blank_line_inside_a_block() -> None:
    """There a blank line ends the block, and what follows is an error."""
    pieces = [block for block in PYTHON if re.search(r"(?m)^ *[^ #\n].*\bawait\b", block.text)]
    at_top = [block for block in pieces if "asyncio.run(" not in block.text]
    assert len(at_top) > 5
    broken = re.compile(r"\n\n+(?:[ \t]|elif\b|else\b|except\b|finally\b)")
    assert [str(block) for block in at_top if broken.search(block.text)] == []


def test_example_2_ends_with_the_file_id(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run(program(README, "for i in range(60)"), names)
    assert re.fullmatch(r"Done! File ID: \d+\n", capsys.readouterr().out)


def test_example_3_buys_one_video_and_saves_it(
    names: dict[str, Any], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sandbox.count_charges("video")
    run(program(README, "async def make_video"), names)
    [saved] = printed_files(capsys.readouterr().out)
    assert saved.read_bytes() == (SAMPLES / "video.mp4").read_bytes()
    assert sandbox.count_charges("video") == before + 1


@pytest.mark.parametrize(
    ("document", "mark", "said"),
    [
        (README, "for i in range(60)", "Failed: "),
        (README, 'query_video_generation("video_task_123")', "Error: "),
        (POLLING, "wait_seconds=45", "failed"),
    ],
    ids=["example 2", "example 1", "waiting"],
)
def test_a_loop_ends_when_the_job_fails(
    document: Path,
    mark: str,
    said: str,
    names: dict[str, Any],
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = sandbox.videos["video_task_123"]
    task.prompt = "[block output]"
    sandbox.clock.advance(90)
    run(program(document, mark), names)
    assert capsys.readouterr().out.startswith(said)


def test_the_loop_for_bad_connections_outlives_an_outage(
    names: dict[str, Any], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add(Fault("/v1/query/", status=503, times=20))
    run(program(POLLING, "Outcome.REJECTED"), names)
    *troubles, last = capsys.readouterr().out.splitlines()
    assert troubles
    assert all(line.startswith("Could not ask: ") for line in troubles)
    assert last in ("queued", "processing", "completed")


# --- the commands ------------------------------------------------------------------------------


def commands() -> list[str]:
    """What follows `minimax_server.py` in every command of the documents."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        found += re.findall(
            r"uv run (?:--(?:directory|extra) \S+ )?minimax_server\.py([^`&\n]*)", text
        )
    found += [shlex.join(server_arguments(block)) for block in JSON]
    return sorted({command.strip() for command in found})


def server_in(block: Block) -> dict[str, Any]:
    """What a block says about this server, under the key that its host reads."""
    values = json.loads(block.text)
    assert len(values) == 1
    [servers] = values.values()
    found: dict[str, Any] = servers["minimax"]
    return found


def server_arguments(block: Block) -> list[str]:
    arguments: list[str] = server_in(block)["args"]
    return arguments[arguments.index("minimax_server.py") + 1 :]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command or "(none)")
def test_every_command_is_one_that_the_server_knows(command: str) -> None:
    minimax_server._options(shlex.split(command))


@pytest.mark.parametrize("command", ["demo", "check", "install", "sandbox", "--sandbox"])
def test_every_way_to_start_the_server_is_in_the_documents(command: str) -> None:
    assert any(command in line.split() for line in commands())


@pytest.mark.parametrize("command", ["uv run minimax_server.py demo", "uv run pytest"])
def test_a_fresh_machine_needs_one_line(command: str) -> None:
    lines = [block.text.strip() for block in blocks("sh", documents=[README])]
    assert f"pip install uv && {command}" in lines


def test_the_demo_shows_what_the_readme_says_and_leaves_the_files_that_it_names(
    tmp_path: Path, home: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "minimax_server.py"), "demo"],
        capture_output=True,
        encoding="utf-8",
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [shown] = blocks("text", documents=[README])
    patterns = [
        ".*".join(map(re.escape, line.strip().split("..."))) for line in shown.text.splitlines()
    ]
    printed = done.stdout.replace("\\", "/")  # as Windows separates folders
    assert re.search(".*".join(patterns), printed, re.DOTALL), done.stdout
    files = printed_files(done.stdout)
    assert {path.suffix for path in files} == {".mp3", ".jpg", ".mp4"}
    assert all(path.is_file() and path.is_relative_to(home / "MiniMax") for path in files)


def test_check_says_that_the_key_is_missing_and_prints_the_readmes_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minimax.settings.read_env_file", lambda *_: {})
    monkeypatch.setattr("minimax.commands.entries.read_env_file", lambda *_: {})
    assert minimax_server.main(["check"]) == 1
    printed = capsys.readouterr().out
    assert "MINIMAX_API_KEY is not set" in printed
    block = json.loads(printed[printed.index("\n{") :])
    server = block["mcpServers"]["minimax"]
    server["command"] = "/full/path/to/uv"
    assert server["args"][2] == str(ROOT)
    server["args"][2] = "/full/path/to/this/folder"
    [first, *_] = blocks("json", documents=[README])
    assert block == json.loads(first.text)


def test_check_is_content_with_a_good_key(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert minimax_server.main(["check"]) == 0
    assert KEY not in capsys.readouterr().out


# --- the blocks for hosts ----------------------------------------------------------------------


@pytest.mark.parametrize("block", JSON, ids=str)
def test_every_json_block_starts_a_file_that_exists(block: Block) -> None:
    server = server_in(block)
    files = [argument for argument in server["args"] if argument.endswith(".py")]
    assert files
    assert all((ROOT / name).is_file() for name in files)
    assert set(server.get("env", {})) <= settings_read()


# --- the tables --------------------------------------------------------------------------------

TOOLS = {tool.name: tool for tool in minimax_server.toolbox.tools}


def test_the_tool_table_names_the_tools_of_the_server() -> None:
    assert {code_spans(name)[0] for name, *_ in rows(README, "tool")} == set(TOOLS)


def test_the_comparison_is_with_the_measured_version_and_counts_the_tools_of_this_one() -> None:
    text = (ROOT / "docs" / "COMPARISON.md").read_text(encoding="utf-8")
    numbers = (ROOT / "docs" / "BENCHMARKS.md").read_text(encoding="utf-8")
    [measured] = set(re.findall(r"minimax-mcp==([\d.]+)", numbers))
    assert f"| | official `minimax-mcp` {measured} | this server |" in text
    counted = re.search(r"\| 8 tools, [\d.]+ kB \| (\d+) tools, [\d.]+ kB \|", text)
    assert counted is not None
    assert int(counted[1]) == len(TOOLS)


@pytest.mark.parametrize("row", rows(README, "tool"), ids=lambda row: row[0].strip("`"))
def test_a_row_of_the_tool_table_names_true_arguments_and_prices(row: list[str]) -> None:
    [name], does, costs = code_spans(row[0]), row[1], row[2]
    arguments = TOOLS[name].parameters["properties"]
    results = TOOLS[name].fn_metadata.output_schema or {}
    known = {*arguments, *results.get("properties", {}), *TOOLS}
    spans = set(code_spans(does + costs))
    # What one tool gives, another takes.
    assert spans <= known | {"voice_id", "text"}
    annotations = TOOLS[name].annotations
    assert annotations is not None
    if annotations.read_only_hint:
        assert costs == "free"


def prices(model: str) -> list[float]:
    return [price for price in catalog.VIDEO_MODELS[model].sizes.values() if price is not None]


def test_the_prices_are_those_of_the_code() -> None:
    hailuo = [price for name in catalog.VIDEO_MODELS if "Hailuo" in name for price in prices(name)]
    h3 = [price for name in catalog.VIDEO_MODELS if "-H3" in name for price in prices(name)]
    speech = catalog.SPEECH_PRICES_USD_PER_MILLION.values()
    again_in_2k = catalog.price_list()["video_again_in_2k"]
    shown = " ".join(costs for *_, costs in rows(README, "tool"))
    assert re.findall(r"\$[\d.]+", shown) == [
        f"${catalog.CLONE_PRICE_USD:.2f}",
        f"${min(speech):.0f}",
        f"${max(speech):.0f}",
        f"${catalog.DESIGN_PRICE_USD:.2f}",
        *(f"${price:.2f}" for price in (min(hailuo), max(hailuo), min(h3), max(h3))),
        f"${again_in_2k['second']:.2f}",
        f"${catalog.IMAGE_PRICE_USD}",
        f"${catalog.TRANSCRIPTION_USD_PER_HOUR}",
    ]
    assert catalog.PRICES_AS_OF in README.read_text(encoding="utf-8")


def settings_read() -> set[str]:
    """The variables that the settings look at."""
    tree = ast.parse((ROOT / "minimax" / "settings.py").read_text(encoding="utf-8"))
    texts = [str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {text for text in texts if re.fullmatch(r"MINIMAX_[A-Z_]+", text)}


def example_settings(*, of_team: bool = False) -> list[str]:
    """The variables of the example file: of every server, or of a team's deployment."""
    names = list(dotenv_values(ENV_EXAMPLE))
    return [name for name in names if name.startswith("MINIMAX_TEAM_") is of_team]


def test_the_example_file_has_exactly_the_variables_that_the_settings_read() -> None:
    assert set(example_settings()) == settings_read()


def test_the_example_file_changes_nothing_as_it_is() -> None:
    copied = Settings.from_env(environ={}, env_file=ENV_EXAMPLE)
    assert copied == Settings.from_env(environ={}, env_file=ENV_EXAMPLE.with_name("no such file"))


def test_the_settings_table_has_exactly_the_variables_of_the_example_file() -> None:
    listed = [code_spans(name)[0] for name, *_ in rows(README, "setting")]
    assert listed == example_settings()


def test_the_table_of_team_settings_has_exactly_those_of_the_example_file() -> None:
    listed = [code_spans(name)[0] for name, *_ in rows(TEAM, "setting")]
    assert listed == example_settings(of_team=True)


@pytest.mark.parametrize(
    "name", ["MINIMAX_MCP_BASE_PATH", "MINIMAX_API_RESOURCE_MODE", "MINIMAX_LOG_LEVEL"]
)
def test_a_default_of_the_settings_table_is_the_true_one(name: str, home: Path) -> None:
    [default] = [code_spans(cell)[0] for names, cell, _ in rows(README, "setting") if name in names]
    nothing = home / "none"
    spelled_out = Settings.from_env(environ={name: default}, env_file=nothing)
    assert spelled_out == Settings.from_env(environ={}, env_file=nothing)


def list_promised_tests() -> list[str]:
    """The tests that SECURITY.md names, in both of its tables about money."""
    document = ROOT / "docs" / "SECURITY.md"
    named = [
        code_spans(tests) for header in ("promise", "rule") for _, tests in rows(document, header)
    ]
    return [name for names in named for name in names]


@pytest.mark.parametrize("name", list_promised_tests())
def test_a_test_that_holds_a_promise_about_money_exists(name: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert sum(f"def {name}(" in source for source in sources) == 1


# --- what the server is said to say, and where links lead --------------------------------------


OF_OTHERS = {
    "Server disconnected",
    "Operation not permitted",
    "Failed to spawn: minimax_server.py",
    "No such file or directory (os error 2)",
}
"""Said by hosts, systems and uv."""


def quoted_messages() -> list[str]:
    """Symptoms in quotation marks: in bold in the README, in the guide's table of problems."""
    bold = re.findall(r"\*\*(.+?)\*\*", README.read_text(encoding="utf-8"), re.DOTALL)
    guide = ROOT / "docs" / "VOICE_CLONE_USAGE.md"
    problems = [problem for problem, *_ in rows(guide, "what you read")]
    found = {said for text in [*bold, *problems] for said in re.findall(r'"([^"]+)"', text)}
    return sorted(found - OF_OTHERS)


@pytest.mark.parametrize("message", quoted_messages())
def test_a_message_that_the_documents_quote_is_one_of_ours(message: str) -> None:
    texts = [
        node.value
        for path in (ROOT / "minimax").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert any(message in text for text in texts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", document.read_text(encoding="utf-8")):
        name, _, heading = link.partition("#")
        target = document.parent / name if name else document
        assert target.is_file(), link
        assert not heading or heading in headings(target), link


def headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "name",
    [
        "docs/INDEX.md",
        "docs/LIBRARY.md",
        "docs/VOICE_CLONE_USAGE.md",
        "docs/POLLING_BEGINNERS_GUIDE.md",
    ],
)
def test_a_guide_is_linked_from_the_readme(name: str) -> None:
    assert f"]({name})" in README.read_text(encoding="utf-8")
