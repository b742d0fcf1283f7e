"""How a host starts this server: its command and arguments, with absolute paths."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

__all__ = [
    "SANDBOX_OPTION",
    "Launch",
    "fetches_package",
    "find_launch",
    "is_in_cache",
    "starts_this_server",
]

PACKAGE: Final = "minimax-server"
SCRIPTS: Final = (PACKAGE, f"{PACKAGE}.exe")
SANDBOX_OPTION: Final = "--sandbox"
"""Lets the server use the built-in MiniMax."""
UV: Final = ("uv", "uv.exe")
SERVER_FILE: Final = "minimax_server.py"
CACHE_TAG: Final = "CACHEDIR.TAG"
"""Marks folders that may be emptied at any time (bford.info/cachedir); uv and pip put it there."""
VENV_FILE: Final = "pyvenv.cfg"
"""Marks virtual environments. uv marks those that it makes as caches too, which lasting ones are
not."""
FETCHERS: Final = frozenset({"uvx", "pipx"})
FETCHING_WORDS: Final = frozenset({"tool", "x"})
"""Of uv: `uv tool run` and `uv x` are `uvx`."""


@dataclass(frozen=True)
class Launch:
    """A command and its arguments."""

    command: str
    args: tuple[str, ...]

    def with_sandbox(self) -> "Launch":
        """The same on the built-in MiniMax."""
        return Launch(self.command, (*self.args, SANDBOX_OPTION))

    def with_known_uv(self, command: object) -> "Launch":
        """The same by the uv that an entry names, if this process does not know where uv is.

        Hosts often do not find on their PATH what a terminal finds there.
        """
        if self.command not in UV or not isinstance(command, str):
            return self
        known = Path(command)
        is_usable = known.is_absolute() and known.name in UV and known.is_file()
        return Launch(command, self.args) if is_usable else self


def find_launch(server_file: Path) -> Launch:
    """How hosts start the server.

    Args:
        server_file: The file of the server that is running: `minimax_server.py` in a folder of the
            project, or the module of an installed copy.
    """
    folder = server_file.parent
    if (folder / "pyproject.toml").exists():
        return Launch(_find_uv(), ("run", "--directory", str(folder), server_file.name))
    script = _find_script()
    return Launch(str(script), ()) if script else Launch(sys.executable, (str(server_file),))


def is_in_cache(launch: Launch) -> bool:
    """Whether the command is in a folder that may be emptied, as that of `uvx` is."""
    return any(
        (parent / CACHE_TAG).exists() and not (parent / VENV_FILE).exists()
        for parent in Path(launch.command).parents
    )


def starts_this_server(command: object, args: object) -> bool:
    """Whether a command of a host's configuration starts this server, from whatever folder."""
    words = [command, *args] if isinstance(args, list) else [command]
    names = {Path(word.replace("\\", "/")).name for word in words if isinstance(word, str)}
    return bool(names & {SERVER_FILE, *SCRIPTS})


def fetches_package(command: object, args: object) -> bool:
    """Whether a command of a host's configuration runs a package of this name from a registry.

    Nothing is published there, so it is somebody else's.
    """
    if not isinstance(command, str) or not isinstance(args, list):
        return False
    name = Path(command.replace("\\", "/")).name.removesuffix(".exe")
    is_fetching = name in FETCHERS or (name == "uv" and bool(FETCHING_WORDS & {*args[:1]}))
    names = [re.split(r"[\[@=<>~! ]", word)[0] for word in args if isinstance(word, str)]
    return is_fetching and "--from" not in names and PACKAGE in names


def _find_uv() -> str:
    """The full path of uv; what uv starts is told it, also where it is not on the PATH."""
    named = os.environ.get("UV")
    return named if named and Path(named).exists() else shutil.which("uv") or "uv"


def _find_script() -> Path | None:
    """The script that the installer of this package wrote."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name in SCRIPTS:
            return Path(os.path.abspath(str(file.locate())))  # noqa: PTH100 - keeps links
    return None
