"""Mixes of voices, pronunciation, changes of the sound, and subtitles by sentence or by word."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import minimax_server
from minimax.errors import MaybeChargedError
from minimax.limits import EMOTIONS
from minimax.sandbox import Fault, Sandbox
from minimax.settings import Settings
from minimax.voice import subtitles
from minimax.voice.speech_options import parse_voice_mix
from tests.support import samples
from tests.support.host import ROOT
from tests.support.in_process import call, connected, failure, use_runtime
from tests.support.raw_server import ok, reply, serve_raw
from tests.support.samples import put
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

LADY, MAN = "English_Graceful_Lady", "English_Calm_Man"
SPOKEN = ok(data={"audio": (b"ID3" + bytes(900)).hex()}, system_voice=[])
"""Answers the speech, and the question for voices before it."""
LONG_TEXT = "Hello. " * 80
"""Too dear to be made again by itself where an attempt ended in doubt."""

# --- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param(
            {"pronunciation": ["处理/(chu3)(li3)", "omg/oh my god"]},
            {"pronunciation_dict": {"tone": ["处理/(chu3)(li3)", "omg/oh my god"]}},
            id="pronunciation",
        ),
        pytest.param(
            {"voice_mix": [f"{LADY}:70", " Chinese (Mandarin)_News Anchor : 30 "]},
            {
                "timbre_weights": [
                    {"voice_id": LADY, "weight": 70},
                    {"voice_id": "Chinese (Mandarin)_News Anchor", "weight": 30},
                ],
                "voice_setting": {"voice_id": ""},
            },
            id="mix",
        ),
        pytest.param(
            {"effect": "robotic", "intensity": -100, "timbre": 100, "modify_pitch": 7},
            {
                "voice_modify": {
                    "sound_effects": "robotic",
                    "intensity": -100,
                    "timbre": 100,
                    "pitch": 7,
                }
            },
            id="modification",
        ),
        pytest.param(
            {"pitch": -2, "modify_pitch": 7},
            {
                "voice_setting": {"voice_id": LADY, "pitch": -2},
                "voice_modify": {"pitch": 7},
            },
            id="both-pitches",
        ),
        pytest.param({"intensity": 0, "timbre": 0, "modify_pitch": 0}, {}, id="nothing-changed"),
        pytest.param({"subtitles": "sentence"}, {"subtitle_enable": True}, id="sentences"),
        pytest.param(
            {"subtitles": "word"}, {"subtitle_enable": True, "subtitle_type": "word"}, id="words"
        ),
        pytest.param({"subtitles": True}, {"subtitle_enable": True}, id="subtitles-true"),
        pytest.param({"subtitles": "true"}, {"subtitle_enable": True}, id="subtitles-true-as-text"),
        pytest.param({"subtitles": False}, {}, id="subtitles-false"),
        pytest.param({"subtitles": ""}, {}, id="subtitles-empty"),
        pytest.param({"voice_mix": [], "pronunciation": []}, {}, id="empty-lists"),
    ],
)
async def test_an_option_becomes_its_part_of_the_body_and_nothing_else(
    arguments: dict[str, Any], sent: dict[str, Any], settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(SPOKEN) as api, use_runtime(settings, api, time):
        await minimax_server.text_to_audio("Hello.", **arguments)
    plain = {
        "model": "speech-2.8-hd",
        "text": "Hello.",
        "voice_setting": {"voice_id": LADY},
        "audio_setting": {"format": "mp3"},
        "output_format": "url",
    }
    assert api.requests[-1].json == {**plain, **sent}


# --- what is refused here ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            {"voice_mix": [f"{LADY}:1"], "voice_id": MAN}, "exclude each other", id="mix-and-voice"
        ),
        pytest.param(
            {"voice_mix": [f"Voice_{n}:1" for n in range(5)]}, "mixes 4 at most", id="five-voices"
        ),
        pytest.param(
            {"voice_mix": [f"{LADY}:1", f"{MAN}:2", f"{LADY}:3"]},
            f"names '{LADY}' twice",
            id="repeated-voice",
        ),
        pytest.param(
            {"voice_mix": [f"{LADY}:0"]}, f"weight of '{LADY}' must be 1 or more", id="weight-0"
        ),
        pytest.param(
            {"voice_mix": [f"{LADY}:101"]},
            f"weight of '{LADY}' must be 100 or less",
            id="weight-101",
        ),
        pytest.param({"voice_mix": [f"{LADY}:-5"]}, "must be 1 or more", id="negative-weight"),
        pytest.param({"voice_mix": [LADY]}, "with its weight. Write each like", id="no-weight"),
        pytest.param({"voice_mix": [f"{LADY}:much"]}, "with its weight", id="weight-in-words"),
        pytest.param({"voice_mix": [f"{LADY}:1.5"]}, "with its weight", id="half-a-weight"),
        pytest.param({"voice_mix": [":50"]}, "with its weight", id="no-voice"),
        pytest.param({"voice_mix": [f"{LADY}:{'9' * 5000}"]}, "with its weight", id="huge-weight"),
        pytest.param({"voice_mix": LADY}, "voice_mix must be a list", id="mix-as-text"),
        pytest.param({"pronunciation": ["live"]}, "'live' is not a word with", id="no-reading"),
        pytest.param({"pronunciation": ["/(laɪv)"]}, "not a word with", id="no-word"),  # noqa: RUF001
        pytest.param({"pronunciation": ["live/ "]}, "not a word with", id="empty-reading"),
        pytest.param({"pronunciation": ["live/()"]}, "not a word with", id="empty-parentheses"),
        pytest.param({"pronunciation": ["live/(x"]}, "not a word with", id="open-parenthesis"),
        pytest.param({"pronunciation": ["live/x)"]}, "not a word with", id="closed-parenthesis"),
        pytest.param({"pronunciation": [7]}, "pronunciation.0 must be a text", id="number"),
        pytest.param({"effect": "echo"}, "effect must be one of: spacious_echo", id="effect"),
        pytest.param({"intensity": 101}, "intensity must be 100 or less", id="intensity"),
        pytest.param({"timbre": -101}, "timbre must be -100 or more", id="timbre"),
        pytest.param({"modify_pitch": 101}, "modify_pitch must be 100 or less", id="pitch"),
        pytest.param(
            {"effect": "robotic", "format": "opus"},
            "mp3, wav, flac and not with opus",
            id="effect-in-opus",
        ),
        pytest.param({"timbre": 5, "format": "pcm"}, "not with pcm", id="timbre-in-pcm"),
        pytest.param(
            {"subtitles": "word_streaming"}, "must be one of: sentence, word", id="streaming"
        ),
        pytest.param({"subtitles": "line"}, "must be one of: sentence, word", id="unknown-level"),
        pytest.param({"subtitles": ["word"]}, "must be one of: sentence, word", id="level-in-list"),
    ],
)
async def test_options_that_would_be_refused_cost_nothing(
    arguments: dict[str, Any], said: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        assert said in await failure(client, "text_to_audio", text="Hello.", **arguments)
    assert not sandbox.requests


async def test_a_message_shows_only_the_beginning_of_a_malformed_entry(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(client, "text_to_audio", text="Hello.", pronunciation=["x" * 10_000])
    assert len(text) < 300


@pytest.mark.parametrize("changed", ["intensity", "timbre", "modify_pitch"])
async def test_a_number_that_changes_nothing_goes_with_every_format(
    changed: str, settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="Hello.", format="pcm", **{changed: 0})
    assert spoken["path"].endswith(".pcm")


def test_what_follows_the_last_colon_is_the_weight() -> None:
    [voice] = parse_voice_mix(["odd:voice:7"])
    assert (voice.voice_id, voice.weight) == ("odd:voice", 7)


# --- what a host reads -------------------------------------------------------------------------


def test_the_levels_of_subtitles_are_listed_as_plain_texts() -> None:
    [tool] = [tool for tool in minimax_server.toolbox.tools if tool.name == "text_to_audio"]
    listed = tool.parameters["properties"]["subtitles"]
    assert (listed["type"], listed["enum"], listed["default"]) == (
        "string",
        ["", "sentence", "word"],
        "",
    )


async def test_the_same_emotions_are_in_the_schema_the_docs_and_the_refusal(
    settings: Settings, sandbox: Sandbox
) -> None:
    [tool] = [tool for tool in minimax_server.toolbox.tools if tool.name == "text_to_audio"]
    emotions = ", ".join(EMOTIONS)
    assert emotions in tool.parameters["properties"]["emotion"]["description"]
    assert emotions in (ROOT / "docs" / "TOOLS.md").read_text(encoding="utf-8")
    async with connected(settings, sandbox) as client:
        assert emotions in await failure(client, "text_to_audio", text="Hello.", emotion="bored")


# --- money -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        pytest.param({"pronunciation": ["Hello/Hi"]}, id="pronunciation"),
        pytest.param({"voice_mix": [f"{LADY}:50", f"{MAN}:50"]}, id="voice_mix"),
        pytest.param({"effect": "robotic"}, id="effect"),
        pytest.param({"intensity": 10}, id="intensity"),
        pytest.param({"timbre": 10}, id="timbre"),
        pytest.param({"modify_pitch": 10}, id="modify_pitch"),
        pytest.param({"subtitles": "sentence"}, id="sentences"),
        pytest.param({"subtitles": "word"}, id="words"),
    ],
)
async def test_two_calls_that_differ_in_an_option_are_two_purchases(
    option: dict[str, Any], settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/t2a_v2", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.text_to_audio(LONG_TEXT)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await minimax_server.text_to_audio(LONG_TEXT)
        spoken = await minimax_server.text_to_audio(LONG_TEXT, **option)
    assert spoken["path"]
    assert sandbox.count_charges("speech") == 2


async def test_subtitles_true_and_by_sentence_are_the_same_purchase(
    settings: Settings, sandbox: Sandbox, time: VirtualTime
) -> None:
    sandbox.faults.add(Fault("/v1/t2a_v2", when="after", reset=True))
    async with use_runtime(settings, sandbox, time):
        with pytest.raises(MaybeChargedError):
            await minimax_server.text_to_audio(LONG_TEXT, subtitles=True)
        with pytest.raises(MaybeChargedError, match="identical request"):
            await minimax_server.text_to_audio(LONG_TEXT, subtitles="sentence")
    assert sandbox.count_charges("speech") == 1


async def test_each_made_voice_of_a_mix_has_its_fee_at_its_first_use(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    recording = put(home / "a.wav", samples.wav())
    async with connected(settings, sandbox) as client:
        for name in ("Anna-reads-1", "Berta-reads-1"):
            await call(client, "voice_clone", audio=str(recording), voice_id=name)
        mix = [f"{LADY}:20", "Anna-reads-1:40", "Berta-reads-1:40"]
        first = await call(client, "text_to_audio", text="Hello.", voice_mix=mix)
        again = await call(client, "text_to_audio", text="Hello.", voice_mix=mix)
        single = await call(client, "text_to_audio", text="Hello.", voice_id="Anna-reads-1")
    assert "2 voices have spoken for the first time" in first["next_step"]
    assert "List price: $3.00" in first["next_step"]
    assert "for the first time" not in again["next_step"] + single["next_step"]
    assert sandbox.count_charges("voice_clone") == 2
    assert sandbox.count("POST /v1/get_voice") == 1


async def test_the_fees_of_a_mix_count_against_the_daily_limit(
    settings: Settings, sandbox: Sandbox, home: Path
) -> None:
    recording = put(home / "a.wav", samples.wav())
    async with connected(replace(settings, daily_limit_usd=2.9), sandbox) as client:
        for name in ("Anna-reads-1", "Berta-reads-1"):
            await call(client, "voice_clone", audio=str(recording), voice_id=name)
        mix = ["Anna-reads-1:40", "Berta-reads-1:40"]
        text = await failure(client, "text_to_audio", text="Hello.", voice_mix=mix)
    assert "would cost $3.00" in text
    assert not sandbox.count("POST /v1/t2a_v2")


# --- what comes back ---------------------------------------------------------------------------


async def test_a_mix_with_an_effect_is_spoken_and_saved(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(
            client,
            "text_to_audio",
            text="Hello.",
            voice_mix=[f"{LADY}:70", f"{MAN}:30"],
            effect="lofi_telephone",
            pronunciation=["Hello/Hi"],
        )
    assert Path(spoken["path"]).stat().st_size > 1000
    assert spoken["voice_id"] is None


async def test_a_mix_with_an_unknown_voice_is_refused_by_minimax_and_not_charged(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        text = await failure(
            client, "text_to_audio", text="Hello.", voice_mix=[f"{LADY}:70", "Nobody-1234:30"]
        )
    assert "2054" in text
    assert not sandbox.count_charges("speech")


async def test_subtitles_by_word_have_one_entry_for_each_word(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connected(settings, sandbox) as client:
        spoken = await call(client, "text_to_audio", text="One two. 三四 five!", subtitles="word")
    blocks = Path(spoken["subtitle_path"]).read_text(encoding="utf-8").strip().split("\n\n")
    words = [block.split("\n")[2] for block in blocks]
    assert words == ["One", "two.", "三", "四", "five!"]
    begins = [block.split("\n")[1].split(" --> ")[0] for block in blocks]
    assert begins == sorted(set(begins))


SYLLABLES = [
    {"word": "In", "time_begin": 0, "time_end": 100, "word_begin": 0},
    {"word": "1953", "time_begin": 100, "time_end": 400, "word_begin": 3},
    {"word": "1953", "time_begin": 400, "time_end": 900.4, "word_begin": 3},
    {"word": "we", "time_begin": 900.4, "time_end": 1000, "word_begin": 8},
]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        pytest.param(SYLLABLES, ["In", "1953", "we"], id="a-number-of-two-syllables"),
        pytest.param(
            [{**word, "word_begin": None} for word in SYLLABLES],
            ["In", "1953", "we"],
            id="without-places",
        ),
        pytest.param(None, ["In 1953 we"], id="null"),
        pytest.param([], ["In 1953 we"], id="none"),
    ],
)
def test_a_subtitle_becomes_its_words_where_it_has_any(
    words: list[dict[str, Any]] | None, texts: list[str]
) -> None:
    item = {"text": "In 1953 we", "time_begin": 0, "time_end": 1000, "timestamped_words": words}
    blocks = subtitles.srt_text([item]).strip().split("\n\n")
    assert [block.split("\n")[2] for block in blocks] == texts
    assert blocks[-1].split("\n")[1].endswith("00:00:01,000")


def test_the_syllables_of_a_word_are_one_entry_from_the_first_to_the_last() -> None:
    item = {"timestamped_words": SYLLABLES}
    assert subtitles.srt_text([item]).split("\n\n")[1] == ("2\n00:00:00,100 --> 00:00:00,900\n1953")


@pytest.mark.parametrize("words", [[{}], [5], "words", {"word": "x"}], ids=json.dumps)
async def test_words_that_cannot_be_read_cost_no_speech(
    words: Any, settings: Settings, time: VirtualTime
) -> None:
    item = {"text": "Hello", "time_begin": 0, "time_end": 1, "timestamped_words": words}
    async with serve_raw(reply(json.dumps([item]).encode())) as store:
        data = {"audio": (b"ID3" + bytes(900)).hex(), "subtitle_file": f"{store.url}/s.json"}
        async with serve_raw(ok(data=data)) as api, use_runtime(settings, api, time):
            spoken = await minimax_server.text_to_audio("Hello.", subtitles="word")
    assert spoken["path"]
    assert spoken["subtitle_path"] is None
