"""Settings given in code, for every tool that is called inside a block: keys of customers."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypedDict

from pydantic import SecretStr
from typing_extensions import Unpack

from minimax import runtime
from minimax.errors import SettingsError
from minimax.runtime import Runtime
from minimax.settings import ResourceMode, Settings

__all__ = ["GivenSettings", "MiniMax"]

ACCOUNT_DIGITS: Final = 32
"""Of a hash, which names the folder of an account: 128 bits are never the same by chance."""


class GivenSettings(TypedDict, total=False):
    """What can be given in code; each stands for the setting of the environment beside it."""

    api_key: str | SecretStr
    """MINIMAX_API_KEY"""
    api_host: str
    """MINIMAX_API_HOST"""
    base_path: str | Path
    """MINIMAX_MCP_BASE_PATH"""
    input_paths: Sequence[str | Path]
    """MINIMAX_MCP_INPUT_PATHS"""
    resource_mode: ResourceMode
    """MINIMAX_API_RESOURCE_MODE"""
    state_dir: str | Path
    """MINIMAX_MCP_STATE_DIR"""
    video_model: str
    """MINIMAX_VIDEO_MODEL"""
    auto_save: bool
    """MINIMAX_MCP_AUTO_SAVE"""
    daily_limit_usd: float | None
    """MINIMAX_MCP_DAILY_LIMIT_USD; None: no limit."""


class MiniMax:
    """An account of MiniMax: inside its block, every tool uses its key and its settings.

        anna = MiniMax(api_key=key_of_anna, base_path="/srv/anna")
        async with anna:
            video = await generate_video("A boat on a lake of tea.")

    Blocks of several accounts may be open side by side, in tasks of one event loop. One object may
    be entered by any number of tasks: its connections, and the work that goes on by itself, live
    until the last of them has left. So a service keeps one object per customer open.

    What is not given comes from the environment, as without a block. Every key has a ledger of its
    own, in a folder below the state folder: accounts see nothing of each other's purchases, and
    each has the daily limit for itself.

    Args:
        account: A name that tells this account apart instead of its key, so that it keeps its
            ledger when the key is replaced.
        given: See `GivenSettings`.

    Raises:
        SettingsError: A value that was given is empty.
        TypeError: There is no such setting.
    """

    def __init__(self, *, account: str | None = None, **given: Unpack[GivenSettings]) -> None:
        self._given = _write_as_environment(given)
        identity = account or self._given.get("MINIMAX_API_KEY")
        self._folder = None if identity is None else _name_folder(identity)
        self._opened: dict[asyncio.AbstractEventLoop, _Opened] = {}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if loop not in self._opened:
            self._opened[loop] = _Opened(Runtime(self._load_settings))
        opened = self._opened[loop]
        opened.entries += 1
        _outer.set((*_outer.get(), runtime.swap(opened.runtime)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        *outer, before = _outer.get() or (None,)
        _outer.set(tuple(outer))
        runtime.swap(before)
        loop = asyncio.get_running_loop()
        opened = self._opened[loop]
        opened.entries -= 1
        if not opened.entries:
            del self._opened[loop]
            await opened.runtime.aclose()

    def _load_settings(self) -> Settings:
        try:
            found = Settings.from_env(
                environ={**os.environ, **self._given},
                environ_place="that was given" if "MINIMAX_API_KEY" in self._given else None,
            )
        except SettingsError as error:
            raise SettingsError(_name_as_given(error.text, self._given)) from None
        if self._folder is None:
            return found
        return replace(found, state_dir=found.state_dir / "accounts" / self._folder)


@dataclass
class _Opened:
    """What is open in one event loop, and how many blocks it is open for."""

    runtime: Runtime
    entries: int = 0


_outer: ContextVar[tuple[Runtime | None, ...]] = ContextVar("minimax_outer", default=())
"""The runtimes around the blocks of this context, the innermost last."""


def _name_folder(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:ACCOUNT_DIGITS]


# --- as the environment would say it -----------------------------------------------------------


def _write_text(value: Any) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _write_folders(folders: Sequence[str | Path]) -> str:
    return os.pathsep.join(map(str, folders))


def _write_switch(is_on: bool) -> str:  # noqa: FBT001 - the value itself
    return "on" if is_on else "off"


def _write_dollars(usd: float | None) -> str:
    return "off" if usd is None else str(usd)


_WRITTEN: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = MappingProxyType(
    {
        "api_key": ("MINIMAX_API_KEY", _write_text),
        "api_host": ("MINIMAX_API_HOST", _write_text),
        "base_path": ("MINIMAX_MCP_BASE_PATH", _write_text),
        "input_paths": ("MINIMAX_MCP_INPUT_PATHS", _write_folders),
        "resource_mode": ("MINIMAX_API_RESOURCE_MODE", _write_text),
        "state_dir": ("MINIMAX_MCP_STATE_DIR", _write_text),
        "video_model": ("MINIMAX_VIDEO_MODEL", _write_text),
        "auto_save": ("MINIMAX_MCP_AUTO_SAVE", _write_switch),
        "daily_limit_usd": ("MINIMAX_MCP_DAILY_LIMIT_USD", _write_dollars),
    }
)
"""The variable that each setting stands for, and how its value is written there."""


def _write_as_environment(given: Mapping[str, Any]) -> dict[str, str]:
    """Refuses what is empty: an account without a key must not use that of the environment."""
    unknown = sorted(given.keys() - _WRITTEN.keys())
    if unknown:
        raise TypeError(f"MiniMax() takes no {unknown[0]!r}. It takes: {', '.join(_WRITTEN)}")
    values = {}
    for name, value in given.items():
        variable, write = _WRITTEN[name]
        is_off = value is None and name == "daily_limit_usd"
        text = "" if value is None and not is_off else write(value).strip()
        if not text:
            raise SettingsError(f"{name} is empty. Leave it out to use {variable}.")
        values[variable] = text
    return values


def _name_as_given(text: str, given: Mapping[str, str]) -> str:
    for name, (variable, _) in _WRITTEN.items():
        if variable in given:
            text = text.replace(variable, name)
    return text
