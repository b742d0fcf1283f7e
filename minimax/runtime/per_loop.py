"""What the calls of one server share: settings, client, ledger, and what is closed at its end.

Connections and locks belong to the event loop they were made in, so a new loop gets a new
`Runtime`. Under a host the server's lifespan opens and closes it; in plain Python the first call
opens it and `asyncio.run` closes it.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from minimax.clock import Clock
from minimax.runtime.background import Background
from minimax.settings import Settings, is_loopback

if TYPE_CHECKING:
    from minimax.api.client import MiniMaxClient
    from minimax.files.results import Results
    from minimax.ledger.base import Ledger
    from minimax.ledger.deliveries import Deliveries

T = TypeVar("T")

__all__ = [
    "Backend",
    "Call",
    "Runtime",
    "answer_call",
    "current",
    "current_call",
    "current_purchase",
    "host_runtime",
    "run_with",
    "sending",
    "use",
]

SANDBOX_MARK: Final = "Sandbox (every file is a sample, nothing is charged): "
"""Before what a model reads last; not every host shows it the instructions."""

Backend = Callable[[], AbstractAsyncContextManager[str]]
"""Starts something that speaks MiniMax's API and gives its base URL: the sandbox."""


class Runtime:
    """Settings and connections; everything is made when it is first needed.

    Args:
        load_settings: Called once, by the first call that needs them.
        backend: Something else than MiniMax to speak to.
        clock: The time that retries and waits go by.
        host_listens: Whether an answer can still reach the host.
        open_ledger: Makes the ledger of a state folder; SQLite when not given.
    """

    def __init__(
        self,
        load_settings: Callable[[], Settings],
        *,
        backend: Backend | None = None,
        clock: Clock | None = None,
        host_listens: Callable[[], bool] = lambda: True,
        open_ledger: "Callable[[Path], Ledger] | None" = None,
    ) -> None:
        self.host_listens = host_listens
        self.clock = clock or Clock()
        self.background = Background()
        self._load_settings = load_settings
        self._settings: Settings | None = None
        self._backend = backend
        self._client: MiniMaxClient | None = None
        self._opening = asyncio.Lock()
        self._open_ledger = open_ledger or _open_sqlite
        self._ledger: Ledger | None = None
        self._deliveries: Deliveries | None = None
        self._results: Results | None = None
        self._at_end = AsyncExitStack()
        self._shared: dict[Callable[[Runtime], Any], Any] = {}
        self._began_at = time.time()

    @property
    def settings(self) -> Settings:
        """The settings, read once.

        Raises:
            SettingsError: One of them cannot be used.
        """
        if self._settings is None:
            self._settings = self._load_settings()
        return self._settings

    async def client(self) -> "MiniMaxClient":
        """The API client, connected to the sandbox where that was asked for."""
        async with self._opening:
            if self._client is None:
                self._client = await self._open_client()
        return self._client

    async def _open_client(self) -> "MiniMaxClient":
        from minimax.api.client import MiniMaxClient
        from minimax.files.own_addresses import is_public_elsewhere

        if self._backend is not None:
            host = await self._at_end.enter_async_context(self._backend())
            self._settings = replace(self.settings, api_host=host)
        client = MiniMaxClient(self.settings, clock=self.clock, is_public=is_public_elsewhere)
        self._at_end.push_async_callback(client.aclose)
        return client

    @property
    def ledger(self) -> "Ledger":
        """What was bought from here."""
        if self._ledger is None:
            self._ledger = self._open_ledger(self.settings.state_dir)
            self._at_end.push_async_callback(self._ledger.aclose)
        return self._ledger

    @property
    def results(self) -> "Results":
        """Where results go."""
        if self._results is None:
            from minimax.files.results import LocalResults

            self._results = LocalResults(self.settings)
        return self._results

    @property
    def deliveries(self) -> "Deliveries":
        """Which answers have arrived at the host."""
        if self._deliveries is None:
            from minimax.ledger.deliveries import Deliveries

            self._deliveries = Deliveries(lambda: self.ledger)
        return self._deliveries

    @property
    def call(self) -> "Call | None":
        """The MCP request that is being answered; None in plain Python."""
        return current_call()

    @property
    def account(self) -> str:
        """Tells accounts apart without naming the key."""
        key = self.settings.api_key
        return hashlib.sha256(key.get_secret_value().encode()).hexdigest() if key else ""

    @property
    def is_sandboxed(self) -> bool:
        """Whether it speaks to a sandbox: its own, or one that runs alone on this machine."""
        host = urlsplit(self.settings.api_host or "").hostname
        return self.settings.sandbox or is_loopback(host)

    def is_of_earlier_sandbox(self, created_at: float) -> bool:
        """Whether a purchase was made in an earlier run of the built-in sandbox, now forgotten.

        Args:
            created_at: When it was written down; Unix seconds.
        """
        return self.settings.sandbox and created_at < self._began_at

    def work_key(self, *parts: Hashable) -> Hashable:
        """The key of background work: identical calls of two accounts never join each other."""
        return (self.account, *parts)

    def get_shared(self, factory: Callable[["Runtime"], T]) -> T:
        """The one instance that all calls share of what `factory` makes; made on first use."""
        if factory not in self._shared:
            self._shared[factory] = factory(self)
        instance: T = self._shared[factory]
        return instance

    def write_next_step(self, text: str) -> str:
        """A result's `next_step`: marked in the sandbox, with a notice that is due once."""
        notice = self._client.take_notice() if self._client is not None else None
        whole = f"{text} {notice}" if notice else text
        return f"{SANDBOX_MARK}{whole}" if self.settings.sandbox else whole

    async def aclose(self) -> None:
        """End the work that is under way and close what was opened."""
        await self.background.aclose()
        self._client = None
        await self._at_end.aclose()


