"""The door for URLs that somebody gave: what may not pass, what may, what is left open.

Two instruments do most of the work. A canary is a listening socket on loopback whose backlog must
stay empty: any connection, even one closed at once, would be seen. A site is a TLS server on
loopback under a public name; a guard for tests finds it there, and leaving the site waits until
every one of its clients has hung up.
"""

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minimax.errors import InputError, StorageError
from minimax.files import safe_fetch
from minimax.files.own_addresses import is_own, is_public_elsewhere
from minimax.files.public_addresses import is_public
from minimax.files.safe_fetch import Guard, check_url_syntax, fetch
from tests.support.raw_server import close_server

pytestmark = pytest.mark.anyio

NAME = "files.example.com"
OTHER_NAME = "other.example.com"
HOME = "127.0.0.1"
SECRET = "signature-4711"
CAP = 100_000

TIDY = settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
QUICK = settings(TIDY, max_examples=30)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# --- Instruments ---------------------------------------------------------------------------------


class Canary:
    """Listening sockets on one port of 127.0.0.1 and, where there is one, ::1."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server((HOME, 0))]
        self.port = int(self._sockets[0].getsockname()[1])
        with suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listener in self._sockets:
            listener.setblocking(False)

    def assert_untouched(self) -> None:
        for listener in self._sockets:
            with pytest.raises(BlockingIOError):
                listener.accept()

    def close(self) -> None:
        for listener in self._sockets:
            listener.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    canary = Canary()
    yield canary
    canary.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody else can listen on while the test runs."""
    with socket.socket() as bound:
        bound.bind((HOME, 0))
        yield int(bound.getsockname()[1])


@dataclass(frozen=True)
class Tls:
    """Both ends of a throw-away certificate for NAME and OTHER_NAME."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    authority: Path


def sign(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        sign("test CA", ca_key, "test CA", ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.DNSName(OTHER_NAME)])
    leaf = (
        sign("test site", key, "test CA", ca_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "site.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    authority = pem.with_name("authority.pem")
    authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    client = ssl.create_default_context(cafile=authority)
    return Tls(server=server, client=client, authority=authority)


Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """What a server on loopback was asked, and under which names."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)

    def url(self, path: str = "/", *, name: str = NAME) -> str:
        return f"https://{name}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [request.split()[1] for request in self.requests]


@asynccontextmanager
async def serving(tls: Tls, scripts: Script | dict[str, Script]) -> AsyncIterator[Site]:
    """Serve scripts by path, until every client has hung up by itself."""
    site, connections = Site(), set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            site.requests.append(head)
            path = head.split()[1].partition("?")[0]
            await (scripts[path] if isinstance(scripts, dict) else scripts)(writer)
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def note_name(_socket: object, name: str | None, _context: object) -> None:
        site.names.append(name)

    tls.server.sni_callback = note_name
    server = await asyncio.start_server(answer, HOME, 0, ssl=tls.server)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
        async with asyncio.timeout(2):
            await asyncio.gather(*connections)
    finally:
        await close_server(server)


