"""Turns a coroutine into an MCP tool: schema, strict arguments, error texts.

Knows MCP and nothing of MiniMax. The same tool is called by a host over MCP, where a failure is an
error result, and from Python, where it is an exception; the arguments are checked alike.
"""

import asyncio
import functools
import inspect
import json
import logging
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final, ParamSpec, TypeVar, Union, cast, get_args, get_origin

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import (
    CallToolResult,
    ContentBlock,
    InputRequiredResult,
    TextContent,
    ToolAnnotations,
)
from pydantic import ConfigDict, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo

from minimax.protocol.error_names import rewording_errors
from minimax.protocol.question import Answered, ApplyAnswer, Ask, Question, can_ask

__all__ = ["ToolSpec", "Toolbox"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
AsyncFunction = Callable[P, Coroutine[Any, Any, R]]
"""What `async def` makes; tasks take its coroutine, and not any awaitable."""
Attach = Callable[
    [Mapping[str, Any], Context[Any, Any]],
    Awaitable[tuple[Sequence[ContentBlock], Mapping[str, Any]]],
]
"""What a host is given beside a result: content blocks after its text, and `_meta`."""

CONTEXT: Final = "ctx"
"""The parameter that receives the MCP context; None when called from Python."""


AroundCall = Callable[[Context[Any, Any], float], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def do_nothing_around(_: Context[Any, Any], __: float) -> AsyncIterator[None]:
    """What is entered around a call where nothing was asked for."""
    yield


@dataclass(frozen=True, kw_only=True)
class ToolSpec:
    """What a tool was made of.

    Attributes:
        fn: The coroutine function, with the words of its docstring and arguments.
        title: Its name for people.
        annotations: Whether it changes something, and what.
        ask: Makes a question from the arguments.
        apply_answer: Takes the answer.
    """

    fn: Callable[..., Coroutine[Any, Any, Any]]
    title: str
    annotations: ToolAnnotations
    ask: Ask | None
    apply_answer: ApplyAnswer | None


class Toolbox:
    """Collects tools.

    Args:
        user_error: Errors whose text is written for the caller; the text of any other is hidden.
        argument_error: Makes such an error from a sentence about the arguments.
        longest_call_seconds: After this a call over MCP is answered in any case.
        answer_seconds: How long a person may take to answer a question.
        around_call: Entered around every call over MCP, with the seconds that it took so far.
    """

    def __init__(
        self,
        *,
        user_error: type[Exception],
        argument_error: Callable[[str], Exception],
        longest_call_seconds: float,
        answer_seconds: float = 0.0,
        around_call: AroundCall = do_nothing_around,
    ) -> None:
        self._user_error = user_error
        self._around_call = around_call
        self._answer_seconds = answer_seconds
        self._argument_error = argument_error
        self._longest_call_seconds = longest_call_seconds
        self.tools: list[Tool] = []
        self.specs: list[ToolSpec] = []

    def make_empty(self) -> "Toolbox":
        """Another one with the same rules, for the same tools in other words."""
        return Toolbox(
            user_error=self._user_error,
            argument_error=self._argument_error,
            longest_call_seconds=self._longest_call_seconds,
            answer_seconds=self._answer_seconds,
            around_call=self._around_call,
        )

    def tool(
        self,
        *,
        title: str,
        annotations: ToolAnnotations,
        ask: Ask | None = None,
        apply_answer: ApplyAnswer | None = None,
        meta: dict[str, Any] | None = None,
        attach: Attach | None = None,
    ) -> Callable[[AsyncFunction[P, R]], AsyncFunction[P, R]]:
        """Register a coroutine as a tool; its docstring is what a model reads.

        `T | None` parameters become plain, optional `T` in the schema; `null` and "" mean
        "not given" everywhere. The returned coroutine checks its arguments in the same way.

        Args:
            title: Its name for people.
            annotations: Whether it changes something, and what.
            ask: Makes a question from the arguments, which is put before the person.
            apply_answer: Takes the answer.
            meta: Its `_meta` in tools/list.
            attach: Adds to a result over MCP; a call never fails because this does.
        """

        def register(fn: AsyncFunction[P, R]) -> AsyncFunction[P, R]:
            plain_tool = _StrictTool.from_function(
                _with_plain_types(fn),
                title=title,
                description=inspect.getdoc(fn),
                context_kwarg=CONTEXT if CONTEXT in inspect.signature(fn).parameters else None,
                annotations=annotations,
                meta=meta,
            )
            tool = cast("_StrictTool", plain_tool)
            tool.make_strict(
                user_error=self._user_error,
                argument_error=self._argument_error,
                longest_call_seconds=self._longest_call_seconds,
                around_call=self._around_call,
                attach=attach,
            )
            if ask is not None and apply_answer is not None:
                tool.ask_before(ask, apply_answer, self._answer_seconds)
            self.tools.append(tool)
            self.specs.append(
                ToolSpec(
                    fn=fn, title=title, annotations=annotations, ask=ask, apply_answer=apply_answer
                )
            )
            return _as_plain_coroutine(fn, tool, user_error=self._user_error)

        return register


class _StrictTool(Tool):
    """A tool that names what is wrong with its arguments and lets no library text out."""

    _user_error: type[Exception] = PrivateAttr(default=Exception)
    _argument_error: Callable[[str], Exception] = PrivateAttr(default=ValueError)
    _longest_call_seconds: float = PrivateAttr(default=0.0)
    _around_call: AroundCall = PrivateAttr(default_factory=lambda: do_nothing_around)
    _question: Question | None = PrivateAttr(default=None)
    _apply_answer: ApplyAnswer | None = PrivateAttr(default=None)
    _answer_seconds: float = PrivateAttr(default=0.0)
    _attach: Attach | None = PrivateAttr(default=None)

    def make_strict(
        self,
        *,
        user_error: type[Exception],
        argument_error: Callable[[str], Exception],
        longest_call_seconds: float,
        around_call: AroundCall,
        attach: Attach | None,
    ) -> None:
        self._user_error, self._argument_error = user_error, argument_error
        self._around_call = around_call
        self._longest_call_seconds, self._attach = longest_call_seconds, attach
        model = self.fn_metadata.arg_model
        model.model_config = ConfigDict(**{**model.model_config, "extra": "forbid"})
        model.model_rebuild(force=True)
        self.parameters = _portable(self.parameters)
        self.fn_metadata.output_schema = _shorten_results(self.fn_metadata.output_schema or {})

    def ask_before(self, ask: Ask, apply_answer: ApplyAnswer, answer_seconds: float) -> None:
        names = list(self.fn_metadata.arg_model.model_fields)
        self._question = Question(self.name, names, ask)
        self._apply_answer, self._answer_seconds = apply_answer, answer_seconds

    async def _ask(
        self, checked: Mapping[str, Any], context: Context[Any, Any]
    ) -> InputRequiredResult | None:
        """Put the tool's question, if it has one; what the host has to answer first, if any."""
        if self._question is None or self._apply_answer is None or not can_ask(context):
            return None
        names = self.fn_metadata.arg_model.model_fields
        arguments = {name: checked.get(name) for name in names}
        try:
            async with asyncio.timeout(self._answer_seconds):
                answered = await self._question.put(arguments, context)
        except TimeoutError:
            answered = Answered(None, in_time=False)
        if isinstance(answered, InputRequiredResult):
            return answered
        if answered is not None:
            await self._apply_answer(answered, arguments)
        return None

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> Any:
        """Run over MCP: failures become text for the model."""
        limit: asyncio.Timeout | None = None
        try:
            checked = self.check_arguments(arguments)
            extra = {self.context_kwarg: context} if self.context_kwarg else {}
            started = asyncio.get_running_loop().time()
            required = await self._ask(checked, context)
            if required is not None:
                return self.fn_metadata.convert_result(required) if convert_result else required
            elapsed_seconds = asyncio.get_running_loop().time() - started
            async with (
                asyncio.timeout(self._longest_call_seconds - elapsed_seconds) as limit,
                self._around_call(context, elapsed_seconds),
            ):
                result = await self.fn(**checked, **extra)
            if not convert_result:
                return result
            return await self._with_attachments(result, context)
        except self._user_error as error:
            raise ToolError(str(error)) from None
        except Exception as error:
            if isinstance(error, TimeoutError) and limit is not None and limit.expired():
                raise ToolError(
                    f"{self.name} got no answer within {self._longest_call_seconds:.0f} seconds. "
                    "What it started may have continued; call again, or check what became of it."
                ) from None
            raise UnexpectedToolError(
                f"{self.name} failed because of an error in this server itself; its log (stderr) "
                "has the details. What the call started may have continued, so check before "
                "calling again."
            ) from error

    async def _with_attachments(self, result: Any, context: Context[Any, Any]) -> Any:
        answer = self.fn_metadata.convert_result(result)
        if not isinstance(answer, CallToolResult):
            return answer
        if not self.fn_metadata.wrap_output:
            answer = _shorten_text(answer)
        if self._attach is None:
            return answer
        try:
            content, meta = await self._attach(result, context)
        except Exception:
            log.warning("Nothing could be attached to a result of %s.", self.name, exc_info=True)
            return answer
        if not content and not meta:
            return answer
        more = {"content": [*answer.content, *content], "meta": {**(answer.meta or {}), **meta}}
        return answer.model_copy(update=more)

    def check_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the tool takes them; what was not given is left out."""
        present = {name: value for name, value in arguments.items() if value not in (None, "")}
        try:
            checked = self.fn_metadata.validate_arguments(present)
        except ValidationError as error:
            raise self._argument_error(
                _explain_errors(error, list(self.parameters["properties"]))
            ) from None
        return {name: checked[name] for name in present}


def _shorten_text(answer: CallToolResult) -> CallToolResult:
    """The result with a text of few tokens: without spaces, and without keys that have no value.

    Many hosts give a model this text, and not the structure, in which every key is there.
    """
    kept = _without_nulls(answer.structured_content)
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return answer.model_copy(update={"content": [TextContent(type="text", text=text)]})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _as_plain_coroutine(
    fn: AsyncFunction[P, R], tool: _StrictTool, *, user_error: type[Exception]
) -> AsyncFunction[P, R]:
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        arguments = dict(signature.bind_partial(*args, **kwargs).arguments)
        extra = {CONTEXT: arguments.pop(CONTEXT)} if CONTEXT in arguments else {}
        with rewording_errors(user_error):
            result: R = await tool.fn(**tool.check_arguments(arguments), **extra)
        return result

    _describe_for_people(call, inspect.signature(fn, eval_str=True))
    return call


def _describe_for_people(call: Callable[..., Any], signature: inspect.Signature) -> None:
    """Let `help` show plain types, and in the docstring what each argument means."""
    shown = [found for name, found in signature.parameters.items() if name != CONTEXT]
    arguments = [
        f"    {found.name}: {described}"
        for found in shown
        for described in [_description(found.annotation)]
        if described
    ]
    plain = [found.replace(annotation=_plain_type(found.annotation)) for found in shown]
    call.__signature__ = signature.replace(parameters=plain)  # type: ignore[attr-defined]
    text = inspect.getdoc(call) or ""
    call.__doc__ = "\n".join([text, "", "Args:", *arguments]) if arguments else text


def _plain_type(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _description(annotation: Any) -> str | None:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    found = [entry.description for entry in metadata if isinstance(entry, FieldInfo)]
    return next(filter(None, found), None)


def _with_plain_types(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function under a signature without `| None`, from which MCP makes the schema."""
    signature = inspect.signature(fn, eval_str=True)
    parameters = [
        parameter.replace(annotation=_without_none(parameter.annotation))
        for parameter in signature.parameters.values()
    ]

    @functools.wraps(fn)
    async def plain(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    plain.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return plain


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return Annotated[(_without_none(inner), *metadata)]
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    arms = tuple(arm for arm in get_args(annotation) if arm is not type(None))
    return Union[arms]  # noqa: UP007 - there is no other spelling for a tuple of arms


def _portable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without what some hosts refuse and what only costs room (titles).

    Null is refused by some; `additionalProperties` breaks google-genai. Arguments that a tool does
    not have are refused when it is called.
    """
    schema.pop("title", None)
    schema.pop("additionalProperties", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", ...) is None:
            del field["default"]
    return schema


def _shorten_results(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a result without what says nothing more than its tool does."""
    schema.pop("description", None)
    for part in (schema, *schema.get("$defs", {}).values()):
        _portable(part)
    return schema


# --- what is wrong with an argument, in our own words -----------------------------------------

_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "{field} is required.",
    "string_type": "{field} must be a text.",
    "int_type": "{field} must be a whole number.",
    "int_parsing": "{field} must be a whole number.",
    "int_from_float": "{field} must be a whole number.",
    "float_type": "{field} must be a number.",
    "float_parsing": "{field} must be a number.",
    "finite_number": "{field} must be a finite number.",
    "bool_type": "{field} must be true or false.",
    "bool_parsing": "{field} must be true or false.",
    "list_type": "{field} must be a list.",
    "too_long": "{field} may have {max_length} entries at most.",
    "greater_than_equal": "{field} must be {ge:g} or more.",
    "greater_than": "{field} must be more than {gt:g}.",
    "less_than_equal": "{field} must be {le:g} or less.",
    "literal_error": "{field} must be one of: {expected}.",
    "string_too_long": "{field} may have {max_length} characters at most.",
}


def _explain_errors(error: ValidationError, names: list[str]) -> str:
    return " ".join(_explain_error(dict(detail), names) for detail in error.errors())


def _explain_error(detail: dict[str, Any], names: list[str]) -> str:
    field = ".".join(str(part) for part in detail["loc"])[:64]
    if detail["type"] == "extra_forbidden":
        return f"There is no argument {field!r}. This tool takes: {', '.join(names)}."
    sentence = _SENTENCES.get(detail["type"], "{field} cannot be used as it is.")
    return sentence.format(field=field, **detail.get("ctx", {}))
