"""Write the pages that follow from the code: docs/TOOLS.md, docs/ERRORS.md and docs/MODULES.md.

uv run python -m tests.scripts.generated_docs
"""

import ast
import asyncio
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mcp.server.mcpserver.tools import Tool

import minimax_server
from minimax import errors
from minimax.api import error_codes, policies, responses, retry
from minimax.api.error_codes import Advice
from minimax.api.policies import Policy
from minimax.api.responses import HttpAnswer
from minimax.errors import MiniMaxError, Outcome
from minimax.video import download
from minimax.voice import clone
from tests.scripts import shape

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
WIDTH: Final = 100
ORIGIN: Final = (
    "This page is generated from the code by `uv run python -m tests.scripts.generated_docs`. A "
    "test checks that it is up to date."
)


def paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def bullets(texts: Iterable[str]) -> str:
    return "".join(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for text in texts
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(headers), ["---"] * len(headers), *map(list, rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


# --- the tools ---------------------------------------------------------------------------------

TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "nothing",
        "object": "numbers by name",
    }
)


def tools_page() -> str:
    tools = minimax_server.toolbox.tools
    return "\n".join(
        [
            "# The tools\n",
            paragraph(
                f"{ORIGIN} Every tool is also a coroutine of `minimax_server`, with the same "
                "arguments and results. An argument that is left out, `null` or an empty text "
                "counts as not given. Every key of a result is always there; it holds nothing "
                "(`null`, in Python `None`) where it does not apply. Beside it a host gets the "
                "same as a text for its model, which leaves out what holds nothing."
            ),
            paragraph("A model reads this before it calls anything:"),
            bullets(minimax_server.INSTRUCTIONS.splitlines()),
            table(["tool", "what it is for", "kind"], map(_overview, tools)),
            *(_tool(tool) for tool in tools),
            *_beside_the_tools(),
        ]
    )


def _overview(tool: Tool) -> list[str]:
    return [f"[`{tool.name}`](#{tool.name})", str(tool.title), _kind(tool)]


def _kind(tool: Tool) -> str:
    annotations = tool.annotations
    if annotations == minimax_server.PAID:
        return "costs money"
    if annotations == minimax_server.READ_ONLY:
        return "only reads"
    if annotations == minimax_server.DESTRUCTIVE:
        return "ends something for good"
    if annotations == minimax_server.WRITES_FILES:
        return "saves a file"
    raise ValueError(f"{tool.name} has annotations that this page has no word for")


def _tool(tool: Tool) -> str:
    result = tool.fn_metadata.output_schema or {}
    parts = [
        f"## `{tool.name}`\n",
        f"{tool.description}\n",
        f"From Python: `{_call(tool)}`\n",
        table(["argument", "type", "without it", "meaning"], _arguments(tool.parameters)),
        table(["result", "type", "meaning"], _results(result)),
    ]
    for definition in result.get("$defs", {}).values():
        parts += [
            paragraph(f"{definition['description']}"),
            table(["result", "type", "meaning"], _results(definition)),
        ]
    return "\n".join(parts)


def _call(tool: Tool) -> str:
    """The call with what may be given by position; the rest goes by name."""
    parameters = inspect.signature(getattr(minimax_server, tool.name)).parameters.values()
    given = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "ctx"]
    named = any(p.kind is p.KEYWORD_ONLY and p.name != "ctx" for p in parameters)
    return f"await {tool.name}({', '.join([*given, '...'] if named else given)})"


