"""The pages of the hosts agree with the code and the hosts: places, blocks, commands, limits."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minimax_server
from minimax.commands import check
from minimax.commands.hosts import CLAUDE_CODE, HOST_IDS, Host, Machine, System, find_host
from minimax.time_budgets import HOST_LIMIT_SECONDS, LONGEST_CALL_SECONDS
from tests.clients import journeys
from tests.clients.matrix import FAILED
from tests.clients.packages import (
    ENVIRONMENT,
    python_with,
    ran,
    skipped_if_it_cannot_be_had,
    uv,
)
from tests.support.host import ROOT
from tests.support.markdown import README, blocks, code_spans, rows

HOSTS = ROOT / "docs" / "hosts"
FRAMEWORKS = HOSTS / "FRAMEWORKS.md"
PAGES = {
    "claude-desktop": HOSTS / "CLAUDE_DESKTOP.md",
    "claude-code": HOSTS / "CLAUDE_CODE.md",
    "cursor": HOSTS / "CURSOR.md",
    "vscode": HOSTS / "VSCODE.md",
    "codex": HOSTS / "CODEX.md",
    "gemini": HOSTS / "GEMINI_CLI.md",
}
WITH_FILE = [host_id for host_id in PAGES if host_id != CLAUDE_CODE]
BY_URL = {"ChatGPT": HOSTS / "CHATGPT.md"}
"""Hosts that call a server over the network, so that there is nothing to install for them."""
SECTIONS = ["Install", "Verify", "Update", "Remove", "Log"]
INSTALLED = [row for row in rows(README, "host") if row[0] not in BY_URL]


def get_host(host_id: str) -> Host:
    host = find_host(host_id)
    assert host is not None
    return host


def test_every_host_has_a_page_and_the_readme_links_it_by_its_id() -> None:
    assert tuple(PAGES) == HOST_IDS
    named = {code_spans(name)[0]: link for _, name, link in INSTALLED}
    assert list(named) == list(PAGES)
    for host_id, page in PAGES.items():
        assert f"]({page.relative_to(ROOT).as_posix()})" in named[host_id]


@pytest.mark.parametrize("host_id", PAGES)
def test_a_page_says_how_to_install_verify_update_remove_and_find_the_log(host_id: str) -> None:
    text = PAGES[host_id].read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [title for title in titles if title != "On Windows"] == SECTIONS
    for command in (
        f"install {host_id}",
        f"install {host_id} --print",
        f"install {host_id} --sandbox",
        f"install --remove {host_id}",
        "check",
    ):
        assert f"uv run minimax_server.py {command}" in text
    assert text.count("To leave the sandbox, run `install") == 1
    assert "with `--sandbox` if that is how it was installed" in " ".join(text.split())


@pytest.mark.parametrize("host", BY_URL)
def test_a_host_that_is_given_a_url_has_a_page_of_the_same_sections(host: str) -> None:
    [link] = [link for name, _, link in rows(README, "host") if name == host]
    assert f"]({BY_URL[host].relative_to(ROOT).as_posix()})" in link
    text = BY_URL[host].read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_the_settings_on_the_page_of_chatgpt_are_those_of_a_teams_issuer() -> None:
    [block, *_] = blocks("text", documents=[BY_URL["ChatGPT"]])
    named = re.findall(r"^(MINIMAX_\w+)=", block.text, re.MULTILINE)
    known = [code_spans(row[0])[0] for row in rows(ROOT / "docs" / "TEAM.md", "setting")]
    assert len(named) == 3
    assert set(named) <= set(known)


# --- places --------------------------------------------------------------------------------------

FOLDERS: dict[str, dict[str, str]] = {
    "macOS": {"home": "~"},
    "Linux": {"home": "~", "config": "~/.config", "codex": "~/.codex", "gemini": "~"},
    "Windows": {
        "home": "%USERPROFILE%",
        "appdata": "%APPDATA%",
        "localappdata": "%LOCALAPPDATA%",
        "codex": r"%USERPROFILE%\.codex",
        "gemini": "%USERPROFILE%",
    },
}
FOLDERS["macOS"] |= FOLDERS["Linux"]
SYSTEMS: dict[str, System] = {"macOS": "darwin", "Windows": "win32", "Linux": "linux"}


@pytest.mark.parametrize("host_id", WITH_FILE)
def test_the_places_on_a_page_are_those_of_the_code(host_id: str) -> None:
    shown: dict[str, list[str]] = {name: [] for name in SYSTEMS}
    for system, cell in rows(PAGES[host_id], "system"):
        shown[system.partition(",")[0]] += code_spans(cell)
    for name, system in SYSTEMS.items():
        places = [place.format_map(FOLDERS[name]) for place in get_host(host_id).places[system]]
        slashed = [place.replace("/", "\\") if name == "Windows" else place for place in places]
        assert shown[name] == slashed


# --- blocks --------------------------------------------------------------------------------------


def block_of(host_id: str) -> str:
    """The block of a page that is pasted by hand."""
    language = "toml" if host_id == "codex" else "json"
    [block] = blocks(language, documents=[PAGES[host_id]])
    return block.text


@pytest.mark.parametrize("host_id", WITH_FILE)
def test_a_block_is_what_install_writes_but_for_paths_and_key(host_id: str) -> None:
    host, text = get_host(host_id), block_of(host_id)
    shown = tomllib.loads(text) if host_id == "codex" else json.loads(text)
    assert minimax_server.main(["install", host_id]) == 0
    written = host.editor.parse(host.find_places(Machine.this())[0].read_text(encoding="utf-8"))
    entry = shown[host.servers]["minimax"]
    true = written[host.servers]["minimax"]
    assert entry["command"] == "/full/path/to/uv"
    entry["command"] = true["command"]
    entry["args"][2] = true["args"][2] if entry["args"][2] == "/full/path/to/this/folder" else ""
    assert entry["env"] == {"MINIMAX_API_KEY": "paste your key here"}
    entry["env"] = true["env"]
    assert shown == written


@pytest.mark.parametrize("host_id", WITH_FILE)
def test_check_finds_what_was_left_in_a_block_that_was_pasted_as_it_is(
    host_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host = get_host(host_id)
    place = host.find_places(Machine.this())[0]
    place.parent.mkdir(parents=True)
    place.write_text(block_of(host_id), encoding="utf-8")
    assert check.run(server_file=ROOT / "minimax_server.py") == 1
    printed = capsys.readouterr().out
    assert f"FIX  {host.name}: the placeholder /full/path/to/uv is still in {place}" in printed
    assert f'FIX  {host.name}: MINIMAX_API_KEY is still the placeholder "paste your' in printed


def test_the_fields_of_the_bundle_are_those_of_its_manifest() -> None:
    manifest = json.loads((ROOT / "packaging" / "manifest.json").read_text(encoding="utf-8"))
    titles = [option["title"] for option in manifest["user_config"].values()]
    assert [field for field, _ in rows(PAGES["claude-desktop"], "field")] == titles
    assert (ROOT / "packaging" / "build.py").is_file()


# --- commands ------------------------------------------------------------------------------------


def test_claude_codes_commands_are_those_that_install_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [block.text.strip() for block in blocks("sh", documents=[PAGES[CLAUDE_CODE]])]
    for arguments in (["claude-code"], ["--remove", "claude-code"]):
        minimax_server.main(["install", "--print", *arguments])
        _, line, *_ = capsys.readouterr().out.strip().split("\n\n")
        words = shlex.split(line)
        if "--" in words:
            start = words.index("--") + 1
            words[start] = "/full/path/to/uv"
            words[words.index("--directory") + 1] = "/full/path/to/this/folder"
        assert shlex.join(words) in lines


@pytest.mark.skipif(sys.platform == "win32", reason="uv says it in other words there")
@pytest.mark.parametrize(
    ("is_there", "is_named", "said"),
    [
        (True, False, "Failed to spawn: minimax_server.py"),
        (True, True, "Failed to spawn: minimax_server.py"),
        (False, True, "No such file or directory (os error 2)"),
    ],
    ids=["terminal in another folder", "wrong folder", "no such folder"],
)
def test_uv_says_what_the_readme_explains(
    tmp_path: Path, said: str, *, is_there: bool, is_named: bool
) -> None:
    with skipped_if_it_cannot_be_had():
        command = [uv(), "run"]
    folder = tmp_path if is_there else Path("/full/path/to/this/folder")
    named = ["--directory", str(folder)] if is_named else []
    done = ran(
        [*command, *named, "minimax_server.py"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        limit_seconds=60,
    )
    assert said in done.stderr
    assert ("Failed to spawn" in done.stderr) is is_there
    assert f'"{said}"' in " ".join(README.read_text(encoding="utf-8").split())


@pytest.mark.skipif(sys.platform == "win32", reason="a command of POSIX shells")
def test_the_example_file_is_copied_by_the_readmes_command(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
    [command] = re.findall(r"`(cp [^`]+)`", README.read_text(encoding="utf-8"))
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    assert (tmp_path / ".env").read_bytes() == (ROOT / ".env.example").read_bytes()


# --- frameworks ----------------------------------------------------------------------------------

PACKAGES: dict[str, tuple[str, str, list[str]]] = {
    "openai-agents": ("openai-agents", "agents.mcp", []),
    "google-adk": ("google-adk", "google.adk.tools.mcp_tool.mcp_session_manager", ["mcp"]),
    "autogen": ("autogen-ext", "autogen_ext.tools.mcp", ["autogen-agentchat", "mcp<2"]),
    "agno": ("agno", "agno.tools.mcp", ["fastmcp>=4"]),
    "llama-index": ("llama-index-tools-mcp", "llama_index.tools.mcp", []),
}
"""By the name on the page: the package, the module of the class, and what it needs besides."""
LIMITS = {framework: cells for framework, *cells in rows(FRAMEWORKS, "framework")[:5]}
INSPECT = """
import importlib, inspect, sys
module, name, parameter = sys.argv[1:]
found = inspect.signature(getattr(importlib.import_module(module), name)).parameters
print(found[parameter].default)
"""


def test_the_limits_advised_are_longer_than_any_call() -> None:
    assert set(LIMITS) == set(PACKAGES)
    for without, setting, _ in LIMITS.values():
        _, _, seconds = code_spans(setting)[0].partition("=")
        assert float(without) < LONGEST_CALL_SECONDS < float(seconds) == HOST_LIMIT_SECONDS


def test_the_table_of_clients_has_a_row_without_a_failure_for_each_that_is_tried() -> None:
    shown = rows(FRAMEWORKS, "client")
    tried = (*journeys.CLIENTS, *journeys.FRAMEWORKS)
    assert [(row[0], row[-1]) for row in shown] == [(client.name, client.note) for client in tried]
    assert [row for row in shown if FAILED in " ".join(row)] == []


@pytest.mark.clients
@pytest.mark.parametrize("framework", PACKAGES)
def test_a_framework_has_the_setting_and_the_limit_of_the_page(
    framework: str, tmp_path: Path
) -> None:
    without, setting, where = LIMITS[framework]
    package, module, besides = PACKAGES[framework]
    text = " ".join(FRAMEWORKS.read_text(encoding="utf-8").split())
    [version] = re.findall(rf"\b{package} (\d[\d.]*\d)", text)
    parameter, _, _ = code_spans(setting)[0].partition("=")
    with skipped_if_it_cannot_be_had():
        python = python_with(f"{package}=={version}", *besides)
    command = [str(python), "-W", "ignore", "-c", INSPECT, module, code_spans(where)[0], parameter]
    done = ran(command, cwd=tmp_path, env=ENVIRONMENT, limit_seconds=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == float(without)
