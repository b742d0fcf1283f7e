"""The settings of team mode: `MINIMAX_TEAM_*`, in addition to the general ones."""

import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from minimax.errors import SettingsError
from minimax.settings import ENV_FILE, Settings, is_loopback, read_env_file

__all__ = ["NAMES", "TeamSettings", "prepare_scratch"]

PREFIX: Final = "MINIMAX_TEAM_"
NAMES: Final = (
    "MINIMAX_TEAM_DATABASE_URL",
    "MINIMAX_TEAM_STORE",
    "MINIMAX_TEAM_STORE_ENDPOINT",
    "MINIMAX_TEAM_TOKENS",
    "MINIMAX_TEAM_ISSUER",
    "MINIMAX_TEAM_JWKS_URL",
    "MINIMAX_TEAM_URL",
    "MINIMAX_TEAM_SECRET",
    "MINIMAX_TEAM_HOSTS",
    "MINIMAX_TEAM_ORIGINS",
    "MINIMAX_TEAM_BIND",
    "MINIMAX_TEAM_DAILY_LIMIT_USD",
    "MINIMAX_TEAM_RPM",
    "MINIMAX_TEAM_IN_FLIGHT",
    "MINIMAX_TEAM_CALLBACK_URL",
    "MINIMAX_TEAM_POOL",
    "MINIMAX_TEAM_DRAIN",
    "MINIMAX_TEAM_SCRATCH",
)
"""In the order in which `.env.example` has them."""

DEFAULT_DAILY_LIMIT_USD: Final = 100.0
DEFAULT_RPM: Final = 20
"""Requests a minute and key for Hailuo videos (platform documentation "rate limits")."""
DEFAULT_IN_FLIGHT: Final = 30
"""MiniMax-H3 jobs of one key that may run at once (the same page)."""
DEFAULT_POOL: Final = 10
DEFAULT_DRAIN_SECONDS: Final = 5.0
SHORTEST_SECRET: Final = 32
"""Characters of the secret that callbacks and questions are signed with."""
STORES: Final = ("s3", "gs", "az", "file", "memory")
"""`memory` is for tests: what it holds ends with the process."""
PRIVATE_FOLDER: Final = 0o700
OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
LOOPBACK: Final = ("127.0.0.1:*", "localhost:*", "[::1]:*")
LOOPBACK_ORIGINS: Final = tuple(f"http://{host}" for host in LOOPBACK)


