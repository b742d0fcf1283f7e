"""What 100,000 purchases cost the next one: `uv run python -m tests.scripts.ledger_scale`.

Counts the steps of SQLite's virtual machine, which no other load of the computer changes.
"""

import asyncio
import sqlite3
import sys
import tempfile
import unittest.mock
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from minimax.ledger.clock import LedgerClock
from minimax.ledger.records import Kind, Purchase
from minimax.ledger.sqlite import FILE_NAME, SqliteLedger

__all__ = ["ACTIONS", "BUDGET", "FEW_ROWS", "MANY_ROWS", "Watch", "fill", "measure"]

FEW_ROWS: Final = 100
MANY_ROWS: Final = 100_000
BUDGET: Final = 1.2
"""Steps with many rows, divided by steps with few."""
NOW: Final = 1_800_000_000.0
BOOT_SECONDS: Final = 5000.0
SECONDS_APART: Final = 900.0
"""Between purchases, so that about 100 of them are of the last 24 hours."""
CLOCK: Final = LedgerClock(
    wall=lambda: NOW, boot_seconds=lambda: BOOT_SECONDS, read_boot_id=lambda: "this boot"
)
PURCHASE: Final = Purchase(
    kind=Kind.VIDEO,
    fingerprint="new",
    account="account",
    model="a model",
    prompt="a dog",
    price_usd=0.28,
    deadline_seconds=70.0,
)
OLDEST_IMAGE: Final = 3
"""So many images were bought, before everything else."""
COLUMNS: Final = (
    "key, kind, request, fingerprint, account, state, owner, caller, pid, created_at, deadline_at,"
    " boot, boot_seconds, api, model, prompt, price_usd, task_id, status, file_id, answered_at,"
    " final_reply, result"
)


@dataclass
class Watch:
    """What SQLite did.

    Attributes:
        steps: Of the virtual machine.
        statements: As they were run, with their values.
    """

    steps: int = 0
    statements: list[str] = field(default_factory=list)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count from here to the end of the block, on every connection that is opened in it."""
        real = sqlite3.connect

        def connect(*args: Any, **options: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = real(*args, **options)
            db.set_progress_handler(self._count, 1)
            db.set_trace_callback(self.statements.append)
            return db

        with unittest.mock.patch.object(sqlite3, "connect", connect):
            yield

    def _count(self) -> int:
        self.steps += 1
        return 0


async def buy(ledger: SqliteLedger) -> None:
    beginning = await ledger.begin(PURCHASE, second_charge_agreed=False, limit_usd=1000.0)
    assert beginning.record is not None
    await ledger.mark_accepted(beginning.record.key, task_id="new task")
    await ledger.record_result(beginning.record.key, {"task_id": "new task"})
    await ledger.mark_received([beginning.record.key])
    await ledger.find_recent_twin("request 1", within_seconds=60.0)
    await ledger.count_open_jobs()


async def list_videos(ledger: SqliteLedger) -> None:
    await ledger.newest(20, kinds=[Kind.VIDEO])


async def list_everything(ledger: SqliteLedger) -> None:
    await ledger.newest(20, kinds=list(Kind))


async def list_rare_kind(ledger: SqliteLedger) -> None:
    await ledger.newest(20, kinds=[Kind.IMAGE])


async def list_rare_status(ledger: SqliteLedger) -> None:
    await ledger.newest(20, kinds=[Kind.VIDEO], status="failed")


async def ask(ledger: SqliteLedger) -> None:
    """A question about a job, as the tool asks it until the video is saved."""
    await ledger.by_task("task 1")
    await ledger.receive_by_use("task 1")
    await ledger.record_status(
        "task 1", status="completed", file_id="file 1", reply="{}", is_final=True
    )
    await ledger.record_path("file 1", Path("/videos/dog.mp4"))
    await ledger.sum_spending(24 * 3600.0)


Action = Callable[[SqliteLedger], Awaitable[None]]
ACTIONS: Final[dict[str, Action]] = {
    "purchase": buy,
    "list": list_videos,
    "list of everything": list_everything,
    "list of a rare kind": list_rare_kind,
    "list of a rare status": list_rare_status,
    "question": ask,
}


async def fill(folder: Path, count: int) -> None:
    """A ledger of so many purchases that were received."""
    ledger = SqliteLedger(folder, clock=CLOCK)
    await ledger.by_task("none")
    await ledger.aclose()
    marks = ", ".join("?" * len(COLUMNS.split(",")))
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.executemany(
            f"INSERT INTO jobs ({COLUMNS}) VALUES ({marks})",
            (_make_row(number, count) for number in range(count)),
        )


def _make_row(number: int, count: int) -> tuple[object, ...]:
    at = NOW - (count - number) * SECONDS_APART
    video = number % 2 == 0
    kind = Kind.VIDEO if video else Kind.SPEECH
    kind = Kind.IMAGE if number < OLDEST_IMAGE else kind
    return (
        f"key {number}",
        kind.value,
        f"request {number}",
        f"request {number}",
        "account",
        "rejected" if number % 10 == 9 else "accepted",
        "an owner that is gone",
        None,
        1,
        at,
        at + 70,
        f"boot {number // 100}",
        1000.0,
        "v1",
        "a model",
        "a dog " * 10,
        0.01,
        f"task {number}" if video else None,
        "failed" if number == OLDEST_IMAGE + 1 else ("completed" if video else None),
        f"file {number}" if video else None,
        at + 5,
        "{}" if video else None,
        '{"path": "/speech.mp3"}',
    )


async def measure(folder: Path, name: str) -> Watch:
    """What an action costs in a ledger that `fill` has made."""
    ledger = SqliteLedger(folder, clock=CLOCK)
    watch = Watch()
    with watch.watch():
        await ACTIONS[name](ledger)
        await ledger.aclose()
    return watch


async def main() -> int:
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        await fill(few, FEW_ROWS)
        await fill(many, MANY_ROWS)
        for name in ACTIONS:
            steps = [(await measure(each, name)).steps for each in (few, many)]
            ratio = steps[1] / steps[0]
            over += ratio > BUDGET
            print(f"{name:22} {steps[0]:7} steps, {steps[1]:9}, ratio {ratio:.2f}")
    print(f"{MANY_ROWS} rows to {FEW_ROWS} rows; budget {BUDGET}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
