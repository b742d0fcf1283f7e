"""Text files that may be sent: plain UTF-8 of the allowed folders, within MiniMax's limit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from minimax.errors import InputError
from minimax.files.texts import read_text_file
from minimax.settings import Settings
from tests.support.samples import put

LIMIT = 100


def read(given: str, settings: Settings) -> tuple[str, str, bytes]:
    file = read_text_file(given, field="text_file", settings=settings, fewer_characters_than=LIMIT)
    with file.as_input() as opened:
        return file.text, opened.name, b"".join(opened.chunks())


def test_a_text_is_read_once_and_sent_as_it_was_read(home: Path, settings: Settings) -> None:
    place = put(home / "My novel.TXT", "Der Fluß. 中国".encode())
    text, name, sent = read(str(place), settings)
    assert (text, name, sent) == ("Der Fluß. 中国", "text.txt", place.read_bytes())


def test_the_mark_at_the_beginning_of_a_windows_file_is_no_character(
    home: Path, settings: Settings
) -> None:
    place = put(home / "a.txt", b"\xef\xbb\xbf" + b"x" * (LIMIT - 1))
    assert read(f'"{place}"', settings)[0] == "x" * (LIMIT - 1)


def make_folder(home: Path) -> str:
    (home / "folder.txt").mkdir()
    return str(home / "folder.txt")


def make_pipe(home: Path) -> str:
    os.mkfifo(home / "pipe.txt")
    return str(home / "pipe.txt")


def make_link_out(home: Path) -> str:
    outside = put(home.parent / "outside.txt", b"secret")
    (home / "link.txt").symlink_to(outside)
    return str(home / "link.txt")


def make_link_to_hidden(home: Path) -> str:
    hidden = put(home / ".ssh" / "key.txt", b"secret")
    (home / "link.txt").symlink_to(hidden)
    return str(home / "link.txt")


def make_link_to_another_type(home: Path) -> str:
    (home / "link.txt").symlink_to(put(home / "ledger.db", b"secret"))
    return str(home / "link.txt")


def holding(content: bytes, name: str = "a.txt") -> Callable[[Path], str]:
    return lambda home: str(put(home / name, content))


posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX files")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda home: str(home / "a.txt"), "no such file", id="missing"),
        pytest.param(lambda _: "/etc/hostname.txt", "not inside a folder", id="outside"),
        pytest.param(lambda _: "../../x.txt", "not inside a folder", id="above"),
        pytest.param(lambda _: "https://x.example/a.txt", "give the path", id="URL"),
        pytest.param(lambda _: "data:text/plain;base64,SGk=", "give the path", id="data-URI"),
        pytest.param(holding(b"x", "a.md"), "ends in .txt", id="another-type"),
        pytest.param(holding(b"x", "txt"), "ends in .txt", id="no-extension"),
        pytest.param(holding(b"x" * LIMIT), "fewer than 100 characters", id="too-long"),
        pytest.param(holding(b"x" * 1000), "fewer than 100 characters", id="much-too-long"),
        pytest.param(holding("é".encode("latin-1")), "not UTF-8", id="Latin-1"),
        pytest.param(holding("Hello".encode("utf-16")), "not UTF-8", id="UTF-16"),
        pytest.param(holding(b"\x89PNG\r\n\x1a\n\xff"), "not UTF-8", id="image"),
        pytest.param(make_folder, "text_file", id="folder"),
        pytest.param(make_pipe, "not a regular file", id="pipe", marks=posix_only),
        pytest.param(make_link_out, "not inside a folder", id="link-out", marks=posix_only),
        pytest.param(make_link_to_hidden, "hidden", id="link-to-hidden", marks=posix_only),
        pytest.param(
            make_link_to_another_type, "ends in .txt", id="link-to-a-database", marks=posix_only
        ),
    ],
)
def test_what_may_not_be_sent_is_refused_with_the_reason(
    make: Callable[[Path], str], said: str, home: Path, settings: Settings
) -> None:
    with pytest.raises(InputError) as caught:
        read(make(home), settings)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
