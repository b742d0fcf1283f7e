"""A video order: what the person wants, checked against the model before it costs anything."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from minimax import media
from minimax.errors import InputError
from minimax.models import (
    DEFAULT_VIDEO_MODELS,
    VIDEO_MODELS,
    Size,
    VideoMode,
    VideoModel,
)
from minimax.settings import Settings

__all__ = ["Order", "Wish", "take"]

LONGEST_PROMPT: Final = 2000
"""Characters (platform documentation "video generation")."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a caller may say about a video; None is "not given"."""

    prompt: str | None = None
    first_frame: str | None = None
    last_frame: str | None = None
    model: str | None = None
    duration: int | None = None
    resolution: str | None = None
    subject_image: str | None = None
    prompt_optimizer: bool | None = None
    fast_pretreatment: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """A wish that MiniMax takes: the request's body, and what it comes to."""

    model: str
    duration: int | None
    resolution: str | None
    list_price_usd: float | None
    body: dict[str, Any]


def take(wish: Wish, *, settings: Settings, opened: ExitStack) -> Order:
    """Turn a wish into an order.

    Args:
        wish: What the caller wants.
        settings: The default model and the folders that pictures may come from.
        opened: Receives the opened pictures; closed by the caller once they are sent.

    Raises:
        InputError: MiniMax would refuse it; the text names the field and the allowed values.
    """
    mode = _mode(wish)
    model = _model_name(wish, mode, settings)
    known = VIDEO_MODELS.get(model)
    _check_fast_pretreatment(wish, known)
    resolution, duration = _size(wish, mode, known)
    sends_size = known is None or known.sends_size
    body = {
        "model": model,
        "prompt": wish.prompt,
        "prompt_optimizer": wish.prompt_optimizer,
        "fast_pretreatment": wish.fast_pretreatment,
        "duration": duration if sends_size else None,
        "resolution": resolution if sends_size else None,
        **_pictures(wish, settings, opened),
    }
    return Order(
        model=model,
        duration=duration,
        resolution=resolution,
        list_price_usd=known.sizes.get((resolution or "", duration or 0)) if known else None,
        body={name: value for name, value in body.items() if value is not None},
    )


def _mode(wish: Wish) -> VideoMode:
    if wish.prompt is not None and len(wish.prompt) > LONGEST_PROMPT:
        raise InputError(
            f"prompt has {len(wish.prompt)} characters; MiniMax takes {LONGEST_PROMPT} at most."
        )
    if wish.subject_image is not None:
        return _subject_mode(wish)
    if wish.last_frame is not None:
        return _last_frame_mode(wish)
    if wish.first_frame is not None:
        return VideoMode.FIRST_FRAME
    if wish.prompt is None:
        raise InputError("prompt is required, unless a first_frame or a subject_image is given.")
    return VideoMode.TEXT


def _subject_mode(wish: Wish) -> VideoMode:
    if wish.first_frame is not None or wish.last_frame is not None:
        raise InputError(
            "subject_image cannot be combined with first_frame or last_frame: give the picture of "
            "the subject, or the frames."
        )
    return VideoMode.SUBJECT


def _last_frame_mode(wish: Wish) -> VideoMode:
    if wish.first_frame is None:
        raise InputError("last_frame needs a first_frame with it.")
    return VideoMode.FIRST_AND_LAST_FRAME


def _model_name(wish: Wish, mode: VideoMode, settings: Settings) -> str:
    if wish.model is not None:
        _check_mode(wish.model, mode)
        return wish.model
    configured = settings.video_model
    if configured is not None and _takes(configured, mode):
        return configured
    return DEFAULT_VIDEO_MODELS[mode]


def _takes(model: str, mode: VideoMode) -> bool:
    known = VIDEO_MODELS.get(model)
    return known is None or mode in known.modes


def _check_mode(model: str, mode: VideoMode) -> None:
    if not _takes(model, mode):
        fitting = _listed([m.name for m in VIDEO_MODELS.values() if mode in m.modes])
        raise InputError(
            f"model {model} makes no video from {mode.value}. Models that do: {fitting}. "
            "Leave model out to have the right one chosen."
        )


def _check_fast_pretreatment(wish: Wish, known: VideoModel | None) -> None:
    if wish.fast_pretreatment is None or known is None or known.takes_fast_pretreatment:
        return
    takers = _listed([m.name for m in VIDEO_MODELS.values() if m.takes_fast_pretreatment])
    raise InputError(f"fast_pretreatment is for {takers} only. Leave it out for {known.name}.")


def _size(wish: Wish, mode: VideoMode, known: VideoModel | None) -> tuple[str | None, int | None]:
    """Resolution and seconds: as asked for, completed by the model's own defaults."""
    resolution = wish.resolution.upper() if wish.resolution is not None else None
    if known is None:
        return resolution, wish.duration
    allowed = known.sizes_for(mode)
    for size in allowed:
        if resolution in (None, size[0]) and wish.duration in (None, size[1]):
            return size
    raise InputError(_wrong_size(resolution, wish.duration, known, allowed))


def _wrong_size(
    resolution: str | None, duration: int | None, known: VideoModel, allowed: Sequence[Size]
) -> str:
    named = {"resolution": resolution, "duration": duration}
    given = " with ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    sizes = "; ".join(f"{size[0]} with {size[1]} seconds" for size in allowed)
    return f"{known.name} makes no video of {given} from these inputs. Allowed: {sizes}."


def _pictures(wish: Wish, settings: Settings, opened: ExitStack) -> dict[str, Any]:
    def picture(source: str | None, field: str) -> str | media.Input | None:
        return None if source is None else _picture(source, field, settings, opened)

    subject = picture(wish.subject_image, "subject_image")
    return {
        "first_frame_image": picture(wish.first_frame, "first_frame"),
        "last_frame_image": picture(wish.last_frame, "last_frame"),
        "subject_reference": subject and [{"type": "character", "image": [subject]}],
    }


def _picture(source: str, field: str, settings: Settings, opened: ExitStack) -> str | media.Input:
    picture = media.open_picture(source, field=field, rules=media.FRAME, settings=settings)
    if isinstance(picture, media.Input):
        opened.enter_context(picture)
    return picture


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
