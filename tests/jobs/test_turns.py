"""How many calls a model needs for a video, if it does what each `next_step` says."""

import ast
import re
from typing import Any

import pytest

import minimax_server
from minimax import runtime
from tests.jobs.conftest import Server, World

pytestmark = pytest.mark.anyio

MOST_CALLS = 5
"""From the request to the path of a video of three minutes."""
TURN_SECONDS = 2.0
"""Between an answer and the next call, while the model writes it."""
NAMED_CALL = re.compile(r"(query_video_generation|retrieve_video_file)\(([^)]*)\)")


def named_call(next_step: str) -> tuple[str, dict[str, Any]]:
    """The call that a `next_step` tells a model to make."""
    found = NAMED_CALL.search(next_step)
    assert found is not None, next_step
    name, arguments = found.groups()
    keywords = ast.parse(f"f({arguments})", mode="eval").body.keywords  # type: ignore[attr-defined]
    return name, {keyword.arg: ast.literal_eval(keyword.value) for keyword in keywords}


async def make_video(server: Server, world: World) -> tuple[str, int]:
    """The path of a video, and how many calls that took."""
    with runtime.use(server.running):
        result: dict[str, Any] = dict(await minimax_server.generate_video("a dog"))
        calls = 1
        while not result.get("path"):
            await world.time.sleep(TURN_SECONDS)
            name, arguments = named_call(result["next_step"])
            result = await getattr(minimax_server, name)(**arguments)
            calls += 1
    assert result["path"] in result["next_step"]
    return str(result["path"]), calls


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0], ids=["shortest", "middle", "longest"])
@pytest.mark.parametrize("job_seconds", [178.0, 180.0])
async def test_a_video_of_three_minutes_takes_five_calls(
    job_seconds: float, share: float, open_world: Any
) -> None:
    async with open_world(
        job_seconds=job_seconds, jitter=lambda low, high: low + (high - low) * share
    ) as world:
        [(_, calls)] = await world.time.run(make_video(world.start(), world))
        assert calls <= MOST_CALLS


async def test_a_person_who_comes_back_later_needs_one_call(open_world: Any) -> None:
    async with open_world(job_seconds=180) as world:
        server = world.start()
        task_id = await server.generate()
        await world.time.run(world.time.sleep(600))
        status = await server.query(task_id)
        assert status["path"] is not None
        assert str(status["path"]) in status["next_step"]
