"""A file that MiniMax does not take is refused with ways to convert that very file."""

import os
import re
import shlex
from pathlib import Path

import pytest

from minimax.errors import InputError
from minimax.files import conversion, inputs
from minimax.files.requirements import CLONE_AUDIO, FRAME, H3_VIDEO, MediaRequirements
from minimax.files.source import DataUri, LocalFile
from tests.support.samples import put

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX shells")

OGG, HEIC = b"OggS" + bytes(99), b"\x00\x00\x00\x18ftypheic" + bytes(99)
GIF, WEBM = b"GIF89a" + bytes(99), b"\x1aE\xdf\xa3" + bytes(99)
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(99)


def refusal(path: Path, requirements: MediaRequirements) -> str:
    with pytest.raises(InputError) as caught:
        inputs.open_input(LocalFile(path), field="x", requirements=requirements)
    return str(caught.value)


@posix_only
@pytest.mark.parametrize(
    ("name", "data", "requirements", "command"),
    [
        ("my voice.ogg", OGG, CLONE_AUDIO, "ffmpeg -i 'my voice.ogg' 'my voice.mp3'"),
        ("note.mp3", OGG, CLONE_AUDIO, "ffmpeg -i note.mp3 note-converted.mp3"),
        ("a.webm", WEBM, CLONE_AUDIO, "ffmpeg -i a.webm -vn a.mp3"),
        ("a.webm", WEBM, H3_VIDEO, "ffmpeg -i a.webm a.mp4"),
        ("a.gif", GIF, FRAME, "ffmpeg -i a.gif -frames:v 1 a.png"),
        ("a.gif", GIF, H3_VIDEO, "ffmpeg -i a.gif -pix_fmt yuv420p a.mp4"),
        ("IMG_1.HEIC", HEIC, FRAME, "heif-convert IMG_1.HEIC IMG_1.jpg"),
        ("IMG_1.jpg", HEIC, FRAME, "heif-convert IMG_1.jpg IMG_1-converted.jpg"),
    ],
)
def test_the_command_converts_the_very_file(
    name: str, data: bytes, requirements: MediaRequirements, command: str, home: Path
) -> None:
    said = refusal(put(home / name, data), requirements)
    program, *arguments = shlex.split(command)
    whole = [str(home / one) if "." in one else one for one in arguments]
    assert f"run: {shlex.join([program, *whole])}." in said


@pytest.mark.parametrize(
    ("data", "requirements", "way"),
    [
        pytest.param(OGG, CLONE_AUDIO, "VLC", id="sound"),
        pytest.param(WEBM, H3_VIDEO, "VLC", id="video"),
        pytest.param(HEIC, FRAME, "Settings > Camera > Formats > Most Compatible", id="iphone"),
        pytest.param(HEIC, FRAME, "Preview on a Mac", id="mac"),
        pytest.param(GIF, FRAME, "Paint (Windows)", id="windows"),
    ],
)
def test_one_way_needs_no_terminal(
    data: bytes, requirements: MediaRequirements, way: str, home: Path
) -> None:
    assert way in refusal(put(home / "file", data), requirements)


@pytest.mark.parametrize(
    ("data", "requirements", "what"),
    [
        pytest.param(HEIC, CLONE_AUDIO, "a HEIC or AVIF image", id="image-for-a-recording"),
        pytest.param(OGG, FRAME, "Ogg audio", id="recording-for-an-image"),
        pytest.param(b"ID3" + bytes(100), FRAME, "MP3 audio", id="tagged-mp3-for-an-image"),
        pytest.param(b"\xff\xfb" + bytes(100), FRAME, "MP3 audio", id="mp3-for-an-image"),
        pytest.param(MP4, FRAME, "a video", id="video-for-an-image"),
        pytest.param(OGG, H3_VIDEO, "Ogg audio", id="recording-for-a-video"),
    ],
)
def test_what_cannot_become_the_wanted_thing_is_not_converted(
    data: bytes, requirements: MediaRequirements, what: str, home: Path
) -> None:
    said = refusal(put(home / "file", data), requirements)
    assert f"this is {what}" in said
    assert "Give the file in one of these formats." in said
    assert "ffmpeg" not in said
    assert "convert" not in said


@posix_only
@pytest.mark.parametrize("name", ["a'; rm -rf ~; '.ogg", "$(reboot).ogg", "a`id`.ogg", "-i.ogg"])
def test_a_name_starts_no_command_of_its_own(name: str, home: Path) -> None:
    command = conversion.write_command(str(home / name), "ogg", "mp3")
    assert shlex.split(command)[:3] == ["ffmpeg", "-i", str(home / name)]


def test_a_name_that_cannot_be_written_is_left_out(home: Path) -> None:
    said = refusal(put(home / "a\u202eb.ogg", OGG), CLONE_AUDIO)
    assert re.search(r'run: ffmpeg -i "?in\.ogg"? "?in\.mp3"?\. ', said)


@pytest.mark.parametrize("name", ["$(calc).ogg", "a&calc.ogg", "%PATH%.ogg", "a`b.ogg", 'a"b'])
def test_a_name_that_a_shell_of_windows_reads_otherwise_is_noticed(name: str) -> None:
    assert not conversion.is_plain_on_windows(name)
    assert conversion.is_plain_on_windows("C:\\Users\\Anna Gr\u00fc\u00df\\my voice (1).ogg")


def test_a_file_without_a_name_gets_a_command_all_the_same() -> None:
    uri = DataUri("data:audio/ogg;base64,T2dnUwAAAAAAAAAA")
    with pytest.raises(InputError, match=r'ffmpeg -i "?in\.ogg"? "?in\.mp3"?\. '):
        inputs.open_input(uri, field="x", requirements=CLONE_AUDIO)
