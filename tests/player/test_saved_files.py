"""The player reads the files that this server saved, in pieces, and no others."""

import base64
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp import Client, MCPError
from mcp_types import BlobResourceContents

from minimax.errors import InputError
from minimax.files import outputs, saved
from minimax.sandbox import Sandbox
from minimax.settings import Settings
from tests.player.apps_host import ERAS, connect, player_meta
from tests.support.host import host
from tests.support.in_process import call

pytestmark = pytest.mark.anyio

LONG = 3 * saved.PIECE_BYTES + 17


@pytest.fixture
def folder(settings: Settings) -> Path:
    settings.base_path.mkdir()
    return settings.base_path


async def read(client: Client, uri: str) -> bytes:
    [contents] = (await client.read_resource(uri)).contents
    assert isinstance(contents, BlobResourceContents)
    return base64.b64decode(contents.blob)


async def refusal(client: Client, uri: str) -> str:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    return str(caught.value)


# --- pieces ------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
async def test_the_pieces_of_a_file_make_the_file(
    settings: Settings, sandbox: Sandbox, folder: Path, era: str
) -> None:
    content = os.urandom(LONG)
    (folder / "video-7.mp4").write_bytes(content)
    async with connect(settings, sandbox, era=era) as client:
        pieces = [
            await read(client, f"minimax://media/video-7.mp4?offset={at}&length={512 * 1024}")
            for at in range(0, LONG, 512 * 1024)
        ]
        behind = await read(client, f"minimax://media/video-7.mp4?offset={LONG}&length=9")
    assert b"".join(pieces) == content
    assert len(pieces) == 4
    assert behind == b""


async def test_without_a_length_the_whole_file_comes_or_a_reason(
    settings: Settings, sandbox: Sandbox, folder: Path
) -> None:
    (folder / "speech-a.mp3").write_bytes(b"x" * saved.LARGEST_READ_BYTES)
    (folder / "video-a.mp4").write_bytes(b"x" * (saved.LARGEST_READ_BYTES + 1))
    async with connect(settings, sandbox) as client:
        whole = await read(client, "minimax://media/speech-a.mp3")
        assert len(whole) == saved.LARGEST_READ_BYTES
        assert "in pieces" in await refusal(client, "minimax://media/video-a.mp4")
        rest = await read(client, "minimax://media/video-a.mp4?offset=1")
        assert len(rest) == saved.LARGEST_READ_BYTES


LARGE_BYTES = 300 * 1024 * 1024
PIECES_READ = 40
MOST_MORE_BYTES = 8 * 1024 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
async def test_reading_a_huge_video_takes_the_server_no_more_memory(folder: Path) -> None:
    (folder / "video-small.mp4").write_bytes(bytes(2 * saved.PIECE_BYTES))
    with (folder / "video-huge.mp4").open("wb") as file:
        file.truncate(LARGE_BYTES)
    async with host("--sandbox", env={"MINIMAX_MCP_BASE_PATH": str(folder)}) as server:
        await server.handshake()

        async def read_all(name: str, offsets: range) -> None:
            for offset in offsets:
                uri = f"minimax://media/{name}?offset={offset}&length={saved.PIECE_BYTES}"
                answer = await server.answer("resources/read", {"uri": uri})
                [contents] = answer["result"]["contents"]
                assert len(base64.b64decode(contents["blob"])) == saved.PIECE_BYTES

        await read_all("video-small.mp4", range(0, 2 * saved.PIECE_BYTES, saved.PIECE_BYTES))
        before = peak_bytes(server.process.pid)
        await read_all("video-huge.mp4", range(0, LARGE_BYTES, LARGE_BYTES // PIECES_READ))
        assert peak_bytes(server.process.pid) - before < MOST_MORE_BYTES


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


# --- what is refused ---------------------------------------------------------------------------


def other_name(folder: Path) -> str:
    (folder / "holiday.mp4").write_bytes(b"mine")
    return "holiday.mp4"


def other_type(folder: Path) -> str:
    (folder / "video-1.txt").write_bytes(b"mine")
    return "video-1.txt"


def hidden_part(folder: Path) -> str:
    (folder / ".video-1-00ff00ff.part").write_bytes(b"half")
    return ".video-1-00ff00ff.part"


def above(folder: Path) -> str:
    (folder.parent / "video-1.mp4").write_bytes(b"mine")
    return "../video-1.mp4"


def above_and_back(folder: Path) -> str:
    (folder / "video-1.mp4").write_bytes(b"x")
    return f"../{folder.name}/video-1.mp4"


def absolute(folder: Path) -> str:
    (folder.parent / "video-1.mp4").write_bytes(b"mine")
    return str(folder.parent / "video-1.mp4")


def make_link(place: Path, target: Path) -> None:
    try:
        place.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this user may not make links, as most may not on Windows")


def link_to_a_file(folder: Path) -> str:
    (folder.parent / "secret").write_bytes(b"mine")
    make_link(folder / "video-1.mp4", folder.parent / "secret")
    return "video-1.mp4"


def link_to_a_folder(folder: Path) -> str:
    other = folder.parent / "other"
    other.mkdir()
    (other / "video-1.mp4").write_bytes(b"mine")
    make_link(folder / "sub", other)
    return "sub/video-1.mp4"


def link_inside(folder: Path) -> str:
    (folder / "video-2.mp4").write_bytes(b"x")
    make_link(folder / "video-1.mp4", folder / "video-2.mp4")
    return "video-1.mp4"


def a_folder(folder: Path) -> str:
    (folder / "video-1.mp4").mkdir()
    return "video-1.mp4"


def a_pipe(folder: Path) -> str:
    if os.name == "nt":
        pytest.skip("Windows has no such pipes")
    os.mkfifo(folder / "video-1.mp4")
    return "video-1.mp4"


def nothing(folder: Path) -> str:
    return "video-1.mp4"


def backslashes(folder: Path) -> str:
    return "..\\video-1.mp4"


def a_drive(folder: Path) -> str:
    (folder / "video-1.mp4").write_bytes(b"x")
    return f"{folder.drive or 'C:'}/video-1.mp4"


def another_drive(folder: Path) -> str:
    return "D:/video-1.mp4"


def a_stream(folder: Path) -> str:
    (folder / "video-1.mp4").write_bytes(b"x")
    return "video-1.mp4:video-1.mp4"


def a_nul(folder: Path) -> str:
    return "video-1.mp4\0.mp4"


def empty_part(folder: Path) -> str:
    (folder / "video-1.mp4").write_bytes(b"x")
    return "/video-1.mp4"


REFUSED = [
    other_name,
    other_type,
    hidden_part,
    above,
    above_and_back,
    absolute,
    link_to_a_file,
    link_to_a_folder,
    link_inside,
    a_folder,
    a_pipe,
    nothing,
    backslashes,
    a_drive,
    another_drive,
    a_stream,
    a_nul,
    empty_part,
]


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("spelled", ["plainly", "in percent"])
async def test_every_other_file_is_refused(
    settings: Settings,
    sandbox: Sandbox,
    folder: Path,
    make: Callable[[Path], str],
    spelled: str,
) -> None:
    path = make(folder)
    uri = f"minimax://media/{quote(path, safe='/' if spelled == 'plainly' else '')}"
    async with connect(settings, sandbox) as client:
        assert await refusal(client, uri)


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_the_door_itself_refuses_it(folder: Path, make: Callable[[Path], str]) -> None:
    """The SDK would stop some of them; this must not depend on it."""
    path = make(folder)
    with pytest.raises(InputError):
        saved.read_piece(saved.find_in_folder(path, folder=folder))


@pytest.mark.parametrize(
    "make", [link_to_a_file, link_to_a_folder, link_inside], ids=lambda make: make.__name__
)
def test_a_link_is_refused_before_anything_is_opened(
    folder: Path, make: Callable[[Path], str]
) -> None:
    """Windows cannot refuse links while it opens them."""
    path = make(folder)
    with pytest.raises(InputError):
        saved.find_in_folder(path, folder=folder)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1)])
