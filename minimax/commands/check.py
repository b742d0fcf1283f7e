"""`minimax_server.py check`: says what is ready on this machine, and what must be fixed."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from minimax.commands.entries import key_is_in_file, make_entry
from minimax.commands.findings import Finding, Level, fix, note, ok
from minimax.commands.host_check import HostReport, check_hosts
from minimax.commands.hosts import HOST_IDS, SERVER_NAME, Machine, find_host
from minimax.commands.key_check import find_accepting_host
from minimax.commands.launch import find_launch, is_in_cache
from minimax.commands.output import end_quietly_when_cut
from minimax.errors import MiniMaxError, SettingsError
from minimax.ledger.records import Kind
from minimax.ledger.sqlite import SqliteLedger
from minimax.settings import ENV_FILE, KEY_PAGE, Settings, own_command, where_keys_go

__all__ = ["host_block", "run"]

MOST_COUNTED: Final = 1000
MISNAMED: Final = ".env.txt"
"""What Windows' editor makes of `.env`; Explorer does not show the second ending."""
PLACEHOLDER_KEY: Final = "paste your key here"


@end_quietly_when_cut
def run(*, server_file: Path) -> int:
    """Print one line per question, each with its remedy, and what to paste into a host.

    Args:
        server_file: `minimax_server.py`, as hosts have to name it.

    Returns:
        0 where everything is ready, 1 where something is to be fixed.
    """
    findings = [*_check_all(), *_check_place(server_file)]
    for finding in findings:
        print(finding)
    hosts = ", ".join(HOST_IDS)
    print(f"\nTo add this server to a host: {own_command('install HOST')}\n(HOST: {hosts})")
    print("\nOr paste this into claude_desktop_config.json of Claude Desktop by hand:\n")
    print(json.dumps(host_block(server_file, key_in_file=key_is_in_file()), indent=2))
    return 1 if any(finding.level is Level.FIX for finding in findings) else 0


def host_block(server_file: Path, *, key_in_file: bool = False) -> dict[str, Any]:
    """The JSON that a host's configuration takes, with this machine's absolute paths.

    Args:
        server_file: `minimax_server.py`, as hosts have to name it.
        key_in_file: The key is in the .env file; a second one here would win over it.
    """
    host = find_host("claude-desktop")
    assert host is not None  # noqa: S101 - it is in the table
    entry = make_entry(host, find_launch(server_file), with_key=False)
    if not key_in_file:
        entry["env"] = {"MINIMAX_API_KEY": PLACEHOLDER_KEY}
    return {host.servers: {SERVER_NAME: entry}}


def _check_all() -> list[Finding]:
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        return [fix(f"settings: {error}"), *_check_hosts(None).findings]
    asked = None if settings.api_key is None else _ask_about_key(settings)
    hosts = _check_hosts(settings, is_refused=asked is not None and asked.level is Level.FIX)
    key = asked or _say_no_key(is_installed=hosts.is_installed)
    return [key, _folder(settings), _ledger(settings), _limit(settings), *hosts.findings]


def _check_hosts(settings: Settings | None, *, is_refused: bool = False) -> HostReport:
    try:
        machine = Machine.this()
    except SettingsError:  # said already
        return HostReport((), is_installed=False)
    return check_hosts(
        machine,
        settings=settings,
        is_refused=is_refused,
        find_accepting_host=find_accepting_host,
    )


def _check_place(server_file: Path) -> list[Finding]:
    launch = find_launch(server_file)
    if not is_in_cache(launch):
        return []
    return [
        note(
            f"place: {launch.command} is in a cache that may be emptied. Install the package for "
            "good, for example with: uv tool install FILE_OR_FOLDER"
        )
    ]


def _limit(settings: Settings) -> Finding:
    limit_usd, ask_above_usd = settings.daily_limit_usd, settings.ask_above_usd
    limit = "none" if limit_usd is None else f"${limit_usd:.2f} in any 24 hours"
    asked = "never" if ask_above_usd is None else f"above ${ask_above_usd:.2f}"
    return ok(
        f"spending limit: {limit} (MINIMAX_MCP_DAILY_LIMIT_USD); you are asked {asked} "
        "(MINIMAX_MCP_ASK_ABOVE_USD), where your host can ask"
    )


def _ask_about_key(settings: Settings) -> Finding:
    try:
        host = find_accepting_host(settings)
    except MiniMaxError as error:
        return fix(f"key: {error}")
    return ok(f"key: accepted by {host} (one free call)")


def _say_no_key(*, is_installed: bool) -> Finding:
    if is_installed:
        return note(
            "key: MINIMAX_API_KEY is not set in this terminal or in .env; your hosts, below, have "
            f"settings of their own{_say_misnamed_file()}"
        )
    return fix(
        f"key: MINIMAX_API_KEY is not set. Make a key at {KEY_PAGE}, and put it into "
        f"{where_keys_go()}. To try everything without one: {own_command('install HOST --sandbox')}"
        f"{_say_misnamed_file()}"
    )


def _say_misnamed_file() -> str:
    """A hint at a .env file that an editor saved as a text file."""
    misnamed = ENV_FILE.with_name(MISNAMED)
    if ENV_FILE.exists() or not misnamed.exists():
        return ""
    return f". There is a file {misnamed}, which is not read: rename it to {ENV_FILE.name}"


def _folder(settings: Settings) -> Finding:
    return _writable("output folder", "MINIMAX_MCP_BASE_PATH", settings.base_path)


def _ledger(settings: Settings) -> Finding:
    jobs, trouble = asyncio.run(_read_ledger(settings))
    if trouble is None:
        return ok(f"ledger: {settings.state_dir} ({jobs} paid jobs)")
    return fix(
        f"ledger: {settings.state_dir} cannot be used. Move a damaged ledger.db aside, make the "
        "folder writable, or set MINIMAX_MCP_STATE_DIR to a folder of yours."
    )


async def _read_ledger(settings: Settings) -> tuple[int, str | None]:
    ledger = SqliteLedger(settings.state_dir)
    try:
        jobs = await ledger.newest(MOST_COUNTED, kinds=[Kind.VIDEO, Kind.LONG_SPEECH])
        return len(jobs), await ledger.read_trouble()
    finally:
        await ledger.aclose()


def _writable(what: str, variable: str, folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ok(f"{what}: {folder}")
    except OSError:
        return fix(f"{what}: {folder} cannot be written to. Set {variable} to a folder of yours.")
