"""The commands of team mode: `serve-http`, `work` and `set-up`."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType
from typing import Final

import uvicorn

from minimax import logs
from minimax.errors import MiniMaxError, SettingsError
from minimax.settings import Settings
from minimax.team import telemetry, worker
from minimax.team.accounts import Accounts
from minimax.team.database import create_tables, open_database
from minimax.team.queue import create_queue_tables
from minimax.team.runtime import LAST_WORK_SECONDS, open_team
from minimax.team.server import Gate, Parts, make_app
from minimax.team.settings import TeamSettings, prepare_scratch

__all__ = ["serve", "set_up", "work"]

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep an idle connection, so that none is closed under a request."""
WAITING_CONNECTIONS: Final = 1024
CLOSING_SECONDS: Final = 5.0
"""For connections, once all work has ended."""
FAILED: Final = 1
WRONG_SETTINGS: Final = 2

log = logging.getLogger(__name__)


def serve(*, port: int, parts: Parts) -> int:
    """Answer MCP over HTTP until told to end."""
    return _run(partial(_serve, port, parts))


def work() -> int:
    """Follow paid jobs until told to end."""
    return _run(_work)


def set_up() -> int:
    """Make the tables; harmless where they are there."""
    return _run(_set_up)


Command = Callable[[TeamSettings, Accounts], Awaitable[None]]


def _run(command: Command) -> int:
    """Run a command with the settings; what is wrong with them is one sentence."""
    try:
        settings, accounts = _read_settings()
        asyncio.run(command(settings, accounts))  # type: ignore[arg-type]
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_SETTINGS
    except MiniMaxError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return 0


def _read_settings() -> tuple[TeamSettings, Accounts]:
    settings = TeamSettings.from_env()
    accounts = Accounts(settings.tokens, shared_key=settings.base.api_key)
    if settings.tokens is None and settings.base.api_key is None:
        raise SettingsError(
            "Team mode does not start: there is no MiniMax key. Set MINIMAX_API_KEY for a shared "
            "one, or MINIMAX_TEAM_TOKENS to a file that refers to one for each account."
        )
    logs.configure(
        settings.base.log_level,
        secret=_secret_of(settings.base),
        more_secrets=[*settings.secrets, *accounts.secrets],
    )
    telemetry.configure()
    prepare_scratch(settings.scratch)
    return settings, accounts


def _secret_of(settings: Settings) -> str | None:
    return settings.secret


class _Server(uvicorn.Server):
    """Told to end, it first says so at /readyz, and answers what is under way."""

    def __init__(self, config: uvicorn.Config, gate: Gate, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._gate = gate
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._draining is not None or sig == signal.SIGINT:
            super().handle_exit(sig, frame)
            return
        end_in_any_case(self._drain_seconds + LAST_WORK_SECONDS + CLOSING_SECONDS)
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        # Streams are cut the moment uvicorn is told to exit, so it is told when none is left.
        await self._gate.drain(pause_seconds=self._drain_seconds, longest_seconds=LAST_WORK_SECONDS)
        self.should_exit = True


async def _serve(port: int, parts: Parts, settings: TeamSettings, accounts: Accounts) -> None:
    gate = Gate()
    app = make_app(settings, accounts, parts, lambda: open_team(settings, accounts), gate)
    config = uvicorn.Config(
        app,
        host=settings.bind,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(LAST_WORK_SECONDS),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=WAITING_CONNECTIONS,
    )
    server = _Server(config, gate, drain_seconds=settings.drain_seconds)
    try:
        await server.serve()
    except SystemExit:  # uvicorn has said on stderr why it could not start
        raise SettingsError(f"The server could not listen on {settings.bind}:{port}.") from None
    if not server.started:
        raise SettingsError(
            "The server did not start: its log (stderr) says why. Is the database there, and were "
            "its tables made (set-up)?"
        )


async def _work(settings: TeamSettings, accounts: Accounts) -> None:
    stop = asyncio.Event()

    def end() -> None:
        end_in_any_case(LAST_WORK_SECONDS + CLOSING_SECONDS)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, end)
    async with open_team(settings, accounts) as team:
        await worker.work(team, stop=stop)


def end_in_any_case(seconds: float) -> None:
    """End the process after so long, although something hangs, as a frozen database does."""
    timer = threading.Timer(seconds, _end_at_once)
    timer.daemon = True
    timer.start()


def _end_at_once() -> None:
    sys.stderr.write(
        "The process was ended before its work was closed, because something did not answer, "
        "probably the database. What was bought is in the database or in this log.\n"
    )
    sys.stderr.flush()
    os._exit(FAILED)


async def _set_up(settings: TeamSettings, _: Accounts) -> None:
    async with open_database(settings.database_url.get_secret_value(), pool_size=1) as database:
        await create_tables(database)
        await create_queue_tables(database)