def reply(
    body: bytes = b"",
    *,
    status: str = "200 OK",
    length: int | None = None,
    headers: dict[str, str] | None = None,
) -> Script:
    """An answer that announces its length, or the one given."""
    fields = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}

    async def script(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()

    return script


def redirect(location: str, *, status: str = "302 Found", set_cookie: str = "") -> Script:
    """A redirect; `{port}` in the location is the site's own."""

    async def script(writer: asyncio.StreamWriter) -> None:
        port = str(writer.get_extra_info("sockname")[1])
        headers = {"Location": location.replace("{port}", port), "Set-Cookie": set_cookie}
        await reply(status=status, headers=headers)(writer)

    return script


def endless(piece: bytes, *, head: bytes = b"", pause_seconds: float = 0.0) -> Script:
    """An answer without a length that goes on until the client hangs up."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return script


def broken_off(data: bytes, *, reset: bool = False) -> Script:
    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if reset:
            writer.transport.abort()
        writer.close()

    return script


async def silent(_writer: asyncio.StreamWriter) -> None:
    """Read the request, and answer nothing."""


PLAIN_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Names:
    """A resolver that gives each name its answers in turn (the last one again and again)."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers) or [[HOME]]

    async def __call__(self, name: str, port: int) -> list[str]:
        self.asked.append(name)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def is_loopback_address(address: IPv4Address | IPv6Address) -> bool:
    return address == IPv4Address(HOME)


def loopback_guard(tls: Tls, names: Names | None = None) -> Guard:
    return Guard(resolve=names or Names(), is_public=is_loopback_address, tls=tls.client)


async def body_of(
    url: str,
    *,
    guard: Guard,
    max_bytes: int = CAP,
    deadline_seconds: float = 5.0,
    idle_seconds: float = 5.0,
) -> bytes:
    async with fetch(
        url,
        max_bytes=max_bytes,
        deadline_seconds=deadline_seconds,
        idle_seconds=idle_seconds,
        guard=guard,
    ) as chunks:
        return b"".join([chunk async for chunk in chunks])


@contextmanager
def error_text(error: type[InputError | StorageError], words: str) -> Iterator[None]:
    """Expect our own error: these words, a remedy, and nothing that was not meant to be seen."""
    with pytest.raises(error, match=words) as caught:
        yield
    text = str(caught.value)
    assert type(caught.value) is error
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for hidden in (SECRET, HOME, "::1", "169.254", "Errno", "httpx", "Traceback"):
        assert hidden not in text


# --- Texts: every spelling of an address is refused before anything is looked up -----------------

SPELLINGS = {
    "dotted": "https://127.0.0.1:{port}/",
    "decimal": "https://2130706433:{port}/",
    "hex": "https://0x7f000001:{port}/",
    "hex-upper-case": "https://0X7F000001:{port}/",
    "hex-dotted": "https://0x7f.0x0.0x0.0x1:{port}/",
    "hex-without-digits": "https://127.0.0.0x:{port}/",
    "octal": "https://0177.0.0.1:{port}/",
    "octal-whole": "https://017700000001:{port}/",
    "zero-padded": "https://127.000.000.001:{port}/",
    "short": "https://127.1:{port}/",
    "three-parts": "https://127.0.1:{port}/",
    "zero": "https://0:{port}/",
    "all-zero": "https://0.0.0.0:{port}/",
    "mixed-bases": "https://0x7f.0.1:{port}/",
    "five-parts": "https://1.127.0.0.1:{port}/",
    "name-before-number": "https://files.example.1:{port}/",
    "trailing-dot": "https://127.0.0.1.:{port}/",
    "full-width-digits": "https://\uff11\uff12\uff17.0.0.1:{port}/",
    "circled-digits": "https://①②⑦.⓪.⓪.①:{port}/",
    "ideographic-stops": "https://127。0。0。1:{port}/",
    "percent-encoded": "https://%31%32%37.0.0.1:{port}/",
    "percent-encoded-dot": "https://127%2e0.0.1:{port}/",
    "percent-encoded-slash": "https://127.0.0.1%2f.example.com:{port}/",
    "soft-hyphen": "https://127.0.0.1\u00ad:{port}/",
    "direction-mark": "https://127.0.0.1\u202e:{port}/",
    "zero-width-space": "https://127.0.0\u200b.1:{port}/",
    "ipv6": "https://[::1]:{port}/",
    "ipv6-long": "https://[0:0:0:0:0:0:0:1]:{port}/",
    "ipv6-unspecified": "https://[::]:{port}/",
    "ipv6-mapped": "https://[::ffff:127.0.0.1]:{port}/",
    "ipv6-mapped-upper-case": "https://[::FFFF:7F00:1]:{port}/",
    "ipv6-compatible": "https://[::127.0.0.1]:{port}/",
    "ipv6-nat64": "https://[64:ff9b::127.0.0.1]:{port}/",
    "ipv6-6to4": "https://[2002:7f00:1::]:{port}/",
    "ipv6-zone": "https://[::1%lo]:{port}/",
    "ipv6-zone-encoded": "https://[fe80::1%25lo]:{port}/",
    "ipv6-future": "https://[v1.127.0.0.1]:{port}/",
    "ipv6-open": "https://[::1:{port}/",
    "localhost": "https://localhost:{port}/",
    "localhost-upper-case": "https://LOCALHOST:{port}/",
    "localhost-dot": "https://localhost.:{port}/",
    "localhost-below": "https://files.LocalHost:{port}/",
    "localhost-encoded": "https://localhos%74:{port}/",
    "localhost-lookalike": "https://\uff4cocalhost:{port}/",
    "metadata-name": "https://metadata.google.internal:{port}/",
    "multicast-dns": "https://printer.local:{port}/",
    "onion": "https://files.onion:{port}/",
    "home-network": "https://router.home.arpa:{port}/",
    "one-word": "https://intranet:{port}/",
    "kelvin-sign": "https://\u212aiosk.example.com:{port}/",
    "another-script": "https://bücher.example.com:{port}/",
    "sign-in": "https://files.example.com@127.0.0.1:{port}/",
    "sign-in-empty": "https://@files.example.com:{port}/",
    "sign-in-password": "https://user:signature-4711@files.example.com:{port}/",
    "backslash-sign-in": "https://files.example.com\\@127.0.0.1:{port}/",
    "backslash-path": "https://127.0.0.1:{port}\\.example.com/",
    "fragment-sign-in": "https://127.0.0.1:{port}#@files.example.com/",
    "query-sign-in": "https://127.0.0.1:{port}?@files.example.com/",
    "one-slash": "https:/127.0.0.1:{port}/",
    "no-slash": "https:127.0.0.1:{port}/",
    "three-slashes": "https:///127.0.0.1:{port}/",
    "tab-in-host": "https://127.0.0.\t1:{port}/",
    "line-break": "https://127.0.0.1:{port}/\r\nHost: files.example.com",
    "nul": "https://127.0.0.1\x00.example.com:{port}/",
    "leading-space": " https://127.0.0.1:{port}/",
    "space-in-path": "https://files.example.com:{port}/a b",
    "unpaired-surrogate": "https://files.example.com:{port}/\ud800",
    "port-zero": "https://files.example.com:0/",
    "port-too-large": "https://files.example.com:65536/",
    "port-negative": "https://files.example.com:-1/",
    "port-in-other-digits": "https://files.example.com:\uff14\uff14\uff13/",
    "port-twice": "https://files.example.com:443:{port}/",
    "no-host": "https://",
    "only-a-port": "https://:{port}/",
    "empty-label": "https://files..example.com:{port}/",
    "leading-hyphen": "https://-files.example.com:{port}/",
    "label-too-long": "https://" + "a" * 64 + ".example.com:{port}/",
    "name-too-long": "https://" + "a." * 126 + "com:{port}/",
}

SCHEMES = {
    "http": "http://files.example.com:{port}/",
    "http-upper-case": "HTTP://files.example.com:{port}/",
    "ftp": "ftp://files.example.com:{port}/",
    "file": "file:///etc/passwd",
    "data": "data:audio/wav;base64,AAAA",
    "javascript": "javascript:alert(1)",
    "gopher": "gopher://127.0.0.1:{port}/_",
    "websocket": "wss://files.example.com:{port}/",
    "relative": "//127.0.0.1:{port}/",
    "none": "files.example.com",
    "empty": "",
}

REFUSED_TEXTS = [pytest.param(text, id=name) for name, text in (SPELLINGS | SCHEMES).items()]


@pytest.mark.parametrize("text", REFUSED_TEXTS)
async def test_a_text_that_is_not_https_with_a_public_name_never_leads_to_a_connection(
    text: str, canary: Canary
) -> None:
    """The guard is the real one: what slips through here would be connected to."""
    with error_text(InputError, r"path instead\.$|percent-encoded|Correct the URL\.$"):
        await body_of(text.format(port=canary.port), guard=Guard(), deadline_seconds=1)

    canary.assert_untouched()


@pytest.mark.parametrize("text", REFUSED_TEXTS)
def test_urls_for_minimax_are_held_to_the_same_syntax(text: str) -> None:
    with error_text(InputError, "."):
        check_url_syntax(text.format(port=8443))


@pytest.mark.parametrize("url", ["http://files.example.com/", "HTTP://127.0.0.1/"])
def test_plain_http_is_refused_with_the_reason(url: str) -> None:
    with error_text(
        InputError, "^An http:// URL is not fetched, because anyone on the way could change"
    ):
        check_url_syntax(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://files.example.com/a.png", id="plain"),
        pytest.param("HTTPS://Files.Example.COM", id="upper-case"),
        pytest.param("https://files.example.com:8443/a?b=c#d", id="port-query-fragment"),
        pytest.param("https://my_bucket.s3.example.com/a@b:c", id="underscore-and-at-in-path"),
        pytest.param("https://xn--bcher-kva.example/ü/😀", id="xn-name-and-unicode-path"),
        pytest.param("https://0x.127.example.com/", id="numbers-before-a-name"),
        pytest.param("https://local.example.com/", id="local-as-a-label"),
        pytest.param("https://" + "a" * 63 + ".example.com/", id="longest-label"),
        pytest.param("https://files.example.com/".ljust(2_048, "a"), id="longest"),
    ],
)
def test_a_usable_url_is_returned_untouched(url: str) -> None:
    assert url == check_url_syntax(url)


