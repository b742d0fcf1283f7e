"""Limits that depend on each other keep their order."""

from itertools import pairwise

import pytest

from minimax import time_budgets as budget

ORDERS = {
    "a call": [
        budget.LONGEST_WAIT_SECONDS,
        budget.CALL_SECONDS,
        budget.LONGEST_WAIT_SECONDS + budget.ASK_GRACE_SECONDS,
        budget.LONGEST_CALL_SECONDS,
        budget.LONGEST_CALL_SECONDS + budget.ATTACH_SECONDS,
        budget.HOST_LIMIT_SECONDS,
    ],
    "a question in a call": [
        budget.ANSWER_SECONDS,
        budget.ANSWER_SECONDS + budget.LEAST_WORK_SECONDS,
        budget.LONGEST_CALL_SECONDS,
    ],
    "the end of the process": [
        budget.UNWIND_SECONDS,
        budget.PAID_GRACE_SECONDS,
        budget.PAID_GRACE_SECONDS + budget.UNWIND_SECONDS,
        budget.CLOSING_SECONDS,
    ],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_each_limit_fits_into_the_next_one(order: list[float]) -> None:
    assert all(shorter < longer for shorter, longer in pairwise(order)), order
