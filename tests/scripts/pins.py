"""Write the tested version of every dependency into pyproject.toml.

    uv lock --upgrade && uv run python -m tests.scripts.pins

`uv.lock` itself stays out of the repository, since it names the registry that wrote it.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BLOCK: Final = re.compile(r"constraint-dependencies = \[\n.*?\n\]\n", re.DOTALL)


def read_lock() -> list[str]:
    """Every locked package as name==version, without our own."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    packages = [p for p in lock["package"] if "registry" in p["source"]]
    return sorted(f"{package['name']}=={package['version']}" for package in packages)


def write_pins() -> list[str]:
    """What pyproject.toml says."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = project["tool"]["uv"]["constraint-dependencies"]
    return found


def write() -> None:
    """Bring pyproject.toml up to the lock file."""
    lines = "".join(f'    "{pin}",\n' for pin in read_lock())
    block = f"constraint-dependencies = [\n{lines}]\n"
    project = ROOT / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(BLOCK.sub(lambda _: block, text), encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"{len(write_pins())} versions pinned\n")
