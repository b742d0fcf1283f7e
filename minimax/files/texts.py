"""Reads a text file of the person's that may be sent to MiniMax: plain UTF-8, of limited size."""

import io
from pathlib import Path
from typing import Final, NamedTuple

from minimax.errors import InputError
from minimax.files.inputs import Input, read_file
from minimax.files.source import LocalFile, parse_source
from minimax.settings import Settings

__all__ = ["TextFile", "read_text_file"]

SUFFIX: Final = ".txt"
LONGEST_CHARACTER_BYTES: Final = 4
"""Of UTF-8 (RFC 3629, section 3)."""
MEDIA_TYPE: Final = "text/plain"


class TextFile(NamedTuple):
    """A text, and the very bytes that it was read from."""

    name: str
    data: bytes
    text: str

    def as_input(self) -> Input:
        """What was read, ready to be uploaded: a file that changes meanwhile changes nothing."""
        file = io.BytesIO(self.data)
        return Input(file, name=self.name, media_type=MEDIA_TYPE, size=len(self.data))


def read_text_file(
    given: str, *, field: str, settings: Settings, fewer_characters_than: int
) -> TextFile:
    """Read a text file.

    Args:
        given: Its path, as the person gave it.
        field: The parameter it came in, for messages.
        settings: Whose folders apply.
        fewer_characters_than: MiniMax's limit.

    Raises:
        InputError: It may not be read, is no .txt, is too long or is not UTF-8.
    """
    source = parse_source(given, field=field, settings=settings)
    if not isinstance(source, LocalFile):
        raise InputError(f"{field}: give the path of a text file on this computer.")
    if source.path.suffix.lower() != SUFFIX:
        raise InputError(f"{field} must be a plain text file whose name ends in {SUFFIX}.")
    data = _read(source.path, field, fewer_characters_than)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{field} is not UTF-8. Save it as plain text in UTF-8, then call again. Nothing was "
            "sent."
        ) from None
    if len(text) >= fewer_characters_than:
        raise _too_long_error(field, fewer_characters_than)
    return TextFile(f"text{SUFFIX}", data, text)


def _read(path: Path, field: str, fewer_characters_than: int) -> bytes:
    most_bytes = fewer_characters_than * LONGEST_CHARACTER_BYTES
    data = read_file(path, field, most_bytes=most_bytes)
    if len(data) > most_bytes:
        raise _too_long_error(field, fewer_characters_than)
    return data


def _too_long_error(field: str, fewer_characters_than: int) -> InputError:
    return InputError(
        f"{field} is too long: MiniMax takes fewer than {fewer_characters_than:,} characters in "
        "one file. Split it at the end of a chapter and call once per part. Nothing was sent."
    )
