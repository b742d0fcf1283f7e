"""The object store behind MiniMax's download URLs: signed links that expire."""

import base64
import hmac
import math
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.clock import Clock
from minimax.sandbox.media.samples import Content

PREFIX: Final = "/download/"


@dataclass(frozen=True)
class StoreLink:
    """Content in the store; a response contains it as a freshly signed URL.

    `link_seconds` is how long such a URL is valid, if not as long as others.
    """

    path: str
    link_seconds: float | None = None


class StoreRefusal(Exception):  # noqa: N818 - a response of the store, not an error of the sandbox
    """A download that the store refuses, with the store's own error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


class ObjectStore:
    """Downloadable content; access needs a valid signature that has not expired."""

    def __init__(self, *, clock: Clock, link_seconds: float) -> None:
        self._clock = clock
        self._link_seconds = link_seconds
        self._secret = secrets.token_bytes(32)
        self._contents: BoundedDict[str, Content] = BoundedDict()

    def add(self, content: Content, *, name: str, link_seconds: float | None = None) -> StoreLink:
        """Store `content` under a new path that ends in `name`."""
        path = f"{PREFIX}{secrets.token_hex(8)}/{name}"
        self._contents[path] = content
        return StoreLink(path, link_seconds)

    def sign_url(self, link: StoreLink, *, base_url: str) -> str:
        """Return a URL for `link` that is valid for `link_seconds` from now."""
        seconds = self._link_seconds if link.link_seconds is None else link.link_seconds
        expires = str(math.ceil(self._clock.now() + seconds))
        signature = self._sign(link.path, expires)
        query = {"Expires": expires, "OSSAccessKeyId": "sandbox", "Signature": signature}
        return f"{base_url.rstrip('/')}{link.path}?{urlencode(query)}"

    def open(self, path: str, *, expires: str, signature: str) -> Content:
        """Return the content at `path`; refuse a wrong signature and an expired link."""
        if not hmac.compare_digest(self._sign(path, expires).encode(), signature.encode()):
            raise StoreRefusal(403, "SignatureDoesNotMatch", "The signature does not match.")
        if self._clock.now() > int(expires):
            raise StoreRefusal(403, "AccessDenied", "Request has expired.")
        if path not in self._contents:
            raise StoreRefusal(404, "NoSuchKey", "The specified key does not exist.")
        return self._contents[path]

    def _sign(self, path: str, expires: str) -> str:
        # Base64 rather than hex: its +, / and = expose clients that percent-encode a URL twice.
        digest = hmac.digest(self._secret, f"{path}\n{expires}".encode(), "sha1")
        return base64.b64encode(digest).decode()
