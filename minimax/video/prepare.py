"""A video order: a wish, checked against the model before it costs anything."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from minimax.catalog import DEFAULT_VIDEO_MODELS, VIDEO_MODELS, Size, VideoMode, VideoModel
from minimax.errors import InputError
from minimax.files import inputs
from minimax.files.requirements import MediaRequirements
from minimax.settings import Settings
from minimax.video import apis
from minimax.video.apis import VideoApi
from minimax.video.apis.base import ImageSource
from minimax.video.request import VideoRequest, mode_of

__all__ = ["PreparedVideo", "prepare"]


@dataclass(frozen=True, kw_only=True)
class PreparedVideo:
    """A wish that MiniMax takes: the request's body, and what it comes to."""

    generation: VideoApi
    model: str
    duration: int | None
    resolution: str | None
    prompt: str | None
    list_price_usd: float | None
    body: dict[str, Any]


def prepare(wish: VideoRequest, *, settings: Settings, opened: ExitStack) -> PreparedVideo:
    """Turn a wish into an order.

    Args:
        wish: What the caller wants.
        settings: The default model and the folders that pictures may come from.
        opened: Receives the opened pictures; closed by the caller once they are sent.

    Raises:
        InputError: MiniMax would refuse it; the text names the field and the allowed values.
    """
    mode = mode_of(wish)
    model = _model_name(wish, mode, settings)
    known = VIDEO_MODELS.get(model)
    generation = apis.for_model(model)
    generation.check(wish, mode, known)
    size = _size(wish, mode, known)
    pictures = _pictures(wish, generation.picture_rules, settings, opened)
    return PreparedVideo(
        generation=generation,
        model=model,
        resolution=size[0],
        duration=size[1],
        prompt=wish.prompt,
        list_price_usd=_list_price(known, size, pictures),
        body=generation.body(wish, model=model, known=known, size=size, pictures=pictures),
    )


def _model_name(wish: VideoRequest, mode: VideoMode, settings: Settings) -> str:
    if wish.model is not None:
        model = _spelled(wish.model)
        _check_mode(model, mode)
        return model
    configured = _spelled(settings.video_model or "")
    if configured and _takes(configured, mode):
        return configured
    return DEFAULT_VIDEO_MODELS[mode]


def _spelled(model: str) -> str:
    """A known model as MiniMax spells it; others as they were given."""
    return next((name for name in VIDEO_MODELS if name.lower() == model.lower()), model)


def _takes(model: str, mode: VideoMode) -> bool:
    """Whether a model makes videos from this; one that is not known may take all its API does."""
    known = VIDEO_MODELS.get(model)
    return mode in (apis.for_model(model).modes if known is None else known.modes)


def _check_mode(model: str, mode: VideoMode) -> None:
    if not _takes(model, mode):
        fitting = ", ".join(m.name for m in VIDEO_MODELS.values() if mode in m.modes)
        raise InputError(
            f"model {model} makes no video from {mode.value}. Models that do: {fitting}."
        )


def _size(
    wish: VideoRequest, mode: VideoMode, known: VideoModel | None
) -> tuple[str | None, int | None]:
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
    resolution: str | None, duration: int | None, known: VideoModel, allowed: Iterable[Size]
) -> str:
    named = {"resolution": resolution, "duration": duration}
    given = " with ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    sizes = "; ".join(
        f"{name} with {_seconds([size[1] for size in group])} seconds"
        for name, group in groupby(sorted(allowed), key=lambda size: size[0])
    )
    return f"{known.name} makes no video of {given} from these inputs. Allowed: {sizes}."


def _seconds(allowed: list[int]) -> str:
    whole_range = len(allowed) > 2 and allowed == list(range(allowed[0], allowed[-1] + 1))  # noqa: PLR2004
    return f"{allowed[0]} to {allowed[-1]}" if whole_range else " or ".join(map(str, allowed))


def _pictures(
    wish: VideoRequest, rules: MediaRequirements, settings: Settings, opened: ExitStack
) -> Mapping[str, list[ImageSource]]:
    sources: dict[str, Sequence[str | None]] = {
        "first_frame": [wish.first_frame],
        "last_frame": [wish.last_frame],
        "subject_image": [wish.subject_image],
        "references": wish.references,
    }

    def one(source: str, field: str) -> ImageSource:
        return inputs.open_picture(
            source, field=field, rules=rules, settings=settings, opened=opened
        )

    return {
        field: [one(s, field) for s in given if s is not None] for field, given in sources.items()
    }


def _list_price(
    known: VideoModel | None,
    size: tuple[str | None, int | None],
    pictures: Mapping[str, list[ImageSource]],
) -> float | None:
    film = known.sizes.get((size[0] or "", size[1] or 0)) if known else None
    if known is None or film is None:
        return None
    charged = max(0, sum(map(len, pictures.values())) - known.free_pictures)
    return round(film + charged * known.further_picture_usd, 2)
