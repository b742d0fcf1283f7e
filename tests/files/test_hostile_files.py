"""Judging a file costs little, whatever is in it; real files are judged by what they are.

`uv run python -m tests.scripts.hostile_files` prints what each hostile file costs.
"""

import asyncio
import base64
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimax.errors import InputError
from minimax.files import bounded_reader, inputs, probe, safe_fetch
from minimax.files.bounded_reader import BoundedReader, TooMuchReadingError
from minimax.files.inputs import Input
from minimax.files.requirements import (
    BASE_VIDEO,
    CLONE_AUDIO,
    FRAME,
    H3_AUDIO,
    H3_VIDEO,
    MIB,
    PROMPT_AUDIO,
    MediaRequirements,
)
from minimax.files.source import DataUri, LocalFile
from tests.support import samples
from tests.support.host import Host, host
from tests.support.hostile_files import HOSTILE_FILES, HostileFile, tiny_boxes
from tests.support.media_seeds import SEEDS, atom, jpeg, m4a, mp3, mutate, segment, webp
from tests.support.samples import put

pytestmark = pytest.mark.anyio

MOST_CPU_SECONDS = 1.0
MOST_MIB = 32
MUTATIONS = 3000
"""Of each type."""
ACCEPTED = {"png-empty-chunks"}
"""Hostile files that say what they are at once, so that the rest of them is not looked at."""


@contextmanager
def little_cpu() -> Iterator[None]:
    """What is done inside may take no more of the processor than judging a file may."""
    started = time.process_time()
    yield
    assert time.process_time() - started < MOST_CPU_SECONDS


@contextmanager
def little_memory() -> Iterator[None]:
    """The same for memory; apart, because counting it takes ten times as long as the judging."""
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MOST_MIB * MIB


in_both_ways = pytest.mark.parametrize("costing", [little_cpu, little_memory])
Costing = Callable[[], AbstractContextManager[None]]


def is_accepted(open_it: Callable[[], Input]) -> bool:
    try:
        open_it().close()
    except InputError:
        return False
    return True


each_hostile_file = pytest.mark.parametrize(
    "hostile", [pytest.param(hostile, id=hostile.name) for hostile in HOSTILE_FILES]
)


@in_both_ways
@each_hostile_file
def test_a_hostile_file_costs_little(hostile: HostileFile, costing: Costing, home: Path) -> None:
    source = LocalFile(put(home / "file", hostile.make()))
    with costing():
        accepted = is_accepted(
            lambda: inputs.open_input(source, field="x", requirements=hostile.requirements)
        )
    assert accepted is (hostile.name in ACCEPTED)


@in_both_ways
@each_hostile_file
def test_a_hostile_data_uri_costs_little(hostile: HostileFile, costing: Costing) -> None:
    source = DataUri("data:;base64," + base64.b64encode(hostile.make()).decode())
    with costing():
        accepted = is_accepted(
            lambda: inputs.open_input(source, field="x", requirements=hostile.requirements)
        )
    assert accepted is (hostile.name in ACCEPTED)


def serve_as_url(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def fetch(*_: object, **__: object) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), MIB):
                yield data[start : start + MIB]

        yield chunks()

    monkeypatch.setattr(safe_fetch, "fetch", fetch)


async def open_url(requirements: MediaRequirements = CLONE_AUDIO) -> Input:
    return await inputs.open_url("https://x.example/a", field="x", requirements=requirements)


