"""What goes wrong on the way to MiniMax and back, and what must follow.

Numbers in the ids are rows of the table in docs/SECURITY.md, which names the test of each row;
`uv run python -m tests.scripts.fault_table` removes each promise and sees its test fail.
"""

import asyncio
import datetime
import os
import socket
import ssl
import time as real_time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import minimax_server
from minimax import runtime
from minimax.api import policies
from minimax.clock import Clock
from minimax.errors import (
    KeyRefusedError,
    MaybeChargedError,
    MiniMaxError,
    Outcome,
    RefusedError,
    UnansweredError,
    UnreachableError,
)
from minimax.runtime import Runtime
from minimax.sandbox import Sandbox, serve
from minimax.settings import Settings
from minimax.time_budgets import LONGEST_WAIT_SECONDS
from minimax.tool_results import VideoFile, VideoStatus
from tests.conftest import KEY
from tests.support import samples
from tests.support.host import host
from tests.support.paid_jobs import (
    SLOW,
    SUBMIT,
    VIDEO,
    buy,
    count_submissions,
    rows,
    start_server,
    states,
    wait_until,
)
from tests.support.raw_server import (
    CLOSED,
    TRACE,
    Behaviour,
    Connection,
    RawServer,
    close,
    hang,
    http,
    ok,
    raw,
    refuse,
    reply,
    reset,
    serve_raw,
)
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(settings: Settings, clock: Clock) -> AsyncIterator[Runtime]:
    async with runtime.host_runtime(Runtime(lambda: settings, clock=clock)) as running:
        yield running


@asynccontextmanager
async def serve_runtime(
    settings: Settings, time: VirtualTime, *script: Behaviour
) -> AsyncIterator[tuple[Runtime, RawServer]]:
    """A server of ours, and a raw socket in MiniMax's place."""
    async with (
        serve_raw(*script) as api,
        serving(replace(settings, api_host=api.url), time.clock) as running,
    ):
        yield running, api


async def query(task_id: str = "7", wait_seconds: float = 0) -> VideoStatus:
    return await minimax_server.query_video_generation(task_id, wait_seconds=wait_seconds)


async def fetch(file_id: str) -> VideoFile:
    return await minimax_server.retrieve_video_file(file_id)


def reply_processing(word: str = "Processing") -> Behaviour:
    return ok(task_id="7", status=word, file_id="")


SUCCESS = ok(task_id="7", status="Success", file_id="900", video_width=1366, video_height=768)


# --- never sent --------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_connection_refused_twice_is_tried_again_and_buys_one_video(
    settings: Settings, time: VirtualTime
) -> None:
    sandbox, port = Sandbox(), free_port()
    async with AsyncExitStack() as opened:

        async def sleep(seconds: float) -> None:
            time.slept.append(seconds)
            if len(time.slept) == 2:
                await opened.enter_async_context(serve(sandbox, port=port))

        settings = replace(settings, api_host=f"http://127.0.0.1:{port}")
        async with serving(settings, replace(time.clock, sleep=sleep)) as running:
            video = await buy(running)
    assert [video["task_id"]] == list(sandbox.videos)
    assert (count_submissions(sandbox), sandbox.count_charges("video")) == (1, 1)
    assert states(settings) == ["accepted"]


