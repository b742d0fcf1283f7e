"""One line for each client: what worked, what did not, and what could not be tried."""

import re
import tempfile
from pathlib import Path
from typing import Final

import minimax_server
from tests.clients.journeys import Client, Journey
from tests.clients.packages import Unavailable

__all__ = ["FAILED", "HEADER", "find_failures", "judge", "row"]

FAILED: Final = "FAILED"
OK: Final = "ok"
NOT_TRIED: Final = "-"
HEADER: Final = (
    "client",
    "version",
    "connect, list",
    "order, wait, fetch",
    "refusal read by the model",
    "cancel, leave early",
    "note",
)
REFUSAL: Final = "wait_seconds must be 45 or less."
LONGEST_REASON_CHARACTERS: Final = 200


def row(client: Client) -> tuple[str, ...]:
    """The cells of a client, in the order of the header."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        try:
            went = client.travel(home)
        except Unavailable as reason:
            return client.name, *(NOT_TRIED,) * 5, f"not tried: {_one_line(reason)}"
        except Exception as error:
            return client.name, *(NOT_TRIED,) * 5, f"{FAILED}: {_one_line(error)}"
        return client.name, went.version, *judge(client, went, home), client.note


def judge(client: Client, went: Journey, home: Path) -> tuple[str, str, str, str]:
    """How the client connected, how it got its video, what its model read, and how it left."""
    return (
        _judge_connection(client, went),
        _judge_video(client, went, home),
        _judge_refusal(went),
        _judge_leaving(went),
    )


def find_failures(client: Client, went: Journey, home: Path) -> list[str]:
    """The cells that say that something does not work."""
    return [cell for cell in judge(client, went, home) if cell.startswith(FAILED)]


def _judge_connection(client: Client, went: Journey) -> str:
    if went.protocol != client.protocol:
        return f"{FAILED}: speaks {went.protocol}"
    missing = [tool.name for tool in minimax_server.toolbox.tools if tool.name not in went.tools]
    if missing or len(went.tools) != len(minimax_server.toolbox.tools):
        return f"{FAILED}: other tools than the server's; missing: {', '.join(missing)}"
    return f"{OK}, {went.protocol}, {len(went.tools)} tools"


def _judge_video(client: Client, went: Journey, home: Path) -> str:
    video = Path(went.path)
    if not video.is_relative_to(home / "MiniMax") or video.read_bytes()[4:8] != b"ftyp":
        return f"{FAILED}: no video"
    if went.heard == 0:
        return f"{FAILED}: no progress"
    if bool(went.cuts) != client.cuts_calls:
        return f"{FAILED}: calls that the client ended: {len(went.cuts)}"
    read = "".join(f'; it ended a call ("{_one_line(cut)}"), the next got it' for cut in went.cuts)
    return OK + read


def _judge_refusal(went: Journey) -> str:
    if REFUSAL not in went.refusal:
        return f"{FAILED}: {_one_line(went.refusal)}"
    return OK if went.is_error else f"{OK}, not marked as an error"


def _judge_leaving(went: Journey) -> str:
    if went.goes_on is None:
        return NOT_TRIED
    return OK if went.goes_on else f"{FAILED}: the call after a cancelled one"


def _one_line(reason: object) -> str:
    """The last line with words, as it fits into a cell; Python draws frames around some."""
    lines = [line for line in str(reason).splitlines() if re.search("[A-Za-z]", line)]
    last = lines[-1] if lines else type(reason).__name__
    return last.strip(" |+-").replace("|", "/")[-LONGEST_REASON_CHARACTERS:]
