"""Environments as a user gets them: made by uv in a folder, with one package and its needs."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.rows import OFFICIAL, OURS, Row
from tests.support.host import ROOT

OFFICIAL_PACKAGE: Final = "minimax-mcp==0.0.19"
"""The official server, as it is on PyPI."""
PACKAGES: Final = 42
INSTALLED_MB: Final = 70
LONGEST_SECONDS: Final = 120
MB: Final = 1_000_000


class NotToBeHad(Exception):
    """An environment cannot be made here."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with one package and what that drags in."""

    folder: Path

    @property
    def packages(self) -> int:
        return len(list(self._site.glob("*.dist-info")))

    @property
    def size_bytes(self) -> int:
        """Of all that was installed; bytecode is not written here."""
        return sum(file.stat().st_size for file in self._site.rglob("*") if file.is_file())

    def script(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    @property
    def _site(self) -> Path:
        [found] = self.folder.glob("lib/python*/site-packages")
        return found


def ours(folder: Path) -> Environment:
    """An environment with this checkout as a package, without what only its developers need.

    Raises:
        NotToBeHad: uv or a package index is missing.
    """
    return _made(folder, str(ROOT), pins_of=ROOT)


def official(folder: Path) -> Environment:
    """An environment with the official server.

    Raises:
        NotToBeHad: uv or a package index is missing.
    """
    return _made(folder, OFFICIAL_PACKAGE, pins_of=folder.parent)


def installed(mine: Environment | None, other: Environment | None) -> list[Row]:
    """What an installation brings along."""

    def packages(environment: Environment | None) -> str:
        return str(environment.packages) if environment else "not measured"

    def size(environment: Environment | None) -> str:
        return f"{environment.size_bytes / MB:.0f} MB" if environment else "not measured"

    return [
        Row(
            what="installed packages, itself included",
            budget=f"at most {PACKAGES}",
            measured=packages(mine),
            kept=mine is None or mine.packages <= PACKAGES,
            official=packages(other),
            used=_shares(mine, other, lambda found: found.packages / PACKAGES),
        ),
        Row(
            what="installed size, without bytecode",
            budget=f"at most {INSTALLED_MB} MB",
            measured=size(mine),
            kept=mine is None or mine.size_bytes <= INSTALLED_MB * MB,
            official=size(other),
            used=_shares(mine, other, lambda found: found.size_bytes / (INSTALLED_MB * MB)),
        ),
    ]


def _shares(
    mine: Environment | None, other: Environment | None, share: Callable[[Environment], float]
) -> dict[str, float]:
    both = {OURS: mine, OFFICIAL: other}
    return {name: share(found) for name, found in both.items() if found is not None}


def _made(folder: Path, requirement: str, *, pins_of: Path) -> Environment:
    """Make one; uv takes pinned versions from the project it runs in."""
    _uv("venv", "--python", sys.executable, str(folder), cwd=pins_of)
    python = str(folder / "bin" / "python")
    install = ("pip", "install", "--no-compile-bytecode", "--python", python)
    _uv(*install, requirement, cwd=pins_of)
    return Environment(folder)


def _uv(*arguments: str, cwd: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        subprocess.run(
            ["uv", "--quiet", *arguments],
            cwd=cwd,
            env=environ,
            check=True,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
        )
    except FileNotFoundError:
        raise NotToBeHad("uv is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"uv took longer than {LONGEST_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr)
        raise NotToBeHad("uv could not install it (its words are above)") from None
