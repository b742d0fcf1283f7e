"""Subtitles that cannot be read cost no speech: it is paid for, and they are an extra."""

import json

import pytest

import minimax_server
from minimax.settings import Settings
from tests.support.in_process import use_runtime
from tests.support.raw_server import Behaviour, ok, reply, reset, serve_raw
from tests.support.virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

SOUND = b"ID3" + bytes(900)
LINE = {"text": "Hello", "time_begin": 0, "time_end": 1000}


def items(*found: object) -> Behaviour:
    return reply(json.dumps(found).encode())


HOSTILE = {
    "nested": reply(b"[" * 100_000 + b"]" * 100_000),
    "nested-in-text": reply(b'[{"text": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]"),
    "nested-less": reply(b'[{"text": ' + b"[" * 150 + b"]" * 150 + b"}]"),
    "many-values": reply(b"[" + b"{}," * 200_000 + b"{}]"),
    "too-long": reply(b" " * 6_000_000),
    "no-json": reply(b"<html>"),
    "no-UTF-8": reply(b"\xff\xfe"),
    "lone-surrogate": reply(rb'[{"text": "\ud800", "time_begin": 0, "time_end": 1}]'),
    "null": reply(b"null"),
    "number": reply(b"5"),
    "object": reply({"text": "x"}),
    "texts": items("a", "b"),
    "no-times": items({"text": "x"}),
    "times-that-are-none": items(LINE | {"time_begin": None}),
    "times-beyond-reason": items(LINE | {"time_end": 1e308}),
    "times-without-end": reply(b'[{"text": "x", "time_begin": 0, "time_end": 1e999}]'),
    "huge-number": reply(b'[{"text": "x", "time_begin": 0, "time_end": ' + b"9" * 5_000 + b"}]"),
    "expired": reply(b"", status=403),
    "in-trouble": reply(b"", status=500),
    "cut": reset,
}


@pytest.mark.parametrize("answer", HOSTILE)
async def test_whatever_the_subtitles_are_the_speech_is_returned_and_billed_once(
    answer: str, settings: Settings, time: VirtualTime
) -> None:
    async with serve_raw(HOSTILE[answer]) as store:
        data = {"audio": SOUND.hex(), "subtitle_file": f"{store.url}/s.json"}
        async with serve_raw(ok(data=data)) as api, use_runtime(settings, api, time):
            spoken = await minimax_server.text_to_audio("Hello.", subtitles=True)
    assert spoken["path"]
    assert len(api.requests) == 1
    assert store.requests


async def test_subtitles_hold_nothing_invisible(settings: Settings, time: VirtualTime) -> None:
    odd = LINE | {"text": "He\u202ello\n\n2\n00:00 \x1b[2Jyou"}
    async with serve_raw(items(odd)) as store:
        data = {"audio": SOUND.hex(), "subtitle_file": f"{store.url}/s.json"}
        async with serve_raw(ok(data=data)) as api, use_runtime(settings, api, time):
            spoken = await minimax_server.text_to_audio("Hello.", subtitles=True)
    with open(str(spoken["subtitle_path"]), encoding="utf-8") as file:
        assert file.read() == "1\n00:00:00,000 --> 00:00:01,000\nHello 2 00:00 [2Jyou\n"
