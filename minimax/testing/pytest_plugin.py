"""The pytest fixture `minimax_sandbox`.

In `conftest.py`: `pytest_plugins = ["minimax.testing.pytest_plugin"]`.

pytest itself is no dependency of this package.
"""

from collections.abc import Iterator

import pytest

from minimax.testing import IsolatedSandbox

__all__ = ["minimax_sandbox"]


@pytest.fixture
def minimax_sandbox() -> Iterator[IsolatedSandbox]:
    """A MiniMax for one test, synchronous or not; see `minimax.testing.IsolatedSandbox`."""
    with IsolatedSandbox() as sandbox:
        yield sandbox
