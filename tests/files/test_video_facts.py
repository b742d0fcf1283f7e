"""What a video is, is read from its index; two independent readers agree about it."""

import base64
import io
import struct
from pathlib import Path
from typing import Any

import pytest

from minimax.errors import InputError
from minimax.files import inputs
from minimax.files.requirements import BASE_VIDEO, H3_AUDIO, H3_VIDEO, MediaRequirements
from minimax.files.source import DataUri, LocalFile
from minimax.files.video_facts import VideoFacts, read_video
from minimax.sandbox.api_errors import Refusal
from minimax.sandbox.checks.clips import measure_video
from minimax.sandbox.media import samples as media
from tests.support import samples
from tests.support.media_seeds import atom, clip, mp3
from tests.support.samples import put

OWN: dict[str, Any] = {"width": 1344, "height": 768, "seconds": 124 / 24}
"""A video of 5 seconds as MiniMax-H3 makes it in 768P."""


def facts_of(data: bytes) -> VideoFacts | None:
    return read_video(io.BytesIO(data), size=len(data))


def test_the_index_says_length_size_rate_and_codecs() -> None:
    assert facts_of(clip(3, rate=30, width=640, height=360)) == VideoFacts(
        seconds=3.0,
        width=640,
        height=360,
        frames=90,
        frames_per_second=30.0,
        codec="avc1",
        sound_codecs=("mp4a",),
    )


def test_a_silent_video_has_no_sound_codec() -> None:
    found = facts_of(clip(sound=None))
    assert found is not None
    assert found.sound_codecs == ()


def test_what_an_edit_list_cut_off_is_not_counted() -> None:
    """The header of the movie has the length of what is shown, the tracks have all of it."""
    found = facts_of(clip(20, movie_seconds=5))
    assert found is not None
    assert (found.seconds, found.frames_per_second) == (5.0, 24.0)


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF / 1000], ids=["none", "unknown"])
def test_where_the_movie_says_no_length_the_track_does(claimed: float) -> None:
    found = facts_of(clip(3, movie_seconds=claimed))
    assert found is not None
    assert found.seconds == 3.0


def test_lengths_in_64_bits_are_read() -> None:
    whole = clip(3)
    short = atom(b"mvhd", bytes(12), struct.pack(">II", 1000, 3000), bytes(80))
    long = atom(b"mvhd", b"\x01", bytes(19), struct.pack(">IQ", 1000, 4000), bytes(80))
    start = whole.index(b"moov") - 4
    longer = struct.unpack(">I", whole[start : start + 4])[0] + len(long) - len(short)
    changed = whole[:start] + struct.pack(">I", longer) + whole[start + 4 :].replace(short, long)
    found = facts_of(changed)
    assert found is not None
    assert found.seconds == 4.0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(samples.mp4(), id="an-index-of-noise"),
        pytest.param(clip()[:-1], id="cut-in-its-content"),
        pytest.param(clip()[:100], id="cut-in-its-index"),
        pytest.param(clip().replace(b"vide", b"text"), id="no-picture"),
        pytest.param(clip().replace(b"stsz", b"free"), id="no-count-of-pictures"),
        pytest.param(clip().replace(b"stsd", b"free"), id="no-description"),
        pytest.param(clip().replace(b"mdhd", b"free"), id="no-length"),
        pytest.param(clip().replace(b"mdat", b"free"), id="no-content"),
    ],
)
def test_without_a_whole_index_there_are_no_facts(data: bytes) -> None:
    assert facts_of(data) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(clip(), id="mp4"),
        pytest.param(clip(brand=b"qt  ", codec=b"hvc1"), id="mov"),
        pytest.param(clip(5, rate=60, width=1080, height=1920), id="upright"),
        pytest.param(clip(sound=None), id="silent"),
        pytest.param((media.FOLDER / "video.mp4").read_bytes(), id="the-sandboxs-video"),
    ],
)
def test_two_readers_agree_about_a_video(data: bytes) -> None:
    found, measured = facts_of(data), measure_video(io.BytesIO(data), name="x")
    assert found is not None
    assert (found.seconds, found.width, found.height, found.frames) == (
        measured.seconds,
        measured.width,
        measured.height,
        measured.frames,
    )
    assert found.frames_per_second == pytest.approx(measured.frames_per_second)
    assert bool(found.sound_codecs) is measured.has_audio


@pytest.mark.parametrize("data", [b"", samples.mp4(), clip()[:60]], ids=["nothing", "noise", "cut"])
def test_the_sandbox_refuses_what_is_no_video(data: bytes) -> None:
    with pytest.raises(Refusal, match="cannot be read"):
        measure_video(io.BytesIO(data), name="x")


