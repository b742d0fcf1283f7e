"""What every ledger has to do, whatever engine it is kept in.

An engine is run through it by a module with a subclass of `LedgerSuite` and a fixture `store` that
yields a `Store`.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from minimax.ledger.base import Ledger
from minimax.ledger.clock import LedgerClock
from minimax.ledger.records import (
    CHEAP_USD,
    KEPT_SECONDS,
    LIMIT_WINDOW_SECONDS,
    UNPRICED_USD,
    Beginning,
    Decision,
    Follower,
    Kind,
    Purchase,
    Record,
    State,
)
from minimax.tool_results import JobStatus

__all__ = [
    "HOUR",
    "PRICE_USD",
    "LedgerSuite",
    "ManualClock",
    "Store",
    "begin",
    "buy",
    "claim",
    "make_purchase",
    "settle_as_doubt",
]

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
PRICE_USD: Final = 0.28
DEADLINE_SECONDS: Final = 70.0
SOON: Final = 10.0
"""Within the deadline of a request."""


class ManualClock:
    """The clocks of one machine, which a test sets."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.boot_seconds = 5000.0
        self.boots = 1

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.boot_seconds += seconds

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock ahead, or back."""
        self.wall += seconds

    def reboot(self, *, seconds: float = 60.0) -> None:
        """The machine boots again, which takes that long; all processes are gone by that."""
        self.wall += seconds
        self.boot_seconds = 1.0
        self.boots += 1

    @property
    def ledger_clock(self) -> LedgerClock:
        return LedgerClock(
            wall=lambda: self.wall,
            boot_seconds=lambda: self.boot_seconds,
            read_boot_id=lambda: f"boot-{self.boots}",
        )


class Store(Protocol):
    """One place where purchases are kept, and the processes that use it."""

    clock: ManualClock

    async def open(self) -> Ledger:
        """Start another process; its view of the store."""
        ...

    async def kill(self, ledger: Ledger) -> None:
        """End a process that gets to write nothing more."""
        ...

    async def overwrite_state(self, key: str, state: str) -> None:
        """Write a state into a row as another version of the server may."""
        ...


def make_purchase(
    kind: Kind = Kind.VIDEO,
    name: str = "a dog",
    *,
    price_usd: float | None = PRICE_USD,
    account: str = "account",
) -> Purchase:
    """The same name means an identical request."""
    video: dict[str, Any] = {"api": "v1", "duration": 6, "resolution": "768P"}
    return Purchase(
        kind=kind,
        fingerprint=f"{kind.value} {name}",
        account=account,
        model="a model",
        prompt=name,
        price_usd=price_usd,
        deadline_seconds=DEADLINE_SECONDS,
        **(video if kind is Kind.VIDEO else {}),
    )


async def begin(
    ledger: Ledger,
    purchase: Purchase,
    *,
    agreed: bool = False,
    limit_usd: float | None = None,
    ignoring: Sequence[str] = (),
) -> Beginning:
    return await ledger.begin(
        purchase, second_charge_agreed=agreed, limit_usd=limit_usd, ignoring=ignoring
    )


async def buy(ledger: Ledger, purchase: Purchase, *, agreed: bool = False) -> str:
    """Begin a purchase that is sent; the key of its row."""
    beginning = await begin(ledger, purchase, agreed=agreed)
    assert beginning.decision is Decision.BUY
    assert beginning.record is not None
    return beginning.record.key


async def accept(ledger: Ledger, key: str, kind: Kind, task_id: str = "task-1") -> None:
    """MiniMax accepts it: a video is a job, everything else is its reply."""
    if kind is Kind.VIDEO:
        await ledger.mark_accepted(key, task_id=task_id)
    else:
        await ledger.mark_accepted(key, reply={"url": f"https://minimax.example/{task_id}"})


async def buy_accepted(ledger: Ledger, purchase: Purchase, task_id: str = "task-1") -> str:
    key = await buy(ledger, purchase)
    await accept(ledger, key, purchase.kind, task_id)
    return key


async def settle_as_doubt(ledger: Ledger, purchase: Purchase) -> str:
    """A purchase of which nobody knows whether it was charged."""
    key = await buy(ledger, purchase, agreed=True)
    await ledger.mark_ended(key, State.UNKNOWN)
    return key


async def reload(ledger: Ledger, key: str) -> Record:
    record = await ledger.reload(key)
    assert record is not None
    return record


async def claim(ledger: Ledger) -> Follower | None:
    """Who follows the job, once this process has claimed it."""
    record = await ledger.claim_job("task-1")
    assert record is not None
    return record.follower


async def finish(
    ledger: Ledger,
    task_id: str,
    *,
    status: JobStatus = "completed",
    took_seconds: float | None = None,
) -> None:
    await ledger.record_status(
        task_id,
        status=status,
        file_id=f"file of {task_id}",
        reply="{}",
        is_final=True,
        took_seconds=took_seconds,
    )


async def decide_next(ledger: Ledger, purchase: Purchase) -> Decision:
    """What the next identical request gets."""
    return (await begin(ledger, purchase)).decision


# --- what happens to a purchase, and what the next identical request gets -----------------------

Step = Callable[[Ledger, str, Kind], Awaitable[None]]


async def do_nothing(ledger: Ledger, key: str, kind: Kind) -> None:
    """Its caller waits."""


async def abandon(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.abandon(key)


async def accept_then_abandon(ledger: Ledger, key: str, kind: Kind) -> None:
    await accept(ledger, key, kind)
    await ledger.abandon(key)


async def abandon_then_accept(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.abandon(key)
    await accept(ledger, key, kind)


async def deliver_then_abandon(ledger: Ledger, key: str, kind: Kind) -> None:
    await accept(ledger, key, kind)
    await ledger.record_result(key, {"path": "/videos/dog.mp4"})
    await ledger.abandon(key)


async def receive(ledger: Ledger, key: str, kind: Kind) -> None:
    await accept(ledger, key, kind)
    await ledger.mark_received([key])


async def reject(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.mark_ended(key, State.REJECTED)


async def reject_after_abandon(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.abandon(key)
    await ledger.mark_ended(key, State.REJECTED)


async def doubt(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.mark_ended(key, State.UNKNOWN)


async def find_probable(ledger: Ledger, key: str, kind: Kind) -> None:
    await ledger.mark_probable(key, "task-9")


STEPS: Final[dict[str, tuple[Step, State, Decision]]] = {
    "under-way": (do_nothing, State.SUBMITTING, Decision.BUY),
    "abandoned": (abandon, State.SUBMITTING, Decision.JOIN),
    "accepted": (accept, State.ACCEPTED, Decision.BUY),
    "accepted-then-abandoned": (accept_then_abandon, State.ACCEPTED, Decision.HAND_OVER),
    "abandoned-then-accepted": (abandon_then_accept, State.ACCEPTED, Decision.HAND_OVER),
    "result-then-abandoned": (deliver_then_abandon, State.ACCEPTED, Decision.HAND_OVER),
    "received": (receive, State.ACCEPTED, Decision.BUY),
    "rejected": (reject, State.REJECTED, Decision.BUY),
    "rejected-after-abandoned": (reject_after_abandon, State.REJECTED, Decision.BUY),
    "doubt": (doubt, State.UNKNOWN, Decision.REFUSE),
    "probable": (find_probable, State.UNKNOWN, Decision.REFUSE),
}
KILLED: Final[dict[str, tuple[Step, State, Decision]]] = {
    "under-way": (do_nothing, State.UNKNOWN, Decision.REFUSE),
    "abandoned": (abandon, State.UNKNOWN, Decision.REFUSE),
    "accepted": (accept, State.ACCEPTED, Decision.HAND_OVER),
    "result-then-abandoned": (deliver_then_abandon, State.ACCEPTED, Decision.HAND_OVER),
    "received": (receive, State.ACCEPTED, Decision.BUY),
    "rejected": (reject, State.REJECTED, Decision.BUY),
    "doubt": (doubt, State.UNKNOWN, Decision.REFUSE),
}

EVERY_KIND: Final = pytest.mark.parametrize("kind", Kind, ids=[kind.value for kind in Kind])


async def spend(ledger: Ledger, prices: Sequence[float | None]) -> None:
    """Accepted and received purchases of these prices."""
    for number, price_usd in enumerate(prices):
        purchase = make_purchase(Kind.SPEECH, f"spent {number}", price_usd=price_usd)
        await ledger.mark_received([await buy_accepted(ledger, purchase)])


class LedgerSuite:
    """The tests; every method gets a `store` of the engine."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    async def ledger(self, store: Store) -> Ledger:
        return await store.open()

    # --- one purchase --------------------------------------------------------------------------

    @EVERY_KIND
    @pytest.mark.parametrize(("step", "state", "decision"), STEPS.values(), ids=STEPS)
    async def test_each_state_is_seen_by_every_process_and_decides_the_next_identical_request(
        self, kind: Kind, step: Step, state: State, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase(kind))
        assert (await reload(ledger, key)).state is State.SUBMITTING
        await step(ledger, key, kind)
        other = await store.open()
        assert (await reload(other, key)).state is state
        beginning = await begin(other, make_purchase(kind))
        assert beginning.decision is decision
        assert beginning.record is not None
        assert (beginning.record.key == key) is (decision is not Decision.BUY)

    @EVERY_KIND
    @pytest.mark.parametrize(("step", "state", "decision"), KILLED.values(), ids=KILLED)
    async def test_a_killed_process_leaves_a_doubt_or_something_to_hand_over(
        self, kind: Kind, step: Step, state: State, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase(kind))
        await step(ledger, key, kind)
        await store.kill(ledger)
        other = await store.open()
        record = await reload(other, key)
        assert (record.state, record.sender_lives, record.caller_waits) == (state, False, False)
        assert await decide_next(other, make_purchase(kind)) is decision

    @EVERY_KIND
    async def test_a_process_that_ended_in_order_leaves_what_was_not_received_to_the_next(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        key = await buy_accepted(ledger, make_purchase(kind))
        await ledger.aclose()
        assert await decide_next(await store.open(), make_purchase(kind)) is Decision.HAND_OVER
        assert (await reload(await store.open(), key)).state is State.ACCEPTED

    @EVERY_KIND
    async def test_everything_that_was_written_down_is_read_again(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        wanted = make_purchase(kind, "a dog, \u201cquoted\u201d %_'")
        began = store.clock.wall
        key = await buy_accepted(ledger, wanted)
        await ledger.record_result(key, {"paths": ["/videos/a dog.mp4"], "n": 1, "none": None})
        store.clock.advance(SOON)
        await ledger.mark_received([key])
        record = await reload(await store.open(), key)
        assert (record.key, record.kind, record.state) == (key, kind, State.ACCEPTED)
        assert (record.created_at, record.age_seconds) == (began, SOON)
        assert (record.sender_lives, record.caller_waits) == (True, True)
        assert record.received_at == began + SOON
        assert (record.account, record.model, record.prompt) == (
            wanted.account,
            wanted.model,
            wanted.prompt,
        )
        assert (record.api, record.duration, record.resolution, record.price_usd) == (
            wanted.api,
            wanted.duration,
            wanted.resolution,
            wanted.price_usd,
        )
        assert record.result == {"paths": ["/videos/a dog.mp4"], "n": 1, "none": None}
        video = kind is Kind.VIDEO
        assert record.task_id == ("task-1" if video else None)
        assert record.status == ("queued" if video else None)
        assert record.reply == (None if video else {"url": "https://minimax.example/task-1"})

    async def test_a_row_that_never_was_is_none_and_cannot_be_changed(self, ledger: Ledger) -> None:
        assert await ledger.reload("no such key") is None
        assert await ledger.by_task("no such task") is None
        with pytest.raises(LookupError):
            await ledger.mark_ended("no such key", State.REJECTED)

    async def test_keys_are_never_used_again(self, store: Store, ledger: Ledger) -> None:
        other = await store.open()
        keys = [
            await buy(each, make_purchase(Kind.IMAGE, f"{number}"))
            for number in range(10)
            for each in (ledger, other)
        ]
        assert len(set(keys)) == len(keys)

    # --- for how long --------------------------------------------------------------------------

    @EVERY_KIND
    @pytest.mark.parametrize(
        ("seconds", "decision"),
        [(-1.0, Decision.HAND_OVER), (1.0, Decision.BUY)],
        ids=["kept", "gone"],
    )
    async def test_a_purchase_is_handed_over_as_long_as_minimax_keeps_it(
        self, kind: Kind, seconds: float, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        await ledger.abandon(await buy_accepted(ledger, make_purchase(kind)))
        store.clock.advance(KEPT_SECONDS[kind] + seconds)
        assert await decide_next(await store.open(), make_purchase(kind)) is decision

    @pytest.mark.parametrize("days", [-3, 3])
    async def test_the_age_of_a_purchase_does_not_follow_a_wall_clock_that_is_set(
        self, days: float, store: Store, ledger: Ledger
    ) -> None:
        await ledger.abandon(await buy_accepted(ledger, make_purchase(Kind.SPEECH)))
        store.clock.set_wall(days * DAY)
        assert await decide_next(ledger, make_purchase(Kind.SPEECH)) is Decision.HAND_OVER

    @EVERY_KIND
    async def test_a_doubt_is_refused_for_ever_in_every_process(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        await settle_as_doubt(ledger, make_purchase(kind))
        await store.kill(ledger)
        store.clock.advance(400 * DAY)
        store.clock.reboot()
        assert await decide_next(await store.open(), make_purchase(kind)) is Decision.REFUSE

    @pytest.mark.parametrize(
        ("seconds", "state", "decision"),
        [
            pytest.param(-1.0, State.SUBMITTING, Decision.BUY, id="in-time"),
            pytest.param(1.0, State.UNKNOWN, Decision.REFUSE, id="too-late"),
        ],
    )
    async def test_a_request_without_an_outcome_by_its_deadline_is_in_doubt(
        self, seconds: float, state: State, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase())
        store.clock.advance(DEADLINE_SECONDS + seconds)
        assert (await reload(ledger, key)).state is state
        assert await decide_next(ledger, make_purchase()) is decision

    async def test_an_acceptance_after_the_deadline_settles_the_doubt(
        self, store: Store, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase())
        store.clock.advance(DEADLINE_SECONDS + 1)
        assert (await reload(ledger, key)).state is State.UNKNOWN
        await ledger.mark_accepted(key, task_id="task-1")
        assert (await reload(ledger, key)).state is State.ACCEPTED

    # --- doubts --------------------------------------------------------------------------------

    @EVERY_KIND
    @pytest.mark.parametrize(
        ("price_usd", "decision"),
        [
            pytest.param(0.0035, Decision.BUY, id="cheap"),
            pytest.param(CHEAP_USD, Decision.BUY, id="just-cheap"),
            pytest.param(CHEAP_USD + 0.01, Decision.REFUSE, id="not-cheap"),
            pytest.param(None, Decision.REFUSE, id="unpriced"),
        ],
    )
    async def test_a_doubt_of_at_most_five_cents_is_bought_again_and_said(
        self, kind: Kind, price_usd: float | None, decision: Decision, ledger: Ledger
    ) -> None:
        wanted = make_purchase(kind, price_usd=price_usd)
        first = await begin(ledger, wanted)
        assert first.record is not None
        assert not first.doubt
        await ledger.mark_ended(first.record.key, State.UNKNOWN)
        again = await begin(ledger, wanted)
        assert again.decision is decision
        assert again.doubt is (decision is Decision.BUY)

    @EVERY_KIND
    @pytest.mark.parametrize(
        ("accepted", "decision"), [(True, Decision.BUY), (False, Decision.REFUSE)]
    )
    async def test_an_agreed_second_charge_settles_every_doubt_of_its_request_once_accepted(
        self, kind: Kind, accepted: bool, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        other_request = make_purchase(kind, "a cat")
        for purchase in (make_purchase(kind), make_purchase(kind), other_request):
            await settle_as_doubt(ledger, purchase)
        buyer = await store.open()
        agreed = await begin(buyer, make_purchase(kind), agreed=True)
        assert agreed.decision is Decision.BUY
        assert agreed.doubt
        assert agreed.record is not None
        if accepted:
            await receive(buyer, agreed.record.key, kind)
        else:
            await reject(buyer, agreed.record.key, kind)
        assert await decide_next(ledger, make_purchase(kind)) is decision
        assert await decide_next(ledger, other_request) is Decision.REFUSE

    async def test_a_doubt_beside_an_accepted_purchase_is_not_settled_by_it(
        self, ledger: Ledger
    ) -> None:
        """Two were wanted and sent side by side; nobody has agreed to pay for a third."""
        lost, accepted = await buy(ledger, make_purchase()), await buy(ledger, make_purchase())
        await ledger.mark_ended(lost, State.UNKNOWN)
        await receive(ledger, accepted, Kind.VIDEO)
        assert await decide_next(ledger, make_purchase()) is Decision.REFUSE

    async def test_what_can_be_handed_over_comes_before_a_doubt_about_the_same_request(
        self, ledger: Ledger
    ) -> None:
        in_doubt, accepted = await buy(ledger, make_purchase()), await buy(ledger, make_purchase())
        await accept_then_abandon(ledger, accepted, Kind.VIDEO)
        await ledger.mark_ended(in_doubt, State.UNKNOWN)
        beginning = await begin(ledger, make_purchase())
        assert beginning.record is not None
        assert (beginning.decision, beginning.record.key) == (Decision.HAND_OVER, accepted)

    @EVERY_KIND
    async def test_a_refused_request_claims_nothing(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        """A late acceptance settles the doubt; then the purchase is the next request's."""
        key = await buy(ledger, make_purchase(kind))
        await ledger.abandon(key)
        await ledger.mark_ended(key, State.UNKNOWN)
        assert await decide_next(await store.open(), make_purchase(kind)) is Decision.REFUSE
        await accept(ledger, key, kind)
        assert await decide_next(await store.open(), make_purchase(kind)) is Decision.HAND_OVER

    async def test_looking_ahead_claims_nothing(self, ledger: Ledger) -> None:
        assert await ledger.peek(make_purchase()) is None
        await accept_then_abandon(ledger, await buy(ledger, make_purchase()), Kind.VIDEO)
        for _ in range(2):
            assert await ledger.peek(make_purchase()) is Decision.HAND_OVER
        assert await decide_next(ledger, make_purchase()) is Decision.HAND_OVER

    @pytest.mark.parametrize(
        ("state", "task_id"),
        [
            pytest.param("reconciled", None, id="without-a-task"),
            pytest.param("refunded", "task-1", id="with-a-task"),
        ],
    )
    async def test_a_state_of_a_later_version_is_a_doubt_that_an_agreement_settles(
        self, state: str, task_id: str | None, store: Store, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase())
        if task_id is not None:
            await ledger.mark_accepted(key, task_id=task_id)
        await store.overwrite_state(key, state)
        assert (await reload(ledger, key)).state is State.UNKNOWN
        assert [record.key for record in await ledger.newest(9, kinds=[Kind.VIDEO])] == [key]
        assert await ledger.sum_spending(DAY) == {Kind.VIDEO: PRICE_USD}
        assert await decide_next(ledger, make_purchase()) is Decision.REFUSE
        agreed = await begin(ledger, make_purchase(), agreed=True)
        assert agreed.doubt
        assert agreed.record is not None
        await receive(ledger, agreed.record.key, Kind.VIDEO)
        assert await decide_next(ledger, make_purchase()) is Decision.BUY

    # --- who gets an answer --------------------------------------------------------------------

    @EVERY_KIND
    async def test_two_living_callers_buy_two(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        other = await store.open()
        keys = {await buy(each, make_purchase(kind)) for each in (ledger, other)}
        assert len(keys) == 2
        for key in keys:
            assert (await reload(other, key)).sender_lives

    @EVERY_KIND
    @pytest.mark.parametrize(
        ("step", "decision"),
        [(abandon, Decision.JOIN), (accept_then_abandon, Decision.HAND_OVER)],
        ids=["join", "hand-over"],
    )
    async def test_an_answer_belongs_to_the_first_that_asks_for_it(
        self, kind: Kind, step: Step, decision: Decision, store: Store, ledger: Ledger
    ) -> None:
        await step(ledger, await buy(ledger, make_purchase(kind)), kind)
        other = await store.open()
        assert await decide_next(other, make_purchase(kind)) is decision
        assert await decide_next(ledger, make_purchase(kind)) is Decision.BUY

    @EVERY_KIND
    async def test_an_answer_goes_to_the_next_if_the_first_that_asked_is_killed(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        await accept_then_abandon(ledger, await buy(ledger, make_purchase(kind)), kind)
        other = await store.open()
        assert await decide_next(other, make_purchase(kind)) is Decision.HAND_OVER
        await store.kill(other)
        assert await decide_next(ledger, make_purchase(kind)) is Decision.HAND_OVER

    @EVERY_KIND
    async def test_an_answer_that_is_taken_back_goes_to_the_next_identical_request(
        self, kind: Kind, ledger: Ledger
    ) -> None:
        key = await buy(ledger, make_purchase(kind))
        await receive(ledger, key, kind)
        await ledger.take_back(key)
        record = await reload(ledger, key)
        assert (record.received_at, record.caller_waits) == (None, False)
        assert await decide_next(ledger, make_purchase(kind)) is Decision.HAND_OVER

    USES: Final = pytest.mark.parametrize(
        "value",
        [
            "task-1",
            "file-7",
            "/videos/a dog_1.mp4",
            "C:\\videos\\dog.mp4",
            "voice-\u00e4",
            "https://minimax.example/1?a=%20",
        ],
    )
    RESULT: Final = {
        "paths": ["/videos/a dog_1.mp4", "C:\\videos\\dog.mp4"],
        "voice_id": "voice-\u00e4",
        "links": {"1": "https://minimax.example/1?a=%20"},
        "next_step": "Say hello.",
    }

    async def _deliver(self, ledger: Ledger) -> str:
        key = await buy_accepted(ledger, make_purchase())
        await ledger.record_status(
            "task-1", status="completed", file_id="file-7", reply="{}", is_final=True
        )
        await ledger.record_result(key, self.RESULT)
        return key

    @USES
    async def test_an_answer_whose_content_is_used_has_arrived_and_is_not_taken_back(
        self, value: str, ledger: Ledger
    ) -> None:
        key = await self._deliver(ledger)
        await ledger.receive_by_use(value)
        await ledger.take_back(key)
        assert (await reload(ledger, key)).received_at is not None
        assert await decide_next(ledger, make_purchase()) is Decision.BUY

    @pytest.mark.parametrize(
        "value",
        ["task-", "task-10", "file", "/videos/a dogx1.mp4", "voice", "%", "hello", "paths", ""],
    )
    async def test_a_value_that_only_looks_like_a_part_of_an_answer_is_no_use_of_it(
        self, value: str, ledger: Ledger
    ) -> None:
        key = await self._deliver(ledger)
        await ledger.receive_by_use(value)
        assert (await reload(ledger, key)).received_at is None

    async def test_the_use_of_an_id_in_one_process_counts_for_the_purchase_of_another(
        self, store: Store, ledger: Ledger
    ) -> None:
        key = await self._deliver(ledger)
        other = await store.open()
        await other.receive_by_use("task-1")
        assert (await reload(ledger, key)).received_at is not None

    async def test_purchases_of_another_account_can_be_left_out(self, ledger: Ledger) -> None:
        key = await buy_accepted(ledger, make_purchase(account="another"))
        await ledger.abandon(key)
        beginning = await begin(ledger, make_purchase())
        assert beginning.record is not None
        assert (beginning.record.key, beginning.record.account) == (key, "another")
        await ledger.abandon(key)
        ignoring = await begin(ledger, make_purchase(), ignoring=[key])
        assert ignoring.decision is Decision.BUY

    # --- looking -------------------------------------------------------------------------------

    @EVERY_KIND
    async def test_a_recent_twin_is_the_newest_accepted_purchase_of_the_same_request(
        self, kind: Kind, store: Store, ledger: Ledger
    ) -> None:
        wanted = make_purchase(kind)

        async def find(within_seconds: float) -> str | None:
            twin = await ledger.find_recent_twin(wanted.fingerprint, within_seconds=within_seconds)
            return None if twin is None else twin.key

        for step in (do_nothing, reject):
            await step(ledger, await buy(ledger, wanted), kind)
        assert await find(HOUR) is None
        keys = []
        for task_id in ("task-1", "task-2"):
            store.clock.advance(SOON)
            keys.append(await buy_accepted(ledger, wanted, task_id))
            await ledger.mark_received(keys)
        await buy_accepted(ledger, make_purchase(kind, "a cat"))
        store.clock.advance(SOON)
        assert await find(SOON + 1) == keys[1]
        assert await find(SOON - 1) is None
        store.clock.set_wall(DAY)
        assert await find(SOON + 1) == keys[1]

    async def test_the_newest_come_first_by_kind_and_status_without_those_that_cost_nothing(
        self, store: Store, ledger: Ledger
    ) -> None:
        for number, kind in enumerate([Kind.VIDEO, Kind.VIDEO, Kind.IMAGE, Kind.VIDEO, Kind.VIDEO]):
            store.clock.advance(1)
            key = await buy(ledger, make_purchase(kind, str(number)))
            if number == 3:
                await reject(ledger, key, kind)
            else:
                await accept(ledger, key, kind, f"task-{number}")
        await ledger.record_status(
            "task-1", status="completed", file_id=None, reply="{}", is_final=True
        )

        async def prompts(limit: int, kinds: Sequence[Kind], status: str | None = None) -> str:
            records = await ledger.newest(limit, kinds=kinds, status=status)
            return " ".join(str(record.prompt) for record in records)

        assert await prompts(9, list(Kind)) == "4 2 1 0"
        assert await prompts(2, list(Kind)) == "4 2"
        assert await prompts(9, [Kind.VIDEO]) == "4 1 0"
        assert await prompts(2, [Kind.VIDEO]) == "4 1"
        assert await prompts(9, [Kind.IMAGE, Kind.SPEECH]) == "2"
        assert await prompts(9, [Kind.VIDEO, Kind.IMAGE], "queued") == "4 0"
        assert await prompts(9, [Kind.VIDEO], "completed") == "1"

    async def test_what_was_bought_a_month_ago_is_still_listed(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        store.clock.advance(30 * DAY)
        [record] = await (await store.open()).newest(20, kinds=[Kind.VIDEO])
        assert record.task_id == "task-1"

    async def test_a_job_keeps_its_status_file_path_and_final_reply(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        other = await store.open()
        await other.record_status(
            "task-1", status="processing", file_id="file-7", reply="{}", is_final=False
        )
        assert (await reload_task(ledger)).finished_at is None
        store.clock.advance(SOON)
        await other.record_status(
            "task-1", status="completed", file_id=None, reply='{"a": 1}', is_final=True
        )
        await other.record_path("file-7", Path("/videos/dog.mp4"))
        record = await reload_task(ledger)
        assert (record.status, record.file_id) == ("completed", "file-7")
        assert (record.path, record.final_reply) == (str(Path("/videos/dog.mp4")), '{"a": 1}')
        assert record.finished_at == store.clock.wall
        assert record == (await ledger.newest(1, kinds=[Kind.VIDEO]))[0]

    async def test_open_jobs_are_accepted_videos_that_have_not_ended(
        self, store: Store, ledger: Ledger
    ) -> None:
        for number in range(3):
            await buy_accepted(ledger, make_purchase(name=str(number)), f"task-{number}")
        await buy_accepted(ledger, make_purchase(Kind.SPEECH))
        await buy(ledger, make_purchase(name="under way"))
        assert await ledger.count_open_jobs() == 3
        await ledger.record_status(
            "task-0", status="processing", file_id=None, reply="{}", is_final=False
        )
        await ledger.record_status(
            "task-1", status="failed", file_id=None, reply="{}", is_final=True
        )
        assert await (await store.open()).count_open_jobs() == 2
        store.clock.advance(KEPT_SECONDS[Kind.VIDEO] + 1)
        assert await ledger.count_open_jobs() == 0

    async def test_a_ledger_that_can_be_used_says_nothing_of_trouble(self, ledger: Ledger) -> None:
        await buy_accepted(ledger, make_purchase())
        assert await ledger.read_trouble() is None
        assert ledger.trouble is None

    # --- who follows a job ---------------------------------------------------------------------

    async def test_one_process_follows_a_job_until_it_lets_go_of_it(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        other = await store.open()
        assert await claim(ledger) is Follower.THIS
        assert await claim(other) is Follower.OTHER
        assert await claim(ledger) is Follower.THIS
        await other.release_job("task-1")
        assert await claim(other) is Follower.OTHER
        await ledger.release_job("task-1")
        assert await claim(other) is Follower.THIS
        assert await claim(ledger) is Follower.OTHER

    async def test_the_jobs_of_a_killed_process_are_for_the_next_to_claim(
        self, store: Store, ledger: Ledger
    ) -> None:
        one = await store.open()
        await buy_accepted(one, make_purchase())
        await claim(one)
        await store.kill(one)
        assert await claim(ledger) is Follower.THIS

    async def test_a_process_that_ended_in_order_follows_nothing(
        self, store: Store, ledger: Ledger
    ) -> None:
        one = await store.open()
        await buy_accepted(one, make_purchase())
        await claim(one)
        await one.aclose()
        assert await claim(ledger) is Follower.THIS

    async def test_a_frozen_process_has_lost_its_jobs_to_whoever_claims_them(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        await claim(ledger)
        other = await store.open()
        store.clock.advance(21)
        assert await claim(other) is Follower.THIS
        assert await claim(ledger) is Follower.OTHER

    async def test_a_process_that_is_not_frozen_keeps_its_jobs(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        await claim(ledger)
        other = await store.open()
        for _ in range(5):
            store.clock.advance(10)
            await ledger.record_status(
                "task-1", status="processing", file_id=None, reply="{}", is_final=False
            )
            assert await claim(other) is Follower.OTHER

    async def test_a_job_that_was_not_bought_from_here_cannot_be_claimed(
        self, ledger: Ledger
    ) -> None:
        assert await ledger.claim_job("task-9") is None

    async def test_the_last_reply_tells_others_how_a_job_stands(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        await ledger.record_status(
            "task-1", status="processing", file_id=None, reply='{"a": 1}', is_final=False
        )
        found = await (await store.open()).by_task("task-1")
        assert found is not None
        assert (found.last_reply, found.asked_at) == ('{"a": 1}', store.clock.wall)
        assert (found.final_reply, found.finished_at) == (None, None)

    async def test_unfinished_are_jobs_that_run_or_whose_follower_did_not_save_them(
        self, store: Store, ledger: Ledger
    ) -> None:
        states = ["queued", "failed", "completed", "claimed", "saved", "released", "other"]
        for number, state in enumerate(states):
            account = "another" if state == "other" else "account"
            purchase = make_purchase(name=state, account=account)
            await buy_accepted(ledger, purchase, f"task-{number}")
            store.clock.advance(1)
        await finish(ledger, "task-1", status="failed")
        for number in (2, 3, 4, 5):
            if number > 2:
                await ledger.claim_job(f"task-{number}")
            await finish(ledger, f"task-{number}")
        await ledger.record_path("file of task-4", Path("/videos/dog.mp4"))
        await ledger.release_job("task-5")
        await buy_accepted(ledger, make_purchase(Kind.SPEECH))
        found = await (await store.open()).unfinished_jobs(9, kinds=[Kind.VIDEO], account="account")
        assert [record.prompt for record in found] == ["claimed", "queued"]
        [newest] = await ledger.unfinished_jobs(1, kinds=[Kind.VIDEO], account="account")
        assert newest.prompt == "claimed"
        assert await ledger.unfinished_jobs(9, kinds=[Kind.SPEECH], account="account") == []

    async def test_what_minimax_keeps_no_more_is_not_unfinished(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase())
        store.clock.advance(KEPT_SECONDS[Kind.VIDEO] + 1)
        assert await ledger.unfinished_jobs(9, kinds=[Kind.VIDEO], account="account") == []

    async def test_job_times_are_those_of_the_newest_jobs_of_the_same_size(
        self, store: Store, ledger: Ledger
    ) -> None:
        for number in range(4):
            await buy_accepted(ledger, make_purchase(name=str(number)), f"task-{number}")
            await finish(ledger, f"task-{number}", took_seconds=100.0 + number)
            store.clock.advance(1)
        larger = replace(make_purchase(name="larger"), resolution="1080P")
        await buy_accepted(ledger, larger, "task-larger")
        await finish(ledger, "task-larger", took_seconds=300.0)
        await buy_accepted(ledger, make_purchase(name="unwatched"), "task-unwatched")
        await finish(ledger, "task-unwatched")
        like = await reload_task(ledger)
        assert await ledger.job_times(like, limit=3) == [103.0, 102.0, 101.0]
        assert await (await store.open()).job_times(like, limit=9) == [103.0, 102.0, 101.0, 100.0]

    async def test_a_file_leads_to_its_purchase(self, ledger: Ledger) -> None:
        await buy_accepted(ledger, make_purchase())
        await finish(ledger, "task-1")
        found = await ledger.by_file("file of task-1")
        assert found is not None
        assert found.task_id == "task-1"
        assert await ledger.by_file("file of task-2") is None

    # --- money ---------------------------------------------------------------------------------

    async def test_spending_is_summed_by_kind_of_what_was_or_may_have_been_charged(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy_accepted(ledger, make_purchase(Kind.VIDEO, "old", price_usd=9))
        store.clock.advance(2 * HOUR)
        await buy_accepted(ledger, make_purchase(Kind.VIDEO, price_usd=0.28))
        await settle_as_doubt(ledger, make_purchase(Kind.VIDEO, "doubt", price_usd=0.5))
        await buy(ledger, make_purchase(Kind.SPEECH, "under way", price_usd=0.1))
        await buy_accepted(ledger, make_purchase(Kind.IMAGE, price_usd=None))
        key = await buy(ledger, make_purchase(Kind.VOICE_DESIGN, price_usd=3))
        await reject(ledger, key, Kind.VOICE_DESIGN)
        assert await (await store.open()).sum_spending(HOUR) == {
            Kind.VIDEO: pytest.approx(0.78),
            Kind.SPEECH: 0.1,
            Kind.IMAGE: UNPRICED_USD,
        }
        assert (await ledger.sum_spending(3 * HOUR))[Kind.VIDEO] == pytest.approx(9.78)

    @EVERY_KIND
    @pytest.mark.parametrize(
        ("spent", "price_usd", "limit_usd", "decision"),
        [
            pytest.param([], 0.28, None, Decision.BUY, id="off"),
            pytest.param([100], 0.28, None, Decision.BUY, id="off-after-much"),
            pytest.param([], 0.01, 0.0, Decision.OVER_LIMIT, id="nothing-allowed"),
            pytest.param([], 0.0001, 0.0, Decision.OVER_LIMIT, id="nothing-allowed-two-letters"),
            pytest.param([], None, 0.0, Decision.OVER_LIMIT, id="nothing-allowed-unpriced"),
            pytest.param([], 0.28, 0.28, Decision.BUY, id="exactly"),
            pytest.param([], 0.28, 0.27, Decision.OVER_LIMIT, id="one-cent-over"),
            pytest.param([0.1] * 9, 0.1, 1.0, Decision.BUY, id="sum-exactly"),
            pytest.param([0.1] * 9, 0.11, 1.0, Decision.OVER_LIMIT, id="sum-one-cent-over"),
            pytest.param([], None, 1.0, Decision.BUY, id="unpriced-is-a-dollar"),
            pytest.param([], None, 0.99, Decision.OVER_LIMIT, id="unpriced-over"),
            pytest.param([None, None], 0.01, 2.0, Decision.OVER_LIMIT, id="unpriced-was-spent"),
        ],
    )
    async def test_the_daily_limit_holds_to_the_cent(
        self,
        kind: Kind,
        spent: list[float | None],
        price_usd: float | None,
        limit_usd: float | None,
        decision: Decision,
        store: Store,
        ledger: Ledger,
    ) -> None:
        await spend(ledger, spent)
        other = await store.open()
        beginning = await begin(
            other, make_purchase(kind, price_usd=price_usd), limit_usd=limit_usd
        )
        assert beginning.decision is decision
        assert (beginning.record is None) is (decision is Decision.OVER_LIMIT)
        before = math.fsum(UNPRICED_USD if price is None else price for price in spent)
        added = 0.0
        if decision is Decision.BUY:
            added = UNPRICED_USD if price_usd is None else price_usd
        assert beginning.spending.spent_usd == pytest.approx(before + added)
        after = sum((await ledger.sum_spending(DAY)).values())
        assert after == pytest.approx(before + added)

    @pytest.mark.parametrize(
        ("step", "counts"),
        [
            pytest.param(do_nothing, True, id="under-way"),
            pytest.param(abandon, True, id="abandoned"),
            pytest.param(receive, True, id="received"),
            pytest.param(doubt, True, id="doubt"),
            pytest.param(find_probable, True, id="probable"),
            pytest.param(reject, False, id="rejected"),
        ],
    )
    async def test_what_may_have_been_charged_counts_against_the_limit(
        self, step: Step, counts: bool, store: Store, ledger: Ledger
    ) -> None:
        await step(ledger, await buy(ledger, make_purchase(price_usd=0.6)), Kind.VIDEO)
        beginning = await begin(
            await store.open(), make_purchase(name="a cat", price_usd=0.6), limit_usd=1.0
        )
        assert beginning.decision is (Decision.OVER_LIMIT if counts else Decision.BUY)

    async def test_what_a_killed_process_was_buying_counts_against_the_limit(
        self, store: Store, ledger: Ledger
    ) -> None:
        await buy(ledger, make_purchase(price_usd=0.6))
        await store.kill(ledger)
        beginning = await begin(
            await store.open(), make_purchase(name="a cat", price_usd=0.6), limit_usd=1.0
        )
        assert beginning.decision is Decision.OVER_LIMIT

    @pytest.mark.parametrize("price_usd", [0.6, CHEAP_USD], ids=["agreed", "cheap"])
    async def test_a_second_charge_counts_against_the_limit_beside_the_doubt(
        self, price_usd: float, ledger: Ledger
    ) -> None:
        wanted = make_purchase(price_usd=price_usd)
        key = await settle_as_doubt(ledger, wanted)
        limit_usd = 1.5 * price_usd
        beginning = await begin(ledger, wanted, agreed=True, limit_usd=limit_usd)
        assert (beginning.decision, beginning.record) == (Decision.OVER_LIMIT, None)
        beginning = await begin(ledger, wanted, agreed=True, limit_usd=2 * price_usd)
        assert beginning.decision is Decision.BUY
        assert beginning.record is not None
        await receive(ledger, beginning.record.key, Kind.VIDEO)
        assert (await reload(ledger, key)).received_at is not None
        assert (await ledger.sum_spending(DAY))[Kind.VIDEO] == pytest.approx(2 * price_usd)

    @pytest.mark.parametrize(
        ("step", "decision"),
        [
            (accept_then_abandon, Decision.HAND_OVER),
            (abandon, Decision.JOIN),
            (doubt, Decision.REFUSE),
        ],
        ids=["hand-over", "join", "refuse"],
    )
    async def test_what_costs_nothing_is_not_limited(
        self, step: Step, decision: Decision, ledger: Ledger
    ) -> None:
        await step(ledger, await buy(ledger, make_purchase()), Kind.VIDEO)
        assert (await begin(ledger, make_purchase(), limit_usd=0.0)).decision is decision

    async def test_the_limit_says_when_enough_leaves_the_window(
        self, store: Store, ledger: Ledger
    ) -> None:
        for number in range(3):
            await buy_accepted(ledger, make_purchase(name=str(number), price_usd=0.3))
            store.clock.advance(HOUR)

        async def room(price_usd: float) -> float | None:
            beginning = await begin(
                ledger, make_purchase(name="a cat", price_usd=price_usd), limit_usd=1.0
            )
            assert beginning.decision is Decision.OVER_LIMIT
            assert beginning.spending.spent_usd == pytest.approx(0.9)
            return beginning.spending.room_in_seconds

        assert await room(0.2) == pytest.approx(LIMIT_WINDOW_SECONDS - 3 * HOUR)
        assert await room(0.4) == pytest.approx(LIMIT_WINDOW_SECONDS - 3 * HOUR)
        assert await room(0.5) == pytest.approx(LIMIT_WINDOW_SECONDS - 2 * HOUR)
        assert await room(1.0) == pytest.approx(LIMIT_WINDOW_SECONDS - 1 * HOUR)
        assert await room(1.1) is None
        seconds = await room(0.2)
        assert seconds is not None
        store.clock.advance(seconds - 1)
        assert await room(0.2) == pytest.approx(1)
        store.clock.advance(1)
        wanted = make_purchase(name="a cat", price_usd=0.2)
        assert (await begin(ledger, wanted, limit_usd=1.0)).decision is Decision.BUY

    @pytest.mark.parametrize(
        ("passed_seconds", "decision"),
        [(DAY - 1, Decision.OVER_LIMIT), (DAY, Decision.BUY)],
        ids=["within", "after"],
    )
    @pytest.mark.parametrize("jump_days", [-3, -1, 0, 1, 3])
    async def test_a_wall_clock_that_is_set_within_one_boot_does_not_move_the_window(
        self,
        jump_days: float,
        passed_seconds: float,
        decision: Decision,
        store: Store,
        ledger: Ledger,
    ) -> None:
        await buy_accepted(ledger, make_purchase(price_usd=0.6))
        store.clock.set_wall(jump_days * DAY)
        store.clock.advance(passed_seconds)
        beginning = await begin(
            await store.open(), make_purchase(name="a cat", price_usd=0.6), limit_usd=1.0
        )
        assert beginning.decision is decision

    @pytest.mark.parametrize(
        ("jump_days", "passed_seconds", "decision"),
        [
            pytest.param(0, DAY - 61, Decision.OVER_LIMIT, id="within"),
            pytest.param(0, DAY, Decision.BUY, id="after"),
            pytest.param(-3, HOUR, Decision.OVER_LIMIT, id="set-back"),
            pytest.param(-3, 3 * DAY - 61, Decision.OVER_LIMIT, id="set-back-seems-future"),
        ],
    )
    async def test_across_boots_the_wall_clock_decides_and_the_future_is_young(
        self,
        jump_days: float,
        passed_seconds: float,
        decision: Decision,
        store: Store,
        ledger: Ledger,
    ) -> None:
        await buy_accepted(ledger, make_purchase(price_usd=0.6))
        await store.kill(ledger)
        store.clock.reboot(seconds=60)
        store.clock.set_wall(jump_days * DAY)
        store.clock.advance(passed_seconds)
        beginning = await begin(
            await store.open(), make_purchase(name="a cat", price_usd=0.6), limit_usd=1.0
        )
        assert beginning.decision is decision

    async def test_an_identical_request_is_another_purchase_with_the_limit_of_its_own_call(
        self, ledger: Ledger
    ) -> None:
        first = await begin(ledger, make_purchase(price_usd=0.6), limit_usd=1.0)
        assert first.decision is Decision.BUY
        second = await begin(ledger, make_purchase(price_usd=0.6), limit_usd=1.0)
        assert second.decision is Decision.OVER_LIMIT
        raised = await begin(
            ledger, replace(make_purchase(price_usd=0.6), account="b"), limit_usd=2
        )
        assert raised.decision is Decision.BUY


async def reload_task(ledger: Ledger) -> Record:
    record = await ledger.by_task("task-1")
    assert record is not None
    return record