def test_a_url_for_minimax_has_at_most_2048_characters() -> None:
    with error_text(InputError, "longer than 2,048 characters"):
        check_url_syntax("https://files.example.com/".ljust(2_049, "a"))


async def test_a_url_for_us_may_be_longer_but_not_endless(tls: Tls) -> None:
    """Links signed with session tokens outgrow 2,048 characters."""
    async with serving(tls, reply(b"RIFF")) as site:
        signed_url = site.url("/?").ljust(8_192, "a")

        assert await body_of(signed_url, guard=loopback_guard(tls)) == b"RIFF"
        with error_text(InputError, "longer than 8,192 characters"):
            await body_of(signed_url + "a", guard=loopback_guard(tls))
        assert len(site.requests) == 1


def respell(address: IPv4Address, how: int) -> str:
    """One of the ways in which inet_aton or a browser would read the address."""
    number, parts = int(address), list(address.packed)
    return (
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        hex(number).upper(),
        ".".join(hex(part) for part in parts),
        ".".join(f"0{part:o}" for part in parts),
        ".".join(f"{part:03}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"{parts[0]}.{parts[1]}.{number & 0xFFFF}",
        str(address) + ".",
        str(address).translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
        "".join(f"%{ord(char):02x}" for char in str(address)),
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[{IPv6Address((0x2002 << 112) | (number << 80))}]",
        f"{NAME}@{address}",
        f"{address}\\.{NAME}",
    )[how]


@TIDY
@given(st.ip_addresses(v=4), st.integers(0, 18), st.sampled_from(["", ":443", "/", ":8443/a?b"]))
def test_no_spelling_of_any_address_is_taken_for_a_name(
    address: IPv4Address, how: int, rest: str
) -> None:
    with pytest.raises(InputError):
        check_url_syntax(f"https://{respell(address, how)}{rest}")


PIECES = [
    *("https", "http", ":", "/", "//", "@", "#", "?", "\\", ".", "%", "%2f", "[", "]", "-", "_"),
    *(
        NAME,
        HOME,
        "localhost",
        "::1",
        "0x7f",
        "1",
        "443",
        "a",
        "A",
        "\t",
        " ",
        "\uff11",
        "ß",
        "\u212a",
    ),
]


@settings(TIDY, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_what_is_taken_reads_the_same_to_another_parser(rest: str) -> None:
    """A difference between the parser that judges and the one that connects is the classic hole."""
    url = f"https://{rest}"
    try:
        taken = check_url_syntax(url)
    except InputError:
        return

    assert taken == url
    assert urlsplit(url).hostname == httpx.URL(url).host
    assert not httpx.URL(url).userinfo


# --- Addresses: the table ------------------------------------------------------------------------

REFUSED_ADDRESSES = {
    "unspecified": "0.0.0.0",
    "this-network": "0.1.2.3",
    "private-10": "10.0.0.1",
    "carrier-nat": "100.64.0.1",
    "alibaba-metadata": "100.100.100.200",
    "loopback": "127.0.0.1",
    "loopback-last": "127.255.255.255",
    "azure-wire-server": "168.63.129.16",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "ecs-credentials": "169.254.170.2",
    "private-172": "172.31.255.255",
    "oracle-classic-metadata": "192.0.0.192",
    "documentation-1": "192.0.2.1",
    "as112": "192.31.196.1",
    "amt": "192.52.193.1",
    "6to4-relay": "192.88.99.1",
    "private-192": "192.168.1.1",
    "as112-direct": "192.175.48.1",
    "benchmarking": "198.19.255.255",
    "documentation-2": "198.51.100.1",
    "documentation-3": "203.0.113.1",
    "multicast": "224.0.0.1",
    "multicast-ssdp": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "ipv6-unspecified": "::",
    "ipv6-loopback": "::1",
    "ipv6-loopback-zone": "::1%lo",
    "mapped-loopback": "::ffff:127.0.0.1",
    "mapped-public": "::ffff:8.8.8.8",
    "mapped-siit": "::ffff:0:127.0.0.1",
    "compatible-loopback": "::127.0.0.1",
    "nat64-loopback": "64:ff9b::127.0.0.1",
    "nat64-metadata": "64:ff9b::a9fe:a9fe",
    "nat64-wire-server": "64:ff9b::168.63.129.16",
    "nat64-private": "64:ff9b::10.0.0.1",
    "nat64-local": "64:ff9b:1::127.0.0.1",
    "nat64-local-public": "64:ff9b:1::8.8.8.8",
    "nat64-own-prefix-32": "2a00:1:a9fe:a9fe::",
    "nat64-own-prefix-40": "2a00:1:2a9:fea9:fe::",
    "nat64-own-prefix-56": "2a00:1:2:a9:fe:a9fe::",
    "nat64-own-prefix-48": "2a00:1:2:a9fe:a9:fe00::",
    "nat64-own-prefix-64": "2a00:1:2:3:a9:fea9:fe00:0",
    "nat64-own-prefix-96": "2a00:1:2:3::169.254.169.254",
    "discard": "100::1",
    "teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "teredo-loopback": "2001:0:7f00:1::80ff:fffe",
    "benchmarking-6": "2001:2::1",
    "orchid": "2001:20::1",
    "documentation-6": "2001:db8::1",
    "documentation-3fff": "3fff::1",
    "6to4-loopback": "2002:7f00:1::",
    "6to4-public": "2002:808:808::1",
    "as112-6": "2620:4f:8000::1",
    "segment-routing": "5f00::1",
    "isatap-loopback": "2a00:1:2:3:0:5efe:127.0.0.1",
    "isatap-private": "2a00:1:2:3:200:5efe:10.0.0.1",
    "isatap-link-local": "fe80::5efe:8.8.8.8",
    "unique-local": "fc00::1",
    "aws-metadata": "fd00:ec2::254",
    "aws-pod-identity": "fd00:ec2::23",
    "google-metadata": "fd20:ce::254",
    "scaleway-metadata": "fd00:42::42",
    "link-local-6": "fe80::1",
    "link-local-zone": "fe80::1%eth0",
    "public-with-zone": "2a00:1450:4001:81b::200e%eth0",
    "site-local": "fec0::1",
    "multicast-6": "ff02::1",
    "unallocated": "4000::1",
}

PUBLIC_ADDRESSES = [
    *("8.8.8.8", "93.184.215.14", "168.63.129.15", "168.63.129.17", "192.0.1.1"),
    *("2a00:1450:4001:81b::200e", "2606:4700::6810:84e5", "2620:fe::fe", "2003::1"),
    *("64:ff9b::8.8.8.8", "2a00:1:2:3:0:5efe:8.8.8.8", "2a00:1:2:3::10.0.0.1"),
]


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=name) for name, text in REFUSED_ADDRESSES.items()]
)
async def test_an_address_that_is_not_public_is_refused_after_one_look_up(
    text: str, canary: Canary
) -> None:
    names = Names([text])

    assert not is_public(ip_address(text))
    with error_text(InputError, f"^{NAME} is not a public internet host, .* nothing is fetched"):
        await body_of(
            f"https://{NAME}:{canary.port}/?{SECRET}",
            guard=Guard(resolve=names),
            deadline_seconds=1,
        )
    assert names.asked == [NAME]
    canary.assert_untouched()