async def test_a_name_that_cannot_be_resolved_ends_soon_and_names_the_setting(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = []

    def unknown(host: Any, *args: Any, **kwargs: Any) -> Any:
        lookups.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    settings = replace(settings, api_host="https://gone.minimax.io")
    async with serving(settings, time.clock) as running:
        with pytest.raises(UnreachableError, match="MINIMAX_API_HOST") as caught:
            await buy(running)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert len(lookups) == 3
    assert sum(time.slept) < 15
    assert states(settings) == ["rejected"]


@pytest.fixture
def untrusted_certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = samples.put(tmp_path / "tls.pem", private + certificate.public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_that_cannot_be_verified_is_an_error_at_once(
    settings: Settings, time: VirtualTime, untrusted_certificate: ssl.SSLContext
) -> None:
    connections, received = [], []

    class Listener(asyncio.Protocol):
        def __init__(self) -> None:
            connections.append(self)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = transport

        def data_received(self, data: bytes) -> None:
            received.append(data)
            self._transport.close()

    loop = asyncio.get_running_loop()
    async with await loop.create_server(
        Listener, "127.0.0.1", 0, ssl=untrusted_certificate
    ) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with serving(replace(settings, api_host=f"https://localhost:{port}"), time.clock) as (
            running
        ):
            with pytest.raises(UnreachableError, match="certificate"):
                await buy(running)
    assert (len(connections), received) == (1, [])
    assert time.slept == []
    assert states(settings) == ["rejected"]


# --- sent, and nobody knows --------------------------------------------------------------------


def cut_answer(head: str) -> Behaviour:
    """The first part of an answer that accepts, then the end of the connection."""
    return raw(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + b'{"task_id": "1062')


ACCEPTED = {"base_resp": {"status_code": 0, "status_msg": "success"}}

DOUBTS = [
    pytest.param(reset, None, id="04-reset"),
    pytest.param(close, None, id="04-closed"),
    pytest.param(hang, None, id="05-silence"),
    pytest.param(cut_answer(""), None, id="06-cut-without-length"),
    pytest.param(cut_answer("Content-Length: 99\r\n"), None, id="06-cut-with-length"),
    pytest.param(cut_answer("Transfer-Encoding: chunked\r\n"), None, id="06-cut-in-chunks"),
    pytest.param(reply(b"<html>Welcome</html>"), TRACE, id="06-no-JSON"),
    pytest.param(reply([]), TRACE, id="06-no-object"),
    pytest.param(
        reply(b"no gzip at all", headers={"Content-Encoding": "gzip"}), None, id="06-bad-gzip"
    ),
    pytest.param(reply(ACCEPTED), TRACE, id="07-no-task-id"),
    pytest.param(ok(task_id=""), TRACE, id="07-empty-task-id"),
    pytest.param(ok(task_id=None), TRACE, id="07-null-task-id"),
    *(pytest.param(reply(b"x", status=n), TRACE, id=f"08-{n}") for n in (500, 502, 503, 504, 408)),
    *(pytest.param(refuse(n), TRACE, id=f"08-code-{n}") for n in (1000, 1001, 1013, 1024, 1033)),
]


@pytest.mark.parametrize(("fault", "trace"), DOUBTS)
async def test_a_submission_of_unknown_outcome_is_sent_once_and_the_doubt_is_told(
    fault: Behaviour,
    trace: str | None,
    settings: Settings,
    time: VirtualTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(policies, "SUBMIT", replace(policies.SUBMIT, read_seconds=0.1))
    async with serve_runtime(settings, time, fault, ok(task_id="2")) as (running, api):
        with pytest.raises(MaybeChargedError, match="may have accepted and charged") as caught:
            await buy(running)
        assert "It was not sent again." in str(caught.value)
        assert "try again" not in str(caught.value).lower()
        assert caught.value.trace_id == trace
        assert states(settings) == ["unknown"]
        with pytest.raises(MaybeChargedError, match="allow_second_charge=True"):
            await buy(running)
    assert len(api.requests) == 1


# --- throttled ---------------------------------------------------------------------------------

OWN_PACE_SECONDS = 2.0
ASKED_SECONDS = 3.0
BUSY = [
    pytest.param({"status": 429}, id="HTTP-429"),
    pytest.param({"code": 1002}, id="1002"),
    pytest.param({"code": 1039}, id="1039"),
    pytest.param({"code": 1041}, id="1041"),
    pytest.param({"code": 2045}, id="2045"),
]


def answer_busy(headers: dict[str, str], *, status: int = 200, code: int = 0) -> Behaviour:
    body = {"base_resp": {"status_code": code, "status_msg": "slow down"}} if code else b"x"
    return reply(body, status=status, headers=headers)


@pytest.mark.parametrize("kind", BUSY)
async def test_a_throttled_submission_waits_as_asked_and_buys_one_video(
    kind: dict[str, int], settings: Settings, time: VirtualTime
) -> None:
    assert ASKED_SECONDS != OWN_PACE_SECONDS
    script = [answer_busy({"Retry-After": f"{ASKED_SECONDS:g}"}, **kind), ok(task_id="1")]
    async with serve_runtime(settings, time, *script) as (running, api):
        assert (await buy(running))["task_id"] == "1"
    assert time.slept == [ASKED_SECONDS]
    assert len(api.requests) == 2
    assert [row["task_id"] for row in rows(settings)] == ["1"]


async def test_a_submission_that_stays_throttled_is_given_up_after_three_tries(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, answer_busy({"Retry-After": "2"}, code=1002)) as (
        running,
        api,
    ):
        with pytest.raises(RefusedError, match="Too many requests") as caught:
            await buy(running)
    assert caught.value.outcome is Outcome.THROTTLED
    assert len(api.requests) == 3
    assert states(settings) == ["rejected"]


async def test_a_wait_of_an_hour_is_told_and_not_slept_through(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, answer_busy({"Retry-After": "3600"}, code=1002)) as (
        running,
        api,
    ):
        with pytest.raises(RefusedError, match="wait 3600 seconds"):
            await buy(running)
    assert (len(api.requests), time.slept) == (1, [])
    assert states(settings) == ["rejected"]


PAST = format_datetime(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), usegmt=True)


@pytest.mark.parametrize(
    "header", ["-1", "0", "banana", "1" + "0" * 40, "1e999", "nan", PAST, "Thu, 99 Foo", ""]
)
async def test_a_wait_that_makes_no_sense_is_ignored(
    header: str, settings: Settings, time: VirtualTime
) -> None:
    script = [answer_busy({"Retry-After": header}, code=1002), ok(task_id="1")]
    async with serve_runtime(settings, time, *script) as (running, _):
        await buy(running)
    assert time.slept == [OWN_PACE_SECONDS]


async def test_a_wait_until_a_date_is_waited_for(settings: Settings, time: VirtualTime) -> None:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=20)
    script = [
        answer_busy({"Retry-After": format_datetime(when, usegmt=True)}, code=1002),
        ok(task_id="1"),
    ]
    async with serve_runtime(settings, time, *script) as (running, _):
        await buy(running)
    [waited] = time.slept
    assert 15 < waited <= 20


# --- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        pytest.param(1008, RefusedError, "balance is too low", id="11-balance"),
        pytest.param(1004, KeyRefusedError, "does not accept this API key", id="11-key-1004"),
        pytest.param(2049, KeyRefusedError, "does not accept this API key", id="11-key-2049"),
        pytest.param(1026, RefusedError, "Reword the prompt", id="12-input"),
        pytest.param(1027, RefusedError, "Change the prompt", id="12-output"),
    ],
)
async def test_a_refusal_is_one_try_and_says_what_to_do(
    code: int, error: type[MiniMaxError], said: str, settings: Settings, time: VirtualTime
) -> None:
    script = refuse(code, f"your key {KEY} is not welcome")
    async with serve_runtime(settings, time, script) as (running, api):
        with pytest.raises(error, match=said) as caught:
            await buy(running)
    assert caught.value.code == code
    assert KEY not in str(caught.value)
    assert "server error" not in str(caught.value)
    assert len(api.requests) == 1
    assert states(settings) == ["rejected"]


