"""Billed requests whose reply is the result: speech, images, designed voices, previews."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from minimax.api import policies
from minimax.api.replies import Reply
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.ledger.records import CHEAP_USD, Kind, Purchase, Record
from minimax.runtime import Runtime
from minimax.spending.buy_once import Accepted, PaidRequest, buy_once
from minimax.spending.consent import Quote, quote_purchase
from minimax.spending.wording import (
    doubt_note,
    estimate_text,
    second_charge_text,
    show_usd,
    still_in_doubt_error,
)
from minimax.validation import is_http_url

__all__ = ["BilledRequest", "buy_result", "keep_link", "quote_result"]

DEADLINE_MARGIN_SECONDS: Final = 10.0
"""Beyond the policy's own deadline, a request that still has no outcome has none."""


@dataclass(frozen=True, kw_only=True)
class BilledRequest:
    """What is made and charged at once.

    Attributes:
        kind: As the ledger names it.
        tool: The MCP tool.
        noun: What is made, at the beginning of a sentence.
        model: MiniMax's model.
        prompt: What the person asked for.
        price_usd: List price, if there is one.
        identity: Everything that makes two requests identical, as JSON.
        send: Sends it once; the reply.
        make_result: Saves what the reply holds; the tool's result without `reused`.
        without_content: The reply as it is kept, without media in it.
        opened: Files that the request reads from.
        doubt_advice: What to add to what is said about a request that has just ended in doubt.
        deadline_seconds: A request that has no outcome after this long has none.
        still_working_text: For a caller that waits no longer.
    """

    kind: Kind
    tool: str
    noun: str
    model: str
    prompt: str | None
    price_usd: float | None
    identity: Mapping[str, Any]
    send: Callable[[], Awaitable[Reply]]
    make_result: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
    without_content: Callable[[dict[str, Any]], dict[str, Any]] = lambda reply: reply
    opened: ExitStack = field(default_factory=ExitStack)
    doubt_advice: Callable[[MiniMaxError], str] = lambda _: ""
    deadline_seconds: float = policies.MAKE.deadline_seconds + DEADLINE_MARGIN_SECONDS
    still_working_text: str = (
        "MiniMax is still working on it; the work continues, and nothing is lost. Call again "
        "with exactly the same arguments: that joins it and is not charged again."
    )


async def buy_result(
    runtime: Runtime,
    request: BilledRequest,
    *,
    second_charge_agreed: bool,
    within_seconds: float | None,
) -> dict[str, Any]:
    """The result, bought now or by an earlier call whose answer was lost; arguments as `buy_once`.

    Raises:
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, now or earlier, and whether it was charged is not known.
        UnansweredError: It takes longer than `within_seconds`; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    replies: list[dict[str, Any]] = []

    async def send() -> Accepted:
        whole = (await request.send()).model_dump(mode="json")
        replies.append(whole)
        return Accepted(reply=request.without_content(dict(whole)))

    async def deliver(accepted: Accepted) -> Mapping[str, Any]:
        reply = replies.pop() if replies else dict(accepted.reply or {})
        return await request.make_result(reply)

    bought = await buy_once(
        runtime,
        PaidRequest(
            purchase=_purchase(runtime, request),
            send=send,
            deliver=deliver,
            is_intact=partial(_are_files_there, runtime),
            opened=request.opened,
            refused_error=lambda record: _refused_error(request, record),
            doubt_error=lambda error, _: _doubt_error(request, error),
            still_working_error=lambda: UnansweredError(
                request.still_working_text, outcome=Outcome.UNKNOWN
            ),
        ),
        second_charge_agreed=second_charge_agreed,
        within_seconds=within_seconds,
    )
    handed_over = (
        "This was made by an earlier call whose answer was lost; it is returned here, and nothing "
        "was bought now. "
    )
    estimate = estimate_text(bought.record.price_usd, sandbox=runtime.settings.sandbox)
    next_step = (
        f"{handed_over if bought.reused else ''}{bought.result['next_step']} {estimate}"
        f"{doubt_note(request.price_usd) if bought.doubt else ''}"
    )
    if runtime.ledger.trouble:
        next_step += f" {runtime.ledger.trouble}"
    return {**bought.result, "reused": bought.reused, "next_step": next_step}


async def quote_result(
    runtime: Runtime, priced: Quote, prepare: Callable[[], Awaitable[BilledRequest]]
) -> Quote | None:
    """The price to put before the person, as `quote_purchase` of what `prepare` makes."""

    async def prepare_purchase() -> Purchase:
        return _purchase(runtime, await prepare())

    return await quote_purchase(runtime, priced, prepare_purchase)


def keep_link(sound: str) -> str:
    """What the ledger keeps of a sound in a reply: its link, but none that comes as hex."""
    return sound if is_http_url(sound) else ""


def _purchase(runtime: Runtime, request: BilledRequest) -> Purchase:
    text = json.dumps([request.kind.value, request.identity], sort_keys=True)
    return Purchase(
        kind=request.kind,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        account=runtime.account,
        model=request.model,
        prompt=request.prompt,
        price_usd=request.price_usd,
        deadline_seconds=request.deadline_seconds,
    )


def _are_files_there(runtime: Runtime, result: Mapping[str, Any]) -> bool:
    """Whether every file that a result names still exists."""
    named = [value for name, value in result.items() if name.endswith(("path", "paths")) and value]
    paths = [path for value in named for path in ([value] if isinstance(value, str) else value)]
    return runtime.results.are_there(paths)


def _refused_error(request: BilledRequest, record: Record) -> MaybeChargedError:
    return still_in_doubt_error(record, what=request.tool)


def _doubt_error(request: BilledRequest, error: MiniMaxError) -> MaybeChargedError:
    price = request.price_usd
    cheap = price is not None and price <= CHEAP_USD
    again = (
        f"Calling again makes it again, for {show_usd(price or 0)} at most."
        if cheap
        else second_charge_text(request.tool)
    )
    return MaybeChargedError.after(
        error,
        f"{request.noun} was requested, and no usable answer came back: MiniMax may have made and "
        f"charged it. It was not repeated. {again}{request.doubt_advice(error)}",
    )
