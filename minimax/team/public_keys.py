"""The public keys of an issuer: fetched now and then, by one request at a time.

Whoever sends tokens that nobody signed makes the issuer no requests, and makes nobody wait whose
key is known.
"""

import asyncio
import logging
from typing import Final

import jwt

from minimax.clock import Clock

__all__ = ["PublicKeys"]

KEPT_SECONDS: Final = 600.0
"""How long the keys are used before they are fetched again; a withdrawn key lives as long."""
LONGEST_SECONDS: Final = 3600.0
"""How long they are used while the issuer does not answer."""
PAUSE_SECONDS: Final = 30.0
"""Between two fetches, however many tokens name a key that is not known."""
FETCH_SECONDS: Final = 5.0
NEVER: Final = float("-inf")

log = logging.getLogger(__name__)


class PublicKeys:
    """The keys by their ids.

    Args:
        url: Of the issuer's set of keys (JWKS, RFC 7517).
        clock: The time that keys are kept by.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._set = jwt.PyJWKClient(
            url, cache_keys=False, cache_jwk_set=False, timeout=FETCH_SECONDS
        )
        self._clock = clock or Clock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = NEVER
        self._tried_at = NEVER
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of an id, fetched where it is not known; None where there is none."""
        if self._age_seconds > KEPT_SECONDS or key_id not in self._keys:
            fetching = self._fetch_soon()
            if fetching is not None and self._get(key_id) is None:
                await asyncio.shield(fetching)
        return self._get(key_id)

    @property
    def _age_seconds(self) -> float:
        return self._clock.now() - self._fetched_at

    def _get(self, key_id: str) -> jwt.PyJWK | None:
        return self._keys.get(key_id) if self._age_seconds <= LONGEST_SECONDS else None

    def _fetch_soon(self) -> "asyncio.Task[None] | None":
        """The fetch that is under way, or a new one; None where the last was a moment ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._clock.now() - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = self._clock.now()
        self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            found = await asyncio.to_thread(self._set.get_signing_keys)
        except Exception as error:  # noqa: BLE001 - whatever the issuer sends, known keys stay
            log.warning("The issuer's public keys could not be fetched: %s.", type(error).__name__)
            return
        self._keys = {str(key.key_id): key for key in found}
        self._fetched_at = self._clock.now()