# --- the caller goes ---------------------------------------------------------------------------


async def test_an_id_that_comes_after_the_host_gave_up_is_in_the_ledger_and_on_stderr(
    settings: Settings,
) -> None:
    sandbox = Sandbox()
    sandbox.faults.add(replace(SLOW, delay_seconds=0.3))
    async with serve(sandbox) as url:
        settings = replace(settings, api_host=url)
        async with start_server(settings) as running:
            ident, answer = running.start("generate_video", **VIDEO)
            await wait_until(lambda: sandbox.count_charges("video"))
            running.cancel(ident)
            await wait_until(lambda: states(settings) == ["accepted"])
            assert not answer.done()
            assert await running.close() == 0
    [task_id] = sandbox.videos
    assert [row["task_id"] for row in rows(settings)] == [task_id]
    assert task_id in running.stderr
    assert count_submissions(sandbox) == 1


async def test_after_a_doubt_the_same_call_is_refused_and_names_the_attempt(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, reset, ok(task_id="2")) as (running, api):
        with pytest.raises(MaybeChargedError):
            await buy(running)
        when = datetime.datetime.fromtimestamp(rows(settings)[0]["created_at"], datetime.UTC)
        with pytest.raises(MaybeChargedError, match=f"{when:%Y-%m-%d %H:%M}"):
            await buy(running)
    assert len(api.requests) == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the deadline has to decide")
