"""The sample media: what the sandbox answers with, and what its demo sends.

Every sample beside this module was made for this package with ffmpeg and espeak-ng and holds no
third party's work:

* `film.mp4`: a sun crossing the sky over the sea, 640x360, 24 fps, 5.9 s, H.264 and a quiet AAC
  chord; drawn pixel by pixel with ffmpeg's `geq`, index in front, so that it plays while it loads.
* `speech.*`: "Hello. This is the sandbox's voice. Nothing was charged." by espeak-ng, as mp3,
  flac, opus and as 8 kHz mu-law, from which the wav and pcm answers are computed.
* `recording.mp3`: 13 s of speech by espeak-ng, long enough to be cloned.
"""

import io
import struct
import sys
import wave
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tinytag import TinyTag

FOLDER: Final = Path(__file__).parent
RECORDING: Final = FOLDER / "recording.mp3"

CHUNK_BYTES: Final = 64 * 1024

_FILM: Final = FOLDER / "film.mp4"
_BOX_HEADER_BYTES: Final = 8
_LARGEST_BOX_BYTES: Final = 2**32 - 1  # ISO 14496-12: the plain box header counts in 32 bits

_PHONE_RATE_HZ: Final = 8000
_SAMPLE_BYTES: Final = 2
_WAV_FORMAT_MU_LAW: Final = 7  # RFC 2361

SPEECH_FORMATS: Final = ("mp3", "pcm", "flac", "wav", "pcmu_raw", "pcmu_wav", "opus")
_MEDIA_TYPES: Final = {
    "mp3": "audio/mpeg",
    "pcm": "audio/pcm",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcmu_raw": "audio/basic",
    "pcmu_wav": "audio/wav",
    "opus": "audio/ogg",
}


@dataclass(frozen=True)
class Content:
    """Bytes that can be read again and again without holding them."""

    media_type: str
    path: Path | None = None
    data: bytes = b""
    padding: bytes = b""
    zeros: int = 0

    @property
    def size(self) -> int:
        """In bytes."""
        held = self.path.stat().st_size if self.path else len(self.data)
        return held + len(self.padding) + self.zeros

    def chunks(self) -> Iterator[bytes]:
        """The bytes, a little at a time."""
        if self.path:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        yield self.data + self.padding
        for start in range(0, self.zeros, CHUNK_BYTES):
            yield bytes(min(CHUNK_BYTES, self.zeros - start))


def film(*, size_bytes: int | None = None) -> Content:
    """The film, padded to `size_bytes` with a trailing `free` box that players skip."""
    if size_bytes is None:
        return Content("video/mp4", path=_FILM)
    box_bytes = size_bytes - _FILM.stat().st_size
    if not _BOX_HEADER_BYTES <= box_bytes <= _LARGEST_BOX_BYTES:
        smallest = _FILM.stat().st_size + _BOX_HEADER_BYTES
        raise ValueError(f"film_bytes must be from {smallest} to 4 GiB more")
    header = struct.pack(">I4s", box_bytes, b"free")
    return Content("video/mp4", path=_FILM, padding=header, zeros=box_bytes - _BOX_HEADER_BYTES)


@dataclass(frozen=True)
class Sound:
    """A piece of audio and its facts."""

    data: bytes
    audio_format: str
    sample_rate_hz: int
    bitrate: int
    channels: int
    length_ms: int

    @property
    def content(self) -> Content:
        """The audio as something to download."""
        return Content(_MEDIA_TYPES[self.audio_format], data=self.data)

    @property
    def suffix(self) -> str:
        """The ending of a file name that suits the format."""
        return {"pcmu_raw": "pcmu", "pcmu_wav": "wav"}.get(self.audio_format, self.audio_format)


@cache
def speech(audio_format: str = "mp3", *, sample_rate_hz: int = 32000, channels: int = 1) -> Sound:
    """The sandbox's voice. The compressed and mu-law samples keep the rate they were made with."""
    if audio_format in {"wav", "pcm"}:
        return _linear_speech(audio_format, sample_rate_hz, channels)
    if audio_format in {"pcmu_raw", "pcmu_wav"}:
        return _phone_speech(audio_format)
    return _recorded_speech(audio_format)


def _recorded_speech(audio_format: str) -> Sound:
    path = FOLDER / f"speech.{audio_format}"
    facts = TinyTag.get(path)
    return Sound(
        path.read_bytes(),
        audio_format,
        sample_rate_hz=int(facts.samplerate or 0),
        bitrate=int((facts.bitrate or 0) * 1000),
        channels=int(facts.channels or 1),
        length_ms=int((facts.duration or 0) * 1000),
    )


def _phone_speech(audio_format: str) -> Sound:
    data = _mu_law()
    if audio_format == "pcmu_wav":
        data = _mu_law_wav_header(len(data)) + data
    length_ms = len(_mu_law()) * 1000 // _PHONE_RATE_HZ
    return Sound(data, audio_format, _PHONE_RATE_HZ, _PHONE_RATE_HZ * 8, 1, length_ms)


def _linear_speech(audio_format: str, rate_hz: int, channels: int) -> Sound:
    data = _resampled(rate_hz, channels)
    length_ms = len(data) * 1000 // (rate_hz * channels * _SAMPLE_BYTES)
    if audio_format == "wav":
        data = _wav(data, rate_hz, channels)
    bitrate = rate_hz * channels * _SAMPLE_BYTES * 8
    return Sound(data, audio_format, rate_hz, bitrate, channels, length_ms)


def _mu_law() -> bytes:
    return (FOLDER / "speech.pcmu").read_bytes()


def _resampled(rate_hz: int, channels: int) -> bytes:
    linear = [_linear(byte) for byte in range(256)]
    phone = _mu_law()
    count = len(phone) * rate_hz // _PHONE_RATE_HZ
    samples = array("h")
    for i in range(count):
        samples.extend([linear[phone[i * _PHONE_RATE_HZ // rate_hz]]] * channels)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _linear(byte: int) -> int:
    """A mu-law byte as a 16-bit sample (ITU-T G.711)."""
    byte = ~byte & 0xFF
    exponent, mantissa = (byte >> 4) & 0x07, byte & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return -magnitude if byte & 0x80 else magnitude


def _wav(data: bytes, rate_hz: int, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(_SAMPLE_BYTES)
        out.setframerate(rate_hz)
        out.writeframes(data)
    return file.getvalue()


def _mu_law_wav_header(data_bytes: int) -> bytes:
    rate = _PHONE_RATE_HZ
    layout = struct.pack("<HHIIHHH", _WAV_FORMAT_MU_LAW, 1, rate, rate, 1, 8, 0)
    chunks = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", data_bytes)
    return b"RIFF" + struct.pack("<I", len(chunks) + data_bytes) + chunks
