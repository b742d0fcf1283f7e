"""The ways in which people write a path; each reading is checked as a path of its own."""

import os
import re
import unicodedata
from pathlib import PureWindowsPath
from typing import Final

__all__ = ["is_foreign_windows_path", "is_relative", "names_user", "read_spellings"]

_HOME_VARIABLE: Final = re.compile(
    r"(?:\$HOME|\$\{HOME\}|(?P<windows>%USERPROFILE%))(?=[/\\]|$)", re.IGNORECASE
)
"""At the beginning of a path. No other variable is read: its value could be a secret."""
_ESCAPED: Final = re.compile(r"\\(.)")
_USER: Final = re.compile(r"~[^/\\]+[/\\]")


def read_spellings(text: str) -> list[str]:
    r"""What a text may mean as a path, the likeliest first.

    A terminal writes blanks as `\ `; macOS hands out names whose umlauts are two characters, other
    systems names where they are one; and people write their home folder as a variable.

    Args:
        text: Without quotes around it, and no URL.
    """
    plain = [text]
    if os.name == "posix" and "\\" in text:
        plain.append(_ESCAPED.sub(r"\1", text))
    forms = [
        form
        for one in map(_expand_home, plain)
        for form in (one, unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one))
    ]
    users = [os.path.expanduser(one) for one in plain if _USER.match(one)]  # noqa: PTH111
    return list(dict.fromkeys(users + forms))


def _expand_home(text: str) -> str:
    """The text with `~` where it begins with a variable for the home folder."""
    found = _HOME_VARIABLE.match(text)
    if found is None:
        return text
    rest = text[found.end() :]
    if found["windows"] and os.name == "posix":
        rest = rest.replace("\\", "/")
    return f"~{rest}"


def is_relative(text: str) -> bool:
    """Whether a text names no folder to begin in."""
    return not (os.path.isabs(text) or _expand_home(text).startswith("~"))  # noqa: PTH117


def names_user(text: str) -> bool:
    """Whether a text begins with the home folder of a user who is named, as `~anna/`."""
    return bool(_USER.match(text))


def is_foreign_windows_path(text: str) -> bool:
    """Whether this is a path of Windows, and this computer has another system."""
    return os.name == "posix" and bool(PureWindowsPath(text).drive)
