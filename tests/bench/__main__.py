"""Measure everything once, and print the table or write docs/BENCHMARKS.md and its plot.

uv run python -m tests.bench
uv run python -m tests.bench --write
"""

import argparse
import asyncio
import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.bench import bare, calls, drive, environments, player, polling, transfers
from tests.bench.api import Api
from tests.bench.environments import Environment, NotToBeHad
from tests.bench.plot import draw
from tests.bench.rows import BARE, OFFICIAL, OURS, Bench, Commands, Row
from tests.support.host import ROOT

MEASURED: Final = (
    calls.start,
    calls.one_query,
    calls.at_once,
    transfers.upload,
    transfers.download,
    polling.asks,
    player.first_frame,
)
HEADS: Final = ("what", "budget", "this server", f"official {environments.OFFICIAL_PACKAGE}")


PAGE: Final = ROOT / "docs" / "BENCHMARKS.md"
PLOT: Final = ROOT / "docs" / "images" / "benchmarks.svg"
START: Final = "<!-- written by: uv run python -m tests.bench --write -->\n"
END: Final = "<!-- end of the written table -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} and its plot")
    write = parser.parse_args().write
    if sys.platform != "linux":
        sys.stderr.write("The bench reads the memory of processes from /proc: run it on Linux.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_measured(Path(folder)))
    text = f"{_caption()}\n\n{_table(rows)}\n"
    if write:
        _write(text, rows)
    else:
        sys.stdout.write(text)
    return 0


def _write(text: str, rows: Sequence[Row]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(START)], page[page.index(END) :]
    PAGE.write_text(f"{before}{START}\n{text}\n{after}", encoding="utf-8")
    PLOT.write_text(draw(rows), encoding="utf-8")


async def _measured(folder: Path) -> list[Row]:
    (folder / drive.SAVED_FOLDER).mkdir()
    ours = _had(environments.ours, folder / "ours")
    official = _had(environments.official, folder / "official")
    async with drive.apis() as api:
        bench = Bench(folder=folder, api=api, commands=await _commands(folder, api, official))
        await calls.warm_up(bench)
        found = []
        for measure in MEASURED:
            sys.stderr.write(f"{measure.__name__} ...\n")
            found += await measure(bench)
    return found + environments.installed(ours, official)


def _had(make: Callable[[Path], Environment], folder: Path) -> Environment | None:
    try:
        return make(folder)
    except NotToBeHad as reason:
        sys.stderr.write(f"Left out: {folder.name} in an environment of its own; {reason}.\n")
        return None


async def _commands(folder: Path, api: Api, official: Environment | None) -> Commands:
    ours = (sys.executable, str(ROOT / "minimax_server.py"))
    async with drive.serving(ours, folder=folder, api_url=api.quick) as server:
        await server.handshake()
        tools = (await server.answer("tools/list"))["result"]["tools"]
    commands = {OURS: ours, BARE: (sys.executable, bare.__file__, str(len(tools)))}
    if official is not None:
        commands[OFFICIAL] = (official.script("minimax-mcp"),)
    return commands


def _caption() -> str:
    return (
        f"Measured on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} with Python "
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; medians of turns within one run."
    )


def _table(found: Sequence[Row]) -> str:
    lines = [HEADS, ("---",) * len(HEADS)]
    for row in found:
        measured = row.measured if row.kept else f"**{row.measured}, missed**"
        lines.append((row.what, row.budget, measured, row.official))
    return "\n".join(f"| {' | '.join(cell or '-' for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
