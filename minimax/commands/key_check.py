"""Whether MiniMax accepts a key, by one free call."""

import asyncio

from minimax.api.client import MiniMaxClient
from minimax.settings import Settings

__all__ = ["find_accepting_host"]


def find_accepting_host(settings: Settings) -> str:
    """The API host that accepts the key of these settings.

    Raises:
        MiniMaxError: None does, or MiniMax cannot be asked.
    """
    return asyncio.run(_ask(settings))


async def _ask(settings: Settings) -> str:
    client = MiniMaxClient(settings)
    try:
        await client.list_voices("voice_cloning")
        return client.host
    finally:
        await client.aclose()
