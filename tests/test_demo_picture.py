"""The moving picture of the demo on top of the README."""

import re
from xml.etree import ElementTree

from tests.scripts.demo_picture import PICTURE, Line, draw
from tests.support.host import ROOT

TEXT = "{http://www.w3.org/2000/svg}text"
LINES = [
    Line("$ demo", 0.0),
    Line("   [##--]  50%  Processing", 1.0),
    Line("   [####] 100%  done", 3.5),
    Line("", 3.6),
    Line("That was < all", 4.0),
]


def read_texts(picture: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(picture).iter(TEXT))


def test_lines_appear_when_they_were_printed_and_progress_is_written_over() -> None:
    first, half, whole, last = read_texts(draw(LINES))
    assert [text.text for text in (first, half, whole, last)] == [
        line.text for line in LINES if line.text
    ]
    assert half.get("y") == whole.get("y") != last.get("y")
    assert half.get("class") == "passing"
    assert half.get("style") == "animation-delay: 1.00s; animation-duration: 2.50s"
    assert {text.get("class") for text in (first, whole, last)} == {"said"}


def test_the_picture_shows_the_steps_that_the_readme_tells() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\d\. [A-Z]\w+ing .*$|^7\. What it cost$", readme, re.MULTILINE)
    drawn = [text.text or "" for text in read_texts(PICTURE.read_text(encoding="utf-8"))]
    steps = [line for line in drawn if re.match(r"\d\. ", line)]
    assert [step.split("/")[0].rstrip("~. ") for step in steps] == [
        line.split("/")[0].rstrip("~. ") for line in told
    ]
    assert len(steps) == 7
    assert not [line for line in drawn if "/tmp/" in line or "/home/" in line]