async def test_a_server_killed_between_send_and_reply_is_remembered_as_submitting(
    settings: Settings,
) -> None:
    async with serve_raw(hang, ok(task_id="2")) as api:
        settings = replace(settings, api_host=api.url)
        async with start_server(settings) as running:
            running.start("generate_video", **VIDEO)
            await wait_until(lambda: api.requests)
            running.process.kill()
            await running.process.wait()
        assert states(settings) == ["submitting"]
        async with start_server(settings) as running:
            refusal = await running.failure("generate_video", **VIDEO)
    assert "allow_second_charge=true" in refusal
    assert len(api.requests) == 1


# --- the connection ----------------------------------------------------------------------------


async def test_a_connection_that_went_stale_is_not_used_for_a_submission(
    settings: Settings, time: VirtualTime
) -> None:
    """The server answers once per connection, and drops it when it is used again."""
    used: list[Connection] = []

    async def answer_once(connection: Connection) -> Any:
        if connection in used:
            return CLOSED
        used.append(connection)
        await connection.send(http(ACCEPTED | {"task_id": "7", "status": "Processing"}))
        return None

    async with serve_runtime(settings, time, answer_once) as (running, api):
        await query()
        for _ in range(2):
            assert (await buy(running))["task_id"] == "7"
    assert [request.method for request in api.requests] == ["GET", "POST", "POST"]


async def test_every_submission_has_a_connection_of_its_own(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, ok(task_id="7", status="Processing")) as (
        running,
        api,
    ):
        for _ in range(3):
            await query()
            await buy(running)
    assert api.connections == 1 + 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_error_and_the_key_goes_nowhere_else(
    status: int, settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(ok(task_id="1")) as elsewhere:
        away = reply(b"", status=status, headers={"Location": f"{elsewhere.url}{SUBMIT}"})
        async with serve_runtime(settings, time, away) as (running, api):
            with pytest.raises(RefusedError, match="redirect"):
                await buy(running)
    assert (len(api.requests), elsewhere.connections) == (1, 0)


# --- asking ------------------------------------------------------------------------------------


async def test_three_bad_gateways_do_not_end_a_wait(settings: Settings, time: VirtualTime) -> None:
    bad = reply(b"<html>", status=502)
    script = [bad, bad, bad, reply_processing(), SUCCESS]
    async with serve_runtime(settings, time, *script) as (_, api):
        status = await query(wait_seconds=LONGEST_WAIT_SECONDS)
    assert (status["status"], status["file_id"]) == ("completed", "900")
    assert [request.method for request in api.requests] == ["GET"] * 5


async def test_a_word_never_seen_counts_as_running_and_is_shown_as_it_came(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, reply_processing("Dreaming")) as (_, api):
        started = time.seconds
        status = await query(wait_seconds=LONGEST_WAIT_SECONDS)
    assert (status["status"], status["provider_status"]) == ("processing", "Dreaming")
    assert time.seconds - started < 50
    assert len(api.requests) > 1


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("Fail", 0, "MiniMax gave no reason"),
        ("Fail", 1027, "Change the prompt"),
        ("Processing", 1026, "Reword the prompt"),
        ("failed", 0, "MiniMax gave no reason"),
        ("cancelled", 0, "cancelled"),
        ("EXPIRED", 0, "expired"),
    ],
)
async def test_the_end_of_a_job_is_told_at_once_and_never_asked_for_again(
    word: str, code: int, said: str, settings: Settings, time: VirtualTime
) -> None:
    verdict = {"status_code": code, "status_msg": "success"}
    ended = reply({"task_id": "7", "status": word, "file_id": "", "base_resp": verdict})
    async with serve_runtime(settings, time, ended) as (_, api):
        for wait_seconds in (LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, 0):
            status = await query(wait_seconds=wait_seconds)
            assert (status["task_id"], status["status"]) == ("7", "failed")
            assert said in str(status["error"])
            assert status["error_code"] == (code or None)
            assert status["file_id"] is None
    assert [request.method for request in api.requests] == ["GET"]
    assert time.slept == []


