"""Billed calls that answer with their result: joined by identical calls, never repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.files import paths
from minimax.runtime import Runtime
from minimax.runtime.background import StillRunning

__all__ = ["call_billed", "run_or_join"]

T = TypeVar("T")


async def call_billed(call: Awaitable[T], *, what: str) -> T:
    """Await a billed request that is not repeated by itself.

    Raises:
        MaybeChargedError: It was sent, and no usable answer came back.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    try:
        return await call
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise MaybeChargedError.after(
            error,
            f"{what} was asked for and no usable answer came back: MiniMax may have made and "
            "charged it. It was not repeated. Ask the person before calling again.",
        ) from None


class BilledRequest(Protocol):
    """What a caller asks for; equal requests are the same purchase."""

    @property
    def output_directory(self) -> str | None: ...
    def __hash__(self) -> int: ...


RequestT = TypeVar("RequestT", bound=BilledRequest)


async def run_or_join(
    runtime: Runtime,
    request: RequestT,
    make: Callable[[Runtime, RequestT, Path], Coroutine[Any, Any, T]],
    *,
    within_seconds: float | None,
    about: Hashable = None,
) -> T:
    """The result of billed work that outlives its call; an identical call joins it.

    Args:
        runtime: What the calls share.
        request: What is wanted.
        make: Makes it, and saves it to the folder that it is given.
        within_seconds: Answer after this long at the latest.
        about: What else must be the same in an identical call, like the content of a file.

    Raises:
        InputError: The folder is outside the base path; nothing was sent.
        UnansweredError: It takes longer than `within_seconds`; it goes on.
        MiniMaxError: What `make` raised.
    """
    folder = await asyncio.to_thread(
        paths.resolve_output_folder, request.output_directory, settings=runtime.settings
    )
    key = runtime.work_key(request, about)
    runtime.background.start(key, partial(make, runtime, request, folder), paid=True)
    try:
        result: T = await runtime.background.join(key, within_seconds=within_seconds)
    except StillRunning:
        raise UnansweredError(
            "MiniMax is still at it; that goes on by itself and nothing is lost. Call again with "
            "exactly the same arguments: that joins it and is not charged again.",
            outcome=Outcome.UNKNOWN,
        ) from None
    return result
