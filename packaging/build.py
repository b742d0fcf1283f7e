"""Build everything that can be published, into dist/.

    uv run packaging/build.py --owner your-name

makes the wheel and the source archive, the bundle for Claude Desktop (`.mcpb`; this needs npm), and
`server.json` for the MCP registry. The version comes from `minimax/__init__.py`, the tools from
`minimax_server.py`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import minimax
import minimax_server

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGING: Final = ROOT / "packaging"
PLACEHOLDER: Final = "your-name"
NO_OWNER: Final = (
    f'Warning: without --owner, server.json names "{PLACEHOLDER}", and the MCP registry refuses '
    "it. To publish it, give your name at GitHub. The rest does not depend on it.\n"
)
BUNDLER: Final = "@anthropic-ai/mcpb@2.1.2"
"""The official tool; it checks the manifest while it packs."""
BUNDLED: Final = (
    "minimax_server.py",
    "README.md",
    "LICENSE",
    "packaging/hatch_build.py",
    "packaging/py.typed",
)
BUNDLED_TABLES: Final = ("build-system", "project", "tool.hatch", "tool.uv")
"""What running needs of pyproject.toml; a bundle brings no tests and no tools for them."""


def manifest() -> dict[str, Any]:
    """The bundle's manifest, with the version and the tools."""
    tools = [
        {"name": tool.name, "description": tool.title} for tool in minimax_server.toolbox.tools
    ]
    return {**_read("manifest.json"), "version": minimax.__version__, "tools": tools}


def registry_entry(owner: str = PLACEHOLDER) -> dict[str, Any]:
    """What the MCP registry is told, with the version and the name that belongs to its owner."""
    entry = _read("server.json")
    packages = [{**package, "version": minimax.__version__} for package in entry["packages"]]
    name = entry["name"].replace(PLACEHOLDER, owner)
    return {**entry, "name": name, "version": minimax.__version__, "packages": packages}


def fill_bundle(folder: Path) -> None:
    """Put into a folder what the bundle holds."""
    for name in (*BUNDLED, *package_files(ROOT)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(_for_running(project), encoding="utf-8")
    _write(folder / "manifest.json", manifest())


def package_files(root: Path) -> list[str]:
    """The files of the package below `root`, by the same patterns that make the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    found = {path for pattern in patterns for path in root.glob(pattern.removeprefix("/"))}
    names = (path.relative_to(root) for path in found if path.is_file())
    return sorted(name.as_posix() for name in names if not _is_hidden(name))


def pack_bundle(into: Path, bundler: Sequence[str]) -> Path:
    """Make the bundle; gives its path.

    Args:
        into: The folder that it is put into.
        bundler: The command of the official tool.
    """
    bundle = into / f"minimax-server-{minimax.__version__}.mcpb"
    with tempfile.TemporaryDirectory() as folder:
        fill_bundle(Path(folder))
        _run([*bundler, "pack", folder, str(bundle)])
    return bundle


def build_wheel(into: Path) -> None:
    """Make the wheel and the source archive."""
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"
    _run([uv, "build", "--out-dir", str(into), str(ROOT)])


def main() -> int:
    """Build all of it."""
    parser = argparse.ArgumentParser(description="Build everything that can be published.")
    parser.add_argument("--owner", default=PLACEHOLDER, help="your name at GitHub")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="default: dist")
    options = parser.parse_args()
    if options.owner == PLACEHOLDER:
        sys.stderr.write(NO_OWNER)
    into: Path = options.into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    npx = shutil.which("npx")
    if npx is None:
        sys.stderr.write("The bundle needs npm (Node.js), and npx was not found. Install it.\n")
        return 1
    build_wheel(into)
    bundle = pack_bundle(into, [npx, "--yes", BUNDLER])
    _write(into / "server.json", registry_entry(options.owner))
    sys.stdout.write(f"\nBuilt in {into}: the wheel, the source, {bundle.name}, server.json\n")
    return 0


def _is_hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)


def _for_running(project: str) -> str:
    tables = re.split(r"(?m)^(?=\[[a-z\[])", project)
    return "".join(t for t in tables if t.lstrip("[").startswith(BUNDLED_TABLES))


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PACKAGING / name).read_text(encoding="utf-8"))
    return found


def _write(file: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603 - commands of this file


if __name__ == "__main__":
    sys.exit(main())
