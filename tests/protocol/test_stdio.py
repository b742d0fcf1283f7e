"""Serving as a host sees it: the pipe carries JSON-RPC and nothing else, whatever happens."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from minimax.sandbox import Sandbox, serve
from tests.conftest import KEY
from tests.support import samples
from tests.support.host import INITIALIZE, MODERN, Host, host
from tests.support.samples import put

pytestmark = pytest.mark.anyio


async def test_every_line_on_stdout_is_json_rpc_also_when_things_fail(home: Path) -> None:
    put(home / "notes.wav", b"dear diary")
    async with host("--sandbox", env={"MINIMAX_LOG_LEVEL": "DEBUG"}) as served:
        await served.handshake()
        await served.failure("voice_clone", audio=str(home / "notes.wav"))
        await served.failure("nonsense")
        for nonsense in (b"nonsense\n", b"\xff\xfe\n", b"[]\n", b'{"jsonrpc": "1.0"}\n', b"\n"):
            served.write(nonsense)
        await served.call("generate_video", prompt="x", dry_run=True)
        assert await served.close() == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in served.lines)
    assert "Traceback" not in served.stderr


async def test_a_stray_print_does_not_reach_the_wire(tmp_path: Path) -> None:
    code = (
        "import sys, minimax_server\n"
        "from minimax.video import listing\n"
        "async def noisy(*a, **k):\n"
        "    print('stray'); sys.stdout.flush()\n"
        "    import os; os.write(1, b'stray too')\n"
        "    raise RuntimeError('bug')\n"
        "listing.list_jobs = noisy\n"
        "sys.exit(minimax_server.main(['--sandbox']))\n"
    )
    script = put(tmp_path / "noisy.py", code.encode())
    async with host(script=script) as served:
        await served.handshake()
        assert "bug" not in await served.failure("list_video_tasks")
        assert await served.close() == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in served.lines)
    assert "stray" in served.stderr


async def test_started_by_hand_or_with_a_bad_setting_it_still_serves_and_says_why() -> None:
    async with host(env={"MINIMAX_API_HOST": "https://evil.example"}) as served:
        await served.handshake()
        assert "MINIMAX_API_HOST" in await served.failure("list_video_tasks")
        assert await served.close() == 0
    assert "MINIMAX_API_HOST" in served.stderr


async def test_the_sandbox_marks_everything_as_its_own_and_keeps_a_ledger_apart(
    home: Path,
) -> None:
    recording = put(home / "a.wav", samples.wav())
    async with host("--sandbox") as served:
        await served.handshake()
        voice = await served.call("voice_clone", audio=str(recording))
        job = await served.call("generate_video", prompt="x")
        assert await served.close() == 0
    assert voice["voice_id"].startswith("sandbox")
    assert job["task_id"].startswith("sandbox")
    assert int(voice["file_id"]) >= 900_000_000_000_000
    assert voice["next_step"].startswith("Sandbox:")
    async with host() as served:
        await served.handshake()
        assert (await served.call("list_video_tasks"))["tasks"] == []
        assert await served.close() == 0


OPENINGS: list[Any] = [
    pytest.param([("initialize", INITIALIZE), ("tools/list", {})], id="handshake"),
    pytest.param(
        [("server/discover", {"_meta": MODERN}), ("tools/list", {"_meta": MODERN})], id="modern"
    ),
    pytest.param(
        [("server/discover", {"_meta": MODERN}), ("initialize", INITIALIZE), ("tools/list", {})],
        id="probe-then-handshake",
    ),
    pytest.param(
        [("server/discover", {}), ("initialize", INITIALIZE), ("tools/list", {})],
        id="bare-probe-then-handshake",
    ),
    pytest.param(
        [("initialize", {**INITIALIZE, "protocolVersion": "2024-11-05"}), ("tools/list", {})],
        id="an-old-version",
    ),
    pytest.param([("ping", {}), ("initialize", INITIALIZE), ("tools/list", {})], id="ping-first"),
]


@pytest.mark.parametrize("opening", OPENINGS)
async def test_hosts_of_every_era_get_a_working_session(
    opening: list[tuple[str, dict[str, Any]]],
) -> None:
    async with host("--sandbox") as served:
        for method, params in opening:
            answer = await served.answer(method, params)
            if method == "initialize":
                served.send({"method": "notifications/initialized"})
        assert len(answer["result"]["tools"]) > 0
        assert await served.close() == 0


async def test_the_sdk_still_turns_a_probing_host_away() -> None:
    """When this fails, `stdio._route` is no longer needed: delete it and this test."""
    code = "import minimax_server; minimax_server.make_server().run()"
    async with host(code=code) as bare:
        await bare.answer("server/discover", {"_meta": MODERN})
        assert "error" in await bare.answer("initialize", INITIALIZE)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        await served.call("generate_video", prompt="x")
        served.process.send_signal(number)
        assert await served.ended(5) == 0
    assert "Traceback" not in served.stderr


async def test_stdin_closing_ends_it_also_in_the_middle_of_a_wait() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        job = await served.call("generate_video", prompt="x")
        served.start("query_video_generation", task_id=job["task_id"], wait_seconds=45)
        await ask_all(served)
        assert await served.close(5) == 0
    assert "Traceback" not in served.stderr


async def test_a_host_that_vanishes_does_not_leave_an_orphan() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        assert served.process.stdin is not None
        served.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        served.process.stdin.close()
        assert await asyncio.wait_for(served.process.wait(), 5) == 0


async def test_progress_is_reported_at_every_ask_and_cancelling_ends_the_wait() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        job = await served.call("generate_video", prompt="x")
        params = {
            "name": "query_video_generation",
            "arguments": {"task_id": job["task_id"], "wait_seconds": 45},
            "_meta": {"progressToken": "p"},
        }
        ident, _ = served.ask("tools/call", params)
        await ask_all(served)
        served.cancel(ident)
        await served.answer("ping")
        assert await served.close(5) == 0
    [progress, *_] = [n for n in served.notifications if n["method"] == "notifications/progress"]
    assert progress["params"]["message"].startswith("MiniMax says")


async def ask_all(served: Host) -> None:
    """Give the wait time to begin: an answer to a later request proves the pipe is read."""
    await served.answer("ping")
    for _ in range(100):
        if served.notifications:
            return
        await asyncio.sleep(0.01)


async def test_a_key_never_reaches_stderr_even_at_debug() -> None:
    async with serve(Sandbox(keys={"other"})) as url:
        env = {"MINIMAX_API_KEY": KEY, "MINIMAX_API_HOST": url, "MINIMAX_LOG_LEVEL": "DEBUG"}
        async with host(env=env) as served:
            await served.handshake()
            text = await served.failure("generate_video", prompt="x")
            assert await served.close() == 0
    assert KEY not in served.stderr
    assert KEY not in text
    assert "2049" in text


async def test_the_seeds_loop_with_h3_ends_in_a_file_over_stdio() -> None:
    async with host("--sandbox") as served:
        await served.handshake()
        job = await served.call("generate_video", prompt="A walk on the beach", model="MiniMax-H3")
        status = await served.call(
            "query_video_generation", task_id=job["task_id"], wait_seconds=15
        )
        video = await served.call("retrieve_video_file", file_id=status["file_id"])
        assert await served.close() == 0
    assert status["status"] == "completed"
    assert Path(video["path"]).stat().st_size == video["bytes"]
