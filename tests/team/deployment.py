"""A team's deployment in this process: replicas on loopback, workers, a store in memory."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import obstore
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from pydantic import SecretStr

import minimax_server
from minimax.sandbox import Sandbox
from minimax.sandbox.signed_links import PREFIX
from minimax.team import worker
from minimax.team.accounts import Accounts
from minimax.team.database import Database
from minimax.team.queue import create_queue_tables
from minimax.team.runtime import Team, open_team
from minimax.team.server import Gate, make_app
from minimax.team.settings import TeamSettings
from minimax.team.store import ObjectStore
from tests.conftest import KEY
from tests.support.in_process import text_of

__all__ = ["ALICE", "BOB", "CAROL", "DAVE", "Deployment", "Replica", "digest", "open_deployment"]

ALICE, BOB, CAROL = "token-of-alice", "token-of-bob", "token-of-carol"
DAVE = "token-of-dave"
CAROLS_KEY = "sk-api-carol-9876543210"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


TOKENS = {
    digest(ALICE): {"account": "alice"},
    digest(BOB): {"account": "bob", "daily_limit_usd": 1.0},
    digest(DAVE): {"account": "dave"},
    digest(CAROL): {"account": "carol", "key_env": "CAROLS_KEY"},
}


@dataclass
class Replica:
    """One that listens."""

    url: str
    gate: Gate
    server: uvicorn.Server
    serving: "asyncio.Task[None]"

    @property
    def mcp_url(self) -> str:
        return f"{self.url}/mcp"

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.serving


@dataclass
class Deployment:
    """Everything but the callers."""

    settings: TeamSettings
    accounts: Accounts
    store: ObjectStore
    sandbox: Sandbox
    exits: AsyncExitStack
    replicas: list[Replica] = field(default_factory=list)

    async def start_replica(self, **changes: Any) -> Replica:
        settings = replace(self.settings, **changes)
        gate = Gate()
        app = make_app(
            settings,
            self.accounts,
            minimax_server._make_team_parts(),
            lambda: open_team(settings, self.accounts, store=self.store),
            gate,
        )
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        async with asyncio.timeout(20):
            while not server.started:
                assert not serving.done(), serving.exception()
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        replica = Replica(f"http://127.0.0.1:{port}", gate, server, serving)
        self.replicas.append(replica)
        self.exits.push_async_callback(replica.stop)
        return replica

    @asynccontextmanager
    async def run_worker(self) -> AsyncIterator[Team]:
        async with open_team(self.settings, self.accounts, store=self.store) as team:
            stop = asyncio.Event()
            working = asyncio.create_task(worker.work(team, stop=stop))
            try:
                yield team
            finally:
                stop.set()
                await working


@asynccontextmanager
async def open_deployment(
    database: Database, sandbox: Sandbox, folder: Path, **settings: str
) -> AsyncIterator[Deployment]:
    """Tables, accounts, and a MiniMax; replicas are started by the test."""
    await create_queue_tables(database)
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps(TOKENS), encoding="utf-8")
    environ = {
        "MINIMAX_TEAM_DATABASE_URL": "postgresql://unused/unused",
        "MINIMAX_TEAM_STORE": "memory://",
        "MINIMAX_TEAM_TOKENS": str(tokens),
        "MINIMAX_TEAM_SECRET": "s" * 32,
        "MINIMAX_TEAM_SCRATCH": str(folder),
        "MINIMAX_TEAM_DRAIN": "0",
        "MINIMAX_TEAM_RPM": "6000",
        "MINIMAX_API_KEY": KEY,
        "MINIMAX_API_HOST": str(sandbox.url),
        "HOME": str(folder),
        **settings,
    }
    found = TeamSettings.from_env(environ=environ, env_file=folder / "none")
    found = replace(found, database_url=SecretStr(database.url))
    accounts = Accounts(tokens, shared_key=SecretStr(KEY), environ={"CAROLS_KEY": CAROLS_KEY})
    sandbox.keys = {KEY, CAROLS_KEY}
    async with AsyncExitStack() as exits:
        yield Deployment(found, accounts, ObjectStore("memory://"), sandbox, exits)


@asynccontextmanager
async def connect(replica: Replica, token: str, **options: Any) -> AsyncIterator[Client]:
    """An MCP client of somebody at a replica."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(replica.mcp_url, http_client=http), **options) as client,
    ):
        yield client


async def call(replica: Replica, token: str, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; its result, which must be a success."""
    result = await call_raw(replica, token, name, **arguments)
    assert not result.is_error, text_of(result)
    structured: dict[str, Any] = result.structured_content or {}
    return structured


def put_upload(deployment: Deployment, account: str, content: bytes) -> str:
    """Put an upload of an account into the store; its upload_id."""
    number = secrets.token_hex(16)
    put_object(deployment, f"{account}/uploads/{number}", content)
    return f"upload-{number}"


def put_object(deployment: Deployment, name: str, content: bytes) -> None:
    """Put an object into the store, as somebody does who has a link to send it to."""
    obstore.put(deployment.store._store, name, content)


async def failure(replica: Replica, token: str, name: str, **arguments: Any) -> str:
    """Call a tool that must fail; its text."""
    result = await call_raw(replica, token, name, **arguments)
    assert result.is_error, result.structured_content
    return text_of(result)


async def call_raw(replica: Replica, token: str, name: str, **arguments: Any) -> CallToolResult:
    async with connect(replica, token) as client:
        return await client.call_tool(name, arguments)


def count_downloads(sandbox: Sandbox) -> int:
    """How often a signed link of MiniMax's was fetched."""
    return sum(request.path.startswith(PREFIX) for request in sandbox.requests)
