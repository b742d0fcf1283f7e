"""A sandbox on a port serves programs of this computer, and no web page of another site."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from minimax.sandbox import Sandbox, serve

pytestmark = pytest.mark.anyio

SPEECH = {
    "model": "speech-2.8-hd",
    "text": "Hello.",
    "voice_setting": {"voice_id": "male-qn-qingse"},
}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer key"}
    async with (
        serve(sandbox) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http,
    ):
        yield http


def at_port(text: str, http: httpx.AsyncClient) -> str:
    return text.replace("PORT", str(http.base_url.port))


HOSTS = {
    "127.0.0.1:PORT": 200,
    "localhost:PORT": 200,
    "LOCALHOST:PORT": 200,
    "[::1]:PORT": 200,
    "evil.example:PORT": 421,
    "127.0.0.1.evil.example:PORT": 421,
    "localhost.evil.example:PORT": 421,
    "evil.example": 421,
    "127.0.0.1": 421,
    "localhost:1": 421,
    "127.0.0.1:PORT, evil.example": 421,
    "192.168.0.2:PORT": 421,
    "0.0.0.0:PORT": 421,
}


@pytest.mark.parametrize("path", ["/", "/sandbox/state", "/v1/files/list?purpose=voice_clone"])
@pytest.mark.parametrize(("name", "status"), HOSTS.items(), ids=HOSTS)
async def test_only_names_of_this_computer_with_the_port_are_served(
    name: str, status: int, path: str, http: httpx.AsyncClient
) -> None:
    response = await http.get(path, headers={"Host": at_port(name, http)})
    assert response.status_code == status


ORIGINS = {
    "http://127.0.0.1:PORT": 200,
    "http://localhost:PORT": 200,
    "https://evil.example": 403,
    "http://localhost:1": 403,
    "http://localhost": 403,
    "https://localhost:PORT": 403,
    "http://localhost:PORT.evil.example": 403,
    "null": 403,
    "file://": 403,
    "": 403,
}


@pytest.mark.parametrize(("origin", "status"), ORIGINS.items(), ids=ORIGINS)
async def test_a_page_of_another_site_can_neither_buy_nor_change_anything(
    origin: str, status: int, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    headers = {"Origin": at_port(origin, http)}
    paid = await http.post("/v1/t2a_v2", json=SPEECH, headers=headers)
    fault = await http.post("/sandbox/faults", json={"path": "/x", "reset": True}, headers=headers)
    cleared = await http.delete("/sandbox/faults", headers=headers)
    assert {paid.status_code, fault.status_code, cleared.status_code} == {status}
    assert bool(sandbox.bill) is (status == 200)


async def test_a_page_that_asks_whether_it_may_send_json_is_not_told_so(
    http: httpx.AsyncClient,
) -> None:
    response = await http.options(
        "/sandbox/faults",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


TYPES: dict[str | None, int] = {
    "application/json": 200,
    "application/json; charset=utf-8": 200,
    "text/plain": 415,
    "text/plain; application/json": 415,
    "application/x-www-form-urlencoded": 415,
    "multipart/form-data; boundary=x": 415,
    None: 415,
}


@pytest.mark.parametrize("path", ["/sandbox/faults", "/sandbox/clock"])
@pytest.mark.parametrize(("content_type", "status"), TYPES.items(), ids=map(str, TYPES))
async def test_what_a_form_can_send_changes_nothing(
    content_type: str | None, status: int, path: str, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    body = b'{"path": "/v1/", "reset": true}' if "faults" in path else b'{"advance_seconds": 1}'
    headers = {"Content-Type": content_type} if content_type else {}
    response = await http.post(path, content=body, headers=headers)
    assert response.status_code == status
    assert len(sandbox.faults) == (1 if status == 200 and "faults" in path else 0)


NO_TIMES = ["Infinity", "-Infinity", "NaN", "1e999", "1e300", "-1e300", "1e11", '"inf"', "9" * 400]


@pytest.mark.parametrize("seconds", NO_TIMES)
async def test_a_clock_is_not_advanced_to_what_is_no_time(
    seconds: str, http: httpx.AsyncClient
) -> None:
    headers = {"Content-Type": "application/json"}
    body = f'{{"advance_seconds": {seconds}}}'.encode()
    assert (await http.post("/sandbox/clock", content=body, headers=headers)).status_code == 400
    assert (await http.get("/sandbox/state")).status_code == 200


@pytest.mark.parametrize("name", ["delay_seconds", "bytes_per_second"])
@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999"])
async def test_a_fault_takes_no_number_that_is_not_finite(
    name: str, number: str, http: httpx.AsyncClient
) -> None:
    body = f'{{"path": "/", "{name}": {number}}}'.encode()
    headers = {"Content-Type": "application/json"}
    response = await http.post("/sandbox/faults", content=body, headers=headers)
    assert response.status_code == 400
    assert "finite" in response.text


def test_a_clock_in_python_refuses_the_same() -> None:
    clock: Any = Sandbox().clock
    for seconds in (float("inf"), float("nan"), 1e300):
        with pytest.raises(ValueError, match="2100"):
            clock.advance(seconds)
