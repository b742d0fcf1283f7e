"""Gets other people's packages into a cache folder outside of this tree."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from platformdirs import user_cache_path

__all__ = [
    "ENVIRONMENT",
    "Unavailable",
    "npm_package",
    "npm_packages",
    "npm_program",
    "program",
    "python_with",
    "ran",
    "skipped_if_it_cannot_be_had",
    "uv",
]

ENVIRONMENT: Final = dict(os.environ)
"""As it was at the start: tests give themselves another home, npm and uv need the person's own."""
CACHE: Final = user_cache_path("minimax-server-tests", appauthor=False)
INSTALL_SECONDS: Final = 300.0


class Unavailable(Exception):
    """The package cannot be had here; the text says why."""


def npm_package(name: str, version: str) -> Path:
    """The folder in which this package of npm is installed, made on first use."""
    box = CACHE / f"{name.strip('@').replace('/', '-')}-{version}"
    return _npm_box(box, [f"{name}@{version}"])


def npm_packages(name: str, packages: Sequence[str]) -> Path:
    """The folder in which these packages of npm, and no peers of theirs, are installed."""
    versions = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    return _npm_box(CACHE / f"{name}-{versions}", ["--legacy-peer-deps", *packages])


def _npm_box(box: Path, arguments: Sequence[str]) -> Path:
    npm = program("npm")
    if not box.is_dir():
        with tempfile.TemporaryDirectory(dir=_made(CACHE)) as folder:
            (Path(folder) / "package.json").write_text('{"private": true}', encoding="utf-8")
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            _install([npm, "install", *options, *arguments], Path(folder))
            _keep(Path(folder), box)
    return box


def npm_program(box: Path, name: str, binary: str) -> list[str]:
    """The command of a program that an installed package of npm brings."""
    root = box / "node_modules" / name
    binaries = json.loads((root / "package.json").read_text(encoding="utf-8"))["bin"]
    file = binaries if isinstance(binaries, str) else binaries[binary]
    return [program("node"), str(root / file)]


def python_with(requirement: str, *others: str) -> Path:
    """The Python of an environment in which only these requirements are installed."""
    release = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = re.sub(r"[^\w.-]+", "-", requirement.replace("==", "-"))
    if others:
        name += f"-{hashlib.sha256(' '.join(others).encode()).hexdigest()[:12]}"
    box = CACHE / f"{name}-python-{release}"
    python = Path("Scripts" if os.name == "nt" else "bin") / Path(sys.executable).name
    if not box.is_dir():
        with tempfile.TemporaryDirectory(dir=_made(CACHE)) as folder:
            made = Path(folder) / "environment"
            _install([uv(), "venv", "--python", sys.executable, "--relocatable", str(made)], CACHE)
            to = ["--python", str(made / python)]
            _install([uv(), "pip", "install", *to, requirement, *others], CACHE)
            _keep(made, box)
    return box / python


def uv() -> str:
    """Where uv is; `uv run` says so itself."""
    return ENVIRONMENT.get("UV") or program("uv")


def ran(
    command: Sequence[str], *, cwd: Path, env: dict[str, str], limit_seconds: float
) -> subprocess.CompletedProcess[str]:
    """What a command wrote and how it ended."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=limit_seconds,
        check=False,
    )


def program(name: str) -> str:
    """Where a program of this machine is."""
    found = shutil.which(name, path=ENVIRONMENT.get("PATH"))
    if found is None:
        raise Unavailable(f"{name} is not installed")
    return found


def _install(command: Sequence[str], cwd: Path) -> None:
    try:
        done = ran(command, cwd=cwd, env=ENVIRONMENT, limit_seconds=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[-1]} did not arrive in {INSTALL_SECONDS:g} seconds") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if "error" in line), lines[-1])
        raise Unavailable(f"{command[-1]} cannot be installed: {reason.strip()}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(made: Path, box: Path) -> None:
    """Put what was installed in its place at once and whole; another process may be quicker."""
    try:
        made.rename(box)
    except OSError:
        if not box.is_dir():
            raise
    else:
        made.mkdir()


@contextmanager
def skipped_if_it_cannot_be_had() -> Iterator[None]:
    """Leave a test out, with the reason, where its package cannot be had."""
    try:
        yield
    except Unavailable as reason:
        pytest.skip(str(reason))
