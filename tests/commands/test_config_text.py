"""One entry of a JSON or TOML text is changed, and nothing else."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimax.commands.config_text import BrokenTextError, UneditableTextError
from minimax.commands.json_text import JsonEditor
from minimax.commands.toml_text import TomlEditor
from tests.commands.configurations import json_texts, toml_texts

STRICT = JsonEditor(comments=False, trailing_commas=False)
LENIENT = JsonEditor(comments=True, trailing_commas=True)
TOML = TomlEditor()
PATH = ("mcpServers", "minimax")
TABLE = ("mcp_servers", "minimax")
ENTRY = {"command": "/bin/uv", "args": ["run", "ü"], "env": {"MINIMAX_API_KEY": ""}}
NEW = {"command": "C:\\uv.exe", "args": []}


def with_entry(values: Mapping[str, Any], path: tuple[str, str], entry: Any) -> dict[str, Any]:
    return {**values, path[0]: {**values.get(path[0], {}), path[1]: entry}}


def is_within(old: str, new: str) -> bool:
    """Whether every character of a text but its blanks is in another one, in the same order."""
    rest = iter(new)
    return all(character in rest for character in old if not character.isspace())


EDITED = st.one_of(
    json_texts(remarks=False, commas=False).map(lambda text: (STRICT, PATH, text)),
    json_texts(remarks=True, commas=True).map(lambda text: (LENIENT, PATH, text)),
    toml_texts().map(lambda text: (TOML, TABLE, text)),
)


@given(EDITED)
def test_an_added_entry_is_all_that_is_new(edited: Any) -> None:
    editor, path, text = edited
    before = editor.parse(text)
    new = editor.add(text, path, ENTRY)
    assert editor.parse(new) == with_entry(before, path, ENTRY)
    assert is_within(text, new)


@given(EDITED)
def test_a_changed_entry_keeps_what_is_not_named(edited: Any) -> None:
    editor, path, text = edited
    before = editor.parse(text)
    new = editor.change(editor.add(text, path, ENTRY), path, NEW)
    assert editor.parse(new) == with_entry(before, path, {**ENTRY, **NEW})
    assert is_within(text, new)


@given(EDITED)
def test_a_removed_entry_leaves_the_others_as_they_were(edited: Any) -> None:
    editor, path, text = edited
    before = editor.parse(text)
    left = editor.remove(editor.add(text, path, ENTRY), path)
    assert {**editor.parse(left), path[0]: 0} == {**before, path[0]: 0}
    assert editor.parse(left).get(path[0], {}) == before.get(path[0], {})
    assert is_within(text, left)


@given(EDITED)
def test_beside_other_servers_only_blanks_can_tell_that_it_was_there(edited: Any) -> None:
    editor, path, text = edited
    if editor.parse(text).get(path[0]):
        left = editor.remove(editor.add(text, path, ENTRY), path)
        assert "".join(left.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "line", "columns"),
    [
        pytest.param('{\n  "a": 1\n  "b": 2\n}', 3, {3}, id="missing comma"),
        pytest.param('{\n  "a": "C:\\Users"\n}', 2, {11}, id="single backslash"),
        pytest.param('{"a": 1,}', 1, {8, 9}, id="trailing comma"),
        pytest.param("{\n  // mine\n}", 2, {3}, id="comment"),
        pytest.param('{"a": "b', 1, {7}, id="open string"),
        pytest.param('{"a": NaN}', 1, {1}, id="not a number"),
        pytest.param("[1]", 1, {1}, id="a list"),
        pytest.param('{"a": 1}}', 1, {9}, id="a brace too many"),
        pytest.param("[" * 100_000, 1, {1}, id="too deep"),
    ],
)
def test_broken_json_is_named_by_line_and_column(text: str, line: int, columns: set[int]) -> None:
    with pytest.raises(BrokenTextError) as caught:
        STRICT.parse(text)
    assert caught.value.line == line
    assert caught.value.column in columns  # Python 3.13 points at a last comma, 3.12 after it


@pytest.mark.parametrize("text", ["{,}", "[,]", '{"a": [1,,]}', '{"a":,}', '{"a": 1,,}', "{} /*"])
def test_lenient_json_is_not_more_lenient_than_vs_code(text: str) -> None:
    with pytest.raises(BrokenTextError):
        LENIENT.parse(text)


@pytest.mark.parametrize("text", ['{"a": 1, // b\n}', '{"a": [1,/**/],}', "/* x */ {}", ""])
def test_comments_and_commas_are_read(text: str) -> None:
    assert set(LENIENT.parse(text)) <= {"a"}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param('a = 1\nb = "x\n', 2, 7, id="open string"),
        pytest.param("a = 1\na = 2\n", 2, 6, id="twice"),
        pytest.param("[a\n", 1, 3, id="open header"),
        pytest.param("x = [1,\n", 2, 1, id="open list"),
    ],
)
def test_broken_toml_is_named_by_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(BrokenTextError) as caught:
        TOML.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_the_style_of_the_file_is_kept() -> None:
    text = '{\r\n\t"mcpServers": {\r\n\t\t"a": {} // mine\r\n\t}\r\n}'
    assert LENIENT.add(text, PATH, {"command": "x"}) == (
        '{\r\n\t"mcpServers": {\r\n\t\t"a": {}, // mine\r\n\t\t"minimax": {\r\n'
        '\t\t\t"command": "x"\r\n\t\t}\r\n\t}\r\n}'
    )


def test_one_line_stays_one_line() -> None:
    new = STRICT.add('{"mcpServers": {"a": {}}}', PATH, {"command": "x"})
    assert new == '{"mcpServers": {"a": {}, "minimax": {"command": "x"}}}'


def test_a_comment_inside_the_entry_outlives_a_change() -> None:
    text = '{"mcpServers": {"minimax": {"command": "old", // mine\n "args": [] /* too */}}}'
    assert LENIENT.change(text, PATH, {"command": "new", "args": ["x"]}).replace("\n", "") == (
        '{"mcpServers": {"minimax": {"command": "new", // mine "args": [  "x" ] /* too */}}}'
    )
    table = '[mcp_servers.minimax]\ncommand = "old # 1" # mine\nargs = [ # two\n  "a",\n]\n'
    assert TOML.change(table, TABLE, {"command": "new", "args": ["x"]}) == (
        '[mcp_servers.minimax]\ncommand = "new" # mine\nargs = ["x"]\n'
    )


def test_a_table_below_the_entry_goes_with_it_and_the_comment_of_the_next_stays() -> None:
    text = (
        "[mcp_servers.minimax]\ncommand = 'x'\n\n[mcp_servers.minimax.env]\nK = 'v'\n\n"
        "# about tui\n[tui]\n"
    )
    assert TOML.remove(text, TABLE) == "\n# about tui\n[tui]\n"


@pytest.mark.parametrize(
    ("editor", "text"),
    [
        (STRICT, '{"mcpServers": []}'),
        (STRICT, '{"mcpServers": {"minimax": 1}}'),
        (TOML, 'mcp_servers = {minimax = {command = "x"}}'),
        (TOML, 'mcp_servers.minimax.command = "x"'),
    ],
)
def test_a_layout_that_is_not_edited_is_refused(editor: Any, text: str) -> None:
    path = PATH if editor is STRICT else TABLE
    with pytest.raises(UneditableTextError):
        editor.change(text, path, NEW)


@pytest.mark.parametrize(
    "text", ["", "\\", '"', "\u007f", "\n\t\b\f\r", "é \U0001f600", "'''", '"""', "\x00\x1f"]
)
def test_every_text_is_written_so_that_it_is_read_back(text: str) -> None:
    entry = {"command": text, "args": [text], "env": {"A B": text}, "n": 60, "on": True}
    assert json.loads(STRICT.add("", PATH, entry))["mcpServers"]["minimax"] == entry
    assert tomllib.loads(TOML.add("", TABLE, entry))["mcp_servers"]["minimax"] == entry
