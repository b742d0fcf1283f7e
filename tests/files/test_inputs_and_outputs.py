"""The two doors to the disk: what may leave, what may come in, and where."""

import asyncio
import base64
import errno
import io
import os
import threading
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from minimax.audience import address_chat
from minimax.errors import InputError, MiniMaxError, StorageError
from minimax.files import inputs, media_types, outputs, paths, safe_fetch
from minimax.files.inputs import Input
from minimax.files.requirements import CLONE_AUDIO, FRAME, MIB, MediaRequirements
from minimax.files.source import parse_source
from minimax.settings import Settings
from tests.support import samples
from tests.support.samples import put

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX file system")


def audio(source: str | Path, settings: Settings) -> Input:
    return open_given(source, settings, field="audio", requirements=CLONE_AUDIO)


def frame(source: str | Path, settings: Settings) -> Input:
    return open_given(source, settings, field="first_frame", requirements=FRAME)


def open_given(
    given: str | Path, settings: Settings, *, field: str, requirements: MediaRequirements
) -> Input:
    source = parse_source(str(given), field=field, settings=settings)
    return inputs.open_input(source, field=field, requirements=requirements)


# --- inputs as people give them ----------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        "{path}",
        "  {path}  ",
        '"{path}"',
        "'{path}'",
        "@{path}",
        "file://{path}",
        "file://localhost{from_root}",
        "~/Music/my voice.wav",
        "@~/Music/my voice.wav",
        "../Music/my voice.wav",
    ],
)
def test_a_path_is_taken_in_the_forms_people_paste(
    shape: str, settings: Settings, home: Path
) -> None:
    path = put(home / "Music" / "my voice.wav", samples.wav())
    from_root = path.as_uri().removeprefix("file://")
    with audio(shape.format(path=path, from_root=from_root), settings) as opened:
        assert (opened.name, opened.media_type) == ("my voice.wav", "audio/wav")
        assert b"".join(opened.chunks()) == path.read_bytes()


@pytest.mark.parametrize(
    "shape",
    [
        "@{path}",
        "'@{path}'",
        "file://{path}",
        "file:///{path}",
        "file:{path}",
        "file:/{path}",
        "file:\\\\\\{path}",
        "file://localhost/{path}",
        "FILE:///{path}",
    ],
)
@pytest.mark.parametrize("path", ["C:\\Users\\anna\\a b#1.wav", "c:/Users/anna/a.wav", "D:\\ü.wav"])
def test_a_path_of_windows_is_read_out_of_what_people_paste(shape: str, path: str) -> None:
    given = paths.strip_quotes(shape.format(path=path))
    assert paths.decode_file_url(given, field="audio") == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:///C:/Users/anna/my%20voice.wav", "C:/Users/anna/my voice.wav"),
        ("file:///c%3A/Users/anna/a.wav", "c:/Users/anna/a.wav"),
        ("file:///C|/a.wav", "C:/a.wav"),
        ("file:///C:\\a\nb.wav", "C:\\a\nb.wav"),
        ("file:///home/anna/a.wav", "/home/anna/a.wav"),
    ],
)
def test_a_file_url_is_decoded_into_the_path_that_it_names(text: str, path: str) -> None:
    assert paths.decode_file_url(text, field="audio") == path


@pytest.mark.parametrize("text", ["@C:", "@C:a.wav", "@anna.wav", "@CC:\\a.wav"])
def test_an_at_sign_that_begins_a_name_stays(text: str) -> None:
    assert paths.strip_quotes(text) == text


@pytest.mark.parametrize("text", ["file://server/share/a.wav", "file://C/a.wav", "file://C:a.wav"])
def test_a_file_url_of_another_computer_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must name a file on this computer"):
        paths.decode_file_url(text, field="audio")


def test_a_file_url_may_be_percent_encoded(settings: Settings, home: Path) -> None:
    put(home / "my voice.wav", samples.wav())
    with audio(f"file://{home}/my%20voice.wav", settings) as opened:
        assert opened.name == "my voice.wav"


