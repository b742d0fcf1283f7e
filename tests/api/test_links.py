"""Where links of MiniMax's may lead, and what a download takes."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import minimax_server
from minimax.api import policies, signed_links
from minimax.api.client import MiniMaxClient
from minimax.errors import (
    MiniMaxError,
    Outcome,
    RefusedError,
    StorageError,
    UnansweredError,
    UnreachableError,
)
from minimax.files.public_addresses import is_public
from minimax.runtime import Runtime
from minimax.settings import Settings
from tests.support import samples
from tests.support.in_process import use_runtime
from tests.support.raw_server import Behaviour, Connection, http, ok, raw, reply, serve_raw
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

NAME = "files.example.com"
Names = dict[str, list[str]]


class LookUps:
    """What names lead to, and how often each was asked for."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.asked: list[str] = []

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = [ip_address(text) for text in self.names[host]]
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (families[address.version], socket.SOCK_STREAM, 6, "", (str(address), port or 0))
            for address in found
        ]


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> LookUps:
    found = LookUps({})
    monkeypatch.setattr(socket, "getaddrinfo", found)
    return found


@asynccontextmanager
async def open_client(
    settings: Settings, time: VirtualTime, *, judge: Callable[[Any], bool] = is_public
) -> AsyncIterator[MiniMaxClient]:
    """A client of the real API host, of which nothing is asked here."""
    client = MiniMaxClient(settings, clock=time.clock, is_public=judge)
    try:
        yield client
    finally:
        await client.aclose()


async def download(client: MiniMaxClient, link: str) -> bytes:
    async with client.download(link) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


@asynccontextmanager
async def serve_store(
    settings: Settings, time: VirtualTime, *script: Behaviour
) -> AsyncIterator[tuple[MiniMaxClient, str]]:
    """A client of an API on this machine, and a link to a store beside it."""
    async with (
        serve_raw(*script) as store,
        open_client(replace(settings, api_host=store.url), time) as client,
    ):
        yield client, f"{store.url}/f"


# --- where they lead ---------------------------------------------------------------------------

INTERNAL = [
    ["127.0.0.1"],
    ["::1"],
    ["10.0.0.7"],
    ["192.168.1.1"],
    ["169.254.169.254"],
    ["100.100.100.200"],
    ["fd00::1"],
    ["::ffff:127.0.0.1"],
    ["8.8.8.8", "127.0.0.1"],
    ["127.0.0.1", "8.8.8.8"],
]


