"""Which answers have arrived: written to a pipe is not received.

An answer counts as received when the caller shows it, by using an id or a path of it or by sending
a later request on the same connection. A cancellation of that very call takes the latter back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from minimax.ledger.base import Ledger

__all__ = ["Deliveries"]

MOST_CALLS: Final = 1000
"""Answered calls whose cancellation may still come; hosts cancel within seconds."""


class Deliveries:
    """The answers that this process has given to one host.

    Args:
        ledger: Opened on first use.
    """

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._told: dict[str, Hashable] = {}
        self._keys: OrderedDict[Hashable, str] = OrderedDict()
        self._received: list[str] = []
        self._taken_back: list[str] = []
        self._settling = asyncio.Lock()

    def note_answer(self, call: Hashable, key: str) -> None:
        """This call is being answered with this purchase."""
        self._told[key] = call
        self._keys[call] = key
        self._keys.move_to_end(call)
        if len(self._keys) > MOST_CALLS:
            self._keys.popitem(last=False)

    def note_request(self) -> None:
        """A later request came, so earlier answers have arrived."""
        self._received += self._told
        self._told.clear()

    def note_cancellation(self, call: Hashable) -> None:
        """The host has given up on a call, whose answer it will ignore."""
        key = self._keys.pop(call, None)
        if key is None:
            return
        self._told.pop(key, None)
        if key in self._received:
            self._received.remove(key)
        self._taken_back.append(key)

    async def settle(self) -> None:
        """Write down what was noted."""
        async with self._settling:
            received, self._received = self._received, []
            taken_back, self._taken_back = self._taken_back, []
            if received:
                await self._ledger().mark_received(received)
            for key in taken_back:
                await self._ledger().take_back(key)

    async def note_use(self, value: str) -> None:
        """An id or a path was used in a call: the answer that held it has arrived."""
        if self._keys:  # of calls whose cancellation may still come
            await self._ledger().receive_by_use(value)
