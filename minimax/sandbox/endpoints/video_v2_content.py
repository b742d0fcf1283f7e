"""Validates the `content` of a v2 video request: text, frames, reference media, a base video."""

import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from minimax.sandbox.api_errors import invalid_params
from minimax.sandbox.checks.clips import Clip, measure_audio, measure_video
from minimax.sandbox.checks.data_uris import decode_data_uri, is_web_url
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import V2_IMAGE, measure_image
from minimax.sandbox.clock import Clock
from minimax.sandbox.endpoints.files import INPUT_LIFETIME_SECONDS, File, Files
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
    "base_video": 1,
}
MIN_CLIP_SECONDS: Final = 2
MAX_CLIP_SECONDS: Final = 15  # of one clip, and of all clips of one type together
MIN_SIDE, MAX_SIDE = 256, 5760
MIN_ASPECT, MAX_ASPECT = 0.4, 2.5
MIN_RATE, MAX_RATE = 23.97, 60.01  # frames per second: 23.976 to 60, and some rounding

# MiniMax API: POST /v2/video_regeneration, the video that is regenerated.
MAX_REGENERATION_TEXT_CHARACTERS: Final = 40_000
BASE_RATE: Final = 24  # frames per second
BASE_SIDE_STEP: Final = 32
BASE_AREA: Final = (768 * 768, 768 * 1344)
BASE_FRAMES: Final = range(107, 363, 17)

TEXT, IMAGE, VIDEO, AUDIO = "text", "image_url", "video_url", "audio_url"
BASE_ROLE: Final = "base_video"
_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    IMAGE: ("first_frame", "last_frame", "reference_image"),
    VIDEO: ("reference_video",),
    AUDIO: ("reference_audio",),
}
_ROLES_WITH_BASE: Final = {**_ROLES, VIDEO: (*_ROLES[VIDEO], BASE_ROLE)}
_FRAME_ROLES: Final = {"first_frame", "last_frame"}
_CLIP_MEDIA_TYPES: Final = {VIDEO: ("video/mp4", "video/mov"), AUDIO: ("audio/wav", "audio/mp3")}
_MAX_CLIP_BYTES: Final = {VIDEO: 50 * MB, AUDIO: 15 * MB}
_UPLOAD: Final = re.compile(r"mm_file://(?P<file_id>[0-9]+)")


@dataclass(frozen=True)
class RequestContent:
    """A valid content: the prompt, the number of files per role, and the clips among them.

    A clip given by a web URL is None, as the sandbox never fetches it.
    """

    prompt: str
    roles: Mapping[str, int]
    videos: Sequence[Clip | None] = ()
    audios: Sequence[Clip | None] = ()
    base: Clip | None = None

    @property
    def images(self) -> int:
        """The number of images."""
        return sum(self.roles.get(role, 0) for role in _ROLES[IMAGE])

    @property
    def video_seconds(self) -> int:
        """The seconds of the reference videos, each rounded up."""
        return sum(math.ceil(clip.seconds) for clip in self.videos if clip)

    @property
    def audio_seconds(self) -> int:
        """The seconds of the reference audio, each clip rounded up."""
        return sum(math.ceil(clip.seconds) for clip in self.audios if clip)

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
        """Validate and return the `content` of a request for a new video."""
        items = params.read_objects("content")
        return self._read(items, roles=_ROLES, max_text=MAX_TEXT_CHARACTERS)

    def read_with_base(self, params: Params) -> RequestContent:
        """Validate and return the `content` of a request that regenerates its base video."""
        items = params.read_objects("content")
        content = self._read(
            items, roles=_ROLES_WITH_BASE, max_text=MAX_REGENERATION_TEXT_CHARACTERS
        )
        if BASE_ROLE not in content.roles:
            raise invalid_params(f"content must hold exactly one {BASE_ROLE}")
        return content

    def _read(
        self, items: list[Params], *, roles: Mapping[str, tuple[str, ...]], max_text: int
    ) -> RequestContent:
        prompt = _read_prompt(items, max_text=max_text)
        media = [item for item in items if _read_type(item) != TEXT]
        counts = _count_roles(media, roles)
        for item in media:
            if _read_type(item) == IMAGE:
                self._check_image(item)
        videos = [item for item in media if item.read_text("role") == "reference_video"]
        audios = [item for item in media if _read_type(item) == AUDIO]
        bases = [item for item in media if item.read_text("role") == BASE_ROLE]
        return RequestContent(
            prompt,
            counts,
            videos=self._read_clips(videos, VIDEO),
            audios=self._read_clips(audios, AUDIO),
            base=self._read_base(bases[0]) if bases else None,
        )

    def _check_image(self, item: Params) -> None:
        url = _read_url(item, IMAGE)
        if _UPLOAD.fullmatch(url):
            self._find_upload(url, IMAGE)
        else:
            measure_image(url, name=f"{IMAGE}.url", rules=V2_IMAGE)

    def _read_clips(self, items: list[Params], item_type: str) -> list[Clip | None]:
        """Check all reference clips of one type."""
        clips = [self._measure(item, item_type) for item in items]
        for clip in clips:
            if clip is not None:
                _check_clip(clip, name=f"{item_type}.url")
        if sum(clip.seconds for clip in clips if clip) > MAX_CLIP_SECONDS:
            raise invalid_params(f"{item_type} clips are longer than {MAX_CLIP_SECONDS} s together")
        return clips

    def _read_base(self, item: Params) -> Clip | None:
        clip = self._measure(item, VIDEO)
        violation = _find_base_violation(clip) if clip else ""
        if violation:
            raise invalid_params(f"{BASE_ROLE} {violation}")
        return clip

    def _measure(self, item: Params, item_type: str) -> Clip | None:
        """Return the clip of an item; None for one given by a web URL."""
        name, url = f"{item_type}.url", _read_url(item, item_type)
        if is_web_url(url):
            return None
        measure = measure_video if item_type == VIDEO else measure_audio
        if _UPLOAD.fullmatch(url):
            with self._find_upload(url, item_type).open() as upload:
                return measure(upload, name=name)
        data = decode_data_uri(
            url,
            media_types=_CLIP_MEDIA_TYPES[item_type],
            max_bytes=_MAX_CLIP_BYTES[item_type],
            name=name,
        )
        return measure(io.BytesIO(data), name=name)

    def _find_upload(self, url: str, item_type: str) -> File:
        file_id = int(url.removeprefix("mm_file://"))
        file = self._files.find(file_id, purpose="video_generation_input")
        if self._clock.now() - file.created_at >= INPUT_LIFETIME_SECONDS:
            raise invalid_params(f"{item_type} file expired")
        return file


