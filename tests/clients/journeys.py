"""What each client does with this server: a video, a refusal, a cancelled call, an early end."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from minimax.sandbox import Sandbox, VideoStages, serve
from tests.clients.packages import (
    ENVIRONMENT,
    npm_package,
    npm_program,
    program,
    python_with,
    ran,
)

__all__ = [
    "CLIENTS",
    "FRAMEWORKS",
    "JOURNEY_SECONDS",
    "ROOT",
    "Client",
    "Journey",
    "clean_environment",
    "inspector_strict",
    "sandbox_process",
]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SCRIPTS: Final = Path(__file__).resolve().parent
SCRIPTS_PACKAGE: Final = "tests.clients"
SERVER: Final = (sys.executable, str(ROOT / "minimax_server.py"))
JOURNEY_SECONDS: Final = 90.0

INSPECTOR: Final = ("@modelcontextprotocol/inspector", "2.12.0")
INSPECTOR_ERROR: Final = "tool_is_error"
"""In what it says of a result that is an error; it prints the result as well."""
TYPESCRIPT_1: Final = ("@modelcontextprotocol/sdk", "1.32.2")
TYPESCRIPT_2: Final = ("@modelcontextprotocol/client", "2.4.0")
PYTHON_1: Final = "mcp==1.30.0"
GOOGLE: Final = ("google-genai==3.6.1", PYTHON_1)
OPENAI: Final = "openai-agents==0.24.0"
LANGCHAIN: Final = "langchain-mcp-adapters==0.3.2"
FASTMCP: Final = "fastmcp==4.2.3"
PYDANTIC: Final = "pydantic-ai-slim[mcp]==2.68.0"

FIRST_VIDEO_SECONDS: Final = 0.5
"""How long the first video goes on once it was asked about."""
NEXT_VIDEOS: Final = VideoStages(processing_seconds=600.0)
"""Those that come later do not end before their client has left."""
BOUGHT_TWICE: Final = "not one charge for each video"
VIDEOS: Final = 2
"""What a journey orders."""
QUERY: Final = "GET /v1/query/video_generation"
OPENAI_LIMIT_SECONDS: Final = 5.0
"""openai-agents ends a call after so long (`client_session_timeout_seconds`, 0.24)."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What a client tells of its journey."""

    version: str
    """The client's own."""
    protocol: str
    tools: list[str]
    path: str
    cuts: Sequence[str] = ()
    """What its model read each time when the client itself ended a call that waited."""
    refusal: str
    """What its model read when it asked for too long a wait."""
    is_error: bool
    """Whether it was told that this is an error."""
    goes_on: bool | None = None
    """Whether the call after a cancelled one was answered, and it then left with a call in flight
    and ended cleanly; None where it makes one call for each server."""
    heard: int | None = None
    """How often it was told how the job stands; None where the client does not say."""


@dataclass(frozen=True)
class Client:
    """A client and what it is told to do.

    Attributes:
        name: As it is printed.
        protocol: The version of MCP that it has to speak.
        travel: Makes the journey in a home folder.
        cuts_calls: Whether its own limit is too short for the wait that is advised.
        note: What is its own, and a person has to know.
    """

    name: str
    protocol: str
    travel: Callable[[Path], Journey]
    cuts_calls: bool = False
    note: str = ""


Travel = Callable[[Path], Journey]
LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"


def _python(module: str, *packages: str, video_seconds: float = FIRST_VIDEO_SECONDS) -> Travel:
    """One of our modules, in an environment with these packages."""

    def travel(home: Path) -> Journey:
        client = [str(python_with(*packages)), "-m", f"{SCRIPTS_PACKAGE}.{module}"]
        return _told(client, home, video_seconds=video_seconds)

    return travel


def _python_2(era: str) -> Travel:
    return lambda home: _told([sys.executable, "-m", f"{SCRIPTS_PACKAGE}.python_2", era], home)


def _typescript(package: tuple[str, str], era: str) -> Travel:
    def travel(home: Path) -> Journey:
        script = [program("node"), str(SCRIPTS / "typescript.mjs")]
        return _told([*script, era, package[0], str(npm_package(*package))], home)

    return travel


def _told(client: list[str], home: Path, *, video_seconds: float = FIRST_VIDEO_SECONDS) -> Journey:
    """Run one of our programs, which starts the server itself and tells what came out."""
    return asyncio.run(_tell([*client, *SERVER], home, video_seconds))


async def _tell(command: list[str], home: Path, video_seconds: float) -> Journey:
    sandbox = Sandbox(stages=NEXT_VIDEOS)
    async with serve(sandbox) as url:
        ending = asyncio.create_task(_end_first_video(sandbox, video_seconds))
        environment = clean_environment(home, **_settings(home, url), PYTHONPATH=str(ROOT))
        run = partial(ran, command, cwd=home, env=environment, limit_seconds=JOURNEY_SECONDS)
        done = await asyncio.to_thread(run)
        ending.cancel()
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert sandbox.count_charges("video") == VIDEOS, BOUGHT_TWICE
    return Journey(**json.loads(done.stdout))


async def _end_first_video(sandbox: Sandbox, after_seconds: float) -> None:
    while not sandbox.count(QUERY):
        await asyncio.sleep(0.05)
    await asyncio.sleep(after_seconds)
    sandbox.clock.advance(NEXT_VIDEOS.total_seconds)