async def test_a_job_that_never_ends_is_a_normal_answer_before_50_seconds(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, reply_processing()):
        started = time.seconds
        status = await query(wait_seconds=LONGEST_WAIT_SECONDS)
    assert status["status"] == "processing"
    assert LONGEST_WAIT_SECONDS <= time.seconds - started < 50
    assert "wait_seconds=45" in status["next_step"]


async def test_a_cancelled_wait_ends_within_a_tick_and_leaves_nothing_running(
    settings: Settings, time: VirtualTime
) -> None:
    asleep = asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    async with serve_raw(reply_processing()) as api:
        settings = replace(settings, api_host=api.url)
        async with serving(settings, replace(time.clock, sleep=sleep)):
            before = asyncio.all_tasks()
            waiting = asyncio.create_task(query(wait_seconds=LONGEST_WAIT_SECONDS))
            await asleep.wait()
            waiting.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert waiting.cancelled()
            ours = [repr(task.get_coro()) for task in asyncio.all_tasks() - before - {waiting}]
            of_the_api = ("serve_connection", "accept_coro")  # the latter is asyncio's, on Windows
            assert [task for task in ours if not any(name in task for name in of_the_api)] == []
    assert len(api.requests) == 1


async def test_a_file_that_is_named_a_moment_later_is_found(
    settings: Settings, time: VirtualTime
) -> None:
    nameless = ok(task_id="7", status="Success", file_id="")
    async with serve_runtime(settings, time, nameless, nameless, SUCCESS):
        assert (await query())["file_id"] == "900"


