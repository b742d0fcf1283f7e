"""The sandbox's own routes: inspect its state, inject faults, advance its clock."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from minimax.sandbox.account import Sandbox
from minimax.sandbox.faults import Fault

WELCOME: Final = """\
This is a simulation of MiniMax on this machine: the paths, answers, rules and faults of its API,
with sample media instead of results. Nothing is sent out and nothing costs anything.

Point a client's base URL here; any API key is accepted.

    GET    /sandbox/state     what was requested and what it would have cost
    POST   /sandbox/faults    {"path": "/v1/", "times": 2, "status": 502}: what goes wrong
    DELETE /sandbox/faults    nothing goes wrong any more
    POST   /sandbox/clock     {"advance_seconds": 3600}

What is posted to /sandbox/ needs Content-Type: application/json.

A video's prompt, like the text of a long speech, may contain [refuse input], [block output] or
[fail]; an image's may contain [block one].
"""

_NUMBER: Final = (int, float)
_FAULT_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "path": str,
    "method": str,
    "times": int,
    "when": str,
    "status": int,
    "body": str,
    "headers": dict,
    "code": int,
    "message": str,
    "delay_seconds": _NUMBER,
    "cut_after_bytes": int,
    "announce_length": bool,
    "reset": bool,
    "close": bool,
    "hang": bool,
    "bytes_per_second": _NUMBER,
}


def build_control_routes(sandbox: Sandbox) -> list[Route]:
    """Return the control routes; they need no key, and are never faulted or recorded."""

    async def show_state(_: Request) -> Response:
        return JSONResponse(_describe_state(sandbox))

    async def add_fault(request: Request) -> Response:
        try:
            sandbox.faults.add(_parse_fault(await request.json()))
        except (TypeError, ValueError) as error:
            return PlainTextResponse(f"{error}\n", 400)
        return JSONResponse({"due": len(sandbox.faults)})

    async def clear_faults(_: Request) -> Response:
        sandbox.faults.clear()
        return JSONResponse({"due": 0})

    async def advance_clock(request: Request) -> Response:
        try:
            sandbox.clock.advance(float((await request.json())["advance_seconds"]))
        except (KeyError, OverflowError, TypeError, ValueError):
            return PlainTextResponse(
                "advance_seconds must be a number, and end between 1970 and 2100\n", 400
            )
        return JSONResponse({"now": sandbox.clock.now()})

    return [
        Route("/", _show_welcome),
        Route("/sandbox/state", show_state),
        Route("/sandbox/faults", add_fault, methods=["POST"]),
        Route("/sandbox/faults", clear_faults, methods=["DELETE"]),
        Route("/sandbox/clock", advance_clock, methods=["POST"]),
    ]


async def _show_welcome(_: Request) -> Response:
    return PlainTextResponse(WELCOME)


def _describe_state(sandbox: Sandbox) -> dict[str, Any]:
    return {
        "now": sandbox.clock.now(),
        "bill": [dataclasses.asdict(charge) for charge in sandbox.bill],
        "counts": sandbox.counts,
        "tasks": [
            *_describe_tasks(sandbox.videos),
            *_describe_tasks(sandbox.videos_v2),
            *_describe_tasks(sandbox.long_speeches),
        ],
        "voices": [voice.to_json() for voice in sandbox.voices.values()],
        "files": [file.to_json() for file in sandbox.files.values()],
        "faults_due": len(sandbox.faults),
    }


def _describe_tasks(tasks: Any) -> list[dict[str, Any]]:
    return [
        {"task_id": task.id, "model": task.model, "status": tasks.get_status(task)}
        for task in tasks.values()
    ]


def _parse_fault(fields: Any) -> Fault:
    """Make a Fault from JSON fields; its `body` is a string there."""
    present = {k: v for k, v in dict(fields).items() if v is not None or k == "times"}
    for name, value in present.items():
        if name not in _FAULT_FIELDS:
            raise ValueError(f"a fault has no {name}")
        if value is not None and not isinstance(value, _FAULT_FIELDS[name]):
            raise ValueError(f"{name} has the wrong type")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number")
    return Fault(**{**present, "body": present.get("body", "").encode()})
