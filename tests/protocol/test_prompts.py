"""A prompt that cannot be made is refused in a sentence, in both protocol eras."""

from typing import Any

import pytest

from minimax.settings import Settings
from tests.support.host import MODERN, host
from tests.support.paid_jobs import server_env, start_server

pytestmark = pytest.mark.anyio

INVALID_PARAMS = -32602

REFUSED = [
    pytest.param(
        {"name": "pictures_to_video"},
        "first_frame and last_frame are required by the prompt pictures_to_video.",
        id="no arguments",
    ),
    pytest.param(
        {"name": "pictures_to_video", "arguments": {"first_frame": "a.jpg", "last_frame": ""}},
        "last_frame is required by the prompt pictures_to_video.",
        id="an empty one",
    ),
    pytest.param(
        {"name": "make_coffee"},
        "There is no such prompt. Prompts: clone_and_speak and pictures_to_video.",
        id="unknown",
    ),
]


@pytest.mark.parametrize("meta", [{}, {"_meta": MODERN}], ids=["handshake", "2026-07-28"])
@pytest.mark.parametrize(("params", "sentence"), REFUSED)
async def test_a_prompt_that_cannot_be_made_is_refused_in_a_sentence(
    params: dict[str, Any], sentence: str, meta: dict[str, Any], settings: Settings
) -> None:
    async with host(env=server_env(settings)) as running:
        if not meta:
            await running.handshake()
        answer = await running.answer("prompts/get", {**params, **meta})
        assert answer["error"] == {"code": INVALID_PARAMS, "message": sentence}
        assert await running.close() == 0
        assert "Traceback" not in running.stderr


async def test_a_prompt_with_its_arguments_is_made(settings: Settings) -> None:
    arguments = {"first_frame": "a.jpg", "last_frame": "b.jpg"}
    async with start_server(settings) as running:
        answer = await running.answer(
            "prompts/get", {"name": "pictures_to_video", "arguments": arguments}
        )
        assert "a.jpg" in str(answer["result"]["messages"])


async def test_every_argument_of_a_prompt_says_what_it_is(settings: Settings) -> None:
    async with start_server(settings) as running:
        prompts = (await running.answer("prompts/list"))["result"]["prompts"]
    arguments = [argument for prompt in prompts for argument in prompt["arguments"]]
    assert arguments
    assert [each["name"] for each in arguments if not each.get("description")] == []