def _open_sqlite(folder: Path) -> "Ledger":
    from minimax.ledger.sqlite import SqliteLedger

    return SqliteLedger(folder)


# --- the runtime of a call ---------------------------------------------------------------------

_current: ContextVar[Runtime] = ContextVar("minimax_runtime")
_current_call: ContextVar["Call"] = ContextVar("minimax_call")
_current_purchase: ContextVar[str] = ContextVar("minimax_purchase")


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Make this the runtime of every call in this context, and of the tasks started in it."""
    token = _current.set(runtime)
    try:
        yield runtime
    finally:
        _current.reset(token)


async def run_with(runtime: Runtime, work: Callable[[], Awaitable[T]]) -> T:
    """Do work as a part of this runtime."""
    with use(runtime):
        return await work()


@dataclass(frozen=True)
class Call:
    """An MCP request that is being answered.

    Attributes:
        id: As a cancellation would name it.
        elapsed_seconds: What it had taken when its work began, like waiting for a person.
    """

    id: Hashable
    elapsed_seconds: float


@contextmanager
def answer_call(call: Call) -> Iterator[None]:
    """Everything in this context answers this request."""
    token = _current_call.set(call)
    try:
        yield
    finally:
        _current_call.reset(token)


def current_call() -> Call | None:
    """The MCP request that is being answered; None in plain Python."""
    return _current_call.get(None)


@contextmanager
def sending(key: str) -> Iterator[None]:
    """Everything in this context sends the request of this row of the ledger."""
    token = _current_purchase.set(key)
    try:
        yield
    finally:
        _current_purchase.reset(token)


def current_purchase() -> str | None:
    """The ledger's key of the request that is being sent; None for what is not bought."""
    return _current_purchase.get(None)


@asynccontextmanager
async def host_runtime(runtime: Runtime) -> AsyncIterator[Runtime]:
    """Use a runtime for as long as the server lives, then close it."""
    with use(runtime):
        try:
            yield runtime
        finally:
            await runtime.aclose()


async def current() -> Runtime:
    """The runtime of this call; in plain Python the first call in a loop opens it."""
    found = _current.get(None)
    return await _current_in_plain_python() if found is None else found


# --- plain Python ------------------------------------------------------------------------------


@dataclass
class _PlainRuntime:
    runtime: Runtime
    keeper: AsyncGenerator[Runtime, None]


_in_plain_python: WeakKeyDictionary[asyncio.AbstractEventLoop, _PlainRuntime] = WeakKeyDictionary()
"""Where nobody called `use`: tasks started side by side share their loop and no context."""


async def _current_in_plain_python() -> Runtime:
    loop = asyncio.get_running_loop()
    if loop not in _in_plain_python:
        keeper = _keep_until_loop_ends(loop)
        runtime = await anext(keeper)
        # The loop itself holds the suspended generator only weakly.
        _in_plain_python[loop] = _PlainRuntime(runtime, keeper)
    return _in_plain_python[loop].runtime


async def _keep_until_loop_ends(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Runtime, None]:
    """Hold a runtime open until the loop ends.

    A loop closes its suspended generators as its last act (`shutdown_asyncgens`, which
    `asyncio.run` calls), and that closes the runtime: the caller need not.
    """
    runtime = Runtime(Settings.from_env)
    try:
        yield runtime
    finally:
        _in_plain_python.pop(loop, None)
        await runtime.aclose()
