"""A simulated MiniMax for one test: nothing leaves this machine or stays behind on it."""

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, NamedTuple, Self

from minimax import runtime, sandbox
from minimax.ledger.sqlite import SqliteLedger
from minimax.runtime import Surroundings
from minimax.sandbox import Sandbox, VideoStages
from minimax.settings import Settings
from minimax.testing.clock import SharedClock

__all__ = ["IsolatedSandbox"]

HALF_A_MINUTE: Final = VideoStages(preparing_seconds=5, queueing_seconds=5, processing_seconds=20)
MEDIA: Final = Path(sandbox.__file__).parent / "media"
OF_THIS_PACKAGE: Final = ("MINIMAX_", "FASTMCP_")
"""Beginnings of the variables that are settings; none of the developer's reaches a test."""
KEY: Final = "key-of-the-sandbox"
CLOSING_SECONDS: Final = 5.0
"""For the event loops of other threads, which may be busy."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class IsolatedSandbox(Sandbox):
    """A sandbox that every tool uses inside its block, in all tasks, threads and processes.

    Use it with `with` or `async with`. Inside, all requests go to it whatever host the settings
    name, any key is good, and the developer's own settings, folders and ledger are not touched: a
    folder that code names itself, outside the temporary ones, becomes one below `base_path`.
    Time is that of `clock`, so that nothing waits in real time.

    Args:
        stages: How long a video job stays in each state; half a minute together if not given.
        environ: More settings, like `{"MINIMAX_MCP_DAILY_LIMIT_USD": "1"}`. Jobs are saved by
            themselves only with `{"MINIMAX_MCP_AUTO_SAVE": "on"}`.
        unverified: Refuse voice cloning (2038), as MiniMax does for an unverified account.

    Attributes:
        base_path: Where results are saved; deleted at the end.
        recording: A recording that a voice can be cloned from.
    """

    clock: SharedClock

    def __init__(
        self,
        *,
        stages: VideoStages = HALF_A_MINUTE,
        environ: Mapping[str, str] = NOTHING,
        unverified: bool = False,
    ) -> None:
        super().__init__(clock=SharedClock(), stages=stages, unverified=unverified)
        self.base_path = Path()
        self.recording = MEDIA / "recording.mp3"
        self._environ = environ
        self._at_end = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="minimax-test-", ignore_cleanup_errors=True)
            )
            url = stack.enter_context(_serve_in_thread(self))
            self.base_path = Path(folder).resolve() / "MiniMax"
            settings = {**_make_settings(self.base_path, url), **self._environ}
            stack.enter_context(_replace_settings(settings))
            surroundings = Surroundings(
                clock=self.clock.of_tools,
                open_ledger=lambda state: SqliteLedger(state, clock=self.clock.of_ledger),
                adapt_settings=lambda found: self._adapt(found, url),
            )
            stack.enter_context(runtime.use_surroundings(surroundings))
            stack.callback(_close_in_other_loops, surroundings)
            stack.enter_context(runtime.leave_all())
            self._surroundings = surroundings
            self._at_end = stack.pop_all()
        return self

    def _adapt(self, found: Settings, url: str) -> Settings:
        """Settings that send nothing out, and write nothing outside of temporary folders."""
        base_path = _move_folder(found.base_path, self.base_path)
        return replace(
            found,
            api_host=url,
            base_path=base_path,
            input_paths=tuple(dict.fromkeys((base_path, *found.input_paths))),
            state_dir=_move_folder(found.state_dir, self.base_path.parent / "state"),
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._at_end.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._surroundings.aclose()
        finally:
            self.__exit__(kind, error, traceback)


def _make_settings(base_path: Path, url: str) -> dict[str, str]:
    """Every setting that has a value which could be the developer's own, in `.env` too."""
    inputs = [base_path.parent, Path.cwd(), Path(tempfile.gettempdir()), MEDIA]
    return {
        "MINIMAX_API_KEY": KEY,
        "MINIMAX_API_HOST": url,
        "MINIMAX_API_RESOURCE_MODE": "local",
        "MINIMAX_MCP_BASE_PATH": str(base_path),
        "MINIMAX_MCP_INPUT_PATHS": os.pathsep.join(map(str, inputs)),
        "MINIMAX_MCP_STATE_DIR": str(base_path.parent / "state"),
        "MINIMAX_MCP_AUTO_SAVE": "off",
        "MINIMAX_MCP_DAILY_LIMIT_USD": "20",
    }


@contextmanager
def _replace_settings(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ[name] for name in _list_set_settings()}
    for name in before:
        del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in _list_set_settings():
            del os.environ[name]
        os.environ.update(before)


def _list_set_settings() -> list[str]:
    return [name for name in os.environ if name.startswith(OF_THIS_PACKAGE)]


def _move_folder(folder: Path, into: Path) -> Path:
    """The same folder in a temporary one, unless it is temporary itself."""
    real = Path(os.path.realpath(folder))
    if real.is_relative_to(os.path.realpath(tempfile.gettempdir())):
        return folder
    return into / real.relative_to(real.anchor)


def _close_in_other_loops(surroundings: Surroundings) -> None:
    """Those of a loop that is running here are closed by `aclose`, or by the end of the loop."""
    here = _find_running_loop()
    for loop in surroundings.loops:
        if loop is here or loop.is_closed():
            continue
        if loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(surroundings.aclose(), loop)
            with suppress(TimeoutError):
                closing.result(CLOSING_SECONDS)
        elif here is None:
            loop.run_until_complete(surroundings.aclose())


def _find_running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# --- the sandbox in a thread -------------------------------------------------------------------


class _Served(NamedTuple):
    url: str
    loop: asyncio.AbstractEventLoop
    stopped: asyncio.Event


@contextmanager
def _serve_in_thread(served: Sandbox) -> Iterator[str]:
    """Serve it in an event loop of its own, so that code under test may block or end its own."""
    started: Future[_Served] = Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_serve(served, started)), name="minimax-sandbox", daemon=True
    )
    thread.start()
    url, loop, stopped = started.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


async def _serve(served: Sandbox, started: "Future[_Served]") -> None:
    stopped = asyncio.Event()
    try:
        async with sandbox.serve(served) as url:
            started.set_result(_Served(url, asyncio.get_running_loop(), stopped))
            await stopped.wait()
    except OSError as error:
        if started.done():
            raise
        started.set_exception(error)
