"""The prices in what models and people read are those of the catalog, or computed from them."""

import inspect
import re
from pathlib import Path

import pytest

import minimax_server
from minimax import catalog
from minimax.catalog import VideoMode
from minimax.ledger.records import CHEAP_USD
from minimax.settings import DEFAULT_ASK_ABOVE_USD, DEFAULT_DAILY_LIMIT_USD
from tests.support.host import ROOT
from tests.support.markdown import README

DOCS = ROOT / "docs"
TOOLS = {tool.name: tool for tool in minimax_server.toolbox.tools}
AMOUNT = re.compile(r"\$\d[\d,]*(?:\.\d+)?")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TABLE_ROW = re.compile(r"^\|.*$", re.MULTILINE)
SECONDS_PER_HOUR = 3600


def cents(usd: float) -> str:
    return f"${usd:.2f}"


def dollars(usd: float) -> str:
    return f"${usd:.0f}"


def exactly(usd: float) -> str:
    return f"${usd:g}"


def video_prices(family: str) -> list[float]:
    models = [model for name, model in catalog.VIDEO_MODELS.items() if family in name]
    return [usd for model in models for usd in model.sizes.values() if usd is not None]


def span(prices_usd: list[float]) -> list[str]:
    return [cents(min(prices_usd)), cents(max(prices_usd))]


def default_video(mode: VideoMode) -> float:
    """What a video costs for which only the inputs were named."""
    sizes = catalog.VIDEO_MODELS[catalog.DEFAULT_VIDEO_MODELS[mode]].sizes
    return next(iter(sizes.values())) or 0


def speech(characters: int, model: str) -> float:
    return characters * catalog.SPEECH_PRICES_USD_PER_MILLION[model] / 1_000_000


CLONE, DESIGN = cents(catalog.CLONE_PRICE_USD), cents(catalog.DESIGN_PRICE_USD)
IMAGE = exactly(catalog.IMAGE_PRICE_USD)
HOUR = exactly(catalog.TRANSCRIPTION_USD_PER_HOUR)
MILLION = list(catalog.SPEECH_PRICES_USD_PER_MILLION.values())
SPEECH = [dollars(min(MILLION)), dollars(max(MILLION))]
CHAPTER_CHARACTERS, BOOK_CHARACTERS, RECORDING_MINUTES = 36_000, 500_000, 8
"""What the pages reckon with."""

IN_TOOLS = {
    "voice_clone": [CLONE],
    "generate_video": [*span(video_prices("Hailuo")), *span(video_prices("-H3"))],
    "upscale_video": [cents(catalog.price_list()["video_again_in_2k"]["second"])],
    "text_to_audio": [*SPEECH, CLONE, DESIGN],
    "voice_design": [DESIGN],
    "transcribe_audio": [HOUR],
    "text_to_image": [IMAGE],
}
"""Each amount that the text of a tool names, in order."""

IN_PAGES = {
    README: [
        CLONE,
        DESIGN,
        cents(default_video(VideoMode.FIRST_AND_LAST_FRAME)),
        IMAGE,
        cents(speech(CHAPTER_CHARACTERS, "speech-2.8-hd")),
        cents(speech(CHAPTER_CHARACTERS, "speech-2.8-turbo")),
        cents(CHEAP_USD),
        dollars(DEFAULT_DAILY_LIMIT_USD),
        cents(DEFAULT_ASK_ABOVE_USD),
    ],
    DOCS / "TRANSCRIPTS.md": [
        HOUR,
        cents(RECORDING_MINUTES * 60 * catalog.TRANSCRIPTION_USD_PER_HOUR / SECONDS_PER_HOUR),
    ],
    DOCS / "LONG_TEXTS.md": [
        *SPEECH,
        dollars(speech(BOOK_CHARACTERS, "speech-2.8-turbo")),
        dollars(speech(BOOK_CHARACTERS, "speech-2.8-hd")),
        dollars(DEFAULT_DAILY_LIMIT_USD),
    ],
    DOCS / "VOICE_CLONE_USAGE.md": [CLONE],
    DOCS / "VOICE_CLONE_IMPLEMENTATION.md": [CLONE],
    DOCS / "POLLING_BEGINNERS_GUIDE.md": [cents(default_video(VideoMode.TEXT))],
}
"""Each amount in a page, in order, outside of tables and blocks: the demo's output is compared with
what the demo prints, and the table of tools with the catalog, in `test_docs`."""


def amounts(text: str) -> list[str]:
    return AMOUNT.findall(text)


@pytest.mark.parametrize("name", TOOLS)
def test_the_amounts_in_the_text_of_a_tool_are_those_of_the_catalog(name: str) -> None:
    text = inspect.getdoc(TOOLS[name].fn) or ""
    assert amounts(text) == IN_TOOLS.get(name, [])


@pytest.mark.parametrize("page", IN_PAGES, ids=lambda page: page.name)
def test_the_amounts_in_a_page_are_those_of_the_catalog(page: Path) -> None:
    text = TABLE_ROW.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))
    assert amounts(text) == IN_PAGES[page]


def test_the_pages_reckon_with_the_numbers_that_they_name() -> None:
    for page, number in (
        (README, f"{CHAPTER_CHARACTERS:,} characters"),
        (DOCS / "LONG_TEXTS.md", f"{BOOK_CHARACTERS:,} characters"),
        (DOCS / "TRANSCRIPTS.md", f"{RECORDING_MINUTES} minutes"),
    ):
        assert number in " ".join(page.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", [README, DOCS / "TRANSCRIPTS.md"], ids=lambda page: page.name)
def test_a_page_with_prices_says_of_when_they_are(page: Path) -> None:
    assert catalog.PRICES_AS_OF in page.read_text(encoding="utf-8")