@dataclass(frozen=True, kw_only=True)
class TeamSettings:
    """What whoever runs a team's deployment configured.

    Attributes:
        base: The settings of every server; its key is the shared one, if there is any.
        database_url: Of PostgreSQL.
        store_url: Of the object store, like s3://bucket/prefix, or of a folder.
        store_endpoint: Where the store is not the cloud's own; of a folder, where a replica is.
        tokens: The file of accounts; see `accounts`.
        issuer: Whose signed tokens are taken; None: the file's own tokens are.
        jwks_url: The issuer's public keys.
        public_url: Where clients reach `/mcp`, and what their tokens are for.
        secret: The same on all replicas.
        hosts: What the Host header may say.
        origins: What the Origin header may say, where there is one.
        bind: The address to listen on.
        shared_limit_usd: Most that all who use the shared key may spend in 24 hours.
        requests_a_minute: Of one key, for Hailuo videos.
        in_flight: MiniMax-H3 jobs of one key at once.
        callback_url: Where MiniMax reaches this deployment; None: it is not asked to call.
        pool_size: Connections to the database of one process.
        drain_seconds: Between "not ready" and the end of listening.
        scratch: A folder for files on their way, empty after every restart.
    """

    base: Settings
    database_url: SecretStr
    store_url: str
    store_endpoint: str | None
    tokens: Path | None
    issuer: str | None
    jwks_url: str | None
    public_url: str | None
    secret: SecretStr
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    bind: str
    shared_limit_usd: float | None
    requests_a_minute: int
    in_flight: int
    callback_url: str | None
    pool_size: int
    drain_seconds: float
    scratch: Path

    @property
    def secrets(self) -> list[str]:
        """What shows up in no log."""
        password = urlsplit(self.database_url.get_secret_value()).password
        return [self.secret.get_secret_value(), *([password] if password else [])]

    @classmethod
    def from_env(
        cls, *, environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE
    ) -> "TeamSettings":
        """Read the settings.

        Raises:
            SettingsError: One that matters is missing, or cannot be used; the message names it.
        """
        values = read_env_file(env_file) | dict(os.environ if environ is None else environ)
        given = {name: values.get(name, "").strip() for name in NAMES}
        _require(given)
        scratch = Path(given["MINIMAX_TEAM_SCRATCH"] or tempfile.gettempdir()) / "minimax-team"
        bind = given["MINIMAX_TEAM_BIND"] or "127.0.0.1"
        return cls(
            base=_read_base(values, scratch, env_file),
            database_url=SecretStr(_read_database_url(given)),
            store_url=_read_store(given),
            store_endpoint=given["MINIMAX_TEAM_STORE_ENDPOINT"].rstrip("/") or None,
            tokens=Path(given["MINIMAX_TEAM_TOKENS"]) if given["MINIMAX_TEAM_TOKENS"] else None,
            issuer=_read_url(given, "MINIMAX_TEAM_ISSUER"),
            jwks_url=_read_url(given, "MINIMAX_TEAM_JWKS_URL"),
            public_url=_read_url(given, "MINIMAX_TEAM_URL"),
            secret=SecretStr(_read_secret(given)),
            hosts=_read_list(given, "MINIMAX_TEAM_HOSTS") or LOOPBACK,
            origins=_read_list(given, "MINIMAX_TEAM_ORIGINS") or LOOPBACK_ORIGINS,
            bind=bind,
            shared_limit_usd=_read_dollars(given),
            requests_a_minute=int(_read_number(given, "MINIMAX_TEAM_RPM", DEFAULT_RPM)),
            in_flight=int(_read_number(given, "MINIMAX_TEAM_IN_FLIGHT", DEFAULT_IN_FLIGHT)),
            callback_url=_read_url(given, "MINIMAX_TEAM_CALLBACK_URL"),
            pool_size=int(_read_number(given, "MINIMAX_TEAM_POOL", DEFAULT_POOL)),
            drain_seconds=_read_number(given, "MINIMAX_TEAM_DRAIN", DEFAULT_DRAIN_SECONDS),
            scratch=scratch,
        )


def prepare_scratch(folder: Path) -> None:
    """Make the folder for files on their way, for this user alone.

    Raises:
        SettingsError: It cannot be made, or another user of this machine could change it.
    """
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        raise SettingsError(
            f"{folder} cannot be made. Set MINIMAX_TEAM_SCRATCH to a folder of this user."
        ) from None
    is_own = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    is_private = os.name != "posix" or not found.st_mode & OTHERS_WRITE
    if not (is_own and is_private and stat.S_ISDIR(found.st_mode)):
        raise SettingsError(
            f"Other users of this machine could change the files in {folder}. Set "
            "MINIMAX_TEAM_SCRATCH to a folder of this user."
        )


