"""The hosts themselves read what `install` wrote: those that can be had from npm are asked."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import minimax_server
from minimax.commands.launch import Launch
from tests.clients.packages import (
    ENVIRONMENT,
    Unavailable,
    npm_package,
    npm_program,
    ran,
    skipped_if_it_cannot_be_had,
)
from tests.commands.configurations import CODEX, GEMINI
from tests.support.host import ROOT
from tests.support.markdown import HOST_PAGES, blocks

pytestmark = pytest.mark.clients

CLAUDE_CODE = ("@anthropic-ai/claude-code", "2.1.331")
CODEX_CLI = ("@openai/codex", "0.169.0")
GEMINI_CLI = ("@google/gemini-cli", "0.61.0")
LIMIT_SECONDS = 120.0


@pytest.fixture(autouse=True)
def launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of this folder by this Python: uv would look for its cache in another home."""
    found = Launch(sys.executable, (str(ROOT / "minimax_server.py"),))
    monkeypatch.setattr("minimax.commands.install.find_launch", lambda _: found)


def install(*arguments: str) -> None:
    assert minimax_server.main(["install", *arguments]) == 0


def ask(host: Sequence[str], *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a host in a home of its own, with nowhere to send anything."""
    env = {
        **ENVIRONMENT,
        "HOME": str(home),
        "USERPROFILE": str(home),
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return ran([*host, *arguments], cwd=home, env=env, limit_seconds=LIMIT_SECONDS)


def find_claude_code() -> list[str]:
    box = npm_package(*CLAUDE_CODE)
    programs = list(box.glob("node_modules/@anthropic-ai/claude-code-*/claude*"))
    if not programs:
        raise Unavailable("Claude Code has no program for this machine")
    return [str(programs[0])]


PROGRAMS = {
    "claude": ("claude-code", find_claude_code),
    "codex": ("codex", lambda: npm_program(npm_package(*CODEX_CLI), CODEX_CLI[0], "codex")),
    "gemini": ("gemini", lambda: npm_program(npm_package(*GEMINI_CLI), GEMINI_CLI[0], "gemini")),
}
"""By the word that a line of a document begins with: the host, and how its program is got."""
LINES = [
    line
    for block in blocks("sh", documents=HOST_PAGES)
    for line in block.text.splitlines()
    if line.split()[0] in PROGRAMS
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line.split()[:4]))
def test_a_command_of_a_page_is_one_that_the_host_knows(
    line: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, *arguments = shlex.split(line)
    host_id, find_program = PROGRAMS[word]
    with skipped_if_it_cannot_be_had():
        program = find_program()
    monkeypatch.setenv("PATH", str(Path(program[0]).parent), prepend=os.pathsep)
    if "add" not in arguments:
        install(host_id, "--sandbox")
    done = ask(program, *arguments, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    if "add" in arguments or "remove" in arguments:
        left = [path.read_text(encoding="utf-8") for path in home.rglob("*") if path.is_file()]
        configurations = [text for text in left if "minimax_server.py" in text]
        assert bool(configurations) is ("add" in arguments)
    if "--env" in arguments:
        server = json.loads((home / ".claude.json").read_text("utf-8"))["mcpServers"]["minimax"]
        assert set(server["env"]) == {"MINIMAX_API_KEY"}


def test_every_host_that_can_be_had_is_named_on_a_page() -> None:
    assert {line.split()[0] for line in LINES} == set(PROGRAMS)


def test_claude_code_starts_the_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with skipped_if_it_cannot_be_had():
        claude = find_claude_code()
    monkeypatch.setenv("PATH", str(Path(claude[0]).parent), prepend=os.pathsep)
    install("claude-code", "--sandbox")
    listed = ask(claude, "mcp", "list", home=home)
    assert "minimax: " in listed.stdout, listed.stderr
    assert "Connected" in listed.stdout
    assert minimax_server.main(["install", "claude-code"]) != 0
    install("--remove", "claude-code")
    assert "minimax" not in ask(claude, "mcp", "list", home=home).stdout


def test_codex_reads_the_table_and_keeps_it_apart_from_its_own_changes(home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        codex = npm_program(npm_package(*CODEX_CLI), CODEX_CLI[0], "codex")
    config = home / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text(CODEX.replace('[[skills]]\npath = "a"\n', ""), encoding="utf-8")
    install("codex", "--sandbox")
    listed = ask(codex, "mcp", "list", "--json", home=home)
    [found] = [one for one in json.loads(listed.stdout) if one["name"] == "minimax"]
    assert found["transport"]["command"] == sys.executable
    assert found["transport"]["args"] == [str(ROOT / "minimax_server.py"), "--sandbox"]
    assert found["startup_timeout_sec"] == 60
    assert ask(codex, "mcp", "add", "later", "--", "x", home=home).returncode == 0
    install("--remove", "codex")
    text = config.read_text(encoding="utf-8")
    assert set(tomllib.loads(text)["mcp_servers"]) == {"context7", "later"}
    assert "# my projects\n" in text


def test_gemini_cli_starts_the_server_and_reads_the_comments(home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        gemini = npm_program(npm_package(*GEMINI_CLI), GEMINI_CLI[0], "gemini")
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(GEMINI, encoding="utf-8")
    trusted = settings.with_name("trustedFolders.json")
    trusted.write_text(json.dumps({str(home.resolve()): "TRUST_FOLDER"}), encoding="utf-8")
    install("gemini", "--sandbox")
    listed = ask(gemini, "mcp", "list", home=home)
    assert "minimax: " in listed.stdout + listed.stderr
    assert "Connected" in listed.stdout + listed.stderr
    install("--remove", "gemini")
    assert settings.read_text(encoding="utf-8") == GEMINI


def test_gemini_cli_takes_no_comma_after_the_last_one_as_check_says(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with skipped_if_it_cannot_be_had():
        gemini = npm_program(npm_package(*GEMINI_CLI), GEMINI_CLI[0], "gemini")
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  "ui": {},\n}', encoding="utf-8")
    refused = ask(gemini, "mcp", "list", home=home)
    assert f"Error in {settings}" in refused.stdout + refused.stderr
    minimax_server.main(["check"])
    assert f"FIX  Gemini CLI: {settings} is broken in line " in capsys.readouterr().out
