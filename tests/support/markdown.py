"""Reading the documents: their blocks, tables and words of code."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.host import ROOT

README = ROOT / "README.md"
POLLING = ROOT / "docs" / "POLLING_BEGINNERS_GUIDE.md"
HOST_PAGES = sorted((ROOT / "docs" / "hosts").glob("*.md"))
DOCUMENTS = [README, *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """One fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"


def blocks(language: str, *, documents: list[Path] = DOCUMENTS) -> list[Block]:
    found = []
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(document, line, match[1], match[2]))
    return [block for block in found if block.language == language]


def rows(document: Path, first_header: str) -> list[list[str]]:
    """The cells of the table whose first column is headed so."""
    _, after = document.read_text(encoding="utf-8").split(f"\n| {first_header} |", maxsplit=1)
    lines = after.split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)
