"""What each Python client does here: a video, a refusal, a cancelled call, an early end.

Runs inside the client's own environment, so it imports nothing but Python.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

__all__ = ["Answer", "Connect", "Session", "find", "read_command", "travel"]

WAIT_SECONDS: Final = 45
TOO_LONG_SECONDS: Final = 400
"""Refused with a sentence of the server's."""
IN_FLIGHT_SECONDS: Final = 0.7
"""After so long, a call of a video that is not finished is under way."""
MOST_QUERIES: Final = 3


@dataclass(frozen=True)
class Answer:
    """What the model of a client reads after a call.

    Attributes:
        content: JSON, or JSON in JSON, or a sentence.
        is_error: Whether it is told that the call failed.
    """

    content: Any
    is_error: bool


class Session(Protocol):
    """A connected client.

    Attributes:
        protocol: The version of MCP that was agreed on.
        tools: Their names, after the client's own conversion.
        heard: How often progress came; None where the client does not say.
    """

    protocol: str
    tools: list[str]
    heard: int | None

    async def call(self, tool: str, **values: Any) -> Answer: ...


Connect = Callable[[], AbstractAsyncContextManager[Session]]


async def travel(connect: Connect, *, version: str) -> None:
    """Connect, do everything once, leave with a call in flight, and print what came out."""
    async with connect() as session:
        told = await _go(session)
        unfinished = await _order(session, "Rain falls on the lake")
        told["goes_on"] = await _cancel_one(session, unfinished)
        in_flight = await _start(session, unfinished)
    in_flight.cancel()
    await asyncio.gather(in_flight, return_exceptions=True)
    sys.stdout.write(json.dumps({"version": version, **told, "heard": session.heard}))


async def _go(session: Session) -> dict[str, Any]:
    """The journey to a file, and a call that is refused."""
    task_id = await _order(session, "The sun sets over the lake")
    cuts, status = await _follow(session, task_id)
    video = await session.call("retrieve_video_file", file_id=find(status, "file_id"))
    refused = await _query(session, task_id, TOO_LONG_SECONDS)
    return {
        "protocol": session.protocol,
        "tools": session.tools,
        "path": find(video.content, "path"),
        "cuts": cuts,
        "refusal": json.dumps(refused.content, ensure_ascii=False),
        "is_error": refused.is_error,
    }


async def _order(session: Session, prompt: str) -> str:
    ordered = await session.call("generate_video", prompt=prompt)
    return str(find(ordered.content, "task_id"))


async def _follow(session: Session, task_id: str) -> tuple[list[str], Any]:
    """What the model read each time its client ended the call, and at last how the job stands."""
    cuts: list[str] = []
    for _ in range(MOST_QUERIES):
        status = (await _query(session, task_id)).content
        if find(status, "file_id") is not None:
            return cuts, status
        cuts.append(str(status))
    raise AssertionError(cuts)


async def _query(session: Session, task_id: str, wait_seconds: int = WAIT_SECONDS) -> Answer:
    return await session.call("query_video_generation", task_id=task_id, wait_seconds=wait_seconds)


async def _start(session: Session, task_id: str) -> asyncio.Task[Answer]:
    """A call that is under way."""
    call = asyncio.create_task(_query(session, task_id))
    await asyncio.sleep(IN_FLIGHT_SECONDS)
    assert not call.done(), call.result()
    return call


async def _cancel_one(session: Session, task_id: str) -> bool:
    """Whether the next call is answered, and knows the job, after one that was cancelled."""
    call = await _start(session, task_id)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    listed = await session.call("list_video_tasks", limit=1)
    return bool(find(listed.content, "task_id") == task_id)


def find(told: Any, name: str) -> Any:
    """The first value of this name in what a model read, however its client has wrapped it."""
    if isinstance(told, str) and told.lstrip().startswith(("{", "[")):
        told = json.loads(told)
    if isinstance(told, dict) and told.get(name) is not None:
        return told[name]
    parts = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    return next((found for part in parts if (found := find(part, name)) is not None), None)


def read_command(server: list[str]) -> tuple[str, list[str], dict[str, str]]:
    """The server's program, its arguments and its environment."""
    program, *arguments = server
    return program, arguments, dict(os.environ)
