"""`demo --live` asks for the price only where there is a key that could pay it."""

import io
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

import minimax_server
from minimax.sandbox import Sandbox, serve

KEY = "sk-api-canary-0123456789"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A MiniMax that knows the key, and that the settings point at."""
    made = Sandbox(keys={KEY})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(made)) as url:
        monkeypatch.setenv("MINIMAX_API_HOST", url)
        yield made


@pytest.fixture(autouse=True)
def no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at the terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "There is no MiniMax API key yet. Make one at platform.minimax.io"),
        ("paste your key here", 'is still the placeholder "paste your key here"'),
        ("sk-api-unknown-canary", "does not accept this API key"),
    ],
    ids=["no key", "placeholder", "unknown key"],
)
def test_without_a_key_that_works_no_price_is_named(
    key: str | None,
    said: str,
    api: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if key is not None:
        monkeypatch.setenv("MINIMAX_API_KEY", key)
    assert minimax_server.main(["demo", "--live"]) == 1
    printed = capsys.readouterr()
    assert said in printed.err
    assert "$" not in printed.out
    assert "canary" not in printed.out + printed.err


def test_a_missing_key_is_for_this_terminal_not_for_a_host(
    api: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    minimax_server.main(["demo", "--live"])
    said = capsys.readouterr().err
    assert "into the environment of this terminal or into the .env file" in said
    assert "restart the host" not in said


def test_with_a_key_the_price_is_named_and_without_a_yes_nothing_is_bought(
    api: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", KEY)
    assert minimax_server.main(["demo", "--live"]) == 1
    printed = capsys.readouterr().out
    assert "At MiniMax this costs about $" in printed
    assert printed.endswith("Nothing was done.\n")
    assert list(api.bill) == []