async def test_a_file_that_is_never_named_is_an_error_that_keeps_the_job(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_runtime(settings, time, ok(task_id="7", status="Success", file_id="")) as (
        _,
        api,
    ):
        with pytest.raises(UnansweredError, match="What was made is not lost") as caught:
            await query()
        assert caught.value.task_id == "7"
        assert "job 7 " in str(caught.value)
        tries = len(api.requests)
        with pytest.raises(UnansweredError):
            await query(wait_seconds=LONGEST_WAIT_SECONDS)
    assert 1 < tries <= 4


async def test_a_file_that_is_not_found_for_20_seconds_is_waited_for(
    settings: Settings, time: VirtualTime
) -> None:
    video, started = samples.mp4(), time.seconds
    async with serve_raw(reply(video)) as store:

        async def retrieve(connection: Connection) -> None:
            found = ok(file={"file_id": 900, "download_url": f"{store.url}/f.mp4?Signature=s"})
            late = time.seconds - started >= 20
            await (found if late else refuse(2013, "file not found"))(connection)

        async with serve_runtime(settings, time, SUCCESS, retrieve) as (_, api):
            await query()
            saved = await fetch("900")
    assert saved["status"] == "saved"
    assert Path(str(saved["path"])).read_bytes() == video
    assert len(api.requests) <= 10


async def test_a_file_that_is_never_found_is_an_error_after_half_a_minute(
    settings: Settings, time: VirtualTime
) -> None:
    started = time.seconds
    async with serve_runtime(settings, time, SUCCESS, refuse(2013, "file not found")):
        await query()
        with pytest.raises(RefusedError):
            await fetch("900")
    assert 20 < time.seconds - started < 40


# --- downloading -------------------------------------------------------------------------------

VIDEO_FILE = samples.mp4()


def cut_download(head: str) -> Behaviour:
    """Three fifths of a video, then the end of the connection."""
    return raw(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + VIDEO_FILE[: len(VIDEO_FILE) * 3 // 5])


CUT_DOWNLOADS = pytest.mark.parametrize(
    "cut",
    [
        pytest.param(cut_download(f"Content-Length: {len(VIDEO_FILE)}\r\n"), id="with-length"),
        pytest.param(cut_download(""), id="without-length"),
    ],
)


@CUT_DOWNLOADS
async def test_a_download_that_is_cut_begins_again_and_only_the_whole_file_is_saved(
    cut: Behaviour, settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(cut, cut, reply(VIDEO_FILE)) as store:
        link = ok(file={"file_id": 900, "download_url": f"{store.url}/f.mp4"})
        async with serve_runtime(settings, time, link) as (_, api):
            saved = await fetch("900")
    assert Path(str(saved["path"])).read_bytes() == VIDEO_FILE
    assert [path.name for path in settings.base_path.iterdir()] == ["video-900.mp4"]
    assert ["range" in request.headers for request in store.requests] == [False] * 3
    assert len(api.requests) == 1


@CUT_DOWNLOADS
async def test_a_download_that_is_cut_every_time_is_given_up_after_three_and_leaves_nothing(
    cut: Behaviour, settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(cut) as store:
        link = ok(file={"file_id": 900, "download_url": f"{store.url}/f.mp4"})
        async with serve_runtime(settings, time, link):
            with pytest.raises(MiniMaxError, match=r"(?i)call again"):
                await fetch("900")
    assert len(store.requests) == 3
    assert list(settings.base_path.iterdir()) == []


# --- secrets and clocks ------------------------------------------------------------------------

SIGNATURE = "Signature=canary-of-the-link"
TALKATIVE = {
    "reset": reset,
    "key refused": refuse(1004, f"invalid api key {KEY} http://a.b/c?{SIGNATURE}"),
    "parameter refused": refuse(2013, f"bad header Authorization: Bearer {KEY}"),
    "unknown code": refuse(4711, f"Bearer {KEY}"),
    "error page": reply(f"<html>{KEY} {SIGNATURE}".encode(), status=500),
    "no JSON": reply(f"{KEY} {SIGNATURE}".encode()),
    "redirect": reply(b"", status=307, headers={"Location": f"http://a.b/?{SIGNATURE}&k={KEY}"}),
    "trace id": reply(b"x", status=400, headers={"Trace-Id": KEY}),
    "bad header": raw(f"HTTP/1.1 200 OK\r\n{KEY} {SIGNATURE}\r\n\r\n".encode()),
}
"""Failures in which the other side repeats what it was told."""


async def test_neither_key_nor_signature_gets_out_of_a_failure(settings: Settings) -> None:
    link = f"http://127.0.0.1:1/video.mp4?{SIGNATURE}"
    async with serve_raw(*TALKATIVE.values(), ok(file={"download_url": link})) as api:
        env = {
            "MINIMAX_API_HOST": api.url,
            "MINIMAX_API_KEY": KEY,
            "MINIMAX_MCP_STATE_DIR": str(settings.state_dir),
            "MINIMAX_LOG_LEVEL": "DEBUG",
        }
        async with host(env=env) as running:
            await running.handshake()
            said = {
                name: await running.failure("generate_video", prompt=name) for name in TALKATIVE
            }
            said["download"] = await running.failure("retrieve_video_file", file_id="900")
            assert await running.close() == 0
    assert len(api.requests) == len(TALKATIVE) + 1
    assert [name for name, text in said.items() if KEY in text or "canary" in text] == []
    shown = b"".join(running.lines).decode() + running.stderr
    assert KEY not in shown
    assert "canary-of-the-link" not in shown
    kept = b"".join(file.read_bytes() for file in settings.state_dir.rglob("*") if file.is_file())
    assert b"error page" in kept
    assert KEY.encode() not in kept


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["ahead", "back"])
async def test_a_clock_that_jumps_by_an_hour_during_a_wait_changes_nothing(
    jump: float, settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = real_time.time()

    async def sleep(seconds: float) -> None:
        nonlocal wall
        wall += jump
        await time.clock.sleep(seconds)

    monkeypatch.setattr(real_time, "time", lambda: wall)
    async with serve_raw(reply_processing()) as api:
        settings = replace(settings, api_host=api.url)
        async with serving(settings, replace(time.clock, sleep=sleep)):
            started = time.seconds
            status = await query(wait_seconds=LONGEST_WAIT_SECONDS)
    assert status["status"] == "processing"
    assert LONGEST_WAIT_SECONDS <= time.seconds - started < 50
    assert status["elapsed_seconds"] == LONGEST_WAIT_SECONDS
    assert 5 < len(api.requests) < 12
