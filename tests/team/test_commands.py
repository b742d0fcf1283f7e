"""The commands of team mode as a person or a container runs them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.support.host import ROOT
from tests.team.deployment import TOKENS

pytestmark = pytest.mark.anyio
COMMANDS = ("serve-http", "work", "set-up")


def run(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "minimax_server.py"), command],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_its_settings_names_them_and_does_not_start(command: str) -> None:
    done = run(command)
    assert done.returncode == 2
    assert done.stdout == ""
    for name in ("DATABASE_URL", "STORE", "SECRET", "TOKENS"):
        assert f"MINIMAX_TEAM_{name}" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_extra_the_commands_say_how_to_get_it() -> None:
    code = "import sys; sys.modules['psycopg'] = None; import minimax_server; "
    code += "sys.exit(minimax_server.main(['work']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert "uv sync --extra team" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def environment(server_url: str, tmp_path: Path) -> dict[str, str]:
    """Of a deployment on an empty database."""
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS minimax_commands WITH (FORCE)")
        server.execute("CREATE DATABASE minimax_commands")
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps(TOKENS), encoding="utf-8")
    return {
        "MINIMAX_TEAM_DATABASE_URL": as_url(server_url, "minimax_commands"),
        "MINIMAX_TEAM_STORE": "memory://",
        "MINIMAX_TEAM_TOKENS": str(tokens),
        "MINIMAX_TEAM_SECRET": "s" * 32,
        "MINIMAX_TEAM_SCRATCH": str(tmp_path),
        "MINIMAX_TEAM_DRAIN": "0",
        "MINIMAX_API_KEY": "sk-api-shared-0123456789",
        "CAROLS_KEY": "sk-api-carol-0123456789",
    }


def as_url(server_url: str, name: str) -> str:
    """The address of another database on this server."""
    before, _, query = server_url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def test_a_process_that_hangs_ends_in_any_case() -> None:
    program = (
        "import time; from minimax.team.commands import end_in_any_case;"
        " end_in_any_case(0.1); time.sleep(60)"
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"ended before its work was closed" in ended.stderr


async def test_a_replica_asks_for_tables_starts_once_they_are_made_and_ends_when_told(
    environment: dict[str, str],
) -> None:
    missing = await asyncio.to_thread(run, "work", **environment)
    assert missing.returncode == 2
    assert "set-up" in missing.stderr
    for _ in range(2):  # harmless the second time
        made = await asyncio.to_thread(run, "set-up", **environment)
        assert (made.returncode, made.stderr) == (0, "")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "minimax_server.py"),
        "serve-http",
        "--port",
        str(port),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40), httpx2.AsyncClient() as http:
            while True:
                try:
                    ready = await http.get(f"http://127.0.0.1:{port}/readyz")
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)
                    continue
                if ready.status_code == 200:
                    break
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(40):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert out == b""
    assert b"Traceback" not in errors
