"""What `check` says about the hosts of this machine: their files, paths and keys."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minimax.commands.entries import (
    Configuration,
    is_of_this_server,
    is_sandboxed,
    read_args,
)
from minimax.commands.findings import Finding, fix, note, ok
from minimax.commands.host_files import HostFileError
from minimax.commands.hosts import HOSTS, SERVER_NAME, Host, Machine
from minimax.commands.launch import SANDBOX_OPTION, fetches_package
from minimax.errors import MiniMaxError, SettingsError
from minimax.settings import ENV_FILE, Settings, own_command

__all__ = ["HostReport", "check_hosts"]

PLACEHOLDER: Final = "full/path/to"
"""Part of every path in the documents that a person has to replace."""
SERVER_KEYS: Final = frozenset(host.servers for host in HOSTS)
_REFERENCE: Final = re.compile(r"\$\{(?:input|env):[^}]{1,60}\}|\$\{?[A-Za-z_]\w{0,60}\}?")
"""A value that the host itself fills in, as `${input:x}`, `${env:X}` or `$X`."""


@dataclass(frozen=True)
class HostReport:
    """What was found.

    Attributes:
        findings: The lines.
        is_installed: Some host starts this server.
    """

    findings: tuple[Finding, ...]
    is_installed: bool


def check_hosts(
    machine: Machine,
    *,
    settings: Settings | None,
    is_refused: bool = False,
    find_accepting_host: Callable[[Settings], str],
) -> HostReport:
    """Look at the configuration of every host.

    Args:
        machine: Where to look.
        settings: Its own settings, whose key was asked about already; None where they are wrong.
        is_refused: The key of these settings was not accepted.
        find_accepting_host: Asks MiniMax about the key of some settings.
    """
    judge = _Judge(settings, find_accepting_host, is_refused=is_refused)
    findings: list[Finding] = []
    absent: list[str] = []
    for host in HOSTS:
        places = host.find_places(machine)
        if not any(place.parent.is_dir() for place in places):
            absent.append(host.name)
        else:
            findings += judge.check_host(host, places)
    if absent:
        findings.append(note(f"not found on this computer: {', '.join(absent)}"))
    return HostReport(tuple(findings), judge.is_installed)


@dataclass(frozen=True)
class _Answer:
    """What was found out about the key of a host."""

    settings: Settings
    name: str
    is_refused: bool


class _Judge:
    """Judges one host after the other; of two with one key, only the first is asked about."""

    def __init__(
        self,
        settings: Settings | None,
        find_accepting_host: Callable[[Settings], str],
        *,
        is_refused: bool,
    ) -> None:
        self.is_installed = False
        self._own = settings
        self._own_is_refused = is_refused
        self._find_accepting_host = find_accepting_host
        self._asked: list[_Answer] = []

    def check_host(self, host: Host, places: list[Path]) -> list[Finding]:
        try:
            found = Configuration.read(host, places[0])
        except HostFileError as error:
            return [fix(f"{host.name}: {error} {host.name} may not read it as it is.")]
        if not found.servers.get(SERVER_NAME):
            return [_say_missing(host, places, found)]
        if not is_of_this_server(found.entry):
            return [_say_other(found)]
        self.is_installed = True
        wrong = [fix(f"{host.name}: {problem}") for problem in _find_wrong_paths(found)]
        key = self._check_key(found)
        starts = [] if wrong else [_say_found(found)]
        return [*starts, *wrong, *([key] if key else [])]

    def _check_key(self, found: Configuration) -> Finding | None:
        """The line about the key; None where that of this server itself says the same."""
        name = found.host.name
        if is_sandboxed(found.entry):
            return ok(f"{name}: it is started with --sandbox: no key, no cost")
        env = _read_env(found.entry)
        if _REFERENCE.fullmatch(env.get("MINIMAX_API_KEY", "")):
            return note(f"{name}: it fills in the key itself, so that was not checked")
        try:
            settings = Settings.from_env(
                environ=env,
                env_file=_find_env_file(found.entry),
                environ_place=f"in the env block of {found.file.path}",
                warn_if_shared=False,  # the settings of this terminal have warned
            )
        except SettingsError as error:
            return fix(f"{name}: {error}")
        return self._ask(name, settings, is_in_block=bool(env.get("MINIMAX_API_KEY", "").strip()))

    def _ask(self, name: str, settings: Settings, *, is_in_block: bool) -> Finding | None:
        place = "its env block" if is_in_block else "the .env file"
        if settings.api_key is None:
            return fix(
                f"{name}: MINIMAX_API_KEY is neither in its env block nor in the .env file. Put "
                "your key into one of them, then restart the host."
            )
        if self._own is not None and _same_key(settings, self._own):
            same = f"{name}: the key in {place} is the one above"
            return _say_same(same, is_refused=self._own_is_refused) if is_in_block else None
        for asked in self._asked:
            if _same_key(settings, asked.settings):
                same = f"{name}: the key in {place} is that of {asked.name}"
                return _say_same(same, is_refused=asked.is_refused)
        try:
            host = self._find_accepting_host(settings)
        except MiniMaxError as error:
            self._asked.append(_Answer(settings, name, is_refused=True))
            return fix(f"{name}: the key in {place}: {error}")
        self._asked.append(_Answer(settings, name, is_refused=False))
        return ok(f"{name}: the key in {place} is accepted by {host} (one free call)")


def _say_same(same: str, *, is_refused: bool) -> Finding:
    """The line about a key that was asked about already, with the same outcome."""
    return fix(f"{same}, which was not accepted: see there") if is_refused else ok(same)


def _same_key(one: Settings, other: Settings) -> bool:
    return (one.api_key, one.api_host) == (other.api_key, other.api_host)


def _say_found(found: Configuration) -> Finding:
    command, what = found.entry.get("command"), f"{found.host.name}: {found.file.path}"
    other = _find_other_copy(found.entry)
    if other is not None:
        return note(
            f"{what} starts another copy of this server, in {other}. To start this one instead, "
            f"run: {_install_command(found)}"
        )
    if isinstance(command, str) and not Path(command).is_absolute():
        return note(
            f'{what} starts this server by "{command}" without a folder. If the host says "spawn '
            f'{command} ENOENT", run: {_install_command(found)}'
        )
    return ok(f"{what} starts this server")


def _say_missing(host: Host, places: list[Path], found: Configuration) -> Finding:
    """Why a host does not start this server, and how to add it."""
    add = f"To add it: {own_command(f'install {host.id}')}"
    for key in SERVER_KEYS - {host.servers}:
        servers = found.values.get(key)
        if isinstance(servers, Mapping) and is_of_this_server(servers.get(SERVER_NAME)):
            return fix(
                f'{host.name}: in {places[0]} this server is under "{key}", but {host.name} reads '
                f'"{host.servers}". Remove it there. {add}'
            )
    for place in places[1:]:
        if _has_this_server(host, place):
            return fix(
                f"{host.name}: this server is in {place}, but {host.name} as it is installed here "
                f"reads {places[0]}. {add}"
            )
    if found.file.data is None:
        return note(f"{host.name}: there is no {places[0]} yet. {add}")
    return note(f"{host.name}: this server is not in {places[0]}. {add}")


def _has_this_server(host: Host, place: Path) -> bool:
    try:
        return is_of_this_server(Configuration.read(host, place).entry)
    except HostFileError:
        return False


def _say_other(found: Configuration) -> Finding:
    what = f'{found.host.name}: the server "{SERVER_NAME}" in {found.file.path}'
    if isinstance(found.entry, Mapping) and "url" in found.entry:
        return note(f"{what} is reached by its address and was not checked")
    return note(f"{what} is not started as this one is, and was not checked")


def _read_env(entry: Mapping[str, Any]) -> dict[str, str]:
    env = entry.get("env")
    env = env if isinstance(env, Mapping) else {}
    return {name: value for name, value in env.items() if isinstance(value, str)}


def _find_folder(entry: Mapping[str, Any]) -> str | None:
    """The folder that uv is told to go to."""
    args = read_args(entry)
    for option in ("--directory", "--project"):
        if option in args[:-1]:
            return args[args.index(option) + 1]
    return None


def _install_command(found: Configuration) -> str:
    """What corrects an entry, and leaves it in the sandbox if it is there."""
    option = f" {SANDBOX_OPTION}" if is_sandboxed(found.entry) else ""
    return own_command(f"install {found.host.id}{option}")


def _find_other_copy(entry: Mapping[str, Any]) -> Path | None:
    """The folder of the copy that an entry starts; None if it is this one, or is not named."""
    folder = _find_folder(entry)
    files = [Path(word) for word in read_args(entry) if word.endswith(".py")]
    named = Path(folder) if folder else next((file.parent for file in files), None)
    if named is None or not named.is_absolute():
        return None
    return None if named.resolve() == ENV_FILE.parent else named


def _find_env_file(entry: Mapping[str, Any]) -> Path:
    folder = _find_folder(entry)
    return Path(folder) / ENV_FILE.name if folder else ENV_FILE


def _find_wrong_paths(found: Configuration) -> Iterator[str]:
    entry, path = found.entry, found.file.path
    again = f"Run: {_install_command(found)}"
    command = entry.get("command")
    if not isinstance(command, str):
        yield f"what {path} says about this server has no command. {again}"
        return
    words = [command, *read_args(entry)]
    placeholders = [word for word in words if PLACEHOLDER in word.replace("\\", "/")]
    if placeholders:
        yield f"the placeholder {placeholders[0]} is still in {path}. {again}"
        return
    if fetches_package(command, entry.get("args")):
        yield (
            f"{path} lets {command} fetch a package from a registry. This server is not published "
            f"there, so that would run somebody else's program with your key. {again}"
        )
        return
    yield from _find_wrong_command(command, path, again)
    folder = _find_folder(entry)
    if folder is not None and not Path(folder).is_dir():
        yield f"the folder {folder} in {path} is not there. {again}"
        return
    for word in words[1:]:
        if word.endswith(".py") and not (Path(folder or "/") / word).is_file():
            yield f"{Path(folder or '') / word}, which {path} names, is not there. {again}"


def _find_wrong_command(command: str, path: Path, again: str) -> Iterator[str]:
    if Path(command).is_absolute():
        if not Path(command).is_file():
            yield f"the program {command} in {path} is not there. {again}"
    elif shutil.which(command) is None:
        yield f'there is no program "{command}", which {path} names, on the PATH. {again}'