def test_a_data_uri_is_decoded_and_judged_by_its_content(settings: Settings) -> None:
    data = base64.b64encode(samples.png()).decode()
    with frame(f"data:image/jpeg;base64,{data}", settings) as opened:
        assert opened.media_type == "image/png"
        assert b"".join(opened.chunks()) == samples.png()


def test_a_data_uri_of_several_pieces_is_decoded_whole(settings: Settings) -> None:
    recording = samples.wav(200)
    data = base64.b64encode(recording).decode()
    assert len(data) > 2 * inputs.DECODED_CHARACTERS
    with audio(f"data:audio/wav;base64,{data}", settings) as opened:
        assert b"".join(opened.chunks()) == recording


@pytest.mark.parametrize(
    "uri",
    [
        "data:,x",
        "data:image/png;base64,???",
        "data:image/png,aGk=",
        "data:",
        "data:image/png;base64,aGk=aGk=",
        "data:image/png;base64,aGk",
        "data:image/png;base64,aGk\u00e9",
        pytest.param(
            f"data:image/png;base64,{'A' * (inputs.DECODED_CHARACTERS - 2)}=={'A' * 8}",
            id="padding",
        ),
    ],
)
def test_a_broken_data_uri_is_refused(uri: str, settings: Settings) -> None:
    with pytest.raises(InputError, match="first_frame"):
        frame(uri, settings)


def test_a_data_uri_beyond_the_limit_is_refused_before_it_is_decoded(settings: Settings) -> None:
    with pytest.raises(InputError, match="larger than 20 MB"):
        frame("data:image/png;base64," + "A" * (28 * MIB), settings)


# --- what MiniMax takes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("a.wav", b"Dear diary, " * 1000, "its content is none of these", id="text"),
        pytest.param("a.wav", samples.wav(8), "8.0 seconds", id="too-short"),
        pytest.param("a.wav", samples.wav(301), "301.0 seconds", id="too-long"),
        pytest.param("a.mp3", b"OggS" + b"\x00" * 100, "Ogg audio", id="ogg"),
        pytest.param("a.mp3", b"fLaC" + b"\x00" * 100, "FLAC audio", id="flac"),
        pytest.param("a.m4a", b"\xff\xf1" + b"\x00" * 100, "raw AAC", id="adts"),
        pytest.param("a.m4a", samples.mp4(), "no sound", id="no-sound-in-it"),
        pytest.param("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "no sound", id="empty-wav"),
        pytest.param("a.wav", b"", "file is empty. Is it still in the cloud", id="empty"),
        pytest.param("a.mp3", b"ID3" + b"secret" * 99, "no sound", id="only-called-mp3"),
    ],
)
def test_a_recording_that_minimax_would_refuse_is_refused_here_with_the_reason(
    name: str, data: bytes, said: str, settings: Settings, home: Path
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        audio(put(home / name, data), settings)
    assert "Nothing was sent" in str(caught.value)


def test_a_recording_of_21_mb_is_refused(settings: Settings, home: Path) -> None:
    """It lasts less than two minutes, so that nothing but its size is wrong."""
    path = home / "large.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(21_000_000))
    with pytest.raises(InputError, match="larger than 20 MB"):
        audio(path, settings)


@pytest.mark.parametrize("announced", [0, 0xFFFFFFFF, 0x7FFFFFFF], ids=hex)
def test_a_length_the_file_cannot_hold_is_recomputed(
    announced: int, settings: Settings, home: Path
) -> None:
    short = put(home / "short.wav", samples.wav(8, announced_bytes=announced))
    with pytest.raises(InputError, match=r"8\.0 seconds"):
        audio(short, settings)
    audio(put(home / "ok.wav", samples.wav(12, announced_bytes=announced)), settings).close()


def test_the_extension_follows_the_content(settings: Settings, home: Path) -> None:
    for given_name, expected in [
        ("voice", "voice.wav"),
        ("voice.mp3", "voice.wav"),
        ("a.b", "a.wav"),
        ("Voice.WAV", "Voice.wav"),
    ]:
        with audio(put(home / given_name, samples.wav()), settings) as opened:
            assert opened.name == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my voice (2).wav", "my voice (2).wav"),
        ("Gr\u00fc\u00dfe.wav", "Gr\u00fc\u00dfe.wav"),
        ("a\nX-Evil: 1\r\n.wav", "a_X-Evil_ 1__.wav"),
        ('a"; name="b.wav', "a__ name__b.wav"),
        ("a\u2028b\u202ec\u200bd.wav", "a_b_c_d.wav"),
        ("a\udcff.wav", "a_.wav"),
        (f"{'x' * 250}.wav", f"{'x' * 100}.wav"),
        ("\n", "_.wav"),
    ],
)
def test_the_name_of_an_upload_is_made_of_safe_characters(name: str, expected: str) -> None:
    assert inputs._upload_name(name, "audio/wav") == expected


