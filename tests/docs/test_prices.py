"""Every amount of dollars that a person or a model reads is one that the code has."""

import re
from pathlib import Path

import pytest

import minimax_server
from minimax import catalog
from minimax.ledger.records import CHEAP_USD
from minimax.sandbox.endpoints import video_v1, video_v2
from minimax.settings import DEFAULT_ASK_ABOVE_USD, DEFAULT_DAILY_LIMIT_USD
from minimax.spending.estimates import estimate_transcript
from tests.support.host import ROOT
from tests.support.markdown import DOCUMENTS

SPEECH = catalog.SPEECH_PRICES_USD_PER_MILLION
VIDEO = {
    price
    for model in catalog.VIDEO_MODELS.values()
    for price in model.sizes.values()
    if price is not None
}
PER_SECOND = catalog.price_list()["video_again_in_2k"]
DEMO_USD = (
    (catalog.VIDEO_MODELS["MiniMax-Hailuo-02"].sizes["768P", 6] or 0.0)
    + catalog.CLONE_PRICE_USD
    + 2 * catalog.IMAGE_PRICE_USD
)
CHAPTER_CHARACTERS, BOOK_CHARACTERS, RECORDING_SECONDS = 36_000, 500_000, 480
MILLION = 1_000_000
KNOWN = {
    0.0,
    *VIDEO,
    *SPEECH.values(),
    catalog.CLONE_PRICE_USD,
    catalog.DESIGN_PRICE_USD,
    catalog.IMAGE_PRICE_USD,
    catalog.TRANSCRIPTION_USD_PER_HOUR,
    PER_SECOND["second"],
    DEFAULT_ASK_ABOVE_USD,
    DEFAULT_DAILY_LIMIT_USD,
    CHEAP_USD,
    round(DEMO_USD, 2),
    *(price * CHAPTER_CHARACTERS / MILLION for price in SPEECH.values()),
    *(price * BOOK_CHARACTERS / MILLION for price in SPEECH.values()),
    round(estimate_transcript(RECORDING_SECONDS), 2),
}
_AMOUNT = re.compile(r"\$(\d[\d,]*(?:\.\d+)?)")


def find_amounts(text: str) -> set[float]:
    return {float(amount.replace(",", "")) for amount in _AMOUNT.findall(text)}


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: document.relative_to(ROOT).as_posix()
)
def test_every_price_in_a_document_is_one_of_the_code(document: Path) -> None:
    assert find_amounts(document.read_text(encoding="utf-8")) - KNOWN == set()


@pytest.mark.parametrize("tool", minimax_server.toolbox.tools, ids=lambda tool: tool.name)
def test_every_price_that_a_model_reads_is_one_of_the_code(tool: object) -> None:
    shown = f"{tool.description} {tool.parameters}"  # type: ignore[attr-defined]
    assert find_amounts(shown) - KNOWN == set()


@pytest.mark.parametrize("name", sorted(video_v1.MODELS.keys() & catalog.VIDEO_MODELS.keys()))
def test_the_sandbox_charges_for_hailuo_what_the_code_says(name: str) -> None:
    sizes = catalog.VIDEO_MODELS[name].sizes
    assert video_v1.MODELS[name].prices_usd == {size: price or 0.0 for size, price in sizes.items()}


@pytest.mark.parametrize("name", video_v2.MODELS)
def test_the_sandbox_charges_for_h3_what_the_code_says(name: str) -> None:
    ours, sandboxs = catalog.VIDEO_MODELS[name], video_v2.MODELS[name]
    for (resolution, seconds), price in ours.sizes.items():
        assert price == pytest.approx(sandboxs.prices_usd[resolution] * seconds)
    assert dict(ours.reference_video_usd) == sandboxs.reference_prices_usd
    assert (ours.free_images, ours.further_image_usd) == (
        sandboxs.free_images,
        sandboxs.image_price_usd,
    )


def test_the_sandbox_charges_for_making_again_what_the_code_says() -> None:
    assert PER_SECOND["second"] == video_v2.REGENERATION_PRICE_USD
