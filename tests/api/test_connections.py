"""Requests beyond the connections wait in this package's own queue, and lose no place in it."""

import asyncio

import httpx
import pytest

from minimax.api import transport
from minimax.api.client import MiniMaxClient
from minimax.api.transport import ConnectionPools
from minimax.settings import Settings
from tests.support.raw_server import RawServer, hang, ok, reply, serve_raw

pytestmark = pytest.mark.anyio

PLACES = 2


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> ConnectionPools:
    monkeypatch.setattr(transport, "MOST_CONNECTIONS", PLACES)
    return ConnectionPools(trust_env=False)


def get(pools: ConnectionPools, server: RawServer) -> "asyncio.Task[httpx.Response]":
    return asyncio.create_task(pools.api.send(pools.api.build_request("GET", server.url)))


async def until_requests(server: RawServer, count: int) -> None:
    async with asyncio.timeout(10):
        while len(server.requests) < count:
            await asyncio.sleep(0.01)


async def test_httpcore_is_given_no_more_requests_than_connections(
    pools: ConnectionPools,
) -> None:
    async with serve_raw(hang) as server:
        tasks = [get(pools, server) for _ in range(20)]
        await until_requests(server, PLACES)
        transport_of_httpx: httpx.AsyncHTTPTransport = pools.api._transport  # type: ignore[assignment]
        assert len(transport_of_httpx._pool._requests) == PLACES
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pools.aclose()


async def test_cancelled_requests_give_their_places_back(pools: ConnectionPools) -> None:
    async with serve_raw(*[hang] * PLACES, ok()) as server:
        tasks = [get(pools, server) for _ in range(20)]
        await until_requests(server, PLACES)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        answers = await asyncio.gather(*(get(pools, server) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
        await pools.aclose()


async def test_a_streamed_response_keeps_its_place_until_it_is_closed(
    pools: ConnectionPools,
) -> None:
    async with serve_raw(reply(b"media"), reply(b"media"), ok()) as server:
        request = pools.api.build_request("GET", server.url)
        streamed = [await pools.api.send(request, stream=True) for _ in range(PLACES)]
        third = get(pools, server)
        await until_requests(server, PLACES)
        await asyncio.sleep(0)
        assert not third.done()
        assert await streamed[0].aread() == b"media"
        assert (await third).status_code == 200
        for response in streamed:
            await response.aclose()
        assert (await get(pools, server)).status_code == 200
        await pools.aclose()


async def test_a_request_that_gets_no_place_was_not_sent(
    pools: ConnectionPools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "POOL_SECONDS", 0.01)
    async with serve_raw(hang) as server:
        tasks = [get(pools, server) for _ in range(PLACES)]
        await until_requests(server, PLACES)
        with pytest.raises(httpx.PoolTimeout):
            await get(pools, server)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pools.aclose()


async def test_what_one_answer_sets_as_a_cookie_travels_with_no_other_request(
    pools: ConnectionPools,
) -> None:
    """One server may hold the keys of several accounts."""
    sets = reply({}, headers={"Set-Cookie": "session=alice; Path=/"})
    async with serve_raw(sets, ok()) as server:
        for _ in range(2):
            await get(pools, server)
        await pools.aclose()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


async def test_a_client_leaves_connections_open_that_others_use_as_well(
    pools: ConnectionPools, settings: Settings
) -> None:
    async with serve_raw(ok(), ok()) as server:
        await get(pools, server)
        await MiniMaxClient(settings, pools=pools).aclose()
        assert (await get(pools, server)).status_code == 200
        await pools.aclose()
