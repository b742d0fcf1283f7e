"""No schedule of faults, cancellations and kills buys twice or loses a purchase, for every tool."""

import asyncio
import contextlib
import gc
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st

import minimax_server
from minimax import runtime
from minimax.errors import MaybeChargedError, MiniMaxError
from minimax.ledger.base import Ledger
from minimax.ledger.clock import LedgerClock
from minimax.ledger.records import Kind, Record, State
from minimax.ledger.sqlite import SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, serve
from minimax.settings import Settings
from tests.spending.test_buy_once import KillableLedger, SimulatedOwner
from tests.support import samples
from tests.support.paid_jobs import PAID_TOOLS, RECORDING, PaidTool
from tests.support.virtual_time import VirtualTime

NUMBER_OF_WISHES = 2
"""Different requests, told apart in the ledger by their prompt."""
EARLIER_IN_DOUBT = "may have been charged as well"


@dataclass(frozen=True)
class Attempt:
    """One call: what goes wrong on its way, and when its caller goes away (None: never)."""

    fault: dict[str, Any] | None = None
    is_at_download: bool = False
    gone_after_seconds: float | None = None
    killed: bool = False


@dataclass(frozen=True)
class Intent:
    """One purchase that somebody wants, and what happens until they have it or stop at a doubt."""

    request: int
    server: int
    begin_seconds: float
    attempts: tuple[Attempt, ...]


@dataclass
class Told:
    """What an intent ended with.

    Attributes:
        result: What was bought; None where the caller stopped at a doubt.
        of_doubt: Whether any answer spoke of a possible charge.
    """

    result: dict[str, Any] | None = None
    of_doubt: bool = False


BEFORE_OR_AFTER: Any = st.sampled_from(["before", "after"])
INSTANT = st.sampled_from([0.0, 0.002, 0.005, 0.01, 0.02])
LONGER: Any = st.sampled_from([0.015, 0.03])
ENDS: Any = st.one_of(
    st.builds(lambda when, delay: {"when": when, "delay_seconds": delay}, BEFORE_OR_AFTER, LONGER),
    st.sampled_from([{"status": 429}, {"code": 1002}, {"code": 1008}]),
    st.builds(
        lambda end, when, delay: {**end, "when": when, "delay_seconds": delay},
        st.sampled_from([{"reset": True}, {"close": True}, {"status": 500}, {"code": 1033}]),
        BEFORE_OR_AFTER,
        INSTANT,
    ),
    st.builds(
        lambda size: {"when": "after", "cut_after_bytes": size, "announce_length": False},
        st.integers(0, 40),
    ),
)
ATTEMPTS = st.builds(
    Attempt,
    st.none() | ENDS,
    st.sampled_from([False, False, True]),
    st.none() | INSTANT | LONGER,
    st.sampled_from([False, False, True]),
)
INTENTS = st.builds(
    Intent,
    request=st.integers(0, NUMBER_OF_WISHES - 1),
    server=st.integers(0, 1),
    begin_seconds=INSTANT,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
)


class DeadProcessError(Exception):
    """A process that was killed would have decided something."""


class Server:
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
        """Kill -9: nothing that was under way gets to write another word."""
        dead, calls, work = self.running, list(self.calls), self.running.background.tasks
        self._owner.die()
        self._ledger.killed = True
        self._start()
        for task in [*calls, *work]:
            task.cancel()
        await asyncio.gather(*calls, *work, return_exceptions=True)
        with contextlib.suppress(DeadProcessError):
            await dead.aclose()


async def call_tool(server: Runtime, tool: PaidTool, request: int) -> dict[str, Any]:
    with runtime.use(server):
        return dict(await getattr(minimax_server, tool.name)(**tool.vary(request)))


