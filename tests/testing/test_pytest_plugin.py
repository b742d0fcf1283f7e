"""The fixture in the tests of a project that uses this package, with each plugin for async."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from minimax.testing import IsolatedSandbox
from minimax_server import list_voices
from tests.clients.packages import ENVIRONMENT
from tests.support.host import ROOT
from tests.test_packaging import build_wheel, make_environment

CONFTEST = 'pytest_plugins = ["minimax.testing.pytest_plugin"]\n'
PROGRAM = """
import asyncio

from minimax.testing import IsolatedSandbox
from minimax_server import generate_video, query_video_generation, retrieve_video_file


async def make_video(prompt: str) -> str:
    task_id = (await generate_video(prompt))["task_id"]
    while (status := await query_video_generation(task_id, wait_seconds=45)):
        if status["status"] == "completed":
            return (await retrieve_video_file(status["file_id"]))["path"]


def check(path: str, sandbox: IsolatedSandbox) -> None:
    assert path.startswith(str(sandbox.base_path))
    assert sandbox.count_charges("video") == 1
"""
SYNCHRONOUS = """
def test_of_a_program(minimax_sandbox: IsolatedSandbox) -> None:
    check(asyncio.run(make_video("a dog")), minimax_sandbox)


def test_that_follows_and_finds_a_fresh_sandbox(minimax_sandbox: IsolatedSandbox) -> None:
    check(asyncio.run(make_video("a dog")), minimax_sandbox)
"""
ASYNCHRONOUS = """
async def test_of_a_coroutine(minimax_sandbox: IsolatedSandbox) -> None:
    check(await make_video("a dog"), minimax_sandbox)


async def test_that_follows_and_finds_a_fresh_sandbox(minimax_sandbox: IsolatedSandbox) -> None:
    check(await make_video("a dog"), minimax_sandbox)
"""
QUIET = ["-o", "asyncio_default_fixture_loop_scope=function"]
"""Without it pytest-asyncio warns, and warnings are errors."""
ANYIO = f"import pytest\npytestmark = pytest.mark.anyio\n{ASYNCHRONOUS}"
AUTO = ["-o", "asyncio_mode=auto"]
HERE: dict[str, tuple[str, list[str]]] = {
    "synchronous": (SYNCHRONOUS, []),
    "anyio": (ANYIO, []),
}
KINDS = {
    **HERE,
    "pytest-asyncio": (ASYNCHRONOUS, AUTO),
    "pytest-asyncio, one loop for all": (
        ASYNCHRONOUS,
        [*AUTO, "-o", "asyncio_default_test_loop_scope=session"],
    ),
}


def run_tests(
    python: str | Path, project: Path, kind: str, env: Mapping[str, str], *more: str
) -> subprocess.CompletedProcess[str]:
    tests, options = KINDS[kind]
    (project / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (project / "test_program.py").write_text(PROGRAM + tests, encoding="utf-8")
    return subprocess.run(
        [str(python), "-m", "pytest", "-q", "-W", "error", "-p", "no:xdist", *options, *more],
        cwd=project,
        # Options and coverage of this run are not for that one.
        env={k: v for k, v in env.items() if not k.startswith(("COV", "PYTEST"))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", HERE)
def test_the_fixture_works_in_a_project_of_its_own(kind: str, tmp_path: Path, home: Path) -> None:
    done = run_tests(sys.executable, tmp_path, kind, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not (home / "MiniMax").exists()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a project whose developer has the wheel, pytest and one more plugin."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(folder)
    return make_environment(folder, str(wheel), "pytest", "pytest-asyncio")


@pytest.mark.clients
@pytest.mark.parametrize("kind", KINDS)
def test_the_fixture_works_where_the_package_is_installed(
    kind: str, installed: Path, tmp_path: Path, home: Path
) -> None:
    env = {**ENVIRONMENT, "HOME": str(home)}
    done = run_tests(installed, tmp_path, kind, env, *QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not (home / "MiniMax").exists()


async def _ask() -> int:
    return (await list_voices())["total"]


@pytest.mark.anyio
async def test_the_fixture_is_an_isolated_sandbox(minimax_sandbox: IsolatedSandbox) -> None:
    assert await _ask() > 0
    assert minimax_sandbox.count("POST /v1/get_voice") == 1


def test_pytest_is_not_imported_with_the_package() -> None:
    code = "import sys, minimax.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
