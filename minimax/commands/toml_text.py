"""Changes one table of a TOML text in place: comments, order, blank lines and line endings stay.

Nothing is parsed here. Where a table or a statement begins and ends is asked of the standard
library: what comes before the beginning of a line is valid TOML only if no string, array or inline
table reaches over that line.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from minimax.commands.config_text import BrokenTextError, UneditableTextError, newline_of

__all__ = ["TomlEditor"]

RULES: Final = "it is not valid TOML there"
_POSITION: Final = re.compile(r"\(at line (\d+), column (\d+)\)$")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class _Line:
    """A line with its ending, and where it begins."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_remark(self) -> bool:
        """It is blank or a comment, unless it is within a string."""
        return self.text.strip()[:1] in ("", "#")


@dataclass(frozen=True)
class _Table:
    """A table by its header; `lines` are those from its header to the next one's."""

    path: tuple[str, ...]
    lines: tuple[_Line, ...]

    @property
    def own_lines(self) -> tuple[_Line, ...]:
        """Without the blank lines and comments at its end, which may be about the next table."""
        count = len(self.lines)
        while self.lines[count - 1].is_remark:
            count -= 1
        return self.lines[:count]


@dataclass(frozen=True)
class _Statement:
    """A key with its value, and perhaps a comment after it."""

    start: int
    text: str
    values: Mapping[str, Any]


class TomlEditor:
    """See `config_text.Editor`."""

    def parse(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text, parse_float=str)  # a nan would equal nothing
        except tomllib.TOMLDecodeError as error:
            raise _broken(str(error), text) from None
        except RecursionError:
            raise BrokenTextError("it is nested too deeply", line=1, column=1) from None

    def add(self, text: str, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        newline = newline_of(text)
        if text and not text.endswith("\n"):
            text += newline
        gap = newline if text.strip() else ""
        return text + gap + _write_table(path, entry).replace("\n", newline)

    def change(self, text: str, path: Sequence[str], values: Mapping[str, Any]) -> str:
        for key, value in values.items():
            table = _find_table(text, path)
            found = [found for found in _statements(table) if key in found.values]
            new = f"{_key(key)} = {_write(value)}"
            if found:
                statement = found[0]
                end = statement.start + len(statement.text)
                text = text[: statement.start] + new + _after_value(statement) + text[end:]
            else:
                text = _insert_line(text, table, new)
        return text

    def remove(self, text: str, path: Sequence[str]) -> str:
        inside = [table for table in _tables(text) if table.path[: len(path)] == tuple(path)]
        if not inside:
            raise UneditableTextError
        for table in reversed(inside):
            text = _cut(text, table)
        return text

    def show(self, path: Sequence[str], entry: Mapping[str, Any]) -> str:
        return _write_table(path, entry).rstrip("\n")


def _broken(message: str, text: str) -> BrokenTextError:
    """The error of a message of the standard library, which ends with the position."""
    found = _POSITION.search(message)
    if found is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        return BrokenTextError("something is not closed", line=line, column=column)
    return BrokenTextError(RULES, line=int(found[1]), column=int(found[2]))


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _lines(text: str) -> list[_Line]:
    lines, start = [], 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        lines.append(_Line(start, line))
        start += len(line)
    return lines


def _tables(text: str) -> list[_Table]:
    lines = _lines(text)
    headers = _find_headers(text, lines)
    ends = [*headers[1:], len(lines)]
    return [
        _Table(_read_header(lines[start].text), tuple(lines[start:end]))
        for start, end in zip(headers, ends, strict=False)
    ]


def _find_headers(text: str, lines: Sequence[_Line]) -> list[int]:
    """Which lines are headers: those in brackets, where what the last one began is complete."""
    found, begun = [], 0
    for number, line in enumerate(lines):
        if line.text.lstrip()[:1] == "[" and _is_whole(text[begun : line.start]):
            found.append(number)
            begun = line.start
    return found


def _read_header(line: str) -> tuple[str, ...]:
    """The path of a header such as `[a."b c".d]` or `[[a.b]]`."""
    path: list[str] = []
    inner: Any = tomllib.loads(line)
    while inner:
        [(key, inner)] = inner.items()
        path.append(key)
        inner = inner[0] if isinstance(inner, list) else inner
    return tuple(path)


def _find_table(text: str, path: Sequence[str]) -> _Table:
    found = [table for table in _tables(text) if table.path == tuple(path)]
    if not found:
        raise UneditableTextError
    return found[0]


def _statements(table: _Table) -> Iterator[_Statement]:
    """The statements of a table; one may reach over several lines."""
    start, text = 0, ""
    for line in table.own_lines[1:]:
        if not text and line.is_remark:
            continue
        start = start if text else line.start
        text += line.text
        if _is_whole(text):
            yield _Statement(start, text, tomllib.loads(text))
            text = ""


def _after_value(statement: _Statement) -> str:
    """What follows the value: blanks, perhaps a comment, and the line ending."""
    text = statement.text
    for found in re.finditer("#", text):
        before = text[: found.start()]
        if _is_whole(before) and tomllib.loads(before) == statement.values:
            return text[len(before.rstrip()) :]
    return text[len(text.rstrip()) :]


def _insert_line(text: str, table: _Table, new: str) -> str:
    header = table.lines[0]
    newline = newline_of(text)
    gap = "" if header.text.endswith("\n") else newline
    return text[: header.end] + gap + new + newline + text[header.end :]


def _cut(text: str, table: _Table) -> str:
    """Take a table out; of the blank lines around it, one goes with it."""
    own = table.own_lines
    before, after = text[: own[0].start], text[own[-1].end :]
    newline = newline_of(text)
    if before.endswith(newline * 2) and (not after or after.startswith(newline)):
        before = before.removesuffix(newline)
    return before + after


def _write_table(path: Sequence[str], entry: Mapping[str, Any]) -> str:
    header = ".".join(_key(part) for part in path)
    lines = (f"{_key(key)} = {_write(value)}\n" for key, value in entry.items())
    return f"[{header}]\n{''.join(lines)}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _write(key)


def _write(value: Any) -> str:
    """A value as TOML; JSON's strings are also TOML's, but for DEL, which must be escaped."""
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_write(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