# --- Addresses of this machine --------------------------------------------------------------------

OWN = [IPv4Address("93.184.215.14"), IPv6Address("2606:4700::6810:84e5")]


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        pytest.param("93.184.215.14", False, id="own"),
        pytest.param("93.184.215.15", True, id="a-neighbour"),
        pytest.param("2606:4700::6810:84e5", False, id="own-ipv6"),
        pytest.param("2606:4700::6810:84e6", True, id="a-neighbour-ipv6"),
        pytest.param("64:ff9b::93.184.215.14", False, id="own-through-nat64"),
        pytest.param("64:ff9b::93.184.215.15", True, id="a-neighbour-through-nat64"),
        pytest.param("2a00:1:2:3:0:5efe:93.184.215.14", False, id="own-through-isatap"),
        pytest.param("10.0.0.1", False, id="private"),
    ],
)
def test_a_public_address_of_this_machine_is_not_taken(text: str, taken: bool) -> None:
    found = is_public_elsewhere(ip_address(text), is_own=lambda one: one in OWN)
    assert found is taken


def test_the_guard_compares_with_own_addresses_by_itself() -> None:
    assert Guard().is_public is is_public_elsewhere


@pytest.mark.parametrize("text", ["127.0.0.1", "127.1.2.3"])
def test_a_loopback_address_is_own(text: str) -> None:
    if sys.platform != "linux" and text != HOME:
        pytest.skip("only Linux has the whole range on its interface")
    assert is_own(ip_address(text))


@pytest.mark.parametrize("text", ["192.0.2.77", "8.8.8.8", "2001:db8::77", "2606:4700::1"])
def test_an_address_of_another_machine_is_not_own(text: str) -> None:
    assert not is_own(ip_address(text))


OWN_ADDRESS_PROGRAM = """
import asyncio, socket, sys
from minimax.errors import InputError
from minimax.files.own_addresses import is_own
from minimax.files.safe_fetch import Guard, fetch
from ipaddress import ip_address

canary = socket.create_server(("93.184.215.14", 0))
canary.setblocking(False)

async def resolve(name, port):
    return [sys.argv[1]]

async def main():
    url = f"https://files.example.com:{canary.getsockname()[1]}/a.wav"
    try:
        async with fetch(url, max_bytes=99, deadline_seconds=5, guard=Guard(resolve=resolve)):
            pass
    except InputError as error:
        print(error)

asyncio.run(main())
try:
    canary.accept()
except BlockingIOError:
    print("untouched")
print([is_own(ip_address(text)) for text in ("8.8.8.8", "2606:4700::1")])
"""
IN_A_NETWORK = (
    "ip link set lo up && ip address add 93.184.215.14/32 dev lo && "
    "ip -6 address add 2606:4700::6810:84e5/128 dev lo nodad && "
)
FREE_BINDING = "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind && "
FREE_BINDING += "echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind && "


@pytest.mark.skipif(sys.platform != "linux", reason="needs network namespaces")
@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5"])
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(IN_A_NETWORK, id="usual"),
        pytest.param(IN_A_NETWORK + FREE_BINDING, id="binding-to-any-address"),
    ],
)
def test_a_machine_with_a_public_address_is_not_asked_by_itself(network: str, address: str) -> None:
    def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = ["unshare", "--net", "sh", "-c", program, "sh", *arguments]
        return subprocess.run(command, check=False, capture_output=True, encoding="utf-8")

    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip (util-linux, iproute2)")
    prepared = run(network + "true")
    if prepared.returncode:
        pytest.skip(f"this user may not make such a network: {prepared.stderr.strip()}")
    shown = run(network + 'exec "$@"', sys.executable, "-c", OWN_ADDRESS_PROGRAM, address)
    said, *rest = shown.stdout.splitlines()
    assert said.startswith("files.example.com is not a public internet host, or it is this")
    assert rest == ["untouched", "[False, False]"]


