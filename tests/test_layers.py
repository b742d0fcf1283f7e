"""The tree is the architecture: imports run one way, each danger has one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "minimax"
SANDBOX = PACKAGE / "sandbox"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if SANDBOX not in path.parents)

LAYERS = [
    {"__init__"},
    {"errors", "clock"},
    {"settings", "logs", "kinds", "arguments", "bodies", "background"},
    {"models", "places", "rules"},
    {"wishes"},
    {"retry", "ledger"},
    {"answers", "net"},
    {"client"},
    {"media"},
    {"downloads"},
    {"runtime"},
    {"generations"},
    {"orders", "jobs", "results"},
    {"uploads"},
    {"submissions", "films", "cloning", "speech", "voices", "pictures"},
    {"check", "demo"},
]
"""Lower layers first; a module imports from lower ones only."""

KNOWS_ONLY_MCP = {"tools", "frames", "stdio"}
COMMANDS = {"sandbox", "demo", "check"}


def imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "minimax":
            found |= {alias.name for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minimax."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found |= {name.split(".")[1] for name in names if name.startswith("minimax.")}
    return found


def label(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def name_of(path: Path) -> str:
    """A module's name below `minimax`; a package counts as one."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer_of(module: str) -> int:
    return next(level for level, names in enumerate(LAYERS) if module in names)


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_imports_run_one_way(path: Path) -> None:
    mine = name_of(path)
    others = imported(path) - ({mine} if path.parent != PACKAGE else set())
    if mine in KNOWS_ONLY_MCP:
        assert others <= KNOWS_ONLY_MCP
        return
    allowed = {m for m in others if layer_of(m) < layer_of(mine)}
    assert others == allowed


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_nobody_imports_the_commands(path: Path) -> None:
    assert not imported(path) & (COMMANDS - {name_of(path)})


def test_the_sandbox_stands_alone() -> None:
    for path in (ROOT / "minimax" / "sandbox").glob("*.py"):
        assert imported(path) <= {"sandbox"}, path.name


OPENS_FILES = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir"}
OPENS_FILES |= {"unlink", "rename", "TemporaryFile", "NamedTemporaryFile"}
DISK_DOORS = {
    "media": "the door",
    "ledger": "its own database, and /proc for the age of a process",
    "check": "asks whether a folder can be written to",
    "demo": "puts its own samples into the output folder",
}
FETCHES = {"client": "MiniMax", "net": "what a person's URL names"}


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_doors_open_files(path: Path) -> None:
    if path.stem in DISK_DOORS:
        return
    calls = [
        n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)
    ]
    named = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
    assert not named & OPENS_FILES


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_client_and_net_speak_http(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    names |= {
        (n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)
    }
    network = names & {"httpx", "httpx2", "httpcore", "socket", "urllib3", "requests", "aiohttp"}
    assert not network or path.stem in FETCHES


def test_start_up_imports_nothing_that_only_a_call_needs() -> None:
    code = "import sys; before = set(sys.modules); import minimax_server; "
    code += "print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.split())
    late = {"httpx", "tenacity", "tinytag", "imagesize", "sqlite3", "httpx_secure"}
    late |= {f"minimax.{name}" for name in ("client", "media", "jobs", "speech", "sandbox", "demo")}
    assert not loaded & late


def test_importing_the_server_prints_nothing_and_reads_no_environment() -> None:
    code = "import os; os.environ.clear(); import minimax_server"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
