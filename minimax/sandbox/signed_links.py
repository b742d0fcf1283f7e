"""The download side: signed links that expire, as the object store behind MiniMax gives them."""

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
class Link:
    """Something that can be downloaded; it becomes a signed URL when an answer is written."""

    path: str


class Denied(Exception):  # noqa: N818 - an answer of the store, not an error of the sandbox
    """A download that the object store refuses, in its own words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)


class Downloads:
    """What is on offer, and the only door to it: a signature that is good and not too old."""

    def __init__(self, *, clock: Clock, link_seconds: float) -> None:
        self._clock = clock
        self._link_seconds = link_seconds
        self._secret = secrets.token_bytes(32)
        self._offers: BoundedDict[str, Content] = BoundedDict()

    def offer(self, content: Content, *, name: str) -> Link:
        """Put `content` up under a path of its own that ends in `name`."""
        path = f"{PREFIX}{secrets.token_hex(8)}/{name}"
        self._offers[path] = content
        return Link(path)

    def signed_url(self, link: Link, *, base_url: str) -> str:
        """A fresh URL for `link`, good for the sandbox's `link_seconds` from now."""
        expires = str(math.ceil(self._clock.now() + self._link_seconds))
        signature = self._sign(link.path, expires)
        query = {"Expires": expires, "OSSAccessKeyId": "sandbox", "Signature": signature}
        return f"{base_url.rstrip('/')}{link.path}?{urlencode(query)}"

    def open(self, path: str, *, expires: str, signature: str) -> Content:
        """What lies under `path`; refused without a good signature or after its time."""
        if not hmac.compare_digest(self._sign(path, expires).encode(), signature.encode()):
            raise Denied(403, "SignatureDoesNotMatch", "The signature does not match.")
        if self._clock.now() > int(expires):
            raise Denied(403, "AccessDenied", "Request has expired.")
        if path not in self._offers:
            raise Denied(404, "NoSuchKey", "The specified key does not exist.")
        return self._offers[path]

    def _sign(self, path: str, expires: str) -> str:
        # Base64, not hex: its +, / and = catch a client that encodes a link a second time.
        digest = hmac.digest(self._secret, f"{path}\n{expires}".encode(), "sha1")
        return base64.b64encode(digest).decode()
