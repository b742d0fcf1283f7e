"""Draws how much of its budget each row used, as an SVG picture without a plotting library."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from tests.bench.rows import OFFICIAL, OURS, Row

__all__ = ["draw"]

WIDTH: Final = 860
"""In pixels, as all lengths here: a page of GitHub shows it without scaling."""
LABELS: Final = 400
FULL: Final = 220
"""The length of a bar that uses its whole budget."""
LONGEST_SHARE: Final = 1.6
"""Longer bars are cut off here; the number beside them says how long they would be."""
BAR: Final = 12
ROW: Final = 2 * BAR + 12
TOP: Final = 40
BOTTOM: Final = 16
COLORS: Final = {OURS: "#0969da", OFFICIAL: "#8c959f"}
MISSED: Final = "#cf222e"
NAMES: Final = {OURS: "this server", OFFICIAL: "the official server"}


def draw(rows: Sequence[Row]) -> str:
    """A picture with a bar per product for each row that has a budget.

    Args:
        rows: As they were measured; those without a budget are left out.
    """
    shown = [row for row in rows if row.used]
    height = TOP + ROW * len(shown) + BOTTOM
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        "<title>How much of each budget is used</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_legend(),
        *(line for place, row in enumerate(shown) for line in _bars(row, TOP + ROW * place)),
        f'<path d="M{LABELS + FULL} {TOP - 8}V{height - BOTTOM}" stroke="#1f2328"/>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend() -> Iterator[str]:
    for place, (product, name) in enumerate(NAMES.items()):
        x = 12 + 130 * place
        yield f'<rect x="{x}" y="12" width="{BAR}" height="{BAR}" fill="{COLORS[product]}"/>'
        yield f'<text x="{x + BAR + 6}" y="22">{name}</text>'
    yield f'<text x="{LABELS + FULL}" y="22" text-anchor="middle">budget</text>'


def _bars(row: Row, top: int) -> Iterator[str]:
    yield f'<text x="{LABELS - 10}" y="{top + BAR + 4}" text-anchor="end">{escape(row.what)}</text>'
    for place, (product, share) in enumerate(row.used.items()):
        length = FULL * min(share, LONGEST_SHARE)
        color = COLORS[product] if product == OFFICIAL or row.kept else MISSED
        y = top + place * (BAR + 1)
        yield f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{color}"/>'
        yield f'<text x="{LABELS + length + 6:.1f}" y="{y + BAR - 2}">{share:.0%}</text>'
