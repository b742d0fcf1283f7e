"""Which answers have arrived: written to a pipe is not received.

An answer counts as received when the caller shows it, by using an id or a path of it or by sending
a later request on the same connection. A cancellation of that very call takes the latter back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

from minimax.ledger.base import Ledger

__all__ = ["Deliveries"]

MOST_CALLS: Final = 1000
"""Calls whose answer and cancellation may cross; hosts cancel within seconds."""


class Deliveries:
    """The answers that this process has given to one host.

    Args:
        ledger: Opened on first use.
    """

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._told: dict[str, Hashable] = {}
        self._keys: OrderedDict[Hashable, str] = OrderedDict()
        self._cancelled: OrderedDict[Hashable, None] = OrderedDict()
        self._looked_up: set[str] = set()
        self._received: list[str] = []
        self._taken_back: list[str] = []
        self._settling = asyncio.Lock()

    async def answer(self, call: Hashable, key: str) -> None:
        """This call is being answered with this purchase."""
        self._looked_up.clear()
        if call in self._cancelled:
            # A call that ends in this very moment is not interrupted any more.
            self._taken_back.append(key)
            await self.settle()
            return
        self._told[key] = call
        self._keys[call] = key
        _keep_newest(self._keys)

    def note_request(self, call: Hashable = None) -> None:
        """A later request came, so earlier answers have arrived."""
        self._cancelled.pop(call, None)
        self._received += self._told
        self._told.clear()

    def note_cancellation(self, call: Hashable) -> None:
        """The host has given up on a call, whose answer it will ignore."""
        key = self._keys.pop(call, None)
        if key is None:
            self._cancelled[call] = None
            _keep_newest(self._cancelled)
            return
        self._told.pop(key, None)
        if key in self._received:
            self._received.remove(key)
        self._taken_back.append(key)

    async def settle(self) -> None:
        """Write down what was noted, also if the call that asks for it is cancelled meanwhile."""
        await asyncio.shield(asyncio.ensure_future(self._write_down()))

    async def _write_down(self) -> None:
        async with self._settling:
            received, self._received = self._received, []
            taken_back, self._taken_back = self._taken_back, []
            if received:
                await self._ledger().mark_received(received)
            for key in taken_back:
                await self._ledger().take_back(key)

    async def note_use(self, value: str) -> None:
        """An id or a path was used in a call: the answer that held it has arrived."""
        if not self._keys or value in self._looked_up:
            return
        self._looked_up.add(value)
        await self._ledger().receive_by_use(value)


def _keep_newest(calls: OrderedDict[Hashable, Any]) -> None:
    if len(calls) > MOST_CALLS:
        calls.popitem(last=False)