def _read_type(item: Params) -> str:
    return item.read_choice("type", (TEXT, *_ROLES), required=True)


def _read_url(item: Params, item_type: str) -> str:
    return item.read_object(item_type).read_text("url", required=True)


def _read_prompt(items: list[Params], *, max_text: int) -> str:
    texts = [item for item in items if _read_type(item) == TEXT]
    prompts = [item.read_text("text", max_length=max_text) for item in texts]
    if not any(prompt.strip() for prompt in prompts):
        raise invalid_params("content must contain a non-empty text item")
    return "\n".join(prompts)


def _count_roles(media: list[Params], roles: Mapping[str, tuple[str, ...]]) -> Counter[str]:
    only_image = _has_one_image(media)
    counts = Counter(_read_role(item, roles, only_image=only_image) for item in media)
    for role, count in counts.items():
        if count > MAX_PER_ROLE[role]:
            raise invalid_params(f"content must not hold more than {MAX_PER_ROLE[role]} {role}")
    if counts.total() - counts[BASE_ROLE] > MAX_MEDIA:
        raise invalid_params(f"content must not hold more than {MAX_MEDIA} files")
    if _FRAME_ROLES & set(counts) and set(counts) - _FRAME_ROLES - {BASE_ROLE}:
        raise invalid_params("content must not mix frames and references")
    return counts


def _has_one_image(media: list[Params]) -> bool:
    return [_read_type(item) for item in media].count(IMAGE) == 1


def _read_role(item: Params, roles: Mapping[str, tuple[str, ...]], *, only_image: bool) -> str:
    item_type = _read_type(item)
    if item_type == IMAGE and only_image:
        return item.read_choice("role", roles[item_type], default="first_frame")
    return item.read_choice("role", roles[item_type], required=True)


def _check_clip(clip: Clip, *, name: str) -> None:
    if not MIN_CLIP_SECONDS <= clip.seconds <= MAX_CLIP_SECONDS:
        limits = f"{MIN_CLIP_SECONDS} to {MAX_CLIP_SECONDS} s"
        raise invalid_params(f"{name} must be {limits} long")
    if not clip.frames:
        return
    if not MIN_RATE <= clip.frames_per_second <= MAX_RATE:
        raise invalid_params(f"{name} must have 23.976 to 60 fps")
    if not MIN_SIDE <= min(clip.width, clip.height) <= max(clip.width, clip.height) <= MAX_SIDE:
        raise invalid_params(f"{name} must have sides of {MIN_SIDE} to {MAX_SIDE} px")
    if not MIN_ASPECT <= clip.width / clip.height <= MAX_ASPECT:
        raise invalid_params(f"{name} is too narrow or too wide")


def _find_base_violation(clip: Clip) -> str:
    if not clip.has_audio:
        return "must have an audio track"
    if abs(clip.frames_per_second - BASE_RATE) > 0.01:  # noqa: PLR2004 - rounding of the time scale
        return f"must have {BASE_RATE} fps"
    if clip.width % BASE_SIDE_STEP or clip.height % BASE_SIDE_STEP:
        return f"must have sides divisible by {BASE_SIDE_STEP}"
    if not BASE_AREA[0] <= clip.width * clip.height <= BASE_AREA[1]:
        return f"must have {BASE_AREA[0]} to {BASE_AREA[1]} px"
    if clip.frames not in BASE_FRAMES:
        return "must have 107 to 362 frames in steps of 17"
    return ""
