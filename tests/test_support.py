"""The servers of tests close what they accepted; the table of what Wine cannot do is true."""

import ast
import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from minimax.sandbox import Sandbox, serve
from tests.support.host import ROOT
from tests.support.raw_server import ok, serve_raw
from tests.support.wine import NOT_UNDER_WINE, skip_by_name


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


@pytest.mark.parametrize("name", NOT_UNDER_WINE)
def test_what_is_left_out_under_wine_is_a_test(name: str) -> None:
    file, _, function = name.partition("[")[0].partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert function in {node.name for node in tree.body if isinstance(node, functions)}


def test_only_what_the_table_names_is_left_out(request: pytest.FixtureRequest) -> None:
    class Named(pytest.Item):
        def runtest(self) -> None:
            raise AssertionError

    names = ["test_a.py::one[x]", "test_a.py::two[x]", "test_a.py::two[y]", "test_a.py::oned"]
    items = [
        Named.from_parent(request.session, name=name, nodeid=f"tests/{name}") for name in names
    ]
    skip_by_name(items, {"tests/test_a.py::one": "slow", "tests/test_a.py::two[y]": "deaf"})
    skipped = {item.name: mark.kwargs["reason"] for item in items for mark in item.own_markers}
    assert skipped == {
        "test_a.py::one[x]": "under Wine: slow",
        "test_a.py::two[y]": "under Wine: deaf",
    }
