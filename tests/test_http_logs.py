"""A program that configures its logging finds no signed link of ours, and all of its own."""

import logging

import httpx
import pytest

from minimax.testing import IsolatedSandbox
from minimax_server import generate_video, query_video_generation, retrieve_video_file

pytestmark = pytest.mark.anyio


async def fetch_video() -> None:
    task_id = str((await generate_video("a dog"))["task_id"])
    status = await query_video_generation(task_id, wait_seconds=45)
    video = await retrieve_video_file(str(status["file_id"]))
    assert video["path"] is not None


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=logging.getLevelName)
async def test_no_signed_link_and_no_key_gets_into_the_log_of_a_program(
    level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level):
        async with IsolatedSandbox() as sandbox:
            await fetch_video()
            assert any("/download/" in request.path for request in sandbox.requests)
    assert "Signature=" not in caplog.text
    assert "Bearer" not in caplog.text
    http = [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))]
    assert http == []


async def test_what_the_program_itself_requests_is_logged_as_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "")}
    with caplog.at_level(logging.INFO):
        async with IsolatedSandbox() as sandbox, httpx.AsyncClient(trust_env=False) as client:
            await fetch_video()
            await client.get(f"{sandbox.url}/?of=the-program")
    [line] = [record.getMessage() for record in caplog.records if record.name == "httpx"]
    assert "?of=the-program" in line
    assert {name: logging.getLogger(name).level for name in levels} == levels
