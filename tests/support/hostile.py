"""Answers that a broken or malicious API could give; the endless one is made while it is sent."""

import json
import zlib
from typing import Any

from tests.support.raw_server import Behaviour, Connection, ok, raw, reply

MIB = 1024 * 1024
DONE: dict[str, Any] = {"base_resp": {"status_code": 0, "status_msg": "success"}}


def gzip_bomb(mebibytes: int = 600) -> Behaviour:
    """A valid reply between so many blanks; a thousandth of that on the wire."""
    body = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = bytearray(body.compress(json.dumps(DONE).encode()))
    for _ in range(mebibytes):
        packed += body.compress(b" " * MIB)
    packed += body.flush()
    return reply(bytes(packed), headers={"Content-Encoding": "gzip"})


async def endless(connection: Connection) -> None:
    """Chunk after chunk, until the other side goes."""
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")


def many_voices(megabytes: int = 22) -> Behaviour:
    voice = {"voice_id": "voice-000000", "voice_name": "A name", "description": ["Words " * 10]}
    size = len(json.dumps(voice)) + 2
    return ok(system_voice=[voice] * (megabytes * 1_000_000 // size))


def long_message(megabytes: int = 50) -> Behaviour:
    """A refusal of so many words."""
    return reply({"base_resp": {"status_code": 2013, "status_msg": "word " * 200_000 * megabytes}})


def nested(megabytes: int = 3) -> Behaviour:
    """Lists in lists, half of them opening."""
    half = megabytes * 500_000
    return reply(b'{"task_id": ' + b"[" * half + b"]" * half + b"}")


def many_headers(count: int = 200_000) -> Behaviour:
    lines = b"".join(b"X-%d: x\r\n" % number for number in range(count))
    return raw(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + json.dumps(DONE).encode())


def tiny_values(megabytes: int = 4) -> Behaviour:
    """Lists of nothing: two bytes each, and thirty times that in memory."""
    return reply(b'{"system_voice": [' + b"[]," * (megabytes * 333_333) + b"[]]}")


def most_voices(count: int = 10_000) -> Behaviour:
    """As many voices as one answer may hold."""
    return ok(
        system_voice=[{"voice_id": f"voice-{n}", "description": "x" * 300} for n in range(count)]
    )


def sound(mebibytes: int = 23, *, ending: str = "") -> Behaviour:
    """Speech as hex, as long as it may be; `ending` comes after it."""
    audio = "494433" + "00" * (mebibytes * MIB // 2)
    return reply(json.dumps({"data": {"audio": audio + ending}, **DONE}).encode())


def wide_sound() -> Behaviour:
    """One sign that makes the whole text four times as large in memory."""
    return sound(ending="\N{GRINNING FACE}")
