"""A thread of its own for work that may block, so that the event loop never does."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")
Item = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """Runs callables one after the other, in the order in which they were handed in.

    Args:
        beat_seconds: How often `beat` is called once there was work; between two pieces of work,
            so a long one delays it.
        beat: Runs in the thread; what it raises is ignored.
    """

    def __init__(self, *, beat_seconds: float, beat: Callable[[], object]) -> None:
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._beat_seconds = beat_seconds
        self._beat = beat
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
        beat_at = time.monotonic() + self._beat_seconds
        while True:
            with contextlib.suppress(queue.Empty):
                item = self._items.get(timeout=max(0.0, beat_at - time.monotonic()))
                if item is None:
                    return
                _run_item(*item)
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._beat_seconds
                # A missed beat does no harm; the next transaction says what is wrong.
                with contextlib.suppress(Exception):
                    self._beat()


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
