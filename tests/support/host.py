"""A host: starts the server as Claude Desktop does and speaks raw JSON-RPC lines with it."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 20.0
"""Nothing asked of a server in these tests may take longer."""
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "host", "version": "0"},
}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Host:
    """The process and the lines that went to and fro."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self.notifications: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._answers: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())
        self._errors = asyncio.create_task(self._read_errors())
        self.stderr = ""

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line)
            message = json.loads(line)
            if "method" in message:
                self.notifications.append(message)
            elif message.get("id") in self._answers:
                self._answers[message["id"]].set_result(message)

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.stderr += line.decode(errors="replace")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def send(self, message: Mapping[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Send a request; its id, and a future of its answer."""
        ident = next(self._ids)
        self._answers[ident] = asyncio.get_running_loop().create_future()
        self.send({"id": ident, "method": method, "params": params or {}})
        return ident, self._answers[ident]

    async def answer(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        _, future = self.ask(method, params)
        found: dict[str, Any] = await asyncio.wait_for(future, LIMIT_SECONDS)
        return found

    async def handshake(self) -> dict[str, Any]:
        found = await self.answer("initialize", INITIALIZE)
        self.send({"method": "notifications/initialized"})
        return found

    def start(self, name: str, **arguments: Any) -> tuple[int, Any]:
        return self.ask("tools/call", {"name": name, "arguments": arguments})

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its result, which must be a success."""
        found = (await self.answer("tools/call", {"name": name, "arguments": arguments}))["result"]
        assert not found.get("isError"), found["content"]
        structured: dict[str, Any] = found["structuredContent"]
        return structured

    async def failure(self, name: str, **arguments: Any) -> str:
        """Call a tool that must fail; its text."""
        found = (await self.answer("tools/call", {"name": name, "arguments": arguments}))["result"]
        assert found["isError"], found
        return str(found["content"][0]["text"])

    def cancel(self, ident: int) -> None:
        params = {"requestId": ident, "reason": "the host gave up"}
        self.send({"method": "notifications/cancelled", "params": params})

    async def ended(self, limit_seconds: float = LIMIT_SECONDS) -> int:
        """Wait for the process to end by itself; its exit code."""
        code = await asyncio.wait_for(self.process.wait(), limit_seconds)
        await asyncio.gather(self._reader, self._errors)
        return code

    async def close(self, limit_seconds: float = LIMIT_SECONDS) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.ended(limit_seconds)


@asynccontextmanager
async def host(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    script: Path = ROOT / "minimax_server.py",
    code: str | None = None,
) -> AsyncIterator[Host]:
    """Start the server with these arguments; killed if the test leaves it running.

    Args:
        arguments: What comes after `minimax_server.py`.
        env: Added to the environment.
        script: Another program instead.
        code: Python code instead.
    """
    program = [str(script)] if code is None else ["-c", code]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    )
    running = Host(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.gather(running._reader, running._errors, return_exceptions=True)
        process._transport.close()  # type: ignore[attr-defined]
