"""Validates the `content` of a v2 video request: text, frames, and reference media."""

import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tinytag import TinyTag, TinyTagException

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.checks.data_uris import decode_data_uri, is_web_url
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import V2_IMAGE, measure_image
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import INPUT_LIFETIME_SECONDS, Files
from minimax.sandbox.units import MB

# MiniMax API: POST /v2/video_generation, `content[]`.
MAX_TEXT_CHARACTERS: Final = 7000
MAX_MEDIA: Final = 12
MAX_PER_ROLE: Final = {
    "first_frame": 1,
    "last_frame": 1,
    "reference_image": 9,
    "reference_video": 3,
    "reference_audio": 3,
}
MIN_CLIP_SECONDS: Final = 2
MAX_CLIP_SECONDS: Final = 15  # of one clip, and of all clips of one type together

TEXT, IMAGE, VIDEO, AUDIO = "text", "image_url", "video_url", "audio_url"
_ROLES: Final = {
    IMAGE: ("first_frame", "last_frame", "reference_image"),
    VIDEO: ("reference_video",),
    AUDIO: ("reference_audio",),
}
_FRAME_ROLES: Final = {"first_frame", "last_frame"}
_CLIP_MEDIA_TYPES: Final = {VIDEO: ("video/mp4", "video/mov"), AUDIO: ("audio/wav", "audio/mp3")}
_MAX_CLIP_BYTES: Final = {VIDEO: 50 * MB, AUDIO: 15 * MB}
_UPLOAD: Final = re.compile(r"mm_file://(?P<file_id>[0-9]+)")


@dataclass(frozen=True)
class RequestContent:
    """A valid content: the prompt, and the number of files per role."""

    prompt: str
    roles: Mapping[str, int]

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(self.roles.get(role, 0) for role in _ROLES[IMAGE])

    @property
    def has_frames(self) -> bool:
        """Whether a first or last frame determines the video's aspect ratio."""
        return bool(_FRAME_ROLES & set(self.roles))


class ContentReader:
    """Reads the `content` of requests, which may refer to the account's uploads."""

    def __init__(self, *, files: Files, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def read(self, params: Params) -> RequestContent:
        """Validate and return the `content` of a request."""
        items = params.read_objects("content")
        prompt = _read_prompt(items)
        media = [item for item in items if _read_type(item) != TEXT]
        content = RequestContent(prompt, _read_roles(media))
        for item_type in _ROLES:
            items_of_type = [item for item in media if _read_type(item) == item_type]
            self._check_media(items_of_type, item_type)
        return content

    def _check_media(self, items: list[Params], item_type: str) -> None:
        """Check all items of one type, as far as the request contains their bytes."""
        seconds = [self._measure_source(item, item_type) for item in items]
        if sum(seconds) > MAX_CLIP_SECONDS:
            raise invalid_params(f"{item_type} clips are longer than {MAX_CLIP_SECONDS} s together")

    def _measure_source(self, item: Params, item_type: str) -> float:
        """Check an item's source; return a clip's length, or 0 if it has none or is unknown."""
        url = item.read_object(item_type).read_text("url", required=True)
        upload = _UPLOAD.fullmatch(url)
        if upload:
            self._check_upload(int(upload["file_id"]), item_type)
        elif item_type == IMAGE:
            measure_image(url, name=f"{item_type}.url", rules=V2_IMAGE)
        elif not is_web_url(url):
            return _measure_clip(url, item_type)
        return 0

    def _check_upload(self, file_id: int, item_type: str) -> None:
        file = self._files.find(file_id, purpose="video_generation_input")
        if self._clock.now() - file.created_at >= INPUT_LIFETIME_SECONDS:
            raise invalid_params(f"{item_type} file expired")


def _read_type(item: Params) -> str:
    return item.read_choice("type", (TEXT, *_ROLES), required=True)


def _read_prompt(items: list[Params]) -> str:
    texts = [item for item in items if _read_type(item) == TEXT]
    prompts = [item.read_text("text", max_length=MAX_TEXT_CHARACTERS) for item in texts]
    if not any(prompt.strip() for prompt in prompts):
        raise invalid_params("content must contain a non-empty text item")
    return "\n".join(prompts)


def _read_roles(media: list[Params]) -> Counter[str]:
    only_image = _has_one_image(media)
    roles = Counter(_read_role(item, only_image=only_image) for item in media)
    for role, count in roles.items():
        if count > MAX_PER_ROLE[role]:
            raise invalid_params(f"content must not hold more than {MAX_PER_ROLE[role]} {role}")
    if roles.total() > MAX_MEDIA:
        raise invalid_params(f"content must not hold more than {MAX_MEDIA} files")
    if _FRAME_ROLES & set(roles) and set(roles) - _FRAME_ROLES:
        raise invalid_params("content must not mix frames and references")
    return roles


def _has_one_image(media: list[Params]) -> bool:
    return [_read_type(item) for item in media].count(IMAGE) == 1


def _read_role(item: Params, *, only_image: bool) -> str:
    item_type = _read_type(item)
    if item_type == IMAGE and only_image:
        return item.read_choice("role", _ROLES[item_type], default="first_frame")
    return item.read_choice("role", _ROLES[item_type], required=True)


def _measure_clip(url: str, item_type: str) -> float:
    name = f"{item_type}.url"
    data = decode_data_uri(
        url,
        media_types=_CLIP_MEDIA_TYPES[item_type],
        max_bytes=_MAX_CLIP_BYTES[item_type],
        name=name,
    )
    try:
        seconds = TinyTag.get(file_obj=io.BytesIO(data), tags=False).duration or 0.0
    except TinyTagException:
        raise invalid_params(f"{name} cannot be read") from None
    if not MIN_CLIP_SECONDS <= seconds <= MAX_CLIP_SECONDS:
        limits = f"{MIN_CLIP_SECONDS} to {MAX_CLIP_SECONDS} s"
        raise invalid_params(f"{name} must be {limits} long")
    return seconds
