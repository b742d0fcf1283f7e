"""How a host's configuration is to be changed: planned here, written elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.commands.config_text import BrokenTextError, UneditableTextError
from minimax.commands.entries import (
    Configuration,
    hide_secrets,
    is_of_this_server,
    is_sandboxed,
    key_is_in_file,
    make_entry,
)
from minimax.commands.host_files import HostFile, HostFileError
from minimax.commands.hosts import SERVER_NAME, Host
from minimax.commands.launch import Launch
from minimax.commands.toml_text import TomlEditor
from minimax.settings import where_keys_go

__all__ = ["Plan", "plan_entry", "plan_removal", "say_where_key_goes"]

NOT_EDITED: Final = (
    "{path} writes its servers in a form that is not edited here, so nothing was changed. {what}"
)
KEY_NAME: Final = "MINIMAX_API_KEY"
LEFT_SANDBOX: Final = (
    "\n\nUntil now it was started with --sandbox. From now on it uses the real MiniMax, and "
    "requests cost money."
)
OWN_KEY_SOURCES: Final = ("envFile", "env_vars")
"""What else gives a server its environment, in VS Code and Codex; an empty key would win."""


@dataclass(frozen=True)
class Plan:
    """What a file is to hold; `data` is None where there is to be no file.

    Attributes:
        data: The new content, the present one where nothing is to be changed.
        announcement: The change, for the person to read; it has no secret in it.
    """

    data: bytes | None
    announcement: str


def plan_entry(found: Configuration, *, launch: Launch, sandbox: bool) -> Plan:
    """Add this server, or bring its command up to date where it is there already.

    Raises:
        HostFileError: That cannot be done; the text says why.
    """
    old = found.entry
    if old is None:
        return _plan_new(found, launch, sandbox=sandbox)
    _refuse_other_server(found)
    launch = launch.with_known_uv(old.get("command"))
    new = {"command": launch.command, "args": list(launch.args)}
    if {**old, **new} == old:
        return Plan(found.file.data, "It starts this server already; nothing was changed.")
    needs_key = _is_without_key(old) and not sandbox and not key_is_in_file()
    text, entry = _change(found, new, with_key=needs_key)
    announcement = _announce("This is changed to", found.host, entry)
    if is_sandboxed(old) and not sandbox:
        announcement += LEFT_SANDBOX
    if needs_key:
        announcement += say_where_key_goes()
    return Plan(found.file.encode(text), announcement)


def plan_removal(found: Configuration) -> Plan:
    """Take this server out; where nothing else has changed since it was added, with no trace.

    Raises:
        HostFileError: That cannot be done; the text says why.
    """
    old = found.entry
    if old is None:
        return Plan(found.file.data, "This server is not in it; nothing was changed.")
    _refuse_other_server(found)
    announcement = _announce("This is removed", found.host, old)
    for earlier in _earlier_states(found.file):
        if _leads_to(found, earlier):
            return Plan(earlier.data, announcement)
    return Plan(found.file.encode(_remove(found)), announcement)


def _plan_new(found: Configuration, launch: Launch, *, sandbox: bool) -> Plan:
    needs_key = not sandbox and not key_is_in_file()
    entry = make_entry(found.host, launch, with_key=needs_key)
    try:
        text = _add(found.host, found.file.text, entry)
    except UneditableTextError:
        raise _not_edited(found, _say_form(found, entry)) from None
    announcement = _announce("This is added", found.host, entry)
    if needs_key:
        announcement += say_where_key_goes()
    return Plan(found.file.encode(text), announcement)


def say_where_key_goes() -> str:
    """What a person has to do after the change."""
    return f"\n\nThen put your key into {where_keys_go()}."


def _is_without_key(entry: Mapping[str, Any]) -> bool:
    env = entry.get("env")
    return not (isinstance(env, Mapping) and env.get(KEY_NAME))


def _earlier_states(file: HostFile) -> list[HostFile]:
    """What the file may have been before this server was added; no file comes last."""
    states = [HostFile(file.path, backup.read_bytes()) for backup in file.backups()]
    return [*states, HostFile(file.path, None)]


def _leads_to(found: Configuration, earlier: HostFile) -> bool:
    """Whether the present state is an earlier one with the entry added, in any layout."""
    host, entry = found.host, found.entry
    try:
        if SERVER_NAME in _servers(host, host.editor.parse(earlier.text)):
            return False
        added = host.editor.remove(_add(host, earlier.text, entry), _path(host))
        present = host.editor.remove(found.file.text, _path(host))
        return earlier.encode(added) == found.file.encode(present)
    except (HostFileError, BrokenTextError, UneditableTextError):
        return False


def _add(host: Host, text: str, entry: Mapping[str, Any]) -> str:
    new = host.editor.add(text, _path(host), entry)
    _compare(host, new, _with_entry(host, host.editor.parse(text), entry))
    return new


def _change(
    found: Configuration, values: Mapping[str, Any], *, with_key: bool
) -> tuple[str, Mapping[str, Any]]:
    """The text with other values in the entry, and the entry as it then is.

    Args:
        found: The configuration.
        values: What is other than before.
        with_key: Leave room for a key too, if the entry has none.
    """
    host, entry = found.host, {**found.entry, **values}
    try:
        text = host.editor.change(found.file.text, _path(host), values)
        _compare(host, text, _with_entry(host, found.values, entry))
    except UneditableTextError:
        what = f"Change it by hand to\n\n{_show(host, entry)}"
        raise _not_edited(found, what) from None
    return _add_key_place(found, text, entry) if with_key else (text, entry)


def _add_key_place(
    found: Configuration, text: str, entry: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """A text and its entry with an empty key; as they are where that cannot be put in."""
    env = entry.get("env", {})
    if not isinstance(env, Mapping) or KEY_NAME in env or set(OWN_KEY_SOURCES) & set(entry):
        return text, entry
    host, with_place = found.host, {**entry, "env": {**env, KEY_NAME: ""}}
    try:
        changed = _insert_key(host, text, env)
        _compare(host, changed, _with_entry(host, found.values, with_place))
    except UneditableTextError:
        return text, entry
    return changed, with_place


def _insert_key(host: Host, text: str, env: Mapping[str, str]) -> str:
    """Put an empty key into the env block, or into a new one."""
    try:
        return host.editor.change(text, (*_path(host), "env"), {KEY_NAME: ""})
    except UneditableTextError:  # there is no block, or it is an inline table of TOML
        return host.editor.change(text, _path(host), {"env": {**env, KEY_NAME: ""}})


def _remove(found: Configuration) -> str:
    host = found.host
    try:
        text = host.editor.remove(found.file.text, _path(host))
        _compare(host, text, _with_entry(host, found.values, None))
    except UneditableTextError:
        what = f'Take out "{SERVER_NAME}" under "{host.servers}" by hand.'
        raise _not_edited(found, what) from None
    return text


def _compare(host: Host, text: str, values: Mapping[str, Any]) -> None:
    """See that a changed text says what it should, and about all else the same as before."""
    try:
        parsed = host.editor.parse(text)
    except BrokenTextError:
        raise UneditableTextError from None
    if _without_empty(host, parsed) != _without_empty(host, values):
        raise UneditableTextError


def _with_entry(
    host: Host, values: Mapping[str, Any], entry: Mapping[str, Any] | None
) -> dict[str, Any]:
    servers = {name: s for name, s in _servers(host, values).items() if name != SERVER_NAME}
    if entry is not None:
        servers[SERVER_NAME] = entry
    return {**values, host.servers: servers}


def _servers(host: Host, values: Mapping[str, Any]) -> Mapping[str, Any]:
    servers = values.get(host.servers, {})
    if not isinstance(servers, Mapping):
        raise UneditableTextError
    return servers


def _without_empty(host: Host, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values without the list of servers, if none is in it: in TOML it goes with the last one."""
    return {key: value for key, value in values.items() if key != host.servers or value}


