"""The v1 video endpoints (Hailuo and the 01 series): create and query tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.sandbox.api_errors import OUTPUT_SENSITIVE, invalid_params, make_base_resp
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import V1_IMAGE, Size, measure_image
from minimax.sandbox.endpoints.video_shared import VideoBackend
from minimax.sandbox.scenarios import BLOCK_OUTPUT_MARK, FAIL_MARK, moderate_prompt

MAX_PROMPT_CHARACTERS: Final = 2000
DEFAULT_DURATION_SECONDS: Final = 6

TEXT: Final = "Text-to-Video"
FIRST_FRAME: Final = "Image-to-Video"
BOTH_FRAMES: Final = "First-and-Last-Frame-to-Video"
SUBJECT: Final = "Subject-Reference-to-Video"

# MiniMax API: a resolution is named after its height. The widths are observed ones, except 512P's,
# which is 16:9 rounded.
_SIZES: Final = {
    "512P": Size(912, 512),
    "720P": Size(1280, 720),
    "768P": Size(1366, 768),
    "1080P": Size(1920, 1080),
}


@dataclass(frozen=True)
class VideoModelV1:
    """What one model supports, with its list prices in USD by resolution and seconds.

    The resolutions in `first_frame_only` need a first frame and allow no last frame.
    """

    modes: tuple[str, ...]
    prices_usd: Mapping[tuple[str, int], float]
    first_frame_only: tuple[str, ...] = ()
    supports_length: bool = True
    supports_pretreatment: bool = False

    @property
    def default_resolution(self) -> str:
        """768P if the model supports it, otherwise the first of its resolutions."""
        resolutions = [resolution for resolution, _ in self.prices_usd]
        return "768P" if "768P" in resolutions else resolutions[0]

    def list_resolutions(self, mode: str) -> list[str]:
        """Return the resolutions that `mode` supports."""
        return [
            resolution
            for resolution, _ in self.prices_usd
            if mode == FIRST_FRAME or resolution not in self.first_frame_only
        ]


# The 01 series has no list price.
_HAILUO_PRICES_USD: Final = {("768P", 6): 0.28, ("768P", 10): 0.56, ("1080P", 6): 0.49}
_FAST_PRICES_USD: Final = {("768P", 6): 0.19, ("768P", 10): 0.32, ("1080P", 6): 0.33}
_SMALL_PRICES_USD: Final = {("512P", 6): 0.10, ("512P", 10): 0.15}
_PRICES_01_USD: Final = {("720P", 6): 0.0}

MODELS: Final = {
    "MiniMax-Hailuo-2.3": VideoModelV1(
        (TEXT, FIRST_FRAME), _HAILUO_PRICES_USD, supports_pretreatment=True
    ),
    "MiniMax-Hailuo-2.3-Fast": VideoModelV1(
        (FIRST_FRAME,), _FAST_PRICES_USD, supports_pretreatment=True
    ),
    "MiniMax-Hailuo-02": VideoModelV1(
        (TEXT, FIRST_FRAME, BOTH_FRAMES),
        _SMALL_PRICES_USD | _HAILUO_PRICES_USD,
        first_frame_only=("512P",),
        supports_pretreatment=True,
    ),
    "T2V-01": VideoModelV1((TEXT,), _PRICES_01_USD),
    "T2V-01-Director": VideoModelV1((TEXT,), _PRICES_01_USD),
    "I2V-01": VideoModelV1((FIRST_FRAME,), _PRICES_01_USD),
    "I2V-01-Director": VideoModelV1((FIRST_FRAME,), _PRICES_01_USD),
    "I2V-01-live": VideoModelV1((FIRST_FRAME,), _PRICES_01_USD),
    "S2V-01": VideoModelV1((SUBJECT,), _PRICES_01_USD, supports_length=False),
    "video-01": VideoModelV1((TEXT,), _PRICES_01_USD),
}


@dataclass
class VideoTaskV1:
    """An accepted request; `file_id` is set by the first query after it succeeded."""

    id: str
    model: str
    prompt: str
    created_at: float
    size: Size
    file_id: int | None = None


class VideosV1(BoundedDict[str, VideoTaskV1]):
    """The account's v1 tasks by task id."""

    def __init__(self, backend: VideoBackend) -> None:
        super().__init__()
        self._backend = backend

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/video_generation."""
        request = _read_request(Params(body))
        moderate_prompt(request.prompt)
        task = VideoTaskV1(
            self._backend.ids.new_task_id(),
            request.model,
            request.prompt,
            self._backend.clock.now(),
            request.size,
        )
        self[task.id] = task
        self._backend.bill.charge("video", request.price_usd, item_id=task.id)
        return {"task_id": task.id}

    def query(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/query/video_generation."""
        task_id = query.get("task_id", "")
        if not task_id:
            raise invalid_params("task_id cannot by empty")  # sic
        if task_id not in self:
            raise invalid_params("task not found")
        return self._describe(self[task_id])

    def get_status(self, task: VideoTaskV1) -> str:
        """Return MiniMax's name of the task's current state."""
        age_seconds = self._backend.clock.now() - task.created_at
        if age_seconds < self._backend.stages.preparing_seconds:
            return "Preparing"
        if age_seconds < self._backend.stages.waiting_seconds:
            return "Queueing"
        if age_seconds < self._backend.stages.total_seconds:
            return "Processing"
        failed = BLOCK_OUTPUT_MARK in task.prompt or FAIL_MARK in task.prompt
        return "Fail" if failed else "Success"

    def _describe(self, task: VideoTaskV1) -> dict[str, Any]:
        status = self.get_status(task)
        succeeded = status == "Success"
        blocked = status == "Fail" and BLOCK_OUTPUT_MARK in task.prompt
        size = task.size if succeeded else Size(0, 0)
        return {
            "task_id": task.id,
            "status": status,
            "file_id": self._add_file(task) if succeeded else "",
            "video_width": size.width,
            "video_height": size.height,
            "base_resp": make_base_resp(OUTPUT_SENSITIVE if blocked else 0),
        }

    def _add_file(self, task: VideoTaskV1) -> str:
        """Add the task's video to the files, unless it is there, and return its file id."""
        if task.file_id is None:
            link = self._backend.store.add(self._backend.video, name="output_aigc.mp4")
            task.file_id = self._backend.files.add_video(link, self._backend.video).id
        return str(task.file_id)