@pytest.mark.parametrize("addresses", INTERNAL, ids=",".join)
async def test_a_name_that_leads_inside_is_refused_before_any_connection(
    addresses: list[str], settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    look_ups.names[NAME] = addresses
    async with serve_raw(reply(b"secret")) as inside, open_client(settings, time) as client:
        port = inside.url.rsplit(":", 1)[1]
        with pytest.raises(RefusedError, match="not a public internet host") as caught:
            await download(client, f"https://{NAME}:{port}/f?Signature=canary")
    assert inside.connections == 0
    assert caught.value.outcome is Outcome.REJECTED
    assert "canary" not in str(caught.value)
    assert look_ups.asked == [NAME]


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1/f",
        "http://localhost/f",
        "https://[::1]/f",
        "https://2130706433/f",
        "https://0x7f.1/f",
        "https://8.8.8.8/f",
        "https://intranet/f",
        "https://files.example.com./f",
        "https://user:pass@files.example.com/f",
        "https://@files.example.com/f",
        "https://files.example.com,evil.example/f",
        "https://[::1].files.example.com/f",
        "https://f\u0131les.example.com/f",
        "https://files.example.\u212aom/f",
        "https://files.example.com:99999/f",
        "https://files.example.com/" + "x" * 9_000,
        "ftp://files.example.com/f",
        "file:///etc/passwd",
    ],
)
async def test_a_link_that_names_no_public_host_is_none(
    link: str, settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    async with open_client(settings, time) as client:
        with pytest.raises(UnansweredError, match="no usable download link"):
            await download(client, link)
    assert look_ups.asked == []


async def test_a_link_to_this_machine_is_followed_only_where_the_api_is_on_it(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(reply(b"video")) as store:
        async with open_client(replace(settings, api_host=store.url), time) as client:
            assert await download(client, f"{store.url}/f") == b"video"
        async with open_client(settings, time) as client:
            with pytest.raises(UnansweredError):
                await download(client, f"{store.url}/f")
    assert store.connections == 1


async def test_without_a_judge_no_link_leads_outside(
    settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    look_ups.names[NAME] = ["8.8.8.8"]
    client = MiniMaxClient(settings, clock=time.clock)
    with pytest.raises(RefusedError, match="not a public internet host"):
        await download(client, f"https://{NAME}/f")
    await client.aclose()


async def test_the_server_judges_links_by_the_table_of_public_addresses(
    settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    look_ups.names[NAME] = ["192.168.0.1"]
    running = Runtime(lambda: settings, clock=time.clock)
    with pytest.raises(RefusedError, match="not a public internet host"):
        await download(await running.client(), f"https://{NAME}/f")
    await running.aclose()


async def test_a_name_that_is_unknown_is_said(
    settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    async with open_client(settings, time) as client:
        with pytest.raises(UnreachableError, match=f"{NAME} could not be looked up"):
            await download(client, f"https://{NAME}/f")


async def test_the_connection_goes_to_the_address_that_was_judged(
    settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    """One look-up, one judgement, and the name again only in Host and in TLS."""
    hello = asyncio.Event()
    names: list[str | None] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = await reader.read(2048)
        names.append(NAME if NAME.encode() in record else None)
        hello.set()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as site:
        port = site.sockets[0].getsockname()[1]
        look_ups.names[NAME] = ["127.0.0.1"]
        judged: list[str] = []

        def judge(address: object) -> bool:
            judged.append(str(address))
            return True

        async with open_client(settings, time, judge=judge) as client:
            with pytest.raises(MiniMaxError) as caught:
                await download(client, f"https://{NAME}:{port}/f")
        await asyncio.wait_for(hello.wait(), 10)
    assert (look_ups.asked, judged, names) == ([NAME], ["127.0.0.1"], [NAME])
    assert "127.0.0.1" not in str(caught.value)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for NAME that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return samples.put(tmp_path / "tls.pem", private + made.public_bytes(pem))


@pytest.mark.parametrize(("name", "error"), [(NAME, None), ("other.example.com", UnreachableError)])
async def test_the_certificate_must_be_for_the_name_and_not_for_the_address(
    name: str,
    error: type[MiniMaxError] | None,
    certificate: Path,
    settings: Settings,
    time: VirtualTime,
    look_ups: LookUps,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http(b"video"))
        await writer.drain()
        writer.close()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    look_ups.names[name] = ["127.0.0.1"]
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as site:
        authority = f"{name}:{site.sockets[0].getsockname()[1]}"
        async with open_client(settings, time, judge=lambda _: True) as client:
            if error is None:
                assert await download(client, f"https://{authority}/f?a=b") == b"video"
                assert hosts[0].startswith(b"GET /f?a=b ")
                assert f"Host: {authority}\r\n".encode() in hosts[0]
            else:
                with pytest.raises(error, match=f"The certificate of {name}"):
                    await download(client, f"https://{authority}/f")


@dataclass
class Greeted:
    """A port at which TLS is begun and never answered: who came, by the first byte."""

    port: int = 0
    came: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serve_no_tls() -> AsyncIterator[Greeted]:
    greeted = Greeted()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.came.append(await reader.read(1))
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as site:
        greeted.port = site.sockets[0].getsockname()[1]
        yield greeted


TLS_HELLO = b"\x16"


@pytest.mark.parametrize("addresses", [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]])
async def test_one_address_of_each_family_is_tried_until_one_answers(
    addresses: list[str], settings: Settings, time: VirtualTime, look_ups: LookUps
) -> None:
    look_ups.names[NAME] = addresses
    async with serve_no_tls() as site, open_client(settings, time, judge=lambda _: True) as client:
        with pytest.raises(MiniMaxError):
            await download(client, f"https://{NAME}:{site.port}/f")
    assert site.came == [TLS_HELLO]


# --- proxies -----------------------------------------------------------------------------------


def no_tunnel(status: int) -> Behaviour:
    return reply(b"", status=status)


async def test_a_proxy_is_given_the_name_and_not_an_address(
    settings: Settings, time: VirtualTime, look_ups: LookUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_raw(no_tunnel(403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with open_client(settings, time) as client:
            with pytest.raises(UnreachableError, match="The proxy that HTTPS_PROXY or ALL_PROXY"):
                await download(client, f"https://{NAME}/f")
    assert [(seen.method, seen.target) for seen in proxy.requests] == [("CONNECT", f"{NAME}:443")]


async def test_a_name_that_leads_inside_is_refused_behind_a_proxy_as_well(
    settings: Settings, time: VirtualTime, look_ups: LookUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_ups.names[NAME] = ["10.0.0.1"]
    async with serve_raw(no_tunnel(403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with open_client(settings, time) as client:
            with pytest.raises(RefusedError, match="not a public internet host"):
                await download(client, f"https://{NAME}/f")
    assert proxy.connections == 0


async def test_a_host_that_needs_no_proxy_is_connected_to_by_its_address(
    settings: Settings, time: VirtualTime, look_ups: LookUps, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_ups.names[NAME] = ["127.0.0.1"]
    async with serve_raw(no_tunnel(403)) as proxy, serve_no_tls() as site:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.com")
        async with open_client(settings, time, judge=lambda _: True) as client:
            with pytest.raises(MiniMaxError):
                await download(client, f"https://{NAME}:{site.port}/f")
    assert (proxy.connections, site.came) == (0, [TLS_HELLO])


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_gives_no_tunnel_is_named_and_nothing_was_sent(
    status: int, settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_raw(no_tunnel(status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with open_client(settings, time) as client:
            with pytest.raises(UnreachableError, match="The proxy that HTTPS_PROXY") as caught:
                await client.submit_video({"model": "m"})
    assert caught.value.outcome is Outcome.NOT_SENT
    assert {seen.method for seen in proxy.requests} == {"CONNECT"}


# --- what a download takes ---------------------------------------------------------------------


async def drip(connection: Connection) -> None:
    """A video of which a byte comes now and then."""
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await connection.send(b"x")
        await asyncio.sleep(0.01)


async def test_a_download_that_drips_is_ended_by_its_deadline_and_leaves_nothing_behind(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "DOWNLOAD", replace(policies.DOWNLOAD, deadline_seconds=0.2))
    async with serve_raw(drip) as store:
        script = ok(file={"file_id": 900, "download_url": f"{store.url}/f.mp4"})
        async with serve_raw(script) as api, use_runtime(settings, api, time):
            with pytest.raises(UnansweredError, match="within 0 seconds"):
                async with asyncio.timeout(10):
                    await minimax_server.retrieve_video_file("900")
    assert list(settings.base_path.iterdir()) == []


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 1001\r\n", id="announced"),
        pytest.param(b"Content-Length: " + b"9" * 5000 + b"\r\n", id="announced-beyond-reason"),
        pytest.param(b"", id="unannounced"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", id="in-chunks"),
    ],
)
async def test_a_download_is_left_when_it_is_too_large(
    head: bytes, settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_links, "LARGEST_VIDEO_BYTES", 1000)
    chunked = b"chunked" in head
    body = b"3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n" if chunked else bytes(1001)
    script = raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
    async with serve_store(settings, time, script) as (client, link):
        with pytest.raises(MiniMaxError) as caught:
            await download(client, link)
    if len(head) < 100:
        assert isinstance(caught.value, StorageError)
        assert "larger than any video" in str(caught.value)


async def test_what_announces_too_much_is_not_read(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_links, "LARGEST_VIDEO_BYTES", 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"
    async with serve_store(settings, time, raw(head)) as (client, link):
        # Read on, this would be a cut connection.
        with pytest.raises(StorageError, match="larger than any video"):
            await download(client, link)


async def test_a_download_of_exactly_the_largest_size_is_taken(
    settings: Settings, time: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_links, "LARGEST_VIDEO_BYTES", 1000)
    async with serve_store(settings, time, reply(bytes(1000))) as (client, link):
        assert await download(client, link) == bytes(1000)


# --- links in results --------------------------------------------------------------------------


async def test_no_more_images_are_fetched_than_were_asked_for(
    settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(reply(samples.png())) as store:
        links = [f"{store.url}/{number}.png" for number in range(300)]
        script = ok(id="1", data={"image_urls": links})
        async with serve_raw(script) as api, use_runtime(settings, api, time):
            made = await minimax_server.text_to_image("a lake", n=2)
    assert [seen.target for seen in store.requests] == ["/0.png", "/1.png"]
    assert made["image_urls"] == links[:2]
    assert "298 links beyond those asked for were ignored" in made["next_step"]


DIRTY = "https://cdn.example/f\u202e.mp4\n?Expires=1&\x1b[0mSignature=s\u200b\ufe0f"
CLEAN = "https://cdn.example/f.mp4?Expires=1&[0mSignature=s"


async def test_links_in_results_hold_nothing_invisible(
    settings: Settings, time: VirtualTime
) -> None:
    links_only = replace(settings, resource_mode="url")
    script = [
        ok(file={"download_url": DIRTY}),
        ok(data={"audio": DIRTY}),
        ok(data={"image_urls": [DIRTY]}),
    ]
    async with serve_raw(*script) as api, use_runtime(links_only, api, time):
        video = await minimax_server.retrieve_video_file("900")
        speech = await minimax_server.text_to_audio("Hello.")
        images = await minimax_server.text_to_image("a lake")
    assert (video["video_url"], speech["audio_url"], images["image_urls"]) == (
        CLEAN,
        CLEAN,
        [CLEAN],
    )


@pytest.mark.parametrize(
    "link",
    [
        "https://cdn.example/" + "x" * 200_000,
        "https://user:pass@cdn.example/f",
        "https://[bad/",
        "javascript:alert(1)",
        "https://",
        5,
    ],
    ids=lambda link: str(link)[:30],
)
async def test_what_is_no_link_of_the_web_is_not_shown_as_one(
    link: Any, settings: Settings, time: VirtualTime
) -> None:
    links_only = replace(settings, resource_mode="url")
    script = ok(file={"download_url": link})
    async with serve_raw(script) as api, use_runtime(links_only, api, time):
        with pytest.raises(UnansweredError, match="could not be read"):
            await minimax_server.retrieve_video_file("900")


@pytest.mark.parametrize("expires", ["9" * 5000, "9" * 11, "-1", "\u0665"])
async def test_an_odd_expiry_spoils_no_result(
    expires: str, settings: Settings, time: VirtualTime
) -> None:
    links_only = replace(settings, resource_mode="url")
    script = ok(file={"download_url": f"https://cdn.example/f?Expires={expires}"})
    async with serve_raw(script) as api, use_runtime(links_only, api, time):
        found = await minimax_server.retrieve_video_file("900")
    assert "about an hour" in found["next_step"]