@posix_only
def test_the_name_of_a_file_that_a_link_leads_to_ends_no_header(
    settings: Settings, home: Path
) -> None:
    real = put(home / "a\nX-Evil: 1\r\n.wav", samples.wav())
    (home / "link.wav").symlink_to(real)
    with audio(home / "link.wav", settings) as opened:
        assert opened.name == "a_X-Evil_ 1__.wav"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(samples.png(300, 400), "longer than 300", id="short-side"),
        pytest.param(samples.png(1001, 400), "2:5 to 5:2", id="too-wide"),
        pytest.param(samples.png(400, 1001), "2:5 to 5:2", id="too-tall"),
        pytest.param(b"GIF89a" + b"\x00" * 99, "GIF", id="gif"),
        pytest.param(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 99, "HEIC", id="heic"),
        pytest.param(samples.png()[:20], "damaged", id="cut-off"),
        pytest.param(b"<svg/>", "none of these", id="svg"),
    ],
)
def test_an_image_that_minimax_would_refuse_is_refused_here_with_the_reason(
    data: bytes, said: str, settings: Settings, home: Path
) -> None:
    with pytest.raises(InputError, match=said):
        frame(put(home / "f.png", data), settings)


@pytest.mark.parametrize("size", [(301, 301), (1000, 400), (400, 1000)], ids=str)
def test_images_at_the_limits_are_taken(
    size: tuple[int, int], settings: Settings, home: Path
) -> None:
    frame(put(home / "f.png", samples.png(*size)), settings).close()


def read_to_end(opened: Input) -> bytes:
    """As an upload does it."""
    opened.seek(0)
    return b"".join(iter(partial(opened.read, 65_536), b""))


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda opened: b"".join(opened.chunks()), id="in-a-request"),
        pytest.param(read_to_end, id="as-an-upload"),
    ],
)
def test_the_bytes_that_leave_are_those_of_the_checked_size(
    read: Callable[[Input], bytes], settings: Settings, home: Path
) -> None:
    path = put(home / "a.wav", samples.wav())
    before = path.read_bytes()
    with audio(path, settings) as opened:
        with path.open("ab") as file:
            file.write(b"more")
        assert read(opened) == before
        os.truncate(path, 100)
        with pytest.raises(StorageError, match="changed while it was being read"):
            read(opened)


@pytest.mark.skipif(os.name != "posix", reason="Windows replaces no file that is open")
def test_a_replaced_file_is_not_what_is_read(settings: Settings, home: Path) -> None:
    path = put(home / "a.wav", samples.wav())
    before = path.read_bytes()
    with audio(path, settings) as opened:
        os.replace(put(home / "b.wav", b"secret"), path)
        assert b"".join(opened.chunks()) == before


# --- confinement -------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return put(tmp_path / "outside" / "canary.wav", samples.wav())


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda home, out: str(out), id="absolute"),
        pytest.param(lambda home, out: f"{home}/../outside/canary.wav", id="dots"),
        pytest.param(lambda home, out: f"file://{out}", id="file-url"),
        pytest.param(lambda home, out: "/proc/self/environ", id="proc"),
        pytest.param(lambda home, out: "/dev/zero", id="device"),
        pytest.param(lambda home, out: "/etc/passwd", id="passwd"),
        pytest.param(lambda home, out: "/nowhere/at/all.wav", id="missing-outside"),
    ],
)
def test_what_is_outside_is_refused_alike_whether_it_exists_or_not(
    make: object, outside: Path, settings: Settings, home: Path
) -> None:
    given = make(home, outside)  # type: ignore[operator]
    with address_chat(), pytest.raises(InputError, match="MINIMAX_MCP_INPUT_PATHS") as caught:
        audio(given, settings)
    named = given.removeprefix("file://")
    assert str(caught.value).startswith(f"audio cannot be used: {named} is not inside a folder")
    assert "ask the person where it is here" in str(caught.value)


