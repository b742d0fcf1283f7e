"""`check` reads the configuration of every host, and says what is to be fixed in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

import minimax_server
from minimax.commands.hosts import HOSTS, Host, Machine, find_host
from minimax.sandbox import Sandbox, serve
from tests.support import samples
from tests.support.host import ROOT

KEY = "sk-api-canary-0123456789"
OTHER_KEY = "sk-api-canary-9876543210"
IDS = [host.id for host in HOSTS]
NOWHERE = Path(ROOT.anchor) / "nowhere"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A MiniMax that knows the two keys; `url` is where blocks have to point."""
    made = Sandbox(keys={KEY, OTHER_KEY})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(made)):
        yield made


def get_host(host_id: str) -> Host:
    host = find_host(host_id)
    assert host is not None
    return host


def put(host_id: str, entry: Any, *, key: str | None = None) -> Path:
    """A configuration of a host with this server in it."""
    host = get_host(host_id)
    place = host.find_places(Machine.this())[0]
    place.parent.mkdir(parents=True, exist_ok=True)
    text = host.editor.add("", (key or host.servers, "minimax"), entry)
    place.write_text(text, encoding="utf-8")
    return place


def entry(*extra: str, directory: Path | str = ROOT, **env: str) -> dict[str, Any]:
    """What the documents show, with the paths of this machine."""
    args = ["run", "--directory", str(directory), "minimax_server.py", *extra]
    return {"command": str(Path(__file__)), "args": args, "env": env}


