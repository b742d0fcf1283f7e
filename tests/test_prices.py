"""The sandbox charges what the catalog says, though it has prices of its own.

It plays MiniMax, the other side: were its prices read from the catalog, a mistake in the catalog
would be charged as expected, and no test of a purchase would notice.
"""

import pytest

from minimax import catalog
from minimax.sandbox.endpoints import (
    images,
    speech_to_text,
    text_to_audio,
    video_v1,
    video_v2,
    voice_design,
    voices,
)

V1 = [name for name, model in catalog.VIDEO_MODELS.items() if not model.reference_video_usd]
V2 = [name for name, model in catalog.VIDEO_MODELS.items() if model.reference_video_usd]
MILLION = 1_000_000
SECONDS_PER_HOUR = 3600


@pytest.mark.parametrize("name", V1)
def test_a_hailuo_video_costs_the_same_in_the_sandbox(name: str) -> None:
    sizes = catalog.VIDEO_MODELS[name].sizes
    assert dict(video_v1.MODELS[name].prices_usd) == {
        size: usd or 0.0 for size, usd in sizes.items()
    }


@pytest.mark.parametrize("name", V2)
def test_an_h3_video_costs_the_same_in_the_sandbox(name: str) -> None:
    model, charged = catalog.VIDEO_MODELS[name], video_v2.MODELS[name]
    assert {
        (size, seconds): round(usd * seconds, 2)
        for size, usd in charged.prices_usd.items()
        for seconds in range(charged.min_seconds, charged.max_seconds + 1)
    } == dict(model.sizes)
    assert dict(charged.reference_prices_usd) == dict(model.reference_video_usd)
    assert (charged.free_images, charged.image_price_usd) == (
        model.free_images,
        model.further_image_usd,
    )


def test_a_video_again_in_2k_costs_the_same_in_the_sandbox() -> None:
    listed = catalog.price_list()["video_again_in_2k"]
    assert listed == {
        "model": video_v2.REGENERATED_MODEL,
        "from": video_v2.REGENERATED_FROM,
        "second": video_v2.REGENERATION_PRICE_USD,
        "second_of_reference_video": video_v2.REGENERATION_PRICE_USD,
        "further_image": video_v2.REGENERATION_IMAGE_PRICE_USD,
    }


@pytest.mark.parametrize("model", catalog.SPEECH_PRICES_USD_PER_MILLION)
def test_speech_costs_the_same_in_the_sandbox(model: str) -> None:
    charged_usd = text_to_audio.compute_price_usd("x" * 1000, model=model) * MILLION / 1000
    assert charged_usd == pytest.approx(catalog.SPEECH_PRICES_USD_PER_MILLION[model])


@pytest.mark.parametrize(
    ("charged_usd", "listed_usd"),
    [
        pytest.param(
            voices._FIRST_USE[voices.CLONED][1], catalog.CLONE_PRICE_USD, id="clone at first use"
        ),
        pytest.param(
            voices._FIRST_USE[voices.DESIGNED][1],
            catalog.DESIGN_PRICE_USD,
            id="design at first use",
        ),
        pytest.param(images.USD_PER_IMAGE, catalog.IMAGE_PRICE_USD, id="image"),
        pytest.param(
            speech_to_text.USD_PER_SECOND * SECONDS_PER_HOUR,
            catalog.TRANSCRIPTION_USD_PER_HOUR,
            id="hour of a transcript",
        ),
        pytest.param(
            voice_design.PREVIEW_USD_PER_CHARACTER * MILLION,
            catalog.DESIGN_PREVIEW_USD_PER_MILLION,
            id="preview of a designed voice",
        ),
    ],
)
def test_what_is_charged_once_costs_the_same_in_the_sandbox(
    charged_usd: float, listed_usd: float
) -> None:
    assert charged_usd == pytest.approx(listed_usd)