def test_a_piece_before_the_beginning_is_refused(folder: Path, offset: int, length: int) -> None:
    (folder / "video-1.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match="0 or more"):
        saved.read_piece(folder / "video-1.mp4", offset=offset, length=length)


# --- what is allowed ---------------------------------------------------------------------------


JOURNEYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "speech": [("text_to_audio", {"text": "Hello.", "subtitles": True})],
    "raw speech": [("text_to_audio", {"text": "Hello.", "format": "pcm"})],
    "images": [("text_to_image", {"prompt": "An oak", "n": 2})],
    "a folder inside": [("text_to_image", {"prompt": "An oak", "output_directory": "a b/ü"})],
}


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
async def test_every_file_that_a_tool_saves_can_be_read(
    settings: Settings, sandbox: Sandbox, journey: list[tuple[str, dict[str, Any]]]
) -> None:
    async with connect(settings, sandbox) as client:
        for name, arguments in journey:
            result = await client.call_tool(name, arguments)
            data = result.structured_content or {}
            named = [data.get("path"), data.get("subtitle_path"), *data.get("paths", [])]
            paths = [Path(path) for path in named if path]
            files = player_meta(result)["files"]
            assert [file["name"] for file in files] == [path.name for path in paths]
            for file, path in zip(files, paths, strict=True):
                content = await read(client, file["uri"])
                assert content == path.read_bytes()
                assert file["size"] == len(content)


async def test_a_saved_video_can_be_read_and_says_its_type(
    settings: Settings, sandbox: Sandbox
) -> None:
    async with connect(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="A fox")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        result = await client.call_tool("retrieve_video_file", {"file_id": status["file_id"]})
        [file] = player_meta(result)["files"]
        assert file["mimeType"] == "video/mp4"
        content = await read(client, f"{file['uri']}?offset=0&length={file['size']}")
        assert content[4:8] == b"ftyp"
        assert content == await read(client, f"minimax://tasks/{job['task_id']}/video")


async def test_a_video_saved_elsewhere_is_read_by_its_job_only(
    settings: Settings, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The folder for results was another one when it was saved."""
    async with connect(settings, sandbox) as client:
        job = await call(client, "generate_video", prompt="A fox")
        status = await call(client, "query_video_generation", task_id=job["task_id"])
        video = await call(client, "retrieve_video_file", file_id=status["file_id"])
    moved = replace(settings, base_path=tmp_path / "new")
    async with connect(moved, sandbox) as client:
        content = await read(client, f"minimax://tasks/{job['task_id']}/video")
        assert content == Path(video["path"]).read_bytes()
        assert "No saved video" in await refusal(client, "minimax://tasks/1/video")
        Path(video["path"]).unlink()
        assert "not there any more" in await refusal(
            client, f"minimax://tasks/{job['task_id']}/video"
        )


def test_the_names_of_saved_files_are_known_here(folder: Path) -> None:
    """What `file_stem` makes of any id, and the number after a name that was taken."""
    for ident in ("123", "a-b_c", "odd/../id", "x" * 300):
        for extension in ("mp4", "srt"):
            name = f"{outputs.file_stem('video', ident)}-2.{extension}"
            assert saved.find_in_folder(name, folder=folder) == folder / name
