"""Checks the size and shape of input images, where their bytes are in the request."""

import io
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

import imagesize

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.checks.data_uris import decode_data_uri, is_web_url
from minimax.sandbox.units import MB


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class ImageRules:
    """The requirements of one endpoint; sides in pixels, aspects as width over height."""

    formats: tuple[str, ...]
    max_bytes: int
    min_side: int = 1
    max_side: int | None = None
    min_aspect: float = 0.0
    max_aspect: float = float("inf")


# MiniMax API, video v1: under 20 MB, short side over 300 px, aspect 2:5 to 5:2.
V1_IMAGE: Final = ImageRules(
    formats=("jpg", "jpeg", "png", "webp"),
    max_bytes=20 * MB - 1,
    min_side=301,
    min_aspect=0.4,
    max_aspect=2.5,
)
# MiniMax API, video v2: at most 30 MB, sides 256 to 5760 px, aspect 0.4 to 2.5.
V2_IMAGE: Final = ImageRules(
    formats=("jpg", "jpeg", "png", "webp", "heic", "heif"),
    max_bytes=30 * MB,
    min_side=256,
    max_side=5760,
    min_aspect=0.4,
    max_aspect=2.5,
)


def measure_image(url: str, *, name: str, rules: ImageRules) -> Size | None:
    """Check the image in parameter `name`; return its size, or None for a web URL."""
    if is_web_url(url):
        return None
    media_types = [f"image/{image_format}" for image_format in rules.formats]
    data = decode_data_uri(url, media_types=media_types, max_bytes=rules.max_bytes, name=name)
    return measure_image_file(io.BytesIO(data), name=name, rules=rules)


def measure_image_file(
    source: BinaryIO, *, name: str, rules: ImageRules, status: int | None = None
) -> Size:
    """Check an open image file against `rules`, rewind it, and return its size."""
    size = Size(*imagesize.get(source))
    source.seek(0)
    violation = _find_violation(size, rules)
    if violation:
        raise invalid_params(f"{name} {violation}", status=status)
    return size


def _find_violation(size: Size, rules: ImageRules) -> str:
    if min(size) <= 0:
        return "is not a picture"
    if min(size) < rules.min_side:
        return f"must be at least {rules.min_side} px on its short side"
    if rules.max_side is not None and max(size) > rules.max_side:
        return f"must be at most {rules.max_side} px on its long side"
    if not rules.min_aspect <= size.width / size.height <= rules.max_aspect:
        return "is too narrow or too wide"
    return ""
