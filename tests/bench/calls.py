"""Starting and calling, one at a time and many at once."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Final

import httpx

from tests.bench import api, bare, drive
from tests.bench.drive import Server
from tests.bench.rows import (
    BARE,
    OFFICIAL,
    OURS,
    Bench,
    Measure,
    Row,
    in_turns,
    seconds,
    timed_row,
)
from tests.support.host import LIMIT_SECONDS

START_RATIO: Final = 1.1
CALL_RATIO: Final = 1.3
AT_ONCE_RATIO: Final = 1.3

START_TURNS: Final = 15
CALL_TURNS: Final = 200
AT_ONCE_TURNS: Final = 9
CALLS_AT_ONCE: Final = 200
KEPT_ALIVE: Final = 20
"""Connections that httpx keeps by default, and so does our client."""


async def warm_up(bench: Bench) -> None:
    """One life of each server, so that the bytecode of all that is measured is there."""
    async with AsyncExitStack() as stack:
        servers = await _started(stack, bench, bench.api.quick)
        for name in bench.products:
            await _query(servers[name])


async def start(bench: Bench) -> list[Row]:
    """From the start of the process to the answered tools/list."""

    def measure(name: str) -> Measure:
        async def spawned() -> float:
            began = time.perf_counter()
            async with bench.serving(name, bench.api.quick) as server:
                await server.handshake()
                await server.answer("tools/list")
                return time.perf_counter() - began

        return spawned

    found = await in_turns(START_TURNS, {name: measure(name) for name in bench.commands})
    return [
        timed_row(
            "start: process spawned to tools/list answered",
            f"at most {START_RATIO} x a bare MCPServer with as many tools",
            found,
            limit=START_RATIO,
        )
    ]


async def one_query(bench: Bench) -> list[Row]:
    """One call after the other, the API answering at once; and the memory after all of them."""
    async with AsyncExitStack() as stack:
        servers = await _started(stack, bench, bench.api.quick)
        client = await stack.enter_async_context(httpx.AsyncClient())

        def measure(name: str) -> Measure:
            return lambda: seconds(_query(servers[name]))

        async def least() -> float:
            empty = await seconds(servers[BARE].use(bare.TOOL, text=""))
            return empty + await seconds(client.get(_status_url(bench.api.quick, "1")))

        measures = {name: measure(name) for name in bench.products} | {BARE: least}
        found = await in_turns(CALL_TURNS, measures)
        peaks = {name: f"{server.peak_mib:.0f} MiB" for name, server in servers.items()}
    return [
        timed_row(
            "one query over stdio, API answering at once",
            f"at most {CALL_RATIO} x the bare server's empty tool plus one bare httpx call",
            found,
            limit=CALL_RATIO,
        ),
        Row(
            what=f"peak memory after {CALL_TURNS} queries",
            measured=f"{peaks[OURS]} (bare server without any HTTP: {peaks[BARE]})",
            official=peaks.get(OFFICIAL, ""),
        ),
    ]


async def at_once(bench: Bench) -> list[Row]:
    """Many calls in flight together, the API taking its time for each."""
    limits = httpx.Limits(max_connections=CALLS_AT_ONCE, max_keepalive_connections=KEPT_ALIVE)
    async with AsyncExitStack() as stack:
        servers = await _started(stack, bench, bench.api.slow)
        client = await stack.enter_async_context(httpx.AsyncClient(limits=limits))

        def measure(name: str) -> Measure:
            return lambda: seconds(_queries(servers[name]))

        async def least() -> None:
            urls = [_status_url(bench.api.slow, ident) for ident in _idents()]
            await asyncio.gather(*map(client.get, urls))

        measures = {name: measure(name) for name in bench.products}
        found = await in_turns(AT_ONCE_TURNS, measures | {BARE: lambda: seconds(least())})
    return [
        timed_row(
            f"{CALLS_AT_ONCE} queries at once, API taking {api.ANSWER_SECONDS * 1000:.0f} ms",
            f"at most {AT_ONCE_RATIO} x bare httpx doing the same",
            found,
            limit=AT_ONCE_RATIO,
        )
    ]


async def _started(stack: AsyncExitStack, bench: Bench, api_url: str) -> dict[str, Server]:
    servers = {}
    for name in bench.commands:
        servers[name] = await stack.enter_async_context(bench.serving(name, api_url))
        await servers[name].handshake()
    return servers


async def _query(server: Server, task_id: str = "1") -> None:
    await server.use("query_video_generation", task_id=task_id)


async def _queries(server: Server) -> None:
    answers = [server.start("query_video_generation", task_id=i)[1] for i in _idents()]
    for answer in await asyncio.wait_for(asyncio.gather(*answers), LIMIT_SECONDS):
        drive.check(answer)


def _idents() -> list[str]:
    return [str(number) for number in range(1, CALLS_AT_ONCE + 1)]


def _status_url(base_url: str, task_id: str) -> str:
    return f"{base_url}/v1/query/video_generation?task_id={task_id}"
