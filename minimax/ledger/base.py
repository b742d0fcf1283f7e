"""What every ledger can do, whatever database it uses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from minimax.ledger.records import Beginning, Decision, Kind, Purchase, Record, State
from minimax.tool_results import JobStatus

__all__ = ["Ledger"]


class Ledger(Protocol):
    """The purchases of one person, or of one team.

    Every method is one transaction. A ledger that cannot be used for a moment never stops a paid
    job: what is written meanwhile is remembered and merged back. Only where there is a limit,
    nothing is bought meanwhile, because others may spend what is left of it. One that could never
    be used is in nobody's use; there the limit holds for what is known.
    """

    @property
    def trouble(self) -> str | None:
        """What the last transaction found wrong, as a sentence for the person."""
        ...

    async def begin(
        self,
        purchase: Purchase,
        *,
        second_charge_agreed: bool,
        limit_usd: float | None,
        ignoring: Sequence[str] = (),
    ) -> Beginning:
        """Decide what a request comes to; write it down and reserve its price if it is bought.

        Args:
            purchase: What is to be bought.
            second_charge_agreed: The person agreed that an earlier attempt in doubt may be paid
                for twice.
            limit_usd: Most that may be spent in 24 hours; None: no limit.
            ignoring: Earlier attempts that turned out to be of another account.
        """
        ...

    async def peek(self, purchase: Purchase) -> Decision | None:
        """What `begin` would make of earlier attempts; None where there are none. Claims none."""
        ...

    async def mark_accepted(
        self, key: str, *, task_id: str | None = None, reply: Mapping[str, Any] | None = None
    ) -> None:
        """MiniMax accepted; doubts whose second charge was agreed on are settled by that."""
        ...

    async def mark_ended(self, key: str, state: State) -> None:
        """The request was rejected, or is in doubt."""
        ...

    async def mark_probable(self, key: str, task_id: str) -> None:
        """In doubt, but MiniMax lists exactly one job that it may have become."""
        ...

    async def record_result(self, key: str, result: Mapping[str, Any]) -> None:
        """What the caller is about to be told; handed over if the answer is lost."""
        ...

    async def abandon(self, key: str) -> None:
        """The caller has gone without an answer; the request may still be under way."""
        ...

    async def mark_received(self, keys: Sequence[str]) -> None:
        """The answers arrived: identical requests buy again from now on."""
        ...

    async def take_back(self, key: str) -> None:
        """The answer did not arrive after all: the next identical request gets it."""
        ...

    async def receive_by_use(self, value: str) -> None:
        """An id or a path of a result was used in a call, so its answer had arrived."""
        ...

    async def reload(self, key: str) -> Record | None:
        """The row as it is now, in doubt if whoever sent it is gone."""
        ...

    async def by_task(self, task_id: str) -> Record | None:
        """The purchase of a task id, if it was bought from here."""
        ...

    async def newest(
        self, limit: int, *, kinds: Sequence[Kind], status: str | None = None
    ) -> list[Record]:
        """Purchases that may have cost something, newest first."""
        ...

    async def find_recent_twin(self, fingerprint: str, *, within_seconds: float) -> Record | None:
        """The newest accepted purchase of an identical request, if it is that young."""
        ...

    async def by_file(self, file_id: str) -> Record | None:
        """The purchase of a file id, if it was bought from here."""
        ...

    async def record_status(
        self,
        task_id: str,
        *,
        status: JobStatus,
        file_id: str | None,
        reply: str,
        is_final: bool,
        took_seconds: float | None = None,
    ) -> None:
        """How a job stands.

        Args:
            task_id: The job.
            status: In our words.
            file_id: What it made, once it has.
            reply: MiniMax's reply, as JSON.
            is_final: The job has ended, so `reply` is its last word.
            took_seconds: How long it took, where that was watched closely enough.
        """
        ...

    async def claim_job(self, task_id: str) -> Record | None:
        """Follow a job unless another process that lives does; the row tells who follows it.

        A process that gave no sign of life for 20 seconds has lost its jobs to whoever claims
        them first. One that still follows may claim again at any time.
        """
        ...

    async def release_job(self, task_id: str) -> None:
        """Follow it no more, and owe it nothing: no file is saved at the next start."""
        ...

    async def unfinished_jobs(
        self, limit: int, *, kinds: Sequence[Kind], account: str
    ) -> list[Record]:
        """Accepted jobs that have not ended, or whose follower did not save them; newest first."""
        ...

    async def job_times(self, like: Record, *, limit: int) -> list[float]:
        """How many seconds the newest jobs of the same model, size and length took."""
        ...

    async def record_path(self, file_id: str, path: Path) -> None:
        """Where a video was saved."""
        ...

    async def sum_spending(self, within_seconds: float) -> Mapping[Kind, float]:
        """List prices of what was accepted or is in doubt, by kind."""
        ...

    async def count_open_jobs(self) -> int:
        """Accepted jobs that have not ended yet, as far as is known."""
        ...

    async def read_trouble(self) -> str | None:
        """A sentence for the person where purchases cannot be written down or read."""
        ...

    async def aclose(self) -> None:
        """Release what this process holds; its unanswered purchases go to the next caller."""
        ...