# --- what is taken -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "requirements", "media_type", "seconds"),
    [
        pytest.param(clip(2), H3_VIDEO, "video/mp4", 2, id="shortest"),
        pytest.param(clip(15), H3_VIDEO, "video/mp4", 15, id="longest"),
        pytest.param(clip(brand=b"qt  "), H3_VIDEO, "video/quicktime", 3, id="mov"),
        pytest.param(clip(width=256, height=640), H3_VIDEO, "video/mp4", 3, id="narrowest"),
        pytest.param(clip(rate=24000 / 1001), H3_VIDEO, "video/mp4", 3, id="slowest"),
        pytest.param(clip(rate=60), H3_VIDEO, "video/mp4", 3, id="fastest"),
        pytest.param(clip(codec=b"hev1"), H3_VIDEO, "video/mp4", 3, id="h265"),
        pytest.param(clip(sound=b".mp3"), H3_VIDEO, "video/mp4", 3, id="mp3-inside"),
        pytest.param(samples.wav(2), H3_AUDIO, "audio/wav", 2, id="wav"),
        pytest.param(mp3(14.9), H3_AUDIO, "audio/mpeg", 14.9, id="mp3"),
        pytest.param(clip(**OWN), BASE_VIDEO, "video/mp4", 124 / 24, id="own"),
        pytest.param(
            clip(107 / 24, width=768, height=768), BASE_VIDEO, "video/mp4", 107 / 24, id="own-4-s"
        ),
        pytest.param(
            clip(362 / 24, width=1344, height=768), BASE_VIDEO, "video/mp4", 362 / 24, id="own-15-s"
        ),
    ],
)
def test_a_clip_within_the_limits_is_taken_with_its_length(
    data: bytes, requirements: MediaRequirements, media_type: str, seconds: float, home: Path
) -> None:
    source = LocalFile(put(home / "clip", data))
    with inputs.open_input(source, field="x", requirements=requirements) as opened:
        assert opened.media_type == media_type
        assert opened.seconds == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize(
    ("data", "requirements", "said"),
    [
        pytest.param(clip(1.9), H3_VIDEO, "1.9 seconds long; MiniMax takes 2 to 15", id="short"),
        pytest.param(clip(15.1), H3_VIDEO, "15.1 seconds long", id="long"),
        pytest.param(clip(width=255, height=400), H3_VIDEO, "longer than 255", id="small"),
        pytest.param(clip(width=5761, height=2400), H3_VIDEO, "longer than 5760", id="large"),
        pytest.param(clip(width=1000, height=399), H3_VIDEO, "factor of 2.5", id="elongated"),
        pytest.param(clip(rate=23), H3_VIDEO, "23.00 pictures per second", id="slow"),
        pytest.param(clip(rate=61), H3_VIDEO, "MiniMax takes 23.976 to 60", id="fast"),
        pytest.param(clip(rate=0), H3_VIDEO, "damaged", id="no-pictures"),
        pytest.param(clip(codec=b"mp4v"), H3_VIDEO, "H.264 or H.265", id="codec"),
        pytest.param(clip(sound=b"sowt"), H3_VIDEO, "AAC or MP3", id="sound-codec"),
        pytest.param(samples.mp4(), H3_VIDEO, "damaged", id="damaged"),
        pytest.param(samples.png(), H3_VIDEO, "takes videos as mov, mp4", id="an-image"),
        pytest.param(samples.wav(3), H3_VIDEO, "takes videos as mov, mp4", id="a-recording"),
        pytest.param(samples.wav(1.9), H3_AUDIO, "1.9 seconds long", id="short-wav"),
        pytest.param(mp3(16), H3_AUDIO, "MiniMax takes 2 to 15 seconds", id="long-mp3"),
        pytest.param(
            clip(),
            H3_AUDIO,
            r"ffmpeg -i \S+[/\\]clip\"? -vn \S+[/\\]clip\.mp3",
            id="video-as-sound",
        ),
        pytest.param(
            atom(b"ftyp", b"M4A ", bytes(4)),
            H3_AUDIO,
            r"ffmpeg -i \S+clip\"? \S+clip\.mp3",
            id="m4a",
        ),
        pytest.param(b"RIFF\xff\xff\xff\xffWAVE" + bytes(99), H3_AUDIO, "mp3 or wav", id="noise"),
        pytest.param(clip(**{**OWN, "height": 752}), BASE_VIDEO, "1344 x 752", id="own-side"),
        pytest.param(clip(**{**OWN, "width": 1376}), BASE_VIDEO, "1376 x 768", id="own-area"),
        pytest.param(
            clip(**{**OWN, "width": 640, "height": 640}), BASE_VIDEO, "640 x 640", id="own-small"
        ),
        pytest.param(clip(**{**OWN, "seconds": 5}), BASE_VIDEO, "120 pictures", id="own-frames"),
        pytest.param(clip(**OWN, rate=30), BASE_VIDEO, "takes 24", id="own-rate"),
        pytest.param(
            clip(**{**OWN, "seconds": 124 / 23.976}, rate=23.976),
            BASE_VIDEO,
            "takes 24",
            id="own-rate-almost",
        ),
        pytest.param(clip(**OWN, sound=None), BASE_VIDEO, "no sound", id="own-silent"),
    ],
)
def test_a_clip_beyond_a_limit_is_refused_with_the_reason(
    data: bytes, requirements: MediaRequirements, said: str, home: Path
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        inputs.open_input(LocalFile(put(home / "clip", data)), field="x", requirements=requirements)
    assert str(caught.value).startswith("x: ")
    assert "Nothing was sent." in str(caught.value)


def test_a_video_of_51_mb_is_refused_before_it_is_read(home: Path) -> None:
    large = put(home / "clip.mp4", b"")
    with large.open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    with pytest.raises(InputError, match="larger than 50 MB"):
        inputs.open_input(LocalFile(large), field="x", requirements=H3_VIDEO)


def test_a_data_uri_too_large_for_memory_is_decoded_into_a_file_and_read_alike() -> None:
    data = clip(rest=atom(b"free", bytes(inputs.MOST_BYTES_IN_MEMORY)))
    source = DataUri("data:video/mp4;base64," + base64.b64encode(data).decode())
    with inputs.open_input(source, field="x", requirements=H3_VIDEO) as opened:
        assert opened.size == len(data)
        assert b"".join(opened.chunks()) == data
