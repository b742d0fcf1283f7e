"""What several tools do with a reply that costs money and brings media."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from pathlib import Path
from typing import Any, Final, TypeVar

from minimax import downloads, kinds, media
from minimax.background import NotYet
from minimax.errors import MaybeChargedError, MiniMaxError, Outcome, UnansweredError
from minimax.media import SavedFile
from minimax.runtime import Runtime

__all__ = ["billed", "is_link", "joined", "save_audio", "save_link", "save_text", "trouble"]

T = TypeVar("T")

HEX_PIECE: Final = 512 * 1024
"""Characters decoded at a time; even, so that no byte is cut in two."""


async def billed(call: Awaitable[T], *, what: str) -> T:
    """The answer to a billed request that is not repeated by itself.

    Raises:
        MaybeChargedError: It was sent, and no usable answer came back.
        MiniMaxError: MiniMax refused or could not be reached; nothing was charged.
    """
    try:
        return await call
    except MiniMaxError as error:
        if error.outcome is not Outcome.UNKNOWN:
            raise
        raise MaybeChargedError.after(
            error,
            f"{what} was asked for and no usable answer came back: MiniMax may have made and "
            "charged it. It was not repeated. Ask the person before calling again.",
        ) from None


async def joined(
    runtime: Runtime,
    key: Hashable,
    work: Callable[[], Coroutine[Any, Any, Any]],
    *,
    within_seconds: float | None,
) -> Any:
    """The result of billed work that outlives its call; an identical call joins it.

    Raises:
        UnansweredError: It takes longer than `within_seconds`; it goes on.
    """
    runtime.background.start(key, work, paid=True)
    try:
        return await runtime.background.collect(key, within_seconds=within_seconds)
    except NotYet:
        raise UnansweredError(
            "MiniMax is still at it; that goes on by itself and nothing is lost. Call again with "
            "exactly the same arguments: that joins it and is not charged again.",
            outcome=Outcome.UNKNOWN,
        ) from None


def is_link(audio: str) -> bool:
    """Whether MiniMax's `audio` field holds a link; otherwise it is hex."""
    return audio.startswith(("http://", "https://"))


async def save_audio(
    runtime: Runtime, audio: str, *, stem: str, folder: Path, raw_type: str | None = None
) -> SavedFile:
    """Save sound that came as a link or as hex.

    Raises:
        StorageError: The disk would not take it, or it is no sound.
    """
    if is_link(audio):
        return await save_link(
            runtime, audio, stem=stem, types=kinds.SPOKEN_TYPES, folder=folder, raw_type=raw_type
        )
    return await media.save(
        _decoded(audio), stem=stem, types=kinds.SPOKEN_TYPES, folder=folder, raw_type=raw_type
    )


async def save_link(
    runtime: Runtime,
    url: str,
    *,
    stem: str,
    types: frozenset[str],
    folder: Path,
    raw_type: str | None = None,
) -> SavedFile:
    """Save what a link delivers; the link cannot be minted anew.

    Raises:
        StorageError: The disk would not take it, or it is not what was expected.
        MiniMaxError: The download failed for good.
    """

    async def same_link() -> str:
        return url

    return await downloads.fetch(
        await runtime.client(),
        downloads.Link(same_link),
        stem=stem,
        types=types,
        folder=folder,
        clock=runtime.clock,
        raw_type=raw_type,
    )


async def _decoded(text: str) -> AsyncIterator[bytes]:
    for start in range(0, len(text), HEX_PIECE):
        try:
            yield bytes.fromhex(text[start : start + HEX_PIECE])
        except ValueError:
            raise media.not_media("is not sound") from None


def trouble(error: MiniMaxError | None) -> str:
    """What a paid result says where only the saving failed."""
    return "" if error is None else f" It could not be saved here: {error}"


async def save_text(text: str, *, stem: str, folder: Path, media_type: str) -> SavedFile:
    """Save a text of our own making, like subtitles.

    Raises:
        StorageError: The disk would not take it.
    """

    async def once() -> AsyncIterator[bytes]:
        yield text.encode()

    return await media.save(
        once(), stem=stem, types=frozenset(), folder=folder, raw_type=media_type
    )
