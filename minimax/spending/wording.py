"""Sentences about money, each in one place."""

import datetime

from minimax.audience import pick_text
from minimax.catalog import PRICES_AS_OF
from minimax.errors import MaybeChargedError, Outcome, SpendingLimitError
from minimax.ledger.records import Beginning, Purchase, Record
from minimax.settings import own_command

__all__ = [
    "doubt_note",
    "estimate_text",
    "limit_error",
    "not_again_text",
    "second_charge_text",
    "show_usd",
    "still_in_doubt_error",
    "unused_voice_text",
]

CENTS_FROM_USD = 0.095
"""Smaller amounts are shown with four decimals; two would round an image to nothing."""


def show_usd(usd: float) -> str:
    """An amount of dollars as people write it."""
    return f"${usd:.2f}" if usd >= CENTS_FROM_USD or not usd else f"${usd:.4f}"


def estimate_text(price_usd: float | None, *, sandbox: bool = False) -> str:
    """The sentence about the price in every paid result."""
    if sandbox:
        at_minimax = "" if price_usd is None else f" At MiniMax: {show_usd(price_usd)}."
        return f"Nothing is charged here.{at_minimax}"
    if price_usd is None:
        return "MiniMax names no list price for this model."
    return f"List price: {show_usd(price_usd)} ({PRICES_AS_OF})."


def unused_voice_text(fee_usd: float, *, sandbox: bool) -> str:
    """What becomes of a new voice, and what it costs to use it."""
    if sandbox:
        return (
            "It lasts as long as this sandbox, for nothing. MiniMax would delete it unless it "
            f"speaks within 7 days, and charge {show_usd(fee_usd)} when it first speaks."
        )
    return (
        f"MiniMax deletes it unless it speaks within 7 days, charges {show_usd(fee_usd)} (list "
        f"price, {PRICES_AS_OF}) when it first speaks, and lists it only from then on."
    )


def limit_error(
    beginning: Beginning,
    purchase: Purchase,
    *,
    limit_usd: float,
    sandbox: bool = False,
    team: bool = False,
) -> SpendingLimitError:
    """What a purchase beyond the daily limit is told."""
    error = _limit_error(beginning, purchase, limit_usd=limit_usd, team=team)
    if not sandbox:
        return error
    return SpendingLimitError(
        f"Sandbox: nothing is charged here, and the limit counts MiniMax's list prices. {error}"
    )


def _limit_error(
    beginning: Beginning, purchase: Purchase, *, limit_usd: float, team: bool
) -> SpendingLimitError:
    if not limit_usd and team:
        return SpendingLimitError(
            "Nothing was sent: this account may buy nothing. Only whoever runs this server can "
            "change that."
        )
    if not limit_usd:
        return SpendingLimitError(
            "Nothing was sent: MINIMAX_MCP_DAILY_LIMIT_USD is 0, so nothing may be bought."
            + pick_text(
                chat=" Only the person can change that setting, in the host's configuration.",
                program=f" {_who_raises_limit(team=team)}",
            )
        )
    spending = beginning.spending
    if not spending.is_known:
        return SpendingLimitError(
            "Nothing was sent: there is a daily limit, and what was spent is not known, because "
            "the ledger on this computer cannot be used at the moment. Call again in a minute; "
            f"if that does not help, run: {own_command('check')}"
        )
    room = spending.room_in_seconds
    when = (
        "It would not fit even if nothing had been spent."
        if room is None
        else f"There is room again in {_duration(room)}."
    )
    return SpendingLimitError(
        f"Nothing was sent: this would cost {show_usd(purchase.counted_usd)}, and "
        f"{show_usd(spending.spent_usd)} of the daily limit of {show_usd(limit_usd)} were spent "
        f"in the last 24 hours. {when} {_who_raises_limit(team=team)}"
    )


def _who_raises_limit(*, team: bool) -> str:
    if team:
        return "Only whoever runs this server can raise the limit."
    return pick_text(
        chat="Only the person can raise the limit: MINIMAX_MCP_DAILY_LIMIT_USD in the host's "
        "configuration.",
        program="The limit is set with MINIMAX_MCP_DAILY_LIMIT_USD, or daily_limit_usd of "
        "MiniMax().",
    )


def still_in_doubt_error(record: Record, *, what: str, look: str = "") -> MaybeChargedError:
    """For a request whose earlier attempt ended in doubt.

    Args:
        record: The earlier attempt.
        what: The tool, as it is called.
        look: Where its result can probably be found.
    """
    when = datetime.datetime.fromtimestamp(record.created_at, datetime.UTC)
    return MaybeChargedError(
        f"An identical request of {when:%Y-%m-%d %H:%M} UTC ended in doubt: MiniMax may have "
        f"accepted and charged it, so it is not sent again.{look} {second_charge_text(what)}",
        outcome=Outcome.UNKNOWN,
        task_id=record.task_id,
    )


def not_again_text(tool: str, what: str, *, look: str = "") -> str:
    """Goes on after "It was not sent again", about a request that has just ended in doubt.

    Args:
        tool: As it is called.
        what: The request, like "this video".
        look: Where its result can probably be found.
    """
    return pick_text(
        chat=f", and must not be: do not call {tool} again for {what}.{look} Tell the person, who "
        "can look at the usage page of the MiniMax platform. Only if they agree that it may be "
        "paid for twice, call again with allow_second_charge=true.",
        program=f".{look} {second_charge_text(tool)}",
    )


def second_charge_text(tool: str) -> str:
    """Who decides whether a request in doubt may be paid for twice, and how it is sent then."""
    return pick_text(
        chat="Ask the person, who can look at the usage page of the MiniMax platform. Only if "
        f"they agree in this chat that it may be paid for twice, call {tool} again with "
        "allow_second_charge=true.",
        program="The usage page of the MiniMax platform tells whether it was charged. "
        f"{tool}(..., allow_second_charge=True) sends it again, and may be paid for twice.",
    )


def doubt_note(price_usd: float | None) -> str:
    """What a result says where an earlier attempt may have been charged as well."""
    amount = "" if price_usd is None else f" (about {show_usd(price_usd)})"
    return (
        " An earlier attempt at the same request ended in doubt and may have been charged as "
        f"well{amount}."
    )


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60) + 1
    return f"{minutes} minutes" if minutes < 120 else f"about {round(minutes / 60)} hours"  # noqa: PLR2004
