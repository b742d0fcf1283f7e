"""The plot of the bench: a bar per product and row, as long as the share of the budget it used."""

from xml.etree import ElementTree

import pytest

from tests.bench.plot import FULL, LABELS, LONGEST_SHARE, MISSED, draw
from tests.bench.rows import OFFICIAL, OURS, Row

SVG = "{http://www.w3.org/2000/svg}"


def draw_one(**shares: float) -> list[ElementTree.Element]:
    row = Row(what="a < b", measured="", kept=shares[OURS] <= 1, used=shares)
    picture = ElementTree.fromstring(draw([row, Row(what="without a budget", measured="1")]))
    return [bar for bar in picture.iter(f"{SVG}rect") if bar.get("x") == str(LABELS)]


@pytest.mark.parametrize(
    ("share", "length"),
    [
        pytest.param(0.5, FULL / 2, id="half of the budget"),
        pytest.param(1.0, FULL, id="all of it"),
        pytest.param(9.0, FULL * LONGEST_SHARE, id="cut off"),
    ],
)
def test_a_bar_is_as_long_as_its_share(share: float, length: float) -> None:
    [ours, official] = draw_one(**{OURS: 0.25, OFFICIAL: share})
    assert float(official.get("width", "")) == pytest.approx(length)
    assert float(ours.get("width", "")) == pytest.approx(FULL / 4)


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_a_missed_budget_is_red(share: float) -> None:
    [bar] = draw_one(**{OURS: share})
    assert (bar.get("fill") == MISSED) is (share > 1)
