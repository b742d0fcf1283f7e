"""What all tests share: a clean environment, a clock that does not pass, the sandbox."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from minimax import logs
from minimax.ledger.worker import Worker
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.support import wine
from tests.support.simulated_time import SimulatedTime
from tests.support.virtual_time import VirtualTime

pytest_plugins = ["minimax.testing.pytest_plugin"]

KEY = "sk-api-canary-0123456789"
"""Looked for wherever a key must never show up."""


INSTALLING_SECONDS = 600
"""Of a test that may have to get other people's packages first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of other people's clients more time; leave out what Wine cannot do."""
    for item in items:
        if item.get_closest_marker("clients"):
            item.add_marker(pytest.mark.timeout(INSTALLING_SECONDS))
    if wine.is_wine():
        wine.skip_by_name(items, wine.NOT_UNDER_WINE)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


FOLDERS_OF_HOSTS = (
    "XDG_CONFIG_HOME",
    "APPDATA",
    "LOCALAPPDATA",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
)
"""They would lead to the configuration of the hosts of this machine."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, proxy or home folder of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("MINIMAX_", "FASTMCP_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in FOLDERS_OF_HOSTS:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(home / "state"))


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """What a server set up for its logs ends with the test that started it."""
    root = logging.getLogger()
    names = ["", *logs.CHATTY_LIBRARIES]
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path) -> Settings:
    """Those of a server that asks about a job when it is told to, and not by itself."""
    found = Settings.from_env(environ={}, env_file=home / "none")
    return replace(found, api_key=SecretStr(KEY), auto_save=False)


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


AT_ONCE = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=0)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox whose jobs are finished at once; `sandbox.url` is where it listens."""
    made = Sandbox(keys={KEY}, stages=AT_ONCE)
    async with serve(made):
        yield made


@pytest.fixture
def count_requests(monkeypatch: pytest.MonkeyPatch) -> Callable[[SimulatedTime], None]:
    """Let a simulated time know what is under way: requests, and work in threads."""

    def begin(world: SimulatedTime) -> None:
        monkeypatch.setattr(Worker, "run", world.count_while(Worker.run))
        monkeypatch.setattr(asyncio, "to_thread", world.count_while(asyncio.to_thread))
        monkeypatch.setattr(httpx.AsyncClient, "send", world.count_while(httpx.AsyncClient.send))
        monkeypatch.setattr(
            httpx.Response, "aiter_raw", world.count_during(httpx.Response.aiter_raw)
        )

    return begin