@in_both_ways
@each_hostile_file
async def test_a_hostile_file_behind_a_url_costs_little(
    hostile: HostileFile, costing: Costing, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_as_url(hostile.make(), monkeypatch)
    with costing():
        try:
            (await open_url(hostile.requirements)).close()
        except InputError:
            accepted = False
        else:
            accepted = True
    assert accepted is (hostile.name in ACCEPTED)


async def test_other_calls_go_on_while_a_fetched_file_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, others_went_on = asyncio.Event(), threading.Event()
    loop, judge = asyncio.get_running_loop(), probe.audio_seconds
    waited = []

    def judge_slowly(*args: Any, **kwargs: Any) -> probe.Sound | None:
        loop.call_soon_threadsafe(begun.set)
        waited.append(others_went_on.wait(timeout=10))
        return judge(*args, **kwargs)

    monkeypatch.setattr(probe, "audio_seconds", judge_slowly)
    serve_as_url(samples.wav(), monkeypatch)
    opening = asyncio.create_task(open_url())
    await begun.wait()
    others_went_on.set()
    (await opening).close()
    assert waited == [True]


def close_stdin(running: Host) -> None:
    assert running.process.stdin is not None
    running.process.stdin.close()


def terminate(running: Host) -> None:
    running.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "end",
    [
        close_stdin,
        pytest.param(terminate, marks=pytest.mark.skipif(os.name != "posix", reason="signals")),
    ],
)
async def test_a_server_that_judges_hostile_files_answers_and_ends(
    end: Callable[[Host], None], home: Path
) -> None:
    """As many at once as there are worker threads, and more."""
    recordings = [hostile for hostile in HOSTILE_FILES if hostile.requirements is CLONE_AUDIO]
    paths = [put(home / hostile.name, hostile.make()) for hostile in recordings]
    async with host("--sandbox", env={"HOME": str(home)}) as running:
        await running.handshake()
        for path in paths * 2:
            running.start("voice_clone", audio=str(path))
        assert (await running.answer("tools/list"))["result"]["tools"]
        end(running)
        assert await running.ended() == 0


# --- mutated files -----------------------------------------------------------------------------


MUTATED_AS = {
    **dict.fromkeys(("wav", "mp3", "m4a"), PROMPT_AUDIO),
    **dict.fromkeys(("clip-mp4", "clip-mov"), H3_VIDEO),
}
"""What a mutated file is judged as; the others as images."""


def judge_mutation(kind: str, data: bytes, path: Path) -> bool:
    """Whether a mutated file is taken; all but an answer is an error of the checks."""
    if kind == "mp4":
        return probe.is_complete_mp4(BytesIO(data), size=len(data))
    requirements = MUTATED_AS.get(kind, FRAME)
    source = LocalFile(put(path, data))
    return is_accepted(lambda: inputs.open_input(source, field="x", requirements=requirements))


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seed_is_taken_as_it_is(kind: str, home: Path) -> None:
    assert judge_mutation(kind, SEEDS[kind], home / "file")


@pytest.mark.parametrize("kind", SEEDS)
def test_a_mutated_file_is_taken_or_refused_and_costs_little(kind: str, home: Path) -> None:
    chance = random.Random(f"{kind} 1")
    mutated = [mutate(SEEDS[kind], chance) for _ in range(MUTATIONS)]
    verdicts = set()
    for data in mutated:
        with little_cpu():
            verdicts.add(judge_mutation(kind, data, home / "file"))
    assert verdicts == {True, False}


