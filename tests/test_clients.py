"""Other people's clients make a video with this server: order, wait, and a file at the end.

    uv run python -m tests.clients

prints the same as a table with versions. A client is left out only where it cannot be had.
"""

from pathlib import Path

import pytest

import minimax_server
from tests.clients.journeys import CLIENTS, Client, inspector_strict
from tests.clients.packages import skipped_if_it_cannot_be_had

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_video_journey_ends_in_a_file(client: Client, home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        went = client.travel(home)
    assert went.protocol == client.protocol
    assert went.tools == [tool.name for tool in minimax_server.toolbox.tools]
    assert went.progress is None or went.progress > 0
    video = Path(went.path)
    assert video.is_relative_to(home / "MiniMax")
    assert video.read_bytes()[4:8] == b"ftyp"


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_inspectors_strict_check_has_nothing_to_say(era: str, home: Path) -> None:
    with skipped_if_it_cannot_be_had():
        assert "Issue:" not in inspector_strict(home, era)
