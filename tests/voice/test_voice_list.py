"""A list of voices fits into what hosts hand to a model, and says what it leaves out."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.support.in_process import call, connected, text_of
from tests.support.raw_server import ok, serve_raw

pytestmark = pytest.mark.anyio

MOST_BYTES = 60_000
"""Of an answer: 25,000 tokens, at which Claude Code cuts it, of 2.4 bytes each."""
ENGLISH = "A calm and friendly middle-aged voice with a warm tone, made for long stories. " * 4
CHINESE = "沉稳可靠的青年男性声音，普通话清晰，适合有声书和新闻播报。" * 8  # noqa: RUF001


def system(count: int, description: str, *, name: str = "Reliable Executive") -> dict[str, Any]:
    voices = [
        {"voice_id": f"English_Voice_{n}", "voice_name": name, "description": [description]}
        for n in range(count)
    ]
    return {"system_voice": voices}


def clones(count: int, length: int) -> dict[str, Any]:
    return {"voice_cloning": [{"voice_id": f"v{n:0{length - 1}}"} for n in range(count)]}


LARGE = {
    "english": system(500, ENGLISH),
    "chinese": system(500, CHINESE, name="青涩青年音色"),
    "long-names": system(500, ENGLISH, name=ENGLISH),
    "long-ids": clones(500, 256),
    "ten-thousand-clones": clones(10_000, 100),
    "everything": {**clones(600, 256), **system(335, ENGLISH)},
}


@pytest.mark.parametrize("voices", LARGE.values(), ids=LARGE)
async def test_the_longest_list_fits_and_says_what_it_leaves_out(
    voices: dict[str, Any], settings: Settings
) -> None:
    total = sum(map(len, voices.values()))
    async with serve_raw(ok(**voices)) as api, connected(settings, api) as client:
        answer = await client.call_tool("list_voices", {"limit": 500})
    found = answer.structured_content or {}
    shown = sum(len(found[group]) for group in ("cloned", "designed", "system"))
    forms = (text_of(answer), json.dumps(found, ensure_ascii=False))
    longest_bytes = max(len(form.encode()) for form in forms)
    assert longest_bytes < MOST_BYTES
    assert longest_bytes > MOST_BYTES * 0.7, "more could have been shown"
    assert found["total"] == total
    if shown < total:
        assert f"{total} voices match; {shown} are shown" in found["next_step"]
        assert "Find the others with search" in found["next_step"]
    assert shown == total or shown < 500
    assert shown > 100


async def test_own_voices_come_first_where_not_all_are_shown(settings: Settings) -> None:
    voices = {**clones(100, 256), **system(400, ENGLISH)}
    async with serve_raw(ok(**voices)) as api, connected(settings, api) as client:
        found = await call(client, "list_voices", limit=500)
    assert len(found["cloned"]) == 100
    assert 0 < len(found["system"]) < 400


def lengths(voices: Sequence[dict[str, Any]]) -> set[int]:
    return {len(voice["description"] or "") for voice in voices}


@pytest.mark.parametrize(
    ("voices", "characters", "said"),
    [
        pytest.param(system(100, ENGLISH), 80, None, id="in-full"),
        pytest.param(system(300, ENGLISH), 80, None, id="many-in-full"),
        pytest.param(system(420, ENGLISH), 40, "Descriptions are cut to 40 characters", id="half"),
        pytest.param(
            system(490, ENGLISH), 20, "Descriptions are cut to 20 characters", id="a-few-words"
        ),
        pytest.param(system(500, CHINESE), 0, "Descriptions are left out", id="none"),
    ],
)
async def test_the_longer_the_list_the_shorter_the_descriptions_and_all_voices_are_shown(
    voices: dict[str, Any], characters: int, said: str | None, settings: Settings
) -> None:
    async with serve_raw(ok(**voices)) as api, connected(settings, api) as client:
        found = await call(client, "list_voices", limit=500)
    assert len(found["system"]) == found["total"] == len(voices["system_voice"])
    assert lengths(found["system"]) == {characters}
    assert (said or "") in found["next_step"]
    assert ("Descriptions" in found["next_step"]) is (said is not None)


async def test_a_limit_alone_shortens_nothing_and_says_how_many_there_are(
    settings: Settings,
) -> None:
    async with serve_raw(ok(**system(335, ENGLISH))) as api, connected(settings, api) as client:
        found = await call(client, "list_voices", limit=50)
    assert [found["system"][n]["voice_id"] for n in (0, -1)] == [
        "English_Voice_0",
        "English_Voice_49",
    ]
    assert lengths(found["system"]) == {80}
    assert "335 voices match; 50 are shown. Find the others" in found["next_step"]
    assert "Descriptions" not in found["next_step"]


async def test_every_voice_of_the_sandbox_is_in_the_longest_list(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        found = await call(client, "list_voices", limit=500)
    assert len(found["system"]) == found["total"] >= 300