@pytest.mark.parametrize("target", ["canary.wav", "missing-canary.wav"])
def test_where_a_link_leads_to_is_not_said(
    target: str, outside: Path, settings: Settings, home: Path
) -> None:
    link = home / "link.wav"
    link.symlink_to(outside.parent / target)
    with pytest.raises(InputError, match=r"link\.wav is not inside a folder") as caught:
        audio(link, settings)
    assert "canary" not in str(caught.value)


def test_a_path_in_a_hidden_folder_is_named(settings: Settings, home: Path) -> None:
    with pytest.raises(InputError, match=r"~/\.secret/a\.mp3 is in a hidden or system folder"):
        audio("~/.secret/a.mp3", settings)


def test_a_sibling_with_the_same_prefix_is_outside(settings: Settings, home: Path) -> None:
    twin = put(home.parent / "home-evil" / "a.wav", samples.wav())
    with pytest.raises(InputError, match="MINIMAX_MCP_INPUT_PATHS"):
        audio(twin, settings)


@posix_only
@pytest.mark.parametrize("place", ["link.wav", "folder/canary.wav"])
def test_a_link_that_leads_outside_is_refused(
    place: str, outside: Path, settings: Settings, home: Path
) -> None:
    (home / "link.wav").symlink_to(outside)
    (home / "folder").symlink_to(outside.parent)
    with pytest.raises(InputError, match="MINIMAX_MCP_INPUT_PATHS"):
        audio(home / place, settings)


@posix_only
def test_a_link_that_stays_inside_works(settings: Settings, home: Path) -> None:
    put(home / "real" / "a.wav", samples.wav())
    (home / "drive").symlink_to(home / "real")
    audio(home / "drive" / "a.wav", settings).close()


@posix_only
def test_a_home_folder_that_is_itself_a_link_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "disk2" / "me" / "a.wav", samples.wav())
    (tmp_path / "linked").symlink_to(tmp_path / "disk2" / "me")
    monkeypatch.setenv("HOME", str(tmp_path / "linked"))
    settings = Settings.from_env(environ={}, env_file=tmp_path / "none")
    audio("~/a.wav", settings).close()


@pytest.mark.parametrize(
    "place",
    [
        ".ssh/id.wav",
        "x/.git/a.wav",
        ".hidden.wav",
        "Library/Mail/a.wav",
        "library/a.wav",
        "AppData/Roaming/a.wav",
        "x/appdata/a.wav",
    ],
)
def test_private_folders_are_closed(place: str, settings: Settings, home: Path) -> None:
    with pytest.raises(InputError, match="hidden or system folder"):
        audio(put(home / place, samples.wav()), settings)


@pytest.mark.parametrize("place", ["Mobile Documents/a.wav", "CloudStorage/Drive/a.wav"])
def test_cloud_drives_below_library_are_open(place: str, settings: Settings, home: Path) -> None:
    audio(put(home / "Library" / place, samples.wav()), settings).close()


@posix_only
def test_a_folder_a_fifo_and_a_socket_are_no_recordings(settings: Settings, home: Path) -> None:
    os.mkfifo(home / "fifo")
    (home / "folder").mkdir()
    for name, said in (("fifo", "not a regular file"), ("folder", "folder is a folder")):
        with pytest.raises(InputError, match=said):
            audio(home / name, settings)


