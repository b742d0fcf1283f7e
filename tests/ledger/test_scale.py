"""A ledger of 100,000 purchases is as quick as one of 100, counted in steps and not in time."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from minimax.ledger.sqlite import FILE_NAME
from tests.scripts.ledger_scale import ACTIONS, BUDGET, FEW_ROWS, MANY_ROWS, fill, measure

SHORT_INDEX = "USING INDEX jobs_unsettled"
"""Holds only what is being sent, so it may be scanned."""

EVERY_ACTION = pytest.mark.parametrize("action", ACTIONS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scale")


@pytest.fixture(scope="module")
def few(folder: Path) -> Path:
    asyncio.run(fill(folder / "few", FEW_ROWS))
    return folder / "few"


@pytest.fixture(scope="module")
def many(folder: Path) -> Path:
    asyncio.run(fill(folder / "many", MANY_ROWS))
    return folder / "many"


@EVERY_ACTION
def test_the_steps_of_an_action_do_not_grow_with_the_ledger(
    action: str, few: Path, many: Path
) -> None:
    steps = [asyncio.run(measure(folder, action)).steps for folder in (few, many)]
    assert steps[0] > FEW_ROWS, "nothing was counted"
    assert steps[1] <= BUDGET * steps[0]


def explain(folder: Path, statements: list[str]) -> Iterator[tuple[str, str]]:
    """What SQLite plans to do for each statement that can be planned."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        for statement in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                for row in db.execute(f"EXPLAIN QUERY PLAN {statement}"):
                    yield statement, row[3]


@EVERY_ACTION
def test_no_statement_of_an_action_scans_the_whole_table(action: str, few: Path) -> None:
    watch = asyncio.run(measure(few, action))
    plans = list(explain(few, watch.statements))
    assert any("USING" in plan for _, plan in plans), "nothing was explained"
    scans = [each for each in plans if each[1].startswith("SCAN jobs")]
    assert [each for each in scans if SHORT_INDEX not in each[1]] == []
