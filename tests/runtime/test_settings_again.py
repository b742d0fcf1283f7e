"""A key that is missing, wrong or refused is looked up again by the next call."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp import Client
from pydantic import SecretStr

import minimax_server
from minimax import runtime
from minimax.errors import KeyRefusedError, SettingsError
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.conftest import KEY
from tests.support.host import ROOT, host
from tests.support.in_process import call, failure

pytestmark = pytest.mark.anyio

NO_KEY = "There is no MiniMax API key yet."
WRONG_VALUES = [
    pytest.param("MINIMAX_API_KEY", "<your key>", id="a placeholder as the key"),
    pytest.param("MINIMAX_API_RESOURCE_MODE", "both", id="another wrong value"),
]


@pytest.fixture(autouse=True)
async def host_of_sandbox(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr("minimax.settings.read_env_file", lambda *_: {})
    monkeypatch.setenv("MINIMAX_API_HOST", sandbox.url)
    yield
    os.environ.pop("MINIMAX_API_KEY", None)


# --- in plain Python ---------------------------------------------------------------------------


async def test_a_key_that_is_set_after_the_first_call_is_used(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    for _ in range(2):
        with pytest.raises(SettingsError, match=NO_KEY):
            await minimax_server.generate_video("a dog")
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    assert (await minimax_server.generate_video("a dog"))["task_id"]
    assert sandbox.count_charges("video") == 1


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
async def test_a_wrong_value_is_read_again(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    with monkeypatch.context() as wrong:
        wrong.setenv(name, value)
        with pytest.raises(SettingsError, match=name):
            await minimax_server.list_voices()
    assert (await minimax_server.list_voices())["total"]


async def test_a_key_that_was_refused_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", f"{KEY}-of-somebody-else")
    for _ in range(2):
        with pytest.raises(KeyRefusedError):
            await minimax_server.list_voices()
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    assert (await minimax_server.list_voices())["total"]


async def test_a_key_that_works_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    await minimax_server.list_voices()
    monkeypatch.setenv("MINIMAX_API_KEY", "another")
    assert (await minimax_server.list_voices())["total"]


async def test_a_purchase_with_the_new_key_is_written_down_under_it(
    settings: Settings, sandbox: Sandbox
) -> None:
    at = replace(settings, api_host=sandbox.url)
    keys: list[SecretStr | None] = [SecretStr("refused"), SecretStr(KEY)]
    opened = Runtime(lambda: replace(at, api_key=keys[0]))
    async with runtime.host_runtime(opened):
        refused = opened.account
        with pytest.raises(KeyRefusedError):
            await minimax_server.list_voices()
        del keys[0]
        job = await minimax_server.generate_video("a dog")
        row = await opened.ledger.by_task(str(job["task_id"]))
        assert row is not None
        assert row.account == opened.account != refused


# --- over MCP ----------------------------------------------------------------------------------


async def test_a_host_gets_what_it_asked_for_once_there_is_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Client(minimax_server.make_server()) as client:
        assert NO_KEY in await failure(client, "list_voices")
        monkeypatch.setenv("MINIMAX_API_KEY", KEY)
        assert (await call(client, "list_voices"))["total"]


async def test_a_running_server_sees_what_is_put_into_the_env_file_and_hides_the_new_key(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "minimax", copy / "minimax")
    shutil.copyfile(ROOT / "minimax_server.py", copy / "minimax_server.py")
    env = {"PYTHONPATH": str(copy), "MINIMAX_LOG_LEVEL": "DEBUG"}
    async with host(env=env, script=copy / "minimax_server.py") as served:
        await served.handshake()
        assert NO_KEY in await served.failure("list_voices")
        for text in ("MINIMAX_API_KEY=<your key>\n", f"MINIMAX_API_KEY={KEY}\n"):
            (copy / ".env").write_text(text, encoding="utf-8")
            (copy / ".env").chmod(0o600)
            if "<" in text:
                assert "MINIMAX_API_KEY" in await served.failure("list_voices")
        assert (await served.call("list_voices"))["total"]
        assert await served.close() == 0
    assert KEY not in served.stderr
