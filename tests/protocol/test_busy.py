"""The newest call is refused while too much is under way; looks, lists and pings are not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

import minimax_server
from minimax.protocol.busy import HEAVY_CHARACTERS, BusyLimits, RefuseWhenBusy
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, VideoStages, serve
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support.host import LIMIT_SECONDS, host

pytestmark = pytest.mark.anyio

LIMITS = BusyLimits(calls=3, looks=2, characters=10 * HEAVY_CHARACTERS)
ADVICE = "Looks still work."
HANDLED = {"handled": True}
HEAVY = "x" * (4 * HEAVY_CHARACTERS)


class Server:
    """What the limits protect: calls that end when the test lets them, and their work."""

    def __init__(self) -> None:
        self.work: list[asyncio.Task[Any]] = []
        self.ends = asyncio.Event()
        self.begun = 0
        self.limits = RefuseWhenBusy(
            is_look=lambda tool, arguments: tool == "look" and not arguments.get("wait"),
            unfinished_work=lambda _: self.work,
            advice=ADVICE,
            limits=LIMITS,
        )

    async def handle(self, _: Any) -> Any:
        self.begun += 1
        await self.ends.wait()
        return HANDLED

    async def request(
        self, method: str, params: Mapping[str, Any], *, version: str = "2025-11-25"
    ) -> Any:
        ctx = ServerRequestContext(
            session=cast("Any", None),
            lifespan_context=None,
            protocol_version=version,
            method=method,
            params=params,
            request_id=1,
        )
        return await self.limits(ctx, self.handle)

    def start(
        self, method: str = "tools/call", name: str = "make", **arguments: Any
    ) -> asyncio.Task[Any]:
        return asyncio.create_task(self.request(method, {"name": name, "arguments": arguments}))

    def leave_work(self) -> asyncio.Event:
        """Work that goes on until the event."""
        end = asyncio.Event()
        self.work.append(asyncio.create_task(end.wait()))
        return end


@asynccontextmanager
async def busy_server(*, calls: int = 0, looks: int = 0) -> AsyncIterator[Server]:
    """A server with so much in progress."""
    server = Server()
    tasks = [server.start() for _ in range(calls)] + [
        server.start(name="look") for _ in range(looks)
    ]
    await turns()
    assert server.begun == calls + looks
    try:
        yield server
    finally:
        server.ends.set()
        assert await asyncio.gather(*tasks) == [HANDLED] * len(tasks)
        for task in server.work:
            task.cancel()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def refusal(result: Any) -> str:
    assert result["isError"]
    return str(result["content"][0]["text"])


async def test_the_newest_call_is_refused_with_a_sentence_and_not_begun() -> None:
    async with busy_server(calls=3) as server:
        text = refusal(await server.start())
        assert "busy with 3 calls" in text
        assert "nothing was charged" in text
        assert ADVICE in text
        assert server.begun == 3


async def test_a_call_that_ended_makes_room_for_another() -> None:
    async with busy_server(calls=2) as server:
        third = server.start()
        await turns()
        assert refusal(await server.start())
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
        fourth = server.start()
        await turns()
        assert server.begun == 4
        server.ends.set()
        assert await fourth == HANDLED


@pytest.mark.parametrize(
    "method", ["ping", "tools/list", "initialize", "server/discover", "prompts/get"]
)
async def test_what_is_answered_from_memory_is_never_refused(method: str) -> None:
    async with busy_server(calls=3, looks=2) as server:
        server.ends.set()
        assert await server.request(method, {}) == HANDLED


async def test_looks_have_a_number_of_their_own() -> None:
    async with busy_server(calls=3, looks=1) as server:
        look = server.start(name="look")
        await turns()
        assert server.begun == 5
        assert "2 looks" in refusal(await server.start(name="look"))
        assert "3 calls" in refusal(await server.start(name="look", wait=45))
        server.ends.set()
        assert await look == HANDLED


@pytest.mark.parametrize("method", ["resources/read", "completion/complete"])
async def test_other_requests_are_refused_with_an_error_of_the_protocol(method: str) -> None:
    async with busy_server(looks=2) as server:
        with pytest.raises(MCPError, match="busy with 2 looks"):
            await server.request(method, {})


async def test_work_for_callers_that_are_gone_counts_until_it_ends() -> None:
    async with busy_server() as server:
        ends = [server.leave_work() for _ in range(3)]
        assert "the work of 3 earlier calls" in refusal(await server.start())
        ends[0].set()
        await turns()
        server.ends.set()
        assert await server.start() == HANDLED


async def test_heavy_arguments_are_limited_together_and_a_single_one_never() -> None:
    async with busy_server() as server:
        alone = server.start(audio=HEAVY * 3)
        await turns()
        assert server.begun == 1
        assert "arguments" in refusal(await server.start(images=[{"url": HEAVY}]))
        light = server.start(text="x" * (HEAVY_CHARACTERS // 2))
        await turns()
        assert server.begun == 2
        server.ends.set()
        assert [await alone, await light] == [HANDLED, HANDLED]
        assert await server.start(audio=HEAVY) == HANDLED


async def test_heavy_arguments_count_as_long_as_the_work_that_they_began() -> None:
    async with busy_server() as server:
        call = server.start(audio=HEAVY * 2)
        await turns()
        end = server.leave_work()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert "arguments" in refusal(await server.start(audio=HEAVY))
        end.set()
        await turns()
        server.ends.set()
        assert await server.start(audio=HEAVY) == HANDLED


@pytest.mark.parametrize(
    ("version", "result_type"), [("2025-11-25", None), ("2026-07-28", "complete")]
)
async def test_a_refusal_has_the_form_of_its_protocol_era(
    version: str, result_type: str | None
) -> None:
    async with busy_server(calls=3) as server:
        refused = await server.request("tools/call", {"name": "make"}, version=version)
        assert refused.get("resultType") == result_type


LOOKS = {
    "a list of jobs": ("list_video_tasks", {}, True),
    "a question about a job": ("query_video_generation", {"task_id": "1"}, True),
    "a question that waits for nothing": ("query_video_generation", {"wait_seconds": 0}, True),
    "a wait for a job": ("query_video_generation", {"wait_seconds": 45}, False),
    "something paid": ("generate_video", {"prompt": "x"}, False),
    "a download": ("retrieve_video_file", {"file_id": "1"}, False),
    "no tool": ("nonsense", {}, False),
}


@pytest.mark.parametrize(("tool", "arguments", "is_look"), LOOKS.values(), ids=LOOKS)
def test_what_only_looks(tool: str, arguments: dict[str, Any], is_look: bool) -> None:
    assert minimax_server._only_looks(tool, arguments) is is_look


async def test_the_servers_limits_know_its_background_work(settings: Settings) -> None:
    opened = Runtime(lambda: settings)
    opened.background.start("work", asyncio.Event().wait)
    [limits] = [
        each
        for each in minimax_server.make_server()._lowlevel_server.middleware
        if isinstance(each, RefuseWhenBusy)
    ]
    assert list(limits._unfinished_work(opened)) == opened.background.tasks != []
    await opened.aclose()


async def test_a_server_with_too_many_waits_refuses_the_newest_and_answers_looks_and_pings() -> (
    None
):
    most = BusyLimits().calls
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(stages=VideoStages(processing_seconds=1e6))
        url = await stack.enter_async_context(serve(sandbox))
        async with host(env={"MINIMAX_API_KEY": KEY, "MINIMAX_API_HOST": url}) as served:
            await served.handshake()
            job = await served.call("generate_video", prompt="x")
            wait = {"task_id": job["task_id"], "wait_seconds": 45}
            waits = [served.start("query_video_generation", **wait)[1] for _ in range(most)]
            text = await served.failure("query_video_generation", **wait)
            assert f"busy with {most} calls" in text
            assert "list_video_tasks" in text
            await asyncio.wait_for(served.answer("ping"), LIMIT_SECONDS)
            await served.call("query_video_generation", task_id=job["task_id"])
            assert len((await served.call("list_video_tasks"))["tasks"]) == 1
            assert not any(wait.done() for wait in waits)
            assert await served.close() == 0
    assert "Traceback" not in served.stderr
