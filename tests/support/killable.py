"""Servers in this process that a schedule of a property test can kill."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as effort
from hypothesis import strategies as st

from minimax.ledger.base import Ledger
from minimax.ledger.clock import LedgerClock
from minimax.ledger.owners import Owner
from minimax.ledger.sqlite import SqliteLedger
from minimax.runtime import Runtime
from minimax.settings import Settings
from tests.support.virtual_time import VirtualTime

T = TypeVar("T")
Test = TypeVar("Test", bound=Callable[..., object])

BEFORE_OR_AFTER: Any = st.sampled_from(["before", "after"])
INSTANT = st.sampled_from([0.0, 0.002, 0.005, 0.01, 0.02])
LONGER: Any = st.sampled_from([0.015, 0.03])


class SimulatedOwner(Owner):
    """A process that can be killed without ending this one: its life is a name in a set."""

    def __init__(self, folder: Path, alive: set[str]) -> None:
        super().__init__(folder)
        self._alive = alive
        alive.add(self.id)

    def show_life(self) -> None:
        """It is in the set."""

    def is_gone(self, owner_id: str) -> bool:
        return owner_id not in self._alive

    def close(self) -> None:
        self._alive.discard(self.id)


class DeadProcessError(Exception):
    """A process that was killed would have decided something."""


class KillableLedger:
    """A ledger that a killed process can no longer write to.

    Attributes:
        answering: Calls whose answer is written down as received, which is their last act.
    """

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self.killed = False
        self.answering: set[asyncio.Task[Any] | None] = set()

    async def mark_received(self, keys: Sequence[str]) -> None:
        self.answering.add(asyncio.current_task())
        if not self.killed:
            await self._ledger.mark_received(keys)

    def __getattr__(self, name: str) -> Any:
        return write_nothing if self.killed else getattr(self._ledger, name)


async def write_nothing(*args: object, **kwargs: object) -> None:
    """What a dead process would have written."""


class KillableServer:
    """A server of the user that a schedule may kill; the next one takes its place."""

    def __init__(self, settings: Settings, alive: set[str]) -> None:
        self._settings = settings
        self._alive = alive
        self.calls: set[asyncio.Task[Any]] = set()
        self._start()

    def _start(self) -> None:
        self._owner = owner = SimulatedOwner(self._settings.state_dir, self._alive)

        def tell_time() -> float:
            """No transaction that needs the time is finished after the kill."""
            if owner.is_gone(owner.id):
                raise DeadProcessError
            return time.time()

        clock = LedgerClock(wall=tell_time)
        self._ledger = KillableLedger(
            SqliteLedger(self._settings.state_dir, clock=clock, owner=owner)
        )
        self.running = Runtime(
            lambda: self._settings,
            clock=VirtualTime().clock,
            open_ledger=lambda _: cast("Ledger", self._ledger),
        )
        assert self.running.ledger is not None

    async def kill(self) -> None:
        """Kill -9: nothing that was under way gets to write another word.

        Not between "received" and the return of a call: in plain Python the caller dies with its
        process, and nobody would be left to miss that answer. `test_over_stdio` kills there.
        """
        answering = [call for call in self.calls & self._ledger.answering if not call.done()]
        if answering:
            await asyncio.wait(answering)
        dead, calls = self.running, list(self.calls)
        work = [*dead.background.tasks, *dead.background.unattended_tasks]
        self._owner.close()
        self._ledger.killed = True
        self._start()
        for task in [*calls, *work]:
            task.cancel()
        await asyncio.gather(*calls, *work, return_exceptions=True)
        with contextlib.suppress(DeadProcessError):
            await dead.aclose()

    async def finish(self) -> None:
        """End as a host ends it, once what is paid is done."""
        while self.running.background.paid_tasks:
            await asyncio.wait(self.running.background.paid_tasks)
        await self.running.aclose()


class Ending(Protocol):
    """When a caller goes away (None: never), and whether the server is killed at that."""

    @property
    def gone_after_seconds(self) -> float | None: ...

    @property
    def killed(self) -> bool: ...


async def attempt_call(
    server: KillableServer, work: Coroutine[Any, Any, T], ending: Ending
) -> "asyncio.Task[T]":
    """The call, done in one way or another."""
    call = asyncio.create_task(work)
    server.calls.add(call)
    await asyncio.wait({call}, timeout=ending.gone_after_seconds)
    if not call.done():
        if ending.killed:
            await server.kill()
        else:
            call.cancel()
            await asyncio.wait({call})
    server.calls.discard(call)
    return call


def try_schedules(max_examples: int) -> Callable[[Test], Test]:
    """The settings of a property test over schedules."""
    examples = effort(
        max_examples=max_examples,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    # A killed server closes nothing; its system does.
    left_open = pytest.mark.filterwarnings(
        "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
    )

    def decorate(test: Test) -> Test:
        decorated: Test = left_open(examples(test))
        return decorated

    return decorate
