"""Images: the rules of an order, and pictures painted on the spot in the size it asks for."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.billing import Bill
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import ImageRules, Size, measure_image
from minimax.sandbox.ids import new_trace_id
from minimax.sandbox.media.samples import Content
from minimax.sandbox.media.sunset import TILE, draw_sunset
from minimax.sandbox.scenarios import moderate_prompt
from minimax.sandbox.signed_links import ObjectStore
from minimax.sandbox.units import MB

# minimax-api: POST /v1/image_generation.
MODELS: Final = ("image-01", "image-01-live")
LARGEST_PROMPT_CHARACTERS: Final = 1500
MOST_IMAGES: Final = 9
SHORTEST_SIDE, LONGEST_SIDE = 512, 2048  # pixels
USD_PER_IMAGE: Final = 0.0035
SIZES: Final = {
    "1:1": Size(1024, 1024),
    "16:9": Size(1280, 720),
    "4:3": Size(1152, 864),
    "3:2": Size(1248, 832),
    "2:3": Size(832, 1248),
    "3:4": Size(864, 1152),
    "9:16": Size(720, 1280),
    "21:9": Size(1344, 576),
}
SUBJECT_RULES: Final = ImageRules(formats=("jpg", "jpeg", "png"), max_bytes=10 * MB - 1)

BLOCK_ONE_MARK: Final = "[block one]"
"""A prompt with this mark has one of its pictures blocked by moderation."""


class Images:
    """The image_generation endpoint."""

    def __init__(self, *, bill: Bill, store: ObjectStore) -> None:
        self._bill = bill
        self._store = store

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/image_generation. An order is one charge, whatever the number of pictures."""
        params = Params(body)
        size = _checked_size(params)
        wanted = params.read_integer("n", default=1, low=1, high=MOST_IMAGES)
        as_links = params.read_choice("response_format", ("url", "base64"), default="url") == "url"
        prompt = _checked_prompt(params)
        blocked = 1 if BLOCK_ONE_MARK in prompt else 0
        pictures = [draw_sunset(size, sun=(i + 1) / (wanted + 1)) for i in range(wanted - blocked)]
        request_id = new_trace_id()
        self._bill.charge("image", len(pictures) * USD_PER_IMAGE, item_id=request_id)
        return {
            "id": request_id,
            "data": self._links(pictures) if as_links else _encoded(pictures),
            "metadata": {"success_count": str(len(pictures)), "failed_count": str(blocked)},
        }

    def _links(self, pictures: list[bytes]) -> dict[str, Any]:
        contents = [Content("image/jpeg", data=picture) for picture in pictures]
        offers = [self._store.add(content, name="image.jpeg") for content in contents]
        return {"image_urls": offers}


def _encoded(pictures: list[bytes]) -> dict[str, Any]:
    return {"image_base64": [base64.b64encode(picture).decode() for picture in pictures]}


def _checked_prompt(params: Params) -> str:
    prompt = params.read_text("prompt", required=True, max_length=LARGEST_PROMPT_CHARACTERS)
    if params.has("subject_reference"):
        _check_subject(params)
    params.read_integer("seed")
    params.read_flag("prompt_optimizer")
    params.read_flag("aigc_watermark")
    moderate_prompt(prompt)
    return prompt


def _check_subject(params: Params) -> None:
    subject = params.read_only_object("subject_reference")
    subject.read_choice("type", ("character",), required=True)
    url = subject.read_text("image_file", required=True)
    measure_image(url, name="subject_reference[0].image_file", rules=SUBJECT_RULES)


def _checked_size(params: Params) -> Size:
    model = params.read_text("model", required=True)
    if model not in MODELS:
        raise invalid_params(f"unsupported model: {model}")
    ratio = params.read_choice("aspect_ratio", SIZES, default="1:1")
    if params.has("width") or params.has("height"):
        size = Size(_checked_side(params, "width", model), _checked_side(params, "height", model))
        return SIZES[ratio] if params.has("aspect_ratio") else size
    if ratio == "21:9" and model != "image-01":
        raise params.make_refusal("aspect_ratio", f"21:9 is not supported by {model}")
    return SIZES[ratio]


def _checked_side(params: Params, name: str, model: str) -> int:
    if model != "image-01":
        raise params.make_refusal(name, f"is not supported by {model}")
    side = params.read_integer(name, required=True, low=SHORTEST_SIDE, high=LONGEST_SIDE)
    if side % TILE:
        raise params.make_refusal(name, f"must be a multiple of {TILE}")
    return side
