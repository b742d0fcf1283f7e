"""What one running event loop owns: settings, client, and what must be closed at its end.

Connections and locks belong to the loop they were made in, so a new loop gets a new `Runtime`.
Under a host the server's lifespan opens and closes it; in plain Python it is made on first use
and closed by `asyncio.run` itself.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from minimax.clock import Clock
from minimax.runtime.background import Background
from minimax.settings import Settings

if TYPE_CHECKING:
    from minimax.api.client import MiniMaxClient
    from minimax.ledger.sqlite import Ledger

T = TypeVar("T")

__all__ = ["Backend", "Runtime", "current", "hosted"]

Backend = Callable[[], AbstractAsyncContextManager[str]]
"""Starts something that speaks MiniMax's API and gives its base URL: the sandbox."""


class Runtime:
    """Settings and connections of one loop; everything is made when it is first needed."""

    def __init__(
        self,
        load_settings: Callable[[], Settings],
        *,
        backend: Backend | None = None,
        clock: Clock | None = None,
        host_listens: Callable[[], bool] = lambda: True,
    ) -> None:
        self.host_listens = host_listens
        self.clock = clock or Clock()
        self._load_settings = load_settings
        self._settings: Settings | None = None
        self._backend = backend
        self._client: MiniMaxClient | None = None
        self._opening = asyncio.Lock()
        self._ledger: Ledger | None = None
        self._at_end = AsyncExitStack()
        self.background = Background()
        self._owned: dict[Callable[[Runtime], Any], Any] = {}
        self.keeper: AsyncGenerator[Runtime, None] | None = None

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
        """The API client, with the sandbox behind it where that was asked for."""
        async with self._opening:
            if self._client is None:
                self._client = await self._open_client()
        return self._client

    async def _open_client(self) -> "MiniMaxClient":
        # A quarter of the start-up time, so the first call pays for it.
        from minimax.api.client import MiniMaxClient  # noqa: PLC0415

        if self._backend is not None:
            host = await self._at_end.enter_async_context(self._backend())
            self._settings = replace(self.settings, api_host=host)
        client = MiniMaxClient(self.settings, clock=self.clock)
        self._at_end.push_async_callback(client.aclose)
        return client

    @property
    def ledger(self) -> "Ledger":
        """What was bought from here."""
        if self._ledger is None:
            from minimax.ledger.sqlite import Ledger  # noqa: PLC0415 - start-up must not pay for it

            self._ledger = Ledger(self.settings.state_dir)
            self._at_end.callback(self._ledger.close)
        return self._ledger

    @property
    def key_digest(self) -> str:
        """Tells accounts apart without naming the key."""
        key = self.settings.api_key
        return hashlib.sha256(key.get_secret_value().encode()).hexdigest() if key else ""

    def own(self, kind: Callable[["Runtime"], T]) -> T:
        """This loop's one instance of a kind, made on first use."""
        if kind not in self._owned:
            self._owned[kind] = kind(self)
        made: T = self._owned[kind]
        return made

    def next_step(self, text: str) -> str:
        """A result's advice, marked where it is the sandbox's, with what must be told once."""
        notice, client = None, self._client
        if client is not None:
            notice, client.notice = client.notice, None
        said = f"{text} {notice}" if notice else text
        return f"Sandbox: {said}" if self.settings.sandbox else said

    async def aclose(self) -> None:
        """End the work that is under way and close what was opened."""
        await self.background.aclose()
        self._client = None
        await self._at_end.aclose()


Loop = asyncio.AbstractEventLoop
_of_loop: WeakKeyDictionary[Loop, Runtime] = WeakKeyDictionary()


@asynccontextmanager
async def hosted(runtime: Runtime) -> AsyncIterator[Runtime]:
    """Make a runtime the loop's own for as long as the server lives, then close it."""
    loop = asyncio.get_running_loop()
    before = _of_loop.get(loop)
    _of_loop[loop] = runtime
    try:
        yield runtime
    finally:
        if before is None:
            _of_loop.pop(loop, None)
        else:
            _of_loop[loop] = before
        await runtime.aclose()


async def current() -> Runtime:
    """The running loop's runtime; in plain Python the first call makes it."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        keeper = _keep(loop)
        _of_loop[loop] = await anext(keeper)
        _of_loop[loop].keeper = keeper  # the loop itself holds it only weakly
    return _of_loop[loop]


async def _keep(loop: Loop) -> AsyncGenerator[Runtime, None]:
    """Hold a runtime open until the loop ends.

    A loop closes its suspended generators as its last act (`shutdown_asyncgens`, which
    `asyncio.run` calls), and that closes the runtime: the caller need not.
    """
    runtime = Runtime(Settings.from_env)
    try:
        yield runtime
    finally:
        _of_loop.pop(loop, None)
        await runtime.aclose()