def _arguments(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", []) else _default(field)
        yield [f"`{name}`", _type(field), default, field.get("description", "")]


def _default(field: Mapping[str, Any]) -> str:
    default = field.get("default")
    return "not given" if default is None else f"`{_value(default)}`"


def _value(value: object) -> str:
    """As a caller writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def _results(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, field in schema["properties"].items():
        meaning = field.get("description", _MEANINGS.get(name, ""))
        yield [f"`{name}`", _type(field), meaning]


_MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {"next_step": "What to do now, in a sentence or two."}
)


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return "entry, see below"
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if isinstance(field.get("type"), list):
        return " or ".join(_type({**field, "type": kind}) for kind in field["type"])
    if "enum" in field:
        return ", ".join(f"`{_value(value)}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field["type"] == "array":
        items = field["items"]
        return "list of entries, see below" if "$ref" in items else f"list of {_type(items)}s"
    return TYPES[field["type"]] + _range(field)


def _range(field: Mapping[str, Any]) -> str:
    lowest, above = field.get("minimum"), field.get("exclusiveMinimum")
    if above is not None:
        return f", over {above} to {field['maximum']}"
    return "" if lowest is None else f", {lowest} to {field['maximum']}"


def _beside_the_tools() -> list[str]:
    server = minimax_server.make_server()
    prompts = asyncio.run(server.list_prompts())
    resources = asyncio.run(server.list_resources())
    return [
        "## Prompts and resources\n",
        paragraph(
            "Hosts that know prompts offer these to the person. While somebody types, `model` and "
            "`voice_id` are completed."
        ),
        table(
            ["prompt", "arguments", "what it does"],
            (
                [
                    f"`{prompt.name}`",
                    ", ".join(f"`{argument.name}`" for argument in prompt.arguments or []),
                    _first_line(prompt.description),
                ]
                for prompt in prompts
            ),
        ),
        table(
            ["resource", "what it holds"],
            ([f"`{found.uri}`", _first_line(found.description)] for found in resources),
        ),
    ]


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


# --- the errors --------------------------------------------------------------------------------

DOING: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.NOT_SENT: "repeats it after a pause",
        Outcome.REJECTED: "does not repeat it",
        Outcome.THROTTLED: "repeats it after a pause",
        Outcome.UNKNOWN: "repeats it if doing it twice does no harm",
    }
)
KNOWN: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.NOT_SENT: "No byte of the request left this computer.",
        Outcome.REJECTED: "MiniMax refused it before anything was done.",
        Outcome.THROTTLED: "MiniMax refused it for now.",
        Outcome.UNKNOWN: "The request was sent, and its outcome is not known.",
    }
)
ENDPOINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UPLOAD": "uploading a recording, an image, a video or a text",
        "STATUS": "asking for the status of a Hailuo or 01-series job, or of a long speech",
        "STATUS_V2": "asking for the status of a MiniMax-H3 job",
        "LOOK_UP": "looking up voices, files and lists",
        "CLONE": "cloning without a preview",
        "CLONE_WITH_PREVIEW": "cloning with a preview, which is billed",
        "SUBMIT": "requesting a video or a long speech",
        "REGENERATE": "requesting a video again in 2K",
        "MAKE": "speech, designed voices, images",
        "TRANSCRIBE": "transcribing a recording",
        "DELETE": "deleting a voice",
        "DELETE_FILE": "deleting an uploaded recording",
        "CANCEL": "cancelling a video job",
        "DOWNLOAD": "downloading a file that was made",
        "DOWNLOAD_LONG_SPEECH": "downloading a long speech",
    }
)
POLICY_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        policies.STATUS.name: ENDPOINTS["STATUS"],
        policies.STATUS_V2.name: ENDPOINTS["STATUS_V2"],
        policies.CLONE.name: "cloning",
        policies.REGENERATE.name: ENDPOINTS["REGENERATE"],
        policies.TRANSCRIBE.name: ENDPOINTS["TRANSCRIBE"],
    }
)
REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MiniMaxError": "Catch it to catch all of them.",
        "SettingsError": "Correct the setting that the text names, then restart the host, or, "
        "in Python and for a key, call again.",
        "InputError": "Correct the argument or the file that the text names, then call again.",
        "SpendingLimitError": "Wait until the limit allows it, or raise the setting that the text "
        "names.",
        "DeclinedError": "Nothing was sent. Ask the person before you call again.",
        "UnreachableError": "Check the internet connection and the proxy, then call again.",
        "RefusedError": "Look up the code below; the text says the same.",
        "KeyRefusedError": "Copy the key again, or set MINIMAX_API_HOST to the other region.",
        "UnansweredError": "Call again with the same arguments.",
        "MaybeChargedError": "Check the usage page of the platform before you call again.",
        "StorageError": "Fix what the text names, then call again. What was made is not lost.",
    }
)


def errors_page() -> str:
    classes = list(_classes(MiniMaxError))
    return "\n".join(
        [
            "# When something goes wrong\n",
            paragraph(
                f"{ORIGIN} Over MCP a failure is an error result whose text says what happened "
                "and what to do next. In Python it is an exception from `minimax.errors`, with the "
                "same facts in a text for programs and logs."
            ),
            "## The exceptions\n",
            table(
                ["class", "kind of", "meaning", "what to do"],
                (
                    [
                        f"`{found.__name__}`",
                        f"`{found.__base__.__name__}`" if found.__base__ else "",
                        _first_line(found.__doc__),
                        REMEDIES[found.__name__],
                    ]
                    for found in classes
                ),
            ),
            paragraph("Each has these attributes; what is not known is `None`:"),
            table(["attribute", "meaning"], _attributes()),
            paragraph(
                "The status `failed` of a video is not an exception. It is MiniMax's verdict on "
                "the job and a normal result; the reason is in `error` and `error_code`."
            ),
            "## What is known, and what is repeated\n",
            paragraph(
                "`outcome` says what is known about the request. Retries and money depend on it."
            ),
            table(
                ["`outcome`", "meaning", "the server"],
                ([f"`{found.name}`", KNOWN[found], DOING[found]] for found in Outcome),
            ),
            table(
                ["request", "policy", "sent at most", "within", "repeated after"],
                (_policy(name, getattr(policies, name)) for name in ENDPOINTS),
            ),
            paragraph(
                "The pause is random, up to a limit that doubles with each attempt: from "
                f"{retry.TRANSIENT_BASE_SECONDS:g} to {retry.TRANSIENT_CAP_SECONDS:g} seconds, and "
                f"from {retry.THROTTLED_BASE_SECONDS:g} to {retry.THROTTLED_CAP_SECONDS:g} after "
                "THROTTLED. If MiniMax itself says how long to wait (Retry-After), that is used. "
                f"If the pause would be longer than {_longest_wait_seconds():g} seconds, or longer "
                "than the time that is left, the error comes immediately and says so."
            ),
            "## MiniMax's codes\n",
            table(
                ["code", "meaning", "the server", "what to do next"],
                ([str(code), *_advice(code, advice)] for code, advice in error_codes.CODES.items()),
            ),
            paragraph(
                "A code that is not in the table is shown unchanged. With HTTP 200 its outcome "
                "counts as UNKNOWN, so that nothing is bought twice."
            ),
            paragraph("On some requests a code means something else:"),
            table(
                ["request", "code", "meaning", "what to do next"],
                (
                    [POLICY_NAMES[name], str(code), advice.meaning, advice.remedy]
                    for (name, code), advice in error_codes.ENDPOINT_CODES.items()
                ),
            ),
            paragraph("Some codes have a special effect:"),
            bullets(_specials()),
            "## Answers without a code\n",
            table(["HTTP status", "`outcome`", "meaning"], map(_http_row, STATUSES)),
            paragraph(
                "401 and 403 count as a refused key. An answer that cannot be read, or that lacks "
                "required values, is an `UnansweredError` with the outcome UNKNOWN."
            ),
        ]
    )


def _classes(found: type[MiniMaxError]) -> Iterator[type[MiniMaxError]]:
    yield found
    for child in found.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _classes(child)


def _attributes() -> Iterator[list[str]]:
    attributes = inspect.cleandoc(MiniMaxError.__doc__ or "").split("Attributes:\n")[1]
    for name, meaning in re.findall(r"^    (\w+): (.+)$", attributes, re.MULTILINE):
        yield [f"`{name}`", meaning]


def _longest_wait_seconds() -> float:
    """The longest pause that MiniMax may ask for; the page names one for all policies."""
    [seconds] = {getattr(policies, name).longest_wait_seconds for name in ENDPOINTS}
    return float(seconds)


def _policy(name: str, policy: Policy) -> list[str]:
    outcomes = [f"`{outcome.name}`" for outcome in Outcome if outcome in policy.retries_on]
    times = "once" if policy.attempts == 1 else f"{policy.attempts} times"
    return [
        ENDPOINTS[name],
        f"`{name}`",
        times,
        f"{policy.deadline_seconds:g} s",
        ", ".join(outcomes),
    ]


def _advice(code: int, advice: Advice) -> list[str]:
    doing = "looks at the other region" if code in error_codes.KEY_CODES else DOING[advice.outcome]
    return [advice.meaning, doing, advice.remedy]


def _codes(found: Iterable[int]) -> str:
    return " and ".join(map(str, sorted(found)))


def _specials() -> Iterator[str]:
    yield (
        f"{_codes(error_codes.KEY_CODES)}: if MINIMAX_API_HOST is not set, one free call asks the "
        "other region. If it knows the key, that region is used from then on, and the next result "
        "says so."
    )
    yield (
        f"{_codes(error_codes.MODERATION_CODES)} in an answer about a video job: a verdict on "
        "that job, so its status is `failed`."
    )
    yield (
        f"{error_codes.VOICE_ID_TAKEN} while cloning, after an attempt without an answer: a "
        "voice_id that this server made can only have been taken by that attempt, so the voice "
        "exists. See [How cloning works](VOICE_CLONE_IMPLEMENTATION.md)."
    )
    yield (
        f"{_codes(clone.UPLOAD_IS_GONE)} while cloning, if an earlier upload was used again: the "
        "recording is uploaded and cloned once more."
    )
    yield (
        f"{error_codes.INVALID_PARAMETER} while fetching a video: MiniMax may not know the file of "
        "a job that has only just ended, so the server keeps asking for "
        f"{download.FILE_SETTLES_SECONDS:g} seconds. If no job on this computer is known to have "
        "made a file of this id, it is tried as a task id, and refused immediately if it is none."
    )
    yield (
        f"{error_codes.UNKNOWN_ERROR} with the words {responses.NO_RECORD!r}, about a MiniMax-H3 "
        f"job: the same as {error_codes.INVALID_PARAMETER}."
    )


STATUSES: Final = (408, 429, 500, 302, 404, 400)


def _http_row(status: int) -> list[str]:
    error = responses.refusal_error(HttpAnswer(status, {}), 0, "", endpoint="")
    shown = {500: "500 and above", 302: "300 to 399", 400: "any other"}.get(status, str(status))
    return [shown, f"`{error.outcome.name}`", str(error).removesuffix(f" (HTTP {status})")]


# --- the modules -------------------------------------------------------------------------------


def modules_page() -> str:
    """Every module with the first line of its docstring, one table per folder."""
    folders: dict[Path, list[Path]] = {}
    for path in shape.source_files(ROOT):
        folders.setdefault(path.parent, []).append(path)
    return "\n".join(
        [
            "# The modules\n",
            paragraph(
                f"{ORIGIN} Each module describes itself in the first line of its docstring. How "
                "the folders fit together is in [Architecture](IMPLEMENTATION_SUMMARY.md)."
            ),
            *(part for folder in sorted(folders) for part in _folder(folder, folders[folder])),
        ]
    )


def _folder(folder: Path, paths: Sequence[Path]) -> Iterator[str]:
    name = folder.relative_to(ROOT).as_posix()
    yield "## The server\n" if folder == ROOT else f"## `{name}/`\n"
    yield from (paragraph(_docstring(path)) for path in paths if path.name == "__init__.py")
    modules = [path for path in paths if path.name != "__init__.py"]
    if modules:
        yield table(["module", "what it does"], map(_module, modules))


def _module(path: Path) -> list[str]:
    link = f"[`{path.name}`](../{path.relative_to(ROOT).as_posix()})"
    return [link, _docstring(path)]


def _docstring(path: Path) -> str:
    return _first_line(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))


# --- the files ---------------------------------------------------------------------------------

PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {"TOOLS.md": tools_page, "ERRORS.md": errors_page, "MODULES.md": modules_page}
)


def write() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"written: {', '.join(PAGES)}\n")
