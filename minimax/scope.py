"""Settings given in code for every tool called inside a block, such as a key per customer."""

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypedDict

from pydantic import SecretStr
from typing_extensions import Unpack

from minimax import runtime
from minimax.errors import MiniMaxError, Outcome, SettingsError
from minimax.protocol.error_names import reword_errors
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
    until the last of them has left. So a service keeps one object per customer open. Calls in other
    event loops, in threads that were started in the block, have connections of their own.

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
        if account == "":
            raise SettingsError("account is empty. Leave it out to tell accounts apart by key.")
        identity = account or self._given.get("MINIMAX_API_KEY")
        self._folder = None if identity is None else _name_folder(identity)
        self._entries: Counter[asyncio.AbstractEventLoop] = Counter()

    async def __aenter__(self) -> Self:
        self._entries[asyncio.get_running_loop()] += 1
        runtime.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        if not self._entries[loop]:
            raise RuntimeError("This MiniMax was not entered in this event loop.")
        runtime.leave(self)
        self._entries[loop] -= 1
        if not self._entries[loop]:
            del self._entries[loop]
            await runtime.close_account(self)

    def begin_call(self) -> None:
        """A call begins; its errors name what was given here.

        Raises:
            SettingsError: No block of this object is open in any event loop.
        """
        if not self._entries.total():
            raise SettingsError(
                "The block of the MiniMax(...) that this call was started in has ended. Nothing "
                "was sent. Keep it open until the tasks that were started in it have ended.",
                outcome=Outcome.NOT_SENT,
            )
        reword_errors(self._rename_settings)

    def _rename_settings(self, error: Exception) -> None:
        if isinstance(error, MiniMaxError):
            error.text = _name_as_given(error.text, self._given)
            error.args = (_name_as_given(str(error), self._given),)

    def load_settings(self) -> Settings:
        """Those that were given, and the others from the environment.

        Raises:
            SettingsError: One of them cannot be used.
        """
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


def _name_folder(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:ACCOUNT_DIGITS]


# --- as the environment would say it -----------------------------------------------------------


def _write_text(value: Any) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _write_folders(folders: Sequence[str | Path]) -> str:
    given = [folders] if isinstance(folders, str | Path) else folders
    return os.pathsep.join(map(str, given))


def _write_switch(is_on: bool) -> str:  # noqa: FBT001 - the value itself
    if not isinstance(is_on, bool):
        raise TypeError(f"MiniMax(auto_save=...) takes True or False, not {is_on!r}.")
    return "on" if is_on else "off"


def _write_dollars(usd: float | None) -> str:
    return "off" if usd is None else str(usd)


_OFF_AS_GIVEN: Final = (
    "daily_limit_usd must be an amount in US dollars such as 20, 0, or off",
    "daily_limit_usd must be an amount in US dollars such as 20, 0, or None",
)
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
    """What is said about variables, about the arguments that were given in their place."""
    for name, (variable, _) in _WRITTEN.items():
        if variable in given:
            here = f"{name} of MiniMax()"
            text = text.replace(f"{variable}, or {here}", here).replace(variable, name)
    return text.replace(*_OFF_AS_GIVEN)
