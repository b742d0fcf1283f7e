"""A server made of a raw socket: it does to a connection exactly what a test says."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from minimax.sandbox.http.sockets import stop_accepting

Behaviour = Callable[["Connection"], Awaitable[Any]]


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """One accepted connection; behaviours read from it and write to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> Request:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {k.strip().lower(): v.strip() for k, v in (x.split(":", 1) for x in lines)}
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = await self._chunked()
        else:
            body = b""
        return Request(method, target, headers, body)

    async def _chunked(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class RawServer:
    """The server: its address and what reached it."""

    url: str = ""
    connections: int = 0
    requests: list[Request] = field(default_factory=list)


@asynccontextmanager
async def serve_raw(*script: Behaviour) -> AsyncIterator[RawServer]:
    """Serve one behaviour per request, in order; the last one serves all further ones."""
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.create_task(serve_connection(Connection(reader, writer), server, script))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # A task that is cancelled before it begins never gets to close anything.
        task.add_done_callback(lambda _: writer.transport.abort())

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        await close_server(listening)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def serve_connection(
    connection: Connection, server: RawServer, script: Sequence[Behaviour]
) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            request = await connection.request()
            server.requests.append(request)
            step = script[min(len(server.requests), len(script)) - 1]
            if await step(connection) is CLOSED:
                break
        connection.writer.close()
        await connection.writer.wait_closed()


async def close_server(server: asyncio.Server) -> None:
    """Close, and lose no connection that was accepted a moment ago."""
    await stop_accepting(server)
    server.close()


CLOSED = object()


def reply(
    body: Any = None, *, status: int = 200, headers: dict[str, str] | None = None
) -> Behaviour:
    """A complete answer; a dict or list goes out as JSON."""

    async def behave(connection: Connection) -> None:
        await connection.send(http(body, status=status, headers=headers))

    return behave


def http(body: Any = None, *, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Length": str(len(data)), "Trace-Id": TRACE, **(headers or {})}
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v)
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + data


TRACE = "0123456789abcdef0123456789abcdef"


def refuse(code: int, text: str = "no", **payload: Any) -> Behaviour:
    """A v1 refusal: HTTP 200 and a code in the body."""
    return reply({**payload, "base_resp": {"status_code": code, "status_msg": text}})


def ok(**payload: Any) -> Behaviour:
    """A v1 success."""
    return reply({**payload, "base_resp": {"status_code": 0, "status_msg": "success"}})


async def reset(connection: Connection) -> Any:
    connection.reset()
    return CLOSED


async def close(connection: Connection) -> Any:
    return CLOSED


async def hang(connection: Connection) -> Any:
    await asyncio.Event().wait()


def raw(data: bytes) -> Behaviour:
    """These bytes, then the end of the connection."""

    async def behave(connection: Connection) -> Any:
        await connection.send(data)
        return CLOSED

    return behave