def _path(host: Host) -> tuple[str, str]:
    return (host.servers, SERVER_NAME)


def _announce(what: str, host: Host, entry: Mapping[str, Any]) -> str:
    return f'{what} (under "{host.servers}"):\n\n{_show(host, entry)}'


def _refuse_other_server(found: Configuration) -> None:
    if not is_of_this_server(found.entry):
        raise HostFileError(
            f'In {found.file.path} there is a server named "{SERVER_NAME}" already, and it starts '
            "something else. Nothing was changed. Rename that server or remove it, then try again."
        )


def _not_edited(found: Configuration, what: str) -> HostFileError:
    return HostFileError(NOT_EDITED.format(path=found.file.path, what=what))


def _say_form(found: Configuration, entry: Mapping[str, Any]) -> str:
    """What a person has to change, so that the servers can be edited."""
    host = found.host
    if host.servers not in found.values:
        return f"Add by hand\n\n{_show(host, entry)}"
    if isinstance(host.editor, TomlEditor):
        form = f"a table of its own, [{host.servers}.NAME]"
        return f'Write every server in "{host.servers}" as {form}, then run this again.'
    if SERVER_NAME in found.servers:
        return f'Take out "{SERVER_NAME}" under "{host.servers}", then run this again.'
    return f'Make "{host.servers}" an object, like {{}}, then run this again.'


def _show(host: Host, entry: Mapping[str, Any]) -> str:
    return host.editor.show(_path(host), hide_secrets(entry))
