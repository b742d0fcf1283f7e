"""A host that wants to know is told what became of a job, in both protocol eras."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client

import minimax_server
from minimax.jobs.news import JobEvent, JobNews
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.support.host import MODERN, Host, host
from tests.support.paid_jobs import VIDEO, run_sandbox, server_env, start_server, wait_until

pytestmark = pytest.mark.anyio

TASKS = "minimax://tasks"
UPDATED = "notifications/resources/updated"
MESSAGE = "notifications/message"
SAVED = "is saved: "


@asynccontextmanager
async def open_host(settings: Settings) -> AsyncIterator[Host]:
    """A host of a server whose videos take a second."""
    stages = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=1)
    async with serve(Sandbox(stages=stages)) as url:
        at = replace(settings, api_host=url, auto_save=True)
        async with start_server(at) as running:
            yield running


def told(running: Host, method: str) -> list[dict[str, Any]]:
    return [each["params"] for each in running.notifications if each["method"] == method]


def updated(running: Host) -> list[str]:
    return [params["uri"] for params in told(running, UPDATED)]


def saved_messages(running: Host) -> list[str]:
    return [params["data"] for params in told(running, MESSAGE) if SAVED in params["data"]]


# --- until 2025-11-25 --------------------------------------------------------------------------


async def test_subscribers_of_the_older_era_are_told_of_every_change(settings: Settings) -> None:
    async with open_host(settings) as running:
        await running.answer("resources/subscribe", {"uri": TASKS})
        task_id = (await running.call("generate_video", **VIDEO))["task_id"]
        await running.answer("resources/subscribe", {"uri": f"{TASKS}/{task_id}"})
        await wait_until(lambda: f"{TASKS}/{task_id}" in updated(running))
        await wait_until(lambda: saved_messages(running))
        assert TASKS in updated(running)
        assert len(updated(running)) <= 10


async def test_who_has_unsubscribed_is_told_nothing(settings: Settings) -> None:
    async with open_host(settings) as running:
        await running.answer("resources/subscribe", {"uri": TASKS})
        await running.answer("resources/unsubscribe", {"uri": TASKS})
        await running.call("generate_video", **VIDEO)
        await wait_until(lambda: saved_messages(running))
        assert updated(running) == []


async def test_a_saved_video_is_told_once_and_names_its_path(settings: Settings) -> None:
    async with open_host(settings) as running:
        task_id = (await running.call("generate_video", **VIDEO))["task_id"]
        await wait_until(lambda: saved_messages(running))
        status = await running.call("query_video_generation", task_id=task_id)
        [message] = saved_messages(running)
        assert status["path"] in message
        assert len(message) < 400


async def test_a_host_that_wants_only_warnings_gets_no_message(settings: Settings) -> None:
    async with open_host(settings) as running:
        await running.answer("logging/setLevel", {"level": "warning"})
        await running.answer("resources/subscribe", {"uri": TASKS})
        task_id = (await running.call("generate_video", **VIDEO))["task_id"]
        await running.call("query_video_generation", task_id=task_id, wait_seconds=20)
        assert told(running, MESSAGE) == []


# --- since 2026-07-28 --------------------------------------------------------------------------


def modern(**meta: Any) -> dict[str, Any]:
    return {"_meta": {**MODERN, **meta}}


async def call_modern(running: Host, name: str, meta: Any = None, **arguments: Any) -> Any:
    params = {"name": name, "arguments": arguments, **modern(**(meta or {}))}
    return (await running.answer("tools/call", params))["result"]["structuredContent"]


@asynccontextmanager
async def open_modern_host(settings: Settings) -> AsyncIterator[Host]:
    stages = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=1)
    async with serve(Sandbox(stages=stages)) as url:
        at = replace(settings, api_host=url, auto_save=True)
        async with host(env=server_env(at)) as running:
            yield running


async def test_listeners_of_the_newer_era_are_told_of_every_change(settings: Settings) -> None:
    async with open_modern_host(settings) as running:
        await running.answer("tools/list", modern())  # the start may take longer than a wait
        wanted = {"notifications": {"resourceSubscriptions": [TASKS]}}
        running.ask("subscriptions/listen", {**wanted, **modern()})
        await wait_until(lambda: told(running, "notifications/subscriptions/acknowledged"))
        await call_modern(running, "generate_video", **VIDEO)
        await wait_until(lambda: len(updated(running)) >= 2)
        assert set(updated(running)) == {TASKS}
        assert await running.close(limit_seconds=3) == 0


async def test_a_request_that_wants_messages_gets_those_that_wait(settings: Settings) -> None:
    wants = {"io.modelcontextprotocol/logLevel": "info"}
    async with open_modern_host(settings) as running:
        task_id = (await call_modern(running, "generate_video", **VIDEO))["task_id"]
        await call_modern(running, "query_video_generation", task_id=task_id, wait_seconds=20)
        assert told(running, MESSAGE) == []
        for _ in range(2):
            await call_modern(running, "list_video_tasks", wants)
        assert len(saved_messages(running)) == 1


# --- what is read then -------------------------------------------------------------------------


async def test_the_resource_of_a_job_says_how_it_stands(settings: Settings) -> None:
    async with open_host(settings) as running:
        task_id = (await running.call("generate_video", **VIDEO))["task_id"]
        found = await running.answer("resources/read", {"uri": f"{TASKS}/{task_id}"})
        assert f'"task_id": "{task_id}"' in found["result"]["contents"][0]["text"]


async def test_the_resource_of_a_job_that_is_not_known_is_an_error_in_a_sentence(
    settings: Settings,
) -> None:
    async with run_sandbox(settings) as (_, at), start_server(at) as running:
        found = await running.answer("resources/read", {"uri": f"{TASKS}/12345"})
        assert "was not bought from this computer" in found["error"]["message"]


# --- nothing hangs on it -----------------------------------------------------------------------


def test_a_listener_that_fails_keeps_news_from_nobody(settings: Settings) -> None:
    heard: list[JobEvent] = []

    def fail(event: JobEvent) -> None:
        raise RuntimeError(event)

    news = JobNews(Runtime(lambda: settings))
    for listener in (fail, heard.append):
        news.listen(listener)
    news.note_status("7", "queued")
    news.note_status("7", "queued")
    news.note_status("7", "processing")
    assert [event.status for event in heard] == ["queued", "processing"]


async def test_a_host_that_left_is_no_error(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Runtime] = []
    server = minimax_server.make_server(lambda: settings, on_runtime=made.append)
    async with Client(server) as client:
        await client.list_tools()
        news = made[0].get_shared(JobNews)
    news.note_status("7", "completed")
    await asyncio.sleep(0)
    assert caplog.records == []
