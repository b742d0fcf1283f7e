"""Measures what hostile answers of the API cost, each in a process of its own.

    uv run python -m tests.scripts.hostile_answers

Peak is the resident memory above that of the same process after one honest call.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import minimax_server
from minimax.errors import MiniMaxError
from tests.support import hostile
from tests.support.host import ROOT
from tests.support.raw_server import Behaviour, ok, serve_raw

MOST_PEAK_MIB: Final = 64
MIB: Final = 1024 * 1024


class Case(NamedTuple):
    """A tool that gets an answer."""

    tool: str
    answer: Callable[[], Behaviour]


CASES: Final = {
    "0.6 MB of gzip, 600 MiB decoded": Case("list_voices", hostile.gzip_bomb),
    "the same, paid": Case("text_to_audio", hostile.gzip_bomb),
    "endless chunks": Case("list_voices", lambda: hostile.endless),
    "endless chunks, paid speech": Case("text_to_audio", lambda: hostile.endless),
    "endless chunks, paid video": Case("generate_video", lambda: hostile.endless),
    "22 MB of voices": Case("list_voices", hostile.many_voices),
    "4 MB of empty lists": Case("list_voices", hostile.tiny_values),
    "10,000 voices (honest)": Case("list_voices", hostile.most_voices),
    "50 MB of status_msg": Case("generate_video", hostile.long_message),
    "50 MB of status_msg, paid speech": Case("text_to_audio", hostile.long_message),
    "20 MB of status_msg, paid speech": Case("text_to_audio", lambda: hostile.long_message(20)),
    "3 MB of nesting": Case("generate_video", hostile.nested),
    "3 MB of nesting, paid speech": Case("text_to_audio", hostile.nested),
    "200,000 headers": Case("generate_video", hostile.many_headers),
    "23 MiB of hex and an emoji": Case("text_to_audio", hostile.wide_sound),
    "23 MiB of hex (honest)": Case("text_to_audio", hostile.sound),
}
ARGUMENTS: Final = {"text_to_audio": {"text": "Hello."}, "generate_video": {"prompt": "a dog"}}


class Measured(NamedTuple):
    """What one case came to."""

    peak_mib: float
    error: str
    outcome: str
    text: str


async def measure(name: str) -> Measured:
    """Serve one case here, and let another process call the tool."""
    case = CASES[name]
    async with serve_raw(ok(), case.answer()) as server:
        with tempfile.TemporaryDirectory() as home:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.scripts.hostile_answers", case.tool),
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
                env={
                    **os.environ,
                    "MINIMAX_API_HOST": server.url,
                    "MINIMAX_API_KEY": "sk-api-none-0123456789",
                    "MINIMAX_MCP_BASE_PATH": str(Path(home, "saved")),
                    "MINIMAX_MCP_STATE_DIR": str(Path(home, "state")),
                },
            )
            answer, _ = await child.communicate()
    return Measured(**json.loads(answer))


async def call(tool: str) -> Measured:
    """In the child: one honest call, then the hostile one."""
    await minimax_server.list_voices()
    idle = _resident_bytes()
    _reset_peak()
    error, outcome, text = "", "", "saved"
    try:
        await getattr(minimax_server, tool)(**ARGUMENTS.get(tool, {}))
    except MiniMaxError as caught:
        error, outcome, text = type(caught).__name__, caught.outcome.name, str(caught)
    return Measured((_peak_bytes() - idle) / MIB, error, outcome, text)


def _resident_bytes() -> int:
    status = Path("/proc/self/statm")
    if not status.exists():
        return _peak_bytes()  # the peak so far: what comes on top of it is a lower bound
    return int(status.read_text("ascii").split()[1]) * resource.getpagesize()


def _reset_peak() -> None:
    file = Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5", "ascii")


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    [line] = [x for x in status.read_text("utf-8").splitlines() if x.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


async def main() -> int:
    """Print the table; 1 where a peak is too high."""
    print(f"| answer | tool | peak MiB (at most {MOST_PEAK_MIB}) | error | outcome |")
    print("| --- | --- | --: | --- | --- |")
    worst, texts = 0.0, list[str]()
    for name, case in CASES.items():
        found = await measure(name)
        worst = max(worst, found.peak_mib)
        texts.append(found.text)
        print(f"| {name} | {case.tool} | {found.peak_mib:.1f} | {found.error} | {found.outcome} |")
    print()
    for text in dict.fromkeys(texts):
        print(text)
    return int(worst > MOST_PEAK_MIB)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asyncio.run(call(sys.argv[1]))._asdict()))
    else:
        sys.exit(asyncio.run(main()))
