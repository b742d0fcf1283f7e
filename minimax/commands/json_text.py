"""Changes one entry of a JSON text in place: comments, order, indentation and line endings stay.

Values are read by the standard library. Comments and trailing commas, where a host allows them, are
first overwritten with blanks of the same length, so that every position stays true.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn

from minimax.commands.config_text import BrokenTextError, UneditableTextError, newline_of

__all__ = ["JsonEditor"]

BLANK: Final = " \t\r\n"
"""What JSON takes as white space (RFC 8259, section 2)."""
DEFAULT_INDENT: Final = "  "

COMMENTS: Final = ("//", "/*")
CURLY_QUOTES: Final = ("\u201c", "\u201d", "\u201e", "\u2018", "\u2019", "\u00ab", "\u00bb")
"""What word processors and chats make of straight quotes."""
RULES: Final = "it is not valid JSON there"
REASONS: Final = MappingProxyType(
    {
        "Expecting ',' delimiter": "a comma or a closing bracket is missing before it",
        "Expecting ':' delimiter": "a colon is missing before it",
        "Expecting value": "a value is missing, or a text has no quotes around it",
        "Expecting property name": (
            "a name in double quotes is missing; after the last one there may be no comma"
        ),
        "Illegal trailing comma": "after the last one there may be no comma",
        "Extra data": "something comes after the end, perhaps after a bracket too many",
        "Unterminated string": "the quotes that begin there are never closed",
        "Invalid \\": "each \\ in a text must be written twice",
        "Invalid control character": (
            "a text has a line break or a tab in it; perhaps the quote at its end is missing"
        ),
    }
)
"""What the standard library finds, in our words."""

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_STRING_OR_COMMENT: Final = re.compile(rf"{_STRING}|//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_STRING_OR_LAST_COMMA: Final = re.compile(rf"{_STRING}|,(?=[{BLANK}]*[}}\]])", re.DOTALL)
_NOT_BLANK: Final = re.compile(rf"[^{BLANK}]")
_INDENT: Final = re.compile(r'\n([ \t]+)"')


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass(frozen=True)
class _Member:
    """A member of an object, by its positions in the text."""

    key: str
    start: int
    value_start: int
    end: int


@dataclass(frozen=True)
class _Object:
    """An object, by its positions in the text; `close` is that of its brace."""

    open: int
    close: int
    members: tuple[_Member, ...]

    def find(self, key: str) -> _Member | None:
        """The member that counts: of two with one name, readers take the last."""
        return next((member for member in reversed(self.members) if member.key == key), None)


@dataclass(frozen=True)
class _Style:
    """How a text ends its lines, and how much further it indents what is inside."""

    newline: str
    unit: str

    def write(self, value: Any, indent: str) -> str:
        """A value over several lines, of which all but the first begin with an indent."""
        written = json.dumps(value, indent=self.unit, ensure_ascii=False)
        return written.replace("\n", self.newline + indent)


@dataclass(frozen=True, kw_only=True)
class JsonEditor:
    """See `config_text.Editor`.

    Attributes:
        comments: The host reads // and /* */ as comments.
        trailing_commas: The host takes a comma after the last member.
    """

    comments: bool
    trailing_commas: bool

    def parse(self, text: str) -> dict[str, Any]:
        clean = self._clean(text)
        if not clean.strip(BLANK):
            return {}
        values = _load(clean)
        if not isinstance(values, dict):
            raise BrokenTextError("the file must hold one object, in braces", line=1, column=1)
        return values

    def add(self, text: str, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        if not self._clean(text).strip(BLANK):
            return _begin(text, _nest(path, entry))
        holder, missing = self._find_deepest(text, path)
        value = _nest(missing[1:], entry)
        return self._append(text, holder, missing[0], value)

    def change(self, text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
        for key, value in values.items():
            holder, missing = self._find_deepest(text, path)
            if missing:
                raise UneditableTextError
            member = holder.find(key)
            if member is None:
                text = self._append(text, holder, key, value)
            else:
                new = self._style(text).write(value, _line_indent(text, member.start))
                text = text[: member.value_start] + new + text[member.end :]
        return text

    def remove(self, text: str, path: Sequence[str]) -> str:
        holder, _ = self._find_deepest(text, path[:-1])
        member = holder.find(path[-1])
        if member is None:
            raise UneditableTextError
        return self._cut(text, holder, member)

    def show(self, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        return f'"{path[-1]}": {json.dumps(entry, indent=2, ensure_ascii=False)}'

    def _clean(self, text: str) -> str:
        """The text as strict JSON, every character at its place."""
        if self.comments:
            text = _STRING_OR_COMMENT.sub(_blank_comment, text)
        if self.trailing_commas:
            text = _STRING_OR_LAST_COMMA.sub(_blank_comma, text)
        return text

    def _style(self, text: str) -> _Style:
        """The style of a text, as the first member on a line of its own has it."""
        clean = self._clean(text)
        found = _INDENT.search(clean)
        unit = ""
        if found:
            opened = max(clean.rfind(bracket, 0, found.start()) for bracket in "{[")
            unit = found[1].removeprefix(_line_indent(text, opened))
        return _Style(newline_of(text), unit or DEFAULT_INDENT)

    def _find_deepest(self, text: str, path: Sequence[str]) -> tuple[_Object, Sequence[str]]:
        """The innermost object on a path, and the rest of the path, which is not there yet."""
        clean = self._clean(text)
        found = _read_object(clean, _skip_blanks(clean, 0))
        for depth, key in enumerate(path):
            member = found.find(key)
            if member is None:
                return found, path[depth:]
            if clean[member.value_start] != "{":
                raise UneditableTextError
            found = _read_object(clean, member.value_start)
        return found, ()

    def _append(self, text: str, holder: _Object, key: str, value: Any) -> str:
        """Add a member after the others, in the style that they have."""
        head = text[: holder.close].rstrip(BLANK)
        tail = text[len(head) : holder.close]
        comma = ""
        if holder.members:
            end = holder.members[-1].end
            if self._has_comma(text, end, holder.close):
                comma = ","
            else:
                head = f"{head[:end]},{head[end:]}"
        style = self._style(text)
        new = _write_member(key, value, text, holder, style)
        if "\n" in new and "\n" not in tail:
            tail = style.newline + _line_indent(text, holder.open)
        return head + new + comma + tail + text[holder.close :]

    def _cut(self, text: str, holder: _Object, member: _Member) -> str:
        """Take a member out, with its comma and the blanks before it."""
        head = text[: member.start].rstrip(BLANK)
        rest = text[member.end :]
        after = self._comma_position(text, member.end, holder.close)
        if after is not None:
            rest = text[member.end : after] + text[after + 1 :]
        elif member is not holder.members[0]:
            before = holder.members[holder.members.index(member) - 1].end
            comma = self._comma_position(text, before, member.start)
            if comma is not None:
                head = head[:comma] + head[comma + 1 :]
        if len(holder.members) == 1 and head.endswith("{") and rest.lstrip(BLANK)[:1] == "}":
            rest = rest.lstrip(BLANK)
        return head + rest

    def _has_comma(self, text: str, start: int, end: int) -> bool:
        return self._comma_position(text, start, end) is not None

    def _comma_position(self, text: str, start: int, end: int) -> int | None:
        """Where the comma after a value is; comments may stand before it."""
        clean = _STRING_OR_COMMENT.sub(_blank_comment, text) if self.comments else text
        found = clean.find(",", start, end)
        return found if found >= 0 and not clean[start:found].strip(BLANK) else None


def _load(clean: str) -> Any:
    try:
        return json.loads(clean, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        reason = next((ours for said, ours in REASONS.items() if error.msg.startswith(said)), RULES)
        if clean.startswith(COMMENTS, error.pos):
            reason = "comments are not allowed in this file"
        if clean.startswith(CURLY_QUOTES, error.pos):
            reason = 'a curly quote is there; only straight ones (") are quotes in JSON'
        raise BrokenTextError(reason, line=error.lineno, column=error.colno) from None
    except (ValueError, RecursionError):
        raise BrokenTextError(
            "a number is not one of JSON's, or it is nested too deeply", line=1, column=1
        ) from None


def _blank_comment(match: re.Match[str]) -> str:
    found = match[0]
    return found if found.startswith('"') else _NOT_BLANK.sub(" ", found)


def _blank_comma(match: re.Match[str]) -> str:
    """A comma before a closing bracket becomes a blank, if a value is before it."""
    before = match.string[: match.start()].rstrip(BLANK)[-1:]
    return match[0] if match[0] != "," or before in "{[,:" else " "


def _skip_blanks(clean: str, at: int) -> int:
    found = _NOT_BLANK.search(clean, at)
    return found.start() if found else len(clean)


def _read_object(clean: str, start: int) -> _Object:
    members = []
    at = _skip_blanks(clean, start + 1)
    while clean[at] != "}":
        key, after_key = _DECODER.raw_decode(clean, at)
        value_start = _skip_blanks(clean, _skip_blanks(clean, after_key) + 1)
        _, end = _DECODER.raw_decode(clean, value_start)
        members.append(_Member(key, at, value_start, end))
        at = _skip_blanks(clean, end)
        at = _skip_blanks(clean, at + 1) if clean[at] == "," else at
    return _Object(start, at, tuple(members))


def _nest(path: Sequence[str], entry: Any) -> Any:
    for key in reversed(path):
        entry = {key: entry}
    return entry


def _begin(text: str, values: Any) -> str:
    """A text that held nothing but blanks and comments, with its first values."""
    newline = newline_of(text)
    head = text.rstrip(BLANK)
    body = json.dumps(values, indent=DEFAULT_INDENT, ensure_ascii=False)
    return (head + newline if head else "") + body.replace("\n", newline) + newline


def _write_member(key: str, value: Any, text: str, holder: _Object, style: _Style) -> str:
    name = json.dumps(key, ensure_ascii=False)
    if holder.members and "\n" not in text[holder.open : holder.close]:
        return f" {name}: {json.dumps(value, ensure_ascii=False)}"
    indent = _member_indent(text, holder, style)
    return f"{style.newline}{indent}{name}: {style.write(value, indent)}"


def _member_indent(text: str, holder: _Object, style: _Style) -> str:
    if holder.members:
        start = holder.members[0].start
        before = text[text.rfind("\n", 0, start) + 1 : start]
        if not before.strip(BLANK) and "\n" in text[holder.open : start]:
            return before
    return _line_indent(text, holder.open) + style.unit


def _line_indent(text: str, at: int) -> str:
    """The blanks that the line of a position begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
