"""Which paths may be read or written: pure decisions, nothing is opened here."""

import os
import re
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final
from urllib.parse import unquote, urlsplit

from minimax.audience import pick_text
from minimax.errors import InputError
from minimax.safe_text import plain, shorten
from minimax.settings import Settings

__all__ = [
    "attached_file_text",
    "decode_file_url",
    "is_open",
    "is_url",
    "refuse_odd_text",
    "resolve_input",
    "resolve_output_folder",
    "strip_quotes",
]

LONGEST_PATH: Final = 4096
LONGEST_NAME: Final = 255
"""Characters; the limits of the common file systems."""
LONGEST_SHOWN: Final = 300
"""Characters of a path in a message."""

CLOUD_FOLDERS: Final = ("mobile documents", "cloudstorage")
"""Below ~/Library, where macOS keeps iCloud Drive and other cloud drives."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")
_AT_A_PATH: Final = re.compile(r"@(?=[/~.\\]|[A-Za-z]:[/\\])")
"""Some chats put an @ before a path; it may also begin the name of a file."""
_DRIVE_URL: Final = re.compile(
    r"file:(?://localhost(?=[/\\]))?[/\\]{0,3}([a-z])(?::|%3A|\|)([/\\].*)",
    re.IGNORECASE | re.DOTALL,
)
"""A file:// URL with a drive of Windows: as people write it, without the third slash, as VS Code
does (`%3A`), and in the oldest form (`|`)."""


def strip_quotes(text: str) -> str:
    """The path inside what people paste: quotes around it, an @ before it, blanks."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text[1:] if _AT_A_PATH.match(text) else text


def is_url(text: str) -> bool:
    """Whether this is something with a scheme, like https: or data:, and not a path."""
    match = _SCHEME.match(text)
    return match is not None and match.group(1).lower() != "file"


def decode_file_url(text: str, *, field: str) -> str:
    """The path in a file:// URL; any other text as it is.

    Raises:
        InputError: The URL is malformed, or names another computer.
    """
    if not text.lower().startswith("file:"):
        return text
    if drive := _DRIVE_URL.fullmatch(text):
        return f"{drive[1]}:{unquote(drive[2])}"
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        raise InputError(f"{field} is not a file:// URL. Give the plain path instead.") from None
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{field}: a file:// URL must name a file on this computer.")
    return unquote(parts.path)


def resolve_input(text: str, *, field: str, settings: Settings) -> Path:
    """Where a local input really is, if it may be used; whether it is there plays no part.

    Args:
        text: A path, undecorated.
        field: The parameter it came in, for the message.
        settings: Whose folders apply.

    Raises:
        InputError: It is outside the allowed folders or below a private one, or is not a path.
    """
    refuse_odd_text(text, field=field)
    path = _resolve(text, base=settings.base_path, field=field)
    inside = [folder for folder in settings.input_paths if path.is_relative_to(folder)]
    if not inside:
        raise _outside_error(text, field=field, settings=settings)
    if all(_is_private(path, folder) for folder in inside):
        raise InputError(
            f"{field} cannot be used: {_show(text)} is in a hidden or system folder, and those "
            "are off limits. Copy the file to a plain folder and give that path."
        )
    return path


def is_open(path: Path, settings: Settings) -> bool:
    """Whether a resolved path is inside an allowed folder and below no private one."""
    return any(
        path.is_relative_to(folder) and not _is_private(path, folder)
        for folder in settings.input_paths
    )


def resolve_output_folder(text: str | None, *, settings: Settings) -> Path:
    """The folder to save into: the base path, or one inside it.

    Raises:
        InputError: The folder is outside the base path.
    """
    if text is None:
        return settings.base_path
    field = "output_directory"
    given = strip_quotes(text)
    refuse_odd_text(given, field=field)
    path = _resolve(given, base=settings.base_path, field=field)
    if not path.is_relative_to(settings.base_path):
        raise InputError(
            f"output_directory must be inside the folder for saved files, {settings.base_path} "
            "(set with MINIMAX_MCP_BASE_PATH). Leave it out, or give the name of a folder to "
            "create in it"
            + pick_text(chat="; the person can copy the file from there to any place.", program=".")
        )
    return path


