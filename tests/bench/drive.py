"""The processes of a run: servers as a host starts them, the API behind them, their memory."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.api import Api
from tests.support.host import ROOT, Host

LONGEST_LINE_BYTES: Final = 1 << 24
FOREIGN: Final = ("PYTHON", "MINIMAX_", "FASTMCP_")
"""Variables of this machine that no measured process gets; PYTHONDONTWRITEBYTECODE is one."""
KIB_PER_MIB: Final = 1024
SAVED_FOLDER: Final = "saved"


class Server(Host):
    """A server under measurement, ours or another's."""

    async def _read(self) -> None:
        """As a host does; what is no JSON on stdout (the official server greets) is passed over."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.startswith(b"{"):
                message = json.loads(line)
                if message.get("id") in self._answers:
                    self._answers[message["id"]].set_result(message)

    async def use(self, tool: str, **arguments: Any) -> None:
        """Call a tool, which must succeed."""
        check(await self.answer("tools/call", {"name": tool, "arguments": arguments}))

    @property
    def peak_mib(self) -> float:
        """The most memory that the process ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / KIB_PER_MIB


def check(answer: dict[str, Any]) -> None:
    """Raise where a call failed; the official server says so only in its text."""
    result = answer["result"]
    text = str(result["content"][0]["text"])
    if result.get("isError") or text.startswith("Failed"):
        raise RuntimeError(text)


@asynccontextmanager
async def serving(command: Sequence[str], *, folder: Path, api_url: str) -> AsyncIterator[Server]:
    """A server whose handshake is still to come, ended without ceremony."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=LONGEST_LINE_BYTES,
        env=environment(folder, api_url),
    )
    server = Server(process)
    try:
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await server.ended()


@asynccontextmanager
async def apis() -> AsyncIterator[Api]:
    """The API in a process of its own, so that its memory and its work are not the server's."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.api", stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Api(**json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def environment(folder: Path, api_url: str) -> dict[str, str]:
    """What a host would set; the official server knows the same names.

    Bytecode goes to the run's own folder: written by the first start, used by all others.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }
    return inherited | {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "MINIMAX_API_KEY": "sk-api-bench",
        "MINIMAX_API_HOST": api_url,
        "MINIMAX_MCP_BASE_PATH": str(folder / SAVED_FOLDER),
        "MINIMAX_API_RESOURCE_MODE": "local",
    }
