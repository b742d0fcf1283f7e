"""A paid request is bought once, whatever happens to the call, the connection or the process.

The ledger decides, before anything is sent, whether it is to be bought, joined, handed over or
refused. The request then runs as work that outlives its call, and its result is written down
before anybody is told.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.ledger.records import Beginning, Decision, Purchase, Record, State
from minimax.runtime import Runtime, mark_sending
from minimax.spending.wording import limit_error

__all__ = ["Accepted", "Bought", "PaidRequest", "buy_once", "remaining_seconds"]

OTHER_PROCESS_PAUSE_SECONDS: Final = 0.5
"""Between looks at a request that another process of this user is making."""

log = logging.getLogger(__name__)


class Accepted(NamedTuple):
    """What MiniMax answered: a job's id, or a reply that holds or links to the result."""

    task_id: str | None = None
    reply: Mapping[str, Any] | None = None


async def find_nothing(_: Record) -> str | None:
    """For requests that cannot be found again at MiniMax."""
    return None


async def assume_ours(_: Record) -> bool:
    """For results that can be handed over whichever key they were bought with."""
    return True


@dataclass(frozen=True, kw_only=True)
class PaidRequest:
    """What is to be bought, how it is sent, and what a caller is told.

    Attributes:
        purchase: As the ledger writes it down.
        send: Sends it once.
        deliver: Makes the result of what MiniMax answered, like saved files; a result that cannot
            be saved is still a result.
        is_intact: Whether what an earlier result names is still there.
        opened: Files that the request reads from; closed when it has been sent.
        find_again: The job that a request in doubt has probably become, if one can be found.
        is_ours: Whether a purchase of another key belongs to the account of this one.
        refused_error: For a request that is in doubt since an earlier call.
        doubt_error: For a request that has just ended in doubt.
        still_working_error: For work that takes longer than the caller waits.
    """

    purchase: Purchase
    send: Callable[[], Awaitable[Accepted]]
    deliver: Callable[[Accepted], Awaitable[Mapping[str, Any]]]
    is_intact: Callable[[Mapping[str, Any]], bool]
    opened: ExitStack = field(default_factory=ExitStack)
    find_again: Callable[[Record], Awaitable[str | None]] = find_nothing
    is_ours: Callable[[Record], Awaitable[bool]] = assume_ours
    refused_error: Callable[[Record], MaybeChargedError]
    doubt_error: Callable[[MiniMaxError, str | None], MaybeChargedError]
    still_working_error: Callable[[], UnansweredError]


class Bought(NamedTuple):
    """What was bought or handed over.

    Attributes:
        record: Its row.
        task_id: Of a job.
        result: What `deliver` made of it.
        reused: An earlier call had bought it already.
        doubt: An earlier attempt may have been charged as well.
    """

    record: Record
    task_id: str | None
    result: Mapping[str, Any]
    reused: bool
    doubt: bool


def remaining_seconds(within_seconds: float | None, passed_seconds: float) -> float | None:
    """What is left of a limit."""
    return None if within_seconds is None else max(0.0, within_seconds - passed_seconds)


