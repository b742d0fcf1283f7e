"""Asks the person a question in the middle of a tool call, in both protocol eras."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import (
    Elicit,
    Resolve,
    build_resolver_plans,
    resolve_arguments,
)
from mcp_types import InputRequiredResult
from pydantic import BaseModel

__all__ = ["Answered", "ApplyAnswer", "Ask", "Form", "Question", "can_ask"]


class Form(NamedTuple):
    """A question and the fields of its answer."""

    message: str
    schema: type[BaseModel]


Ask = Callable[[Mapping[str, Any]], Awaitable[Form | None]]
"""Makes the question from a tool's arguments alone; None where nothing is to be asked."""


class Answered(NamedTuple):
    """How a question ended: `data` where the person answered, else None.

    Attributes:
        data: The person's answer.
        in_time: False where none came.
    """

    data: BaseModel | None
    in_time: bool = True


ApplyAnswer = Callable[[Answered, Mapping[str, Any]], Awaitable[None]]
"""Goes on or raises an error after the answer."""


def can_ask(context: Context[Any, Any]) -> bool:
    """Whether the host says that it can put a form before the person."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


class Question:
    """The question of one tool.

    Args:
        tool_name: Names the question on the wire.
        argument_names: All arguments of the tool.
        ask: Makes the question.
    """

    def __init__(self, tool_name: str, argument_names: list[str], ask: Ask) -> None:
        async def resolve(**arguments: Any) -> Any:
            form = await ask(arguments)
            return None if form is None else Elicit(form.message, form.schema)

        # The SDK hands a resolver the arguments that its signature names.
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in argument_names
        ]
        resolve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        resolve.__annotations__ = {}
        resolve.__qualname__ = f"{tool_name}.question"
        self._resolved = {"answer": (Resolve(resolve), True)}
        self._plans = build_resolver_plans(self._resolved, set(argument_names))

    async def put(
        self, arguments: Mapping[str, Any], context: Context[Any, Any]
    ) -> Answered | InputRequiredResult | None:
        """Ask; None where nothing was to be asked, or what the host has to answer first."""
        try:
            found = await resolve_arguments(self._resolved, self._plans, arguments, context)
        except ToolError:  # an empty form, or one that does not fit its schema
            return Answered(None)
        if isinstance(found, InputRequiredResult):
            return found
        outcome = found["answer"]
        if outcome is None:
            return None
        return Answered(outcome.data if isinstance(outcome, AcceptedElicitation) else None)
