"""Checks what a host gives to a prompt; an SDK middleware.

The SDK answers a missing argument with an internal error and a traceback on stderr (mcp 2.3).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Prompt

__all__ = ["CheckPrompts"]


class CheckPrompts:
    """Refuses prompts that do not exist or lack an argument, in a sentence.

    Args:
        list_prompts: The prompts that the server offers.
    """

    def __init__(self, list_prompts: Callable[[], Awaitable[Sequence[Prompt]]]) -> None:
        self._list_prompts = list_prompts

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Handle a request, or refuse it.

        Raises:
            MCPError: INVALID_PARAMS, with what is missing.
        """
        if ctx.method == "prompts/get":
            await self._check(ctx.params or {})
        return await call_next(ctx)

    async def _check(self, params: Mapping[str, Any]) -> None:
        prompts = {prompt.name: prompt for prompt in await self._list_prompts()}
        prompt = prompts.get(str(params.get("name")))
        if prompt is None:
            raise MCPError(INVALID_PARAMS, f"There is no such prompt. Prompts: {_join(prompts)}.")
        given = params.get("arguments")
        arguments = given if isinstance(given, Mapping) else {}
        required = [argument.name for argument in prompt.arguments or [] if argument.required]
        missing = [name for name in required if not arguments.get(name)]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise MCPError(
                INVALID_PARAMS, f"{_join(missing)} {verb} required by the prompt {prompt.name}."
            )


def _join(names: Sequence[str] | Mapping[str, object]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
