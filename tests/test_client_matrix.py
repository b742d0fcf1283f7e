"""The table of clients says what failed, and the command that prints it then fails too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax
import minimax_server
from tests.clients.__main__ import main
from tests.clients.journeys import MODERN, Client, Journey
from tests.clients.matrix import HEADER, find_failures, judge
from tests.clients.packages import Unavailable

WELL = Journey(
    version="1.2.3",
    protocol=MODERN,
    tools=[tool.name for tool in minimax_server.toolbox.tools],
    path="video.mp4",
    refusal="wait_seconds must be 45 or less.",
    is_error=True,
    goes_on=True,
    heard=3,
)
VIDEO = b"\x00\x00\x00\x18ftypmp42"
WELL_CELLS = (f"ok, {MODERN}, {len(WELL.tools)} tools", "ok", "ok", "ok")


def travel(home: Path, **otherwise: Any) -> Journey:
    """A journey that ends in a file, otherwise than well in these respects."""
    folder = home / "MiniMax"
    folder.mkdir()
    (folder / WELL.path).write_bytes(VIDEO)
    return replace(WELL, path=str(folder / WELL.path), **otherwise)


def client(travel: Callable[[Path], Journey] = travel, *, cuts_calls: bool = False) -> Client:
    return Client("some client", MODERN, travel, cuts_calls=cuts_calls, note="Its own.")


def print_rows(
    capsys: pytest.CaptureFixture[str], *clients: Client
) -> tuple[int, list[tuple[str, ...]]]:
    """The exit code, and the cells of each client."""
    code = main(clients)
    title, _, header, _, *lines = capsys.readouterr().out.splitlines()
    assert title == f"minimax-server {minimax.__version__} on the sandbox"
    assert header == f"| {' | '.join(HEADER)} |"
    return code, [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in lines]


def test_a_client_that_works_has_a_row_without_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, rows = print_rows(capsys, client())
    assert (code, rows) == (0, [("some client", "1.2.3", *WELL_CELLS, "Its own.")])


@pytest.mark.parametrize(
    ("otherwise", "column", "said"),
    [
        ({"protocol": "2024-11-05"}, 0, "speaks 2024-11-05"),
        ({"tools": WELL.tools[1:]}, 0, f"missing: {WELL.tools[0]}"),
        ({"tools": [*WELL.tools, "another"]}, 0, "other tools"),
        ({"heard": 0}, 1, "no progress"),
        ({"cuts": ["Timed out."]}, 1, "calls that the client ended: 1"),
        ({"refusal": "Internal error"}, 2, "Internal error"),
        ({"goes_on": False}, 3, "the call after a cancelled one"),
    ],
    ids=["protocol", "a tool less", "a tool more", "progress", "cut", "refusal", "leaving"],
)
def test_what_does_not_work_is_told_in_its_column(
    home: Path, otherwise: dict[str, Any], column: int, said: str
) -> None:
    went = travel(home, **otherwise)
    cells = judge(client(), went, home)
    [failure] = find_failures(client(), went, home)
    assert failure == cells[column]
    assert said in failure


def test_a_file_that_is_no_video_is_told(home: Path) -> None:
    went = travel(home)
    Path(went.path).write_text("an error in HTML", encoding="utf-8")
    assert find_failures(client(), went, home) == ["FAILED: no video"]


def test_a_client_that_should_end_calls_has_to_and_what_its_model_read_is_told(home: Path) -> None:
    impatient = client(cuts_calls=True)
    went = travel(home)
    assert find_failures(impatient, went, home) == ["FAILED: calls that the client ended: 0"]
    _, video, *_ = judge(impatient, replace(went, cuts=["Try again."]), home)
    assert video == 'ok; it ended a call ("Try again."), the next got it'


def test_what_is_not_marked_or_not_tried_is_no_failure(home: Path) -> None:
    went = travel(home, is_error=False, goes_on=None, heard=None)
    assert judge(client(), went, home)[2:] == ("ok, not marked as an error", "-")


def test_a_client_that_cannot_be_had_is_skipped_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cannot_be_had(home: Path) -> Journey:
        raise Unavailable("npm is not installed")

    code, [row] = print_rows(capsys, client(cannot_be_had))
    assert (code, row[-1]) == (0, "not tried: npm is not installed")


def test_a_client_that_fails_makes_the_command_fail_and_the_others_are_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(home: Path) -> Journey:
        raise AssertionError("Traceback:\n  | BrokenResourceError: a | b\n  +-------------")

    code, rows = print_rows(capsys, client(fails), client())
    assert code == 1
    assert rows[0][-1] == "FAILED: BrokenResourceError: a / b"
    assert rows[1][2:-1] == WELL_CELLS
