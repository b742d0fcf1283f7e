"""Checks a video request against its model before it costs anything, and writes its body."""

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from minimax.catalog import DEFAULT_VIDEO_MODELS, VIDEO_MODELS, Size, VideoMode, VideoModel
from minimax.errors import InputError
from minimax.files import inputs
from minimax.files.source import parse_source
from minimax.limits import H3_REFERENCE_SECONDS
from minimax.settings import Settings
from minimax.video import apis
from minimax.video.apis import Media, MediaSource, VideoApi
from minimax.video.request import VideoRequest, mode_of

__all__ = ["PreparedVideo", "bill_seconds", "prepare"]

IMAGE_FIELDS: Final = ("first_frame", "last_frame", "subject_image", "references")


@dataclass(frozen=True, kw_only=True)
class PreparedVideo:
    """A request that MiniMax will accept: its body, and what it costs.

    Attributes:
        list_price_usd: At most, where `has_unknown_length`.
        has_unknown_length: A reference video is a link, so only MiniMax will know its length.
    """

    api: VideoApi
    model: str
    duration: int | None
    resolution: str | None
    prompt: str | None
    list_price_usd: float | None
    has_unknown_length: bool
    body: dict[str, Any]


def prepare(request: VideoRequest, *, settings: Settings, opened: ExitStack) -> PreparedVideo:
    """Check a request and write its body.

    Args:
        request: What the caller wants.
        settings: The default model and the folders that files may come from.
        opened: Receives the opened files; closed by the caller once they are sent.

    Raises:
        InputError: MiniMax would refuse it; the text names the field and the allowed values.
    """
    mode = mode_of(request)
    model = _model_name(request, mode, settings)
    known = VIDEO_MODELS.get(model)
    api = apis.for_model(model)
    api.check(request, mode, known)
    size = _size(request, mode, known)
    media = _open_media(request, api, settings, opened)
    api.check_media(media)
    return PreparedVideo(
        api=api,
        model=model,
        resolution=size[0],
        duration=size[1],
        prompt=request.prompt,
        list_price_usd=_list_price(known, size, media),
        has_unknown_length=any(isinstance(video, str) for video in media["reference_videos"]),
        body=api.body(request, model=model, known=known, size=size, media=media),
    )


def _model_name(request: VideoRequest, mode: VideoMode, settings: Settings) -> str:
    if request.model is not None:
        model = _spell_model(request.model)
        _check_mode(model, mode)
        return model
    configured = _spell_model(settings.video_model or "")
    if configured and _takes(configured, mode):
        return configured
    return DEFAULT_VIDEO_MODELS[mode]


def _spell_model(model: str) -> str:
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
    request: VideoRequest, mode: VideoMode, known: VideoModel | None
) -> tuple[str | None, int | None]:
    """Resolution and seconds: as asked for, completed by the model's own defaults."""
    resolution = request.resolution.upper() if request.resolution is not None else None
    if known is None:
        return resolution, request.duration
    allowed = known.sizes_for(mode)
    for size in allowed:
        if resolution in (None, size[0]) and request.duration in (None, size[1]):
            return size
    raise InputError(_size_error_text(resolution, request.duration, known, allowed))


def _size_error_text(
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


def _open_media(
    request: VideoRequest, api: VideoApi, settings: Settings, opened: ExitStack
) -> Media:
    sources: dict[str, Sequence[str | None]] = {
        "first_frame": [request.first_frame],
        "last_frame": [request.last_frame],
        "subject_image": [request.subject_image],
        "references": request.references,
        "reference_videos": request.reference_videos,
        "reference_audios": request.reference_audios,
    }

    def open_one(given: str, field: str) -> MediaSource:
        source = parse_source(given, field=field, settings=settings)
        requirements = api.requirements(field)
        return inputs.open_media(source, field=field, requirements=requirements, opened=opened)

    return {
        field: [open_one(text, field) for text in given if text is not None]
        for field, given in sources.items()
    }


def _list_price(
    known: VideoModel | None, size: tuple[str | None, int | None], media: Media
) -> float | None:
    price = known.sizes.get((size[0] or "", size[1] or 0)) if known else None
    if known is None or price is None:
        return None
    images = sum(len(media[field]) for field in IMAGE_FIELDS)
    price += max(0, images - known.free_images) * known.further_image_usd
    per_second = known.reference_video_usd.get(size[0] or "", 0.0)
    return round(price + bill_seconds(media["reference_videos"]) * per_second, 2)


def bill_seconds(videos: Sequence[MediaSource]) -> int:
    """Seconds of reference videos that are billed, at most.

    Each video counts in whole seconds. Where one is a link, all of them together count as long as
    MiniMax takes them: their lengths add up to 15 seconds, each begun second counted whole.
    """
    if any(isinstance(video, str) for video in videos):
        return H3_REFERENCE_SECONDS + len(videos) - 1
    return sum(math.ceil(video.seconds or 0.0) for video in videos if not isinstance(video, str))
