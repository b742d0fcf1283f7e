"""Settings: argument > environment > .env > default; nothing unsafe is accepted."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimax.audience import address_chat
from minimax.commands import check
from minimax.errors import SettingsError
from minimax.settings import Settings
from tests.support.host import ROOT


@pytest.fixture(autouse=True)
def chat() -> Iterator[None]:
    """The texts are those for a chat; `test_scope` has those for a program."""
    with address_chat():
        yield


def load(tmp_path: Path, env: dict[str, str] | None = None, dotenv: str | None = None) -> Settings:
    file = tmp_path / "beside" / ".env"
    file.parent.mkdir(exist_ok=True)
    if dotenv is not None:
        file.write_text(dotenv, encoding="utf-8")
        file.chmod(0o600)
    return Settings.from_env(environ=env or {}, env_file=file)


def test_defaults_need_no_environment_at_all(tmp_path: Path, home: Path) -> None:
    settings = load(tmp_path)
    assert settings.api_key is None
    assert settings.api_host is None
    assert settings.base_path == home / "MiniMax"
    assert settings.input_paths == (home, home / "MiniMax")
    assert settings.resource_mode == "local"
    assert settings.log_level == "WARNING"


@pytest.mark.parametrize(("given", "wanted"), [("on", True), ("OFF", False), ("", True)])
@pytest.mark.parametrize(
    ("name", "field"), [("MINIMAX_MCP_IMAGES", "images"), ("MINIMAX_MCP_AUTO_SAVE", "auto_save")]
)
def test_a_switch_is_on_unless_it_is_turned_off(
    tmp_path: Path, name: str, field: str, given: str, wanted: bool
) -> None:
    assert getattr(load(tmp_path, {name: given}), field) is wanted


def test_the_environment_beats_the_file_and_an_empty_variable_counts_as_unset(
    tmp_path: Path,
) -> None:
    dotenv = "MINIMAX_VIDEO_MODEL=from-file\nMINIMAX_API_KEY=sk-file\n"
    settings = load(tmp_path, {"MINIMAX_VIDEO_MODEL": "from-env", "MINIMAX_API_KEY": " "}, dotenv)
    assert settings.video_model == "from-env"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-file"


def test_an_env_file_in_the_working_directory_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MINIMAX_API_HOST=http://127.0.0.1:1", encoding="utf-8")
    program = "from minimax.settings import Settings; print(Settings.from_env().api_host)"
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found.strip() != "http://127.0.0.1:1"


@pytest.mark.parametrize("given", ["paste your key here", "<your key>", "<key>"])
def test_a_placeholder_is_called_one(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {"MINIMAX_API_KEY": given})
    assert "is still the placeholder" in str(caught.value)
    assert "the env block in its configuration" in str(caught.value)
    assert "restart the host" in str(caught.value)


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_the_word_before_a_key_is_dropped(tmp_path: Path, word: str) -> None:
    key = load(tmp_path, {"MINIMAX_API_KEY": f"{word} sk-api-x"}).api_key
    assert key is not None
    assert key.get_secret_value() == "sk-api-x"


def test_the_key_is_not_shown_by_printing_the_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, {"MINIMAX_API_KEY": "sk-api-canary"})
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://api.minimax.io", "https://api.minimax.io"),
        ("https://api.minimaxi.com/", "https://api.minimaxi.com"),
        ("api.minimax.cn", "https://api.minimax.cn"),
        ("https://api.minimax.io/v1", "https://api.minimax.io"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:8765", "http://[::1]:8765"),
        ("HTTPS://API.MiniMax.io:443", "https://api.minimax.io:443"),
    ],
)
def test_hosts_of_minimax_and_loopback_are_accepted(
    tmp_path: Path, given: str, expected: str
) -> None:
    assert load(tmp_path, {"MINIMAX_API_HOST": given}).api_host == expected


@pytest.mark.parametrize(
    "given",
    [
        "http://api.minimax.io",
        "https://evil.example",
        "https://api.minimax.io.evil.example",
        "https://evilminimax.io",
        "https://api.minimax.io@evil.example",
        "https://user@api.minimax.io",
        "http://192.168.0.1",
        "file:///etc/passwd",
        "https://api.minimax.io:abc",
        "https://[your-region].minimax.io",
        "http://[::1].evil.com",
        "https://evil.com,api.minimax.io",
        "https://xn--a.minimax.io",
        "https://xn--.minimax.io",
        "https://a..minimax.io",
        "https://.minimax.io",
        "https://-a.minimax.io",
        "https://" + "a" * 64 + ".minimax.io",
        "https://" + "a." * 130 + "minimax.io",
        "https://api.minimax.io:",
        "https://api.minimax.io:99999",
        "https://api.minimax.io:0",
        "https://a b.minimax.io",
        "https://%61pi.minimax.io",
        "https://é.minimax.io",
        "https://*.minimax.io",
        "https://{region}.minimax.io",
        "https://<region>.minimax.io",
        "https://a_b.minimax.io",
        "https://api\tx.minimax.io",
        "https://\u200bapi.minimax.io",
        "https://api\u3002minimax.io",
        "https://minimax.\u212ao",
        "https://api.minimax.io\\@evil.example",
        "https://api.minimax.io?a=b",
        "https://api.minimax.io#@evil.example",
        "http://[::1%25eth0]",
        "http://[v1.x]",
        "http://localhost:\u0663",
        "//api.minimax.io",
    ],
)
def test_a_host_that_must_not_get_the_key_is_refused_by_name(tmp_path: Path, given: str) -> None:
    with pytest.raises(SettingsError, match="MINIMAX_API_HOST"):
        load(tmp_path, {"MINIMAX_API_HOST": given})


def test_a_host_that_is_odd_does_not_end_the_check_in_a_crash(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", "sk-api-canary-0123456789")
    for host in ("http://[::1].evil.com", "https://xn--a.minimax.io", "https://\u200bx.minimax.io"):
        monkeypatch.setenv("MINIMAX_API_HOST", host)
        assert check.run(server_file=home / "minimax_server.py") == 1
        shown = capsys.readouterr().out
        assert "settings: MINIMAX_API_HOST is not one of MiniMax's API hosts" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIMAX_API_KEY", "sk with blanks"),
        ("MINIMAX_API_KEY", "<your key>"),
        ("MINIMAX_API_RESOURCE_MODE", "cloud"),
        ("MINIMAX_MCP_IMAGES", "maybe"),
        ("MINIMAX_MCP_AUTO_SAVE", "later"),
        ("MINIMAX_LOG_LEVEL", "loud"),
        ("MINIMAX_MCP_BASE_PATH", "relative/folder"),
        ("MINIMAX_MCP_INPUT_PATHS", "relative"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_variable(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=rf"{name}.*hen restart the host\."):
        load(tmp_path, {name: value})


@pytest.mark.parametrize(
    "text",
    [
        '"Bearer sk-api-x"',
        "bearer sk-api-x",
        "BEARER  sk-api-x",
        "Bearer: 'sk-api-x'",
        "\u201csk-api-x\u201d",
        "\u2018sk-api-x\u2019",
        "<sk-api-x>",
        " sk-api-x\u00a0\n",
        "MINIMAX_API_KEY=sk-api-x",
        "export MINIMAX_API_KEY='Bearer sk-api-x'",
        'MINIMAX_API_KEY: "sk-api-x"',
    ],
)
def test_a_key_pasted_with_what_was_around_it_is_still_the_key(tmp_path: Path, text: str) -> None:
    settings = load(tmp_path, {"MINIMAX_API_KEY": text})
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "sk-api-x"


@pytest.mark.parametrize(
    "key", ["bearer-x", "MINIMAX_API_KEY-x", "Bearerx", "xx-key-7", "sk-api-xxx1", "token5"]
)
def test_a_key_that_only_resembles_a_mistake_is_left_alone(tmp_path: Path, key: str) -> None:
    settings = load(tmp_path, {"MINIMAX_API_KEY": key})
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("paste your key here", "paste your key here"),
        ("<your key>", "your key"),
        ("YOUR_API_KEY", "YOUR_API_KEY"),
        ("your-api-key-here", "your-api-key-here"),
        ("your_minimax_api_key", "your_minimax_api_key"),
        ("insert your API key here", "insert your API key here"),
        ("Bearer <token>", "token"),
        ("sk-...", "sk-..."),
        ("sk-api-xxx", "sk-api-xxx"),
        ("${MINIMAX_API_KEY}", "${MINIMAX_API_KEY}"),
        ("${user_config.api_key}", "${user_config.api_key}"),
        ("$MINIMAX_API_KEY", "$MINIMAX_API_KEY"),
    ],
)
def test_a_placeholder_is_called_by_its_name(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {"MINIMAX_API_KEY": text})
    assert f'is still the placeholder "{shown}" in the environment' in str(caught.value)


@pytest.mark.parametrize("key", ["paste your key here", "sk with blanks"])
@pytest.mark.parametrize(
    ("is_in_file", "place"),
    [
        (True, "in the .env file beside minimax_server.py"),
        (False, "in the environment (of a server that a host starts: the env block"),
    ],
)
def test_a_key_that_is_none_is_named_with_its_place_and_what_to_do(
    tmp_path: Path, key: str, place: str, *, is_in_file: bool
) -> None:
    here, there = ("", key) if is_in_file else (key, "sk-api-good")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {"MINIMAX_API_KEY": here}, f"MINIMAX_API_KEY={there}")
    assert place in str(caught.value)
    assert "platform.minimax.io > API keys" in str(caught.value)
    assert "Then restart the host" in str(caught.value)


def test_a_key_that_is_none_is_never_shown_unless_it_is_a_placeholder(tmp_path: Path) -> None:
    for text in ("sk-api-canary x", "{sk-api-canary}", "[sk-api-canary]", "${sk-api-canary0}"):
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, {"MINIMAX_API_KEY": text})
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("text", ["your_" * 20_000 + "!", "a-" * 50_000 + "!", "$" * 100_000])
def test_a_long_text_in_the_place_of_a_key_is_judged_at_once(tmp_path: Path, text: str) -> None:
    """Each way of reading it is tried once; the time limit of the tests is far beyond that."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {"MINIMAX_API_KEY": text})
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(os.name != "posix", reason="HOME is read on POSIX only")
@pytest.mark.parametrize("home_variable", ["", "/", "//", "/usr/..", "here"])
def test_a_home_folder_that_is_none_does_not_open_the_whole_computer(
    home_variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home_variable)
    with pytest.raises(SettingsError, match="no home folder"):
        load(tmp_path)
    folders = {
        "MINIMAX_MCP_BASE_PATH": str(tmp_path),
        "MINIMAX_MCP_INPUT_PATHS": str(tmp_path),
        "MINIMAX_MCP_STATE_DIR": str(tmp_path / "state"),
    }
    assert load(tmp_path, folders).input_paths == (tmp_path,)
    with pytest.raises(SettingsError, match="no home folder"):
        load(tmp_path, {**folders, "MINIMAX_MCP_INPUT_PATHS": "~"})


