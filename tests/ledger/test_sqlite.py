"""The SQLite ledger: the shared suite, and what is its file's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ledger.processes import SqliteStore, open_store
from tests.ledger.suite import LedgerSuite


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "state") as opened:
        yield opened


class TestSqlite(LedgerSuite):
    """Every promise of a ledger, kept in SQLite."""
