"""`minimax_server.py install HOST`: adds this server to a host's configuration, or removes it."""

import difflib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from minimax.commands.entries import Configuration, key_is_in_file
from minimax.commands.host_files import HostFile, HostFileError
from minimax.commands.hosts import CLAUDE_CODE, HOST_IDS, SERVER_NAME, Host, Machine, find_host
from minimax.commands.launch import Launch, find_launch, is_in_cache
from minimax.commands.output import end_quietly_when_cut
from minimax.commands.plans import Plan, plan_entry, plan_removal, say_where_key_goes
from minimax.errors import SettingsError
from minimax.settings import own_command

__all__ = ["run"]


@end_quietly_when_cut
def run(
    host_id: str | None,
    *,
    server_file: Path,
    remove: bool = False,
    sandbox: bool = False,
    print_only: bool = False,
) -> int:
    """Change the configuration of one host; returns the exit code.

    Args:
        host_id: One of `HOST_IDS`; others are answered with the list of them.
        server_file: The server, as hosts have to name it.
        remove: Take it out instead.
        sandbox: Let the host start it on the built-in MiniMax.
        print_only: Only say what would be changed.
    """
    if host_id not in HOST_IDS:
        return _list_hosts(host_id)
    launch = find_launch(server_file)
    launch = launch.with_sandbox() if sandbox else launch
    host = find_host(host_id)
    if host is None:
        code = _change_claude_code(launch, remove=remove, print_only=print_only)
        if not (code or remove or sandbox or key_is_in_file()):
            print(say_where_key_goes())
        return code
    plan = plan_removal if remove else partial(plan_entry, launch=launch, sandbox=sandbox)
    try:
        is_written = _change_file(host, plan, print_only=print_only)
    except (HostFileError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1
    if is_written:
        print((remove and host.after_removal) or host.restart)
    if not remove:
        _warn_of_cache(launch)
    return 0


def _list_hosts(host_id: str | None) -> int:
    if host_id is not None:
        print(f'There is no host "{host_id}" here.{_suggest_host(host_id)}', file=sys.stderr)
    print(f"Name one of these: {', '.join(HOST_IDS)}", file=sys.stderr)
    return 2


def _suggest_host(host_id: str) -> str:
    alike = difflib.get_close_matches(host_id.lower(), HOST_IDS, n=1)
    return f" Did you mean {alike[0]}?" if alike else ""


# --- hosts that keep a file ----------------------------------------------------------------------


def _change_file(host: Host, plan: Callable[[Configuration], Plan], *, print_only: bool) -> bool:
    """Say what is to be changed, then change it; whether anything was written."""
    place = host.find_places(Machine.this())[0]
    print(f"{host.name}: {place}")
    found = Configuration.read(host, place)
    planned = plan(found)
    print(planned.announcement)
    if planned.data == found.file.data:
        return False
    if print_only:
        print("\nNothing was written.")
        return False
    _write(found.file, planned.data)
    return True


def _write(file: HostFile, data: bytes | None) -> None:
    backup = file.replace(data)
    if data is None:
        print("\nDone. The file held nothing else, so it was removed.")
    else:
        print("\nDone.")
    if backup is not None:
        print(f"The file as it was before: {backup}")


def _warn_of_cache(launch: Launch) -> None:
    if is_in_cache(launch):
        print(
            f"\nNote: {launch.command} is in a cache that may be emptied. Install the package for "
            "good (`uv tool install` with the same file or folder), then run this again."
        )


# --- Claude Code, which changes its configuration itself -----------------------------------------


def _change_claude_code(launch: Launch, *, remove: bool, print_only: bool) -> int:
    scope = ["--scope", "user"]
    words = ["claude", "mcp", "add", *scope, SERVER_NAME, "--", launch.command, *launch.args]
    if remove:
        words = ["claude", "mcp", "remove", *scope, SERVER_NAME]
    print(f"Claude Code changes its configuration by its own command:\n\n{_join(words)}\n")
    if print_only:
        return 0
    claude = shutil.which("claude")
    if claude is None:
        print(
            "There is no `claude` on the PATH here, so nothing was changed. Run the line above "
            "where Claude Code is installed.",
            file=sys.stderr,
        )
        return 1
    sys.stdout.flush()
    code = subprocess.run([claude, *words[1:]], check=False).returncode  # noqa: S603 - shown above
    if code and not remove:
        again = own_command(f"install --remove {CLAUDE_CODE}")
        print(
            f"If it is already there and you want to replace it, first run: {again}",
            file=sys.stderr,
        )
    return code


def _join(words: list[str]) -> str:
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