def test_folders_may_begin_with_the_home_sign_and_are_real_paths(
    tmp_path: Path, home: Path
) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")
    env = {
        "MINIMAX_MCP_BASE_PATH": "~/out",
        "MINIMAX_MCP_INPUT_PATHS": os.pathsep.join(["~/link", str(tmp_path)]),
    }
    settings = load(tmp_path, env)
    assert settings.base_path == home / "out"
    assert settings.input_paths == (home / "real", tmp_path)


def test_the_official_servers_variable_for_logging_works(tmp_path: Path) -> None:
    assert load(tmp_path, {"FASTMCP_LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_the_sandbox_keeps_its_state_apart(tmp_path: Path) -> None:
    real = Settings.from_env(environ={}, env_file=tmp_path / "none")
    tried = Settings.from_env(sandbox=True, environ={}, env_file=tmp_path / "none")
    assert real.state_dir != tried.state_dir


def test_an_unreadable_env_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"MINIMAX_API_KEY=\xff\xfe\xff")
    with pytest.raises(SettingsError, match=r"\.env"):
        Settings.from_env(environ={}, env_file=file)


@pytest.mark.parametrize(
    ("dotenv", "line", "said"),
    [
        pytest.param('MINIMAX_API_KEY="sk-canary\n', 1, 'a quote (")', id="never closed"),
        pytest.param(
            '# mine\n\n\nMINIMAX_API_KEY="sk-canary\nMINIMAX_MCP_DAILY_LIMIT_USD="3"\n',
            4,
            'a quote (")',
            id="closed by the quote of the next setting",
        ),
        pytest.param(
            "A=1\nMINIMAX_VIDEO_MODEL='x\nMINIMAX_MCP_DAILY_LIMIT_USD=3\nB='\n",
            2,
            "a quote (')",
            id="swallows a setting without a parser's error",
        ),
        pytest.param('A=1\r\nB="x\r\nC=3\r\n', 2, 'a quote (")', id="Windows line ends"),
        pytest.param('export A="sk-canary" b\n', 1, 'a quote (")', id="text after the quote"),
        pytest.param("MINIMAX_API_KEY sk-canary\n", 1, "form NAME=value", id="no equals sign"),
        pytest.param("=sk-canary\n", 1, "form NAME=value", id="no name"),
    ],
)
def test_a_line_of_the_env_file_that_cannot_be_read_is_refused_and_not_dropped(
    tmp_path: Path, dotenv: str, line: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {}, dotenv)
    message = str(caught.value)
    assert message.startswith(f"Line {line} of {tmp_path / 'beside' / '.env'} ")
    assert said in message
    assert "Nothing is bought without them." in message
    assert "Then restart the host." in message
    assert "canary" not in message
    assert caplog.records == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "  ",
        "# it's mine",
        "export X=1",
        "X",
        "X=",
        "X='a' # \"b",
        'X="a\nb"',
        "X= # y",
        "X=it's",
    ],
)
def test_a_harmless_line_of_the_env_file_changes_nothing(tmp_path: Path, line: str) -> None:
    dotenv = f"{line}\nMINIMAX_VIDEO_MODEL='a'\n{line}\nMINIMAX_MCP_DAILY_LIMIT_USD=\"3\"\n"
    settings = load(tmp_path, {}, dotenv)
    assert (settings.video_model, settings.daily_limit_usd) == ("a", 3)


def test_the_sandbox_judges_no_key_and_keeps_a_ledger_of_its_own(tmp_path: Path) -> None:
    env = {"MINIMAX_API_KEY": "paste your key here"}
    settings = Settings.from_env(sandbox=True, environ=env, env_file=tmp_path / "none")
    assert settings.api_key is None
    assert settings.state_dir == load(tmp_path).state_dir / "sandbox"


def test_jobs_of_a_sandbox_that_runs_alone_do_not_stand_among_real_ones(tmp_path: Path) -> None:
    env = {"MINIMAX_API_HOST": "http://127.0.0.1:8765"}
    assert load(tmp_path, env).state_dir == load(tmp_path).state_dir / "sandbox"
    named = env | {"MINIMAX_MCP_STATE_DIR": str(tmp_path)}
    assert load(tmp_path, named).state_dir == tmp_path


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_an_env_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ".env"
    file.write_text("MINIMAX_VIDEO_MODEL=x", encoding="utf-8")
    file.chmod(0o644)
    Settings.from_env(environ={}, env_file=file)
    assert "chmod 600" in caplog.text