@posix_only
def test_a_pipe_is_refused_though_nobody_writes_into_it(settings: Settings, home: Path) -> None:
    pipe = home / "pipe.wav"
    os.mkfifo(pipe)
    opening = threading.Thread(target=lambda: is_opened(pipe, b"", settings), daemon=True)
    opening.start()
    opening.join(5)
    is_stuck = opening.is_alive()
    if is_stuck:  # whoever opens the other end lets it go
        os.close(os.open(pipe, os.O_WRONLY))
    opening.join()
    assert not is_stuck


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "path",
    [
        *("/proc/self/mem", "/proc/self/environ", "/proc/self/pagemap", "/proc/self/fd/0"),
        *("/proc/kmsg", "/proc/kcore", "/proc/self/task", "/proc/sysrq-trigger"),
        *("/dev/zero", "/dev/null", "/dev/tty", "/dev/stdin", "/dev/mem", "/dev/full"),
        *("/sys/power/state", "/sys/kernel/notes", "/proc/1/root/dev/zero"),
    ],
)
def test_odd_files_of_the_system_are_refused_in_words(path: str, settings: Settings) -> None:
    open_folders = (Path("/proc"), Path("/dev"), Path("/sys"))
    with pytest.raises(InputError, match=r"^audio") as caught:
        audio(path, replace(settings, input_paths=open_folders))
    assert "Errno" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused_in_words(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreadable(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "raw system text")

    path = put(home / "a.wav", samples.wav())
    monkeypatch.setattr(inputs, "open_without_links", Unreadable)
    with pytest.raises(InputError, match="not a regular file that can be read") as caught:
        audio(path, settings)
    assert "raw system text" not in str(caught.value)


def test_a_file_without_a_size_is_not_read_since_it_may_wait_for_its_content(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waiting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError

    path = put(home / "a.wav", b"")
    monkeypatch.setattr(inputs, "open_without_links", Waiting)
    with pytest.raises(InputError, match="the file is empty"):
        audio(path, settings)


@pytest.mark.parametrize("text", ["file:// [ broken", "file://[::1", "FILE://]/a.wav"])
def test_a_broken_file_url_is_refused_in_words(text: str, settings: Settings) -> None:
    with pytest.raises(InputError, match=r"^audio"):
        audio(text, settings)


def test_a_file_that_is_not_there_is_asked_for(settings: Settings, home: Path) -> None:
    asked = "ask the person where it is here"
    with address_chat(), pytest.raises(InputError, match=asked) as caught:
        audio(home / "missing.wav", settings)
    assert f"no such file on this computer: {home / 'missing.wav'}" in str(caught.value)


@posix_only
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(settings: Settings, home: Path) -> None:
    put(home / "a.wav", samples.wav()).chmod(0)
    with pytest.raises(InputError, match="permissions"):
        audio(home / "a.wav", settings)


def test_on_macos_the_privacy_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    error = inputs.open_error(OSError(errno.EPERM, "Operation not permitted"), "audio")
    assert "Privacy & Security" in str(error)


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "x" * 300, "a/" * 3000, "\x7f"], ids=repr)
def test_texts_that_are_no_paths_are_refused(text: str, settings: Settings) -> None:
    with pytest.raises(InputError, match="not a path"):
        audio(text, settings)


ODD = st.sampled_from(
    [
        *["..", ".", "/", "\\", "~", "a", "secret", "é", "ß", "\u202e", " ", ".ssh", "x" * 300],
        *["\x00", "con", "nul.wav", "C:", "::$DATA", "%2e%2e", "link", "outside", "file:", "@"],
    ]
)
SHARED_FIXTURES = [HealthCheck.function_scoped_fixture]