# --- Addresses of other machines ------------------------------------------------------------------


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_an_address_of_the_public_internet_is_taken(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    ("network", "below", "above"),
    [
        ("0.0.0.0/8", None, "1.0.0.0"),
        ("10.0.0.0/8", "9.255.255.255", "11.0.0.0"),
        ("100.64.0.0/10", "100.63.255.255", "100.128.0.0"),
        ("127.0.0.0/8", "126.255.255.255", "128.0.0.0"),
        ("169.254.0.0/16", "169.253.255.255", "169.255.0.0"),
        ("172.16.0.0/12", "172.15.255.255", "172.32.0.0"),
        ("192.0.0.0/24", "191.255.255.255", "192.0.1.0"),
        ("192.0.2.0/24", "192.0.1.255", "192.0.3.0"),
        ("192.31.196.0/24", "192.31.195.255", "192.31.197.0"),
        ("192.52.193.0/24", "192.52.192.255", "192.52.194.0"),
        ("192.88.99.0/24", "192.88.98.255", "192.88.100.0"),
        ("192.168.0.0/16", "192.167.255.255", "192.169.0.0"),
        ("192.175.48.0/24", "192.175.47.255", "192.175.49.0"),
        ("198.18.0.0/15", "198.17.255.255", "198.20.0.0"),
        ("198.51.100.0/24", "198.51.99.255", "198.51.101.0"),
        ("203.0.113.0/24", "203.0.112.255", "203.0.114.0"),
        ("224.0.0.0/4", "223.255.255.255", None),
        ("240.0.0.0/4", None, None),
        ("::/3", None, None),
        ("2001::/23", "2000:ffff::", "2001:200::"),
        ("2001:db8::/32", "2001:db7:ffff::", "2001:db9::"),
        ("2002::/16", "2001:ffff::", "2003::"),
        ("2620:4f:8000::/48", "2620:4f:7fff::", "2620:4f:8001::"),
        ("3fff::/20", "3ffe:ffff::", "3fff:1000::"),
        ("4000::/2", "3fff:ffff::", None),
        ("8000::/1", None, None),
    ],
)
def test_the_edges_of_each_network_are_where_its_registry_puts_them(
    network: str, below: str | None, above: str | None
) -> None:
    """IANA's special-purpose registries of IPv4 and IPv6, and what is not global unicast."""
    block = IPv6Network(network) if ":" in network else IPv4Network(network)

    assert not is_public(block[0])
    assert not is_public(block[-1])
    assert all(is_public(ip_address(outside)) for outside in (below, above) if outside)


@settings(TIDY, max_examples=500)
@given(st.ip_addresses())
def test_our_table_takes_nothing_that_the_standard_library_refuses(
    address: IPv4Address | IPv6Address,
) -> None:
    """So httpx-secure's own check, which is this one, would refuse nothing more."""
    assert address.is_global or not is_public(address)
    assert not (address.is_multicast and is_public(address))


WRAPPERS: dict[str, Callable[[int], int]] = {
    "mapped": lambda number: (0xFFFF << 32) | number,
    "compatible": lambda number: number,
    "6to4": lambda number: (0x2002 << 112) | (number << 80),
    "teredo": lambda number: (0x20010000 << 96) | (number ^ 0xFFFFFFFF),
    "nat64": lambda number: (0x0064FF9B << 96) | number,
    "nat64-local": lambda number: (0x0064FF9B0001 << 80) | number,
    "isatap": lambda number: (0x2A00 << 112) | (0x00005EFE << 32) | number,
    "isatap-universal": lambda number: (0x2A00 << 112) | (0x02005EFE << 32) | number,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@settings(TIDY, max_examples=50)
@given(
    address=st.sampled_from([net for net in REFUSED_ADDRESSES.values() if ":" not in net])
    | st.ip_addresses(v=4, network="10.0.0.0/8").map(str)
    | st.ip_addresses(v=4, network="127.0.0.0/8").map(str)
)
def test_no_wrapper_makes_a_refused_address_public(wrapper: str, address: str) -> None:
    wrapped = IPv6Address(WRAPPERS[wrapper](int(IPv4Address(address))))

    assert not is_public(wrapped)


@TIDY
@given(st.ip_addresses(v=4))
def test_nat64_is_as_public_as_what_it_carries(address: IPv4Address) -> None:
    """IPv6-only networks see the whole IPv4 internet under this prefix."""
    assert is_public(address) == is_public(IPv6Address(WRAPPERS["nat64"](int(address))))


# --- Names: one look-up per hop, and all of it judged --------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(["93.184.215.14", HOME], id="public-first"),
        pytest.param([HOME, "93.184.215.14"], id="private-first"),
        pytest.param(["2606:4700::6810:84e5", "93.184.215.14", "::1"], id="private-last"),
        pytest.param(["93.184.215.14", "not an address"], id="nonsense"),
    ],
)
async def test_one_bad_address_among_good_ones_is_enough(answer: list[str], canary: Canary) -> None:
    with error_text(InputError, "is not a public internet host"):
        await body_of(
            f"https://{NAME}:{canary.port}/", guard=Guard(resolve=Names(answer)), deadline_seconds=1
        )

    canary.assert_untouched()


@QUICK
@given(
    good=st.lists(st.sampled_from(PUBLIC_ADDRESSES), max_size=3),
    bad=st.sampled_from(sorted(REFUSED_ADDRESSES.values())),
    place=st.integers(0, 3),
)
async def test_a_bad_address_is_found_wherever_it_stands(
    good: list[str], bad: str, place: int
) -> None:
    answer = [*good[:place], bad, *good[place:]]

    with error_text(InputError, "is not a public internet host"):
        await body_of(f"https://{NAME}/", guard=Guard(resolve=Names(answer)), deadline_seconds=1)


async def test_a_second_answer_of_the_resolver_is_never_asked_for(tls: Tls) -> None:
    """DNS rebinding: public when judged, internal when connected to."""
    names = Names([HOME], ["169.254.169.254"])

    async with serving(tls, reply(b"RIFF")) as site:
        assert await body_of(site.url(), guard=loopback_guard(tls, names)) == b"RIFF"
    assert names.asked == [NAME]


async def test_a_redirect_to_the_same_name_is_looked_up_and_judged_anew(tls: Tls) -> None:
    names = Names([HOME], ["169.254.169.254"])

    async with serving(tls, redirect("/again")) as site:
        with error_text(InputError, "is not a public internet host"):
            await body_of(site.url(), guard=loopback_guard(tls, names))
        assert site.paths == ["/"]
    assert names.asked == [NAME, NAME]


async def test_the_address_is_judged_once_more_where_the_socket_is_opened(canary: Canary) -> None:
    """The second line, httpx-secure: it holds even where the first one changed its mind."""
    verdicts = iter([True, False])
    guard = Guard(resolve=Names(), is_public=lambda _: next(verdicts))

    with error_text(InputError, "is not a public internet host"):
        await body_of(f"https://{NAME}:{canary.port}/", guard=guard, deadline_seconds=1)
    canary.assert_untouched()


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), OSError(), TimeoutError()])
async def test_a_name_that_cannot_be_looked_up_is_said_in_plain_words(error: OSError) -> None:
    async def fail(_name: str, _port: int) -> list[str]:
        raise error

    with error_text(StorageError, f"^The name {NAME} could not be looked up. Check its spelling"):
        await body_of(f"https://{NAME}/?{SECRET}", guard=Guard(resolve=fail))