def _inspector(era: str) -> Travel:
    """Inspector's command line makes one call per server, so the sandbox runs on its own."""

    def travel(home: Path) -> Journey:
        with sandbox_process(home) as url:
            settings = _settings(home, url)

            def ask(method: str, *more: str) -> Any:
                given = [part for item in settings.items() for part in ("-e", "=".join(item))]
                return _inspected(home, era, [*SERVER, *given, "--method", method, *more])

            def call(name: str, **values: Any) -> Any:
                arguments = ["--tool-name", name, "--tool-args-json", json.dumps(values)]
                return ask("tools/call", *arguments)

            def read(name: str, **values: Any) -> Any:
                return call(name, **values)["structuredContent"]

            opened = ask("initialize")
            tools = [tool["name"] for tool in ask("tools/list")["tools"]]
            job = read("generate_video", prompt="The sun sets over the lake")
            status = read("query_video_generation", task_id=job["task_id"], wait_seconds=45)
            video = read("retrieve_video_file", file_id=status["file_id"])
            refused = call("query_video_generation", task_id=job["task_id"], wait_seconds=400)
            with urllib.request.urlopen(f"{url}/sandbox/state") as answer:
                assert len(json.load(answer)["bill"]) == 1, BOUGHT_TWICE
        return Journey(
            version=INSPECTOR[1],
            protocol=opened["protocolVersion"],
            tools=tools,
            path=video["path"],
            refusal=refused["content"][0]["text"],
            is_error=refused["isError"],
        )

    return travel


def inspector_strict(home: Path, era: str) -> str:
    """What Inspector's strict check of the tools' schemas has to say; it must not refuse them."""
    check = [*SERVER, "--sandbox", "--method", "tools/list", "--strict"]
    return _inspector_run(home, era, check).stderr


def _inspected(home: Path, era: str, asked: list[str]) -> Any:
    return json.loads(_inspector_run(home, era, asked).stdout)["result"]


def _inspector_run(home: Path, era: str, asked: list[str]) -> subprocess.CompletedProcess[str]:
    inspector = npm_program(npm_package(*INSPECTOR), INSPECTOR[0], "mcp-inspector")
    done = ran(
        [*inspector, "--cli", *asked, "--protocol-era", era, "--format", "json"],
        cwd=home,
        env=clean_environment(home),
        limit_seconds=JOURNEY_SECONDS,
    )
    is_answer = done.returncode == 0 or INSPECTOR_ERROR in done.stderr
    assert is_answer, done.stderr + done.stdout
    return done


@contextmanager
def sandbox_process(home: Path) -> Iterator[str]:
    """The sandbox as a process of its own; its address."""
    process = subprocess.Popen(
        [*SERVER, "sandbox", "--port", "0"],
        stderr=subprocess.PIPE,
        env=clean_environment(home),
        text=True,
        encoding="utf-8",
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        yield line.partition("MINIMAX_API_HOST=")[2].split()[0]
    finally:
        process.terminate()
        process.communicate()


def _settings(home: Path, url: str) -> dict[str, str]:
    return {
        "MINIMAX_API_HOST": url,
        "MINIMAX_API_KEY": "sk-api-sandbox",
        "MINIMAX_MCP_BASE_PATH": str(home / "MiniMax"),
        "MINIMAX_MCP_STATE_DIR": str(home / "state"),
    }


def clean_environment(home: Path, **settings: str) -> dict[str, str]:
    """The machine's environment, without settings and with another home folder."""
    kept = {
        name: value
        for name, value in ENVIRONMENT.items()
        if not name.startswith(("MINIMAX_", "FASTMCP_")) and not name.lower().endswith("_proxy")
    }
    return {**kept, "HOME": str(home), "USERPROFILE": str(home), **settings}


INSPECTOR_NOTE: Final = "its command line starts a server for each call: nothing to cancel"
CLIENTS: Final = (
    Client("MCP Inspector, handshake", LEGACY, _inspector("legacy"), note=INSPECTOR_NOTE),
    Client("MCP Inspector, modern", MODERN, _inspector("modern"), note=INSPECTOR_NOTE),
    Client(
        "Python SDK 1",
        LEGACY,
        _python("python_1", PYTHON_1),
        note="sends no cancellation, so a cancelled wait goes on in the server",
    ),
    Client("Python SDK 2, handshake", LEGACY, _python_2("legacy")),
    Client("Python SDK 2, modern", MODERN, _python_2("auto")),
    Client("TypeScript SDK 1", LEGACY, _typescript(TYPESCRIPT_1, "legacy")),
    Client("TypeScript SDK 2, handshake", LEGACY, _typescript(TYPESCRIPT_2, "legacy")),
    Client("TypeScript SDK 2, modern", MODERN, _typescript(TYPESCRIPT_2, "auto")),
    Client(
        "google-genai",
        LEGACY,
        _python("google_genai", *GOOGLE),
        note="`config` has to be a dict: it cannot copy a session in a `GenerateContentConfig`",
    ),
)
"""What the tests marked `clients` run."""
FRAMEWORKS: Final = (
    Client("fastmcp", MODERN, _python("fastmcp_client", FASTMCP)),
    Client("langchain-mcp-adapters", LEGACY, _python("langchain_mcp", LANGCHAIN)),
    Client("pydantic-ai", MODERN, _python("pydantic_agent", PYDANTIC)),
    Client(
        "openai-agents, its own limit of 5 s",
        MODERN,
        _python("openai_agents", OPENAI, video_seconds=OPENAI_LIMIT_SECONDS + 1.0),
        cuts_calls=True,
        note="`client_session_timeout_seconds=60` lets the first question get its answer",
    ),
)
"""What the command runs besides; slower, and all on SDKs that the tests try already."""
