"""Lets the shared suite explain its failures like a test module."""

import pytest

pytest.register_assert_rewrite("tests.ledger.suite")
