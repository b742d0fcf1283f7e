"""The hosts that this server can be added to: where their configuration is, and its format."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from minimax.commands.config_text import Editor
from minimax.commands.json_text import JsonEditor
from minimax.commands.toml_text import TomlEditor
from minimax.settings import find_home

__all__ = ["CLAUDE_CODE", "HOSTS", "HOST_IDS", "SERVER_NAME", "Host", "Machine", "find_host"]

SERVER_NAME: Final = "minimax"
"""What the server is called in every configuration."""
CLAUDE_CODE: Final = "claude-code"
"""This host changes its configuration by a command of its own, `claude mcp`."""
START_SECONDS: Final = 60
"""How long Codex waits for the server to start, which may download packages; its default is 10."""

System = Literal["darwin", "win32", "linux"]


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides where configurations are: the system, the home folder, the environment."""

    system: System
    home: Path
    environ: Mapping[str, str]

    @classmethod
    def this(cls) -> "Machine":
        """The one that this program runs on; every other Unix is like Linux.

        Raises:
            SettingsError: This user has no home folder.
        """
        system: System = "linux"
        if sys.platform == "darwin":
            system = "darwin"
        elif sys.platform == "win32":
            system = "win32"
        return cls(system=system, home=find_home(), environ=os.environ)

    def folders(self) -> dict[str, str]:
        """The folders that places begin with; each may be moved by a variable."""
        home = self.home
        return {
            "home": str(home),
            "config": self._folder("XDG_CONFIG_HOME", home / ".config"),
            "appdata": self._folder("APPDATA", home / "AppData" / "Roaming"),
            "localappdata": self._folder("LOCALAPPDATA", home / "AppData" / "Local"),
            "codex": self._folder("CODEX_HOME", home / ".codex"),
            "gemini": self._folder("GEMINI_CLI_HOME", home),
        }

    def _folder(self, variable: str, default: Path) -> str:
        named = Path(self.environ.get(variable, ""))
        return str(named if named.is_absolute() else default)


@dataclass(frozen=True, kw_only=True)
class Host:
    """A program that starts MCP servers.

    Attributes:
        id: How it is named on the command line.
        name: How it calls itself.
        places: Its configuration file by system, the likeliest first; a folder in {braces} is one
            of `Machine.folders()`, a `*` stands for any part of one folder's name.
        servers: The key under which the servers are.
        extra: What it needs besides command, args and env.
        restart: What to do after a change.
        after_removal: What to do after this server was removed, if that is something else.
        sources: Where the places and the form are documented.
    """

    id: str
    name: str
    places: Mapping[System, tuple[str, ...]]
    servers: str
    editor: Editor
    extra: Mapping[str, Any] = field(default_factory=dict)
    restart: str
    after_removal: str = ""
    sources: tuple[str, ...]

    def find_places(self, machine: Machine) -> list[Path]:
        """The files that this host may read on a machine, the one that it reads first."""
        found = [
            path
            for place in self.places[machine.system]
            for path in _expand(place.format_map(machine.folders()))
        ]
        return list(dict.fromkeys(found))


def find_host(host_id: str) -> Host | None:
    """The host of this id that keeps a file which is edited here."""
    return next((host for host in HOSTS if host.id == host_id), None)


def _expand(place: str) -> list[Path]:
    """The paths that a place stands for; with a `*`, those whose folder exists."""
    before, star, after = place.partition("*")
    if not star:
        return [Path(place)]
    ending, _, below = after.partition("/")
    folder = Path(before)
    parent, beginning = (folder, "") if before.endswith("/") else (folder.parent, folder.name)
    return [path / below for path in sorted(parent.glob(f"{beginning}*{ending}")) if path.is_dir()]


def _everywhere(place: str) -> Mapping[System, tuple[str, ...]]:
    return MappingProxyType({"darwin": (place,), "win32": (place,), "linux": (place,)})


JSON: Final = JsonEditor(comments=False, trailing_commas=False)
JSON_WITH_COMMENTS: Final = JsonEditor(comments=True, trailing_commas=False)
JSON_WITH_COMMENTS_AND_COMMAS: Final = JsonEditor(comments=True, trailing_commas=True)

HOSTS: Final = (
    Host(
        id="claude-desktop",
        name="Claude Desktop",
        places=MappingProxyType(
            {
                "darwin": ("{home}/Library/Application Support/Claude/claude_desktop_config.json",),
                # Installed as an MSIX package, as since February 2026, it sees a folder of its own
                # in the place of %APPDATA%\Claude.
                "win32": (
                    "{localappdata}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
                    "{appdata}/Claude/claude_desktop_config.json",
                ),
                "linux": ("{config}/Claude/claude_desktop_config.json",),
            }
        ),
        servers="mcpServers",
        editor=JSON,
        restart="Quit Claude Desktop completely and start it again; closing its window is not "
        "enough.",
        sources=(
            "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
            "https://github.com/anthropics/claude-code/issues/26073 (MSIX)",
            "https://github.com/hannesill/m4/pull/54 (MSIX)",
        ),
    ),
    Host(
        id="cursor",
        name="Cursor",
        places=_everywhere("{home}/.cursor/mcp.json"),
        servers="mcpServers",
        # Cursor does not say what it takes; what VS Code takes is not called broken.
        editor=JSON_WITH_COMMENTS_AND_COMMAS,
        restart="Restart Cursor.",
        sources=("https://cursor.com/docs/mcp",),
    ),
    Host(
        id="vscode",
        name="VS Code",
        places=MappingProxyType(
            {
                "darwin": ("{home}/Library/Application Support/Code/User/mcp.json",),
                "win32": ("{appdata}/Code/User/mcp.json",),
                "linux": ("{config}/Code/User/mcp.json",),
            }
        ),
        servers="servers",
        editor=JSON_WITH_COMMENTS_AND_COMMAS,
        extra=MappingProxyType({"type": "stdio"}),
        restart='Run "MCP: List Servers" in the Command Palette, choose minimax, then Start.',
        after_removal="VS Code sees the change immediately.",
        sources=(
            "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
            "https://code.visualstudio.com/docs/configure/settings (the folder of a user)",
        ),
    ),
    Host(
        id="codex",
        name="Codex",
        places=_everywhere("{codex}/config.toml"),
        servers="mcp_servers",
        editor=TomlEditor(),
        extra=MappingProxyType({"startup_timeout_sec": START_SECONDS}),
        restart="Start a new session of Codex.",
        sources=(
            "https://developers.openai.com/codex/mcp",
            "https://github.com/openai/codex: codex-rs/config/src/mcp_types.rs",
        ),
    ),
    Host(
        id="gemini",
        name="Gemini CLI",
        places=_everywhere("{gemini}/.gemini/settings.json"),
        servers="mcpServers",
        editor=JSON_WITH_COMMENTS,
        restart="Start Gemini CLI again.",
        sources=(
            "https://geminicli.com/docs/tools/mcp-server",
            "https://github.com/google-gemini/gemini-cli: packages/core/src/utils/paths.ts",
            "https://github.com/google-gemini/gemini-cli: packages/cli/src/config/settings.ts",
        ),
    ),
)
"""Where each host keeps its configuration.

`sources` are the documents or programs that the places were taken from, read in November 2026.
"""

HOST_IDS: Final = ("claude-desktop", CLAUDE_CODE, "cursor", "vscode", "codex", "gemini")
