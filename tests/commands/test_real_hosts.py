"""The hosts themselves read what `install` wrote: those that can be had from npm are asked."""

import json
import os
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


def test_claude_code_starts_the_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with skipped_if_it_cannot_be_had():
        box = npm_package(*CLAUDE_CODE)
        programs = list(box.glob("node_modules/@anthropic-ai/claude-code-*/claude*"))
        if not programs:
            raise Unavailable("Claude Code has no program for this machine")
    claude = programs[0]
    monkeypatch.setenv("PATH", str(claude.parent), prepend=os.pathsep)
    install("claude-code", "--sandbox")
    listed = ask([str(claude)], "mcp", "list", home=home)
    assert "minimax: " in listed.stdout, listed.stderr
    assert "Connected" in listed.stdout
    assert minimax_server.main(["install", "claude-code"]) != 0
    install("--remove", "claude-code")
    assert "minimax" not in ask([str(claude)], "mcp", "list", home=home).stdout


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
