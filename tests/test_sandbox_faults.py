"""The sandbox's faults over real sockets: what the client gets, and what was accepted for it."""

import asyncio
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

CREATE = "/v1/video_generation"
ORDER = {"model": "MiniMax-Hailuo-2.3", "prompt": "a sun crosses the sky"}
BODY = b'{"model": "MiniMax-Hailuo-2.3", "prompt": "a sun crosses the sky"}'
AUTH = {"Authorization": "Bearer key"}


@asynccontextmanager
async def faulted(*faults: Fault, **options: Any) -> AsyncIterator[tuple[Sandbox, "Client"]]:
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
    base_url: str
    http: httpx.AsyncClient

    async def order(self) -> httpx.Response:
        return await self.http.post(CREATE, json=ORDER)

    async def raw_order(self) -> bytes:
        """Every byte of the answer until the server closes the connection."""
        url = urlsplit(self.base_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(
                f"POST {CREATE} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer key\r\n"
                f"Content-Length: {len(BODY)}\r\n\r\n".encode()
                + BODY
            )
            return await reader.read(-1)
        finally:
            writer.close()


BEFORE_AND_AFTER = pytest.mark.parametrize(
    ("when", "accepted"), [("before", 0), ("after", 1)], ids=["before", "after"]
)


@BEFORE_AND_AFTER
async def test_an_answer_of_the_faults_own_takes_the_place_of_the_real_one(
    when: Any, accepted: int
) -> None:
    fault = Fault(CREATE, when=when, status=502, body=b"<html>", headers={"Content-Type": "x/y"})
    async with faulted(fault) as (sandbox, client):
        answer = await client.order()
        assert (answer.status_code, answer.content) == (502, b"<html>")
        assert answer.headers["content-type"] == "x/y"
        assert answer.headers["trace-id"] == sandbox.requests[-1].trace_id
        assert sandbox.count_charges("video") == len(sandbox.videos) == accepted
        assert sandbox.count(f"POST {CREATE}") == 1


@BEFORE_AND_AFTER
async def test_a_code_is_refused_in_http_200_on_v1(when: Any, accepted: int) -> None:
    fault = Fault(CREATE, when=when, code=1002, message="rate limit", headers={"Retry-After": "2"})
    async with faulted(fault) as (sandbox, client):
        answer = await client.order()
        assert answer.status_code == 200
        assert answer.headers["retry-after"] == "2"
        assert answer.json() == {
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
async def test_a_code_is_refused_with_its_status_on_v2(code: int, status: int, kind: str) -> None:
    async with faulted(Fault("/v2/", code=code, message="no")) as (sandbox, client):
        answer = await client.http.get("/v2/query/video_generation/1")
        assert answer.status_code == status
        assert answer.json() == {
            "type": "error",
            "error": {"type": kind, "message": f"no ({code})", "http_code": str(status)},
            "request_id": sandbox.requests[-1].trace_id,
        }


@BEFORE_AND_AFTER
async def test_a_reset_is_a_reset(when: Any, accepted: int) -> None:
    async with faulted(Fault(CREATE, when=when, reset=True)) as (sandbox, client):
        with pytest.raises(ConnectionResetError):
            await client.raw_order()
        assert sandbox.count_charges("video") == accepted


@BEFORE_AND_AFTER
async def test_a_clean_close_brings_no_byte(when: Any, accepted: int) -> None:
    async with faulted(Fault(CREATE, when=when, close=True)) as (sandbox, client):
        assert await client.raw_order() == b""
        assert sandbox.count_charges("video") == accepted


@BEFORE_AND_AFTER
async def test_a_hang_ends_with_the_client(when: Any, accepted: int) -> None:
    async with faulted(Fault(CREATE, when=when, hang=True)) as (sandbox, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.raw_order()
        assert sandbox.count_charges("video") == accepted


@pytest.mark.parametrize(
    "outcome",
    [{"status": 500}, {"code": 1002}, {"close": True}, {"reset": True}, {"hang": True}, {}],
    ids=lambda outcome: next(iter(outcome), "real answer"),
)
@BEFORE_AND_AFTER
async def test_a_delay_goes_with_every_outcome(
    when: Any, accepted: int, outcome: dict[str, Any]
) -> None:
    fault = Fault(CREATE, when=when, delay_seconds=0.1, **outcome)
    async with faulted(fault) as (_, client):
        started = time.monotonic()
        try:
            async with asyncio.timeout(0.3):
                await client.http.post(CREATE, json=ORDER)
        except (httpx.TransportError, TimeoutError):
            pass
        assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_client_that_leaves_during_a_delay_is_served_only_if_it_came_before(
    when: Any, accepted: int
) -> None:
    async with faulted(Fault(CREATE, when=when, delay_seconds=0.2)) as (sandbox, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.raw_order()
        await asyncio.sleep(0.2)
        assert sandbox.count_charges("video") == accepted


async def test_only_slowing_an_answer_down_leaves_it_whole() -> None:
    async with faulted(Fault(CREATE, bytes_per_second=2000)) as (sandbox, client):
        started = time.monotonic()
        answer = await client.order()
        assert answer.json()["task_id"] == next(iter(sandbox.videos))
        assert time.monotonic() - started >= len(answer.content) / 2000 * 0.9


@pytest.mark.parametrize("own", [{"status": 200, "body": b"x" * 100}, {"code": 1013}])
@pytest.mark.parametrize("drip", [{}, {"bytes_per_second": 1000}], ids=["at once", "dripping"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_own_answer_can_be_cut(when: Any, own: dict[str, Any], drip: Any) -> None:
    async with faulted(Fault(CREATE, when=when, cut_after_bytes=10, **own, **drip)) as (_, client):
        head, body = (await client.raw_order()).split(b"\r\n\r\n")
        assert len(body) == 10
        assert b"content-length: 10\r\n" not in head.lower()
        assert b"content-length" in head.lower()


@pytest.mark.parametrize("announce_length", [True, False], ids=["announced", "close-delimited"])
@pytest.mark.parametrize("drip", [{}, {"bytes_per_second": 1000}], ids=["at once", "dripping"])
@pytest.mark.parametrize("cut_after_bytes", [0, 1, 30])
async def test_the_real_answer_can_be_cut(
    cut_after_bytes: int, announce_length: bool, drip: Any
) -> None:
    fault = Fault(
        CREATE,
        when="after",
        cut_after_bytes=cut_after_bytes,
        announce_length=announce_length,
        **drip,
    )
    async with faulted(fault) as (sandbox, client):
        head, body = (await client.raw_order()).split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(body) == cut_after_bytes
        assert (b"content-length" in head.lower()) is announce_length
        assert sandbox.requests[-1].trace_id.encode() in head
        assert sandbox.count_charges("video") == 1


async def test_an_httpx_client_takes_a_close_delimited_cut_for_a_whole_answer() -> None:
    fault = Fault(CREATE, when="after", cut_after_bytes=20, announce_length=False)
    async with faulted(fault) as (_, client):
        answer = await client.order()
        assert (answer.status_code, len(answer.content)) == (200, 20)


@pytest.mark.parametrize("announce_length", [True, False])
async def test_a_cut_beyond_the_end_of_an_answer_cuts_nothing(announce_length: bool) -> None:
    fault = Fault(CREATE, when="after", cut_after_bytes=10_000, announce_length=announce_length)
    async with faulted(fault) as (sandbox, client):
        assert (await client.order()).json()["task_id"] in sandbox.videos


async def test_a_download_can_be_cut_in_the_middle() -> None:
    async with faulted() as (sandbox, client):
        task_id = (await client.order()).json()["task_id"]
        sandbox.clock.advance(60)
        found = await client.http.get("/v1/query/video_generation", params={"task_id": task_id})
        file_id = found.json()["file_id"]
        file = await client.http.get("/v1/files/retrieve", params={"file_id": file_id})
        url = file.json()["file"]["download_url"]
        sandbox.faults.add(Fault("/download/", when="after", cut_after_bytes=50_000))
        async with httpx.AsyncClient(trust_env=False) as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await plain.get(url)
            assert (await plain.get(url)).content[4:8] == b"ftyp"


async def test_a_fault_is_met_as_often_as_it_says() -> None:
    async with faulted(Fault(CREATE, times=2, status=503)) as (sandbox, client):
        statuses = [(await client.order()).status_code for _ in range(3)]
        assert statuses == [503, 503, 200]
        assert sandbox.count(f"POST {CREATE}") == 3
        assert sandbox.count_charges("video") == 1


async def test_a_fault_for_ever_ends_when_the_faults_are_cleared() -> None:
    async with faulted(Fault(CREATE, times=None, status=503)) as (sandbox, client):
        assert [(await client.order()).status_code for _ in range(3)] == [503] * 3
        sandbox.faults.clear()
        assert (await client.order()).status_code == 200


async def test_faults_are_met_in_the_order_in_which_they_were_added() -> None:
    async with faulted(Fault("/v1/", status=500), Fault(CREATE, status=502)) as (_, client):
        assert [(await client.order()).status_code for _ in range(3)] == [500, 502, 200]


async def test_a_fault_may_ask_for_a_method() -> None:
    async with faulted(Fault("/v1/", method="GET", status=500)) as (_, client):
        assert (await client.order()).status_code == 200
        listing = await client.http.get("/v1/files/list", params={"purpose": "voice_clone"})
        assert listing.status_code == 500


async def test_a_fault_before_the_key_is_looked_at_needs_no_key() -> None:
    async with faulted(Fault(CREATE, status=429)) as (_, client):
        answer = await client.http.post(CREATE, json=ORDER, headers={"Authorization": ""})
        assert answer.status_code == 429


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
async def test_a_fault_that_contradicts_itself_is_not_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Fault(CREATE, **fields)


async def test_a_large_upload_is_read_before_a_fault_answers_it() -> None:
    async with faulted(Fault("/v1/files/upload", status=502)) as (sandbox, client):
        answer = await client.http.post(
            "/v1/files/upload",
            data={"purpose": "voice_clone"},
            files={"file": ("a.mp3", bytes(5_000_000))},
        )
        assert answer.status_code == 502
        assert not sandbox.files


@pytest.mark.parametrize("fault", [Fault("/", hang=True), Fault("/", delay_seconds=60)])
async def test_closing_is_quick_while_a_client_waits(
    fault: Fault, capfd: pytest.CaptureFixture[str]
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        async with serve(sandbox := Sandbox()) as base_url:
            await http.get(base_url)
            sandbox.faults.add(fault)
            waiting = asyncio.create_task(http.post(base_url + CREATE, json=ORDER))
            while not sandbox.count(f"POST {CREATE}"):
                await asyncio.sleep(0.01)
            started = time.monotonic()
        assert time.monotonic() - started < 0.3
        with pytest.raises(httpx.TransportError):
            await waiting
    assert capfd.readouterr() == ("", "")


async def test_two_sandboxes_serve_side_by_side() -> None:
    async with serve(one := Sandbox()) as first, serve(two := Sandbox()) as second:
        assert first != second
        async with httpx.AsyncClient(headers=AUTH, trust_env=False) as http:
            await http.post(first + CREATE, json=ORDER)
        assert (one.count_charges("video"), two.count_charges("video")) == (1, 0)


async def test_a_sandbox_can_be_served_again() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        async with serve(sandbox) as base_url, httpx.AsyncClient(trust_env=False) as http:
            await http.post(base_url + CREATE, json=ORDER, headers=AUTH)
    assert sandbox.count_charges("video") == 2


async def test_a_client_that_leaves_during_an_upload_is_not_served_and_not_complained_about(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with faulted() as (sandbox, client):
        url = urlsplit(client.base_url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"POST {CREATE} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer key\r\n"
        writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode() + BODY)
        while not sandbox.requests:
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        assert (await client.order()).status_code == 200
        assert sandbox.count_charges("video") == 1
    assert capfd.readouterr() == ("", "")


async def test_a_film_of_any_size_is_streamed_without_being_held() -> None:
    video_bytes = 40_000_000
    async with faulted() as (sandbox, client):
        link = sandbox.store.add(samples.load_video(size_bytes=video_bytes), name="video.mp4")
        url = sandbox.store.sign_url(link, base_url=client.base_url)
        tracemalloc.start()
        received = 0
        async with httpx.AsyncClient(trust_env=False) as plain, plain.stream("GET", url) as answer:
            assert answer.headers["content-length"] == str(video_bytes)
            async for chunk in answer.aiter_raw():
                received += len(chunk)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert received == video_bytes
        assert peak_bytes < 4_000_000
