"""The sandbox's bill: what a real account would have been charged, at list prices."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from minimax.sandbox.bounded import RecentList

KINDS: Final = (
    "video",
    "regeneration",
    "speech",
    "long_speech",
    "image",
    "transcript",
    "voice_clone",
    "voice_design",
)
"""What is charged for; the last two when a voice first speaks."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge: `what` was bought, and the `id` of the task, voice or request."""

    what: str
    amount_usd: float
    id: str


class Bill(RecentList[Charge]):
    """The account's charges, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def charge(self, what: str, amount_usd: float, *, item_id: str) -> None:
        """Add a charge for the task, voice or request with the id `item_id`."""
        self.append(Charge(what, round(amount_usd, 6), item_id))
        self._counts[what] += 1

    def refund(self, *, item_id: str) -> None:
        """Remove the charge for a task that was cancelled before it started."""
        for charge in [charge for charge in self if charge.id == item_id]:
            self.remove(charge)
            self._counts[charge.what] -= 1

    def count_charges(self, what: str) -> int:
        """Return how often `what` was charged, including charges dropped from the list.

        Raises:
            ValueError: It is none of `KINDS`.
        """
        if what not in KINDS:
            raise ValueError(f"nothing is charged as {what!r}, only as one of {', '.join(KINDS)}")
        return self._counts[what]
