"""A path is understood as people write it, and no way of writing it opens what is closed."""

import os
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from minimax.errors import InputError
from minimax.files import lookup
from minimax.files.source import LocalFile, parse_source
from minimax.settings import Settings
from tests.support import samples
from tests.support.samples import put

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX paths and links")

NFC, NFD = (unicodedata.normalize(form, "Gr\u00fc\u00dfe.wav") for form in ("NFC", "NFD"))


def find(text: str, settings: Settings) -> Path:
    source = parse_source(text, field="audio", settings=settings)
    assert isinstance(source, LocalFile)
    return source.path


def refusal(text: str, settings: Settings) -> str:
    with pytest.raises(InputError) as caught:
        find(text, settings)
    return str(caught.value)


# --- spellings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param("My Music/a (1).wav", r"{home}/My\ Music/a\ \(1\).wav", id="terminal"),
        pytest.param("My Music/a.wav", r"~/My\ Music/a.wav", id="terminal-in-home"),
        pytest.param("Anna's/a.wav", r"'~/Anna\'s/a.wav'", id="escaped-and-quoted"),
    ],
)
@posix_only
def test_a_path_is_understood_as_a_terminal_writes_it(
    place: str, text: str, settings: Settings, home: Path
) -> None:
    path = put(home / place, samples.wav())
    assert find(text.replace("{home}", str(home)), settings) == path


@pytest.mark.parametrize(
    ("place", "text"),
    [
        pytest.param("a.wav", "$HOME/a.wav", id="home"),
        pytest.param("a.wav", "${HOME}/a.wav", id="braced-home"),
        pytest.param("a.wav", "%USERPROFILE%/a.wav", id="userprofile"),
        pytest.param("Music/a.wav", r"%UserProfile%\Music\a.wav", id="userprofile-of-windows"),
        pytest.param(NFC, f"~/{NFD}", id="decomposed"),
        pytest.param(NFD, f"~/{NFC}", id="composed"),
        pytest.param(NFC, f"$HOME/{NFD}", id="decomposed-below-home"),
    ],
)
def test_a_path_is_understood_as_people_write_it(
    place: str, text: str, settings: Settings, home: Path
) -> None:
    path = put(home / place, samples.wav())
    assert find(text, settings) == path


@posix_only
def test_a_file_whose_name_really_has_a_backslash_comes_first(
    settings: Settings, home: Path
) -> None:
    put(home / "my voice.wav", samples.wav())
    literal = put(home / r"my\ voice.wav", samples.wav())
    assert find(r"~/my\ voice.wav", settings) == literal


@posix_only
def test_the_home_of_a_named_user_is_found_where_it_is_allowed(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda text: text.replace("~anna", str(home)))
    path = put(home / "a.wav", samples.wav())
    assert find("~anna/a.wav", settings) == path


@posix_only
def test_a_user_elsewhere_and_one_that_does_not_exist_read_alike(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "anna" / "a.wav", samples.wav())
    unknown = refusal("~anna/a.wav", settings)
    assert "Home folders of other users are not looked into" in unknown
    monkeypatch.setattr(
        os.path, "expanduser", lambda text: text.replace("~anna", str(tmp_path / "anna"))
    )
    assert refusal("~anna/a.wav", settings) == unknown


# --- nothing outside is opened, or told apart --------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return put(tmp_path / "out side" / "canary.wav", samples.wav())


OUTSIDE = [
    "<escaped>",
    r"\/<path>",
    "$HOME/../<folder>/<name>",
    "${HOME}/../<folder>/<name>",
    "%USERPROFILE%/../<folder>/<name>",
    r"%USERPROFILE%\..\<folder>\<name>",
    "$HOME/<path>",
    r"$HOME/\.\./<folder>/<name>",
    r"~/.\./<folder>/<name>",
    "~root/..<path>",
    "file://$HOME/../<folder>/<name>",
    "~/<path>",
    r"\~/../<folder>/<name>",
    "home-link/<name>",
    r"home\-link/<name>",
]
"""With <path>, its <folder> and <name> in place of those of a file outside."""


@pytest.mark.parametrize("spelled", OUTSIDE)
def test_no_spelling_finds_a_file_outside_or_tells_whether_it_is_there(
    spelled: str, outside: Path, settings: Settings
) -> None:
    settings.base_path.mkdir(parents=True)
    (settings.base_path / "home-link").symlink_to(outside.parent)
    text = spelled.replace("<escaped>", str(outside).replace(" ", r"\ "))
    text = text.replace("<path>", str(outside))
    text = text.replace("<folder>", outside.parent.name).replace("<name>", outside.name)
    there = refusal(text, settings)
    outside.unlink()
    assert refusal(text, settings) == there


PIECES = ["..", "/", "\\", " ", "~", "$HOME", "%USERPROFILE%", "out side", "canary.wav", "home"]
PIECES += ["file://", ".", "link", ".hidden", "u\u0308", "\u00fc", '"', "@", "root", "%2e%2e", "\t"]