def refuse_odd_text(text: str, *, field: str) -> None:
    """Refuse texts that are no path on any system, and Windows' special names everywhere.

    Raises:
        InputError: With the reason.
    """
    names = re.split(r"[/\\]", text)
    if _CONTROL.search(text) or len(text) > LONGEST_PATH or max(map(len, names)) > LONGEST_NAME:
        raise InputError(f"{field} is not a path: it is too long or has control characters in it.")
    if os.name == "nt":
        refuse_windows_traps(text, field=field)


def refuse_windows_traps(text: str, *, field: str) -> None:
    """Refuse what Windows would open as something else than the file it seems to name.

    Raises:
        InputError: A device name, a stream, a UNC or device path, a trailing dot or blank.
    """
    path = PureWindowsPath(text)
    names = path.parts[1:] if path.anchor else path.parts
    trapped = (
        text.startswith(("\\\\", "//"))
        or ":" in text[len(path.drive) :]
        or any(_is_windows_trap(name) for name in names)
    )
    if trapped:
        raise InputError(
            f"{field} is a special Windows path. Give a plain path like C:\\folder\\x."
        )


_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"})
_NUMBERED_DEVICE: Final = re.compile(r"(com|lpt)[0-9¹²³]", re.IGNORECASE)


def _is_windows_trap(name: str) -> bool:
    stem = name.split(".", maxsplit=1)[0].strip().lower()
    special = stem in _DEVICES or _NUMBERED_DEVICE.fullmatch(stem) is not None
    return special or (name not in (".", "..") and name != name.rstrip(". "))


def _resolve(text: str, *, base: Path, field: str) -> Path:
    """The real path of what a person wrote: below the home folder, absolute, or below `base`."""
    in_home = text == "~" or text.startswith(("~/", "~\\"))
    path = Path(os.path.expanduser("~")) / text[2:] if in_home else base / text  # noqa: PTH111
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        raise InputError(f"{field} is not a path that this computer can follow.") from None


def _is_private(path: PurePath, folder: PurePath) -> bool:
    below = [part.casefold() for part in path.relative_to(folder).parts]
    hidden = any(part.startswith(".") for part in below)
    return hidden or "appdata" in below or _is_below_library(path)


def _is_below_library(path: PurePath) -> bool:
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:  # this user has none
        return False
    if not path.is_relative_to(home):
        return False
    below = [part.casefold() for part in path.relative_to(home).parts]
    return below[:1] == ["library"] and (len(below) < 2 or below[1] not in CLOUD_FOLDERS)  # noqa: PLR2004


def _show(text: str) -> str:
    """A path as it was given: where its links lead to is not said."""
    return shorten(plain(text), LONGEST_SHOWN)


def _outside_error(text: str, *, field: str, settings: Settings) -> InputError:
    if settings.team:
        return InputError(
            f"{field} cannot be used: {_show(text)} is no https URL, data: URI or upload_id. "
            "Nothing was sent to MiniMax."
        )
    allowed = ", ".join(str(folder) for folder in settings.input_paths)
    absent = ", ".join(
        str(folder)
        for folder in settings.input_paths
        if folder != settings.base_path and not folder.is_dir()
    )
    about_absent = f" (There is no folder {absent}.)" if absent else ""
    return InputError(
        f"{field} cannot be used: {_show(text)} is not inside a folder that inputs may come from "
        f"({allowed}; set with MINIMAX_MCP_INPUT_PATHS). Copy the file into one of them."
        f"{about_absent} {attached_file_text()}"
    )


def attached_file_text() -> str:
    """What to say of a file that is not found; a chat may have taken it for itself."""
    return pick_text(
        chat="A file that was attached to the chat is not on this computer: ask the person where "
        "it is here.",
        program="Nothing was sent.",
    )