def _require(given: Mapping[str, str]) -> None:
    """Name everything at once that has to be set."""
    missing = [
        name
        for name in ("MINIMAX_TEAM_DATABASE_URL", "MINIMAX_TEAM_STORE", "MINIMAX_TEAM_SECRET")
        if not given[name]
    ]
    if not given["MINIMAX_TEAM_TOKENS"] and not given["MINIMAX_TEAM_ISSUER"]:
        missing.append("MINIMAX_TEAM_TOKENS or MINIMAX_TEAM_ISSUER (nobody may buy anonymously)")
    if given["MINIMAX_TEAM_ISSUER"]:
        missing += [f"{PREFIX}{name}" for name in ("JWKS_URL", "URL") if not given[PREFIX + name]]
    bind = given["MINIMAX_TEAM_BIND"]
    if bind and not is_loopback(bind) and not given["MINIMAX_TEAM_HOSTS"]:
        missing.append("MINIMAX_TEAM_HOSTS (the server is reached from other machines)")
    if missing:
        raise SettingsError(
            f"Team mode does not start: these settings are missing: {'; '.join(missing)}. "
            "docs/TEAM.md says what each of them is."
        )


def _read_base(values: Mapping[str, str], scratch: Path, env_file: Path) -> Settings:
    """The settings of every server, with no folder of this machine open to anybody."""
    folders = {
        "MINIMAX_MCP_BASE_PATH": str(scratch / "results"),
        "MINIMAX_MCP_INPUT_PATHS": str(scratch / "inputs"),
        "MINIMAX_MCP_STATE_DIR": str(scratch / "state"),
    }
    base = Settings.from_env(environ={**values, **folders}, env_file=env_file)
    # Workers follow and save; a replica only answers.
    return replace(base, auto_save=False, images=False, resource_mode="local")


def _read_database_url(given: Mapping[str, str]) -> str:
    url = given["MINIMAX_TEAM_DATABASE_URL"]
    if urlsplit(url).scheme not in ("postgres", "postgresql"):
        raise SettingsError(
            "MINIMAX_TEAM_DATABASE_URL must be like postgresql://user:password@host/database."
        )
    return url


def _read_store(given: Mapping[str, str]) -> str:
    url = given["MINIMAX_TEAM_STORE"]
    if urlsplit(url).scheme not in STORES:
        raise SettingsError(
            "MINIMAX_TEAM_STORE must be a bucket, like s3://bucket/prefix, gs://bucket or "
            "az://container; on one machine also a folder, like file:///srv/minimax."
        )
    if urlsplit(url).scheme == "file" and not given["MINIMAX_TEAM_STORE_ENDPOINT"]:
        raise SettingsError(
            "MINIMAX_TEAM_STORE_ENDPOINT is missing: with a folder as the store the replicas serve "
            "what it holds, so links need the address of one, like http://127.0.0.1:8000."
        )
    return url


def _read_url(given: Mapping[str, str], name: str) -> str | None:
    text = given[name]
    if not text:
        return None
    parts = urlsplit(text)
    local = parts.scheme == "http" and is_loopback(parts.hostname)
    if not parts.hostname or (parts.scheme != "https" and not local):
        raise SettingsError(f"{name} must be an https address (http only to this machine).")
    return text.rstrip("/")


def _read_secret(given: Mapping[str, str]) -> str:
    secret = given["MINIMAX_TEAM_SECRET"]
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"MINIMAX_TEAM_SECRET must have {SHORTEST_SECRET} characters or more, the same on all "
            "replicas. Make one with: openssl rand -hex 32"
        )
    return secret


def _read_list(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(re.split(r"[,\s]+", given[name])) if given[name] else ()


def _read_number(given: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(given[name] or default)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1_000_000 or (not number and name != "MINIMAX_TEAM_DRAIN"):  # noqa: PLR2004
        raise SettingsError(f"{name} must be a number above 0, such as {default:g}.")
    return number


def _read_dollars(given: Mapping[str, str]) -> float | None:
    text = given["MINIMAX_TEAM_DAILY_LIMIT_USD"]
    if text.lower() == "off":
        return None
    try:
        amount = float(text.removeprefix("$") or DEFAULT_DAILY_LIMIT_USD)
    except ValueError:
        amount = -1.0
    if amount < 0:
        raise SettingsError(
            "MINIMAX_TEAM_DAILY_LIMIT_USD must be an amount in US dollars such as 100, 0, or off."
        )
    return amount
