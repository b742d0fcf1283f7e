"""Archives that MiniMax delivers: read in bounds, whatever they hold and whoever made them."""

import io
import tarfile
from collections.abc import AsyncIterator, Callable

import pytest

from minimax.errors import StorageError
from minimax.files.archives import BLOCK_BYTES, ByteStream, is_tar, read_members

pytestmark = pytest.mark.anyio

SOUND = b"ID3" + bytes(700)


def make_tar(*members: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def regular(name: str, data: bytes = SOUND) -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


def of_type(kind: bytes, *, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, link
    return info, b""


async def read_all(archive: bytes, *, chunk_bytes: int = 1000) -> list[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(archive), chunk_bytes):
            yield archive[start : start + chunk_bytes]

    found = []
    async for member in read_members(ByteStream(chunks())):
        head = await member.peek(10)
        content = b"".join([chunk async for chunk in member.chunks()])
        assert content.startswith(head)
        assert len(content) == member.size
        found.append(content)
    return found


@pytest.mark.parametrize("chunk_bytes", [1, 511, 512, 513, 100_000])
async def test_the_files_of_an_archive_come_whole_however_it_is_cut_into_chunks(
    chunk_bytes: int,
) -> None:
    archive = make_tar(regular("a/b.mp3"), regular("a/b.titles", b"[]"), regular("empty", b""))
    assert is_tar(archive)
    assert await read_all(archive, chunk_bytes=chunk_bytes) == [SOUND, b"[]", b""]


async def test_a_file_that_is_not_read_is_skipped() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield make_tar(regular("a"), regular("b", b"{}"))

    sizes = [member.size async for member in read_members(ByteStream(chunks()))]
    assert sizes == [len(SOUND), 2]


LONG_NAME = "d/" * 200 + "a.mp3"


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(make_tar(regular("../../etc/passwd")), id="parent-folders"),
        pytest.param(make_tar(regular("/etc/passwd")), id="absolute"),
        pytest.param(make_tar(regular("C:\\x.mp3")), id="drive"),
        pytest.param(make_tar(of_type(tarfile.SYMTYPE, link="/etc"), regular("a")), id="symlink"),
        pytest.param(make_tar(of_type(tarfile.LNKTYPE, link="/etc"), regular("a")), id="hard-link"),
        pytest.param(make_tar(of_type(tarfile.DIRTYPE), regular("a")), id="folder"),
        pytest.param(make_tar(of_type(tarfile.FIFOTYPE), regular("a")), id="pipe"),
        pytest.param(make_tar(of_type(tarfile.CHRTYPE), regular("a")), id="device"),
        pytest.param(make_tar(regular(LONG_NAME), kind=tarfile.PAX_FORMAT), id="pax-header"),
        pytest.param(make_tar(regular(LONG_NAME), kind=tarfile.GNU_FORMAT), id="GNU-name"),
    ],
)
async def test_names_links_and_odd_entries_mean_nothing(archive: bytes) -> None:
    assert await read_all(archive) == [SOUND]


def with_size(field: bytes) -> Callable[[bytes], bytes]:
    """An archive whose first file claims another size, with a checksum that agrees."""

    def change(archive: bytes) -> bytes:
        header = bytearray(archive[:BLOCK_BYTES])
        header[124:136] = field
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return bytes(header) + archive[BLOCK_BYTES:]

    return change


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda archive: archive[:700], id="cut-in-a-file"),
        pytest.param(lambda archive: archive[:BLOCK_BYTES], id="cut-after-a-header"),
        pytest.param(lambda archive: archive[:1600], id="cut-in-a-header"),
        pytest.param(lambda archive: archive[:1536] + b"x" * 512, id="garbage-as-a-header"),
        pytest.param(with_size(b"77777777777\0"), id="eight-gigabytes"),
        pytest.param(with_size(b"\x80" + b"\xff" * 11), id="beyond-reason"),
        pytest.param(with_size(b"-0000000001\0"), id="negative"),
        pytest.param(with_size(b"\xff" * 12), id="negative-in-binary"),
        pytest.param(with_size(b"12 34567\0\0\0\0"), id="two-numbers"),
        pytest.param(with_size(b"9" * 11 + b"\0"), id="not-octal"),
    ],
)
async def test_a_damaged_archive_is_an_error_and_no_file_more_than_it_holds(
    damage: Callable[[bytes], bytes],
) -> None:
    archive = damage(make_tar(regular("a"), regular("b")))
    with pytest.raises(StorageError, match="archive"):
        await read_all(archive)


async def test_an_archive_of_very_many_files_is_left() -> None:
    with pytest.raises(StorageError, match="archive"):
        await read_all(make_tar(*[regular(str(number), b"") for number in range(101)]))


async def test_a_size_in_binary_is_understood() -> None:
    archive = with_size(b"\x80" + (703).to_bytes(11, "big"))(make_tar(regular("a")))
    assert await read_all(archive) == [SOUND]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(SOUND, id="mp3"),
        pytest.param(bytes(1000), id="silence"),
        pytest.param(b"\x00\x01" * 1000, id="samples"),
        pytest.param(b"0" * 1000, id="digits"),
        pytest.param(b"PK\x03\x04" + bytes(600), id="zip"),
        pytest.param(make_tar(regular("a"))[:511], id="cut"),
    ],
)
def test_what_is_no_tar_is_told_by_its_checksum(content: bytes) -> None:
    assert not is_tar(content)
