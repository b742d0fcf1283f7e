"""The figures of docs/TEAM.md: a deployment under fire, and its throughput beside stdio.

    uv run python -m tests.scripts.team_figures
    uv run python -m tests.scripts.team_figures --write

It takes about ten minutes, prints the tables or writes them into the page, and fails where a
promise was not kept. Linux and macOS; PostgreSQL comes from the wheel of the dev group.
"""

import argparse
import asyncio
import datetime
import os
import platform
import sys
from collections.abc import Sequence
from typing import Final

from tests.scripts.team_chaos import Plan, Tally, run_chaos
from tests.scripts.team_throughput import Throughput, measure_throughput
from tests.support.host import ROOT

PLANS: Final = (
    Plan(intents=200, seed=1),
    Plan(intents=200, seed=2, kills=True),
    Plan(intents=200, seed=3, kills=True, postgres=True),
    Plan(intents=200, seed=4, kills=True, postgres=True, callbacks=True),
    Plan(intents=200, seed=5, kills=True, postgres=True, callbacks=True),
    Plan(intents=200, seed=6, kills=True, postgres=True, callbacks=True),
)
MOST_IN_DOUBT: Final = 0.01
"""Of what was accepted, where MiniMax calls back."""
CAPTION: Final = "Measured on {day} with Python {python} on {system}, {cores} cores."
HEADS: Final = (
    "| run | intents | kills | database faults | accepted | most for one intent |"
    " accepted, caller left in doubt | accepted, not stored |"
)
PAGE: Final = ROOT / "docs" / "TEAM.md"
START: Final = "<!-- written by: uv run python -m tests.scripts.team_figures --write -->\n"
END: Final = "<!-- end of the written tables -->\n"


async def measure() -> tuple[list[Tally], Throughput, Throughput]:
    """Everything, one after the other."""
    tallies = []
    for plan in PLANS:
        tallies.append(await run_chaos(plan))
        sys.stderr.write(f"{tallies[-1].row(plan)}\n")
    stdio, team = await measure_throughput()
    return tallies, stdio, team


def draw(tallies: Sequence[Tally], stdio: Throughput, team: Throughput) -> str:
    """The tables with their caption."""
    rows = [tally.row(plan) for plan, tally in zip(PLANS, tallies, strict=True)]
    lines = [
        CAPTION.format(
            day=datetime.datetime.now(datetime.UTC).date(),
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            cores=os.cpu_count(),
        ),
        "",
        HEADS,
        "|---|---|---|---|---|---|---|---|",
        *rows,
        sum_up(tallies),
        "",
        "| 200 jobs at once | jobs per second | median ms | 99th percentile ms |",
        "|---|---|---|---|",
        stdio.row("stdio, SQLite"),
        team.row("HTTP, PostgreSQL, one replica"),
        "",
        f"One replica handles {team.rate / stdio.rate:.2f} times as many jobs per second as stdio.",
    ]
    return "\n".join(lines)


def sum_up(tallies: Sequence[Tally]) -> str:
    """The last row."""
    numbers = [
        sum(tally.intents for tally in tallies),
        sum(tally.kills for tally in tallies),
        sum(tally.database_faults for tally in tallies),
        sum(tally.accepted for tally in tallies),
        max(tally.most_for_one for tally in tallies),
        sum(tally.left_in_doubt for tally in tallies),
        sum(tally.not_stored for tally in tallies),
    ]
    return f"| all | {' | '.join(map(str, numbers))} |"


def find_broken(tallies: Sequence[Tally]) -> list[str]:
    """The promises that were not kept."""
    called_back = [tally for plan, tally in zip(PLANS, tallies, strict=True) if plan.callbacks]
    accepted = sum(tally.accepted for tally in called_back)
    in_doubt = sum(tally.left_in_doubt for tally in called_back)
    kept = {
        "Nothing is bought twice, nothing that was bought is missing.": all(
            tally.keeps_promises for tally in tallies
        ),
        "With callbacks one in a hundred at most is left in doubt.": in_doubt
        <= accepted * MOST_IN_DOUBT,
    }
    return [promise for promise, is_kept in kept.items() if not is_kept]


def write(text: str) -> None:
    """Into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(START)], page[page.index(END) :]
    PAGE.write_text(f"{before}{START}\n{text}\n\n{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure a team's deployment.")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    is_to_be_written = parser.parse_args().write
    tallies, stdio, team = asyncio.run(measure())
    text = draw(tallies, stdio, team)
    if is_to_be_written:
        write(text)
    else:
        sys.stdout.write(f"{text}\n")
    broken = find_broken(tallies)
    sys.stderr.writelines(f"NOT KEPT: {promise}\n" for promise in broken)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