async def test_a_name_without_addresses_cannot_be_looked_up_either() -> None:
    with error_text(StorageError, "could not be looked up"):
        await body_of(f"https://{NAME}/", guard=Guard(resolve=Names([])))


async def test_a_look_up_ends_with_the_idle_time() -> None:
    async def hang(_name: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    with error_text(StorageError, "could not be looked up"):
        await body_of(f"https://{NAME}/", guard=Guard(resolve=hang), idle_seconds=0.05)


async def test_the_default_resolver_is_the_system_s() -> None:
    assert list(await Guard().resolve(HOME, 443)) == [HOME]


# --- Connections: the judged address, the verified name, nothing of ours -------------------------


async def test_the_bytes_come_as_they_are_from_the_judged_address_under_the_verified_name(
    tls: Tls,
) -> None:
    body = bytes(range(256)) * 300

    async with serving(tls, reply(body)) as site:
        url = site.url("/ü/a%20b//c?q=1&q=%2F#fragment").replace(NAME, NAME.upper())

        assert body == await body_of(url, guard=loopback_guard(tls))
    assert site.names == [NAME]
    assert site.paths == ["/%C3%BC/a%20b//c?q=1&q=%2F"]
    lines = site.requests[0].split("\r\n")
    assert f"Host: {NAME}:{site.port}" in lines
    assert "Accept-Encoding: identity" in lines
    assert {"host", "accept", "accept-encoding", "connection", "user-agent"} == {
        line.partition(":")[0].lower() for line in lines[1:] if line
    }


async def test_a_certificate_for_another_name_ends_the_fetch(tls: Tls) -> None:
    async with serving(tls, reply(b"RIFF")) as site:
        with error_text(
            StorageError, "^wrong.example.org could not prove that it is wrong.example.org"
        ):
            await body_of(
                site.url(f"/?{SECRET}", name="wrong.example.org"), guard=loopback_guard(tls)
            )
        assert site.requests == []


async def test_a_certificate_that_no_public_authority_vouches_for_ends_the_fetch(
    tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a context of the test's own they decide, whatever the environment says."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    async with serving(tls, reply(b"RIFF")) as site:
        with error_text(StorageError, "could not prove"):
            await body_of(site.url(), guard=Guard(resolve=Names(), is_public=is_loopback_address))
        assert site.requests == []


async def test_a_listener_that_speaks_plain_http_ends_the_fetch(tls: Tls) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, HOME, 0) as server:
        port = server.sockets[0].getsockname()[1]
        with error_text(StorageError, "could not prove"):
            await body_of(f"https://{NAME}:{port}/", guard=loopback_guard(tls))


async def test_a_damaged_tls_record_is_a_broken_connection_and_no_full_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def damaged(*_: object) -> None:
        raise ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]")

    async def found(_name: str, _port: int) -> list[str]:
        return ["93.184.216.34"]

    monkeypatch.setattr("httpx.AsyncHTTPTransport.handle_async_request", damaged)
    with pytest.raises(StorageError, match="broke off"):
        async with safe_fetch.fetch("https://x.example/a", max_bytes=9, guard=Guard(resolve=found)):
            pass


async def test_a_host_without_a_listener_is_said_in_plain_words(closed_port: int, tls: Tls) -> None:
    with error_text(StorageError, f"^{NAME} does not accept connections. Check the URL."):
        await body_of(f"https://{NAME}:{closed_port}/?{SECRET}", guard=loopback_guard(tls))


@QUICK
@given(path=st.text(max_size=40))
async def test_no_path_breaks_out_in_another_kind_of_error(path: str, closed_port: int) -> None:
    guard = Guard(
        resolve=Names(), is_public=is_loopback_address, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )

    with pytest.raises((InputError, StorageError)):
        await body_of(f"https://{NAME}:{closed_port}/{path}", guard=guard)


async def test_where_one_family_is_dead_the_other_is_tried(tls: Tls) -> None:
    """A machine with an IPv6 address and no way out is common."""
    guard = Guard(
        resolve=Names(["::1", "::1", HOME, HOME]),
        is_public=lambda address: address.is_loopback,
        tls=tls.client,
    )

    async with serving(tls, reply(b"RIFF")) as site:
        assert await body_of(site.url(), guard=guard) == b"RIFF"
    assert len(site.requests) == 1


async def test_proxies_of_the_environment_are_not_used(
    tls: Tls, canary: Canary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy would look the name up by itself; a .netrc would send a sign-in."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{HOME}:{canary.port}")
        monkeypatch.setenv(name.lower(), f"http://{HOME}:{canary.port}")
    (tmp_path / ".netrc").write_text(f"default login me password {SECRET}", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

    async with serving(tls, reply(b"RIFF")) as site:
        assert await body_of(site.url(), guard=loopback_guard(tls)) == b"RIFF"
    assert "authorization" not in site.requests[0].lower()
    canary.assert_untouched()


# --- Redirects: each hop goes through the whole door ---------------------------------------------


async def test_three_redirects_are_followed(tls: Tls) -> None:
    names = Names()
    scripts = {
        "/1": redirect("2", status="301 Moved Permanently"),
        "/2": redirect("//files.example.com:{port}/3?a=b", status="307 Temporary Redirect"),
        "/3": redirect("https://other.example.com:{port}/4#end", status="308 Permanent Redirect"),
        "/4": reply(b"RIFF"),
    }

    async with serving(tls, scripts) as site:
        assert await body_of(site.url("/1"), guard=loopback_guard(tls, names)) == b"RIFF"
    assert site.paths == ["/1", "/2", "/3?a=b", "/4"]
    assert [NAME, NAME, NAME, OTHER_NAME] == names.asked == site.names


async def test_a_fourth_redirect_is_not_followed(tls: Tls) -> None:
    async with serving(tls, redirect(f"/again?{SECRET}")) as site:
        with error_text(InputError, "redirects more than 3 times. Give the link that it ends at."):
            await body_of(site.url(), guard=loopback_guard(tls))
        assert len(site.requests) == 4


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=name)
        for name, text in SPELLINGS.items()
        if text.isascii() and text.isprintable()
    ],
)
async def test_a_redirect_is_read_as_strictly_as_the_url_itself(
    text: str, tls: Tls, canary: Canary
) -> None:
    """The second answer is for a location that turns out to be a path on the same host."""
    location, names = text.format(port=canary.port), Names([HOME], ["10.0.0.1"])

    async with serving(tls, redirect(location)) as site:
        with error_text(InputError, "."):
            await body_of(site.url(), guard=loopback_guard(tls, names))
        assert len(site.requests) == 1
    canary.assert_untouched()


