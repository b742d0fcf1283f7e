"""What the ledger records, and what an earlier purchase means for an identical request."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from minimax.tool_results import JobStatus

__all__ = [
    "CHEAP_USD",
    "KEPT_SECONDS",
    "LIMIT_WINDOW_SECONDS",
    "UNPRICED_USD",
    "Beginning",
    "Decision",
    "Follower",
    "Kind",
    "Purchase",
    "Record",
    "Spending",
    "State",
    "decide",
    "would_buy",
]

DAY_SECONDS: Final = 24 * 3600.0
LIMIT_WINDOW_SECONDS: Final = DAY_SECONDS
"""The daily limit holds for every window of this length."""
UNPRICED_USD: Final = 1.00
"""What counts against the limit where MiniMax names no list price."""
CHEAP_USD: Final = 0.05
"""Up to this price a request in doubt is made again instead of being refused."""


class Kind(Enum):
    """What is bought; the value is what the ledger's file says."""

    VIDEO = "video"
    LONG_SPEECH = "long_speech"
    SPEECH = "speech"
    IMAGE = "image"
    VOICE_DESIGN = "voice_design"
    CLONE_PREVIEW = "clone_preview"
    TRANSCRIPT = "transcript"


KEPT_SECONDS: Final[Mapping[Kind, float]] = MappingProxyType(
    {kind: 7 * DAY_SECONDS if kind is Kind.VIDEO else DAY_SECONDS for kind in Kind}
)
"""How long MiniMax keeps what was bought: videos for 7 days, links to the rest for 24 hours.

Of a long speech it names only the nine hours of a link, which begin when the link is made; the job
itself may take hours."""


class State(Enum):
    """How a request ended, as far as is known."""

    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "State":  # noqa: ARG003
        """What a later version may have written: nothing that may be bought again."""
        return cls.UNKNOWN


class Follower(Enum):
    """Who follows a job."""

    THIS = "this"
    """This process."""
    OTHER = "other"
    """Another one that lives."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """What is about to be bought.

    Attributes:
        kind: What it is.
        fingerprint: The same for identical requests, whichever key they are sent with.
        account: Tells keys apart without naming them.
        model: MiniMax's name of the model.
        prompt: What the person asked for, as it is listed.
        price_usd: List price; None where MiniMax names none.
        deadline_seconds: A request that has no outcome after this long has none.
        legacy_fingerprint: What version 0.1.0 calls the same request of the same key.
        api: Which video API, for videos.
        duration: Seconds, for videos; for a long speech in rough steps, so that jobs of about one
            length have the same.
        resolution: For videos; for a long speech its audio format.
    """

    kind: Kind
    fingerprint: str
    account: str
    model: str
    prompt: str | None
    price_usd: float | None
    deadline_seconds: float
    legacy_fingerprint: str = ""
    api: str = ""
    duration: int | None = None
    resolution: str | None = None

    @property
    def counted_usd(self) -> float:
        """What it counts against the limit."""
        return UNPRICED_USD if self.price_usd is None else self.price_usd


@dataclass(frozen=True, kw_only=True)
class Record:
    """One purchase as the ledger holds it.

    Attributes:
        key: Never used again.
        fingerprint: The same for identical requests; None in a row of 0.1.0 that nobody asked for.
        sender_lives: Whoever sent it may still be at work on it.
        caller_waits: Somebody still waits for its answer, or has been told and may not have
            received it yet.
        received_at: When a caller showed that the answer had arrived; Unix seconds.
        reply: MiniMax's reply to a billed request, as it came.
        result: What the caller is told, once files are saved.
        finished_at: When a job ended; Unix seconds.
        follower: Who follows the job, if anybody does.
        last_reply: MiniMax's last reply about a job, as JSON.
        asked_at: When that came; Unix seconds.
    """

    key: str
    kind: Kind
    fingerprint: str | None
    state: State
    created_at: float
    age_seconds: float
    sender_lives: bool
    caller_waits: bool
    received_at: float | None
    account: str | None
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
    reply: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    finished_at: float | None
    follower: "Follower | None"
    last_reply: str | None
    asked_at: float | None

    @property
    def is_kept(self) -> bool:
        """Whether MiniMax still has what was bought."""
        return self.age_seconds < KEPT_SECONDS[self.kind]


class Decision(Enum):
    """What an identical request gets."""

    BUY = "buy"
    """A row of its own was written; send the request."""
    HAND_OVER = "hand over"
    """An accepted purchase whose answer never reached its caller."""
    JOIN = "join"
    """A request whose caller has gone is still under way."""
    REFUSE = "refuse"
    """An earlier attempt ended in doubt."""
    OVER_LIMIT = "over limit"
    """It would exceed the daily limit; no row was written."""


@dataclass(frozen=True, kw_only=True)
class Spending:
    """How the limit stood when a purchase was decided on.

    Attributes:
        spent_usd: List prices of what was accepted or is in doubt within the window.
        room_in_seconds: When enough of it leaves the window; None: never, or there is room.
        is_known: False where the ledger cannot be used, so that others may have spent more.
    """

    spent_usd: float
    room_in_seconds: float | None = None
    is_known: bool = True


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What the ledger decided.

    Attributes:
        decision: What the request gets.
        record: The row that it is about; None where the limit forbids a row.
        spending: How the limit stood.
        doubt: Whether an earlier attempt, besides this one, may have been charged.
    """

    decision: Decision
    record: Record | None
    spending: Spending
    doubt: bool = False


def would_buy(
    earlier: Decision | None, *, price_usd: float | None, second_charge_agreed: bool
) -> bool:
    """Whether an identical request buys, given what an earlier attempt means for it."""
    if earlier is None:
        return True
    cheap = price_usd is not None and price_usd <= CHEAP_USD
    return earlier is Decision.REFUSE and (second_charge_agreed or cheap)


def decide(record: Record) -> Decision | None:
    """What one earlier attempt whose answer was not received means; None: nothing.

    An attempt whose caller still waits is another purchase, which the person wants as well. A
    doubt is settled by the person, a certain match or a rejection, and not by time.
    """
    if record.state is State.UNKNOWN:
        return Decision.REFUSE
    if record.caller_waits or not record.is_kept:
        return None
    return {State.ACCEPTED: Decision.HAND_OVER, State.SUBMITTING: Decision.JOIN}.get(record.state)
