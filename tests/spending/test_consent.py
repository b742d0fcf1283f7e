"""What costs more than the owner agreed to is put before the person, where the host can ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.server import MCPServer
from mcp_types import ElicitRequestParams, ElicitResult, ToolAnnotations
from pydantic import BaseModel

import minimax_server
from minimax.errors import DeclinedError, InputError, MiniMaxError
from minimax.protocol.question import Answered, Form
from minimax.protocol.strict_tool import Toolbox
from minimax.runtime import Runtime
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.spending.consent import Consent, PriceAnswer, Quote
from minimax.video import upscale
from minimax.voice import clone
from tests.support import samples
from tests.support.in_process import call, failure, use_runtime
from tests.support.paid_jobs import (
    LECTURE,
    SOURCE,
    cancel_call,
    put_recordings,
    put_sources,
    wait_until,
)
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
BOTH_ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
"""The era that asks in the result of the call, and the one that asks in a request of its own."""

GO_ON = ElicitResult(action="accept", content={"choice": "Go on"})
ASK_NO_MORE = ElicitResult(
    action="accept", content={"choice": "Go on, and do not ask again up to this price"}
)
STOP = ElicitResult(action="accept", content={"choice": "Stop"})


@dataclass
class Person:
    """Answers every question in the same way, and keeps the questions."""

    answer: ElicitResult
    questions: list[str] = field(default_factory=list)
    schemas: list[Any] = field(default_factory=list)

    async def __call__(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult:
        self.questions.append(params.message)
        self.schemas.append(getattr(params, "requested_schema", None))
        return self.answer


@asynccontextmanager
async def host(
    settings: Settings, sandbox: Sandbox, mode: Mode, person: Person | None, **changes: Any
) -> AsyncIterator[Client]:
    at = replace(settings, api_host=sandbox.url, sandbox=False, **changes)
    server = minimax_server.make_server(lambda: at)
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        yield client


def count_paid(sandbox: Sandbox) -> int:
    paid = (
        *(
            "/v1/video_generation",
            "/v1/t2a_v2",
            "/v1/t2a_async_v2",
            "/v1/image_generation",
            "/v1/voice_design",
        ),
        "/v2/video_regeneration",
        "/v1/speech_to_text",
    )
    return sum(seen.method == "POST" and seen.path in paid for seen in sandbox.requests)


@BOTH_ERAS
async def test_the_price_is_shown_and_a_yes_buys_once(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(GO_ON)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.10) as client:
        job = await call(client, "generate_video", prompt="a fox")
    [question] = person.questions
    assert "A video (MiniMax-Hailuo-2.3, 768P, 6 s): it costs $0.28" in question
    assert job["task_id"]
    assert count_paid(sandbox) == 1


@BOTH_ERAS
async def test_a_long_speech_shows_its_price_and_is_free_to_estimate(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(GO_ON)
    words = {"text": "Hello. " * 1000}
    async with host(settings, sandbox, mode, person) as client:
        await call(client, "long_text_to_audio", **words, dry_run=True)
        assert person.questions == []
        await call(client, "long_text_to_audio", **words)
    [question] = person.questions
    assert "Speech of 7,000 characters (speech-2.8-hd): it costs $0.70" in question
    assert count_paid(sandbox) == 1


@BOTH_ERAS
async def test_the_form_has_one_required_choice_and_nothing_else(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(STOP)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.10) as client:
        await failure(client, "generate_video", prompt="a fox")
    [schema] = person.schemas
    assert list(schema["properties"]) == schema["required"] == ["choice"]
    assert "default" not in schema["properties"]["choice"]
    assert schema["properties"]["choice"]["enum"][0] == "Stop"


@BOTH_ERAS
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(STOP, id="stop"),
        pytest.param(ElicitResult(action="decline"), id="declined"),
        pytest.param(ElicitResult(action="cancel"), id="cancelled"),
        pytest.param(ElicitResult(action="accept", content={}), id="empty form"),
        pytest.param(ElicitResult(action="accept"), id="accepted unseen"),
        pytest.param(
            ElicitResult(action="accept", content={"choice": "yes"}), id="no choice of the form"
        ),
        pytest.param(ElicitResult(action="accept", content={"ok": True}), id="another form"),
    ],
)
async def test_anything_but_a_yes_sends_nothing(
    settings: Settings, sandbox: Sandbox, mode: Mode, answer: ElicitResult
) -> None:
    async with host(settings, sandbox, mode, Person(answer), ask_above_usd=0.10) as client:
        text = await failure(client, "generate_video", prompt="a fox")
    assert "Nothing was sent" in text
    assert count_paid(sandbox) == 0


@BOTH_ERAS
async def test_a_no_holds_for_one_call_only(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(STOP)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.10) as client:
        await failure(client, "generate_video", prompt="a fox")
        person.answer = GO_ON
        await call(client, "generate_video", prompt="a fox")
        await call(client, "generate_video", prompt="an owl")
    assert len(person.questions) == 3
    assert count_paid(sandbox) == 2


@BOTH_ERAS
async def test_ask_no_more_holds_up_to_this_price_and_not_above(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(ASK_NO_MORE)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.10) as client:
        await call(client, "generate_video", prompt="a fox")
        await call(client, "generate_video", prompt="an owl")
        await call(client, "generate_video", prompt="an owl in the rain", duration=10)
    assert len(person.questions) == 2
    assert count_paid(sandbox) == 3


@BOTH_ERAS
async def test_a_host_that_cannot_ask_is_not_asked(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    async with host(settings, sandbox, mode, None, ask_above_usd=0.0) as client:
        await call(client, "generate_video", prompt="a fox")
    assert count_paid(sandbox) == 1


@pytest.mark.parametrize(
    ("ask_above_usd", "asked"),
    [
        pytest.param(0.0, True, id="always"),
        pytest.param(0.27, True, id="below the price"),
        pytest.param(0.28, False, id="the price itself"),
        pytest.param(None, False, id="off"),
    ],
)
async def test_only_what_costs_more_than_the_setting_is_asked(
    settings: Settings, sandbox: Sandbox, ask_above_usd: float | None, asked: bool
) -> None:
    person = Person(GO_ON)
    async with host(settings, sandbox, "auto", person, ask_above_usd=ask_above_usd) as client:
        await call(client, "generate_video", prompt="a fox")
    assert bool(person.questions) is asked


@BOTH_ERAS
async def test_a_dry_run_and_a_wrong_argument_do_not_ask(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    person = Person(GO_ON)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.0) as client:
        await call(client, "generate_video", prompt="a fox", dry_run=True)
        await failure(client, "generate_video", prompt="a fox", duration=7)
        await failure(client, "generate_video", first_frame="/nowhere/at/all.png")
    assert person.questions == []
    assert count_paid(sandbox) == 0


@BOTH_ERAS
@pytest.mark.parametrize(
    ("tool", "arguments", "what"),
    [
        pytest.param("text_to_audio", {"text": "Good day."}, "Speech of 9 characters", id="speech"),
        pytest.param("text_to_image", {"prompt": "a fox", "n": 2}, "2 images", id="images"),
        pytest.param(
            "voice_design", {"prompt": "old sailor", "preview_text": "Ahoy."}, "voice", id="design"
        ),
        pytest.param(
            "transcribe_audio", {"audio": f"~/{LECTURE}"}, "A transcript", id="transcript"
        ),
    ],
)
async def test_every_paid_tool_asks_before_it_sends(
    settings: Settings,
    sandbox: Sandbox,
    mode: Mode,
    tool: str,
    arguments: dict[str, Any],
    what: str,
    home: Path,
) -> None:
    put_recordings(home)
    person = Person(STOP)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.0) as client:
        await failure(client, tool, **arguments)
        assert count_paid(sandbox) == 0
        person.answer = GO_ON
        await call(client, tool, **arguments)
    assert what in person.questions[0]
    assert len(person.questions) == 2
    assert count_paid(sandbox) == 1


@BOTH_ERAS
async def test_an_upscale_asks_for_its_price_and_neither_a_dry_run_nor_a_refused_one_does(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    put_sources(sandbox)
    person = Person(STOP)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.20) as client:
        await call(client, "upscale_video", task_id=SOURCE, dry_run=True)
        await failure(client, "upscale_video", task_id="unknown")
        assert person.questions == []
        await failure(client, "upscale_video", task_id=SOURCE)
        assert count_paid(sandbox) == 0
        person.answer = GO_ON
        await call(client, "upscale_video", task_id=SOURCE)
    assert "A video in 2K (MiniMax-H3, 5 s): it costs $0.25" in person.questions[0]
    assert len(person.questions) == 2
    assert count_paid(sandbox) == 1


@BOTH_ERAS
async def test_an_upscale_that_is_handed_over_asks_nothing(
    settings: Settings, sandbox: Sandbox, mode: Mode
) -> None:
    put_sources(sandbox)
    person = Person(GO_ON)
    at = replace(settings, api_host=sandbox.url)
    slow = Fault("/v2/video_regeneration", when="after", delay_seconds=0.2)
    sandbox.faults.add(slow)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.0) as client:
        running = Runtime(lambda: at)
        await cancel_call(
            upscale.upscale(running, SOURCE), once=lambda: sandbox.count_charges("regeneration")
        )
        await asyncio.wait(running.background.tasks)
        await running.aclose()
        job = await call(client, "upscale_video", task_id=SOURCE)
    assert job["reused"]
    assert person.questions == []


@BOTH_ERAS
async def test_a_clone_asks_for_its_preview_and_not_without_one(
    settings: Settings, sandbox: Sandbox, mode: Mode, home: Path
) -> None:
    recording = home / "me.wav"
    recording.write_bytes(samples.wav())
    person = Person(STOP)
    async with host(settings, sandbox, mode, person, ask_above_usd=0.0) as client:
        await failure(client, "voice_clone", audio=str(recording), preview_text="Hello.")
        assert len(person.questions) == 1
        assert not any(seen.path == "/v1/files/upload" for seen in sandbox.requests)
        await call(client, "voice_clone", audio=str(recording))
    assert len(person.questions) == 1


async def test_a_clone_whose_answer_was_lost_is_handed_over_without_a_question(
    settings: Settings, sandbox: Sandbox, time: VirtualTime, home: Path
) -> None:
    recording = str(samples.put(home / "me.wav", samples.wav()))
    request = clone.CloneRequest(audio=recording, preview_text="Hello.")
    asking = replace(settings, ask_above_usd=0.0)
    async with use_runtime(asking, sandbox, time) as running:
        assert await clone.quote(running, request) is not None
        leaving = asyncio.create_task(clone.clone(running, request))
        await wait_until(lambda: running.background.tasks)
        leaving.cancel()
        await asyncio.wait({leaving, *running.background.tasks})
        assert await clone.quote(running, request) is None


# --- a host that promises to ask and never answers ---------------------------------------------


class Choice(BaseModel):
    choice: str


async def test_a_mute_host_gets_an_answer_within_the_time_to_answer() -> None:
    heard: list[Answered] = []

    async def ask(_: Any) -> Form | None:
        return Form("May it?", Choice)

    async def apply_answer(answered: Answered, _: Any) -> None:
        heard.append(answered)
        raise DeclinedError("No answer came in time. Nothing was sent.")

    box = Toolbox(
        user_error=MiniMaxError,
        argument_error=InputError,
        longest_call_seconds=5,
        answer_seconds=0.05,
    )

    @box.tool(title="Buy", annotations=ToolAnnotations(), ask=ask, apply_answer=apply_answer)
    async def buy() -> str:
        raise AssertionError("bought without a word")

    async def stay_mute(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError

    server = MCPServer("mute", tools=box.tools)
    async with Client(server, mode="legacy", elicitation_callback=stay_mute) as client:
        text = await failure(client, "buy")
    assert text == "No answer came in time. Nothing was sent."
    assert heard == [Answered(None, in_time=False)]


def agree_to_nothing(settings: Settings) -> Consent:
    return Consent(Runtime(lambda: replace(settings, ask_above_usd=0.0)))


def test_who_did_not_answer_in_time_is_asked_no_more(settings: Settings) -> None:
    consent, quote = agree_to_nothing(settings), Quote("A video", 0.28)
    assert consent.must_ask(quote)
    with pytest.raises(DeclinedError, match="Nothing was sent"):
        consent.apply_answer(None, quote, in_time=False)
    assert not consent.must_ask(quote)


def test_what_has_no_list_price_counts_and_is_asked_as_such(settings: Settings) -> None:
    consent = Consent(Runtime(lambda: replace(settings, ask_above_usd=0.5)))
    quote = Quote("A designed voice", None)
    assert consent.must_ask(quote)
    assert "names no list price" in consent.write_question(quote)
    consent.apply_answer(
        PriceAnswer(choice="Go on, and do not ask again up to this price"), quote, in_time=True
    )
    assert not consent.must_ask(quote)
