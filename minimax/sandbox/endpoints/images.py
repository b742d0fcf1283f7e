"""The image_generation endpoint, which draws sample images in the requested size."""

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

# MiniMax API: POST /v1/image_generation.
MODELS: Final = ("image-01", "image-01-live")
MAX_PROMPT_CHARACTERS: Final = 1500
MAX_IMAGES: Final = 9
MIN_SIDE, MAX_SIDE = 512, 2048  # pixels
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
"""A request whose prompt has this mark has one of its images blocked by moderation."""


class ImageGeneration:
    """The image_generation endpoint."""

    def __init__(self, *, bill: Bill, store: ObjectStore) -> None:
        self._bill = bill
        self._store = store

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/image_generation: one charge per request, for all images that it returns."""
        params = Params(body)
        size = _read_size(params)
        count = params.read_integer("n", default=1, low=1, high=MAX_IMAGES)
        as_links = params.read_choice("response_format", ("url", "base64"), default="url") == "url"
        prompt = _read_prompt(params)
        blocked = 1 if BLOCK_ONE_MARK in prompt else 0
        images = [draw_sunset(size, sun=(i + 1) / (count + 1)) for i in range(count - blocked)]
        request_id = new_trace_id()
        self._bill.charge("image", len(images) * USD_PER_IMAGE, item_id=request_id)
        return {
            "id": request_id,
            "data": self._add_to_store(images) if as_links else _encode_base64(images),
            "metadata": {"success_count": str(len(images)), "failed_count": str(blocked)},
        }

    def _add_to_store(self, images: list[bytes]) -> dict[str, Any]:
        contents = [Content("image/jpeg", data=image) for image in images]
        links = [self._store.add(content, name="image.jpeg") for content in contents]
        return {"image_urls": links}


def _encode_base64(images: list[bytes]) -> dict[str, Any]:
    return {"image_base64": [base64.b64encode(image).decode() for image in images]}


def _read_prompt(params: Params) -> str:
    prompt = params.read_text("prompt", required=True, max_length=MAX_PROMPT_CHARACTERS)
    if params.has("subject_reference"):
        _check_subject(params)
    params.read_integer("seed")
    params.read_flag("prompt_optimizer")
    params.read_flag("aigc_watermark")
    moderate_prompt(prompt)
    return prompt


def _check_subject(params: Params) -> None:
    subject = params.read_single_object("subject_reference")
    subject.read_choice("type", ("character",), required=True)
    url = subject.read_text("image_file", required=True)
    measure_image(url, name="subject_reference[0].image_file", rules=SUBJECT_RULES)


def _read_size(params: Params) -> Size:
    model = params.read_text("model", required=True)
    if model not in MODELS:
        raise invalid_params(f"unsupported model: {model}")
    ratio = params.read_choice("aspect_ratio", SIZES, default="1:1")
    if params.has("width") or params.has("height"):
        size = Size(_read_side(params, "width", model), _read_side(params, "height", model))
        return SIZES[ratio] if params.has("aspect_ratio") else size
    if ratio == "21:9" and model != "image-01":
        raise params.make_refusal("aspect_ratio", f"21:9 is not supported by {model}")
    return SIZES[ratio]


def _read_side(params: Params, name: str, model: str) -> int:
    if model != "image-01":
        raise params.make_refusal(name, f"is not supported by {model}")
    side = params.read_integer(name, required=True, low=MIN_SIDE, high=MAX_SIDE)
    if side % TILE:
        raise params.make_refusal(name, f"must be a multiple of {TILE}")
    return side
