"""Removes each promise of the fault table from the code and sees whether its tests fail.

    uv run python -m tests.scripts.fault_table            every row; takes some minutes
    uv run python -m tests.scripts.fault_table 4 16       these rows
    uv run python -m tests.scripts.fault_table --write    only writes the table in docs/SECURITY.md

Works on a copy of the checkout in a temporary folder. A test counts if it fails by itself: not by a
source that cannot be compiled or names what there is not, not while tests are collected, and not
because it hangs.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tests.scripts.fault_rows import ROWS, Edit, Mutation, Row
from tests.scripts.generated_docs import DOCS, ROOT, table

__all__ = [
    "PAGE",
    "UnfitEditError",
    "clean_environment",
    "judge",
    "mutate_text",
    "render_page",
    "wait_or_kill",
]

LIMIT_SECONDS: Final = 100
"""Of the tests of one mutation; the slowest takes some 15 seconds."""
LIMIT_OF_ALL_SECONDS: Final = 600
"""Of all tests together, before anything is changed."""
SHOWN_REASON: Final = 90
"""Characters of the reason for which a test failed."""
TESTS_FAILED: Final = 1
"""What pytest's exit code says then; others are its own or the collection's trouble."""

PAGE: Final = DOCS / "SECURITY.md"
START: Final = "<!-- written by: uv run python -m tests.scripts.fault_table --write -->\n"
END: Final = "<!-- end of the written table -->\n"


# --- mutations ---------------------------------------------------------------------------------


class UnfitEditError(Exception):
    """A mutation that does not fit the source any more."""


def edit_text(text: str, edit: Edit) -> str:
    """The source with one replacement made.

    Raises:
        UnfitEditError: What is to be replaced does not occur exactly once.
    """
    count = text.count(edit.old)
    if count != 1:
        raise UnfitEditError(f"{edit.file} holds {edit.old!r} {count} times, and not once")
    return text.replace(edit.old, edit.new)


def mutate_text(root: Path, mutation: Mutation) -> dict[str, str]:
    """The changed sources by their path below the root; each can be compiled.

    Raises:
        UnfitEditError: They cannot be made.
    """
    texts: dict[str, str] = {}
    for edit in mutation.edits:
        text = texts.get(edit.file) or (root / edit.file).read_text(encoding="utf-8")
        texts[edit.file] = edit_text(text, edit)
    for file, text in texts.items():
        try:
            compile(text, file, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise UnfitEditError(f"{file} cannot be compiled: {error}") from None
    return texts


@contextmanager
def mutate(root: Path, mutation: Mutation) -> Iterator[None]:
    """Change the sources for as long as the block lasts.

    Raises:
        UnfitEditError: They cannot be changed like this.
    """
    changed = mutate_text(root, mutation)
    originals = {file: (root / file).read_text(encoding="utf-8") for file in changed}
    try:
        write_sources(root, changed)
        check_names(root, list(changed))
        yield
    finally:
        write_sources(root, originals)


def write_sources(root: Path, texts: dict[str, str]) -> None:
    """Write sources by their path below the root."""
    for file, text in texts.items():
        (root / file).write_text(text, encoding="utf-8", newline="\n")


def check_names(root: Path, files: Sequence[str]) -> None:
    """Refuse sources with names that are not defined: a test would fail by these alone.

    Raises:
        UnfitEditError: With what ruff says.
    """
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet"]
    done = subprocess.run(
        [*command, "--select", "F821,F822,F823", "--output-format", "concise", *files],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UnfitEditError(done.stdout + done.stderr)


# --- tests -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PytestRun:
    """What became of a run of pytest.

    Attributes:
        code: Its exit code; None: it took too long.
        failures: Why tests failed, by their node ids.
        output: What it printed.
    """

    code: int | None
    failures: dict[str, str]
    output: str

    def find_failure(self, test: str) -> str | None:
        """Why this test failed, or one of its cases; None: it did not."""
        for name, reason in self.failures.items():
            if name == test or name.startswith(f"{test}["):
                return reason
        return None


def run_tests(
    root: Path, tests: Sequence[str], *, limit_seconds: float, options: Sequence[str] = ()
) -> PytestRun:
    """Run tests of a checkout; what it has begun is ended after the limit.

    Args:
        root: Of the checkout.
        tests: Node ids.
        limit_seconds: For all of them.
        options: More options of pytest.
    """
    report = root / "report.xml"
    report.unlink(missing_ok=True)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*PYTEST, f"--junitxml={report}", *options, *tests],
            cwd=root,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = wait_or_kill(process, limit_seconds)
        output.seek(0)
        said = output.read().decode(errors="replace")
    failures = read_failures(report) if report.exists() else {}
    return PytestRun(code, failures, said)


PYTEST: Final = (sys.executable, "-m", "pytest", "--quiet", "--tb=short", "-p", "no:cacheprovider")


def clean_environment() -> dict[str, str]:
    """The environment without this run's own pytest, and without stale bytecode.

    A mutated source may be as long and as old as the one that it replaces, which is all that Python
    compares.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST"))}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def wait_or_kill(process: subprocess.Popen[bytes], limit_seconds: float) -> int | None:
    """The exit code; None: it took too long and was killed, with the servers that it started."""
    try:
        return process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        return None