@dataclass(frozen=True)
class VideoRequestV1:
    """A valid request."""

    model: str
    prompt: str
    size: Size
    price_usd: float


def _read_request(params: Params) -> VideoRequestV1:
    name = params.read_text("model", required=True)
    if name not in MODELS:
        raise invalid_params(f"unsupported model: {name}")
    model = MODELS[name]
    mode = _read_mode(params, name)
    prompt = params.read_text("prompt", required=mode == TEXT, max_length=MAX_PROMPT_CHARACTERS)
    frame_size = _read_first_frame_size(params, mode)
    resolution, duration_seconds = _read_resolution_and_duration(params, name, mode)
    _check_options(params, name, mode)
    price_usd = model.prices_usd[resolution, duration_seconds]
    return VideoRequestV1(name, prompt, _compute_video_size(resolution, frame_size), price_usd)


def _read_mode(params: Params, name: str) -> str:
    if params.has("subject_reference"):
        mode = SUBJECT
    elif params.has("last_frame_image"):
        mode = BOTH_FRAMES
    elif params.has("first_frame_image"):
        mode = FIRST_FRAME
    else:
        mode = TEXT
    if mode not in MODELS[name].modes:
        raise invalid_params(f"model {name} does not support {mode} mode")
    return mode


def _read_first_frame_size(params: Params, mode: str) -> Size | None:
    """Check all images; return the size of the first frame, if it could be measured."""
    if mode == SUBJECT:
        _check_subject(params)
    frames = {}
    for name in ("first_frame_image", "last_frame_image"):
        if params.has(name):
            frames[name] = measure_image(params.read_text(name), name=name, rules=V1_IMAGE)
    return frames.get("first_frame_image")


def _check_subject(params: Params) -> None:
    subject = params.read_single_object("subject_reference")
    subject.read_choice("type", ("character",), required=True)
    images = subject.read_array("image")
    if len(images) != 1 or not isinstance(images[0], str):
        raise subject.make_refusal("image", "must hold exactly one image")
    measure_image(images[0], name="subject_reference", rules=V1_IMAGE)


def _read_resolution_and_duration(params: Params, name: str, mode: str) -> tuple[str, int]:
    model = MODELS[name]
    if not model.supports_length and (params.has("duration") or params.has("resolution")):
        raise invalid_params(f"model {name} does not support duration and resolution")
    resolution = params.read_text("resolution", default=model.default_resolution)
    duration_seconds = params.read_integer("duration", default=DEFAULT_DURATION_SECONDS)
    if resolution not in model.list_resolutions(mode):
        raise invalid_params(f"model {name} does not support resolution {resolution}")
    if (resolution, duration_seconds) not in model.prices_usd:
        detail = f"duration {duration_seconds} with resolution {resolution}"
        raise invalid_params(f"model {name} does not support {detail}")
    return resolution, duration_seconds


def _check_options(params: Params, name: str, mode: str) -> None:
    params.read_flag("prompt_optimizer", default=True)
    params.read_flag("aigc_watermark")
    params.read_text("callback_url")
    supports_pretreatment = MODELS[name].supports_pretreatment and mode in {TEXT, FIRST_FRAME}
    if params.read_flag("fast_pretreatment") and not supports_pretreatment:
        raise invalid_params(f"model {name} does not support fast_pretreatment in {mode} mode")


def _compute_video_size(resolution: str, frame_size: Size | None) -> Size:
    """Return the resolution's size, in the aspect of the first frame if that is known."""
    if frame_size is None:
        return _SIZES[resolution]
    height = _SIZES[resolution].height
    return Size(round(height * frame_size.width / frame_size.height / 2) * 2, height)
