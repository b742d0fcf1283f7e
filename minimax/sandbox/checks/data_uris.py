"""Media in a request: a data URI is decoded, a web URL is accepted but never fetched."""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from minimax.sandbox.api_errors import invalid_params

_WEB_PREFIXES: Final = ("https://", "http://")


def is_web_url(url: str) -> bool:
    """Return whether `url` is on the web; the sandbox never fetches such URLs."""
    return url.startswith(_WEB_PREFIXES)


def decode_data_uri(url: str, *, media_types: Sequence[str], max_bytes: int, name: str) -> bytes:
    """Return the bytes of the data URI in parameter `name`."""
    prefixes = [f"data:{media_type};base64," for media_type in media_types]
    prefix = next((prefix for prefix in prefixes if url.startswith(prefix)), None)
    if prefix is None:
        raise invalid_params(f"{name} must be a URL or a data URI of {', '.join(media_types)}")
    try:
        data = base64.b64decode(url[len(prefix) :], validate=True)
    except binascii.Error:
        raise invalid_params(f"{name} is not valid base64") from None
    if len(data) > max_bytes:
        raise invalid_params(f"{name} is larger than {max_bytes} bytes")
    return data
