"""Refuses the newest request while too many are in progress; an SDK middleware."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

__all__ = ["BusyLimits", "RefuseWhenBusy"]

NEVER_REFUSED: Final = frozenset(
    {
        "initialize",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "server/discover",
        "tools/list",
    }
)
"""Answered from memory at once; nothing of them can pile up."""
LOOKING: Final = frozenset({"completion/complete", "resources/read"})
"""Requests besides tools that only look."""
MEBI: Final = 1024**2
HEAVY_CHARACTERS: Final = 64 * 1024
"""Below this the arguments of a call are not counted; the call itself takes as much."""

Work = Callable[[Any], Collection["asyncio.Task[Any]"]]


@dataclass(frozen=True)
class BusyLimits:
    """How much may be under way at once on one connection.

    Attributes:
        calls: Calls in progress, and likewise work that goes on, also for callers that are gone. A
            person with many chats has a few dozen. At this number the server still answers at once
            and holds some 20 MB more (`tests/scripts/load.py`).
        looks: Free looks, which have a number of their own so that one can see what goes on.
        characters: In the arguments of all calls together, since a `data:` URI may hold 27 million.
            Their work keeps them until it ends, and handling takes three times as much. A call that
            is alone may hold more.
    """

    calls: int = 250
    looks: int = 250
    characters: int = 64 * MEBI


class RefuseWhenBusy:
    """Counts the requests of one connection, and answers the newest beyond the limits by itself.

    Args:
        is_look: Whether a call of this tool with these arguments only looks, for a moment.
        unfinished_work: The work of a server's lifespan that may outlive its callers.
        advice: What can be done meanwhile, as a sentence.
        limits: How much may be under way.
    """

    def __init__(
        self,
        *,
        is_look: Callable[[str, Mapping[str, Any]], bool],
        unfinished_work: Work,
        advice: str,
        limits: BusyLimits | None = None,
    ) -> None:
        self._is_look = is_look
        self._unfinished_work = unfinished_work
        self._advice = advice
        self._limits = limits or BusyLimits()
        self._calls = 0
        self._looks = 0
        self._characters = 0

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Handle a request, or refuse it."""
        if ctx.request_id is None or ctx.method in NEVER_REFUSED:
            return await call_next(ctx)
        if self._only_looks(ctx):
            if self._looks >= self._limits.looks:
                return self._refusal(ctx, f"{self._looks} looks")
            with self._count_look():
                return await call_next(ctx)
        characters = _count_characters(ctx.params)
        characters = characters if characters > HEAVY_CHARACTERS else 0
        busy_with = self._busy_with(ctx.lifespan_context, characters)
        if busy_with:
            return self._refusal(ctx, busy_with)
        with self._count_call(ctx.lifespan_context, characters):
            return await call_next(ctx)

    def _only_looks(self, ctx: ServerRequestContext[Any, Any]) -> bool:
        params = ctx.params or {}
        if ctx.method != "tools/call":
            return ctx.method in LOOKING
        arguments = params.get("arguments")
        return self._is_look(
            str(params.get("name")), arguments if isinstance(arguments, Mapping) else {}
        )

    def _busy_with(self, state: Any, characters: int) -> str:
        """What this server is too busy with for one more call; nothing if it is not."""
        if self._calls >= self._limits.calls:
            return f"{self._calls} calls"
        work = sum(not task.done() for task in self._unfinished_work(state))
        if work >= self._limits.calls:
            return f"the work of {work} earlier calls"
        together = self._characters + characters
        if characters and self._characters and together > self._limits.characters:
            return f"calls whose arguments hold {self._characters // MEBI} MiB"
        return ""

    def _refusal(self, ctx: ServerRequestContext[Any, Any], busy_with: str) -> dict[str, Any]:
        text = (
            f"This server is busy with {busy_with}; this call was not started, so nothing was sent "
            f"and nothing was charged. Call again when some of them have ended. {self._advice}"
        )
        if ctx.method != "tools/call":
            raise MCPError(code=INTERNAL_ERROR, message=text)
        result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            result["resultType"] = "complete"
        return result

    @contextmanager
    def _count_look(self) -> Iterator[None]:
        self._looks += 1
        try:
            yield
        finally:
            self._looks -= 1

    @contextmanager
    def _count_call(self, state: Any, characters: int) -> Iterator[None]:
        before = set(self._unfinished_work(state)) if characters else set()
        self._calls += 1
        self._characters += characters
        try:
            yield
        finally:
            self._calls -= 1
            if characters:
                begun = set(self._unfinished_work(state)) - before
                self._forget_when_done({task for task in begun if not task.done()}, characters)

    def _forget_when_done(self, pending: set["asyncio.Task[Any]"], characters: int) -> None:
        """Count the arguments of a call for as long as the work that it left behind may hold them.

        That may be the work of another call that was begun meanwhile: they count a little longer.
        """
        if not pending:
            self._characters -= characters
            return

        def note_end(task: "asyncio.Task[Any]") -> None:
            pending.discard(task)
            if not pending:
                self._characters -= characters

        for task in list(pending):
            task.add_done_callback(note_end)


def _count_characters(value: Any) -> int:
    """The characters of all texts in a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_count_characters, value.values()))
    if isinstance(value, list):
        return sum(map(_count_characters, value))
    return 0
