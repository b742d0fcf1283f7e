"""Where each host keeps its configuration, on each system."""

from pathlib import Path
from typing import Any, get_args

import pytest

from minimax.commands.hosts import HOSTS, Machine, System, find_host
from tests.support import samples

PLACES = [
    ("claude-desktop", "darwin", "Library/Application Support/Claude/claude_desktop_config.json"),
    ("claude-desktop", "win32", "AppData/Roaming/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", ".config/Claude/claude_desktop_config.json"),
    ("cursor", "darwin", ".cursor/mcp.json"),
    ("cursor", "win32", ".cursor/mcp.json"),
    ("cursor", "linux", ".cursor/mcp.json"),
    ("vscode", "darwin", "Library/Application Support/Code/User/mcp.json"),
    ("vscode", "win32", "AppData/Roaming/Code/User/mcp.json"),
    ("vscode", "linux", ".config/Code/User/mcp.json"),
    ("codex", "darwin", ".codex/config.toml"),
    ("codex", "win32", ".codex/config.toml"),
    ("codex", "linux", ".codex/config.toml"),
    ("gemini", "darwin", ".gemini/settings.json"),
    ("gemini", "win32", ".gemini/settings.json"),
    ("gemini", "linux", ".gemini/settings.json"),
]


def find(host_id: str, system: Any, home: Path, **environ: str) -> list[Path]:
    host = find_host(host_id)
    assert host is not None
    return host.find_places(Machine(system=system, home=home, environ=environ))


@pytest.mark.parametrize(("host_id", "system", "place"), PLACES)
def test_a_place_is_the_documented_one(
    host_id: str, system: str, place: str, tmp_path: Path
) -> None:
    assert find(host_id, system, tmp_path) == [tmp_path / place]


def test_every_host_has_a_place_on_every_system_and_says_where_that_is_from() -> None:
    systems = set(get_args(System))
    assert {(host.id, system) for host in HOSTS for system in systems} == {
        (host_id, system) for host_id, system, _ in PLACES
    }
    assert all(set(host.places) == systems for host in HOSTS)
    assert all(source.startswith("https://") for host in HOSTS for source in host.sources)
    assert all(host.sources for host in HOSTS)


@pytest.mark.parametrize(
    ("host_id", "system", "variable", "below"),
    [
        ("claude-desktop", "linux", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", "APPDATA", "Claude/claude_desktop_config.json"),
        ("vscode", "win32", "APPDATA", "Code/User/mcp.json"),
        ("codex", "linux", "CODEX_HOME", "config.toml"),
        ("gemini", "darwin", "GEMINI_CLI_HOME", ".gemini/settings.json"),
    ],
)
def test_a_variable_of_the_host_moves_its_folder(
    host_id: str, system: str, variable: str, below: str, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    assert find(host_id, system, tmp_path, **{variable: str(moved)}) == [moved / below]
    for unusable in ("", "relative"):
        assert moved / below not in find(host_id, system, tmp_path, **{variable: unusable})


def test_claude_desktop_as_a_windows_package_reads_the_file_inside_the_package(
    tmp_path: Path,
) -> None:
    packages = tmp_path / "AppData" / "Local" / "Packages"
    samples.put(packages / "Claude_file", b"")
    (packages / "Claudette_x").mkdir()
    plain = tmp_path / "AppData/Roaming/Claude/claude_desktop_config.json"
    assert find("claude-desktop", "win32", tmp_path) == [plain]
    (packages / "Claude_pzs8sxrjxfjjc").mkdir()
    packaged = packages / "Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"
    assert find("claude-desktop", "win32", tmp_path) == [
        packaged / "claude_desktop_config.json",
        plain,
    ]
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "Packages" / "Claude_1").mkdir(parents=True)
    found = find("claude-desktop", "win32", tmp_path, LOCALAPPDATA=str(elsewhere))
    assert found[0].is_relative_to(elsewhere / "Packages" / "Claude_1")


def test_this_machine_is_one_of_them() -> None:
    machine = Machine.this()
    assert machine.system in get_args(System)
    assert machine.home == Path.home()
