"""The sample media that the sandbox returns, and the recording that the demo uploads.

Every sample beside this module was made for this package with ffmpeg and espeak-ng and contains no
third-party work:

* `video.mp4`: a sun crossing the sky over the sea, 640x360, 24 fps, 5.9 s, H.264 and a quiet AAC
  chord; drawn pixel by pixel with ffmpeg's `geq`, with the index first, so that it plays while it
  downloads.
* `video_h3.mp4`: the same scene as MiniMax-H3 makes videos of 768P: 1344x768, 24 fps, 124 frames,
  with sound.
* `speech.*`: "Hello. This is the sandbox's voice. Nothing was charged." by espeak-ng, as mp3,
  flac, opus and as 8 kHz mu-law, from which the wav and pcm versions are computed.
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

VIDEO: Final = FOLDER / "video.mp4"
H3_VIDEO: Final = FOLDER / "video_h3.mp4"
_BOX_HEADER_BYTES: Final = 8
_MAX_BOX_BYTES: Final = 2**32 - 1  # ISO 14496-12: the plain box header counts in 32 bits

_MU_LAW_RATE_HZ: Final = 8000
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
    """A file, bytes or both, streamed in chunks so that large content is not held in memory."""

    media_type: str
    path: Path | None = None
    data: bytes = b""
    padding: bytes = b""
    zeros: int = 0

    @property
    def size(self) -> int:
        """The size in bytes."""
        stored_bytes = self.path.stat().st_size if self.path else len(self.data)
        return stored_bytes + len(self.padding) + self.zeros

    def iter_chunks(self) -> Iterator[bytes]:
        """Yield the bytes in chunks."""
        if self.path:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        yield self.data + self.padding
        for start in range(0, self.zeros, CHUNK_BYTES):
            yield bytes(min(CHUNK_BYTES, self.zeros - start))


def load_video(path: Path = VIDEO, *, size_bytes: int | None = None) -> Content:
    """Return a video, padded to `size_bytes` with a trailing `free` box that players skip."""
    if size_bytes is None:
        return Content("video/mp4", path=path)
    box_bytes = size_bytes - path.stat().st_size
    if not _BOX_HEADER_BYTES <= box_bytes <= _MAX_BOX_BYTES:
        smallest = path.stat().st_size + _BOX_HEADER_BYTES
        raise ValueError(f"video_bytes must be from {smallest} to 4 GiB more")
    header = struct.pack(">I4s", box_bytes, b"free")
    return Content("video/mp4", path=path, padding=header, zeros=box_bytes - _BOX_HEADER_BYTES)


@dataclass(frozen=True)
class SpeechSample:
    """The sample speech in one format, with its properties."""

    data: bytes
    audio_format: str
    sample_rate_hz: int
    bitrate: int
    channels: int
    length_ms: int

    @property
    def content(self) -> Content:
        """The audio as downloadable content."""
        return Content(_MEDIA_TYPES[self.audio_format], data=self.data)

    @property
    def suffix(self) -> str:
        """The file name extension for the format."""
        return {"pcmu_raw": "pcmu", "pcmu_wav": "wav"}.get(self.audio_format, self.audio_format)


@cache
def load_speech(
    audio_format: str = "mp3", *, sample_rate_hz: int = 32000, channels: int = 1
) -> SpeechSample:
    """Return the sample speech in `audio_format`.

    Compressed and mu-law samples keep the rate and channels they were recorded with.
    """
    if audio_format in {"wav", "pcm"}:
        return _make_linear_speech(audio_format, sample_rate_hz, channels)
    if audio_format in {"pcmu_raw", "pcmu_wav"}:
        return _make_mu_law_speech(audio_format)
    return _load_speech_file(audio_format)


def _load_speech_file(audio_format: str) -> SpeechSample:
    path = FOLDER / f"speech.{audio_format}"
    tag = TinyTag.get(path)
    return SpeechSample(
        path.read_bytes(),
        audio_format,
        sample_rate_hz=int(tag.samplerate or 0),
        bitrate=int((tag.bitrate or 0) * 1000),
        channels=int(tag.channels or 1),
        length_ms=int((tag.duration or 0) * 1000),
    )


def _make_mu_law_speech(audio_format: str) -> SpeechSample:
    data = _read_mu_law()
    if audio_format == "pcmu_wav":
        data = _make_mu_law_wav_header(len(data)) + data
    length_ms = len(_read_mu_law()) * 1000 // _MU_LAW_RATE_HZ
    return SpeechSample(data, audio_format, _MU_LAW_RATE_HZ, _MU_LAW_RATE_HZ * 8, 1, length_ms)


def _make_linear_speech(audio_format: str, rate_hz: int, channels: int) -> SpeechSample:
    data = _resample(rate_hz, channels)
    length_ms = len(data) * 1000 // (rate_hz * channels * _SAMPLE_BYTES)
    if audio_format == "wav":
        data = _make_wav(data, rate_hz, channels)
    bitrate = rate_hz * channels * _SAMPLE_BYTES * 8
    return SpeechSample(data, audio_format, rate_hz, bitrate, channels, length_ms)


def _read_mu_law() -> bytes:
    return (FOLDER / "speech.pcmu").read_bytes()


def _resample(rate_hz: int, channels: int) -> bytes:
    linear = [_decode_mu_law(byte) for byte in range(256)]
    mu_law = _read_mu_law()
    count = len(mu_law) * rate_hz // _MU_LAW_RATE_HZ
    samples = array("h")
    for i in range(count):
        samples.extend([linear[mu_law[i * _MU_LAW_RATE_HZ // rate_hz]]] * channels)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _decode_mu_law(byte: int) -> int:
    """Decode a mu-law byte to a 16-bit sample (ITU-T G.711)."""
    byte = ~byte & 0xFF
    exponent, mantissa = (byte >> 4) & 0x07, byte & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return -magnitude if byte & 0x80 else magnitude


def _make_wav(data: bytes, rate_hz: int, channels: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(_SAMPLE_BYTES)
        out.setframerate(rate_hz)
        out.writeframes(data)
    return file.getvalue()


def _make_mu_law_wav_header(data_bytes: int) -> bytes:
    rate = _MU_LAW_RATE_HZ
    layout = struct.pack("<HHIIHHH", _WAV_FORMAT_MU_LAW, 1, rate, rate, 1, 8, 0)
    chunks = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", data_bytes)
    return b"RIFF" + struct.pack("<I", len(chunks) + data_bytes) + chunks
