"""The settings of team mode: what is missing is named, and nothing is guessed that matters."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from minimax.errors import SettingsError
from minimax.team.settings import NAMES, TeamSettings, prepare_scratch

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s" * 32
ENOUGH = {
    "MINIMAX_TEAM_DATABASE_URL": "postgresql://minimax:pass-word@db/minimax",
    "MINIMAX_TEAM_STORE": "s3://bucket/prefix",
    "MINIMAX_TEAM_TOKENS": "/run/secrets/tokens.json",
    "MINIMAX_TEAM_SECRET": SECRET,
}


def load(tmp_path: Path, **changes: str) -> TeamSettings:
    environ = {**ENOUGH, "HOME": str(tmp_path), **changes}
    return TeamSettings.from_env(environ=environ, env_file=tmp_path / "none")


def test_four_settings_are_enough(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.bind == "127.0.0.1"
    assert settings.hosts == ("127.0.0.1:*", "localhost:*", "[::1]:*")
    assert (settings.shared_limit_usd, settings.requests_a_minute) == (100.0, 20)
    assert (settings.in_flight, settings.pool_size, settings.drain_seconds) == (30, 10, 5.0)
    assert settings.callback_url is None


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        TeamSettings.from_env(environ={"HOME": str(tmp_path)}, env_file=tmp_path / "none")
    for name in ("DATABASE_URL", "STORE", "SECRET", "TOKENS", "ISSUER"):
        assert f"MINIMAX_TEAM_{name}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"MINIMAX_TEAM_ISSUER": "https://issuer.example"}, "JWKS_URL; MINIMAX_TEAM_URL"),
        ({"MINIMAX_TEAM_BIND": "0.0.0.0"}, "MINIMAX_TEAM_HOSTS"),
        ({"MINIMAX_TEAM_SECRET": "short"}, "MINIMAX_TEAM_SECRET must have 32"),
        ({"MINIMAX_TEAM_DATABASE_URL": "mysql://x"}, "MINIMAX_TEAM_DATABASE_URL"),
        ({"MINIMAX_TEAM_STORE": "/srv/files"}, "MINIMAX_TEAM_STORE"),
        pytest.param(
            {"MINIMAX_TEAM_STORE": "file:///srv/files"},
            "MINIMAX_TEAM_STORE_ENDPOINT",
            id="a-folder-without-an-address",
        ),
        ({"MINIMAX_TEAM_CALLBACK_URL": "http://minimax.example"}, "MINIMAX_TEAM_CALLBACK_URL"),
        ({"MINIMAX_TEAM_RPM": "many"}, "MINIMAX_TEAM_RPM"),
        ({"MINIMAX_TEAM_POOL": "0"}, "MINIMAX_TEAM_POOL"),
        ({"MINIMAX_TEAM_DAILY_LIMIT_USD": "much"}, "MINIMAX_TEAM_DAILY_LIMIT_USD"),
        ({"MINIMAX_API_KEY": "with a blank"}, "MINIMAX_API_KEY"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_named(changes: dict[str, str], named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(named)):
        load(tmp_path, **changes)


def test_no_limit_has_to_be_said(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAX_TEAM_DAILY_LIMIT_USD="off").shared_limit_usd is None
    assert load(tmp_path, MINIMAX_TEAM_DAILY_LIMIT_USD="0").shared_limit_usd == 0
    assert load(tmp_path, MINIMAX_TEAM_DRAIN="0").drain_seconds == 0


def test_no_folder_of_the_servers_machine_is_open_to_anybody(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        MINIMAX_TEAM_SCRATCH=str(tmp_path),
        MINIMAX_MCP_INPUT_PATHS="/",
        MINIMAX_MCP_BASE_PATH=str(tmp_path / "home"),
    )
    scratch = tmp_path / "minimax-team"
    assert settings.base.input_paths == (scratch / "inputs",)
    assert settings.base.base_path == scratch / "results"
    assert not settings.base.auto_save


def test_secrets_are_shown_by_nothing_and_known_to_the_logs(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert "pass-word" not in repr(settings)
    assert SECRET not in repr(settings)
    assert settings.secrets == [SECRET, "pass-word"]


def names_in(path: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(r"(?m)^(MINIMAX_TEAM_\w+)=", text)


def test_the_example_has_every_setting() -> None:
    assert names_in(".env.example") == list(NAMES)


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    example = tmp_path / ".env"
    example.write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    example.chmod(0o600)
    environ: dict[str, Any] = {**ENOUGH, "HOME": str(tmp_path)}
    found = TeamSettings.from_env(environ=environ, env_file=example)
    assert found == load(tmp_path)


# --- the scratch folder ------------------------------------------------------------------------


def test_the_scratch_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "minimax-team"
    for _ in range(2):
        prepare_scratch(folder)
    assert folder.is_dir()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such rights")
@pytest.mark.parametrize("kind", ["writable", "link", "file"])
def test_a_scratch_folder_that_others_could_change_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "minimax-team"
    if kind == "writable":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "link":
        folder.symlink_to(tmp_path)
    else:
        folder.touch()
    with pytest.raises(SettingsError, match="MINIMAX_TEAM_SCRATCH"):
        prepare_scratch(folder)
