"""A browser for the tests of the player's page."""

from collections.abc import Iterator

import pytest

from tests.clients.packages import skipped_if_it_cannot_be_had
from tests.player.browser import Browser, launch


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with skipped_if_it_cannot_be_had(), launch() as running:
        yield running
