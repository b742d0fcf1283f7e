"""The project's own facts: versions, bounds, what is at the top, what is never committed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import minimax
from tests.scripts import pins

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def list_tracked() -> list[str]:
    """What git knows of; nothing where this is no checkout, or where there is no git."""
    git = shutil.which("git")
    if git is None:
        return []
    command = [git, "ls-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")


TRACKED = list_tracked()


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


in_a_checkout = pytest.mark.skipif(not any(TRACKED), reason="not a git checkout")
where_installed = pytest.mark.skipif(
    not _is_installed("minimax-server"), reason="runs from its folder, without being installed"
)


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    for requirement in PROJECT["project"]["dependencies"]:
        assert re.fullmatch(r"[a-z-]+>=[\d.]+,<[\d.]+", requirement), requirement


def test_the_installed_versions_are_the_pinned_ones() -> None:
    for pin in pins.write_pins():
        name, version = pin.split("==")
        try:
            assert metadata.version(name) == version
        except metadata.PackageNotFoundError:
            continue  # for another system or Python


def test_every_direct_dependency_is_pinned() -> None:
    names = {pin.split("==")[0] for pin in pins.write_pins()}
    wanted = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    wanted += [
        each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra
    ]
    direct = {re.split(r"[\[><=]", requirement)[0] for requirement in wanted}
    assert direct - {PROJECT["project"]["name"]} <= names


def test_the_pins_name_exact_versions_and_no_registry() -> None:
    assert len(pins.write_pins()) > 20
    for pin in pins.write_pins():
        assert re.fullmatch(r"[a-z0-9-]+==[\w.+!]+", pin), pin


@where_installed
def test_42_packages_at_most_are_installed_at_run_time() -> None:
    found: set[str] = set()
    waiting = ["minimax-server"]
    while waiting:
        name = waiting.pop()
        for requirement in metadata.requires(name) or []:
            if "extra ==" in requirement:
                continue
            needed = re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-")
            if needed not in found and _is_installed(needed):
                found.add(needed)
                waiting.append(needed)
    assert len(found | {"minimax-server"}) <= 42


@where_installed
def test_the_version_stands_once() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert metadata.version("minimax-server") == minimax.__version__


def test_the_changelog_has_an_entry_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(minimax.__version__)}\] - \d{{4}}-\d\d-\d\d$"
    assert re.search(heading, text, re.MULTILINE)


@in_a_checkout
def test_the_top_level_holds_what_is_listed_here_and_nothing_else() -> None:
    top = {name.split("/")[0] for name in TRACKED if name}
    allowed = {"minimax_server.py", "pyproject.toml", "tests", "docs", ".env.example", "README.md"}
    allowed |= {"minimax", "packaging", "LICENSE", "CHANGELOG.md", ".ci", ".github", ".gitignore"}
    allowed |= {".pre-commit-config.yaml"}
    assert top <= allowed


def test_what_pre_commit_runs_is_what_ci_runs() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("uv run ruff check", "uv run ruff format", "uv run mypy"):
        assert command in hooks
        assert command in ci


@in_a_checkout
def test_no_lock_file_no_env_file_and_no_key_is_tracked() -> None:
    assert not {"uv.lock", ".env"} & set(TRACKED)
    for name in filter(None, TRACKED):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not re.search(rb"sk-(api|cp)-[A-Za-z0-9]{20,}", data.replace(b"-canary-", b"")), name


@pytest.mark.parametrize("name", ["minimax_server", "minimax.errors", "minimax.settings"])
def test_public_names_are_sorted_and_exist(name: str) -> None:
    module = __import__(name, fromlist=["__all__"])
    assert sorted(module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)) == list(
        module.__all__
    )
    assert all(hasattr(module, public) for public in module.__all__)


def test_a_test_that_hangs_is_ended(tmp_path: Path) -> None:
    assert 0 < float(PROJECT["tool"]["pytest"]["timeout"]) <= 300
    hanging = tmp_path / "test_hanging.py"
    hanging.write_text(
        "import threading\n\ndef test_it():\n    threading.Event().wait()\n", "utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-n", "0"]
    # With the options of this run it would take the coverage of this run's processes for its own.
    alone = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))}
    done = subprocess.run(
        [*command, "--timeout", "1", str(hanging)],
        capture_output=True,
        text=True,
        check=False,
        env=alone,
    )
    assert done.returncode != 0
    assert "Timeout" in done.stdout + done.stderr