@pytest.mark.parametrize(
    ("location", "words"),
    [
        pytest.param("http://files.example.com:{port}/", "^An http:// URL", id="to-http"),
        pytest.param("file:///etc/passwd", "begin with https://", id="to-file"),
        pytest.param("data:audio/wav;base64,AAAA", "begin with https://", id="to-data"),
        pytest.param("https://user:pw@files.example.com/", "carries a sign-in", id="sign-in"),
        pytest.param("//b\u00fccher.example/", "does not give its host", id="another-script"),
        pytest.param("//[::1", "does not give its host", id="not-a-url"),
        pytest.param("/" + "a" * 9_000, "longer than 8,192", id="endless"),
    ],
)
async def test_a_redirect_out_of_https_is_refused(location: str, words: str, tls: Tls) -> None:
    async with serving(tls, redirect(location)) as site:
        with error_text(InputError, words):
            await body_of(site.url(), guard=loopback_guard(tls))
        assert len(site.requests) == 1


@pytest.mark.parametrize("inside", ["::ffff:127.0.0.1", "::1", "127.0.0.2", "0.0.0.0"])
async def test_a_redirect_to_a_name_with_an_internal_address_reaches_nobody(
    inside: str, tls: Tls, canary: Canary
) -> None:
    names = Names([HOME], [inside])
    location = f"https://{OTHER_NAME}:{canary.port}/?{SECRET}"

    async with serving(tls, redirect(location)) as site:
        with error_text(InputError, f"^{OTHER_NAME} is not a public internet host"):
            await body_of(site.url(), guard=loopback_guard(tls, names))
    canary.assert_untouched()


async def test_nothing_is_carried_from_one_hop_to_the_next(tls: Tls) -> None:
    """No cookie, no referer: the URL of the first hop may be a secret of its own."""
    scripts = {"/": redirect("/2", set_cookie=f"id={SECRET}; Path=/"), "/2": reply(b"RIFF")}

    async with serving(tls, scripts) as site:
        await body_of(site.url(f"/?{SECRET}"), guard=loopback_guard(tls))
    assert SECRET not in site.requests[1]
    assert site.requests[1].replace("/2", f"/?{SECRET}") == site.requests[0]


# --- Answers: a success, the file's own bytes, and not too many ----------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("401 Unauthorized", "it requires a sign-in, or the link has expired"),
        ("403 Forbidden", "it requires a sign-in, or the link has expired"),
        ("404 Not Found", "there is no such file"),
        ("410 Gone", "there is no such file"),
        ("429 Too Many Requests", "it is too busy"),
        ("500 Internal Server Error", "it has trouble of its own"),
        ("503 Service Unavailable", "it is too busy"),
        ("599 Odd", "it has trouble of its own"),
        ("206 Partial Content", "its answer contains no file"),
        ("302 Found", "its answer contains no file"),
        ("418 I'm a teapot", "its answer contains no file"),
    ],
)
async def test_any_answer_but_a_success_is_an_error_in_plain_words(
    status: str, words: str, tls: Tls
) -> None:
    async with serving(tls, reply(b"<html>", status=status)) as site:
        with pytest.raises(StorageError, match=f"^{NAME} did not give the file: {words}") as caught:
            await body_of(site.url(f"/?{SECRET}"), guard=loopback_guard(tls))
    assert int(status[:3]) == caught.value.http_status
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "br", "zstd", "identity, gzip"])
async def test_a_compressed_answer_is_refused_before_it_is_read(encoding: str, tls: Tls) -> None:
    """A bomb: a thousand times larger than it looks."""
    bomb = gzip.compress(bytes(CAP * 10))

    async with serving(tls, reply(bomb, headers={"Content-Encoding": encoding})) as site:
        with error_text(StorageError, "sends the file compressed although it was asked not to"):
            await body_of(site.url(), guard=loopback_guard(tls))


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_identity_may_be_said(encoding: str, tls: Tls) -> None:
    async with serving(tls, reply(b"RIFF", headers={"Content-Encoding": encoding})) as site:
        assert await body_of(site.url(), guard=loopback_guard(tls)) == b"RIFF"


async def test_compressed_files_come_as_they_are(tls: Tls) -> None:
    """A bomb that does not call itself compressed stays one file of few bytes."""
    bomb = gzip.compress(bytes(CAP * 10))

    async with serving(tls, reply(bomb)) as site:
        assert bomb == await body_of(site.url(), guard=loopback_guard(tls))


@pytest.mark.parametrize("announced_bytes", [CAP + 1, 10**12])
async def test_a_file_that_is_announced_too_large_is_not_begun(
    announced_bytes: int, tls: Tls
) -> None:
    async with serving(tls, reply(b"RIFF", length=announced_bytes)) as site:
        with error_text(StorageError, "larger than the 100,000 bytes that are allowed"):
            async with fetch(site.url(), max_bytes=CAP, guard=loopback_guard(tls)):
                pytest.fail("the block was entered")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(PLAIN_HEAD, b"a" * 10_000, id="without-a-length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"2710\r\n" + b"a" * 10_000 + b"\r\n",
            id="chunked",
        ),
    ],
)
async def test_an_endless_body_ends_at_the_cap(head: bytes, piece: bytes, tls: Tls) -> None:
    sizes: list[int] = []

    async with serving(tls, endless(piece, head=head)) as site:
        with error_text(StorageError, "larger than the 100,000 bytes that are allowed"):
            async with fetch(site.url(), max_bytes=CAP, guard=loopback_guard(tls)) as chunks:
                async for chunk in chunks:
                    sizes.append(len(chunk))
    assert sum(sizes) <= CAP
    assert max(sizes) <= 64 * 1024


