"""A thread of its own for work that may block, so that the event loop never does."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")
Item = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """Runs callables one after the other, in the order in which they were handed in.

    Args:
        idle_seconds: After this long without work, `on_idle` is called.
        on_idle: Runs in the thread; what it raises is ignored.
    """

    def __init__(self, *, idle_seconds: float, on_idle: Callable[[], object]) -> None:
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._idle_seconds = idle_seconds
        self._on_idle = on_idle
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """The result of `work`; it is done even if the caller is cancelled meanwhile."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._items.put((lambda: work(*args, **kwargs), loop, future))
        if self._thread is None:
            # A daemon: a disk that hangs must not keep the process alive.
            self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
            self._thread.start()
        return await future

    def stop(self) -> None:
        """End the thread after the work that was handed in."""
        if self._thread is not None:
            self._items.put(None)
            self._thread = None

    def _serve(self) -> None:
        while True:
            try:
                item = self._items.get(timeout=self._idle_seconds)
            except queue.Empty:
                self._run_idle()
                continue
            if item is None:
                return
            _run_item(*item)

    def _run_idle(self) -> None:
        try:
            self._on_idle()
        except Exception:  # noqa: BLE001 - a missed beat; the next transaction says what is wrong
            return


def _run_item(
    work: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]"
) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
        _settle(loop, future, future.set_exception, error)
    else:
        _settle(loop, future, future.set_result, result)


def _settle(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Any]",
    settle: Callable[[Any], None],
    value: object,
) -> None:
    def settle_in_loop() -> None:
        if not future.done():
            settle(value)

    try:
        loop.call_soon_threadsafe(settle_in_loop)
    except RuntimeError:  # the loop has ended, and with it whoever waited
        return
