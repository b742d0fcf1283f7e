"""Voices that speak for the first time: MiniMax then charges a fee for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from minimax.catalog import CLONE_PRICE_USD, DEFAULT_VOICE, DESIGN_PRICE_USD, PRICES_AS_OF
from minimax.errors import MiniMaxError
from minimax.ledger.records import Kind
from minimax.runtime import Runtime

__all__ = ["FirstUse", "KnownVoices", "first_use_text", "sum_fees"]

HIGHER_FEE_USD: Final = max(CLONE_PRICE_USD, DESIGN_PRICE_USD)
FEES_USD: Final[Mapping[Kind, float]] = MappingProxyType(
    {Kind.CLONE_PREVIEW: CLONE_PRICE_USD, Kind.VOICE_DESIGN: DESIGN_PRICE_USD}
)
"""By what was bought when the voice was made; a clone without a preview is no purchase."""
MOST_SEARCHED: Final = 100
"""Of the ledger's newest voices; one that has not spoken within 7 days is deleted."""


@dataclass(frozen=True)
class FirstUse:
    """A voice that speaks for the first time, so that its fee falls due.

    Attributes:
        voice_id: The voice.
        fee_usd: Its fee; None where it is not known how the voice was made.
    """

    voice_id: str
    fee_usd: float | None = None


def sum_fees(first_uses: Sequence[FirstUse]) -> float:
    """Dollars at most."""
    return sum(HIGHER_FEE_USD if use.fee_usd is None else use.fee_usd for use in first_uses)


class KnownVoices:
    """Voices that are known to have spoken, so that nothing falls due for them any more."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._spoken = {DEFAULT_VOICE}
        self._fees: dict[str, float] = {}

    def note_made(self, voice_id: str, fee_usd: float) -> None:
        """This voice was made here, and has this fee when it speaks first."""
        self._fees[voice_id] = fee_usd

    async def find_first_uses(self, voice_ids: Sequence[str]) -> list[FirstUse]:
        """The voices that have not spoken yet.

        MiniMax lists a made voice only from its first use on; one free call tells.
        """
        if self._spoken.issuperset(voice_ids):
            return []
        client = await self._runtime.client()
        try:
            found = await client.list_voices("all")
        except MiniMaxError:
            return []  # the speech itself will say what is wrong
        groups = (*found.system_voice, *found.voice_cloning, *found.voice_generation)
        self._spoken |= {voice.voice_id for voice in groups}
        silent = [voice_id for voice_id in voice_ids if voice_id not in self._spoken]
        if not self._fees.keys() >= set(silent):
            await self._read_fees()
        return [FirstUse(voice_id, self._fees.get(voice_id)) for voice_id in silent]

    async def _read_fees(self) -> None:
        """Those of the voices that the ledger knows, which another process may have made."""
        made = await self._runtime.ledger.newest(MOST_SEARCHED, kinds=tuple(FEES_USD))
        for record in made:  # newest first, so that the newest of a name counts
            voice_id = (record.result or {}).get("voice_id")
            if voice_id:
                self._fees.setdefault(voice_id, FEES_USD[record.kind])

    def note_speech(self, voice_ids: Sequence[str]) -> None:
        """These voices have spoken."""
        self._spoken.update(voice_ids)


def first_use_text(first_uses: Sequence[FirstUse], *, sandbox: bool) -> str:
    """What a result says about the fees of voices that have just spoken first; may be empty."""
    if not first_uses or sandbox:
        return ""
    [known, *others] = {use.fee_usd for use in first_uses}
    prices = (
        f"${CLONE_PRICE_USD:.2f} for a clone or ${DESIGN_PRICE_USD:.2f} for a designed voice"
        if known is None or others
        else f"${known:.2f}"
    ) + f" (list price, {PRICES_AS_OF})"
    if len(first_uses) == 1:
        return (
            f" This voice has spoken for the first time: MiniMax now charges its fee, {prices}, "
            "and keeps it from now on."
        )
    return (
        f" {len(first_uses)} voices have spoken for the first time: MiniMax now charges a fee for "
        f"each, {prices}, and keeps them from now on."
    )
