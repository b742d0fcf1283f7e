"""Pictures: what the API demands of one, measured where its bytes are at hand."""

import io
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

import imagesize

from minimax.sandbox.api_errors import invalid
from minimax.sandbox.checks.data_uris import decoded_data_uri, is_web_address
from minimax.sandbox.units import MB


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class PictureRules:
    """What one endpoint demands of a picture; sides in pixels, aspects as width over height."""

    formats: tuple[str, ...]
    largest_bytes: int
    shortest_side: int = 1
    longest_side: int | None = None
    narrowest_aspect: float = 0.0
    widest_aspect: float = float("inf")


# minimax-api, video v1: under 20 MB, short side over 300 px, aspect 2:5 to 5:2.
V1_PICTURE: Final = PictureRules(
    formats=("jpg", "jpeg", "png", "webp"),
    largest_bytes=20 * MB - 1,
    shortest_side=301,
    narrowest_aspect=0.4,
    widest_aspect=2.5,
)
# minimax-api, video v2: at most 30 MB, sides 256 to 5760 px, aspect 0.4 to 2.5.
V2_PICTURE: Final = PictureRules(
    formats=("jpg", "jpeg", "png", "webp", "heic", "heif"),
    largest_bytes=30 * MB,
    shortest_side=256,
    longest_side=5760,
    narrowest_aspect=0.4,
    widest_aspect=2.5,
)


def check_picture(url: str, *, name: str, rules: PictureRules) -> Size | None:
    """Check the picture that parameter `name` gives; its size, or None for one on the web."""
    if is_web_address(url):
        return None
    media_types = [f"image/{image_format}" for image_format in rules.formats]
    data = decoded_data_uri(
        url, media_types=media_types, largest_bytes=rules.largest_bytes, name=name
    )
    return check_picture_file(io.BytesIO(data), name=name, rules=rules)


def check_picture_file(
    source: BinaryIO, *, name: str, rules: PictureRules, status: int = 200
) -> Size:
    """Measure an open picture against `rules`, and leave it at its start."""
    size = Size(*imagesize.get(source))
    source.seek(0)
    complaint = _complaint(size, rules)
    if complaint:
        raise invalid(f"{name} {complaint}", status=status)
    return size


def _complaint(size: Size, rules: PictureRules) -> str:
    if min(size) <= 0:
        return "is not a picture"
    if min(size) < rules.shortest_side:
        return f"must be at least {rules.shortest_side} px on its short side"
    if rules.longest_side is not None and max(size) > rules.longest_side:
        return f"must be at most {rules.longest_side} px on its long side"
    if not rules.narrowest_aspect <= size.width / size.height <= rules.widest_aspect:
        return "is too narrow or too wide"
    return ""