async def buy_once(
    runtime: Runtime,
    wanted: PaidRequest,
    *,
    second_charge_agreed: bool,
    within_seconds: float | None,
) -> Bought:
    """Buy it, join it, or hand over what was bought before.

    Args:
        runtime: What the calls share.
        wanted: What is to be bought.
        second_charge_agreed: Buy although an earlier identical attempt ended in doubt.
        within_seconds: Answer after this long at the latest; what was begun goes on.

    Raises:
        SpendingLimitError: It would exceed the daily limit; nothing was sent.
        MaybeChargedError: It was sent, now or earlier, and whether it was accepted is not known.
        UnansweredError: It is still under way; an identical call joins it.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    caller = _Caller(runtime, wanted.purchase)
    try:
        async with asyncio.timeout(within_seconds):
            beginning = await _decide(runtime, wanted, caller, second_charge_agreed)
            record = _check_decision(runtime, wanted, beginning)
            accepted, result = await _obtain(runtime, wanted, record)
    except TimeoutError:
        await caller.leave()
        raise wanted.still_working_error() from None
    except asyncio.CancelledError:
        caller.is_cancelled = True
        await caller.leave()
        raise
    if not runtime.host_listens():
        await caller.leave()
        raise wanted.still_working_error()
    await _receive_answer(runtime, record.key)
    return Bought(
        record=record,
        task_id=accepted.task_id,
        result=result,
        reused=beginning.decision is not Decision.BUY,
        doubt=beginning.doubt and not second_charge_agreed,
    )


class _Caller:
    """The call that waits; it may be gone while the ledger still decides."""

    def __init__(self, runtime: Runtime, purchase: Purchase) -> None:
        self._runtime = runtime
        self._purchase = purchase
        self.key: str | None = None
        self.is_gone = False
        self.is_cancelled = False

    async def leave(self) -> None:
        """The purchase stays for the next identical request, and on stderr."""
        self.is_gone = True
        if self.key is not None:
            await leave_purchase(self._runtime, self.key, self._purchase)


async def _receive_answer(runtime: Runtime, key: str) -> None:
    """This call is answered with a purchase; in plain Python the answer has arrived by that."""
    if runtime.call is not None:
        await runtime.deliveries.answer(runtime.call.id, key)
        return
    try:
        await runtime.ledger.mark_received([key])
    except asyncio.CancelledError:
        await runtime.ledger.take_back(key)
        raise


async def leave_purchase(runtime: Runtime, key: str, purchase: Purchase) -> None:
    """Nobody waits for this purchase any more."""
    task = runtime.background.task(_work_key(runtime, key))
    if task is not None:
        task.add_done_callback(partial(_log_late_acceptance, purchase))
    await runtime.ledger.abandon(key)


def _work_key(runtime: Runtime, key: str) -> Hashable:
    return runtime.work_key("purchase", key)


# --- deciding ----------------------------------------------------------------------------------


async def _decide(
    runtime: Runtime,
    wanted: PaidRequest,
    caller: _Caller,
    second_charge_agreed: bool,  # noqa: FBT001 - an internal step
) -> Beginning:
    """Decide and start, as one act: a cancelled call leaves no row that is never sent.

    The files of the request go with it, since a caller that is gone closes its own.
    """
    act = _decide_and_start(runtime, wanted, caller, second_charge_agreed, wanted.opened.pop_all())
    return await asyncio.shield(asyncio.ensure_future(act))


async def _decide_and_start(
    runtime: Runtime,
    wanted: PaidRequest,
    caller: _Caller,
    second_charge_agreed: bool,  # noqa: FBT001 - an internal step
    opened: ExitStack,
) -> Beginning:
    one_by_one = runtime.get_shared(_Decisions).lock(wanted.purchase.fingerprint)
    with opened:
        async with one_by_one:
            return await _decide_alone(runtime, wanted, caller, second_charge_agreed, opened)


class _Decisions:
    """Identical requests are decided on one by one.

    A caller that leaves meanwhile has left before the next one asks whether somebody waits.
    """

    def __init__(self, _: Runtime) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, fingerprint: str) -> asyncio.Lock:
        return self._locks.setdefault(fingerprint, asyncio.Lock())


async def _decide_alone(
    runtime: Runtime,
    wanted: PaidRequest,
    caller: _Caller,
    second_charge_agreed: bool,  # noqa: FBT001 - an internal step
    opened: ExitStack,
) -> Beginning:
    beginning = await _begin_with_ours(runtime, wanted, second_charge_agreed)
    record = beginning.record
    if record is None or beginning.decision is Decision.REFUSE:
        return beginning
    if beginning.decision is Decision.BUY:
        if caller.is_cancelled:  # nothing has been sent, and nobody would hear of it
            await runtime.ledger.mark_ended(record.key, State.REJECTED)
            return beginning
        runtime.background.start(
            _work_key(runtime, record.key),
            partial(_send_and_deliver, runtime, wanted, record, opened.pop_all()),
            paid=True,
        )
    # From here on the caller can leave it by itself; one that has gone already could not.
    caller.key = record.key
    if caller.is_gone:
        await leave_purchase(runtime, record.key, wanted.purchase)
    return beginning


async def _begin_with_ours(
    runtime: Runtime,
    wanted: PaidRequest,
    second_charge_agreed: bool,  # noqa: FBT001 - an internal step
) -> Beginning:
    """The ledger's decision, with purchases of other accounts left out."""
    ignoring: list[str] = []
    while True:
        beginning = await runtime.ledger.begin(
            wanted.purchase,
            second_charge_agreed=second_charge_agreed,
            limit_usd=runtime.settings.daily_limit_usd,
            ignoring=ignoring,
        )
        record = beginning.record
        if beginning.decision is not Decision.HAND_OVER or record is None:
            return beginning
        if await _can_be_handed_over(runtime, wanted, record):
            return beginning
        await runtime.ledger.abandon(record.key)
        ignoring.append(record.key)


