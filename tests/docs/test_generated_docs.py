"""The pages say of the code what is so: the generated ones whole, the guides name by name."""

import ast
import functools
import importlib
import re
import textwrap
from pathlib import Path

import pytest

from minimax import errors
from minimax.api import error_codes, policies, replies, retry
from minimax.sandbox.http import control
from minimax.video import job
from tests import test_layers
from tests.scripts import generated_docs
from tests.support.host import ROOT
from tests.support.markdown import code_spans, rows

DOCS = ROOT / "docs"
CLONING = DOCS / "VOICE_CLONE_IMPLEMENTATION.md"
POLLING = DOCS / "VIDEO_GENERATION_POLLING.md"
SUMMARY = DOCS / "IMPLEMENTATION_SUMMARY.md"
SECURITY = DOCS / "SECURITY.md"
INDEX = DOCS / "INDEX.md"
INSIDE = [CLONING, POLLING, SUMMARY, SECURITY, INDEX]
"""The guides that name files, functions and constants."""


# --- the generated pages -----------------------------------------------------------------------


@pytest.mark.parametrize("name", generated_docs.PAGES)
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == generated_docs.PAGES[name](), (
        "run: uv run python -m tests.scripts.generated_docs"
    )


def test_the_page_of_errors_tells_every_policy_class_and_code() -> None:
    policies = {name for name in retry.__all__ if name.isupper()}
    assert set(generated_docs.ENDPOINTS) == policies
    classes = {name for name in errors.__all__ if name.endswith("Error")}
    assert set(generated_docs.REMEDIES) == classes
    told = {int(row[0]) for row in rows(DOCS / "ERRORS.md", "code")}
    assert told == set(error_codes.CODES)


# --- names in the guides -----------------------------------------------------------------------


@functools.cache
def names_in_the_code() -> frozenset[str]:
    """Functions, classes, methods and constants, plain and behind their class or module."""
    found: set[str] = set()
    for path in [ROOT / "minimax_server.py", *(ROOT / "minimax").rglob("*.py")]:
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
    """A file by its path; one of the package also by its name alone."""
    return any((folder / name).exists() for folder in (ROOT, ROOT / "minimax"))


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
    told = re.findall(
        r"`(?:\w+\.)?(\w+)(?:\(\))?` in\s`?\[?(minimax\w*(?:/\w+)*\.py)",
        document.read_text(encoding="utf-8"),
    )
    for name, file in told:
        names = [
            word
            for node in ast.parse((ROOT / file).read_text("utf-8")).body
            for word in names_within(node)
        ]
        assert name in names, (name, file)


def names_within(node: ast.stmt) -> list[str]:
    """What a statement defines, the members of a class included."""
    inner = node.body if isinstance(node, ast.ClassDef) else []
    return [name for one in (node, *inner) for name in names_defined(one)]


OF_OTHERS = {"AppData", "MiniMax", "StdioServerParameters"}
"""Of Windows, of the person's home folder, of the MCP library."""


@pytest.mark.parametrize("document", INSIDE, ids=lambda path: path.name)
def test_a_line_of_a_guide_is_at_most_100_characters_long(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


# --- numbers, words and images ---------------------------------------------------------------


def test_the_rhythm_of_asking_is_the_true_one() -> None:
    for name, value, _ in rows(POLLING, "constant"):
        assert float(value) == getattr(job, name.strip("`")), name


def test_the_policies_of_cloning_are_the_true_ones() -> None:
    for name, attempts, seconds, after_unknown in rows(CLONING, "policy"):
        policy = getattr(policies, name.strip("`"))
        assert (policy.attempts, policy.deadline_seconds) == (int(attempts), float(seconds))
        assert (errors.Outcome.UNKNOWN in policy.retries_on) is after_unknown.startswith("yes")


def test_the_table_of_states_holds_every_word_that_is_known() -> None:
    told = {
        (word.lower(), ours.strip("`"))
        for ours, v1, v2, _ in rows(POLLING, "status")
        for word in code_spans(v1 + v2)
    }
    assert told == set(replies._STATUS_WORDS.items())


def test_the_picture_of_the_layers_is_the_one_that_is_held() -> None:
    [image] = re.findall(r"(?ms)^```text\n(.*?)^```", SUMMARY.read_text(encoding="utf-8"))
    lines = [line.split() for line in image.splitlines()]
    assert [int(number) for number, *_ in lines] == list(range(len(lines)))
    assert [set(modules) for _, *modules in lines] == test_layers.LAYERS


def test_the_table_of_modules_says_what_each_says_of_itself() -> None:
    told = {name.strip("`"): words for name, words in rows(SUMMARY, "module")}
    modules = set().union(*test_layers.LAYERS[1:]) | test_layers.KNOWS_ONLY_MCP | {"sandbox"}
    assert told == {name: first_line(name) for name in modules}


def first_line(module: str) -> str:
    found = importlib.import_module(f"minimax.{module}").__doc__ or ""
    return found.splitlines()[0]


def test_the_sandboxs_own_routes_are_the_true_ones() -> None:
    told = [span for span in prose_spans(POLLING) if re.match(r"(GET|POST|DELETE) /", span)]
    offered = {tuple(line.split()[:2]) for line in control.WELCOME.splitlines()}
    assert len(told) == 5
    assert {tuple(route.split()) for route in told} - {("GET", "/")} <= offered


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("minimax_server", "PATIENCE_SECONDS", 48),
        ("minimax.ledger", "REMEMBERED_SECONDS", 24 * 3600),
        ("minimax.background", "PAID_GRACE_SECONDS", 5),
        ("minimax.cloning", "LONGEST_PREVIEW", 1000),
        ("minimax.cloning", "LONGEST_TEXT_VALIDATION", 200),
        ("minimax.net", "MAX_REDIRECTS", 3),
        ("minimax.client", "LARGEST_FILM_BYTES", 2 * 1024**3),
        ("minimax.errors", "SHOWN_CHARACTERS", 300),
        ("minimax.models", "CLONE_PRICE_USD", 1.5),
        ("minimax.models", "LONGEST_WAIT_SECONDS", 45),
        ("minimax.jobs", "FILE_ID_TRIES", 3),
    ],
)
def test_a_number_that_the_guides_tell_is_the_true_one(
    module: str, name: str, value: float
) -> None:
    assert getattr(importlib.import_module(module), name) == value


# --- the first page ----------------------------------------------------------------------------


def test_the_first_page_begins_with_the_command_that_makes_a_video() -> None:
    first_page = INDEX.read_text(encoding="utf-8").split("\n## ")[1]
    [command] = re.findall(r"```sh\n(.*?)```", first_page, re.DOTALL)
    assert textwrap.dedent(command).strip() == (
        "pip install uv && uv run minimax_server.py demo"  # test_docs runs it
    )


def test_the_learning_path_tells_its_minutes() -> None:
    assert [(step, minutes) for step, minutes, *_ in rows(INDEX, "step")] == [
        ("1", "15"),
        ("2", "30"),
        ("3", "15"),
    ]


def test_the_index_leads_to_every_guide() -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", INDEX.read_text(encoding="utf-8")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {INDEX.name}
