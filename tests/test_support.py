"""The servers that tests use close what they accepted, whenever they are stopped."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from minimax.sandbox import Sandbox, serve
from tests.support.raw_server import ok, serve_raw


@asynccontextmanager
async def raw() -> AsyncIterator[str]:
    async with serve_raw(ok()) as server:
        yield server.url


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("serve_any", [raw, lambda: serve(Sandbox())], ids=["raw", "sandbox"])
def test_a_connection_accepted_just_before_the_end_is_closed(
    serve_any: Callable[[], AbstractAsyncContextManager[str]], turns: int
) -> None:
    async def connect_and_stop() -> None:
        async with serve_any() as url:
            port = urlsplit(url).port
            with socket.create_connection(("127.0.0.1", port or 0)):
                for _ in range(turns):
                    await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(connect_and_stop())
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
