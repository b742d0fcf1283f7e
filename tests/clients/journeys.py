"""The video journey with each client: tools/list, order, wait, and a file at the end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
SERVER: Final = (sys.executable, str(ROOT / "minimax_server.py"))
JOURNEY_SECONDS: Final = 90.0

INSPECTOR: Final = ("@modelcontextprotocol/inspector", "2.12.0")
TYPESCRIPT_1: Final = ("@modelcontextprotocol/sdk", "1.32.2")
TYPESCRIPT_2: Final = ("@modelcontextprotocol/client", "2.4.0")
PYTHON_1: Final = "mcp==1.30.0"


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What a client tells of its journey."""

    version: str
    """The client's own."""
    protocol: str
    tools: list[str]
    path: str
    progress: int | None = None
    """How often it was told how the job stands; None where the client does not say."""


@dataclass(frozen=True)
class Client:
    """A client, the protocol it is told to speak, and how it makes its journey in a home folder."""

    name: str
    protocol: str
    travel: Callable[[Path], Journey]


LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"


def _python_1(home: Path) -> Journey:
    return _told([str(python_with(PYTHON_1)), str(SCRIPTS / "python_1.py"), "legacy"], home)


def _python_2(era: str) -> Callable[[Path], Journey]:
    return lambda home: _told([sys.executable, str(SCRIPTS / "python_2.py"), era], home)


def _typescript(package: tuple[str, str], era: str) -> Callable[[Path], Journey]:
    def travel(home: Path) -> Journey:
        script = [program("node"), str(SCRIPTS / "typescript.mjs")]
        return _told([*script, era, package[0], str(npm_package(*package))], home)

    return travel


def _told(client: list[str], home: Path) -> Journey:
    """Run one of our scripts, which starts the server itself and tells what came out."""
    done = ran(
        [*client, *SERVER, "--sandbox"],
        cwd=home,
        env=clean_environment(home, **_settings(home)),
        limit_seconds=JOURNEY_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return Journey(**json.loads(done.stdout))


def _inspector(era: str) -> Callable[[Path], Journey]:
    """Inspector's command line makes one call per server, so the sandbox runs on its own."""

    def travel(home: Path) -> Journey:
        with sandbox_process(home) as url:
            settings = {
                **_settings(home),
                "MINIMAX_API_HOST": url,
                "MINIMAX_API_KEY": "sk-api-sandbox",
            }

            def ask(method: str, *more: str) -> Any:
                given = [part for item in settings.items() for part in ("-e", "=".join(item))]
                return _inspected(home, era, [*SERVER, *given, "--method", method, *more])

            def call(name: str, **values: Any) -> Any:
                arguments = ["--tool-name", name, "--tool-args-json", json.dumps(values)]
                return ask("tools/call", *arguments)["structuredContent"]

            opened = ask("initialize")
            tools = [tool["name"] for tool in ask("tools/list")["tools"]]
            job = call("generate_video", prompt="The sun sets over the lake")
            status = call("query_video_generation", task_id=job["task_id"], wait_seconds=45)
            video = call("retrieve_video_file", file_id=status["file_id"])
        return Journey(
            version=INSPECTOR[1],
            protocol=opened["protocolVersion"],
            tools=tools,
            path=video["path"],
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
    assert done.returncode == 0, done.stderr + done.stdout
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


def _settings(home: Path) -> dict[str, str]:
    return {
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


CLIENTS: Final = (
    Client("MCP Inspector, handshake", LEGACY, _inspector("legacy")),
    Client("MCP Inspector, modern", MODERN, _inspector("modern")),
    Client("Python SDK 1", LEGACY, _python_1),
    Client("Python SDK 2, handshake", LEGACY, _python_2("legacy")),
    Client("Python SDK 2, modern", MODERN, _python_2("auto")),
    Client("TypeScript SDK 1", LEGACY, _typescript(TYPESCRIPT_1, "legacy")),
    Client("TypeScript SDK 2, handshake", LEGACY, _typescript(TYPESCRIPT_2, "legacy")),
    Client("TypeScript SDK 2, modern", MODERN, _typescript(TYPESCRIPT_2, "auto")),
)