def read_failures(report: Path) -> dict[str, str]:
    """Why tests failed, by their node ids, from pytest's report in JUnit's format.

    What fails before or after a test, in its fixtures, is called an error there and does not count.
    """
    failures = {}
    for case in ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure")
        if failure is not None:
            module = case.get("classname", "").replace(".", "/")
            reason = failure.get("message", "").partition("\n")[0]
            failures[f"{module}.py::{case.get('name')}"] = reason
    return failures


# --- the command -------------------------------------------------------------------------------


def copy_checkout(folder: Path) -> None:
    """Copy what git knows, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def find_trouble(root: Path, rows: Sequence[Row]) -> str | None:
    """Why mutations would show nothing: the tests do not pass on the source as it is."""
    tests = list(dict.fromkeys(test for row in rows for test in row.tests))
    whole = run_tests(root, tests, limit_seconds=LIMIT_OF_ALL_SECONDS)
    return None if whole.code == 0 else whole.output


def judge(root: Path, mutation: Mutation) -> tuple[bool, str]:
    """Whether every test of a mutation fails, and why it does, or what is wrong."""
    try:
        with mutate(root, mutation):
            # In one process: starting others takes longer than most of these tests.
            run = run_tests(root, mutation.tests, limit_seconds=LIMIT_SECONDS, options=["-n", "0"])
    except UnfitEditError as error:
        return False, f"the mutation does not fit: {error}"
    if run.code is None:
        return False, f"not over after {LIMIT_SECONDS} seconds"
    if run.code not in (0, TESTS_FAILED):
        return False, f"pytest ended with {run.code}: {run.output[-1000:]}"
    reasons = {test: run.find_failure(test) for test in mutation.tests}
    passed = [test for test, reason in reasons.items() if reason is None]
    if passed:
        return False, f"did not fail: {', '.join(passed)}"
    return True, shorten(str(reasons[mutation.tests[0]]))


def shorten(reason: str) -> str:
    """The beginning of the reason for which a test failed."""
    return reason if len(reason) <= SHOWN_REASON else f"{reason[:SHOWN_REASON]}..."


def try_rows(rows: Sequence[Row]) -> bool:
    """Try the mutations of these rows, a line each; whether all were noticed."""
    survivors = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        copy_checkout(root)
        trouble = find_trouble(root, rows)
        if trouble is not None:
            print(trouble)
            return False
        for row in rows:
            for mutation in row.mutations:
                is_noticed, why = judge(root, mutation)
                survivors += not is_noticed
                verdict = "noticed " if is_noticed else "SURVIVED"
                print(f"{row.number:2} {verdict} {mutation.what}: {why}", flush=True)
    print(f"{survivors} survived" if survivors else "every mutation was noticed")
    return not survivors


# --- the table ---------------------------------------------------------------------------------


def render_table() -> str:
    """The table as docs/SECURITY.md shows it."""
    lines = (
        [
            str(row.number),
            row.fault,
            row.promise,
            ", ".join(f"`{name}`" for name in name_functions(row)),
        ]
        for row in ROWS
    )
    return table(["no.", "what goes wrong", "what is promised", "test"], lines)


def name_functions(row: Row) -> list[str]:
    """The functions of a row's tests, without file and case."""
    names = (re.sub(r"\[.*", "", test.partition("::")[2]) for test in row.tests)
    return list(dict.fromkeys(names))


def render_page() -> str:
    """docs/SECURITY.md with the table of today."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{render_table()}\n{END}{after}"


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.scripts.fault_table")
    numbers = [row.number for row in ROWS]
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="only these rows")
    parser.add_argument("--write", action="store_true", help="only write the table in the document")
    given = parser.parse_args()
    if given.write:
        PAGE.write_text(render_page(), encoding="utf-8", newline="\n")
        print(f"written: {PAGE.relative_to(ROOT)}")
        return 0
    unknown = set(given.rows) - set(numbers)
    if unknown:
        parser.error(f"there is no row {min(unknown)}")
    return 0 if try_rows([row for row in ROWS if row.number in (given.rows or numbers)]) else 1


if __name__ == "__main__":
    sys.exit(main())
