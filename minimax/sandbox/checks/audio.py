"""Measures recordings."""

from typing import BinaryIO

from tinytag import TinyTag, TinyTagException


def measure_audio(source: BinaryIO) -> float | None:
    """Return the length in seconds, or None if the file is not readable audio.

    The header of a WAV file that was written to a pipe announces too much, so the file size counts.
    """
    try:
        tag = TinyTag.get(file_obj=source, tags=False)
    except TinyTagException:
        return None
    source.seek(0)
    is_wav = source.read(4) == b"RIFF"
    frame_bits = (tag.bitdepth or 0) * (tag.channels or 0) * (tag.samplerate or 0)
    wav_seconds = tag.filesize * 8 / frame_bits if is_wav and frame_bits else None
    if tag.duration and wav_seconds:
        return min(tag.duration, wav_seconds)
    return tag.duration or None
