"""Other people's clients with this server: a video, a refusal, a cancelled call, an early end.

    uv run python -m tests.clients

prints the same, and more clients, as a table with versions. A client is left out only where it
cannot be had.
"""

from pathlib import Path

import pytest

from tests.clients.journeys import CLIENTS, Client, inspector_strict
from tests.clients.matrix import find_failures
from tests.clients.packages import skipped_if_it_cannot_be_had

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_gets_a_video_reads_a_refusal_and_leaves_early(client: Client, home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        went = client.travel(home)
    assert find_failures(client, went, home) == []


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_inspectors_strict_check_has_nothing_to_say(era: str, home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        assert "Issue:" not in inspector_strict(home, era)
