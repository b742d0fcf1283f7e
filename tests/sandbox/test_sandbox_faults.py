"""The sandbox's faults over real sockets: what the client receives, and what was billed."""

import asyncio
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from minimax.sandbox import Fault, Sandbox, serve
from minimax.sandbox.media import samples

pytestmark = pytest.mark.anyio

CREATE_VIDEO = "/v1/video_generation"
VIDEO_REQUEST = {"model": "MiniMax-Hailuo-2.3", "prompt": "a sun crosses the sky"}
VIDEO_REQUEST_BODY = b'{"model": "MiniMax-Hailuo-2.3", "prompt": "a sun crosses the sky"}'
AUTH = {"Authorization": "Bearer key"}


@asynccontextmanager
async def serve_with_faults(
    *faults: Fault, **options: Any
) -> AsyncIterator[tuple[Sandbox, "Client"]]:
    """Serve a sandbox with pending faults, and connect a client to it."""
    sandbox = Sandbox(**options)
    sandbox.faults.add(*faults)
    async with (
        asyncio.timeout(5),
        serve(sandbox) as base_url,
        httpx.AsyncClient(base_url=base_url, headers=AUTH, trust_env=False) as http,
    ):
        yield sandbox, Client(base_url, http)


@dataclass
class Client:
    """Submits v1 video requests."""

    base_url: str
    http: httpx.AsyncClient

    async def submit(self) -> httpx.Response:
        return await self.http.post(CREATE_VIDEO, json=VIDEO_REQUEST)

    async def submit_raw(self) -> bytes:
        """Send the request over a plain socket; return all bytes until the connection closes."""
        url = urlsplit(self.base_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(
                f"POST {CREATE_VIDEO} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                "Authorization: Bearer key\r\n"
                f"Content-Length: {len(VIDEO_REQUEST_BODY)}\r\n\r\n".encode()
                + VIDEO_REQUEST_BODY
            )
            return await reader.read(-1)
        finally:
            writer.close()


BEFORE_AND_AFTER = pytest.mark.parametrize(
    ("when", "accepted"), [("before", 0), ("after", 1)], ids=["before", "after"]
)


@BEFORE_AND_AFTER
async def test_a_faults_own_response_replaces_the_real_one(when: Any, accepted: int) -> None:
    fault = Fault(
        CREATE_VIDEO, when=when, status=502, body=b"<html>", headers={"Content-Type": "x/y"}
    )
    async with serve_with_faults(fault) as (sandbox, client):
        response = await client.submit()
        assert (response.status_code, response.content) == (502, b"<html>")
        assert response.headers["content-type"] == "x/y"
        assert response.headers["trace-id"] == sandbox.requests[-1].trace_id
        assert sandbox.count_charges("video") == len(sandbox.videos) == accepted
        assert sandbox.count(f"POST {CREATE_VIDEO}") == 1


@BEFORE_AND_AFTER
async def test_an_error_code_is_sent_with_http_200_on_v1(when: Any, accepted: int) -> None:
    fault = Fault(
        CREATE_VIDEO, when=when, code=1002, message="rate limit", headers={"Retry-After": "2"}
    )
    async with serve_with_faults(fault) as (sandbox, client):
        response = await client.submit()
        assert response.status_code == 200
        assert response.headers["retry-after"] == "2"
        assert response.json() == {
            "task_id": "",
            "base_resp": {"status_code": 1002, "status_msg": "rate limit"},
        }
        assert sandbox.count_charges("video") == accepted


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (1002, 429, "rate_limit_error"),
        (1004, 401, "authorized_error"),
        (1008, 402, "insufficient_balance_error"),
        (1026, 422, "unprocessable_entity_error"),
        (1033, 500, "server_error"),
        (2013, 400, "bad_request_error"),
        (2049, 401, "authorized_error"),
    ],
)
async def test_an_error_code_is_sent_with_its_http_status_on_v2(
    code: int, status: int, kind: str
) -> None:
    async with serve_with_faults(Fault("/v2/", code=code, message="no")) as (sandbox, client):
        response = await client.http.get("/v2/query/video_generation/1")
        assert response.status_code == status
        assert response.json() == {
            "type": "error",
            "error": {"type": kind, "message": f"no ({code})", "http_code": str(status)},
            "request_id": sandbox.requests[-1].trace_id,
        }


@pytest.mark.skipif(
    sys.platform == "win32", reason="asyncio ends a connection in order there before it closes it"
)
@BEFORE_AND_AFTER
async def test_a_reset_resets_the_connection(when: Any, accepted: int) -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, when=when, reset=True)) as (sandbox, client):
        with pytest.raises(ConnectionResetError):
            await client.submit_raw()
        assert sandbox.count_charges("video") == accepted


@BEFORE_AND_AFTER
async def test_a_close_sends_no_bytes(when: Any, accepted: int) -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, when=when, close=True)) as (sandbox, client):
        assert await client.submit_raw() == b""
        assert sandbox.count_charges("video") == accepted


