"""What the calls of one server share: settings, client, ledger, and what is closed at its end.

Connections and locks belong to the event loop they were made in, so every loop has a `Runtime` of
its own. Under a host the server's lifespan opens and closes it; in plain Python the first call of
an account opens it, and the end of the account's block or of the loop closes it.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
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
    "Account",
    "Backend",
    "Call",
    "Runtime",
    "Surroundings",
    "answer_call",
    "close_account",
    "current",
    "current_call",
    "current_purchase",
    "enter",
    "host_runtime",
    "leave",
    "leave_all",
    "mark_sending",
    "run_with",
    "use",
    "use_surroundings",
]

SANDBOX_MARK: Final = "Sandbox: every file is a sample, nothing is charged. "
"""Before what a model reads last; not every host shows it the instructions."""

Backend = Callable[[], AbstractAsyncContextManager[str]]
"""Starts something that speaks MiniMax's API and gives its base URL: the sandbox."""


class Runtime:
    """Settings and connections; everything is made when it is first needed.

    Args:
        load_settings: Called when they are needed, until what it returns holds a key, and again
            after that key was refused.
        backend: Something else than MiniMax to speak to.
        clock: The time that retries and waits go by; that of the surroundings when not given.
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
        self._surroundings = _surroundings[-1]
        self.clock = clock or self._surroundings.clock or Clock()
        self.background = Background()
        self._load_settings = load_settings
        self._settings: Settings | None = None
        self._backend = backend
        self._client: MiniMaxClient | None = None
        self._opening = asyncio.Lock()
        self._open_ledger = open_ledger or self._surroundings.open_ledger or self._open_sqlite
        self._ledger: Ledger | None = None
        self._deliveries: Deliveries | None = None
        self._results: Results | None = None
        self._at_end = AsyncExitStack()
        self._shared: dict[Callable[[Runtime], Any], Any] = {}
        self._began_at = time.time()

    @property
    def settings(self) -> Settings:
        """The settings, kept once they hold a key that MiniMax does not refuse.

        Raises:
            SettingsError: One of them cannot be used.
        """
        if self._settings is None:
            found = self._read_settings()
            if not found.has_key:  # a notebook sets it later, a person edits `.env`
                return found
            self._settings = found
        elif self._client is not None and self._client.is_key_refused:
            self._replace_refused_key(self._settings)
        return self._settings

    def _read_settings(self) -> Settings:
        return self._surroundings.adapt_settings(self._load_settings())

    def _replace_refused_key(self, refused: Settings) -> None:
        found = self._read_settings()
        if found.has_key and found.api_key != refused.api_key:
            self._settings, self._client = found, None

    async def client(self) -> "MiniMaxClient":
        """The API client, connected to the sandbox where that was asked for."""
        async with self._opening:
            settings = self.settings
            if self._client is not None:
                return self._client
            if self._backend is None and not settings.has_key:
                return self._make_client(settings)  # opens nothing: every request is refused
            self._client = await self._open_client(settings)
        return self._client

    async def _open_client(self, settings: Settings) -> "MiniMaxClient":
        if self._backend is not None:
            host = await self._at_end.enter_async_context(self._backend())
            settings = self._settings = replace(settings, api_host=host)
        client = self._make_client(settings)
        self._at_end.push_async_callback(client.aclose)
        return client

    def _make_client(self, settings: Settings) -> "MiniMaxClient":
        from minimax.api.client import MiniMaxClient
        from minimax.files.own_addresses import is_public_elsewhere

        return MiniMaxClient(settings, clock=self.clock, is_public=is_public_elsewhere)

    @property
    def ledger(self) -> "Ledger":
        """What was bought from here."""
        if self._ledger is None:
            self._ledger = self._open_ledger(self.settings.state_dir)
            self._at_end.push_async_callback(self._ledger.aclose)
        return self._ledger

    def _open_sqlite(self, folder: Path) -> "Ledger":
        from minimax.ledger.sqlite import SqliteLedger

        return SqliteLedger(folder, counts_from=self._began_at if self.settings.sandbox else 0.0)

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


# --- the runtime of a call ---------------------------------------------------------------------


class Account(Protocol):
    """Whose key and settings the calls in a block use; in every event loop with its own runtime."""

    def load_settings(self) -> Settings:
        """As `Runtime` wants it."""
        ...

    def begin_call(self) -> None:
        """A call begins.

        Raises:
            SettingsError: Its block has ended; nothing was sent.
        """
        ...


_entered: ContextVar[tuple[Runtime | Account, ...]] = ContextVar("minimax_entered", default=())
"""What calls in this context belong to; the last one counts."""
_current_call: ContextVar["Call"] = ContextVar("minimax_call")
_current_purchase: ContextVar[str] = ContextVar("minimax_purchase")


def enter(owner: Runtime | Account) -> None:
    """Let the calls in this context, and in the tasks started in it, belong to this."""
    _entered.set((*_entered.get(), owner))


def leave(owner: Runtime | Account) -> None:
    """Take back the last `enter` of this owner; others may have been entered since."""
    entered = list(_entered.get())
    for index in reversed(range(len(entered))):
        if entered[index] is owner:
            del entered[index]
            break
    _entered.set(tuple(entered))


@contextmanager
def use(runtime: Runtime) -> Iterator[Runtime]:
    """Make this the runtime of every call in this context, and of the tasks started in it."""
    enter(runtime)
    try:
        yield runtime
    finally:
        leave(runtime)


@contextmanager
def leave_all() -> Iterator[None]:
    """Let the calls in this context belong to nobody, as outside of every block."""
    before = _entered.get()
    _entered.set(())
    try:
        yield
    finally:
        _entered.set(before)


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
def mark_sending(key: str) -> Iterator[None]:
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
    """The runtime of this call; in plain Python the first call in a loop opens it.

    Raises:
        SettingsError: The block that this call belongs to has ended.
    """
    owner = _entered.get()[-1] if _entered.get() else None
    if isinstance(owner, Runtime):
        return owner
    if owner is not None:
        owner.begin_call()
    return await _surroundings[-1].open_runtime(owner)


# --- plain Python ------------------------------------------------------------------------------


def _leave_settings(settings: Settings) -> Settings:
    return settings


@dataclass
class _Kept:
    runtime: Runtime
    keeper: AsyncGenerator[Runtime, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """What runtimes are made with where they are not told otherwise, in every task and thread.

    Attributes:
        clock: The time that retries and waits go by.
        open_ledger: Makes the ledger of a state folder.
        adapt_settings: Changes the settings that a runtime has loaded.
    """

    clock: Clock | None = None
    open_ledger: "Callable[[Path], Ledger] | None" = None
    adapt_settings: Callable[[Settings], Settings] = _leave_settings
    _kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Account | None, _Kept]] = field(
        default_factory=WeakKeyDictionary
    )
    """Open runtimes by account; None: that of the environment."""

    async def open_runtime(self, account: Account | None) -> Runtime:
        """The one of an account in the running loop, opened where it is not.

        Args:
            account: None for the key and the settings of the environment.
        """
        kept = self._kept.setdefault(asyncio.get_running_loop(), {})
        if account not in kept:
            keeper = self._keep_until_loop_ends(account, kept)
            runtime = await anext(keeper)
            # The loop itself holds the suspended generator only weakly.
            kept[account] = _Kept(runtime, keeper)
        return kept[account].runtime

    async def _keep_until_loop_ends(
        self, account: Account | None, kept: dict[Account | None, _Kept]
    ) -> AsyncGenerator[Runtime, None]:
        """Hold a runtime open until the loop ends.

        A loop closes its suspended generators as its last act (`shutdown_asyncgens`, which
        `asyncio.run` calls), and that closes the runtime: the caller need not.
        """
        runtime = Runtime(Settings.from_env if account is None else account.load_settings)
        try:
            yield runtime
        finally:
            kept.pop(account, None)
            await runtime.aclose()

    async def close_runtime(self, account: Account | None) -> None:
        """Close that of an account in the running loop, if it is open."""
        found = self._kept.get(asyncio.get_running_loop(), {}).get(account)
        if found is not None:
            await found.keeper.aclose()

    async def aclose(self) -> None:
        """Close all runtimes of the running loop before the loop ends."""
        for account in list(self._kept.get(asyncio.get_running_loop(), {})):
            await self.close_runtime(account)

    @property
    def loops(self) -> list[asyncio.AbstractEventLoop]:
        """Those that have an open runtime."""
        return [loop for loop, kept in list(self._kept.items()) if kept]


_surroundings = [Surroundings()]
"""The last one counts. Not a context variable: a test of a program must reach all its tasks."""


@contextmanager
def use_surroundings(by: Surroundings) -> Iterator[None]:
    """Make runtimes with these, in the whole process, until the end of the block."""
    _surroundings.append(by)
    try:
        yield
    finally:
        _surroundings.remove(by)


async def close_account(account: Account) -> None:
    """Close the runtimes of an account in the running loop."""
    for surroundings in _surroundings:
        await surroundings.close_runtime(account)
