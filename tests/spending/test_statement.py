"""The statement: what was spent, what may be spent, and what the plan has left."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp_types import TextResourceContents
from pydantic import SecretStr

import minimax_server
from minimax.api.replies import PlanQuota
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.spending.statement import kind_of_key, summarize_quota
from tests.support.in_process import call, connected

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def account(
    settings: Settings, sandbox: Sandbox, key: str = "sk-cp-0123456789", **changes: Any
) -> AsyncIterator[Client]:
    """A host whose key the sandbox knows."""
    sandbox.keys = None
    at = replace(settings, api_key=SecretStr(key), sandbox=False, **changes)
    async with connected(at, sandbox) as client:
        yield client


async def test_the_sums_are_the_list_prices_by_tool(settings: Settings, sandbox: Sandbox) -> None:
    async with account(settings, sandbox) as client:
        await call(client, "generate_video", prompt="a fox")
        await call(client, "text_to_image", prompt="a fox", n=2)
        await call(client, "text_to_image", prompt="an owl")
        status = await call(client, "account_status")
    assert status["spent_24_hours_usd"] == {"generate_video": 0.28, "text_to_image": 0.0105}
    assert status["spent_7_days_usd"] == status["spent_30_days_usd"] == status["spent_24_hours_usd"]
    assert status["spent_by_day_usd"] == [0.2905, 0, 0, 0, 0, 0, 0]
    assert status["daily_limit_usd"] == 20
    assert status["left_of_limit_usd"] == 19.7095
    assert status["open_jobs"] == 1
    assert "$0.29" in status["next_step"]


async def test_the_resource_tells_the_same_as_the_tool(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with account(settings, sandbox) as client:
        await call(client, "text_to_image", prompt="a fox")
        status = await call(client, "account_status")
        [content] = (await client.read_resource("minimax://spending")).contents
    assert isinstance(content, TextResourceContents)
    told = json.loads(content.text)
    assert told["spent_by_day_usd"] == status["spent_by_day_usd"] == [0.0035, 0, 0, 0, 0, 0, 0]
    assert told.keys() == status.keys()


async def test_a_plan_key_is_told_what_its_plan_has_left(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with account(settings, sandbox) as client:
        status = await call(client, "account_status")
    assert status["key_kind"] == "subscription plan"
    assert [row["name"] for row in status["plan_quota"]] == ["general", "video"]
    assert {row["remaining_percent"] for row in status["plan_quota"]} == {100.0}


async def test_a_key_without_a_plan_is_told_that_it_has_a_balance(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with account(settings, sandbox, "sk-api-0123456789") as client:
        status = await call(client, "account_status")
    assert status["key_kind"] == "pay-as-you-go"
    assert status["plan_quota"] == []
    assert "has no quota but a balance" in status["next_step"]
    assert not any(seen.path == "/v1/token_plan/remains" for seen in sandbox.requests)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("/v1/token_plan", code=1004), id="refused"),
        pytest.param(Fault("/v1/token_plan", status=404, body=b"no such page"), id="not there"),
    ],
)
async def test_a_quota_that_cannot_be_read_leaves_the_rest_of_the_statement(
    settings: Settings, sandbox: Sandbox, fault: Fault
) -> None:
    sandbox.faults.add(fault)
    async with account(settings, sandbox) as client:
        await call(client, "text_to_image", prompt="a fox")
        status = await call(client, "account_status")
    assert status["spent_24_hours_usd"] == {"text_to_image": 0.0035}
    assert "quota could not be read" in status["next_step"]


async def test_without_a_key_the_statement_still_tells_the_sums(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(replace(settings, api_key=None), sandbox) as client:
        status = await call(client, "account_status")
    assert status["key_kind"] == "no key yet"
    assert "MINIMAX_API_KEY" in status["next_step"]


async def test_in_the_sandbox_nothing_was_spent_and_the_sums_are_what_it_would_have_cost(
    settings: Settings, sandbox: Sandbox
) -> None:
    at = replace(settings, api_host=sandbox.url, sandbox=True)
    async with Client(minimax_server.make_server(lambda: at)) as client:
        await call(client, "generate_video", prompt="a fox")
        status = await call(client, "account_status")
    assert status["next_step"].startswith(
        "Sandbox: every file is a sample, nothing is charged. Spent: $0.00; "
    )
    assert "would have been $0.28" in status["next_step"]
    assert status["region"] == "sandbox"


@pytest.mark.parametrize(
    ("limit_usd", "sentence"),
    [
        pytest.param(None, "No daily limit is set.", id="off"),
        pytest.param(0.0, "The daily limit is $0.00", id="nothing"),
        pytest.param(3.5, "The daily limit is $3.50", id="some"),
    ],
)
async def test_the_limit_in_force_is_told(
    settings: Settings, sandbox: Sandbox, limit_usd: float | None, sentence: str
) -> None:
    async with account(settings, sandbox, daily_limit_usd=limit_usd) as client:
        status = await call(client, "account_status")
    assert sentence in status["next_step"]
    assert status["daily_limit_usd"] == status["left_of_limit_usd"] == limit_usd


# --- both forms of the plan's reply ------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            {
                "model_name": "general",
                "end_time": 1780516800000,
                "current_interval_total_count": 0,
                "current_interval_usage_count": 0,
                "current_interval_remaining_percent": 13,
                "current_weekly_remaining_percent": 98,
                "weekly_end_time": 1780963200000,
            },
            ("general", 13, "2026-06-03T20:00:00Z", 98, "2026-06-09T00:00:00Z"),
            id="percentages",
        ),
        pytest.param(
            {
                "model_name": "MiniMax-M2",
                "current_interval_total_count": 1500,
                "current_interval_usage_count": 1200,
                "current_weekly_total_count": 15000,
                "current_weekly_usage_count": 3000,
            },
            ("MiniMax-M2", 80, None, 20, None),
            id="counts of what remains",
        ),
        pytest.param(
            {
                "current_interval_total_count": 10,
                "current_interval_usage_count": 10,
                "current_interval_remaining_percent": "0",
            },
            ("", 0, None, None, None),
            id="the percentage wins",
        ),
        pytest.param(
            {"model_name": "video", "end_time": "soon", "current_interval_remaining_percent": "?"},
            ("video", None, None, None, None),
            id="odd values",
        ),
        pytest.param(
            {"end_time": 10**30}, ("", None, None, None, None), id="a time of no calendar"
        ),
    ],
)
def test_each_form_of_a_quota_is_read_field_by_field(
    reply: dict[str, Any], expected: tuple[object, ...]
) -> None:
    assert tuple(summarize_quota(PlanQuota.model_validate(reply)).values()) == expected


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        pytest.param("sk-cp-abcdef", "subscription plan", id="plan"),
        pytest.param("sk-api-abcdef", "pay-as-you-go", id="pay as you go"),
        pytest.param("eyJhbGciOi", "unknown", id="older key"),
    ],
)
def test_the_kind_of_a_key_is_read_from_its_first_letters(key: str, kind: str) -> None:
    assert kind_of_key(SecretStr(key)) == kind
    assert kind_of_key(None) == "no key yet"