async def call_until_settled(
    intent: Intent, tool: PaidTool, servers: Sequence[Server], sandbox: Sandbox
) -> Told:
    """Call until there is a result, or a doubt that only the person can settle."""
    told = Told()
    await asyncio.sleep(intent.begin_seconds)
    for attempt in itertools.chain(intent.attempts, itertools.repeat(Attempt())):
        if attempt.fault is not None:
            at_download = attempt.is_at_download and tool.has_link
            path = "/download/" if at_download else tool.path
            sandbox.faults.add(Fault(path, **attempt.fault))
        server = servers[intent.server]
        call = asyncio.create_task(call_tool(server.running, tool, intent.request))
        server.calls.add(call)
        await asyncio.wait({call}, timeout=attempt.gone_after_seconds)
        if not call.done():
            await (server.kill() if attempt.killed else cancel_and_wait(call))
        server.calls.discard(call)
        try:
            told.result = await call
        except MaybeChargedError:
            told.of_doubt = True
            if not tool.is_cheap:
                return told
        except (MiniMaxError, asyncio.CancelledError):
            continue  # nothing was charged, or nobody was told: call again with the same words
        else:
            told.of_doubt |= EARLIER_IN_DOUBT in told.result["next_step"]
            return told
    raise AssertionError


async def cancel_and_wait(call: "asyncio.Task[Any]") -> None:
    call.cancel()
    await asyncio.wait({call})


async def play(intents: list[Intent], tool: PaidTool, settings: Settings) -> None:
    sandbox, alive = Sandbox(), set[str]()
    async with serve(sandbox) as url, asyncio.timeout(120):
        settings = replace(settings, api_host=url)
        servers = [Server(settings, alive) for _ in range(2)]
        told = await asyncio.gather(
            *(call_until_settled(intent, tool, servers, sandbox) for intent in intents)
        )
        for server in servers:
            await finish_paid_work(server.running)
            await server.running.aclose()
        ledger = SqliteLedger(settings.state_dir, owner=SimulatedOwner(settings.state_dir, alive))
        found = await ledger.newest(1000, kinds=list(Kind))
        await ledger.aclose()
    check_promises(intents, told, tool, sandbox, found)


async def finish_paid_work(running: Runtime) -> None:
    while running.background.paid_tasks:
        await asyncio.wait(running.background.paid_tasks)


def check_promises(
    intents: list[Intent],
    told: Sequence[Told],
    tool: PaidTool,
    sandbox: Sandbox,
    found: list[Record],
) -> None:
    results = [each.result for each in told if each.result is not None]
    names = [tool.name_bought(result) for result in results]
    assert len(set(names)) == len(names), "one purchase was given out as two"
    accepted = [record for record in found if record.state is State.ACCEPTED]
    in_doubt = [record for record in found if record.state is State.UNKNOWN]
    assert len(accepted) <= sandbox.count_charges(tool.charge) <= len(accepted) + len(in_doubt)
    assert [record for record in found if record.state is State.SUBMITTING] == []
    for request in range(NUMBER_OF_WISHES):
        prompt = tool.vary(request)[tool.varies]
        of_request = [i for i, intent in enumerate(intents) if intent.request == request]
        bought = [record for record in accepted if record.prompt == prompt]
        had = [i for i in of_request if told[i].result is not None]
        assert len(bought) == len(had), "accepted, and not handed over exactly once"
        if any(record.prompt == prompt for record in in_doubt):
            assert any(told[i].of_doubt for i in of_request), "perhaps paid, and nobody was told"


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # a killed server closes nothing; its system does
@effort(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(intents=st.lists(INTENTS, min_size=1, max_size=4))
@pytest.mark.parametrize("tool", [pytest.param(t, id=name) for name, t in PAID_TOOLS.items()])
def test_no_schedule_buys_more_than_was_wanted_without_a_word_or_loses_what_was_bought(
    tool: PaidTool,
    intents: list[Intent],
    settings: Settings,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    samples.put(home / RECORDING, samples.wav())
    folder = tmp_path_factory.mktemp("world")
    world = replace(settings, state_dir=folder / "state", base_path=folder / "files")
    asyncio.run(play(intents, tool, world))
    gc.collect()  # here, and not in the middle of another test
