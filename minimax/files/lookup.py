"""Finds the file that a person names, and says what is there instead if it is missing.

Only what `paths` allows is looked at: outside of the allowed folders nothing is asked of the disk,
so an answer never depends on what is there.
"""

import difflib
import errno
import os
import stat
import unicodedata
from itertools import islice
from pathlib import Path
from typing import Final

from minimax.errors import InputError
from minimax.files import paths
from minimax.files.spellings import is_foreign_windows_path, is_relative, names_user, read_spellings
from minimax.safe_text import plain
from minimax.settings import Settings

__all__ = ["find_input"]

ENTRIES_LOOKED_AT: Final = 300
"""Of a folder, for names that are like the one that is missing."""
NEAR_NAMES: Final = 3
LIKENESS: Final = 0.6
"""`difflib`'s ratio from which on a name is offered; its own default."""
COMPARED_CHARACTERS: Final = 80
"""Of a name; comparing takes time that grows with the square of it."""
NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def find_input(text: str, *, field: str, settings: Settings) -> Path:
    """The existing file that a text names, resolved and allowed.

    Args:
        text: A path or a file:// URL, undecorated.
        field: The parameter it came in, for the message.
        settings: Whose folders apply.

    Raises:
        InputError: It may not be used, is not there, or is a folder.
    """
    given = paths.decode_file_url(text, field=field)
    if not given:
        raise InputError(f"{field} is empty. Give the path of a file.")
    paths.refuse_odd_text(given, field=field)
    allowed = _allow(given, field=field, settings=settings)
    path = next((path for path in allowed if not _is_missing(path)), allowed[0])
    if _is_missing(path):
        raise _missing_error(path, given, field=field, settings=settings)
    if _is_folder(path):
        raise InputError(f"{field}: {plain(str(path))} is a folder. Give a file in it.")
    return path


def _allow(given: str, *, field: str, settings: Settings) -> list[Path]:
    """The readings that may be used; at least one.

    Raises:
        InputError: None may be; the first refusal.
    """
    allowed, refusals = list[Path](), list[InputError]()
    for spelling in read_spellings(given):
        try:
            allowed.append(paths.resolve_input(spelling, field=field, settings=settings))
        except InputError as refusal:
            refusals.append(refusal)
    if not allowed:
        raise refusals[0]
    return allowed


def _is_missing(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno in NOT_THERE  # otherwise opening it tells what is wrong
    return False


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


# --- what is there instead ---------------------------------------------------------------------


def _missing_error(path: Path, given: str, *, field: str, settings: Settings) -> InputError:
    sentences = [f"{field}: there is no such file on this computer: {plain(str(path))}."]
    if names_user(given):
        sentences.append("Home folders of other users are not looked into: give the full path.")
    if is_relative(given):
        sentences.append(f"Relative names are looked up in {settings.base_path}.")
    if is_foreign_windows_path(given):
        sentences.append("That is a Windows path, and this computer runs another system.")
    missing = _find_first_missing(path)
    near = [] if settings.base_path.is_relative_to(missing) else _find_near(missing, settings)
    if near:
        sentences.append(f"Similar names in {plain(str(missing.parent))}: {', '.join(near)}.")
    sentences.append(paths.attached_file_text())
    return InputError(" ".join(sentences))


def _find_first_missing(path: Path) -> Path:
    """The file, or the topmost of its folders that is missing as well."""
    while _is_missing(path.parent) and path.parent != path:
        path = path.parent
    return path


def _find_near(missing: Path, settings: Settings) -> list[str]:
    """Names of plain files and folders beside a missing one, which are like its own."""
    if not paths.is_open(missing.parent, settings):
        return []
    shown = {
        _fold(name): plain(name)
        for name in _list_names(missing.parent)
        if paths.is_open(missing.parent / name, settings)
    }
    like = difflib.get_close_matches(_fold(missing.name), shown, NEAR_NAMES, LIKENESS)
    return [shown[name] for name in like]


def _list_names(folder: Path) -> list[str]:
    """Some of the names in a folder; none where it cannot be listed. Links are left out."""
    try:
        with os.scandir(folder) as entries:
            some = islice(entries, ENTRIES_LOOKED_AT)
            return [entry.name for entry in some if not entry.is_symlink()]
    except OSError:
        return []


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()[:COMPARED_CHARACTERS]
