"""What the table is made of: rows, and how two things are compared fairly.

They are measured in turns: ours, the bare one, the official one, and again. Times are compared
within a turn and the median of the turns' ratios counts, so that what else the machine does at a
moment touches all sides alike.
"""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench import drive
from tests.bench.api import Api
from tests.bench.drive import Server

OURS: Final = "ours"
BARE: Final = "bare"
OFFICIAL: Final = "official"

MS_WITH_DECIMALS: Final = 10
"""Below so many milliseconds their fractions are shown."""

Measure = Callable[[], Awaitable[float]]
Commands = Mapping[str, Sequence[str]]
"""How each server is started; the official one may be missing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        used: The share of the budget that each product used, for the plot: 1 is all of it.
    """

    what: str
    budget: str = ""
    measured: str
    kept: bool = True
    official: str = ""
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all rows are measured with."""

    folder: Path
    api: Api
    commands: Commands

    def serving(self, name: str, api_url: str) -> AbstractAsyncContextManager[Server]:
        return drive.serving(self.commands[name], folder=self.folder, api_url=api_url)

    @property
    def products(self) -> list[str]:
        """Ours, and the official one if it is there."""
        return [name for name in (OURS, OFFICIAL) if name in self.commands]


async def in_turns(turns: int, measures: Mapping[str, Measure]) -> dict[str, list[float]]:
    """Each measure once per turn, after a turn that does not count."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(turns + 1):
        for name, measure in measures.items():
            value = await measure()
            if turn > 0:
                found[name].append(value)
    return found


def ratio(found: Mapping[str, Sequence[float]], name: str, base: str = BARE) -> float:
    return statistics.median(a / b for a, b in zip(found[name], found[base], strict=True))


async def seconds(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def timed_row(what: str, budget: str, found: Mapping[str, Sequence[float]], *, limit: float) -> Row:
    def shown(name: str) -> str:
        if name not in found:
            return ""
        return f"{ratio(found, name):.2f} x ({_ms(found[name])} to {_ms(found[BARE])})"

    return Row(
        what=what,
        budget=budget,
        measured=shown(OURS),
        kept=ratio(found, OURS) <= limit,
        official=shown(OFFICIAL),
        used={name: ratio(found, name) / limit for name in found if name != BARE},
    )


def _ms(seconds: Sequence[float]) -> str:
    milliseconds = statistics.median(seconds) * 1000
    return f"{milliseconds:.{1 if milliseconds < MS_WITH_DECIMALS else 0}f} ms"
