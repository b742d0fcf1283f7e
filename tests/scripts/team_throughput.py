"""How many jobs a second one replica on PostgreSQL takes, beside one server over stdio on SQLite.

    uv run python -m tests.scripts.team_throughput

A job is a request for a video and one question about it, whose answers the caller needs; neither
side follows jobs meanwhile. Both take turns, with the same MiniMax, and share the computer with it
and with the callers. Linux and macOS; PostgreSQL comes from the wheel of the dev group.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.scripts.team_chaos import (
    Processes,
    call_tool,
    make_environment,
    set_up,
    start_postgres,
)
from tests.support.host import Host, host
from tests.team.chaos_world import World, open_world

__all__ = ["Throughput", "measure_throughput"]

JOBS: Final = 400
AT_ONCE: Final = 200
TURNS: Final = 3
SUBMISSION_SECONDS: Final = 0.2
CALL_SECONDS: Final = 60.0

Use = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool with arguments; what it answered."""


@dataclass
class Throughput:
    """Of one side."""

    jobs_per_second: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """That each job took, in all turns."""

    @property
    def rate(self) -> float:
        """The median of the turns, in jobs a second."""
        return statistics.median(self.jobs_per_second)

    def row(self, name: str) -> str:
        """As the table of docs/TEAM.md has it."""
        *_, p99 = statistics.quantiles(self.seconds, n=100)
        low, high = min(self.jobs_per_second), max(self.jobs_per_second)
        middle = statistics.median(self.seconds)
        return (
            f"| {name} | {self.rate:.0f} ({low:.0f} to {high:.0f}) | {middle * 1000:.0f} |"
            f" {p99 * 1000:.0f} |"
        )


async def measure_throughput() -> tuple[Throughput, Throughput]:
    """Of stdio with SQLite, and of one replica with PostgreSQL."""
    stdio, team = Throughput(), Throughput()
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        takes = (SUBMISSION_SECONDS, SUBMISSION_SECONDS)
        world = World(random.Random(1), lost_share=0.0, submission_seconds=takes)
        await opened.enter_async_context(open_world(world))
        sides = {
            "stdio": (stdio, await opened.enter_async_context(open_stdio(world, folder))),
            "team": (team, await opened.enter_async_context(open_replica(world, folder))),
        }
        for turn in range(TURNS):
            for name, (figures, use) in sides.items():
                await take_turn(figures, use, f"{name} {turn}")
    return stdio, team


async def take_turn(figures: Throughput, use: Use, name: str) -> None:
    """Do all jobs of a turn, so many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def do_job(number: int) -> None:
        async with places:
            began = time.perf_counter()
            bought = await use("generate_video", {"prompt": f"{name} {number}"})
            await use("query_video_generation", {"task_id": bought["task_id"]})
            figures.seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*map(do_job, range(JOBS)))
    figures.jobs_per_second.append(JOBS / (time.perf_counter() - began))


@asynccontextmanager
async def open_stdio(world: World, folder: Path) -> AsyncIterator[Use]:
    """One server as a host starts it."""
    environment = {
        "HOME": str(folder),
        "MINIMAX_API_HOST": world.url,
        "MINIMAX_API_KEY": "sk-api-throughput-0123456789",
        "MINIMAX_MCP_BASE_PATH": str(folder / "saved"),
        "MINIMAX_MCP_STATE_DIR": str(folder / "state"),
        "MINIMAX_MCP_DAILY_LIMIT_USD": "off",
        "MINIMAX_MCP_AUTO_SAVE": "off",
    }
    async with host(env=environment) as server:
        await server.handshake()
        yield lambda tool, arguments: use_over_stdio(server, tool, arguments)


async def use_over_stdio(server: Host, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    _, answer = server.start(tool, **arguments)
    return read_result((await asyncio.wait_for(answer, CALL_SECONDS))["result"])


@asynccontextmanager
async def open_replica(world: World, folder: Path) -> AsyncIterator[Use]:
    """One replica on a PostgreSQL of its own."""
    limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with AsyncExitStack() as opened:
        database = await opened.enter_async_context(start_postgres())
        environment = make_environment(world, database, folder, callbacks=False)
        await set_up(environment)
        processes = Processes(environment, replicas=1, workers=0)
        opened.push_async_callback(processes.stop_all)
        await processes.start_all()
        http = await opened.enter_async_context(
            httpx2.AsyncClient(timeout=CALL_SECONDS, limits=limits)
        )
        [url] = processes.urls

        async def use(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
            return read_result(await call_tool(http, url, tool, arguments))

        yield use


def read_result(result: dict[str, Any] | None) -> dict[str, Any]:
    """What a call that must succeed has found."""
    if result is None or result.get("isError"):
        raise RuntimeError(f"A call failed: {result}")
    found: dict[str, Any] = result["structuredContent"]
    return found


def main() -> int:
    stdio, team = asyncio.run(measure_throughput())
    print(stdio.row("stdio, SQLite"))
    print(team.row("HTTP, PostgreSQL, one replica"))
    print(f"ratio: {team.rate / stdio.rate:.2f}")
    return int(team.rate < stdio.rate)


if __name__ == "__main__":
    sys.exit(main())
