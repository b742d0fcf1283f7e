"""Team mode: the ledger in PostgreSQL, accounts, HTTP, the object store, workers."""

import pytest

pytest.register_assert_rewrite("tests.ledger.suite")
