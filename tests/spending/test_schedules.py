"""No schedule of faults, cancellations and kills buys twice or loses a purchase, for every tool."""

import asyncio
import gc
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minimax_server
from minimax import runtime
from minimax.errors import MaybeChargedError, MiniMaxError
from minimax.ledger.records import Kind, Record, State
from minimax.ledger.sqlite import SqliteLedger
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox, serve
from minimax.settings import Settings
from tests.conftest import AT_ONCE
from tests.support.killable import (
    BEFORE_OR_AFTER,
    INSTANT,
    LONGER,
    KillableServer,
    SimulatedOwner,
    attempt_call,
    try_schedules,
)
from tests.support.paid_jobs import PAID_TOOLS, PaidTool, put_recordings, put_sources

NUMBER_OF_WISHES = 2
"""Different requests, told apart in the ledger by their prompt."""
EARLIER_IN_DOUBT = "may have been charged as well"


@dataclass(frozen=True)
class Attempt:
    """One call: what goes wrong on its way, and when its caller goes away (None: never).

    After a pause the next one begins.
    """

    fault: dict[str, Any] | None = None
    is_at_download: bool = False
    gone_after_seconds: float | None = None
    killed: bool = False
    pause_seconds: float = 0.0


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
    st.sampled_from([0.0, 0.0, 0.05]),
)
INTENTS = st.builds(
    Intent,
    request=st.integers(0, NUMBER_OF_WISHES - 1),
    server=st.integers(0, 1),
    begin_seconds=INSTANT,
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
)


async def call_tool(server: Runtime, tool: PaidTool, request: int) -> dict[str, Any]:
    with runtime.use(server):
        return dict(await getattr(minimax_server, tool.name)(**tool.vary(request)))


async def call_until_settled(
    intent: Intent, tool: PaidTool, servers: Sequence[KillableServer], sandbox: Sandbox
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
        call = await attempt_call(server, call_tool(server.running, tool, intent.request), attempt)
        try:
            told.result = await call
        except MaybeChargedError:
            told.of_doubt = True
            if not tool.is_cheap:
                return told
        except (MiniMaxError, asyncio.CancelledError):
            # Nothing was charged, or nobody was told: call again with the same words.
            await asyncio.sleep(attempt.pause_seconds)
        else:
            told.of_doubt |= EARLIER_IN_DOUBT in told.result["next_step"]
            return told
    raise AssertionError


async def play(intents: list[Intent], tool: PaidTool, settings: Settings) -> None:
    sandbox, alive = Sandbox(stages=AT_ONCE), set[str]()
    put_sources(sandbox)
    async with serve(sandbox) as url, asyncio.timeout(120):
        settings = replace(settings, api_host=url)
        servers = [KillableServer(settings, alive) for _ in range(2)]
        told = await asyncio.gather(
            *(call_until_settled(intent, tool, servers, sandbox) for intent in intents)
        )
        for server in servers:
            await server.finish()
        ledger = SqliteLedger(settings.state_dir, owner=SimulatedOwner(settings.state_dir, alive))
        found = await ledger.newest(1000, kinds=list(Kind))
        await ledger.aclose()
    check_promises(intents, told, tool, sandbox, found)


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
        prompt = tool.list_prompt(request)
        of_request = [i for i, intent in enumerate(intents) if intent.request == request]
        bought = [record for record in accepted if record.prompt == prompt]
        had = [i for i in of_request if told[i].result is not None]
        assert len(bought) == len(had), "accepted, and not handed over exactly once"
        if any(record.prompt == prompt for record in in_doubt):
            assert any(told[i].of_doubt for i in of_request), "perhaps paid, and nobody was told"


TRIED = [pytest.param(tool, False, id=name) for name, tool in PAID_TOOLS.items()]
FOLLOWED = [
    pytest.param(PAID_TOOLS[name], True, id=f"{name}-followed")
    for name in ("generate_video", "long_text_to_audio-long")
]


@try_schedules(15)
@given(intents=st.lists(INTENTS, min_size=1, max_size=4))
@pytest.mark.parametrize(("tool", "auto_save"), [*TRIED, *FOLLOWED])
def test_no_schedule_buys_more_than_was_wanted_without_a_word_or_loses_what_was_bought(
    tool: PaidTool,
    auto_save: bool,
    intents: list[Intent],
    settings: Settings,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    put_recordings(home)
    folder = tmp_path_factory.mktemp("world")
    world = replace(
        settings,
        state_dir=folder / "state",
        base_path=folder / "files",
        auto_save=auto_save,
    )
    asyncio.run(play(intents, tool, world))
    gc.collect()  # here, and not in the middle of another test
