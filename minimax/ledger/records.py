"""The rows of the ledger and what an earlier row means for an identical purchase."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from minimax.tool_results import JobStatus

__all__ = [
    "REMEMBERED_SECONDS",
    "Decision",
    "JobRecord",
    "Purchase",
    "State",
    "decide",
    "would_buy",
]

REMEMBERED_SECONDS: Final = 24 * 3600.0
"""Hand-over and refusal last this long."""


class State(Enum):
    """How a submission ended, as far as is known."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "State":  # noqa: ARG003
        """What a later version may have written: nothing that may be bought again."""
        return cls.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """What is about to be bought."""

    fingerprint: str
    api: str
    model: str
    prompt: str | None
    duration: int | None
    resolution: str | None
    price_usd: float | None
    deadline_seconds: float


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """One row.

    Attributes:
        caller_gone: Nobody waits for this job's answer any more.
    """

    id: int
    state: State
    created_at: float
    caller_gone: bool
    answered_at: float | None
    task_id: str | None
    api: str
    model: str
    prompt: str | None
    duration: int | None
    resolution: str | None
    price_usd: float | None
    status: JobStatus | None
    file_id: str | None
    path: str | None
    final_reply: str | None


class Decision(Enum):
    """What the next identical call gets."""

    BUY = "buy"
    """A row of its own was written; send the request."""
    HAND_OVER = "hand over"
    """An accepted job whose answer never reached its caller."""
    JOIN = "join"
    """A submission whose caller has gone is still under way."""
    REFUSE = "refuse"
    """An earlier attempt ended in doubt."""


def would_buy(earlier: Decision | None, *, second_charge_agreed: bool) -> bool:
    """Whether an identical call buys, given what an earlier attempt means for it."""
    return earlier is None or (earlier is Decision.REFUSE and second_charge_agreed)


def decide(job: JobRecord) -> Decision | None:
    """What one unanswered earlier attempt means for an identical call; None: nothing.

    An attempt whose caller still waits is another video, which the person wants as well.
    """
    if job.state is State.UNKNOWN:
        return Decision.REFUSE
    if not job.caller_gone:
        return None
    return {State.ACCEPTED: Decision.HAND_OVER, State.SUBMITTING: Decision.JOIN}.get(job.state)
