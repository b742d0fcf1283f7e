"""The content policies that hosts make of what the player's page declares.

Each is what a host of that name was seen to send (or to lack); `declared` is `resourceDomains`.
"""

from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["POLICIES", "feeds"]

Policy = Callable[[Sequence[str]], str]

_CLOSED: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
)


def _hosts(declared: Sequence[str]) -> str:
    """What is left where entries that name only a scheme are dropped."""
    return " ".join(entry for entry in declared if "//" in entry)


def _media(sources: str) -> str:
    return f"{_CLOSED}img-src {sources}; media-src {sources}; connect-src 'none'"


POLICIES: Final[dict[str, Policy]] = {
    "SEP-1865's own, also LibreChat": lambda declared: _media(f"'self' data: {_hosts(declared)}"),
    "Inspector": lambda declared: _media(" ".join(declared) or "'none'"),
    "VS Code": lambda declared: _media(f"'self' data: {' '.join(declared)}"),
    "Claude": lambda declared: _media(f"'self' data: blob: {_hosts(declared)}"),
    "Goose": lambda declared: _media(f"'self' data: blob: {' '.join(declared)}"),
    "no media": lambda declared: f"{_CLOSED}img-src data:; media-src 'none'",
}


def feeds(name: str) -> str | None:
    """Which kind of address plays media under a policy."""
    return {"SEP-1865's own, also LibreChat": "data", "no media": None}.get(name, "blob")