def check(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines about hosts and the key; the key itself is in none."""
    code = minimax_server.main(["check"])
    printed = capsys.readouterr().out
    assert "canary" not in printed
    names = (*(host.name for host in HOSTS), "key", "not found", "settings")
    lines = [line for line in printed.splitlines() if line[5:].split(":")[0].startswith(names)]
    return code, lines


def lines_of(host_id: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line[5:].startswith(f"{get_host(host_id).name}:")]


# --- good ones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host_id", IDS)
def test_a_key_in_the_block_is_found_and_asked_about(
    host_id: str, api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    place = put(host_id, entry(MINIMAX_API_KEY=KEY, MINIMAX_API_HOST=api.url))
    code, lines = check(capsys)
    name = get_host(host_id).name
    assert code == 0
    assert lines_of(host_id, lines) == [
        f"ok   {name}: {place} starts this server",
        f"ok   {name}: the key in its env block is accepted by {api.url} (one free call)",
    ]
    [about_key] = [line for line in lines if line[5:].startswith("key:")]
    assert about_key.startswith("note key: MINIMAX_API_KEY is not set in this terminal or in .env")


def test_a_block_without_a_key_uses_the_env_file_of_its_folder(
    tmp_path: Path, api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    samples.put(folder / "minimax_server.py", b"")
    samples.put(
        folder / ".env", f"MINIMAX_API_KEY={KEY}\nMINIMAX_API_HOST={api.url}\n".encode()
    ).chmod(0o600)
    put("cursor", entry(directory=folder))
    code, lines = check(capsys)
    assert code == 0
    assert "the key in the .env file is accepted" in lines_of("cursor", lines)[1]


def test_the_sandbox_needs_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    put("cursor", entry("--sandbox"))
    code, lines = check(capsys)
    assert code == 0
    assert lines_of("cursor", lines)[1].startswith("ok   Cursor: it is started with --sandbox")


def test_one_key_in_two_hosts_is_asked_about_once(
    api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for host_id, key in (("cursor", KEY), ("vscode", KEY), ("gemini", OTHER_KEY)):
        put(host_id, entry(MINIMAX_API_KEY=key, MINIMAX_API_HOST=api.url))
    code, lines = check(capsys)
    assert code == 0
    assert lines_of("vscode", lines)[1].endswith("the key in its env block is that of Cursor")
    assert "accepted" in lines_of("gemini", lines)[1]
    assert len(api.requests) == 2


def test_the_key_of_this_terminal_is_not_asked_about_twice(
    api: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    monkeypatch.setenv("MINIMAX_API_HOST", api.url)
    put("cursor", entry(MINIMAX_API_KEY=KEY, MINIMAX_API_HOST=api.url))
    code, lines = check(capsys)
    assert code == 0
    assert lines_of("cursor", lines)[1].endswith("the key in its env block is the one above")
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("own_key", "same"), [("", "that of Cursor"), ("sk-api-unknown-canary", "the one above")]
)
def test_a_key_that_was_not_accepted_is_not_called_good_at_the_next_host(
    own_key: str,
    same: str,
    api: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", own_key)
    monkeypatch.setenv("MINIMAX_API_HOST", api.url)
    for host_id in ("cursor", "vscode"):
        put(host_id, entry(MINIMAX_API_KEY="sk-api-unknown-canary", MINIMAX_API_HOST=api.url))
    code, lines = check(capsys)
    assert code == 1
    assert lines_of("vscode", lines)[1] == (
        f"FIX  VS Code: the key in its env block is {same}, which was not accepted: see there"
    )
    assert len(api.requests) == 1


def test_another_copy_of_the_server_is_named_with_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples.put(tmp_path / "copy" / "minimax_server.py", b"")
    place = put("cursor", entry("--sandbox", directory=tmp_path / "copy"))
    put("vscode", {"command": str(Path(__file__)), "args": [str(ROOT / "minimax_server.py")]})
    lines = check(capsys)[1]
    assert lines_of("cursor", lines)[0] == (
        f"note Cursor: {place} starts another copy of this server, in {tmp_path / 'copy'}. To "
        "start this one instead, run: uv run minimax_server.py install cursor --sandbox"
    )
    assert "another copy" not in lines_of("vscode", lines)[0]


@pytest.mark.parametrize("value", ["${input:minimax-key}", "${env:MY_KEY}", "$MY_KEY", "${MY_KEY}"])
def test_a_key_that_the_host_fills_in_is_left_to_it(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("vscode", entry(MINIMAX_API_KEY=value))
    code, lines = check(capsys)
    assert code == 0
    assert lines_of("vscode", lines)[1].startswith("note VS Code: it fills in the key itself")


def test_a_command_without_a_folder_is_worth_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    samples.put(tmp_path / "bin" / ("uv.exe" if os.name == "nt" else "uv"), b"").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    put("cursor", {**entry("--sandbox"), "command": "uv"})
    code, lines = check(capsys)
    assert code == 0
    assert 'If the host says "spawn uv ENOENT", run: ' in lines_of("cursor", lines)[0]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_an_env_file_that_others_can_read_is_not_warned_of_for_every_host(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = samples.put(tmp_path / ".env", b"MINIMAX_VIDEO_MODEL=x")
    file.chmod(0o644)
    monkeypatch.setattr("minimax.commands.host_check.ENV_FILE", file)
    for host_id in IDS:
        put(host_id, {"command": str(Path(__file__)), "args": ["minimax-server"]})
    check(capsys)
    assert "chmod 600" not in caplog.text  # the settings of this terminal warn of their own file


def test_a_key_file_that_an_editor_named_otherwise_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minimax.commands.check.ENV_FILE", tmp_path / ".env")
    said = f"There is a file {tmp_path / '.env.txt'}, which is not read: rename it to .env"
    assert said not in check(capsys)[1][0]
    samples.put(tmp_path / ".env.txt", b"")
    assert check(capsys)[1][0].endswith(said)
    put("cursor", entry("--sandbox"))
    assert check(capsys)[1][0].endswith(said)


@pytest.mark.skipif(os.name != "posix", reason="Windows reports a closed pipe otherwise")
def test_a_reader_that_goes_away_ends_a_command_without_a_traceback() -> None:
    for command in (["check"], ["install", "cursor", "--print"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, str(ROOT / "minimax_server.py"), *command],
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (1, "")


# --- none at all ---------------------------------------------------------------------------------


def test_hosts_that_are_not_here_are_named_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, lines = check(capsys)
    assert code == 1
    assert lines[-1] == "note not found on this computer: " + ", ".join(h.name for h in HOSTS)
    [about_key] = [line for line in lines if line[5:].startswith("key:")]
    assert about_key.startswith("FIX  key: MINIMAX_API_KEY is not set.")


@pytest.mark.parametrize("host_id", IDS)
def test_a_missing_file_and_a_file_without_this_server_say_how_to_add_it(
    host_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host = get_host(host_id)
    place = host.find_places(Machine.this())[0]
    place.parent.mkdir(parents=True)
    command = f"To add it: uv run minimax_server.py install {host_id}"
    assert lines_of(host_id, check(capsys)[1]) == [
        f"note {host.name}: there is no {place} yet. {command}"
    ]
    place.write_text("", encoding="utf-8")
    assert lines_of(host_id, check(capsys)[1]) == [
        f"note {host.name}: this server is not in {place}. {command}"
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"command": "uvx", "args": ["minimax-mcp"]}, "is not started as this one is"),
        ({"type": "http", "url": "https://example.com"}, "is reached by its address"),
        ("x", "is not started as this one is"),
    ],
)
def test_another_server_of_that_name_is_only_noted(
    found: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("cursor", found)
    [line] = lines_of("cursor", check(capsys)[1])
    assert line.startswith("note ")
    assert said in line


# --- what is to be fixed -------------------------------------------------------------------------


def the_fix(host_id: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is to be fixed; the exit code says so too."""
    code, lines = check(capsys)
    assert code == 1
    [line] = [line for line in lines_of(host_id, lines) if line.startswith("FIX  ")]
    return line


@pytest.mark.parametrize(
    ("host_id", "text", "where"),
    [
        ("claude-desktop", '{\n  "mcpServers": {}\n  "a": 1\n}', "line 3, column 3: a comma"),
        ("claude-desktop", "{\n  // mine\n}", "line 2, column 3"),
        ("cursor", '{\n  "mcpServers": {\n', "line 3, column 1"),
        (
            "cursor",
            "{\n  \u201cmcpServers\u201d: {}\n}",
            "line 2, column 3: a curly quote is there",
        ),
        ("cursor", '{\n  "a": \u201cb\u201d\n}', "line 2, column 8: a curly quote is there"),
        ("cursor", '{\n  "a": "b,\n}', "line 2, column 11: a text has a line break"),
        ("vscode", "{\n  /* open\n}", "line 2, column 3"),
        ("codex", '[mcp_servers.minimax]\ncommand = "uv\n', "line 2, column 14"),
        ("gemini", '{"a": "C:\\new \\Users"}', "line 1, column 15: each \\ in a text"),
        ("gemini", "[]", "line 1, column 1"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    host_id: str, text: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = put(host_id, {})
    place.write_text(text, encoding="utf-8")
    line = the_fix(host_id, capsys)
    assert f"{place} is broken in {where}" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"command": "/full/path/to/uv"},
            "the placeholder /full/path/to/uv is still in",
        ),
        (
            {"args": ["run", "--directory", "/full/path/to/this/folder", "minimax_server.py"]},
            "the placeholder /full/path/to/this/folder is still in",
        ),
        ({"command": str(NOWHERE / "uv")}, f"the program {NOWHERE / 'uv'} in "),
        ({"command": "no-such-uv"}, 'there is no program "no-such-uv", which '),
        ({"command": None}, "has no command"),
        (
            {"command": "uvx", "args": ["minimax-server"]},
            "run somebody else's program with your key",
        ),
        (
            {"args": ["run", "--directory", str(NOWHERE), "minimax_server.py"]},
            f"the folder {NOWHERE} in ",
        ),
        (
            {"args": ["run", "--directory", str(ROOT / "docs"), "minimax_server.py"]},
            f"{ROOT / 'docs' / 'minimax_server.py'}, which ",
        ),
        (
            {"args": [str(NOWHERE / "minimax_server.py")]},
            f"{NOWHERE / 'minimax_server.py'}, which ",
        ),
    ],
)
@pytest.mark.parametrize("host_id", ["claude-desktop", "codex"])
def test_a_wrong_path_is_named_with_the_command_that_corrects_it(
    host_id: str, change: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {**entry("--sandbox"), **change}
    changed["args"] = [*changed["args"], "--sandbox"]
    place = put(host_id, {name: value for name, value in changed.items() if value is not None})
    line = the_fix(host_id, capsys)
    assert said in line
    assert str(place) in line
    assert line.endswith(f"Run: uv run minimax_server.py install {host_id} --sandbox")


def test_a_wrong_path_of_an_entry_that_costs_money_is_corrected_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("cursor", entry(directory=NOWHERE, MINIMAX_API_KEY=""))
    [line, *_] = [line for line in lines_of("cursor", check(capsys)[1]) if line[:3] == "FIX"]
    assert line.endswith("Run: uv run minimax_server.py install cursor")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("paste your key here", 'is still the placeholder "paste your key here" in the env block'),
        ("sk with blanks", "has characters in it that no key has"),
        ("", "is neither in its env block nor in the .env file"),
    ],
)
def test_a_key_that_is_none_is_named_with_its_place(
    key: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("cursor", entry(MINIMAX_API_KEY=key))
    line = the_fix("cursor", capsys)
    assert said in line
    assert "restart the host" in line


def test_a_key_that_minimax_refuses_is_named_with_its_host(
    api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    put("cursor", entry(MINIMAX_API_KEY="sk-api-unknown-canary", MINIMAX_API_HOST=api.url))
    line = the_fix("cursor", capsys)
    assert line.startswith("FIX  Cursor: the key in its env block: ")
    assert "does not accept this API key" in line


def test_another_setting_that_is_wrong_in_a_block_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("cursor", entry(MINIMAX_MCP_BASE_PATH="relative"))
    assert "Cursor: MINIMAX_MCP_BASE_PATH must be" in the_fix("cursor", capsys)


def test_servers_under_the_key_of_another_host_are_not_read_by_this_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("vscode", entry(), key="mcpServers")
    line = the_fix("vscode", capsys)
    assert 'is under "mcpServers", but VS Code reads "servers"' in line


def test_a_block_in_the_file_that_a_windows_package_does_not_read_is_found(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(system="win32", home=home, environ={})
    plain = home / "AppData" / "Roaming" / "Claude" / "claude_desktop_config.json"
    package = home / "AppData" / "Local" / "Packages" / "Claude_x" / "LocalCache" / "Roaming"
    (package / "Claude").mkdir(parents=True)
    samples.put(plain, json.dumps({"mcpServers": {"minimax": entry()}}).encode())
    monkeypatch.setattr(Machine, "this", lambda: machine)
    line = the_fix("claude-desktop", capsys)
    assert f"this server is in {plain}, but Claude Desktop as it is installed here reads" in line


def test_wrong_settings_here_do_not_hide_the_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "paste your key here")
    put("cursor", entry("--sandbox"))
    code, lines = check(capsys)
    assert code == 1
    assert lines[0].startswith('FIX  settings: MINIMAX_API_KEY is still the placeholder "paste')
    assert lines_of("cursor", lines)[0].startswith("ok   ")
