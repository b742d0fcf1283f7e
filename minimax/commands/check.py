"""`minimax_server.py check`: says what is ready on this machine, and what to paste into a host."""

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from minimax.api.client import MiniMaxClient
from minimax.errors import MiniMaxError, SettingsError
from minimax.ledger.records import Kind
from minimax.ledger.sqlite import SqliteLedger
from minimax.settings import Settings, read_env_file

__all__ = ["run"]

MOST_COUNTED: Final = 1000
PASTE: Final = "To use it in Claude Desktop, paste this into claude_desktop_config.json:"
OK: Final = "ok   "
MEND: Final = "MEND "


def run(*, server_file: Path) -> int:
    """Print one line per question, each with its remedy, and the block to paste.

    Args:
        server_file: `minimax_server.py`, as hosts have to name it.

    Returns:
        0 where everything is ready, 1 where something is to be mended.
    """
    answers = _answers()
    for ready, line in answers:
        print(f"{OK if ready else MEND}{line}")
    print(f"\n{PASTE}\n")
    print(json.dumps(host_block(server_file, key_in_file=_key_is_in_file()), indent=2))
    return 0 if all(ready for ready, _ in answers) else 1


def host_block(server_file: Path, *, key_in_file: bool = False) -> dict[str, object]:
    """The JSON that a host's configuration takes, with this machine's absolute paths.

    Args:
        server_file: `minimax_server.py`, as hosts have to name it.
        key_in_file: The key stands in the .env file; a second one here would win over it.
    """
    block = _command(server_file)
    if not key_in_file:
        block["env"] = {"MINIMAX_API_KEY": "paste your key here"}
    return {"mcpServers": {"minimax": block}}


def _command(server_file: Path) -> dict[str, object]:
    folder = server_file.parent
    if not (folder / "pyproject.toml").exists():  # installed, in a place that may be cleaned away
        return {"command": _full_path("uvx"), "args": ["minimax-server"]}
    return {
        "command": _full_path("uv"),
        "args": ["run", "--directory", str(folder), server_file.name],
    }


def _full_path(name: str) -> str:
    """Where uv lies; what it starts is told that, also where it is not on the PATH."""
    uv = os.environ.get("UV")
    beside = Path(uv).with_name(Path(uv).name.replace("uv", name, 1)) if uv else None
    return str(beside) if beside and beside.exists() else shutil.which(name) or name


def _answers() -> list[tuple[bool, str]]:
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        return [(False, f"settings: {error}")]
    return [_key(settings), _folder(settings), _ledger(settings), _limit(settings)]


def _limit(settings: Settings) -> tuple[bool, str]:
    limit_usd, ask_above_usd = settings.daily_limit_usd, settings.ask_above_usd
    limit = "none" if limit_usd is None else f"${limit_usd:.2f} in any 24 hours"
    asked = "never" if ask_above_usd is None else f"above ${ask_above_usd:.2f}"
    return True, (
        f"spending limit: {limit} (MINIMAX_MCP_DAILY_LIMIT_USD); you are asked {asked} "
        "(MINIMAX_MCP_ASK_ABOVE_USD), where your host can ask"
    )


def _key_is_in_file() -> bool:
    try:
        return bool(read_env_file().get("MINIMAX_API_KEY", "").strip())
    except SettingsError:
        return False


def _key(settings: Settings) -> tuple[bool, str]:
    if settings.api_key is None:
        return False, (
            "key: MINIMAX_API_KEY is not set. Make a key at platform.minimax.io > API keys, and "
            "put it into the block below or into a .env file beside minimax_server.py. Without "
            'one, put "--sandbox" behind the file name in the block and take its env part out: no '
            "key, no cost."
        )
    try:
        host = asyncio.run(_host_of_key(settings))
    except MiniMaxError as error:
        return False, f"key: {error}"
    return True, f"key: accepted by {host} (one free call)"


async def _host_of_key(settings: Settings) -> str:
    client = MiniMaxClient(settings)
    try:
        await client.list_voices("voice_cloning")
        return client.host
    finally:
        await client.aclose()


def _folder(settings: Settings) -> tuple[bool, str]:
    return _writable("output folder", "MINIMAX_MCP_BASE_PATH", settings.base_path)


def _ledger(settings: Settings) -> tuple[bool, str]:
    jobs, trouble = asyncio.run(_read_ledger(settings))
    if trouble is None:
        return True, f"ledger: {settings.state_dir} ({jobs} paid jobs)"
    return False, (
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


def _writable(what: str, variable: str, folder: Path) -> tuple[bool, str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True, f"{what}: {folder}"
    except OSError:
        return False, f"{what}: {folder} cannot be written to. Set {variable} to a folder of yours."