@BEFORE_AND_AFTER
async def test_a_hang_lasts_until_the_client_disconnects(when: Any, accepted: int) -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, when=when, hang=True)) as (sandbox, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.submit_raw()
        assert sandbox.count_charges("video") == accepted


@pytest.mark.parametrize(
    "outcome",
    [{"status": 500}, {"code": 1002}, {"close": True}, {"reset": True}, {"hang": True}, {}],
    ids=lambda outcome: next(iter(outcome), "real response"),
)
@BEFORE_AND_AFTER
async def test_a_delay_can_be_combined_with_every_outcome(
    when: Any, accepted: int, outcome: dict[str, Any]
) -> None:
    fault = Fault(CREATE_VIDEO, when=when, delay_seconds=0.1, **outcome)
    async with serve_with_faults(fault) as (_, client):
        started = time.monotonic()
        try:
            async with asyncio.timeout(0.3):
                await client.http.post(CREATE_VIDEO, json=VIDEO_REQUEST)
        except (httpx.TransportError, TimeoutError):
            pass
        assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_client_that_disconnects_in_a_delay_is_billed_only_if_it_was_handled_before(
    when: Any, accepted: int
) -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, when=when, delay_seconds=0.2)) as (
        sandbox,
        client,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.submit_raw()
        await asyncio.sleep(0.2)
        assert sandbox.count_charges("video") == accepted


async def test_a_throttled_response_is_complete() -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, bytes_per_second=2000)) as (sandbox, client):
        started = time.monotonic()
        response = await client.submit()
        assert response.json()["task_id"] == next(iter(sandbox.videos))
        assert time.monotonic() - started >= len(response.content) / 2000 * 0.9


@pytest.mark.parametrize("own_response", [{"status": 200, "body": b"x" * 100}, {"code": 1013}])
@pytest.mark.parametrize("throttle", [{}, {"bytes_per_second": 1000}], ids=["at once", "throttled"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_faults_own_response_can_be_truncated(
    when: Any, own_response: dict[str, Any], throttle: Any
) -> None:
    async with serve_with_faults(
        Fault(CREATE_VIDEO, when=when, cut_after_bytes=10, **own_response, **throttle)
    ) as (_, client):
        head, body = (await client.submit_raw()).split(b"\r\n\r\n")
        assert len(body) == 10
        assert b"content-length: 10\r\n" not in head.lower()
        assert b"content-length" in head.lower()


@pytest.mark.parametrize("announce_length", [True, False], ids=["announced", "close-delimited"])
@pytest.mark.parametrize("throttle", [{}, {"bytes_per_second": 1000}], ids=["at once", "throttled"])
@pytest.mark.parametrize("cut_after_bytes", [0, 1, 30])
async def test_the_real_response_can_be_truncated(
    cut_after_bytes: int, announce_length: bool, throttle: Any
) -> None:
    fault = Fault(
        CREATE_VIDEO,
        when="after",
        cut_after_bytes=cut_after_bytes,
        announce_length=announce_length,
        **throttle,
    )
    async with serve_with_faults(fault) as (sandbox, client):
        head, body = (await client.submit_raw()).split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(body) == cut_after_bytes
        assert (b"content-length" in head.lower()) is announce_length
        assert sandbox.requests[-1].trace_id.encode() in head
        assert sandbox.count_charges("video") == 1


async def test_httpx_takes_a_truncated_close_delimited_response_as_complete() -> None:
    fault = Fault(CREATE_VIDEO, when="after", cut_after_bytes=20, announce_length=False)
    async with serve_with_faults(fault) as (_, client):
        response = await client.submit()
        assert (response.status_code, len(response.content)) == (200, 20)


@pytest.mark.parametrize("announce_length", [True, False])
async def test_a_cut_beyond_the_end_of_a_response_has_no_effect(announce_length: bool) -> None:
    fault = Fault(
        CREATE_VIDEO, when="after", cut_after_bytes=10_000, announce_length=announce_length
    )
    async with serve_with_faults(fault) as (sandbox, client):
        assert (await client.submit()).json()["task_id"] in sandbox.videos


async def test_a_download_can_be_truncated() -> None:
    async with serve_with_faults() as (sandbox, client):
        task_id = (await client.submit()).json()["task_id"]
        sandbox.clock.advance(60)
        task = await client.http.get("/v1/query/video_generation", params={"task_id": task_id})
        file_id = task.json()["file_id"]
        file = await client.http.get("/v1/files/retrieve", params={"file_id": file_id})
        url = file.json()["file"]["download_url"]
        sandbox.faults.add(Fault("/download/", when="after", cut_after_bytes=50_000))
        async with httpx.AsyncClient(trust_env=False) as store_client:
            with pytest.raises(httpx.RemoteProtocolError):
                await store_client.get(url)
            assert (await store_client.get(url)).content[4:8] == b"ftyp"


async def test_a_fault_applies_as_often_as_it_says() -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, times=2, status=503)) as (sandbox, client):
        statuses = [(await client.submit()).status_code for _ in range(3)]
        assert statuses == [503, 503, 200]
        assert sandbox.count(f"POST {CREATE_VIDEO}") == 3
        assert sandbox.count_charges("video") == 1


