"""The bill: what a real account would have been charged, at list prices."""

from collections import Counter
from dataclasses import dataclass

from minimax.sandbox.bounded import RecentList


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing bought: `what` names the kind, `id` the task, voice or request."""

    what: str
    amount_usd: float
    id: str


class Bill(RecentList[Charge]):
    """The charges, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._times: Counter[str] = Counter()

    def charge(self, what: str, amount_usd: float, *, bought: str) -> None:
        """Write one charge down; `bought` is the id of what was bought."""
        self.append(Charge(what, round(amount_usd, 6), bought))
        self._times[what] += 1

    def take_back(self, *, bought: str) -> None:
        """Forget the charge for something that was cancelled in time."""
        for charge in [charge for charge in self if charge.id == bought]:
            self.remove(charge)
            self._times[charge.what] -= 1

    def times(self, what: str) -> int:
        """How often `what` was charged, the charges already forgotten included."""
        return self._times[what]
