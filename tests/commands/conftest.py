"""What tests of commands share: no .env file of this folder reaches them."""

from pathlib import Path

import pytest

from minimax import settings


@pytest.fixture(autouse=True)
def no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own .env counts as absent; those that a test writes are read."""
    read = settings.read_env_file

    def read_other(env_file: Path = settings.ENV_FILE) -> dict[str, str]:
        return {} if env_file == settings.ENV_FILE else read(env_file)

    monkeypatch.setattr("minimax.settings.read_env_file", read_other)
    monkeypatch.setattr("minimax.commands.entries.read_env_file", read_other)
