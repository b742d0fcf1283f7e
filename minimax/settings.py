"""Reads the settings: argument, then environment, then `.env` next to the server, then default.

An empty variable counts as unset. The `.env` file is read from beside `minimax_server.py` only,
never from the working directory, and never overrides the environment.
"""

import io
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from minimax.audience import pick_text
from minimax.errors import SettingsError

__all__ = [
    "API_HOSTS",
    "ENV_FILE",
    "ENV_FILE_NAME",
    "GLOBAL_HOST",
    "KEY_PAGE",
    "MAINLAND_HOST",
    "ResourceMode",
    "Settings",
    "find_home",
    "is_bundle",
    "is_loopback",
    "own_command",
    "read_env_file",
    "where_keys_go",
]

GLOBAL_HOST: Final = "https://api.minimax.io"
MAINLAND_HOST: Final = "https://api.minimaxi.com"
KEY_PAGE: Final = "platform.minimax.io > API keys (mainland: platform.minimaxi.com)"
API_HOSTS: Final = (GLOBAL_HOST, MAINLAND_HOST, "https://api.minimax.cn")
"""The API hosts that MiniMax documents; keys of one region are not known in the other."""

KEY_DOMAINS: Final = ("minimax.io", "minimaxi.com", "minimax.cn", "minimax.chat", "minimaxi.chat")
"""The key is sent below these domains and nowhere else (loopback excepted)."""

_LABEL: Final = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_AUTHORITY: Final = re.compile(
    rf"(?:{_LABEL}(?:\.{_LABEL}){{0,9}}|\[::1\])(?::[0-9]{{1,5}})?", re.IGNORECASE | re.ASCII
)
"""A host name and perhaps a port. Names of MiniMax's hosts are short, and none is in another
script; what only looks like a name would fail later, inside of the HTTP library."""

_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_BEFORE_KEY: Final = re.compile(
    r"^(?:(?:export +)?MINIMAX_API_KEY *[=:] *[\"']?)?(?:bearer[ :]+)?", re.IGNORECASE
)
"""What is copied along in front of a key: the name of the variable, the word of the header."""
_PLACEHOLDER: Final = re.compile(
    r"(?:(?:paste|put|insert|enter|add|type)[ _-])?(?:(?:your|my|the)[ _-])?(?:[a-z]+[ _-]){0,3}"
    r"(?:key|token)(?:[ _-]here)?"
    r"|(?:sk-)?(?:(?:api|cp)-)?(?:\.{2,}|\u2026|x{3,})|\$[A-Z_]{1,40}|\$\{[A-Za-z_.:-]{1,40}\}",
    re.IGNORECASE,
)
"""What documents write in the place of a key, ours first of all: paste your key here. Words only,
since it is shown."""
_AROUND_KEY: Final = "\"'<>\u201c\u201d\u2018\u2019\u00ab\u00bb \u00a0"
"""What is copied along with a key: quotes of any kind, and a placeholder's brackets."""
SHORTEST_SECRET: Final = 16
"""Characters. MiniMax's keys are far longer; what is shorter (like `test`, for the sandbox) stands
in innocent words as well, which must not be taken apart to hide it."""

ENV_FILE: Final = Path(__file__).resolve().parent.parent / ".env"
ENV_FILE_NAME: Final = "the .env file beside minimax_server.py"
IN_ENV_FILE: Final = f"in {ENV_FILE_NAME}"
IN_ENVIRONMENT: Final = (
    "in the environment (of a server that a host starts: the env block in its configuration)"
)

_NEWLINE: Final = re.compile(r"\r\n|\n|\r")
_SWALLOWED: Final = re.compile(r"[\r\n]\s*(?:export\s+)?[A-Z][A-Z0-9_]*=")
"""A setting within the value of another: the quote before it was never closed."""
_OPENING_QUOTE: Final = re.compile(r"[^=\r\n]*=[^\S\r\n]*(['\"])")

MANIFEST_NAME: Final = "manifest.json"
"""Beside the server only where it is in a bundle; `packaging/build.py` puts it there."""
FORM: Final = 'the field "API key" of MiniMax under Settings > Extensions'
"""The only place that a person has for the key of a bundle."""