async def test_a_file_of_exactly_the_cap_is_taken(tls: Tls) -> None:
    async with serving(tls, reply(bytes(CAP))) as site:
        assert bytes(CAP) == await body_of(site.url(), guard=loopback_guard(tls))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(broken_off(b""), id="no-answer"),
        pytest.param(broken_off(b"", reset=True), id="reset"),
        pytest.param(broken_off(b"SSH-2.0-OpenSSH_9.6\r\n"), id="not-http"),
        pytest.param(broken_off(b"HTTP/1.1 200 OK\r\nContent-Le"), id="half-a-head"),
        pytest.param(reply(b"RIFF", length=-1), id="negative-length"),
        pytest.param(reply(b"RIFF", length=10**25), id="length-beyond-reason"),
        pytest.param(broken_off(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nRIFF"), id="short"),
        pytest.param(
            broken_off(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nRIFF\r\n"),
            id="chunks-without-an-end",
        ),
        pytest.param(
            endless(b"X-Filler: " + b"a" * 1_000 + b"\r\n", head=b"HTTP/1.1 200 OK\r\n"),
            id="endless-head",
        ),
    ],
)
async def test_an_answer_that_breaks_off_is_an_error(script: Script, tls: Tls) -> None:
    async with serving(tls, script) as site:
        with error_text(
            StorageError, f"^The connection to {NAME} broke off before the file was complete"
        ):
            await body_of(site.url(f"/?{SECRET}"), guard=loopback_guard(tls))


# --- Time: one deadline, one idle time, and cancellation -----------------------------------------


async def test_a_dripping_answer_ends_with_the_deadline(tls: Tls) -> None:
    """Each byte comes within the idle time; only the deadline ends this."""
    async with serving(tls, endless(b"a", head=PLAIN_HEAD, pause_seconds=0.02)) as site:
        with error_text(
            StorageError, f"^Fetching the file from {NAME} took longer than 0.2 seconds"
        ):
            await body_of(site.url(f"/?{SECRET}"), guard=loopback_guard(tls), deadline_seconds=0.2)


async def test_endless_interim_answers_end_with_the_deadline(tls: Tls) -> None:
    hints = endless(b"HTTP/1.1 103 Early Hints\r\n\r\n", pause_seconds=0.01)

    async with serving(tls, hints) as site:
        with error_text(StorageError, "took longer than 0.1 seconds"):
            await body_of(site.url(), guard=loopback_guard(tls), deadline_seconds=0.1)


async def test_redirects_share_one_deadline(tls: Tls) -> None:
    scripts = {"/": redirect("/2"), "/2": redirect("/3"), "/3": silent}

    async with serving(tls, scripts) as site:
        with error_text(StorageError, "took longer than 0.3 seconds"):
            await body_of(site.url(), guard=loopback_guard(tls), deadline_seconds=0.3)


@pytest.mark.parametrize(
    "script", [pytest.param(silent, id="head"), pytest.param(reply(b"RIFF", length=9), id="body")]
)
async def test_silence_ends_with_the_idle_time(script: Script, tls: Tls) -> None:
    async with serving(tls, script) as site:
        with error_text(StorageError, f"^{NAME} stopped answering. Try again later."):
            await body_of(site.url(f"/?{SECRET}"), guard=loopback_guard(tls), idle_seconds=0.1)


async def test_a_listener_that_never_speaks_tls_ends_with_the_idle_time(
    tls: Tls, canary: Canary
) -> None:
    with error_text(StorageError, "stopped answering"):
        await body_of(f"https://{NAME}:{canary.port}/", guard=loopback_guard(tls), idle_seconds=0.1)


async def test_the_deadline_covers_the_work_of_the_caller(tls: Tls) -> None:
    """A full disk or a slow reader must not keep the connection without end."""
    async with serving(tls, reply(b"RIFF")) as site:
        with error_text(StorageError, "took longer than 0.2 seconds"):
            async with fetch(
                site.url(), max_bytes=CAP, deadline_seconds=0.2, guard=loopback_guard(tls)
            ):
                await asyncio.Event().wait()


@pytest.mark.parametrize("error", [TimeoutError("mine"), httpx.ReadTimeout("mine"), OSError(28)])
async def test_an_error_of_the_caller_passes_through_untouched(error: Exception, tls: Tls) -> None:
    async with serving(tls, reply(b"RIFF")) as site:

        async def fail_inside() -> None:
            async with fetch(site.url(), max_bytes=CAP, guard=loopback_guard(tls)) as chunks:
                async for _ in chunks:
                    raise error

        with pytest.raises(type(error)) as caught:
            await fail_inside()
    assert error is caught.value


async def test_leaving_early_hangs_up_and_leaves_no_task(tls: Tls) -> None:
    before = asyncio.all_tasks()

    async with serving(tls, endless(b"a" * 1_000, head=PLAIN_HEAD)) as site:
        async with fetch(site.url(), max_bytes=10**9, guard=loopback_guard(tls)) as chunks:
            async for _ in chunks:
                break
        assert [chunk async for chunk in chunks] == []
    await anyio.wait_all_tasks_blocked()
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize(
    "script", [pytest.param(silent, id="head"), pytest.param(reply(b"RIFF", length=9), id="body")]
)
async def test_cancelling_the_task_passes_through_and_hangs_up(script: Script, tls: Tls) -> None:
    async with serving(tls, script) as site:
        task = asyncio.create_task(body_of(site.url(), guard=loopback_guard(tls)))
        async with asyncio.timeout(2):
            while not site.requests:
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_leaving_a_cancelled_scope_hangs_up(tls: Tls) -> None:
    """MCP cancels by scope, where every further await is cancelled too."""
    async with serving(tls, reply(b"RIFF", length=9)) as site:
        with anyio.move_on_after(0.1) as scope:
            await body_of(site.url(), guard=loopback_guard(tls))
        assert scope.cancelled_caught


async def test_cancelling_a_look_up_passes_through() -> None:
    asked = asyncio.Event()

    async def hang(_name: str, _port: int) -> list[str]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(body_of(f"https://{NAME}/", guard=Guard(resolve=hang)))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- The module ----------------------------------------------------------------------------------


def test_the_public_names_are_these() -> None:
    assert safe_fetch.__all__ == ["Guard", "check_url_syntax", "fetch"]


def test_importing_the_module_does_not_load_the_http_client() -> None:
    """Start-up must not pay for it; the syntax check must not either."""
    program = (
        "import sys, minimax.files.safe_fetch\n"
        "minimax.files.safe_fetch.check_url_syntax('https://files.example.com/')\n"
        "print(sorted({'httpx', 'httpcore', 'httpx_secure', 'anyio'} & sys.modules.keys()))"
    )
    run = [sys.executable, "-c", program]

    shown = subprocess.run(run, check=True, capture_output=True, text=True, encoding="utf-8")

    assert shown.stdout.strip() == "[]"
