"""Team mode: the ledger in PostgreSQL, accounts, HTTP, the object store, workers."""

import pytest

pytest.register_assert_rewrite("tests.ledger.suite")

for name in ("psycopg", "psycopg_pool", "procrastinate", "obstore"):
    pytest.importorskip(name, reason="the extra `team` is not installed here")
