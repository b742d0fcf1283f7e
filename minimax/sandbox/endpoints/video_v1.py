"""Video v1, the Hailuo and 01 series: what may be ordered, and how an order fares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.sandbox.api_errors import OUTPUT_SENSITIVE, base_resp, invalid_params
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.checks.images import V1_IMAGE, Size, measure_image
from minimax.sandbox.endpoints.video_shared import Studio
from minimax.sandbox.scenarios import BLOCK_OUTPUT_MARK, FAIL_MARK, moderate_prompt

LARGEST_PROMPT_CHARACTERS: Final = 2000
DEFAULT_DURATION_SECONDS: Final = 6

TEXT: Final = "Text-to-Video"
FIRST_FRAME: Final = "Image-to-Video"
BOTH_FRAMES: Final = "First-and-Last-Frame-to-Video"
SUBJECT: Final = "Subject-Reference-to-Video"

# minimax-api: a resolution's name is its height; these widths were seen, 512P's is 16:9 rounded.
_SIZES: Final = {
    "512P": Size(912, 512),
    "720P": Size(1280, 720),
    "768P": Size(1366, 768),
    "1080P": Size(1920, 1080),
}


@dataclass(frozen=True)
class VideoModel:
    """What one model takes: its modes, and a list price in USD per resolution and seconds.

    `first_frame_only` names resolutions that need a first frame and no last one.
    """

    modes: tuple[str, ...]
    prices_usd: Mapping[tuple[str, int], float]
    first_frame_only: tuple[str, ...] = ()
    takes_length: bool = True
    takes_pretreatment: bool = False

    @property
    def default_resolution(self) -> str:
        """768P where the model has it."""
        resolutions = [resolution for resolution, _ in self.prices_usd]
        return "768P" if "768P" in resolutions else resolutions[0]

    def resolutions(self, mode: str) -> list[str]:
        """The resolutions that `mode` may use."""
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
    "MiniMax-Hailuo-2.3": VideoModel(
        (TEXT, FIRST_FRAME), _HAILUO_PRICES_USD, takes_pretreatment=True
    ),
    "MiniMax-Hailuo-2.3-Fast": VideoModel(
        (FIRST_FRAME,), _FAST_PRICES_USD, takes_pretreatment=True
    ),
    "MiniMax-Hailuo-02": VideoModel(
        (TEXT, FIRST_FRAME, BOTH_FRAMES),
        _SMALL_PRICES_USD | _HAILUO_PRICES_USD,
        first_frame_only=("512P",),
        takes_pretreatment=True,
    ),
    "T2V-01": VideoModel((TEXT,), _PRICES_01_USD),
    "T2V-01-Director": VideoModel((TEXT,), _PRICES_01_USD),
    "I2V-01": VideoModel((FIRST_FRAME,), _PRICES_01_USD),
    "I2V-01-Director": VideoModel((FIRST_FRAME,), _PRICES_01_USD),
    "I2V-01-live": VideoModel((FIRST_FRAME,), _PRICES_01_USD),
    "S2V-01": VideoModel((SUBJECT,), _PRICES_01_USD, takes_length=False),
    "video-01": VideoModel((TEXT,), _PRICES_01_USD),
}


@dataclass
class VideoTask:
    """One accepted order; `file_id` is given once it was seen to succeed."""

    id: str
    model: str
    prompt: str
    created_at: float
    size: Size
    file_id: int | None = None


class Videos(BoundedDict[str, VideoTask]):
    """The account's v1 orders by task id."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v1/video_generation."""
        order = _checked_order(Params(body))
        moderate_prompt(order.prompt)
        task = VideoTask(
            self._studio.ids.new_task_id(),
            order.model,
            order.prompt,
            self._studio.clock.now(),
            order.size,
        )
        self[task.id] = task
        self._studio.bill.charge("video", order.price_usd, item_id=task.id)
        return {"task_id": task.id}

    def query(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v1/query/video_generation."""
        task_id = query.get("task_id", "")
        if not task_id:
            raise invalid_params("task_id cannot by empty")  # sic
        if task_id not in self:
            raise invalid_params("task not found")
        return self._described(self[task_id])

    def status(self, task: VideoTask) -> str:
        """The word for where the order stands now."""
        age_seconds = self._studio.clock.now() - task.created_at
        if age_seconds < self._studio.stages.preparing_seconds:
            return "Preparing"
        if age_seconds < self._studio.stages.waiting_seconds:
            return "Queueing"
        if age_seconds < self._studio.stages.total_seconds:
            return "Processing"
        failed = BLOCK_OUTPUT_MARK in task.prompt or FAIL_MARK in task.prompt
        return "Fail" if failed else "Success"

    def _described(self, task: VideoTask) -> dict[str, Any]:
        status = self.status(task)
        succeeded = status == "Success"
        blocked = status == "Fail" and BLOCK_OUTPUT_MARK in task.prompt
        size = task.size if succeeded else Size(0, 0)
        return {
            "task_id": task.id,
            "status": status,
            "file_id": self._file_id(task) if succeeded else "",
            "video_width": size.width,
            "video_height": size.height,
            "base_resp": base_resp(OUTPUT_SENSITIVE if blocked else 0),
        }

    def _file_id(self, task: VideoTask) -> str:
        if task.file_id is None:
            link = self._studio.store.add(self._studio.film, name="output_aigc.mp4")
            task.file_id = self._studio.files.add_video(link, self._studio.film).id
        return str(task.file_id)


@dataclass(frozen=True)
class _Order:
    """A request that keeps every rule."""

    model: str
    prompt: str
    size: Size
    price_usd: float


def _checked_order(params: Params) -> _Order:
    name = params.read_text("model", required=True)
    if name not in MODELS:
        raise invalid_params(f"unsupported model: {name}")
    model = MODELS[name]
    mode = _checked_mode(params, name)
    prompt = params.read_text("prompt", required=mode == TEXT, max_length=LARGEST_PROMPT_CHARACTERS)
    frame = _checked_pictures(params, mode)
    resolution, duration_seconds = _checked_length(params, name, mode)
    _check_switches(params, name, mode)
    price_usd = model.prices_usd[resolution, duration_seconds]
    return _Order(name, prompt, _film_size(resolution, frame), price_usd)


def _checked_mode(params: Params, name: str) -> str:
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


def _checked_pictures(params: Params, mode: str) -> Size | None:
    """The first frame's size, where it could be measured."""
    if mode == SUBJECT:
        _check_subject(params)
    frames = {}
    for name in ("first_frame_image", "last_frame_image"):
        if params.has(name):
            frames[name] = measure_image(params.read_text(name), name=name, rules=V1_IMAGE)
    return frames.get("first_frame_image")


def _check_subject(params: Params) -> None:
    subject = params.read_only_object("subject_reference")
    subject.read_choice("type", ("character",), required=True)
    images = subject.read_array("image")
    if len(images) != 1 or not isinstance(images[0], str):
        raise subject.make_refusal("image", "must hold exactly one image")
    measure_image(images[0], name="subject_reference", rules=V1_IMAGE)


def _checked_length(params: Params, name: str, mode: str) -> tuple[str, int]:
    model = MODELS[name]
    if not model.takes_length and (params.has("duration") or params.has("resolution")):
        raise invalid_params(f"model {name} does not support duration and resolution")
    resolution = params.read_text("resolution", default=model.default_resolution)
    duration_seconds = params.read_integer("duration", default=DEFAULT_DURATION_SECONDS)
    if resolution not in model.resolutions(mode):
        raise invalid_params(f"model {name} does not support resolution {resolution}")
    if (resolution, duration_seconds) not in model.prices_usd:
        detail = f"duration {duration_seconds} with resolution {resolution}"
        raise invalid_params(f"model {name} does not support {detail}")
    return resolution, duration_seconds


def _check_switches(params: Params, name: str, mode: str) -> None:
    params.read_flag("prompt_optimizer", default=True)
    params.read_flag("aigc_watermark")
    params.read_text("callback_url")
    takes_pretreatment = MODELS[name].takes_pretreatment and mode in {TEXT, FIRST_FRAME}
    if params.read_flag("fast_pretreatment") and not takes_pretreatment:
        raise invalid_params(f"model {name} does not support fast_pretreatment in {mode} mode")


def _film_size(resolution: str, frame: Size | None) -> Size:
    """The reported size: the resolution's, in the first frame's aspect where that is known."""
    if frame is None:
        return _SIZES[resolution]
    height = _SIZES[resolution].height
    return Size(round(height * frame.width / frame.height / 2) * 2, height)
