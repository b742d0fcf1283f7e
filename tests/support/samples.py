"""Small true files, made on the spot."""

import io
import struct
import wave
import zlib
from pathlib import Path

RATE = 8000


def wav(seconds: float = 12, *, announced_bytes: int | None = None, rate: int = RATE) -> bytes:
    """Mono 8-bit silence; `announced_bytes` is what a broken header claims."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(b"\x80" * round(seconds * rate))
    data = bytearray(buffer.getvalue())
    if announced_bytes is not None:
        data[40:44] = struct.pack("<I", announced_bytes)
    return bytes(data)


def png(width: int = 400, height: int = 400) -> bytes:
    """A grey image."""
    rows = (b"\x00" + b"\x80" * width) * height

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def mp4(payload: bytes = b"video" * 100) -> bytes:
    """The boxes of a video; players need more, the checks do not."""

    def box(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + name + data

    return (
        box(b"ftyp", b"isom\x00\x00\x02\x00isom") + box(b"moov", b"x" * 20) + box(b"mdat", payload)
    )


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
