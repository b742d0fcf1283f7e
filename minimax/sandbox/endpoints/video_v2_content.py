"""What the `content` of a v2 order may hold: words, frames, references, and where they lie."""

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
from minimax.sandbox.endpoints.files import INPUT_LIFE_SECONDS, Files
from minimax.sandbox.units import MB

# minimax-api: POST /v2/video_generation, `content[]`.
LARGEST_TEXT_CHARACTERS: Final = 7000
MOST_FILES: Final = 12
MOST_PER_ROLE: Final = {
    "first_frame": 1,
    "last_frame": 1,
    "reference_image": 9,
    "reference_video": 3,
    "reference_audio": 3,
}
SHORTEST_CLIP_SECONDS: Final = 2
LONGEST_CLIPS_SECONDS: Final = 15  # of one clip, and of all clips of a medium together

TEXT, IMAGE, VIDEO, AUDIO = "text", "image_url", "video_url", "audio_url"
_ROLES: Final = {
    IMAGE: ("first_frame", "last_frame", "reference_image"),
    VIDEO: ("reference_video",),
    AUDIO: ("reference_audio",),
}
_FRAME_ROLES: Final = {"first_frame", "last_frame"}
_CLIP_TYPES: Final = {VIDEO: ("video/mp4", "video/mov"), AUDIO: ("audio/wav", "audio/mp3")}
_LARGEST_CLIP_BYTES: Final = {VIDEO: 50 * MB, AUDIO: 15 * MB}
_UPLOAD: Final = re.compile(r"mm_file://(?P<file_id>[0-9]+)")


@dataclass(frozen=True)
class Contents:
    """A content that keeps every rule: its words, and how many files play which role."""

    prompt: str
    roles: Mapping[str, int]

    @property
    def pictures(self) -> int:
        """How many images were given."""
        return sum(self.roles.get(role, 0) for role in _ROLES[IMAGE])

    @property
    def has_frames(self) -> bool:
        """Whether a first or last frame decides the film's shape."""
        return bool(_FRAME_ROLES & set(self.roles))


class Reader:
    """Reads contents; it knows the account's uploads and how old they are."""

    def __init__(self, *, files: Files, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    def read(self, params: Params) -> Contents:
        """Check the whole of `content`."""
        items = params.read_objects("content")
        prompt = _checked_prompt(items)
        media = [item for item in items if _kind(item) != TEXT]
        contents = Contents(prompt, _checked_roles(media))
        for kind in _ROLES:
            self._check_medium([item for item in media if _kind(item) == kind], kind)
        return contents

    def _check_medium(self, items: list[Params], kind: str) -> None:
        """Check all items of one kind, where their bytes are at hand."""
        seconds = [self._checked_seconds(item, kind) for item in items]
        if sum(seconds) > LONGEST_CLIPS_SECONDS:
            raise invalid_params(f"{kind} clips are longer than {LONGEST_CLIPS_SECONDS} s together")

    def _checked_seconds(self, item: Params, kind: str) -> float:
        """Check one item's source; a clip's length, and 0 for what has or shows none."""
        url = item.read_object(kind).read_text("url", required=True)
        upload = _UPLOAD.fullmatch(url)
        if upload:
            self._check_upload(int(upload["file_id"]), kind)
        elif kind == IMAGE:
            measure_image(url, name=f"{kind}.url", rules=V2_IMAGE)
        elif not is_web_url(url):
            return _clip_seconds(url, kind)
        return 0

    def _check_upload(self, file_id: int, kind: str) -> None:
        file = self._files.find(file_id, purpose="video_generation_input")
        if self._clock.now() - file.created_at >= INPUT_LIFE_SECONDS:
            raise invalid_params(f"{kind} file expired")


def _kind(item: Params) -> str:
    return item.read_choice("type", (TEXT, *_ROLES), required=True)


def _checked_prompt(items: list[Params]) -> str:
    texts = [item for item in items if _kind(item) == TEXT]
    words = [item.read_text("text", max_length=LARGEST_TEXT_CHARACTERS) for item in texts]
    if not any(word.strip() for word in words):
        raise invalid_params("content must contain a non-empty text item")
    return "\n".join(words)


def _checked_roles(media: list[Params]) -> Counter[str]:
    roles = Counter(_role(item, alone=_is_only_picture(media)) for item in media)
    for role, count in roles.items():
        if count > MOST_PER_ROLE[role]:
            raise invalid_params(f"content must not hold more than {MOST_PER_ROLE[role]} {role}")
    if roles.total() > MOST_FILES:
        raise invalid_params(f"content must not hold more than {MOST_FILES} files")
    if _FRAME_ROLES & set(roles) and set(roles) - _FRAME_ROLES:
        raise invalid_params("content must not mix frames and references")
    return roles


def _is_only_picture(media: list[Params]) -> bool:
    return [_kind(item) for item in media].count(IMAGE) == 1


def _role(item: Params, *, alone: bool) -> str:
    kind = _kind(item)
    if kind == IMAGE and alone:
        return item.read_choice("role", _ROLES[kind], default="first_frame")
    return item.read_choice("role", _ROLES[kind], required=True)


def _clip_seconds(url: str, kind: str) -> float:
    name = f"{kind}.url"
    data = decode_data_uri(
        url, media_types=_CLIP_TYPES[kind], max_bytes=_LARGEST_CLIP_BYTES[kind], name=name
    )
    try:
        seconds = TinyTag.get(file_obj=io.BytesIO(data), tags=False).duration or 0.0
    except TinyTagException:
        raise invalid_params(f"{name} cannot be read") from None
    if not SHORTEST_CLIP_SECONDS <= seconds <= LONGEST_CLIPS_SECONDS:
        limits = f"{SHORTEST_CLIP_SECONDS} to {LONGEST_CLIPS_SECONDS} s"
        raise invalid_params(f"{name} must be {limits} long")
    return seconds