@effort(max_examples=300, deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(parts=st.lists(ODD, max_size=8), glue=st.sampled_from(["", "/"]))
def test_no_spelling_of_a_path_reaches_a_file_outside(
    parts: list[str], glue: str, outside: Path, settings: Settings, home: Path
) -> None:
    if not (home / "link").is_symlink():
        (home / "link").symlink_to(outside.parent)
    for tail in ("", "/canary.wav"):
        with pytest.raises(InputError):
            audio(glue.join(parts) + tail, settings)


@posix_only
def test_a_folder_swapped_for_a_link_never_lets_the_outside_file_out(
    outside: Path, settings: Settings, home: Path
) -> None:
    """Thousands of rounds against a thread that swaps as fast as it can."""
    inside = put(home / "swap" / "canary.wav", samples.wav(11))
    secret = outside.read_bytes()
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            os.rename(inside.parent, home / "aside")
            os.symlink(outside.parent, home / "swap")
            os.unlink(home / "swap")
            os.rename(home / "aside", inside.parent)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        leaks = sum(is_opened(inside, secret, settings) for _ in range(3000))
    finally:
        stop.set()
        thread.join()
    assert leaks == 0


@posix_only
@pytest.mark.parametrize("swapped", ["swap/canary.wav", "swap"], ids=["file", "folder"])
def test_what_became_a_link_after_the_check_is_refused(
    swapped: str, outside: Path, settings: Settings, home: Path
) -> None:
    inside = put(home / "swap" / "canary.wav", samples.wav(11))
    source = parse_source(str(inside), field="audio", settings=settings)
    os.rename(home / swapped, home / "aside")
    (home / swapped).symlink_to(outside if swapped.endswith(".wav") else outside.parent)
    with pytest.raises(InputError, match="not a regular file"):
        inputs.open_input(source, field="audio", requirements=CLONE_AUDIO)


def is_opened(path: Path, secret: bytes, settings: Settings) -> bool:
    try:
        with audio(path, settings) as opened:
            return opened.size == len(secret)
    except MiniMaxError:
        return False


@pytest.mark.parametrize(
    "text",
    [
        "\\\\server\\share\\a.wav",
        "//server/share/a.wav",
        "\\\\?\\C:\\a.wav",
        "\\\\.\\pipe\\x",
        "C:\\music\\a.wav:stream",
        "C:\\music\\CON",
        "C:\\music\\nul.wav",
        "C:\\music\\com1.wav",
        "C:\\music\\LPT9",
        "C:\\music\\COM¹",
        "C:\\music\\a.wav.",
        "C:\\music\\a.wav ",
        "C:\\music.\\a.wav",
    ],
)
def test_windows_traps_are_recognised(text: str) -> None:
    with pytest.raises(InputError, match="special Windows path"):
        paths.refuse_windows_traps(text, field="audio")


@pytest.mark.parametrize(
    "text", ["C:\\music\\a.wav", "C:/music/a.wav", "..\\a.wav", "console.wav", "C:\\x\\.\\a.wav"]
)
def test_plain_windows_paths_are_no_traps(text: str) -> None:
    paths.refuse_windows_traps(text, field="audio")


# --- saving ------------------------------------------------------------------------------------


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture
def out(settings: Settings) -> Path:
    return settings.base_path


pytestmark = pytest.mark.anyio


async def save(out: Path, *chunks: bytes, stem: str = "video-1") -> outputs.SavedFile:
    return await outputs.save(stream(*chunks), stem=stem, types=media_types.VIDEO_TYPES, folder=out)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def test_a_stream_is_published_whole_under_its_id_and_private(out: Path) -> None:
    video = samples.mp4()
    saved = await save(out / "a" / "b", video[:10], video[10:])
    assert saved.path == out / "a" / "b" / "video-1.mp4"
    assert saved.path.read_bytes() == video
    assert (saved.bytes, saved.media_type) == (len(video), "video/mp4")
    assert os.name != "posix" or saved.path.stat().st_mode & 0o777 == 0o600
    assert names(out / "a" / "b") == ["video-1.mp4"]


async def test_an_existing_file_is_never_overwritten(out: Path) -> None:
    put(out / "video-1.mp4", b"mine")
    saved = await save(out, samples.mp4())
    assert saved.path.name == "video-1-2.mp4"
    assert (out / "video-1.mp4").read_bytes() == b"mine"


@posix_only
async def test_a_link_under_the_final_name_is_not_written_through(out: Path, outside: Path) -> None:
    out.mkdir()
    (out / "video-1.mp4").symlink_to(outside)
    before = outside.read_bytes()
    assert outputs.find_saved("video-1", types=media_types.VIDEO_TYPES, folder=out) is None
    saved = await save(out, samples.mp4())
    assert saved.path.name == "video-1-2.mp4"
    assert outside.read_bytes() == before


@posix_only
async def test_a_folder_that_became_a_link_is_not_followed(out: Path, outside: Path) -> None:
    out.mkdir()
    (out / "videos").symlink_to(outside.parent)
    with pytest.raises(StorageError, match="through a"):
        await save(out / "videos", samples.mp4())
    assert names(outside.parent) == ["canary.wav"]


async def test_without_hard_links_the_file_is_published_all_the_same(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    put(out / "video-1.mp4", b"mine")
    saved = await save(out, samples.mp4())
    assert saved.path.name == "video-1-2.mp4"
    assert saved.path.read_bytes() == samples.mp4()
    assert names(out) == ["video-1-2.mp4", "video-1.mp4"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>not found</html>", id="html"),
        pytest.param(b"", id="nothing"),
        pytest.param(samples.mp4()[:-1], id="one-byte-short"),
        pytest.param(samples.mp4()[:40], id="cut"),
        pytest.param(samples.png(), id="a-image"),
    ],
)
async def test_what_is_no_whole_video_is_not_published(body: bytes, out: Path) -> None:
    with pytest.raises(StorageError, match="nothing was saved"):
        await save(out, body)
    assert names(out) == []


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EFBIG, "larger than this system"),
        (errno.EACCES, "may not write"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "reports an error"),
    ],
)
async def test_trouble_while_writing_is_said_and_leaves_nothing(
    number: int, said: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trouble(self: object, block: bytes) -> None:
        raise OSError(number, "raw library text")

    monkeypatch.setattr(outputs, "write_all", trouble)
    with pytest.raises(StorageError, match=said) as caught:
        await save(out, samples.mp4())
    assert f"Saving in {out} failed: " in str(caught.value)
    assert "MINIMAX_MCP_BASE_PATH" in str(caught.value)
    assert "raw library text" not in str(caught.value)
    assert names(out) == []


@contextmanager
def no_file_beyond(most_bytes: int) -> Iterator[None]:
    """What a full disk does: the last write that fits is a short one, the next one fails."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_user_without_a_home_folder_can_use_the_folders_that_are_named(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    recording = put(home / "a.wav", samples.wav())
    monkeypatch.setattr(Path, "home", homeless)
    audio(recording, settings).close()


@posix_only
async def test_a_file_size_limit_leaves_no_leftover(out: Path) -> None:
    with no_file_beyond(100_000), pytest.raises(StorageError, match="larger than this system"):
        await save(out, samples.mp4(b"x" * 3_000_000))
    assert names(out) == []


@posix_only
@pytest.mark.parametrize("most_bytes", [100_000, len(samples.wav(60)) - 1000])
async def test_a_fetched_recording_that_the_disk_cannot_hold_is_refused_and_never_cut(
    most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def fetched(*_: object, **__: object) -> AsyncIterator[AsyncIterator[bytes]]:
        yield in_pieces(samples.wav(60), 65_536)

    monkeypatch.setattr(safe_fetch, "fetch", fetched)
    with no_file_beyond(most_bytes), pytest.raises(StorageError, match="could not be kept") as said:
        await inputs.open_url("https://x.example/a.wav", field="audio", requirements=CLONE_AUDIO)
    assert "Errno" not in str(said.value)


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_a_broken_stream_and_a_cancelled_one_leave_no_part_file(out: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MIB)
        raise StorageError("cut")

    with pytest.raises(StorageError, match="cut"):
        await outputs.save(broken(), stem="video-1", types=media_types.VIDEO_TYPES, folder=out)
    assert names(out) == []

    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MIB)
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(
        outputs.save(endless(), stem="video-1", types=media_types.VIDEO_TYPES, folder=out)
    )
    await started.wait()
    assert len(names(out)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names(out) == []


async def test_a_complete_file_is_found_again_and_a_cut_one_is_not(out: Path) -> None:
    saved = await save(out, samples.mp4())
    assert outputs.find_saved("video-1", types=media_types.VIDEO_TYPES, folder=out) == saved
    os.truncate(saved.path, 50)
    assert outputs.find_saved("video-1", types=media_types.VIDEO_TYPES, folder=out) is None
    again = await save(out, samples.mp4())
    assert again.path.name == "video-1-2.mp4"
    assert outputs.find_saved("video-1", types=media_types.VIDEO_TYPES, folder=out) == again


@posix_only
async def test_a_link_under_the_first_name_does_not_hide_the_file_under_the_second(
    out: Path, home: Path
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "video-1.mp4").symlink_to(put(home / "nas.mp4", samples.mp4()))
    saved = await save(out, samples.mp4())
    assert saved.path.name == "video-1-2.mp4"
    assert outputs.find_saved("video-1", types=media_types.VIDEO_TYPES, folder=out) == saved


@pytest.mark.parametrize(
    ("ident", "expected"),
    [("318204477100233", "video-318204477100233"), ("a_b-c", "video-a_b-c")],
)
def test_files_are_named_by_ids(ident: str, expected: str) -> None:
    assert outputs.file_stem("video", ident) == expected


@given(st.text(max_size=300))
def test_no_id_makes_a_file_name_that_leaves_the_folder(ident: str) -> None:
    assert media_types.EXTENSIONS
    assert outputs.file_stem("video", ident).replace("-", "").replace("_", "").isalnum()
    assert len(outputs.file_stem("video", ident)) < 100


@pytest.mark.parametrize("given_text", ["..", "/etc", "../x", "~/elsewhere", "a/../../b"])
def test_an_output_folder_outside_the_base_path_is_refused(
    given_text: str, settings: Settings
) -> None:
    with (
        address_chat(),
        pytest.raises(InputError, match="copy the file from there") as caught,
    ):
        paths.resolve_output_folder(given_text, settings=settings)
    assert f"{settings.base_path} (set with MINIMAX_MCP_BASE_PATH)" in str(caught.value)


def test_an_output_folder_inside_is_taken_relative_or_absolute(settings: Settings) -> None:
    inside = settings.base_path / "videos"
    assert paths.resolve_output_folder("videos", settings=settings) == inside
    assert paths.resolve_output_folder(str(inside), settings=settings) == inside
    assert paths.resolve_output_folder(None, settings=settings) == settings.base_path


def test_rules_say_the_side_limit(settings: Settings, home: Path) -> None:
    requirements = MediaRequirements(
        noun="image", types=media_types.IMAGE_TYPES, most_bytes=10**6, longest_side_px=450
    )
    with pytest.raises(InputError, match="longer than 450"):
        open_given(
            put(home / "f.png", samples.png(400, 500)),
            settings,
            field="f",
            requirements=requirements,
        )


# --- what a saved file is called ---------------------------------------------------------------

MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
"""A silent frame of 128 kbit/s at 44.1 kHz."""


def ogg(payload: bytes) -> bytes:
    """The first page of an Ogg file with one packet."""
    return b"OggS" + bytes(22) + b"\x01" + bytes([len(payload)]) + payload


@pytest.mark.parametrize(
    ("content", "raw_type", "extension"),
    [
        pytest.param(MP3_FRAME * 4, "audio/pcm", "mp3", id="mp3-that-was-to-be-pcm"),
        pytest.param(
            b"ID3" + bytes(500), "audio/basic", "mp3", id="tagged-mp3-that-was-to-be-ulaw"
        ),
        pytest.param(samples.wav(1), "audio/pcm", "wav", id="wav-that-was-to-be-pcm"),
        pytest.param(bytes(1000), "audio/pcm", "pcm", id="silence"),
        pytest.param(
            b"\xff\xfb\x90\x00" + bytes(1000), "audio/pcm", "pcm", id="pcm-like-one-frame"
        ),
        pytest.param(b"\xff" * 1000, "audio/basic", "ulaw", id="silence-in-ulaw"),
        pytest.param(ogg(b"OpusHead" + bytes(11)), None, "opus", id="opus"),
        pytest.param(ogg(b"\x01vorbis" + bytes(23)), None, "ogg", id="vorbis"),
    ],
)
async def test_a_saved_file_is_called_what_its_content_is(
    content: bytes, raw_type: str | None, extension: str, out: Path
) -> None:
    saved = await outputs.save(
        in_pieces(content, 100),
        stem="speech",
        types=media_types.SPOKEN_TYPES,
        folder=out,
        raw_type=raw_type,
    )
    assert saved.path.name == f"speech.{extension}"
    assert saved.path.read_bytes() == content
