"""Asks the person to agree to a price, if the host can ask and the price is high enough."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, Field

from minimax.errors import DeclinedError
from minimax.ledger.records import UNPRICED_USD, Purchase, would_buy
from minimax.runtime import Runtime
from minimax.spending.wording import show_usd

__all__ = ["Consent", "PriceAnswer", "Quote", "quote_purchase"]

STOP: Final = "Stop"
BUY_AND_ASK_NO_MORE: Final = "Go on, and do not ask again up to this price"


class PriceAnswer(BaseModel):  # noqa: D101 - a docstring would be shown to the person
    choice: Literal["Stop", "Go on", "Go on, and do not ask again up to this price"] = Field(
        title="May it be bought?"
    )


class Quote(NamedTuple):
    """What a call would buy.

    Attributes:
        what: In the words of the question, like "A video (MiniMax-H3, 768P, 5 s)".
        price_usd: List price; None where MiniMax names none.
    """

    what: str
    price_usd: float | None

    @property
    def counted_usd(self) -> float:
        """What is compared with the person's threshold."""
        return UNPRICED_USD if self.price_usd is None else self.price_usd


class Consent:
    """What the person has agreed to while this server runs."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._agreed_up_to_usd = 0.0
        self._is_host_mute = False
        """The host says that it can ask, and a question was never answered."""

    def must_ask(self, quote: Quote) -> bool:
        """Whether this price is to be put before the person."""
        above_usd = self._runtime.settings.ask_above_usd
        if above_usd is None or self._is_host_mute:
            return False
        agreed = quote.counted_usd <= self._agreed_up_to_usd
        return quote.counted_usd > above_usd and not agreed

    def write_question(self, quote: Quote) -> str:
        """The question; made of the call's arguments alone."""
        if quote.price_usd is None:
            price = "MiniMax names no list price for it"
        else:
            price = f"it costs {show_usd(quote.price_usd)} by MiniMax's list prices"
        sandbox = "Sandbox: nothing is charged here. " if self._runtime.settings.sandbox else ""
        return f"{sandbox}{quote.what}: {price}. May it be bought?"

    def apply_answer(self, answer: BaseModel | None, quote: Quote, *, in_time: bool) -> None:
        """Go on after the answer.

        Raises:
            DeclinedError: The person did not agree, or did not answer; nothing was sent.
        """
        if not in_time:
            self._is_host_mute = True
            raise DeclinedError(
                f"The person was asked whether this may cost {show_usd(quote.counted_usd)}, and "
                "no answer came in time. Nothing was sent. Ask them in the chat, and call again "
                "if they agree; this server will not ask again."
            )
        choice = answer.choice if isinstance(answer, PriceAnswer) else STOP
        if choice == STOP:
            raise DeclinedError(
                "The person was shown the price and did not agree. Nothing was sent. Do not call "
                "this again unless they ask for it."
            )
        if choice == BUY_AND_ASK_NO_MORE:
            self._agreed_up_to_usd = max(self._agreed_up_to_usd, quote.counted_usd)


async def quote_purchase(
    runtime: Runtime, priced: Quote, prepare: Callable[[], Awaitable[Purchase]]
) -> Quote | None:
    """The price to put before the person; None where none has to be agreed to.

    Args:
        runtime: What the calls share.
        priced: What the call would buy.
        prepare: Makes the purchase; awaited only for a price that is worth asking about, since it
            may read files.
    """
    if not runtime.get_shared(Consent).must_ask(priced):
        return None
    earlier = await runtime.ledger.peek(await prepare())
    buys = would_buy(earlier, price_usd=priced.price_usd, second_charge_agreed=True)
    return priced if buys else None
