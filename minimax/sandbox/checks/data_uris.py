"""Where a medium can lie: on the web, which the sandbox never looks at, or in the request."""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from minimax.sandbox.api_errors import invalid

_WEB_PREFIXES: Final = ("https://", "http://")


def is_web_address(url: str) -> bool:
    """Whether `url` is accepted unseen; the sandbox sends nothing out."""
    return url.startswith(_WEB_PREFIXES)


def decoded_data_uri(
    url: str, *, media_types: Sequence[str], largest_bytes: int, name: str
) -> bytes:
    """The bytes that the data URI in parameter `name` holds."""
    prefixes = [f"data:{media_type};base64," for media_type in media_types]
    prefix = next((prefix for prefix in prefixes if url.startswith(prefix)), None)
    if prefix is None:
        raise invalid(f"{name} must be a URL or a data URI of {', '.join(media_types)}")
    try:
        data = base64.b64decode(url[len(prefix) :], validate=True)
    except binascii.Error:
        raise invalid(f"{name} is not valid base64") from None
    if len(data) > largest_bytes:
        raise invalid(f"{name} is larger than {largest_bytes} bytes")
    return data
