"""The entry of this server in a host's configuration: made, shown, found and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minimax.commands.config_text import BrokenTextError
from minimax.commands.host_files import HostFile, HostFileError
from minimax.commands.hosts import SERVER_NAME, Host
from minimax.commands.launch import SANDBOX_OPTION, Launch, starts_this_server
from minimax.errors import SettingsError
from minimax.settings import read_env_file

__all__ = [
    "Configuration",
    "hide_secrets",
    "is_of_this_server",
    "is_sandboxed",
    "key_is_in_file",
    "make_entry",
    "read_args",
]

_SECRET: Final = re.compile(r"key|token|secret|passw|auth", re.IGNORECASE)
HIDDEN: Final = "(not shown)"


@dataclass(frozen=True)
class Configuration:
    """A host's configuration file with the values in it."""

    host: Host
    file: HostFile
    values: Mapping[str, Any]

    @classmethod
    def read(cls, host: Host, path: Path) -> "Configuration":
        """Read one.

        Raises:
            HostFileError: It cannot be read, or is broken; the text says in which line.
        """
        file = HostFile.read(path)
        try:
            return cls(host, file, host.editor.parse(file.text))
        except BrokenTextError as error:
            raise HostFileError(
                f"{path} is broken in line {error.line}, column {error.column}: {error.reason}."
            ) from None

    @property
    def servers(self) -> Mapping[str, Any]:
        """The servers in it, by name."""
        found = self.values.get(self.host.servers, {})
        return found if isinstance(found, Mapping) else {}

    @property
    def entry(self) -> Any:
        """What it says about this server; None where that is nothing."""
        return self.servers.get(SERVER_NAME)


def key_is_in_file() -> bool:
    """Whether the .env file has a key."""
    try:
        return bool(read_env_file().get("MINIMAX_API_KEY", "").strip())
    except SettingsError:
        return False


def make_entry(host: Host, launch: Launch, *, with_key: bool) -> dict[str, Any]:
    """What a host's configuration says about this server.

    Args:
        host: The host.
        launch: How it starts the server.
        with_key: Leave room for a key; an empty one counts as not set.
    """
    entry = {"type": host.extra["type"]} if "type" in host.extra else {}
    entry |= {"command": launch.command, "args": list(launch.args)}
    if with_key:
        entry["env"] = {"MINIMAX_API_KEY": ""}
    return entry | dict(host.extra)


def is_of_this_server(entry: object) -> bool:
    """Whether an entry starts this server, and not another of the same name."""
    if not isinstance(entry, Mapping):
        return False
    return starts_this_server(entry.get("command"), entry.get("args"))


def read_args(entry: Mapping[str, Any]) -> list[str]:
    """The arguments of an entry, as far as they are texts."""
    args = entry.get("args")
    return [word for word in args if isinstance(word, str)] if isinstance(args, list) else []


def is_sandboxed(entry: Mapping[str, Any]) -> bool:
    """Whether an entry starts the server on the built-in MiniMax."""
    return SANDBOX_OPTION in read_args(entry)


def hide_secrets(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry to be shown: values of `env` and `headers` that may be keys are left out."""
    shown = dict(entry)
    for name, values in entry.items():
        if isinstance(values, Mapping):
            shown[name] = {
                key: HIDDEN if value and _SECRET.search(key) else value
                for key, value in values.items()
            }
    return shown
