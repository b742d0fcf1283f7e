"""Collections that keep their newest members, so that a run of days does not grow without end."""

from typing import Final, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")

KEPT_ITEMS: Final = 10_000


class RecentList(list[Item]):
    """A list that forgets its oldest items."""

    def append(self, item: Item) -> None:
        """Add the newest item, and let the oldest go where there are too many."""
        super().append(item)
        del self[:-KEPT_ITEMS]


class BoundedDict(dict[Key, Item]):
    """A dict that forgets its oldest entries; `keep` says how many stay."""

    def __init__(self, *, keep: int = KEPT_ITEMS) -> None:
        super().__init__()
        self._keep = keep

    def __setitem__(self, key: Key, item: Item) -> None:
        super().__setitem__(key, item)
        if len(self) > self._keep:
            del self[next(iter(self))]
