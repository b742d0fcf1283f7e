"""MiniMax's own clients on the sandbox: its two MCP servers, and its command line.

What each may do there is in `TOOLS` and `COMMANDS`. mmx-cli fetches files by https only, so what
it would download from a sandbox without TLS is left out.
"""

import asyncio
import json
import re
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from tests.clients.journeys import JOURNEY_SECONDS, clean_environment, sandbox_process
from tests.clients.packages import npm_package, npm_program, python_with, ran
from tests.support import samples

__all__ = ["MINIMAX_SERVERS", "Account", "CommandLine", "MinimaxServer", "open_account"]

MMX: Final = ("mmx-cli", "1.0.27")
JS_SERVER: Final = ("minimax-mcp-js", "0.0.18")
PYTHON_SERVER: Final = "minimax-mcp==0.0.19"
KEY: Final = "sk-api-sandbox"
PLAN_KEY: Final = "sk-cp-sandbox"


@dataclass(frozen=True)
class Account:
    """A sandbox that runs as a process of its own."""

    url: str
    home: Path

    def state(self) -> dict[str, Any]:
        """What was asked for, made and billed."""
        with urllib.request.urlopen(f"{self.url}/sandbox/state") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def bought(self) -> list[str]:
        """What was billed, in its order."""
        return [charge["what"] for charge in self.state()["bill"]]

    def pass_time(self, seconds: float) -> None:
        body = json.dumps({"advance_seconds": seconds}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/sandbox/clock", body, headers)
        urllib.request.urlopen(request).close()

    def environment(self, **settings: str) -> dict[str, str]:
        return clean_environment(self.home, **settings)

    def put(self, name: str, data: bytes) -> str:
        return str(samples.put(self.home / name, data))


@contextmanager
def open_account(home: Path) -> Iterator[Account]:
    with sandbox_process(home) as url:
        yield Account(url, home)


# --- the two MCP servers -----------------------------------------------------------------------

Call = Callable[..., Awaitable[str]]


@dataclass(frozen=True)
class MinimaxServer:
    """One of MiniMax's MCP servers; both have these tools, under differently written names.

    Attributes:
        name: As it is published.
        command: Starts it; its package is fetched when it is first needed.
        spell: How it spells the name of an argument.
        recording: What it calls the recording of a clone.
    """

    name: str
    command: Callable[[], list[str]]
    spell: Callable[[str], str]
    recording: str

    def drive(self, account: Account, journey: Callable[[Call], Awaitable[None]]) -> None:
        """Start it on the sandbox and let a journey call its tools."""
        asyncio.run(self._drive(account, journey))

    async def _drive(self, account: Account, journey: Callable[[Call], Awaitable[None]]) -> None:
        program, *arguments = self.command()
        environment = account.environment(
            MINIMAX_API_KEY=KEY,
            MINIMAX_API_HOST=account.url,
            MINIMAX_MCP_BASE_PATH=str(account.home),
            MINIMAX_API_RESOURCE_MODE="url",
        )
        started = StdioServerParameters(command=program, args=arguments, env=environment)
        async with asyncio.timeout(JOURNEY_SECONDS), Client(started, mode="legacy") as client:

            async def call(tool: str, **given: Any) -> str:
                spelled = {self.spell(name): value for name, value in given.items()}
                [block] = (await client.call_tool(tool, spelled)).content
                assert isinstance(block, TextContent)
                return block.text

            await journey(call)


def camel(name: str) -> str:
    return re.sub(r"_(.)", lambda found: found[1].upper(), name)


MINIMAX_SERVERS: Final = (
    MinimaxServer(
        "minimax-mcp",
        lambda: [str(python_with(PYTHON_SERVER)), "-m", "minimax_mcp.server"],
        str,
        "file",
    ),
    MinimaxServer(
        "minimax-mcp-js",
        lambda: npm_program(npm_package(*JS_SERVER), JS_SERVER[0], JS_SERVER[0]),
        camel,
        "audio_file",
    ),
)


# --- the command line --------------------------------------------------------------------------


class CommandLine:
    """mmx-cli, whose region has to be named: it would ask MiniMax's hosts for it otherwise."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._program = npm_program(npm_package(*MMX), MMX[0], "mmx")

    def run(self, *arguments: str, key: str = KEY) -> Any:
        """Run a command; what it printed, read as JSON where it is some."""
        options = ["--region", "global", "--base-url", self._account.url, "--api-key", key]
        done = ran(
            [*self._program, *arguments, *options, "--output", "json", "--non-interactive"],
            cwd=self._account.home,
            env=self._account.environment(),
            limit_seconds=JOURNEY_SECONDS,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout
