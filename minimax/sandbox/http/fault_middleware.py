"""What stands before the routes: it sees every request, gives it a trace id, slows and spoils it.

Everything here works on the ASGI messages themselves, so that a route knows nothing of it.
"""

import asyncio
import http.client
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minimax.sandbox.account import Sandbox
from minimax.sandbox.api_errors import Refusal, to_http
from minimax.sandbox.faults import Fault
from minimax.sandbox.ids import new_trace_id

TRACE_HEADER: Final = b"trace-id"
CONTROL_PREFIX: Final = "/sandbox/"
PIECES_PER_SECOND: Final = 20

# SO_LINGER with a time of zero: closing sends RST instead of FIN.
_LINGER_ZERO: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class FaultMiddleware:
    """The outermost layer of the sandbox's app."""

    def __init__(self, app: ASGIApp, *, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or let it meet the fault that is due."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        trace_id = scope.setdefault("state", {})["trace_id"] = new_trace_id()
        send = _traced(send, trace_id)
        if path == "/" or path.startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        self._sandbox.record(scope["method"], path, headers=scope["headers"], trace_id=trace_id)
        if self._sandbox.bytes_per_second:
            receive = _slow_receive(receive, self._sandbox.bytes_per_second)
            send = _slow_send(send, self._sandbox.bytes_per_second, scope)
        fault = self._sandbox.faults.take(scope["method"], path)
        # A client that hangs up before its request was read is not served.
        with suppress(ClientDisconnect):
            if fault is None:
                await self._app(scope, receive, send)
            else:
                await _apply(fault, self._app, scope, receive, send)


async def _apply(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let one request meet one fault."""
    if fault.replaces_answer:
        if fault.when == "after":
            await app(scope, receive, _swallow)
        else:
            await _read_all(receive)
    if fault.replaces_answer or fault.when == "before":
        await asyncio.sleep(fault.delay_seconds)
    else:
        send = _late_send(send, fault.delay_seconds)
    if fault.silent:
        await _fall_silent(fault, scope, receive)
        return
    speaker = _own_answer(fault, scope) if fault.answers else app
    await speaker(scope, receive, _shaped(fault, scope, send))
    if fault.cut_after_bytes is not None:
        _transport(scope).close()
        await _until_gone(receive)


async def _fall_silent(fault: Fault, scope: Scope, receive: Receive) -> None:
    if fault.reset:
        _reset(_transport(scope))
    elif fault.close:
        _transport(scope).close()
    await _until_gone(receive)


def _own_answer(fault: Fault, scope: Scope) -> Response:
    headers = dict(fault.headers)
    if fault.code is None:
        return Response(fault.body, fault.status or 200, headers=headers, media_type="text/plain")
    refusal = Refusal(fault.code, fault.message)
    trace_id = scope["state"]["trace_id"]
    status, body = to_http(refusal, path=scope["path"], trace_id=trace_id)
    return JSONResponse(body, status, headers=headers)


def _shaped(fault: Fault, scope: Scope, send: Send) -> Send:
    """A `send` that is slow, cut or both, as the fault says."""
    if not fault.announce_length:
        trace_id = scope["state"]["trace_id"]
        send = _traced(_close_delimited(_transport(scope)), trace_id)
    if fault.bytes_per_second is not None:
        send = _slow_send(send, fault.bytes_per_second, scope)
    if fault.cut_after_bytes is not None:
        send = _Cut(send, after_bytes=fault.cut_after_bytes)
    return send


def _traced(send: Send, trace_id: str) -> Send:
    async def traced(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (TRACE_HEADER, trace_id.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return traced


def _late_send(send: Send, delay_seconds: float) -> Send:
    async def late(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(delay_seconds)
        await send(message)

    return late


def _slow_send(send: Send, bytes_per_second: float, scope: Scope) -> Send:
    step = max(1, int(bytes_per_second / PIECES_PER_SECOND))

    async def slow(message: Message) -> None:
        body = message.get("body", b"")
        if not body:
            await send(message)
        for start in range(0, len(body), step):
            if _is_gone(scope):
                return
            piece = body[start : start + step]
            more_body = start + step < len(body) or message.get("more_body", False)
            await asyncio.sleep(len(piece) / bytes_per_second)
            await send({**message, "body": piece, "more_body": more_body})

    return slow


def _slow_receive(receive: Receive, bytes_per_second: float) -> Receive:
    async def slow() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / bytes_per_second)
        return message

    return slow


def _close_delimited(transport: asyncio.Transport) -> Send:
    """An answer without a length, written past the server, which would frame it."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            transport.write(_head(message))
        else:
            transport.write(message.get("body", b""))

    return send


def _head(message: Message) -> bytes:
    status = message["status"]
    phrase = http.client.responses.get(status, "")
    lines = [f"HTTP/1.1 {status} {phrase}".encode(), b"connection: close"]
    lines += [
        name + b": " + value for name, value in message["headers"] if name != b"content-length"
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class _Cut:
    """A `send` that stops in the middle of the body."""

    def __init__(self, send: Send, *, after_bytes: int) -> None:
        self._send = send
        self._left = after_bytes
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        body = message.get("body", b"")
        if message["type"] == "http.response.start" or len(body) < self._left:
            self._left -= len(body)
            await self._send(message)
            return
        self._over = True
        await self._send({**message, "body": body[: self._left], "more_body": True})


async def _swallow(message: Message) -> None:
    """Take an answer that nobody will get."""


async def _read_all(receive: Receive) -> None:
    """Read the request to its end, so that what follows happens after it was sent."""
    while (await receive()).get("more_body", False):
        pass


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    """The connection itself, which `serve` puts into the scope."""
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport


def _is_gone(scope: Scope) -> bool:
    transport = scope["state"].get("transport")
    return transport is not None and transport.is_closing()


def _reset(transport: asyncio.Transport) -> None:
    connection: Any = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
