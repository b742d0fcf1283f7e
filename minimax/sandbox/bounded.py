"""Collections that drop their oldest items, so that a long-running sandbox does not leak memory."""

from typing import Final, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")

MAX_ITEMS: Final = 10_000


class RecentList(list[Item]):
    """A list of the newest `MAX_ITEMS` items."""

    def append(self, item: Item) -> None:
        """Add an item, and drop the oldest one if the list is full."""
        super().append(item)
        del self[:-MAX_ITEMS]


class BoundedDict(dict[Key, Item]):
    """A dict of the newest `max_items` entries."""

    def __init__(self, *, max_items: int = MAX_ITEMS) -> None:
        super().__init__()
        self._max_items = max_items

    def __setitem__(self, key: Key, item: Item) -> None:
        super().__setitem__(key, item)
        if len(self) > self._max_items:
            del self[next(iter(self))]