DEFAULT_DAILY_LIMIT_USD: Final = 20.0
DEFAULT_ASK_ABOVE_USD: Final = 0.50
MOST_USD: Final = 1_000_000
"""A larger amount is a mistake."""

ResourceMode = Literal["local", "url"]
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the person configured. The key is a secret type: printing this never shows it."""

    api_key: SecretStr | None = None
    api_host: str | None = None
    """None: not chosen, so the region is found out when the key is refused."""
    base_path: Path
    input_paths: tuple[Path, ...]
    resource_mode: ResourceMode = "local"
    state_dir: Path
    video_model: str | None = None
    images: bool = True
    """Whether results have small images in them for the model to see."""
    auto_save: bool = True
    """Whether paid jobs are followed, and their files saved, without being asked about."""
    log_level: str = "WARNING"
    daily_limit_usd: float | None = DEFAULT_DAILY_LIMIT_USD
    """Most that may be spent in any 24 hours; None: no limit."""
    ask_above_usd: float | None = DEFAULT_ASK_ABOVE_USD
    """Purchases above this are put before the person; None: never."""
    sandbox: bool = False
    team: bool = False
    """One deployment serves many; whoever runs it sets the limits, and not the person."""

    @property
    def has_key(self) -> bool:
        """Whether calls can be made; the sandbox needs no key."""
        return self.api_key is not None or self.sandbox

    @property
    def secret(self) -> str | None:
        """The key as a text that must show up nowhere; None where it cannot be a real one."""
        key = self.api_key.get_secret_value() if self.api_key else ""
        return key if len(key) >= SHORTEST_SECRET else None

    @classmethod
    def from_env(
        cls,
        *,
        sandbox: bool = False,
        environ: Mapping[str, str] | None = None,
        env_file: Path = ENV_FILE,
        environ_place: str | None = None,
        warn_if_shared: bool = True,
    ) -> "Settings":
        """Read the settings.

        Args:
            sandbox: Serve the built-in MiniMax, with a ledger of its own.
            environ: The environment; the process's own when not given.
            env_file: The file whose values count where the environment has none.
            environ_place: Where a key of `environ` was given, for messages.
            warn_if_shared: Warn of a file that other users can read.

        Raises:
            SettingsError: A value cannot be used; the message names the variable.
        """
        environ = os.environ if environ is None else environ
        values = _merge_env(environ, env_file)
        in_host = f"in {FORM}" if is_bundle() else IN_ENVIRONMENT
        place = environ_place or pick_text(chat=in_host, program="in the environment")
        key_place = place if environ.get("MINIMAX_API_KEY", "").strip() else IN_ENV_FILE
        if warn_if_shared:
            _warn_if_shared(env_file)
        base_path = _folder("MINIMAX_MCP_BASE_PATH", values) or find_home() / "MiniMax"
        api_host = _api_host(values.get("MINIMAX_API_HOST"))
        return cls(
            api_key=None if sandbox else _api_key(values, key_place),
            api_host=api_host,
            base_path=_real(base_path),
            input_paths=_input_paths(values, base_path),
            resource_mode=_resource_mode(values),
            state_dir=_state_dir(values, api_host, sandbox=sandbox),
            video_model=values.get("MINIMAX_VIDEO_MODEL"),
            images=_switch("MINIMAX_MCP_IMAGES", values, default=True),
            auto_save=_switch("MINIMAX_MCP_AUTO_SAVE", values, default=True),
            log_level=_log_level(values),
            daily_limit_usd=_dollars(
                values, "MINIMAX_MCP_DAILY_LIMIT_USD", DEFAULT_DAILY_LIMIT_USD
            ),
            ask_above_usd=_dollars(values, "MINIMAX_MCP_ASK_ABOVE_USD", DEFAULT_ASK_ABOVE_USD),
            sandbox=sandbox,
        )


def is_loopback(host: str | None) -> bool:
    """Whether a host name is this machine by its very text (no look-up)."""
    return host in ("127.0.0.1", "localhost", "::1")


def own_command(name: str) -> str:
    """How a person runs a command of this server, as this copy of it was installed."""
    return f"uv run minimax_server.py {name}" if _is_project_folder() else f"minimax-server {name}"


def where_keys_go(place: str = "the env block of this server in the host's configuration") -> str:
    """Where a person puts the key, for messages; an installed copy has no folder for a file.

    Args:
        place: Where the environment of this server comes from.
    """
    if is_bundle():
        return FORM
    return f"{place} or into {ENV_FILE_NAME}" if _is_project_folder() else place


def is_bundle() -> bool:
    """Whether Claude Desktop unpacked this copy from a bundle; it asks for the key in a form."""
    return _is_project_folder() and ENV_FILE.with_name(MANIFEST_NAME).exists()


def _next_step() -> str:
    return pick_text(chat="Then restart the host.", program="Then call again.")


def _is_project_folder() -> bool:
    return ENV_FILE.with_name("pyproject.toml").exists()


def _merge_env(environ: Mapping[str, str], env_file: Path) -> dict[str, str]:
    values = {**read_env_file(env_file), **{k: v for k, v in environ.items() if v.strip()}}
    values.setdefault("MINIMAX_LOG_LEVEL", values.get("FASTMCP_LOG_LEVEL", ""))
    return {name: value.strip() for name, value in values.items() if value.strip()}


def read_env_file(env_file: Path = ENV_FILE) -> dict[str, str]:
    """The values of a `.env` file; none where there is none.

    Raises:
        SettingsError: It cannot be read, or a line of it cannot.
    """
    if not env_file.is_file():
        return {}
    try:
        text = env_file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise SettingsError(
            "The .env file beside minimax_server.py cannot be read. Save it as plain UTF-8 text "
            "that your user may read, or delete it."
        ) from None
    return _parse_env(text, env_file)


def _parse_env(text: str, env_file: Path) -> dict[str, str]:
    """The values of a text; a line that would be dropped, with others after it, is refused."""
    from dotenv.parser import parse_stream

    values = {}
    for binding in parse_stream(io.StringIO(text)):
        value = binding.value or ""
        if binding.error or _SWALLOWED.search(value):
            raise _broken_env_error(env_file, binding.original.line, binding.original.string)
        if binding.key is not None and binding.value is not None:
            values[binding.key] = value
    return values


def _broken_env_error(env_file: Path, line: int, text: str) -> SettingsError:
    """The error of a statement that cannot be read; its text may be a key, and is not shown.

    Args:
        env_file: The file.
        line: Where the statement begins, perhaps with blank lines.
        text: The statement.
    """
    statement = text.lstrip()
    line += len(_NEWLINE.findall(text[: len(text) - len(statement)]))
    quote = _OPENING_QUOTE.match(statement)
    wrong, remedy = "is not of the form NAME=value", "Correct that line, or delete it"
    if quote:
        wrong = f"has a quote ({quote[1]}) that is not closed at the end of the value"
        remedy = "Close the quote, or take it out"
    return SettingsError(
        f"Line {line} of {env_file} {wrong}, so that settings in it, such as your key or the "
        "spending limit, would not count. Nothing is bought without them. "
        f"{remedy}. {_next_step()}"
    )


def _warn_if_shared(env_file: Path) -> None:
    readable_by_others = 0o077
    if os.name == "posix" and env_file.is_file() and env_file.stat().st_mode & readable_by_others:
        logging.getLogger(__name__).warning(
            "Other users of this machine can read the .env file. Run: chmod 600 .env"
        )


def _api_key(values: Mapping[str, str], place: str) -> SecretStr | None:
    text = values.get("MINIMAX_API_KEY")
    if text is None:
        return None
    key = _BEFORE_KEY.sub("", text.strip(_AROUND_KEY), count=1).strip(_AROUND_KEY)
    if _PLACEHOLDER.fullmatch(key):
        raise SettingsError(
            f'MINIMAX_API_KEY is still the placeholder "{key}" {place}. Put your key from '
            f"{KEY_PAGE} there instead. {_next_step()}"
        )
    if not _KEY.fullmatch(key):
        raise SettingsError(
            f"MINIMAX_API_KEY {place} has characters in it that no key has (a blank, a quote, a "
            f"line break). Copy the key again from {KEY_PAGE}, whole and alone, and put it there. "
            f"{_next_step()}"
        )
    return SecretStr(key)


def _api_host(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        # urlsplit drops tabs and line breaks without a word.
        usable = text.isprintable() and _is_api_host(parts) and parts.port != 0
    except ValueError:  # brackets of a placeholder, a port that is no number
        usable = False
    if not usable:
        raise SettingsError(
            "MINIMAX_API_HOST is not one of MiniMax's API hosts. Use https://api.minimax.io "
            "(global keys) or https://api.minimaxi.com (mainland keys). The key is sent to "
            f"MiniMax only, over https. {_next_step()}"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _is_api_host(parts: SplitResult) -> bool:
    if not _AUTHORITY.fullmatch(parts.netloc):
        return False
    host = parts.hostname or ""
    allowed = any(host == domain or host.endswith(f".{domain}") for domain in KEY_DOMAINS)
    secure = parts.scheme == "https" and allowed
    local = parts.scheme in ("http", "https") and is_loopback(host)
    return (secure or local) and not parts.query and not parts.fragment


def _resource_mode(values: Mapping[str, str]) -> ResourceMode:
    modes: dict[str, ResourceMode] = {"local": "local", "url": "url"}
    mode = modes.get(values.get("MINIMAX_API_RESOURCE_MODE", "local").lower())
    if mode is None:
        raise SettingsError(
            f"MINIMAX_API_RESOURCE_MODE must be local (save) or url (links only). {_next_step()}"
        )
    return mode


def _switch(name: str, values: Mapping[str, str], *, default: bool) -> bool:
    switch = {"on": True, "off": False, "": default}.get(values.get(name, "").lower())
    if switch is None:
        raise SettingsError(f"{name} must be on or off. {_next_step()}")
    return switch


def _log_level(values: Mapping[str, str]) -> str:
    level = values.get("MINIMAX_LOG_LEVEL", "WARNING").upper()
    if level not in LOG_LEVELS:
        raise SettingsError(
            f"MINIMAX_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}. {_next_step()}"
        )
    return level


def _dollars(values: Mapping[str, str], name: str, default: float) -> float | None:
    text = values.get(name)
    if text is None:
        return default
    if text.lower() == "off":
        return None
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = -1.0
    if not 0 <= amount < MOST_USD:
        raise SettingsError(
            f"{name} must be an amount in US dollars such as {default:g}, 0, or off. {_next_step()}"
        )
    return amount


def _folder(name: str, values: Mapping[str, str]) -> Path | None:
    text = values.get(name)
    return None if text is None else _absolute(name, text)


def _absolute(name: str, text: str) -> Path:
    path = find_home() / text[2:] if text.startswith(("~/", "~\\")) else Path(text)
    path = find_home() if text == "~" else path
    if not path.is_absolute():
        raise SettingsError(
            f"{name} must be an absolute folder, or one that begins with ~/. {_next_step()}"
        )
    return path


def _input_paths(values: Mapping[str, str], base_path: Path) -> tuple[Path, ...]:
    name = "MINIMAX_MCP_INPUT_PATHS"
    given = [part for part in values.get(name, "").split(os.pathsep) if part.strip()]
    folders = [_absolute(name, part.strip()) for part in given] or [find_home(), base_path]
    return tuple(dict.fromkeys(_real(folder) for folder in folders))


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def find_home() -> Path:
    """The home folder of this user.

    Raises:
        SettingsError: There is none, or it is the whole computer.
    """
    try:
        home = Path.home()
    except RuntimeError:
        raise _no_home_error() from None
    # An empty HOME is taken for `/`, which would open the whole computer for inputs.
    if not home.is_absolute() or _real(home) == Path(home.anchor):
        raise _no_home_error()
    return home


def _no_home_error() -> SettingsError:
    return SettingsError(
        "This user has no home folder. Set MINIMAX_MCP_BASE_PATH, MINIMAX_MCP_INPUT_PATHS "
        "and MINIMAX_MCP_STATE_DIR to absolute folders."
    )


def _state_dir(values: Mapping[str, str], api_host: str | None, *, sandbox: bool) -> Path:
    """The ledger's folder; jobs of a sandbox, built in or alone, are never among real ones."""
    given = _folder("MINIMAX_MCP_STATE_DIR", values)
    alone = given is None and api_host is not None and is_loopback(urlsplit(api_host).hostname)
    folder = given or _default_state_dir()
    return folder / "sandbox" if sandbox or alone else folder


def _default_state_dir() -> Path:
    from platformdirs import user_state_path

    return user_state_path("minimax-mcp", appauthor=False)