@posix_only
@effort(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(text=st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
def test_whatever_is_found_is_inside_and_not_hidden(
    text: str, outside: Path, settings: Settings, home: Path
) -> None:
    if not (home / "link").is_symlink():
        (home / "link").symlink_to(outside.parent)
        put(home / ".hidden", samples.wav())
        put(home / "home", samples.wav())
    try:
        source = parse_source(text, field="audio", settings=settings)
    except InputError:
        return
    if isinstance(source, LocalFile):
        assert source.path.is_relative_to(home)
        assert not any(part.startswith(".") for part in source.path.relative_to(home).parts)


@pytest.mark.parametrize("text", [r"~/\.ssh/a.wav", "$HOME/.ssh/a.wav", r"~/Libr\ary/a.wav"])
def test_no_spelling_opens_a_private_folder(text: str, settings: Settings, home: Path) -> None:
    before = refusal(text, settings)
    put(home / ".ssh" / "a.wav", samples.wav())
    put(home / "Library" / "a.wav", samples.wav())
    assert refusal(text, settings) == before


# --- what a missing file's error says ----------------------------------------------------------


def test_the_path_that_was_looked_for_is_named(settings: Settings, home: Path) -> None:
    assert f"no such file on this computer: {home / 'x' / 'a.wav'}." in refusal(
        "~/x/a.wav", settings
    )


@pytest.mark.parametrize("text", ["a.wav", "x/a.wav"])
def test_a_relative_name_is_told_where_it_is_looked_up(text: str, settings: Settings) -> None:
    said = refusal(text, settings)
    assert f"Relative names are looked up in {settings.base_path}." in said
    assert str(settings.base_path / text) in said


def test_an_absolute_path_is_not_told_about_relative_names(settings: Settings, home: Path) -> None:
    for text in ("~/a.wav", "$HOME/a.wav", str(home / "a.wav")):
        assert "Relative" not in refusal(text, settings)


@pytest.mark.parametrize(
    "text",
    [
        r"C:\Users\anna\a.wav",
        r"@C:\Users\anna\a.wav",
        r"file://C:\Users\anna\a.wav",
        "file:///C:/Users/anna/a.wav",
    ],
)
@posix_only
def test_a_path_of_windows_is_recognized_elsewhere(text: str, settings: Settings) -> None:
    assert "a Windows path" in refusal(text, settings)


@pytest.mark.parametrize("text", ["", "  ", '""', "@"])
def test_nothing_is_no_path(text: str, settings: Settings) -> None:
    said = refusal(text, settings)
    assert "empty" in said or "no such file" in said
    assert "Errno" not in said


def test_a_folder_is_called_a_folder(settings: Settings, home: Path) -> None:
    (home / "Music").mkdir()
    assert refusal("~/Music", settings) == (
        f"audio: {home / 'Music'} is a folder. Give a file in it."
    )


@pytest.mark.parametrize(
    ("there", "text", "offered"),
    [
        pytest.param(["voice.wav"], "~/x/vioce.wav", "voice.wav", id="typo"),
        pytest.param(["Voice.WAV"], "~/x/voice.wav", "Voice.WAV", id="case"),
        pytest.param([NFD], f"~/x/{NFC.removesuffix('.wav')}", NFD, id="decomposed"),
        pytest.param(["a1.wav", "a2.wav", "a3.wav", "a4.wav"], "~/x/a.wav", "a4.wav", id="three"),
    ],
)
def test_similar_names_are_offered(
    there: list[str], text: str, offered: str, settings: Settings, home: Path
) -> None:
    for name in there:
        put(home / "x" / name, samples.wav())
    if (home / text.removeprefix("~/")).exists():
        pytest.skip("this file system takes both spellings for one name")
    near = refusal(text, settings).split(f"Similar names in {home / 'x'}: ")[1].split(". ")[0]
    assert set(near.split(", ")) <= set(there)
    assert len(near.split(", ")) == min(3, len(there))
    assert len(there) > 3 or offered in near


def test_for_a_missing_folder_similar_folders_are_offered(settings: Settings, home: Path) -> None:
    put(home / "Music" / "a.wav", samples.wav())
    assert f"Similar names in {home}: Music." in refusal("~/Musik/a.wav", settings)


@posix_only
def test_hidden_and_private_names_and_links_are_never_offered(
    settings: Settings, home: Path, outside: Path
) -> None:
    for name in (".voice.wav", "Librarx", "Library/x", "AppData/x"):
        put(home / name, samples.wav())
    (home / "voice1.wav").symlink_to(outside)
    assert "Similar" not in refusal("~/voice.wav", settings)
    assert "Similar names in" in refusal("~/Librar", settings)
    assert "Library" not in refusal("~/Librar", settings)
    assert "AppData" not in refusal("~/AppDat", settings)


def test_nothing_beside_an_allowed_folder_is_named(settings: Settings, home: Path) -> None:
    put(home.parent / "recordings2" / "a.wav", samples.wav())
    only = replace(settings, input_paths=(home.parent / "recordings",), base_path=home / "MiniMax")
    assert "recordings2" not in refusal(str(home.parent / "recordings" / "a.wav"), only)


def test_a_folder_of_the_settings_that_is_not_there_is_named(
    settings: Settings, home: Path
) -> None:
    gone = home / "gone"
    text = refusal("/nowhere/a.wav", replace(settings, input_paths=(home, gone)))
    assert f"There is no folder {gone}." in text
    assert "There is no folder" not in refusal("/nowhere/a.wav", settings)


def test_only_some_hundred_entries_of_a_folder_are_looked_at(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    listed = os.scandir

    def count(folder: Path) -> object:
        entries = listed(folder)

        class Counting:
            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                entries.close()

            def __iter__(self) -> Self:
                return self

            def __next__(self) -> object:
                taken.append(next(entries))
                return taken[-1]

        return Counting()

    for number in range(lookup.ENTRIES_LOOKED_AT + 50):
        (home / f"{number}.wav").touch()
    monkeypatch.setattr(os, "scandir", count)
    refusal("~/x.wav", settings)
    assert len(taken) == lookup.ENTRIES_LOOKED_AT


@posix_only
def test_an_odd_name_beside_a_missing_file_is_shown_as_one_harmless_line(
    settings: Settings, home: Path
) -> None:
    put(home / "x" / "voice\n\u202eIgnore all.wav", samples.wav())
    said = refusal("~/x/voice Ignore all.wav", settings)
    assert "voice Ignore all.wav" in said
    assert said.isprintable()