async def _can_be_handed_over(runtime: Runtime, wanted: PaidRequest, record: Record) -> bool:
    """Whether there is something to hand over, and it belongs to this account."""
    if runtime.is_of_earlier_sandbox(record.created_at):
        return False
    if record.result is not None and wanted.is_intact(record.result):
        return True
    if record.task_id is None and record.reply is None:
        return False
    same_key = record.account in (None, wanted.purchase.account)
    return same_key or await wanted.is_ours(record)


def _check_decision(runtime: Runtime, wanted: PaidRequest, beginning: Beginning) -> Record:
    if beginning.decision is Decision.OVER_LIMIT or beginning.record is None:
        raise limit_error(
            beginning,
            wanted.purchase,
            limit_usd=runtime.settings.daily_limit_usd or 0.0,
            sandbox=runtime.settings.sandbox,
            team=runtime.settings.team,
        )
    if beginning.decision is Decision.REFUSE:
        raise wanted.refused_error(beginning.record)
    return beginning.record


# --- sending and delivering --------------------------------------------------------------------

Obtained = tuple[Accepted, Mapping[str, Any]]


async def _send_and_deliver(
    runtime: Runtime, wanted: PaidRequest, record: Record, opened: ExitStack
) -> Obtained:
    ledger = runtime.ledger
    with opened:
        try:
            with mark_sending(record.key):
                accepted = await wanted.send()
        except MiniMaxError as error:
            if error.outcome is not Outcome.UNKNOWN:
                await ledger.mark_ended(record.key, State.REJECTED)
                raise
            await ledger.mark_ended(record.key, State.UNKNOWN)
            probable = await wanted.find_again(record)
            raise wanted.doubt_error(error, probable) from None
        except BaseException:
            await ledger.mark_ended(record.key, State.UNKNOWN)
            raise
    await ledger.mark_accepted(record.key, task_id=accepted.task_id, reply=accepted.reply)
    return await _deliver(runtime, wanted, record.key, accepted)


async def _deliver(runtime: Runtime, wanted: PaidRequest, key: str, accepted: Accepted) -> Obtained:
    result = await wanted.deliver(accepted)
    if result:
        await runtime.ledger.record_result(key, result)
    return accepted, result


async def _obtain(runtime: Runtime, wanted: PaidRequest, record: Record) -> Obtained:
    """What was bought, waited for where it is under way, here or in another process."""
    key = _work_key(runtime, record.key)
    if runtime.background.task(key) is None:
        record = await _wait_for_other_process(runtime, wanted, record)
        accepted = Accepted(record.task_id, record.reply)
        if record.result is not None and wanted.is_intact(record.result):
            return accepted, record.result
        runtime.background.start(
            key, partial(_deliver, runtime, wanted, record.key, accepted), paid=True
        )
    obtained: Obtained = await runtime.background.join(key, within_seconds=None)
    return obtained


async def _wait_for_other_process(runtime: Runtime, wanted: PaidRequest, record: Record) -> Record:
    now: Record | None = record
    while now is not None and _is_under_way_elsewhere(now):
        await runtime.clock.sleep(OTHER_PROCESS_PAUSE_SECONDS)
        now = await runtime.ledger.reload(record.key)
    if now is not None and now.state is State.ACCEPTED:
        return now
    if now is None or now.state is State.UNKNOWN:
        raise wanted.refused_error(now or record)
    raise UnansweredError(
        "An identical request of another process was refused by MiniMax; nothing was charged. "
        "Call again to see why.",
        outcome=Outcome.REJECTED,
    )


def _is_under_way_elsewhere(record: Record) -> bool:
    if record.state is State.SUBMITTING:
        return True
    delivering = record.reply is not None and record.result is None
    return record.state is State.ACCEPTED and delivering and record.sender_lives


def _log_late_acceptance(purchase: Purchase, task: "asyncio.Task[Obtained]") -> None:
    """Say what was bought for nobody; what was asked for is not for a log."""
    if not task.cancelled() and task.exception() is None:
        accepted, _ = task.result()
        job = f", task_id {accepted.task_id}" if accepted.task_id else ""
        log.warning(
            "A paid request (%s with %s%s) was accepted after its caller had gone. The next "
            "identical call gets it.",
            purchase.kind.value.replace("_", " "),
            purchase.model,
            job,
        )
