"""Hosts are told absolute paths of what is installed here, and nothing that would be fetched."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.commands import check
from minimax.commands.launch import (
    Launch,
    fetches_package,
    find_launch,
    is_in_cache,
    starts_this_server,
)
from minimax.settings import own_command, where_keys_go
from tests.support import samples
from tests.support.host import ROOT


class InstalledFile:
    """A file of an installed package, as importlib.metadata has it."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path

    def locate(self) -> Path:
        return self._path


def put_installed(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """An installed copy: its module in one folder, its script in another."""
    module = samples.put(folder / "site-packages" / "minimax_server" / "__init__.py", b"")
    script_file = samples.put(folder / "bin" / script, b"")
    named = folder / "site-packages" / ".." / "bin" / script
    files = [InstalledFile(module), InstalledFile(named)]
    monkeypatch.setattr(metadata, "files", lambda _: files)
    assert script_file.exists()
    return module


def test_a_folder_of_the_project_is_started_by_the_uv_that_runs_this(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uv = samples.put(tmp_path / "bin" / "uv", b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV", str(uv))
    launch = find_launch(ROOT / "minimax_server.py")
    assert launch == Launch(str(uv), ("run", "--directory", str(ROOT), "minimax_server.py"))


def test_without_a_word_of_uv_it_is_looked_for_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_launch(ROOT / "minimax_server.py").command == "uv"


@pytest.mark.parametrize("script", ["minimax-server", "minimax-server.exe"])
def test_an_installed_copy_is_started_by_its_own_script(
    script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = put_installed(tmp_path, monkeypatch, script)
    assert find_launch(module) == Launch(str(tmp_path / "bin" / script), ())
    block: Any = check.host_block(module)
    assert block["mcpServers"]["minimax"]["command"] == str(tmp_path / "bin" / script)
    assert block["mcpServers"]["minimax"]["args"] == []


@pytest.mark.parametrize("is_known", [True, False])
def test_a_copy_without_a_script_is_started_by_this_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_known: bool
) -> None:
    def find(_: str) -> list[InstalledFile]:
        if not is_known:
            raise metadata.PackageNotFoundError
        return []

    monkeypatch.setattr(metadata, "files", find)
    module = tmp_path / "__init__.py"
    assert find_launch(module) == Launch(sys.executable, (str(module),))


def test_nothing_is_started_that_would_be_fetched_from_a_registry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = put_installed(tmp_path, monkeypatch, "minimax-server")
    for server_file in (module, ROOT / "minimax_server.py"):
        launch = find_launch(server_file)
        assert "uvx" not in launch.command
        assert not {"tool", "--from", "minimax-server"} & set(launch.args)


def test_a_folder_that_is_marked_as_a_cache_is_one(tmp_path: Path) -> None:
    launch = Launch(str(tmp_path / "a" / "bin" / "minimax-server"), ())
    assert not is_in_cache(launch)
    (tmp_path / "CACHEDIR.TAG").touch()
    assert is_in_cache(launch)


def test_a_virtual_environment_is_no_cache_though_uv_marks_it_as_one(tmp_path: Path) -> None:
    launch = Launch(str(tmp_path / ".venv" / "bin" / "minimax-server"), ())
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "CACHEDIR.TAG").touch()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    assert not is_in_cache(launch)
    (tmp_path / "CACHEDIR.TAG").touch()
    assert is_in_cache(launch)


@pytest.mark.parametrize(
    ("command", "args", "fetches"),
    [
        ("uvx", ["minimax-server"], True),
        ("/home/anna/.local/bin/uvx", ["minimax-server@latest"], True),
        ("C:\\uv\\uvx.exe", ["minimax-server[team]==0.2.0", "--sandbox"], True),
        ("uv", ["tool", "run", "minimax-server"], True),
        ("pipx", ["run", "minimax-server"], True),
        ("uvx", ["--from", "/downloads/minimax_server-0.2.0.whl", "minimax-server"], False),
        ("uv", ["run", "--directory", "/x", "minimax_server.py"], False),
        ("/home/anna/.local/bin/minimax-server", [], False),
        (None, None, False),
    ],
)
def test_what_would_be_fetched_from_a_registry_is_recognized(
    command: object, args: object, *, fetches: bool
) -> None:
    assert fetches_package(command, args) is fetches


def test_check_says_that_a_copy_in_a_cache_may_vanish(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = put_installed(tmp_path, monkeypatch, "minimax-server")
    (tmp_path / "CACHEDIR.TAG").touch()
    check.run(server_file=module)
    assert "note place: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "args", "is_this"),
    [
        ("uv", ["run", "--directory", "/x", "minimax_server.py", "--sandbox"], True),
        ("C:\\Users\\a\\bin\\minimax-server.exe", [], True),
        ("uvx", ["minimax-server"], True),
        ("/usr/bin/python3", ["C:\\minimax\\minimax_server.py"], True),
        ("uvx", ["minimax-mcp"], False),
        ("npx", ["-y", "minimax-mcp-js"], False),
        (None, None, False),
        (1, ["a", 2], False),
    ],
)
def test_an_entry_of_this_server_is_recognized(
    command: object, args: object, *, is_this: bool
) -> None:
    assert starts_this_server(command, args) is is_this


def test_an_installed_copy_names_the_commands_and_places_that_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert own_command("check") == "uv run minimax_server.py check"
    assert where_keys_go().endswith("or into the .env file beside minimax_server.py")
    monkeypatch.setattr("minimax.settings.ENV_FILE", tmp_path / ".env")
    assert own_command("check") == "minimax-server check"
    assert ".env" not in where_keys_go()


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "x", "8765.0", "٣", "9" * 5000])
def test_a_port_that_is_none_is_answered_in_one_line(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        minimax_server.main(["sandbox", "--port", port])
    said = capsys.readouterr().err
    assert said.endswith("port must be 0 to 65535\n") or "expected one argument" in said
    assert len(said) < 300


@pytest.mark.parametrize("port", [0, 1, 8765, 65535])
def test_a_port_reaches_the_sandbox(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run(*, port: int) -> int:
        asked.append(port)
        return 0

    monkeypatch.setattr("minimax.sandbox.run", run)
    assert minimax_server.main(["sandbox", "--port", str(port)]) == 0
    assert asked == [port]