@pytest.mark.parametrize("kind", SEEDS)
def test_a_mutated_file_needs_little_memory(kind: str, home: Path) -> None:
    chance = random.Random(f"{kind} 2")
    mutated = [mutate(SEEDS[kind], chance) for _ in range(MUTATIONS // 10)]
    with little_memory():
        for data in mutated:
            judge_mutation(kind, data, home / "file")


# --- the bounded reader ------------------------------------------------------------------------


@given(
    data=st.binary(max_size=30_000),
    steps=st.lists(
        st.one_of(
            st.integers(-1, 20_000),
            st.tuples(st.integers(-20_000, 40_000), st.sampled_from((0, 1, 2))),
        ),
        max_size=30,
    ),
)
def test_a_bounded_reader_gives_what_the_file_gives(
    data: bytes, steps: list[int | tuple[int, int]]
) -> None:
    reader, plain = BoundedReader(BytesIO(data), size=len(data)), BytesIO(data)
    for step in steps:
        if isinstance(step, int):
            assert reader.read(step) == plain.read(step)
        else:
            offset, whence = step
            base = (0, plain.tell(), len(data))[whence]
            assert reader.seek(offset, whence) == plain.seek(max(0, base + offset))
        assert reader.tell() == plain.tell()


def test_a_bounded_reader_reads_nothing_behind_the_size() -> None:
    reader = BoundedReader(BytesIO(b"abcdef"), size=4)
    assert (reader.read(3), reader.read(), reader.read(1)) == (b"abc", b"d", b"")


def use_up_steps(reader: BoundedReader) -> None:
    for _ in range(bounded_reader.MOST_STEPS + 1):
        reader.seek(0)


def read_too_much_at_once(reader: BoundedReader) -> None:
    reader.read(bounded_reader.MOST_BYTES_AT_ONCE + 1)


def read_too_much(reader: BoundedReader) -> None:
    for _ in range(bounded_reader.MOST_BYTES // MIB + 1):
        reader.seek(MIB)
        reader.read(MIB)
        reader.seek(0)
        reader.read(1)


@pytest.mark.parametrize("use_up", [use_up_steps, read_too_much_at_once, read_too_much])
def test_a_reader_that_is_used_up_stays_so(use_up: Callable[[BoundedReader], None]) -> None:
    reader = BoundedReader(BytesIO(bytes(2 * MIB)), size=2 * MIB)
    with pytest.raises(TooMuchReadingError):
        use_up(reader)
    assert reader.is_exhausted
    for again in (lambda: reader.read(1), lambda: reader.seek(0)):
        with pytest.raises(TooMuchReadingError):
            again()


def test_a_parser_that_swallows_the_error_gets_no_sound_accepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tinytag import TinyTag

    def swallow(*, file_obj: BoundedReader, **_: object) -> object:
        with pytest.raises(TooMuchReadingError):
            use_up_steps(file_obj)
        found = TinyTag()
        found.samplerate, found.duration = 8000, 12.0
        return found

    monkeypatch.setattr(TinyTag, "get", swallow)
    data = samples.wav()
    assert probe.audio_seconds(BytesIO(data), size=len(data), media_type="audio/wav") is None


class CountedFile(BytesIO):
    """A file that counts what is asked of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.calls = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.calls += 1
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.calls += 1
        return super().seek(offset, whence)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_the_size_of_an_image_takes_one_read(kind: str) -> None:
    file = CountedFile(SEEDS[kind] + bytes(MIB))
    assert probe.image_size(file, size=len(SEEDS[kind]) + MIB) is not None
    assert file.calls == 1


# --- real files --------------------------------------------------------------------------------

XMP = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + bytes(65_000))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(jpeg(), (400, 500), id="jpeg"),
        pytest.param(jpeg(rotation=6), (500, 400), id="jpeg-held-upright"),
        pytest.param(jpeg(before_size=XMP * 3), (400, 500), id="jpeg-with-xmp"),
        pytest.param(jpeg(before_size=XMP * 300), (400, 500), id="jpeg-with-20-mb-of-xmp"),
        pytest.param(jpeg() + bytes(19 * MIB), (400, 500), id="jpeg-of-20-mb"),
        pytest.param(webp(), (400, 500), id="webp"),
        pytest.param(samples.png(), (400, 400), id="png"),
        pytest.param(samples.png() + bytes(19 * MIB), (400, 400), id="png-of-20-mb"),
    ],
)
def test_an_image_is_judged_by_its_size(data: bytes, expected: tuple[int, int], home: Path) -> None:
    assert probe.image_size(BytesIO(data), size=len(data)) == expected
    source = LocalFile(put(home / "file", data))
    inputs.open_input(source, field="x", requirements=FRAME).close()


FTYP, MOOV, MDAT = atom(b"ftyp", b"isom" + bytes(4)), atom(b"moov", b"x"), atom(b"mdat", b"x" * 99)
FRAGMENTS = (atom(b"moof", bytes(92)) + atom(b"mdat", bytes(200))) * 14_000
"""Five minutes of AAC in a fragment per frame."""
COVER = b"ID3\x03\x00\x00" + bytes([MIB * 9 >> shift & 127 for shift in (21, 14, 7, 0)])
COVER += bytes(MIB * 9)


@pytest.mark.parametrize(
    ("data", "media_type", "seconds"),
    [
        pytest.param(mp3(20), "audio/mpeg", 20, id="mp3"),
        pytest.param(COVER + mp3(20)[18:], "audio/mpeg", 20, id="mp3-with-a-cover-of-9-mb"),
        pytest.param(m4a(20, MDAT * 200), "audio/mp4", 20, id="m4a"),
        pytest.param(m4a(20, atom(b"mdat", bytes(19 * MIB))), "audio/mp4", 20, id="m4a-of-20-mb"),
        pytest.param(m4a(0, FRAGMENTS), "audio/mp4", None, id="m4a-in-fragments"),
        pytest.param(samples.wav(20), "audio/wav", 20, id="wav"),
        pytest.param(
            samples.wav(20) + b"LIST" + struct.pack("<I", 19 * MIB) + bytes(19 * MIB),
            "audio/wav",
            20,
            id="wav-with-tags-of-19-mb",
        ),
    ],
)
def test_a_recording_is_judged_by_its_length(
    data: bytes, media_type: str, seconds: int | None
) -> None:
    sound = probe.audio_seconds(BytesIO(data), size=len(data), media_type=media_type)
    assert sound is not None
    assert sound.seconds == (None if seconds is None else pytest.approx(seconds, abs=0.1))


TONE = ["-f", "lavfi", "-i", "sine=220:d=45"]
PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=800x600:r=1:d=1"]
NOISE = ["-f", "lavfi", "-i", "anoisesrc=d=45:a=0.9"]
SHORT_TONE = ["-f", "lavfi", "-i", "sine=220:d=3"]
CLIP = [
    *("-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=3", *SHORT_TONE),
    *("-pix_fmt", "yuv420p", "-preset", "ultrafast"),
]
OWN_CLIP = [
    *("-f", "lavfi", "-i", "testsrc2=s=1344x768:r=24:d=5", "-f", "lavfi", "-i", "sine=220:d=4"),
    *("-frames:v", "107", "-pix_fmt", "yuv420p", "-preset", "ultrafast"),
]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("arguments", "name", "requirements"),
    [
        pytest.param([*TONE], "a.wav", CLONE_AUDIO, id="wav"),
        pytest.param(
            [*NOISE, "-ar", "96000", "-ac", "2", "-c:a", "pcm_s16le"], "a.wav", CLONE_AUDIO,
            id="wav-of-17-mb",
        ),
        pytest.param([*TONE, "-c:a", "pcm_mulaw"], "a.wav", CLONE_AUDIO, id="wav-mulaw"),
        pytest.param([*TONE, "-metadata", "title=T"], "a.mp3", CLONE_AUDIO, id="mp3"),
        pytest.param(
            [*NOISE, "-q:a", "2", "-write_xing", "0"], "a.mp3", CLONE_AUDIO,
            id="mp3-variable-bitrate",
        ),
        pytest.param(
            [*TONE, *PICTURE, "-c:v", "png", "-id3v2_version", "3"],
            "a.mp3",
            CLONE_AUDIO,
            id="mp3-with-cover",
        ),
        pytest.param([*TONE], "a.m4a", CLONE_AUDIO, id="m4a"),
        pytest.param([*TONE, "-movflags", "+faststart"], "a.m4a", CLONE_AUDIO, id="m4a-faststart"),
        pytest.param(
            [*TONE, "-movflags", "empty_moov", "-frag_duration", "1000"], "a.m4a", CLONE_AUDIO,
            id="m4a-in-fragments",
        ),
        pytest.param(
            [*TONE, *PICTURE, "-c:v", "mjpeg", "-disposition:v", "attached_pic"],
            "a.m4a",
            CLONE_AUDIO,
            id="m4a-with-cover",
        ),
        pytest.param([*PICTURE, "-frames:v", "1"], "a.jpg", FRAME, id="jpeg"),
        pytest.param([*PICTURE, "-frames:v", "1"], "a.png", FRAME, id="png"),
        pytest.param([*PICTURE, "-frames:v", "1"], "a.webp", FRAME, id="webp"),
        pytest.param([*SHORT_TONE], "a.wav", H3_AUDIO, id="reference-wav"),
        pytest.param([*SHORT_TONE], "a.mp3", H3_AUDIO, id="reference-mp3"),
        pytest.param([*CLIP], "a.mp4", H3_VIDEO, id="clip-mp4"),
        pytest.param([*CLIP, "-movflags", "+faststart"], "a.mp4", H3_VIDEO, id="clip-index-first"),
        pytest.param([*CLIP], "a.mov", H3_VIDEO, id="clip-mov"),
        pytest.param([*CLIP, "-an"], "a.mov", H3_VIDEO, id="clip-silent"),
        pytest.param([*CLIP, "-c:a", "mp3"], "a.mov", H3_VIDEO, id="clip-mov-with-mp3"),
        pytest.param([*CLIP, "-r", "60"], "a.mp4", H3_VIDEO, id="clip-of-60-a-second"),
        pytest.param(
            [*CLIP, "-r", "24000/1001"], "a.mp4", H3_VIDEO, id="clip-of-23.976-a-second"
        ),
        pytest.param(
            [*CLIP, "-c:v", "libx265", "-tag:v", "hvc1"], "a.mov", H3_VIDEO, id="clip-h265"
        ),
        pytest.param([*OWN_CLIP], "a.mp4", BASE_VIDEO, id="like-minimax-h3"),
    ],
)  # fmt: skip
def test_what_ffmpeg_makes_is_taken(
    arguments: list[str], name: str, requirements: MediaRequirements, home: Path
) -> None:
    path = make_with_ffmpeg(arguments, home / name)
    inputs.open_input(LocalFile(path), field="x", requirements=requirements).close()


def make_with_ffmpeg(arguments: list[str], path: Path) -> Path:
    command = ["ffmpeg", "-nostdin", "-v", "error", *arguments, str(path)]
    made = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot make it: {made.stderr[:200]}")
    return path


@needs_ffmpeg
@pytest.mark.parametrize(
    ("arguments", "name", "said"),
    [
        pytest.param([*CLIP, "-c:v", "mpeg4"], "a.mp4", "coded in another way", id="mpeg-4-part-2"),
        pytest.param([*CLIP, "-c:a", "pcm_s16le"], "a.mov", "coded in another way", id="pcm-sound"),
        pytest.param([*CLIP, "-r", "15"], "a.mp4", "15.00 pictures per second", id="15-a-second"),
        pytest.param([*CLIP, "-t", "1"], "a.mp4", "1.0 seconds long; MiniMax takes 2", id="1-s"),
        pytest.param([*CLIP, "-vf", "scale=640:240"], "a.mp4", "640 x 240 pixels", id="too-flat"),
        pytest.param([*CLIP, "-vf", "scale=320:128"], "a.mp4", "longer than 255", id="too-small"),
        pytest.param(
            [*CLIP, "-movflags", "empty_moov+frag_keyframe"], "a.mp4", "written for streaming",
            id="fragments",
        ),
        pytest.param(
            [*CLIP, "-c:v", "libvpx", "-c:a", "libopus"], "a.webm",
            r"ffmpeg -i \S+/a\.webm \S+/a\.mp4", id="webm",
        ),
        pytest.param([*SHORT_TONE], "a.mp3", "MiniMax takes videos as mov, mp4", id="only-sound"),
    ],
)  # fmt: skip
def test_a_clip_of_ffmpegs_that_minimax_would_refuse_is_refused_here_with_the_reason(
    arguments: list[str], name: str, said: str, home: Path
) -> None:
    path = make_with_ffmpeg(arguments, home / name)
    with pytest.raises(InputError, match=said):
        inputs.open_input(LocalFile(path), field="x", requirements=H3_VIDEO)


# --- videos ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("video", "whole"),
    [
        pytest.param(FTYP + MOOV + MDAT, True, id="whole"),
        pytest.param(FTYP + MDAT + MOOV, True, id="index-last"),
        pytest.param(FTYP + MOOV + struct.pack(">I4s", 0, b"mdat") + b"x", True, id="open-end"),
        pytest.param(
            FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + b"x" * 5, True, id="64-bit"
        ),
        pytest.param(FTYP + MDAT, False, id="without-moov"),
        pytest.param(FTYP + MOOV, False, id="without-mdat"),
        pytest.param(FTYP, False, id="without-both"),
        pytest.param((FTYP + MOOV + MDAT)[:-1], False, id="cut-in-a-box"),
        pytest.param((FTYP + MOOV + MDAT + MDAT)[: -len(MDAT) + 5], False, id="cut-in-a-header"),
        pytest.param(FTYP + MOOV + MDAT + struct.pack(">I4s", 7, b"free"), False, id="tiny-length"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_a_video_needs_its_index_its_content_and_its_end(video: bytes, whole: bool) -> None:
    assert probe.is_complete_mp4(BytesIO(video), size=len(video)) is whole


def test_a_video_of_tiny_boxes_is_given_up_on() -> None:
    file = CountedFile(tiny_boxes())
    with little_cpu():
        assert not probe.is_complete_mp4(file, size=len(file.getbuffer()))
    assert file.calls <= 2 * probe.MOST_BOXES
