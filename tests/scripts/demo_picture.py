"""Runs the demo and draws what it printed, as it was printed: docs/images/demo.svg.

    uv run python -m tests.scripts.demo_picture

The picture moves by CSS, so that it is small, sharp, and still where nothing moves.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tests.support.host import ROOT

__all__ = ["PICTURE", "Line", "draw", "main"]

PICTURE: Final = ROOT / "docs" / "images" / "demo.svg"
COMMAND: Final = "uv run minimax_server.py demo"
WIDTH: Final = 720
"""In pixels, as all lengths here."""
LEADING: Final = 18
MARGIN: Final = 16
STYLE: Final = """
text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }
.said { animation: said 0.01s backwards }
@keyframes said { from { opacity: 0 } }
.passing { opacity: 0; animation: passing 1s }
@keyframes passing { from, to { opacity: 1 } }
@media (prefers-reduced-motion) { text { animation: none !important } }
"""


@dataclass(frozen=True)
class Line:
    """A line of the demo, and when it was printed.

    Attributes:
        text: Without its end.
        after_seconds: Since the demo was started.
    """

    text: str
    after_seconds: float

    @property
    def is_progress(self) -> bool:
        """Whether a terminal writes the next such line over it."""
        return self.text.lstrip().startswith("[") and "%" in self.text


def draw(lines: Sequence[Line]) -> str:
    """The picture of a terminal in which these lines appear."""
    texts, row = [], 0
    for place, line in enumerate(lines):
        following = lines[place + 1] if place + 1 < len(lines) else None
        if line.is_progress and following is not None and following.is_progress:
            shown_seconds = following.after_seconds - line.after_seconds
            texts.append(_text(line, row, passing_seconds=shown_seconds))
        else:
            texts.append(_text(line, row))
            row += 1
    height = 2 * MARGIN + LEADING * row
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            f"<title>The demo in a terminal: {COMMAND}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#0d1117"/>',
            *(text for text in texts if text),
            "</svg>\n",
        ]
    )


def _text(line: Line, row: int, *, passing_seconds: float | None = None) -> str:
    if not line.text:
        return ""
    name, timing = "said", f"animation-delay: {line.after_seconds:.2f}s"
    if passing_seconds is not None:
        name, timing = "passing", f"{timing}; animation-duration: {passing_seconds:.2f}s"
    y = MARGIN + LEADING * (row + 1) - 5
    return f'<text class="{name}" style="{timing}" x="{MARGIN}" y="{y}">{escape(line.text)}</text>'


def _run_demo(home: Path) -> Iterator[Line]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MINIMAX_")}
    environ |= {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(ROOT / "minimax_server.py"), "demo"]
    began = time.monotonic()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            text = line.rstrip().replace(str(home), "~")
            yield Line(text, time.monotonic() - began)
    if demo.returncode:
        raise SystemExit("The demo failed; nothing was drawn.")


def main() -> None:
    """Run the demo and write the picture."""
    with tempfile.TemporaryDirectory() as home:
        lines = [Line(f"$ {COMMAND}", 0.0), *_run_demo(Path(home))]
    PICTURE.write_text(draw(_join_progress(lines)), encoding="utf-8")


def _join_progress(lines: Sequence[Line]) -> list[Line]:
    """Drop the blank line that a pipe gets where a terminal goes back to the start of a line."""
    pairs = zip(lines, [*lines[1:], None], strict=True)
    return [
        line for line, following in pairs if line.text or not (following and following.is_progress)
    ]


if __name__ == "__main__":
    main()