async def test_a_permanent_fault_applies_until_the_faults_are_cleared() -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, times=None, status=503)) as (sandbox, client):
        assert [(await client.submit()).status_code for _ in range(3)] == [503] * 3
        sandbox.faults.clear()
        assert (await client.submit()).status_code == 200


async def test_faults_apply_in_the_order_in_which_they_were_added() -> None:
    async with serve_with_faults(Fault("/v1/", status=500), Fault(CREATE_VIDEO, status=502)) as (
        _,
        client,
    ):
        assert [(await client.submit()).status_code for _ in range(3)] == [500, 502, 200]


async def test_a_fault_can_be_limited_to_a_method() -> None:
    async with serve_with_faults(Fault("/v1/", method="GET", status=500)) as (_, client):
        assert (await client.submit()).status_code == 200
        listing = await client.http.get("/v1/files/list", params={"purpose": "voice_clone"})
        assert listing.status_code == 500


async def test_a_fault_applies_before_the_key_is_checked() -> None:
    async with serve_with_faults(Fault(CREATE_VIDEO, status=429)) as (_, client):
        response = await client.http.post(
            CREATE_VIDEO, json=VIDEO_REQUEST, headers={"Authorization": ""}
        )
        assert response.status_code == 429


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 500, "code": 1002},
        {"reset": True, "hang": True},
        {"body": b"x"},
        {"message": "no"},
        {"headers": {"a": "b"}},
        {"hang": True, "bytes_per_second": 1},
        {"close": True, "cut_after_bytes": 1},
        {"announce_length": False},
        {"cut_after_bytes": 1},
    ],
    ids="+".join,
)
async def test_a_contradictory_fault_raises_value_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fault(CREATE_VIDEO, **fields)


async def test_a_large_upload_is_read_before_the_fault_responds() -> None:
    async with serve_with_faults(Fault("/v1/files/upload", status=502)) as (sandbox, client):
        response = await client.http.post(
            "/v1/files/upload",
            data={"purpose": "voice_clone"},
            files={"file": ("a.mp3", bytes(5_000_000))},
        )
        assert response.status_code == 502
        assert not sandbox.files


@pytest.mark.parametrize("fault", [Fault("/", hang=True), Fault("/", delay_seconds=60)])
async def test_closing_is_quick_while_a_client_is_waiting(
    fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        async with serve(sandbox := Sandbox()) as base_url:
            await http.get(base_url)
            sandbox.faults.add(fault)
            waiting = asyncio.create_task(http.post(base_url + CREATE_VIDEO, json=VIDEO_REQUEST))
            while not sandbox.count(f"POST {CREATE_VIDEO}"):
                await asyncio.sleep(0.01)
            started = time.monotonic()
        assert time.monotonic() - started < 0.3
        with pytest.raises(httpx.TransportError):
            await waiting
    assert capfd.readouterr() == ("", "")


async def test_two_sandboxes_can_be_served_side_by_side() -> None:
    async with serve(one := Sandbox()) as first, serve(two := Sandbox()) as second:
        assert first != second
        async with httpx.AsyncClient(headers=AUTH, trust_env=False) as http:
            await http.post(first + CREATE_VIDEO, json=VIDEO_REQUEST)
        assert (one.count_charges("video"), two.count_charges("video")) == (1, 0)


async def test_a_sandbox_can_be_served_again() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        async with serve(sandbox) as base_url, httpx.AsyncClient(trust_env=False) as http:
            await http.post(base_url + CREATE_VIDEO, json=VIDEO_REQUEST, headers=AUTH)
    assert sandbox.count_charges("video") == 2


async def test_a_client_that_disconnects_in_an_upload_is_ignored_silently(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with serve_with_faults() as (sandbox, client):
        url = urlsplit(client.base_url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        head = (
            f"POST {CREATE_VIDEO} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer key\r\n"
        )
        writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + VIDEO_REQUEST_BODY)
        while not sandbox.requests:
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        assert (await client.submit()).status_code == 200
        assert sandbox.count_charges("video") == 1
    assert capfd.readouterr() == ("", "")


async def test_a_video_of_any_size_is_streamed_without_being_held_in_memory() -> None:
    size_bytes = 40_000_000
    async with serve_with_faults() as (sandbox, client):
        link = sandbox.store.add(samples.load_video(size_bytes=size_bytes), name="video.mp4")
        url = sandbox.store.sign_url(link, base_url=client.base_url)
        tracemalloc.start()
        received = 0
        async with (
            httpx.AsyncClient(trust_env=False) as store_client,
            store_client.stream("GET", url) as response,
        ):
            assert response.headers["content-length"] == str(size_bytes)
            async for chunk in response.aiter_raw():
                received += len(chunk)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert received == size_bytes
        assert peak_bytes < 4_000_000
