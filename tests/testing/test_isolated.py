"""`minimax.testing`: one clock for both sides, and nothing of the developer's is touched."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client

from minimax import runtime
from minimax.errors import SettingsError, SpendingLimitError
from minimax.sandbox import Fault, VideoStages
from minimax.testing import IsolatedSandbox
from minimax_server import (
    MiniMax,
    account_status,
    generate_video,
    list_video_tasks,
    list_voices,
    make_server,
    query_video_generation,
    retrieve_video_file,
    text_to_audio,
    voice_clone,
)
from tests.support.host import ROOT
from tests.support.in_process import call
from tests.support.paid_jobs import wait_until

pytestmark = pytest.mark.anyio

TEN_MINUTES = VideoStages(preparing_seconds=0, queueing_seconds=0, processing_seconds=600)


@pytest.fixture(autouse=True)
def developer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A developer who has this package configured for real use."""
    monkeypatch.setattr("minimax.settings.read_env_file", lambda *_: {})
    monkeypatch.setenv("MINIMAX_API_KEY", "sk-api-of-the-developer")
    monkeypatch.setenv("MINIMAX_API_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("MINIMAX_VIDEO_MODEL", "MiniMax-H3")
    return home


async def request(prompt: str = "a dog") -> str:
    return str((await generate_video(prompt))["task_id"])


# --- one clock ---------------------------------------------------------------------------------


async def test_waiting_moves_the_clock_of_both_sides_and_takes_no_real_time() -> None:
    async with IsolatedSandbox(stages=TEN_MINUTES) as sandbox:
        task_id = await request()
        before, real = sandbox.clock.now(), time.monotonic()
        statuses: list[str] = []
        while statuses[-1:] != ["completed"]:
            status = await query_video_generation(task_id, wait_seconds=45)
            statuses.append(status["status"])
        waited, took = sandbox.clock.now() - before, time.monotonic() - real
        assert set(statuses) == {"processing", "completed"}
        assert len(statuses) == 600 // 45 + 1
        assert waited >= 600 > took * 10


async def test_advancing_the_clock_moves_jobs_the_ledger_and_the_daily_limit() -> None:
    limit = {"MINIMAX_MCP_DAILY_LIMIT_USD": "0.30"}
    async with IsolatedSandbox(environ=limit) as sandbox:
        task_id = await request()
        assert (await query_video_generation(task_id))["status"] == "queued"
        with pytest.raises(SpendingLimitError):
            await request("another")
        sandbox.clock.advance(25 * 3600)
        assert (await query_video_generation(task_id))["status"] == "completed"
        await request("another")
        assert sandbox.count_charges("video") == 2


async def test_pauses_between_attempts_take_no_real_time() -> None:
    async with IsolatedSandbox() as sandbox:
        headers = {"Retry-After": "10"}
        sandbox.faults.add(Fault("/v1/get_voice", status=429, headers=headers, times=2))
        before, real = sandbox.clock.now(), time.monotonic()
        await list_voices()
        assert sandbox.count("POST /v1/get_voice") == 3
        assert sandbox.clock.now() - before >= 2 * 10 > time.monotonic() - real


async def test_waits_side_by_side_end_in_their_order_and_together_take_as_long_as_the_longest() -> (
    None
):
    sandbox = IsolatedSandbox()
    ended: list[int] = []

    async def wait(seconds: int) -> None:
        await sandbox.clock.sleep(seconds)
        ended.append(seconds)

    before = sandbox.clock.now()
    await asyncio.gather(wait(300), wait(100), wait(200))
    assert ended == [100, 200, 300]
    assert 300 <= sandbox.clock.now() - before < 400


async def test_a_job_that_nobody_waits_for_is_saved_when_its_time_has_come() -> None:
    saving = {"MINIMAX_MCP_AUTO_SAVE": "on"}
    async with IsolatedSandbox(stages=TEN_MINUTES, environ=saving) as sandbox:
        await request()
        before = sandbox.clock.now()
        for _ in range(100):
            await asyncio.sleep(0)
        assert sandbox.clock.now() - before < 60

        def is_saved() -> bool:
            sandbox.clock.advance(60)
            return bool(list(sandbox.base_path.glob("video-*.mp4")))

        await wait_until(is_saved)


async def test_the_sleep_of_a_loop_under_test_can_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with IsolatedSandbox(stages=TEN_MINUTES) as sandbox:
        monkeypatch.setattr("asyncio.sleep", sandbox.clock.sleep)
        task_id = await request()
        while (await query_video_generation(task_id))["status"] != "completed":
            await asyncio.sleep(10)


# --- nothing of the developer's ----------------------------------------------------------------


async def test_nothing_is_written_into_the_developers_folders_and_nothing_is_left_over(
    developer: Path,
) -> None:
    async with IsolatedSandbox() as sandbox:
        task_id = await request()
        status = await query_video_generation(task_id, wait_seconds=45)
        video = await retrieve_video_file(str(status["file_id"]))
        speech = await text_to_audio("hello")
        voice = await voice_clone(str(sandbox.recording))
        assert voice["voice_id"]
        paths = [Path(str(made["path"])) for made in (video, speech)]
        assert all(path.is_relative_to(sandbox.base_path) for path in paths)
        assert all(path.is_file() for path in paths)
    assert list(developer.rglob("*")) == []
    assert not sandbox.base_path.parent.exists()


async def test_the_developers_settings_play_no_part_and_are_back_afterwards() -> None:
    before = dict(os.environ)
    async with IsolatedSandbox(environ={"MINIMAX_MCP_DAILY_LIMIT_USD": "3"}):
        job = await generate_video("a dog")
        assert job["model"].startswith("MiniMax-Hailuo")
        assert (await account_status())["daily_limit_usd"] == 3
    assert dict(os.environ) == before


async def test_a_bad_setting_is_told_and_the_environment_is_back_all_the_same() -> None:
    before = dict(os.environ)
    with pytest.raises(SettingsError):
        async with IsolatedSandbox(environ={"MINIMAX_API_RESOURCE_MODE": "both"}):
            await list_voices()
    assert dict(os.environ) == before


async def test_accounts_that_code_opens_use_the_sandbox_whatever_host_they_name() -> None:
    async with IsolatedSandbox() as sandbox:
        for key in ("sk-api-anna", "sk-api-ben"):
            async with MiniMax(api_key=key, api_host="https://api.minimax.io"):
                await request()
                assert len((await list_video_tasks())["tasks"]) == 1
        assert sandbox.count_charges("video") == 2


async def test_an_account_that_was_opened_before_uses_the_sandbox_too() -> None:
    customer = MiniMax(api_key="sk-api-anna", api_host="http://127.0.0.1:1")
    async with customer:
        outside = await runtime.current()
        for _ in range(2):
            async with IsolatedSandbox() as sandbox, customer:
                await request()
                assert sandbox.count_charges("video") == 1
        assert await runtime.current() is outside


def test_an_account_that_another_thread_keeps_open_uses_each_sandbox_in_turn() -> None:
    customer = MiniMax(api_key="sk-api-anna", api_host="http://127.0.0.1:1")

    async def use() -> None:
        async with customer:
            await request()

    with start_blocking_portal() as service:
        service.call(customer.__aenter__)
        for _ in range(2):
            with IsolatedSandbox(environ={"MINIMAX_MCP_AUTO_SAVE": "on"}) as sandbox:
                service.call(use)
                assert sandbox.count_charges("video") == 1
            assert not sandbox.base_path.parent.exists()
        service.call(customer.__aexit__, None, None, None)


async def test_folders_that_code_names_are_moved_into_the_sandbox(
    developer: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    mine = {"base_path": "~/videos/anna", "state_dir": "~/state", "auto_save": True}
    async with IsolatedSandbox() as sandbox, MiniMax(api_key="sk-api-anna", **mine):  # type: ignore[arg-type]
        speech = await text_to_audio("hello")
        assert Path(str(speech["path"])).is_relative_to(sandbox.base_path)
        assert Path(str(speech["path"])).parent.name == "anna"
        task_id = await request()
        status = await query_video_generation(task_id, wait_seconds=45)
        video = await retrieve_video_file(str(status["file_id"]))
        assert Path(str(video["path"])).is_relative_to(sandbox.base_path)
    assert list(developer.rglob("*")) == []
    assert list(temporary.iterdir()) == []


async def test_a_temporary_folder_that_code_names_is_used_as_it_is(tmp_path: Path) -> None:
    async with IsolatedSandbox(), MiniMax(base_path=tmp_path / "anna"):
        speech = await text_to_audio("hello")
    assert Path(str(speech["path"])).is_relative_to(tmp_path.resolve())
    assert Path(str(speech["path"])).is_file()


async def test_a_server_that_code_makes_uses_the_sandbox() -> None:
    async with IsolatedSandbox() as sandbox, Client(make_server()) as client:
        job = await call(client, "generate_video", prompt="a dog")
        found = await call(
            client, "query_video_generation", task_id=job["task_id"], wait_seconds=45
        )
        assert found["status"] == "completed"
        assert sandbox.count_charges("video") == 1


def test_a_process_that_code_starts_uses_the_sandbox() -> None:
    program = "import asyncio, minimax_server as m; asyncio.run(m.generate_video('a dog'))"
    with IsolatedSandbox() as sandbox:
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
        assert sandbox.count_charges("video") == 1


# --- in any kind of test -----------------------------------------------------------------------


def run_in_asyncio(work: Callable[[], object]) -> None:
    """As a program that calls `asyncio.run` more than once."""
    asyncio.run(list_voices())
    asyncio.run(list_voices())


def run_in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=lambda: asyncio.run(list_voices()))
    thread.start()
    thread.join()


def run_in_open_loop(work: Callable[[], object]) -> None:
    """As a plugin of pytest, whose loop is still there when a fixture ends."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(list_voices())
    work()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.mark.parametrize("run", [run_in_asyncio, run_in_thread, run_in_open_loop])
def test_it_works_without_a_running_loop(run: Callable[[Callable[[], object]], None]) -> None:
    with IsolatedSandbox() as sandbox:
        run(lambda: sandbox.__exit__(None, None, None))
    assert sandbox.count("POST /v1/get_voice") >= 1


async def test_tasks_from_before_use_the_sandbox_too_and_are_themselves_again_afterwards() -> None:
    outside = await runtime.current()
    asked, answered = asyncio.Event(), asyncio.Event()

    async def worker() -> None:
        await asked.wait()
        await list_voices()
        answered.set()

    task = asyncio.create_task(worker())
    async with IsolatedSandbox() as sandbox:
        asked.set()
        await answered.wait()
        assert sandbox.count("POST /v1/get_voice") == 1
        assert await runtime.current() is not outside
    await task
    assert await runtime.current() is outside


async def test_the_sandbox_is_gone_after_the_block() -> None:
    async with IsolatedSandbox() as sandbox:
        await list_voices()
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(sandbox.url)
