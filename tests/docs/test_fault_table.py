"""The fault table is whole: its rows fit the source, its tests exist, and the document shows it.

That each mutation is noticed takes minutes: `uv run python -m tests.scripts.fault_table`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import fault_table
from tests.scripts.fault_rows import ROWS, Edit, Mutation
from tests.support.host import ROOT
from tests.support.samples import put

MUTATIONS = [
    pytest.param(mutation, id=f"{row.number:02}-{mutation.what}")
    for row in ROWS
    for mutation in row.mutations
]


def test_the_document_shows_the_table_as_it_is() -> None:
    assert fault_table.PAGE.read_text(encoding="utf-8") == fault_table.render_page(), (
        "run: uv run python -m tests.scripts.fault_table --write"
    )


def test_all_45_rows_are_there_and_each_says_how_its_promise_is_removed() -> None:
    assert [row.number for row in ROWS] == list(range(1, 46))
    assert all(row.mutations for row in ROWS)
    assert all(mutation.tests and mutation.edits for row in ROWS for mutation in row.mutations)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_fits_the_source(mutation: Mutation) -> None:
    for file, text in fault_table.mutate_text(ROOT, mutation).items():
        assert text != (ROOT / file).read_text(encoding="utf-8")


def test_every_test_of_the_table_exists() -> None:
    tests = {test for row in ROWS for test in row.tests}
    command = [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "--quiet"]
    done = subprocess.run(
        [*command, *sorted(tests)],
        cwd=ROOT,
        env=fault_table.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the command -------------------------------------------------------------------------------

SOURCE = "def count() -> int:\n    return 42\n"
EXACT = "from source import count\n\ndef test_it() -> None:\n    assert count() == 42\n"
VAGUE = "from source import count\n\ndef test_it() -> None:\n    assert count() > 0\n"
FIXTURE = (
    "import pytest\nfrom source import count\n\n@pytest.fixture\ndef world():\n"
    "    assert count() == 42\n\ndef test_it(world) -> None:\n    pass\n"
)


@pytest.mark.parametrize(
    ("test", "old", "new", "is_noticed", "why"),
    [
        pytest.param(EXACT, "42", "41", True, "assert 41 == 42", id="noticed"),
        pytest.param(VAGUE, "42", "41", False, "did not fail: tests/test_it.py", id="survived"),
        pytest.param(FIXTURE, "42", "41", False, "did not fail", id="only-a-fixture-fails"),
        pytest.param(EXACT, "43", "41", False, "'43' 0 times", id="not-in-the-source"),
        pytest.param(EXACT, "n", "m", False, "times, and not once", id="in-it-several-times"),
        pytest.param(EXACT, "42", "(", False, "cannot be compiled", id="no-program"),
        pytest.param(EXACT, "42", "nothing", False, "Undefined name `nothing`", id="no-such-name"),
        pytest.param(EXACT, "count", "number", False, "pytest ended with", id="not-collected"),
    ],
)
def test_only_a_test_that_fails_by_itself_notices_a_mutation(
    test: str, old: str, new: str, is_noticed: bool, why: str, tmp_path: Path
) -> None:
    source = put(tmp_path / "source.py", SOURCE.encode())
    put(tmp_path / "tests" / "test_it.py", test.encode())
    put(tmp_path / "pytest.ini", b"[pytest]\npythonpath = .\n")
    mutation = Mutation("x", ("tests/test_it.py::test_it",), Edit("source.py", old, new))
    verdict, said = fault_table.judge(tmp_path, mutation)
    assert (verdict, why in said) == (is_noticed, True), said
    assert source.read_text(encoding="utf-8") == SOURCE


def test_tests_that_hang_are_ended() -> None:
    hanging = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    process = subprocess.Popen(hanging, start_new_session=True)
    assert fault_table.wait_or_kill(process, 0.1) is None
    assert process.poll() is not None
