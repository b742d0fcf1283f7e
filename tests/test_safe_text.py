"""Texts of other services and our own logs: harmless characters, one line, no key."""

import base64
import html
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote as percent_encode

import pytest

from minimax import logs
from minimax.safe_text import LINK_CHARACTERS, KeyFilter, clean_link, plain

SHORT_KEY = "canary.Zr8-qXw7_Lm3Tp5v"
LONG_KEY = (
    "kq" + "".join(chr(97 + n * 7 % 26) + str(n * 3 % 10) for n in range(60)) + "Tail9xyzW4b7"
)
KEYS = [pytest.param(SHORT_KEY, id="short"), pytest.param(LONG_KEY, id="long")]
"""None of them begins like a key, so that only the filter of this very key can find it."""


# --- characters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\nb\r\tc\x00d", "a b c d", id="control"),
        pytest.param("\x1b[31mred", "[31mred", id="escape"),
        pytest.param("a\u202eb\u2066c", "abc", id="bidi"),
        pytest.param("a\u200bb\u200dc\ufeffd\u00ade", "abcde", id="zero-width"),
        pytest.param("a\ufe0fb\U000e0101c", "abc", id="variation-selectors"),
        pytest.param("a\U000e0041b\U000e007fc", "abc", id="tags"),
        pytest.param("a\u3164b\u115fc\u2800d\u034fe", "abcde", id="fillers"),
        pytest.param("a\u2028b\u2029c", "a b c", id="line-separators"),
        pytest.param("a\ud800b", "a b", id="lone-surrogate"),
        pytest.param("naïve 世界 \N{GRINNING FACE}", "naïve 世界 \N{GRINNING FACE}", id="words"),
    ],
)
def test_what_cannot_be_seen_is_not_passed_on(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_text_is_read_only_as_far_as_it_could_be_shown() -> None:
    class Counting(str):
        __slots__ = ("asked",)

        def __getitem__(self, at: object) -> str:
            self.asked = at
            return super().__getitem__(at)  # type: ignore[index]

    text = Counting("\u0430" * 1_000_000)
    assert len(plain(text)) == 300
    assert text.asked == slice(None, 4_000, None)


@pytest.mark.parametrize(
    ("link", "cleaned"),
    [
        pytest.param("https://a.b/c?d=e", "https://a.b/c?d=e", id="as-it-is"),
        pytest.param("https://a.b/\u202ec\u200b\ufe0f", "https://a.b/c", id="invisible"),
        pytest.param("https://a.b/c\n![x](y z)", "https://a.b/c![x](yz)", id="blanks"),
        pytest.param("https://a.b/" + "c" * LINK_CHARACTERS, "", id="too-long"),
    ],
)
def test_a_link_is_cleaned_and_never_cut(link: str, cleaned: str) -> None:
    assert clean_link(link) == cleaned


# --- the key -----------------------------------------------------------------------------------


def percent(text: str) -> str:
    return "".join(f"%{ord(char):02x}" for char in text)


def entities(text: str) -> str:
    return "".join(f"&#{ord(char)};" for char in text)


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "percent-encoded": percent,
    "percent-encoded twice": lambda key: percent_encode(percent(key)),
    "entities": entities,
    "hexadecimal entities": lambda key: "".join(f"&#x{ord(char):X};" for char in key),
    "entities without semicolons": lambda key: entities(key).replace(";", ""),
    "entities twice": lambda key: html.escape(entities(key)),
    "reversed": lambda key: key[::-1],
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"k:{key}:x".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "zero-width blanks": "\u200b".join,
    "blanks": " ".join,
    "line breaks": "\r\n".join,
    "dots": "..".join,
    "last 16": lambda key: key[-16:],
    "first half": lambda key: key[: len(key) // 2 + 2],
    "second half": lambda key: key[len(key) // 2 - 2 :],
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=list(DISGUISES))
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "said: "])
def test_a_key_is_found_in_every_usual_disguise(
    before: str, key: str, disguise: Callable[[str], str]
) -> None:
    hidden = disguise(key)
    found = KeyFilter(key).scrub(f"The server {before}{hidden} said no.")
    assert "removed" in found
    assert not any(hidden[at : at + 20] in found for at in range(len(hidden) - 19))
    assert found.startswith("The serv")
    assert found.endswith("said no.")


@pytest.mark.parametrize("key", KEYS)
def test_a_short_piece_of_a_key_is_an_ordinary_word(key: str) -> None:
    text = f"It begins with {key[:6]} and ends with {key[-6:]}."
    assert KeyFilter(key).scrub(text) == text


ORDINARY = [
    "success",
    "invalid params, method t2a-v2 not have model: speech-9 (2013)",
    "https://cdn.example/f.mp4?Expires=1795300000&OSSAccessKeyId=LTAI5t&Signature=a%2Bb%3D",
    "A calm, warm voice for audio books; 25&ndash;35 years. " * 10,
    "0123456789abcdef" * 16,
    "世界" * 200,
    "",
]


class CountingFilter(KeyFilter):
    """Counts how often a text is taken apart."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.taken_apart = 0

    def cut_out(self, text: str) -> str:
        self.taken_apart += 1
        return super().cut_out(text)


@pytest.mark.parametrize("key", KEYS)
def test_ordinary_texts_are_looked_at_once_and_never_taken_apart(key: str) -> None:
    key_filter = CountingFilter(key)
    assert [key_filter.scrub(text) for text in ORDINARY] == ORDINARY
    assert key_filter.taken_apart == 0
    key_filter.scrub(key[::-1])
    assert key_filter.taken_apart == 1


def test_without_a_key_there_is_nothing_to_remove() -> None:
    assert KeyFilter(None).scrub(SHORT_KEY) == SHORT_KEY


# --- logs --------------------------------------------------------------------------------------


@contextmanager
def logging_to_stderr() -> Iterator[logging.Logger]:
    """Logging as the server sets it up; undone afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("INFO", secret=SHORT_KEY)
    try:
        yield logging.getLogger("minimax.test")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


@pytest.mark.parametrize("disguise", ["as it is", "percent-encoded", "base64", "reversed"])
def test_no_log_line_holds_the_key(disguise: str, capsys: pytest.CaptureFixture[str]) -> None:
    hidden = DISGUISES[disguise](SHORT_KEY)
    with logging_to_stderr() as log:
        try:
            raise ValueError(f"a traceback with {hidden}")
        except ValueError:
            log.exception("a message with %s", hidden)
    written = capsys.readouterr().err
    assert hidden not in written
    assert written.count("[key removed]") == 2


def test_no_log_line_holds_any_of_several_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    others = ["password-of-a-database", "sk-api-carol-9876543210"]
    with logging_to_stderr() as log:
        logs.configure("INFO", secret=SHORT_KEY, more_secrets=others)
        log.info("%s, %s and %s", SHORT_KEY, *others)
    written = capsys.readouterr().err
    assert not [secret for secret in (SHORT_KEY, *others) if secret in written]


def test_a_log_line_holds_no_signed_link(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to_stderr() as log:
        log.info("see https://cdn.example/f.mp4?Signature=canary and so on")
    assert "canary" not in capsys.readouterr().err


def test_a_line_break_in_a_message_begins_no_record_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_to_stderr() as log:
        log.warning("job %s", "7\nERROR minimax: buy again\x1b[2J")
    assert len(capsys.readouterr().err.splitlines()) == 1
