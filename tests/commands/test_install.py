"""`install HOST` changes one entry of a host's configuration, and can take it back."""

import json
import os
import re
import shutil
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minimax_server
from minimax.commands import launch
from minimax.commands.host_files import HostFile, HostFileError
from minimax.commands.hosts import HOST_IDS, HOSTS, Host, Machine, find_host
from tests.commands.configurations import (
    BOM,
    CLAUDE_DESKTOP,
    CODEX,
    EXAMPLES,
    VSCODE,
    Example,
    json_texts,
    toml_texts,
)
from tests.support import samples
from tests.support.host import ROOT

KEY = "sk-api-canary-0123456789"
IDS = [host.id for host in HOSTS]
posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


def get_host(host_id: str) -> Host:
    host = find_host(host_id)
    assert host is not None
    return host


def place_of(host_id: str) -> Path:
    return get_host(host_id).find_places(Machine.this())[0]


def put(host_id: str, data: bytes | str | None) -> Path:
    """A configuration file of a host, or at least the folder for it."""
    place = place_of(host_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    if data is not None:
        place.write_bytes(data if isinstance(data, bytes) else data.encode())
    return place


def run(*arguments: str) -> int:
    return minimax_server.main(["install", *arguments])


def read(host_id: str) -> dict[str, Any]:
    """What is in a file, as the host's own language has it."""
    text = place_of(host_id).read_bytes().removeprefix(BOM).decode()
    return get_host(host_id).editor.parse(text)


def read_entry(host_id: str) -> dict[str, Any]:
    entry: dict[str, Any] = read(host_id)[get_host(host_id).servers]["minimax"]
    return entry


def backups(place: Path) -> list[Path]:
    return sorted(place.parent.glob(f"{place.name}.minimax-backup-*"))


def strays(place: Path) -> list[str]:
    """Files beside a configuration that are neither it nor copies of it."""
    known = {place, *backups(place)}
    return [path.name for path in place.parent.iterdir() if path not in known]


# --- adding --------------------------------------------------------------------------------------


@pytest.mark.parametrize("host_id", IDS)
def test_a_host_without_a_file_gets_one_that_starts_this_server(
    host_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", str(samples.put(tmp_path / "uv", b"")))
    assert run(host_id) == 0
    entry = read_entry(host_id)
    command, directory = entry["args"][0], entry["args"][2]
    assert entry["command"] == str(tmp_path / "uv")
    assert (command, directory, entry["args"][3:]) == ("run", str(ROOT), ["minimax_server.py"])
    assert entry["env"] == {"MINIMAX_API_KEY": ""}


def test_the_forms_of_the_hosts_differ() -> None:
    for host_id in IDS:
        run(host_id)
    assert {host.id: host.servers for host in HOSTS} == {
        "claude-desktop": "mcpServers",
        "cursor": "mcpServers",
        "vscode": "servers",
        "codex": "mcp_servers",
        "gemini": "mcpServers",
    }
    assert read_entry("vscode")["type"] == "stdio"
    assert read_entry("codex")["startup_timeout_sec"] == 60
    tomllib.loads(place_of("codex").read_text(encoding="utf-8"))
    json.loads(place_of("claude-desktop").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_entry_is_added_and_all_else_stays(example: Example) -> None:
    place = put(example.host_id, example.data)
    before = read(example.host_id) if example.data is not None else {}
    assert run(example.host_id, "--sandbox") == 0
    key = get_host(example.host_id).servers
    after = read(example.host_id)
    assert after[key].pop("minimax")["args"][-1] == "--sandbox"
    assert {**after, key: after[key]} == {**before, key: before.get(key, {})}
    assert place.read_bytes().startswith(BOM) is (example.data or b"").startswith(BOM)
    assert strays(place) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_entry_that_is_removed_leaves_the_very_bytes_of_before(example: Example) -> None:
    place = put(example.host_id, example.data)
    assert run(example.host_id) == 0
    assert run("--remove", example.host_id) == 0
    assert (place.read_bytes() if place.exists() else None) == example.data


FILES = st.one_of(
    json_texts(remarks=False, commas=False).map(lambda text: ("claude-desktop", text)),
    json_texts(remarks=True, commas=True).map(lambda text: ("cursor", text)),
    toml_texts().map(lambda text: ("codex", text)),
    st.sampled_from([("gemini", ""), ("vscode", "\n"), ("codex", "#")]),
)


@given(file=FILES, has_mark=st.booleans(), is_windows=st.booleans(), again=st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_file_removing_what_was_installed_gives_the_bytes_back(
    file: tuple[str, str], *, has_mark: bool, is_windows: bool, again: bool
) -> None:
    host_id, text = file
    data = (text.replace("\n", "\r\n") if is_windows else text).encode()
    shutil.rmtree(place_of(host_id).parent, ignore_errors=True)
    place = put(host_id, BOM + data if has_mark else data)
    before = place.read_bytes()
    assert run(host_id) == 0
    if again:  # changed once more, and by a person who put a key in
        assert run(host_id, "--sandbox") == 0
        key = rb'(MINIMAX_API_KEY"?\s*[:=]\s*)""'
        place.write_bytes(re.sub(key, rb'\1"sk-api-canary"', place.read_bytes()))
    assert read_entry(host_id)["args"]
    assert run("--remove", host_id) == 0
    assert place.read_bytes() == before


def test_windows_line_ends_are_used_for_what_is_added() -> None:
    for host_id, text in (("claude-desktop", CLAUDE_DESKTOP), ("codex", CODEX)):
        place = put(host_id, text.replace("\n", "\r\n"))
        run(host_id)
        data = place.read_bytes()
        assert data.count(b"\n") == data.count(b"\r\n") > text.count("\n")


def test_a_key_that_is_in_the_env_file_is_not_asked_for_in_the_block(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "minimax.commands.entries.read_env_file", lambda *_: {"MINIMAX_API_KEY": KEY}
    )
    assert run("cursor") == 0
    assert "env" not in read_entry("cursor")
    assert KEY not in capsys.readouterr().out


def test_the_sandbox_needs_no_key() -> None:
    assert run("cursor", "--sandbox") == 0
    assert "env" not in read_entry("cursor")


def test_a_second_time_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    place = put("vscode", VSCODE)
    run("vscode")
    data = place.read_bytes()
    assert run("vscode") == 0
    assert "starts this server already" in capsys.readouterr().out
    assert place.read_bytes() == data
    assert len(backups(place)) == 1


@pytest.mark.parametrize("host_id", IDS)
def test_an_older_entry_gets_the_new_command_and_keeps_the_key_and_the_rest(host_id: str) -> None:
    run(host_id)
    place, host = place_of(host_id), get_host(host_id)
    text = place.read_text(encoding="utf-8").replace('""', f'"{KEY}"')
    old = {"command": "/old/uv", "args": ["run", "--directory", "/old", "minimax_server.py"]}
    path = (host.servers, "minimax")
    place.write_text(host.editor.change(text, path, {**old, "note": "mine"}), encoding="utf-8")
    assert run(host_id, "--sandbox") == 0
    entry = read_entry(host_id)
    assert entry["args"][2:] == [str(ROOT), "minimax_server.py", "--sandbox"]
    assert (entry["env"], entry["note"]) == ({"MINIMAX_API_KEY": KEY}, "mine")


# --- showing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("--print",), ("--print", "--remove")])
@pytest.mark.parametrize("host_id", IDS)
def test_print_shows_the_change_and_writes_nothing(
    host_id: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    if "--remove" in arguments:
        run(host_id)
    place = place_of(host_id)
    before = place.read_bytes() if place.exists() else None
    capsys.readouterr()
    assert run(host_id, *arguments) == 0
    shown = capsys.readouterr().out
    assert str(place) in shown
    assert "minimax_server.py" in shown
    assert (place.read_bytes() if place.exists() else None) == before
    assert before is not None or not place.parent.exists()


def test_the_change_is_shown_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []

    def refuse(*_: Any) -> None:
        shown.append(capsys.readouterr().out)
        raise HostFileError("no")

    monkeypatch.setattr(HostFile, "replace", refuse)
    assert run("cursor") == 1
    assert '"minimax": {' in shown[0]


@pytest.mark.parametrize("host_id", IDS)
def test_neither_the_key_nor_secrets_of_other_servers_are_shown(
    host_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if host_id == "claude-desktop":
        put(host_id, CLAUDE_DESKTOP)
    run(host_id)
    place = place_of(host_id)
    place.write_text(place.read_text(encoding="utf-8").replace('""', f'"{KEY}"'), encoding="utf-8")
    for arguments in (["--print", "--sandbox"], ["--sandbox"], ["--remove"]):
        assert run(host_id, *arguments) == 0
    printed = capsys.readouterr()
    assert "canary" not in printed.out + printed.err
    assert "(not shown)" in printed.out


# --- copies, rights, links -----------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_file_that_is_there_is_copied_before_it_is_changed(
    example: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    place = put(example.host_id, example.data)
    run(example.host_id)
    copies = backups(place)
    assert [copy.read_bytes() for copy in copies] == (
        [] if example.data is None else [example.data]
    )
    assert all(str(copy) in capsys.readouterr().out for copy in copies)


def test_no_copy_replaces_an_earlier_one() -> None:
    place = put("cursor", "{}")
    for _ in range(6):
        run("cursor")
        run("--remove", "cursor")
    numbers = {path.name.rpartition("-")[2] for path in backups(place)}
    assert numbers == {str(number) for number in range(1, 13)}


@posix
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660])
def test_the_mode_stays_and_the_copy_has_it_too(mode: int) -> None:
    place = put("cursor", "{}")
    place.chmod(mode)
    run("cursor")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place, *backups(place))] == [mode] * 2


@posix
def test_a_new_file_is_for_its_owner_only() -> None:
    run("cursor")
    assert stat.S_IMODE(place_of("cursor").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("exists", [True, False], ids=["a file", "nothing yet"])
def test_a_link_stays_a_link_and_what_it_leads_to_is_changed(
    tmp_path: Path, *, exists: bool
) -> None:
    place, target = put("cursor", None), tmp_path / "dotfiles" / "mcp.json"
    target.parent.mkdir()
    if exists:
        target.write_text("{}", encoding="utf-8")
    place.symlink_to(target)
    assert run("cursor") == 0
    assert place.is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["mcpServers"]["minimax"]
    assert run("--remove", "cursor") == 0
    assert place.is_symlink()
    assert target.exists() is exists


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said to a person whose file is not changed; nothing else is left behind."""
    host_id = next(word for word in arguments if word in HOST_IDS)
    place = place_of(host_id)
    before, others = place.read_bytes(), strays(place)
    assert run(*arguments) == 1
    assert place.read_bytes() == before
    assert (backups(place), strays(place)) == ([], others)
    return capsys.readouterr().err


@posix
@pytest.mark.parametrize("arguments", [("cursor",), ("--remove", "cursor")])
def test_a_write_protected_file_is_left_alone(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run("cursor", "--sandbox")
    place_of("cursor").chmod(0o444)
    assert "write-protected, so nothing was changed" in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("host_id", "data", "where"),
    [
        ("claude-desktop", '{\n  "mcpServers": {\n    "a": {}\n', "line 4, column 1"),
        (
            "claude-desktop",
            '{\r\n "path": "C:\\Users"\r\n}',
            "line 2, column 13: each \\ in a text",
        ),
        ("claude-desktop", VSCODE, "line 2, column 2"),
        ("vscode", '{\n  "servers": {\n    "a": {} "b": {}\n  }\n}', "line 3, column 13"),
        ("gemini", '{\n  "ui": {},\n}', "line "),
        ("codex", "a = 1\n[mcp_servers.x\n", "line 2, column 15"),
        ("cursor", '{"mcpServers": ["minimax"]}', 'Make "mcpServers" an object'),
        ("cursor", '{"mcpServers": null}', 'Make "mcpServers" an object'),
        ("cursor", '{"mcpServers": {"minimax": null}}', 'Take out "minimax" under "mcpServers"'),
        ("codex", 'mcp_servers = {a = {command = "x"}}\n', "own, [mcp_servers.NAME]"),
        ("claude-desktop", '{\n  // mine\n  "a": 1\n}', "comments are not allowed in this file"),
        ("claude-desktop", '{\n  "a": 1 /* mine */\n}', "comments are not allowed in this file"),
        ("cursor", "{}".encode("utf-16"), "is not in UTF-8"),
        ("cursor", b'{"a": "\xff"}', "is not in UTF-8"),
        ("cursor", b" " * (10 * 1024 * 1024 + 1), "too large"),
    ],
)
def test_a_file_that_cannot_be_edited_is_refused_with_the_place(
    host_id: str, data: bytes | str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = put(host_id, data)
    said = refused(capsys, host_id)
    assert str(place) in said
    assert where in said


@pytest.mark.parametrize(
    "entry", [{"command": "uvx", "args": ["minimax-mcp"]}, {"url": "https://example.com"}, "x"]
)
@pytest.mark.parametrize("arguments", [("cursor",), ("--remove", "cursor")])
def test_another_server_of_that_name_is_left_alone(
    entry: Any, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    put("cursor", json.dumps({"mcpServers": {"minimax": entry}}))
    assert "starts something else. Nothing was changed." in refused(capsys, *arguments)


def test_an_entry_in_an_unusual_form_is_left_to_the_person(
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("codex", 'mcp_servers.minimax = {command = "minimax-server"}\n')
    assert "Change it by hand to\n\n[mcp_servers.minimax]" in refused(capsys, "codex")
    assert 'Take out "minimax" under "mcp_servers" by hand.' in refused(capsys, "--remove", "codex")


@pytest.mark.parametrize("arguments", [("cursor",), ("--remove", "cursor")])
def test_a_folder_in_the_place_of_the_file_is_named(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    place_of("cursor").mkdir(parents=True)
    assert run(*arguments) == 1
    assert f"{place_of('cursor')} cannot be read" in capsys.readouterr().err


def test_a_file_that_another_program_changes_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b"{}")
    found = HostFile.read(path)
    path.write_bytes(b'{"new": 1}')
    with pytest.raises(HostFileError, match="changed by another program"):
        found.replace(b"{}")
    assert path.read_bytes() == b'{"new": 1}'
    assert [path.name for path in tmp_path.glob("mcp*")] == ["mcp.json"]


def test_a_write_that_fails_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b"{}")
    found = HostFile.read(path)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(HostFileError, match=r"the disk is full\. It is as it was"):
        found.replace(b'{"new": 1}')
    assert path.read_bytes() == b"{}"
    assert [path.name for path in tmp_path.glob("*mcp*")] == ["mcp.json"]


# --- removing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host_id", IDS)
def test_what_a_person_changed_since_then_outlives_the_removal(host_id: str) -> None:
    place, host = put(host_id, None), get_host(host_id)
    run(host_id)
    text = place.read_text(encoding="utf-8")
    text = host.editor.add(text, (host.servers, "later"), {"command": "x"})
    place.write_text(text, encoding="utf-8")
    assert run("--remove", host_id) == 0
    assert read(host_id) == {host.servers: {"later": {"command": "x"}}}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_without_the_copy_all_but_blanks_comes_back(example: Example) -> None:
    place = put(example.host_id, example.data)
    run(example.host_id)
    for copy in backups(place):
        copy.unlink()
    run("--remove", example.host_id)
    host = get_host(example.host_id)
    left = place.read_bytes().removeprefix(BOM).decode() if place.exists() else ""
    before = (example.data or b"").removeprefix(BOM).decode()
    values = host.editor.parse(before)
    assert {host.servers: {}, **host.editor.parse(left)} == {host.servers: {}, **values}
    if host.servers in values:
        assert left.split() == before.split()


def test_nothing_to_remove_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    for data in (None, "{}"):
        place = put("cursor", data)
        assert run("--remove", "cursor") == 0
        assert "is not in it; nothing was changed" in capsys.readouterr().out
        assert backups(place) == []


# --- which host, and Claude Code -----------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("emacs",), ("--remove", "Cursor")])
def test_an_unknown_host_is_answered_with_the_list(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err.endswith(
        "claude-desktop, claude-code, cursor, vscode, codex, gemini\n"
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [("Cursor", "cursor"), ("claude-dekstop", "claude-desktop"), ("emacs", None)],
)
def test_a_host_that_is_misspelt_is_guessed(
    given: str, meant: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(given) == 2
    first = capsys.readouterr().err.splitlines()[0]
    guess = f" Did you mean {meant}?" if meant else ""
    assert first == f'There is no host "{given}" here.{guess}'


@pytest.mark.parametrize("host_id", IDS)
def test_what_to_do_after_a_change_is_said_after_a_removal_too(
    host_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host = get_host(host_id)
    run(host_id)
    assert host.restart in capsys.readouterr().out
    run("--remove", host_id)
    assert (host.after_removal or host.restart) in capsys.readouterr().out


def test_every_host_has_one_id() -> None:
    assert sorted(HOST_IDS) == sorted([*IDS, "claude-code"])


PROGRAM = """\
#!{python}
import json, pathlib, sys
pathlib.Path({log!r}).write_text(json.dumps(sys.argv[1:]))
sys.exit({code})
"""


def put_claude(folder: Path, *, code: int = 0) -> Path:
    """A program `claude` that writes down what it is called with."""
    import sys

    log, program = folder / "called.json", folder / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, log=str(log), code=code))
    program.chmod(0o755)
    return log


@posix
def test_claude_code_is_told_by_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = put_claude(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert run("claude-code", "--sandbox") == 0
    added = json.loads(log.read_text())
    assert added[:6] == ["mcp", "add", "--scope", "user", "minimax", "--"]
    assert added[-3:] == [str(ROOT), "minimax_server.py", "--sandbox"]
    assert f"claude mcp add --scope user minimax -- {added[6]}" in capsys.readouterr().out
    assert run("--remove", "claude-code") == 0
    assert json.loads(log.read_text()) == ["mcp", "remove", "--scope", "user", "minimax"]


@posix
def test_claude_code_is_not_run_for_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = put_claude(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert run("claude-code", "--print") == 0
    assert not log.exists()


@posix
def test_a_failure_of_claude_code_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_claude(tmp_path, code=3)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert run("claude-code") == 3
    assert "install --remove claude-code" in capsys.readouterr().err


def test_without_claude_code_the_command_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("claude-code") == 1
    printed = capsys.readouterr()
    assert "claude mcp add --scope user minimax -- " in printed.out
    assert "no `claude` on the PATH" in printed.err


@pytest.mark.parametrize("host_id", IDS)
def test_leaving_the_sandbox_is_announced_and_leaves_room_for_a_key(
    host_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--sandbox", host_id) == 0
    said = capsys.readouterr().out
    assert "put your key" not in said
    assert "real MiniMax" not in said
    assert run(host_id) == 0
    said = capsys.readouterr().out
    assert "it uses the real MiniMax, and requests cost money" in said
    assert "Then put your key into " in said
    assert read_entry(host_id)["env"] == {"MINIMAX_API_KEY": ""}
    assert run("--remove", host_id) == 0
    assert not place_of(host_id).exists()


@pytest.mark.parametrize("key", ["", KEY])
def test_going_back_to_the_sandbox_is_no_warning(
    key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("cursor")
    place = place_of("cursor")
    place.write_text(place.read_text(encoding="utf-8").replace('""', f'"{key}"'), encoding="utf-8")
    capsys.readouterr()
    assert run("cursor", "--sandbox") == 0
    assert "cost money" not in capsys.readouterr().out
    assert read_entry("cursor")["env"] == {"MINIMAX_API_KEY": key}


OLD = '"command": "uv", "args": ["minimax_server.py", "--sandbox"]'
OLD_TOML = 'command = "uv"\nargs = ["minimax_server.py", "--sandbox"]\n'


@pytest.mark.parametrize(
    ("host_id", "text", "wanted"),
    [
        pytest.param(
            "vscode",
            f'{{"servers": {{"minimax": {{{OLD}, "env": {{ /* mine */ "A": "b" }}}}}}}}',
            '"env": { /* mine */ "A": "b", "MINIMAX_API_KEY": "" }',
            id="JSON with a comment in the block",
        ),
        pytest.param(
            "cursor",
            f'{{"mcpServers": {{"minimax": {{{OLD}, "env": {{"MINIMAX_API_KEY": "{KEY}"}}}}}}}}',
            f'"env": {{"MINIMAX_API_KEY": "{KEY}"}}',
            id="JSON with a key",
        ),
        pytest.param(
            "vscode",
            f'{{"servers": {{"minimax": {{{OLD}, "envFile": "x"}}}}}}',
            '"envFile": "x"}',
            id="JSON with a file of its own for the environment",
        ),
        pytest.param(
            "codex",
            f'[mcp_servers.minimax]\n{OLD_TOML}env = {{ A = "b" }} # mine\n',
            'env = { A = "b", MINIMAX_API_KEY = "" } # mine',
            id="TOML with an inline block",
        ),
        pytest.param(
            "codex",
            f'[mcp_servers.minimax]\n{OLD_TOML}\n[mcp_servers.minimax.env]\nA = "b" # mine\n',
            '\n[mcp_servers.minimax.env]\nMINIMAX_API_KEY = ""\nA = "b" # mine\n',
            id="TOML with a table",
        ),
        pytest.param(
            "codex",
            f'[mcp_servers.minimax]\n{OLD_TOML}env.A = "b"\nenv.B = "c"\n',
            'env.A = "b"\nenv.B = "c"\n',
            id="TOML with dotted keys, which stay as they are",
        ),
    ],
)
def test_room_for_a_key_changes_nothing_else_in_the_block(
    host_id: str, text: str, wanted: str
) -> None:
    place = put(host_id, text)
    assert run(host_id) == 0
    assert wanted in place.read_text(encoding="utf-8")
    assert "--sandbox" not in read_entry(host_id)["args"]


def test_an_absolute_uv_of_the_entry_is_kept_where_this_process_knows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", str(samples.put(tmp_path / "bin" / "uv", b"")))
    assert run("cursor") == 0
    monkeypatch.delenv("UV")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("cursor", "--sandbox") == 0
    assert read_entry("cursor")["command"] == str(tmp_path / "bin" / "uv")
    (tmp_path / "bin" / "uv").unlink()
    assert run("cursor") == 0
    assert read_entry("cursor")["command"] == "uv"


def test_a_copy_in_a_cache_is_installed_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "CACHEDIR.TAG").touch()
    command = str(tmp_path / "archive" / "bin" / "minimax-server")
    monkeypatch.setattr(
        "minimax.commands.install.find_launch", lambda _: launch.Launch(command, ())
    )
    assert run("cursor") == 0
    assert "in a cache that may be emptied" in capsys.readouterr().out
