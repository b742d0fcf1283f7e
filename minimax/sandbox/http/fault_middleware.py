"""ASGI middleware: records requests, adds the Trace-Id header, throttles, and applies faults.

It works on ASGI messages, so that the routes need not know about it.
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
CHUNKS_PER_SECOND: Final = 20

# SO_LINGER with a timeout of zero: closing the socket sends RST instead of FIN.
_LINGER_ZERO: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class FaultMiddleware:
    """The outermost layer of the sandbox's ASGI app."""

    def __init__(self, app: ASGIApp, *, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, with the pending fault that applies to it, if any."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        trace_id = scope.setdefault("state", {})["trace_id"] = new_trace_id()
        send = _add_trace_id(send, trace_id)
        if path == "/" or path.startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        scope["state"]["recorded"] = self._sandbox.record(
            scope["method"], path, headers=scope["headers"], trace_id=trace_id
        )
        if self._sandbox.bytes_per_second:
            receive = _throttle_receive(receive, self._sandbox.bytes_per_second)
            send = _throttle_send(send, self._sandbox.bytes_per_second, scope)
        fault = self._sandbox.faults.take(scope["method"], path)
        # A client that disconnects before its request was read gets no response.
        with suppress(ClientDisconnect):
            if fault is None:
                await self._app(scope, receive, send)
            else:
                await _apply_fault(fault, self._app, scope, receive, send)


async def _apply_fault(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Handle one request with `fault`."""
    if fault.replaces_response:
        if fault.when == "after":
            await app(scope, receive, _discard)
        else:
            await _read_request(receive)
    if fault.replaces_response or fault.when == "before":
        await asyncio.sleep(fault.delay_seconds)
    else:
        send = _delay_send(send, fault.delay_seconds)
    if fault.has_no_response:
        await _suppress_response(fault, scope, receive)
        return
    responder = _make_response(fault, scope) if fault.has_own_response else app
    await responder(scope, receive, _shape_send(fault, scope, send))
    if fault.cut_after_bytes is not None:
        _get_transport(scope).close()
        await _wait_for_disconnect(receive)


async def _suppress_response(fault: Fault, scope: Scope, receive: Receive) -> None:
    if fault.reset:
        _reset_connection(_get_transport(scope))
    elif fault.close:
        _get_transport(scope).close()
    await _wait_for_disconnect(receive)


def _make_response(fault: Fault, scope: Scope) -> Response:
    headers = dict(fault.headers)
    if fault.code is None:
        return Response(fault.body, fault.status or 200, headers=headers, media_type="text/plain")
    refusal = Refusal(fault.code, fault.message)
    trace_id = scope["state"]["trace_id"]
    status, body = to_http(refusal, path=scope["path"], trace_id=trace_id)
    return JSONResponse(body, status, headers=headers)


def _shape_send(fault: Fault, scope: Scope, send: Send) -> Send:
    """Wrap `send` to throttle and truncate the response as the fault says."""
    if not fault.announce_length:
        trace_id = scope["state"]["trace_id"]
        send = _add_trace_id(_make_unframed_send(_get_transport(scope)), trace_id)
    if fault.bytes_per_second is not None:
        send = _throttle_send(send, fault.bytes_per_second, scope)
    if fault.cut_after_bytes is not None:
        send = _TruncatingSend(send, after_bytes=fault.cut_after_bytes)
    return send


def _add_trace_id(send: Send, trace_id: str) -> Send:
    async def send_with_trace_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (TRACE_HEADER, trace_id.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return send_with_trace_id


def _delay_send(send: Send, delay_seconds: float) -> Send:
    async def send_late(message: Message) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(delay_seconds)
        await send(message)

    return send_late


def _throttle_send(send: Send, bytes_per_second: float, scope: Scope) -> Send:
    chunk_bytes = max(1, int(bytes_per_second / CHUNKS_PER_SECOND))

    async def send_slowly(message: Message) -> None:
        body = message.get("body", b"")
        if not body:
            await send(message)
        for start in range(0, len(body), chunk_bytes):
            if _is_closing(scope):
                return
            chunk = body[start : start + chunk_bytes]
            more_body = start + chunk_bytes < len(body) or message.get("more_body", False)
            await asyncio.sleep(len(chunk) / bytes_per_second)
            await send({**message, "body": chunk, "more_body": more_body})

    return send_slowly


def _throttle_receive(receive: Receive, bytes_per_second: float) -> Receive:
    async def receive_slowly() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / bytes_per_second)
        return message

    return receive_slowly


def _make_unframed_send(transport: asyncio.Transport) -> Send:
    """Make a `send` that writes to the transport, as the server would add a length or chunks."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            transport.write(_encode_head(message))
        else:
            transport.write(message.get("body", b""))

    return send


def _encode_head(message: Message) -> bytes:
    status = message["status"]
    phrase = http.client.responses.get(status, "")
    lines = [f"HTTP/1.1 {status} {phrase}".encode(), b"connection: close"]
    lines += [
        name + b": " + value for name, value in message["headers"] if name != b"content-length"
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class _TruncatingSend:
    """A `send` that stops after `after_bytes` bytes of the body."""

    def __init__(self, send: Send, *, after_bytes: int) -> None:
        self._send = send
        self._remaining = after_bytes
        self._done = False

    async def __call__(self, message: Message) -> None:
        if self._done:
            return
        body = message.get("body", b"")
        if message["type"] == "http.response.start" or len(body) < self._remaining:
            self._remaining -= len(body)
            await self._send(message)
            return
        self._done = True
        await self._send({**message, "body": body[: self._remaining], "more_body": True})


async def _discard(message: Message) -> None:
    """Drop a response that the client must not get."""


async def _read_request(receive: Receive) -> None:
    """Read the whole request, so that the fault occurs after the client has sent it."""
    while (await receive()).get("more_body", False):
        pass


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _get_transport(scope: Scope) -> asyncio.Transport:
    """Return the request's connection, which `sockets` puts into the scope."""
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport


def _is_closing(scope: Scope) -> bool:
    transport = scope["state"].get("transport")
    return transport is not None and transport.is_closing()


def _reset_connection(transport: asyncio.Transport) -> None:
    connection: Any = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
