"""The pages agree with the code: the generated ones as a whole, the guides name by name."""

import ast
import functools
import importlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimax import errors
from minimax.api import error_codes, policies, replies
from minimax.sandbox.http import control
from tests import test_layers
from tests.scripts import generated_docs
from tests.support.host import ROOT
from tests.support.markdown import code_spans, rows

PACKAGE = ROOT / "minimax"
DOCS = ROOT / "docs"
CLONING = DOCS / "VOICE_CLONE_IMPLEMENTATION.md"
POLLING = DOCS / "VIDEO_GENERATION_POLLING.md"
SUMMARY = DOCS / "IMPLEMENTATION_SUMMARY.md"
CONTRIBUTING = DOCS / "CONTRIBUTING.md"
SECURITY = DOCS / "SECURITY.md"
INDEX = DOCS / "INDEX.md"
INSIDE = [CLONING, POLLING, SUMMARY, CONTRIBUTING, SECURITY, INDEX]
"""The guides that name files, functions and constants."""


# --- the generated pages -----------------------------------------------------------------------


@pytest.mark.parametrize("name", generated_docs.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == generated_docs.PAGES[name](), (
        "run: uv run python -m tests.scripts.generated_docs"
    )


def test_the_page_of_errors_has_every_policy_class_and_code() -> None:
    assert set(generated_docs.ENDPOINTS) == {name for name in policies.__all__ if name.isupper()}
    classes = {name for name in errors.__all__ if name.endswith("Error")}
    assert set(generated_docs.REMEDIES) == classes
    listed = {int(row[0]) for row in rows(DOCS / "ERRORS.md", "code")}
    assert listed == set(error_codes.CODES)


def test_the_page_of_modules_has_every_module_of_the_package() -> None:
    linked = set(re.findall(r"\]\(\.\./(.+?\.py)\)", (DOCS / "MODULES.md").read_text("utf-8")))
    modules = {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    assert linked == {path.relative_to(ROOT).as_posix() for path in modules} | {"minimax_server.py"}


# --- names in the guides -----------------------------------------------------------------------


@functools.cache
def names_in_the_code() -> frozenset[str]:
    """Functions, classes, methods and constants, alone and after their class or module."""
    found: set[str] = set()
    files = [ROOT / "minimax_server.py", ROOT / "tests" / "test_layers.py", *PACKAGE.rglob("*.py")]
    for path in files:
        module = path.parent.name if path.stem == "__init__" else path.stem
        body = ast.parse(path.read_text(encoding="utf-8")).body
        classes = [node for node in body if isinstance(node, ast.ClassDef)]
        top = {name for node in body for name in names_defined(node)}
        found |= top | {f"{module}.{name}" for name in top}
        for owner in classes:
            inner = {name for node in owner.body for name in names_defined(node)}
            found |= inner | {f"{owner.name}.{name}" for name in inner}
    return frozenset(found)


def names_defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def prose_spans(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return code_spans(re.sub(r"(?ms)^ *```.*?^ *```", "", text))


@pytest.mark.parametrize("document", INSIDE, ids=lambda path: path.name)
def test_every_file_that_a_guide_names_exists(document: Path) -> None:
    named = {span for span in prose_spans(document) if re.fullmatch(r"[\w/]+(\.py|/)", span)}
    missing = {name for name in named if not _is_there(name)}
    assert not missing


def _is_there(name: str) -> bool:
    """Whether a path exists; one inside the package may leave out `minimax/`."""
    return any((folder / name).exists() for folder in (ROOT, PACKAGE))


@pytest.mark.parametrize("document", INSIDE, ids=lambda path: path.name)
def test_every_function_class_and_constant_that_a_guide_names_exists(document: Path) -> None:
    shapes = (
        r"([\w.]+)\([^`]*\)",  # function(), module.function(), Class.method()
        r"((?:[A-Z][a-z]+){2,}|[A-Z]\w*Error)",  # ClassName
        r"([A-Z]+(?:_[A-Z]+)+)",  # CONSTANT_NAME
    )
    found = (re.fullmatch(shape, span) for span in prose_spans(document) for shape in shapes)
    named = {match[1] for match in found if match and not match[1].startswith("MINIMAX_")}
    assert named
    unknown = {name for name in named - OF_OTHERS if name not in names_in_the_code()}
    assert not unknown


@pytest.mark.parametrize("document", INSIDE, ids=lambda path: path.name)
def test_what_a_guide_says_is_in_a_file_is_in_that_file(document: Path) -> None:
    claims = re.findall(
        r"`(?:\w+\.)?(\w+)(?:\(\))?` in\s`?\[?((?:minimax|tests)\w*(?:/\w+)*\.py)",
        document.read_text(encoding="utf-8"),
    )
    for name, file in claims:
        assert name in names_in_file(ROOT / file), (name, file)


def names_in_file(path: Path) -> set[str]:
    """What a file defines, the members of its classes included."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {name for node in nodes for name in names_within(node)}


def names_within(node: ast.stmt) -> list[str]:
    """What a statement defines, the members of a class included."""
    inner = node.body if isinstance(node, ast.ClassDef) else []
    return [name for one in (node, *inner) for name in names_defined(one)]


OF_OTHERS = {"AppData", "MiniMax", "StdioServerParameters", "ToolAnnotations", "TypedDict"}
"""Of Windows, of the person's home folder, of the MCP library, of Python."""


@pytest.mark.parametrize("document", INSIDE, ids=lambda path: path.name)
def test_a_line_of_a_guide_is_at_most_100_characters_long(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


# --- the map -----------------------------------------------------------------------------------


def tree_of_the_map() -> dict[str, str]:
    """The paths that the map's tree shows, each with its line; folders end with a slash."""
    [block] = re.findall(r"(?ms)^```text\n(.*?)^```", SUMMARY.read_text(encoding="utf-8"))
    shown: dict[str, str] = {}
    above: list[str] = []
    for line in block.splitlines():
        name, words = line.split(maxsplit=1)
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name]
        shown["".join(above)] = words
    return shown


def test_the_tree_of_the_map_is_the_real_one() -> None:
    folders = [path.parent for path in PACKAGE.rglob("__init__.py")]
    real = {f"{folder.relative_to(ROOT).as_posix()}/" for folder in folders}
    real |= {path.relative_to(ROOT).as_posix() for path in PACKAGE.glob("[!_]*.py")}
    assert set(tree_of_the_map()) == real | {"minimax_server.py"}


def imports_of_the_map() -> Iterator[tuple[set[str], set[str]]]:
    """The rows of the map's table of imports: some parts, and what they may import.

    A row may name the rows before it by their numbers: "line 1", "lines 1 and 2", "lines 1 to 4".
    """
    lines: list[set[str]] = []
    for number, parts, allowed in rows(SUMMARY, "line"):
        found = re.match(r"lines? (\d+)(?: (?:and|to) (\d+))?", allowed)
        named = range(int(found[1]) - 1, int(found[2] or found[1])) if found else ()
        assert int(number) == len(lines) + 1
        lines.append(set(code_spans(parts)))
        yield lines[-1], set(code_spans(allowed)).union(*(lines[index] for index in named))


def test_the_import_table_of_the_map_is_the_one_that_is_tested() -> None:
    shown = {part: allowed for parts, allowed in imports_of_the_map() for part in parts}
    server = shown.pop("minimax_server")
    rules = dict(test_layers.MAY_IMPORT)
    rules.pop("minimax_server", None)  # no test holds the server to it
    assert shown == rules
    assert server >= test_layers.imported_parts(ROOT / "minimax_server.py")


# --- where to change what ----------------------------------------------------------------------

CHANGES = rows(CONTRIBUTING, "I want to change")


def files_named(text: str) -> list[Path]:
    """The files that a row of the table names; those of the package without `minimax/`."""
    names = [span for span in code_spans(text) if re.fullmatch(r"[\w/.]+\.\w+|[\w/]+/", span)]
    return [ROOT / name if (ROOT / name).exists() else PACKAGE / name for name in names]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row[0])
def test_a_row_of_what_to_open_names_files_that_exist(row: list[str]) -> None:
    files = files_named(row[1])
    assert files
    assert [path for path in files if not path.exists()] == []


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row[0])
def test_a_row_of_what_to_open_names_what_is_in_those_files(row: list[str]) -> None:
    names = {span.removesuffix("()") for span in code_spans(row[1]) if "." not in span}
    sources = [path for path in files_named(row[1]) if path.suffix == ".py"]
    defined = {name for path in sources for name in names_in_file(path)}
    assert {name for name in names if not name.endswith("/")} <= defined


def test_the_table_of_what_to_open_is_long_enough_to_help() -> None:
    assert len(CHANGES) >= 14


# --- numbers and words -------------------------------------------------------------------------


def test_the_rhythm_of_asking_is_the_true_one() -> None:
    for name, file, value, _ in rows(POLLING, "constant"):
        assert float(value) == constants_of(file.strip("`"))[name.strip("`")], name


def constants_of(file: str) -> dict[str, object]:
    """The names of a module, given as its path."""
    return vars(importlib.import_module(file.removesuffix(".py").replace("/", ".")))


def test_the_policies_of_cloning_are_the_true_ones() -> None:
    for name, attempts, seconds, after_unknown in rows(CLONING, "policy"):
        policy = getattr(policies, name.strip("`"))
        assert (policy.attempts, policy.deadline_seconds) == (int(attempts), float(seconds))
        assert (errors.Outcome.UNKNOWN in policy.retries_on) is after_unknown.startswith("yes")


def test_the_table_of_states_translates_each_word_as_the_code_does() -> None:
    shown = {
        word: ours.strip("`")
        for ours, v1, v2, _ in rows(POLLING, "status")
        for word in code_spans(v1 + v2)
    }
    assert len(shown) == 11
    assert shown == {word: replies.job_status(word) for word in shown}


def test_the_sandboxs_own_routes_are_the_true_ones() -> None:
    named = [span for span in prose_spans(POLLING) if re.match(r"(GET|POST|DELETE) /", span)]
    offered = {tuple(line.split()[:2]) for line in control.WELCOME.splitlines()}
    assert len(named) == 5
    assert {tuple(route.split()) for route in named} - {("GET", "/")} <= offered


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("minimax.time_budgets", "CALL_SECONDS", 48),
        ("minimax.time_budgets", "LONGEST_CALL_SECONDS", 50),
        ("minimax.time_budgets", "LONGEST_WAIT_SECONDS", 45),
        ("minimax.time_budgets", "HOST_LIMIT_SECONDS", 60),
        ("minimax.time_budgets", "PAID_GRACE_SECONDS", 5),
        ("minimax.ledger.records", "LIMIT_WINDOW_SECONDS", 24 * 3600),
        ("minimax.time_budgets", "ANSWER_SECONDS", 45),
        ("minimax.limits", "CLONE_PREVIEW_CHARACTERS", 1000),
        ("minimax.limits", "TEXT_VALIDATION_CHARACTERS", 200),
        ("minimax.files.safe_fetch", "MAX_REDIRECTS", 3),
        ("minimax.api.signed_links", "LARGEST_VIDEO_BYTES", 2 * 1024**3),
        ("minimax.safe_text", "SHOWN_CHARACTERS", 300),
        ("minimax.catalog", "CLONE_PRICE_USD", 1.5),
        ("minimax.jobs.job", "FILE_ID_TRIES", 3),
    ],
)
def test_a_number_in_the_guides_is_the_true_one(module: str, name: str, value: float) -> None:
    assert getattr(importlib.import_module(module), name) == value


# --- the first page ----------------------------------------------------------------------------


def test_the_first_page_begins_with_the_command_that_makes_a_video() -> None:
    first_page = INDEX.read_text(encoding="utf-8").split("\n## ")[1]
    [command] = re.findall(r"```sh\n(.*?)```", first_page, re.DOTALL)
    assert textwrap.dedent(command).strip() == (
        "pip install uv && uv run minimax_server.py demo"  # test_docs runs it
    )


def test_the_learning_path_says_how_long_it_takes() -> None:
    assert [(step, minutes) for step, minutes, *_ in rows(INDEX, "step")] == [
        ("1", "15"),
        ("2", "30"),
        ("3", "15"),
    ]


def test_the_index_leads_to_every_guide() -> None:
    linked = set(re.findall(r"\]\(((?:hosts/)?\w+\.md)\)", INDEX.read_text(encoding="utf-8")))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert linked == pages - {INDEX.name}
