"""The tree is the architecture: imports run one way, and each danger has one door."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import shape

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "minimax"
MODULES = sorted(PACKAGE.rglob("*.py"))

WORDS = {"errors", "audience", "clock", "safe_text", "catalog", "limits", "tool_results"}
WORDS |= {"time_budgets"}
BASE = WORDS | {"settings", "validation", "logs"}
PILLARS = {"api", "files", "ledger"}
SHARED = {"runtime", "spending", "delivery", "jobs"}
APART = {"protocol", "sandbox", "commands", "player"}
MAY_IMPORT: dict[str, set[str]] = {
    **{word: set() for word in WORDS},
    **dict.fromkeys(("settings", "validation", "logs"), WORDS),
    **dict.fromkeys(PILLARS, BASE),
    "runtime": BASE | PILLARS,
    **{name: BASE | PILLARS | {"runtime"} for name in ("spending", "delivery", "jobs")},
    **dict.fromkeys(("video", "voice", "image"), BASE | PILLARS | SHARED),
    "scope": BASE | {"runtime", "protocol"},
    "testing": BASE | {"ledger", "runtime", "sandbox"},
    "player": BASE | {"files", "runtime"},
    "commands": BASE | {"api", "ledger", "sandbox"},
    **{name: set() for name in ("protocol", "sandbox")},
    "team": BASE | PILLARS | SHARED | {"protocol", "video", "voice", "image"},
    "minimax_server": BASE | SHARED | {"video", "voice", "image", "scope", "team", *APART},
}
"""What each folder, and each module beside the folders, may import of ours.

`api`, `files` and `ledger` never import each other, nor do `video`, `voice` and `image`. A new
module in a folder needs no entry here.
"""


def part_of(path: Path) -> str:
    """The folder below `minimax`, or the module beside the folders."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """The parts of ours that a file imports, at its top or inside a function."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "minimax":
            parts |= {alias.name for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minimax."):
            parts.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            parts |= {name.split(".")[1] for name in names if name.startswith("minimax.")}
    return parts


def label(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_the_server_leaves_api_files_and_ledger_to_the_features() -> None:
    assert imported_parts(ROOT / "minimax_server.py") <= MAY_IMPORT["minimax_server"]


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        assert imported_parts(path) == set()
        return
    assert part in MAY_IMPORT, f"{label(path)} needs a line in MAY_IMPORT: what it may import"
    inside = {part} if path.parent != PACKAGE else set()
    assert imported_parts(path) - inside <= MAY_IMPORT[part]


def test_the_modules_that_import_each_other_form_no_circle() -> None:
    assert shape.import_circles(ROOT) == []


OPENS_FILES = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir"}
OPENS_FILES |= {"unlink", "rename", "TemporaryFile", "NamedTemporaryFile"}
MAY_OPEN_FILES = {
    "files": "the person's files",
    "ledger": "its own database, and /proc for the age of a process",
    "team": "its list of accounts, and files on their way to and from the object store",
    "settings": "the .env file beside the server",
    "commands": "check tries whether a folder can be written to; demo copies its own samples",
    "sandbox": "its own samples and uploads",
}
MAY_USE_THE_NETWORK = {
    "api/client.py": "MiniMax",
    "api/answers.py": "what MiniMax answers",
    "api/transport.py": "MiniMax",
    "api/signed_links.py": "MiniMax's links",
    "files/safe_fetch.py": "what a person's URL names",
    "files/own_addresses.py": "binds sockets, which tells this machine's addresses",
    "sandbox/http/sockets.py": "listens on loopback",
    "sandbox/http/fault_middleware.py": "breaks connections",
}
NETWORK = {"httpx", "httpx2", "httpcore", "socket", "urllib3", "requests", "aiohttp"}


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_doors_open_files(path: Path) -> None:
    if part_of(path) in MAY_OPEN_FILES:
        return
    calls = [
        n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)
    ]
    names = {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls}
    assert not names & OPENS_FILES


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_doors_use_the_network(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names
    }
    names |= {
        (n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)
    }
    assert not names & NETWORK or label(path) in MAY_USE_THE_NETWORK


def test_start_up_imports_nothing_that_only_a_call_needs() -> None:
    code = "import sys; before = set(sys.modules); import minimax_server; "
    code += "print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    loaded = set(done.stdout.split())
    late = {"httpx", "tenacity", "tinytag", "imagesize", "sqlite3", "httpx_secure", "PIL"}
    late |= {f"minimax.{part}" for part in ("api", "files", "ledger", "sandbox", "commands")}
    late |= {"minimax.spending", "minimax.delivery", "minimax.image", "minimax.voice"}
    late |= {"minimax.team", "psycopg", "procrastinate", "obstore", "opentelemetry.sdk"}
    assert not loaded & late


def test_importing_the_server_prints_nothing_and_reads_no_environment() -> None:
    code = "import os; os.environ.clear(); import minimax_server"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
