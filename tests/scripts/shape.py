"""The shape of the code, in numbers: `uv run python -m tests.scripts.shape`."""

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IRREGULAR = frozenset(
    [
        "made",
        "said",
        "told",
        "found",
        "kept",
        "sent",
        "begun",
        "spoken",
        "held",
        "given",
        "taken",
        "drawn",
        "left",
        "gone",
        "known",
        "shown",
        "written",
        "built",
        "cut",
    ]
)
"""Past participles without -ed."""
NO_PARTICIPLES = frozenset({"need", "feed", "speed", "embed", "seed"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def source_files(root: Path) -> list[Path]:
    """The server and its package."""
    return [root / "minimax_server.py", *sorted((root / "minimax").rglob("*.py"))]


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    """Lines of the body without its docstring, plus one for the signature."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return 1 + (sum(1 + (n.end_lineno or n.lineno) - n.lineno for n in body) if body else 0)


def is_participle(name: str) -> bool:
    """Whether a name begins with a past participle; dunder names do not count."""
    word = name.strip("_").split("_")[0]
    regular = re.fullmatch("[a-z]+ed", word) is not None and word not in NO_PARTICIPLES
    return not name.startswith("__") and (regular or word in IRREGULAR)


def participle_share(root: Path) -> float:
    """The share of functions that are named by a past participle instead of a verb."""
    names = [f.name for path in source_files(root) for f in functions(path)]
    return sum(map(is_participle, names)) / len(names)


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, known: frozenset[str]) -> set[str]:
    """The modules of ours that a file imports, in functions and for types as well."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= names or ({node.module} & known)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
    return found


def import_circles(root: Path) -> list[list[str]]:
    """Groups of modules that import each other, directly or not."""
    files = {module_name(path, root): path for path in source_files(root)}
    known = frozenset(files)
    arrows = {name: imports(path, known) - {name} for name, path in files.items()}
    reached = {name: _reach(name, arrows) for name in files}
    circles = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in files
    }
    return sorted(sorted(circle) for circle in circles if circle)


def _reach(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    left = list(arrows[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += arrows[name]
    return seen


def report(root: Path) -> str:
    """All numbers as lines of text."""
    files = source_files(root)
    folders = Counter(str(path.parent.relative_to(root)) for path in files)
    sizes = sorted(body_lines(f) for path in files for f in functions(path))
    longest = max(files, key=lambda path: len(path.read_text(encoding="utf-8").splitlines()))
    lines = [f"{count:3} modules in {folder}" for folder, count in sorted(folders.items())]
    lines += [
        (
            f"longest file: {longest.relative_to(root)}, "
            f"{len(longest.read_text(encoding='utf-8').splitlines())} lines"
        ),
        (
            f"functions: {len(sizes)}; median {statistics.median(sizes):g}, "
            f"90th percentile {sizes[int(len(sizes) * 0.9)]}, longest {sizes[-1]} lines"
        ),
        f"named by a past participle: {participle_share(root):.1%}",
        f"import circles: {len(import_circles(root))}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(ROOT))
