"""The v2 video endpoints (the H3 series): create, regenerate, query, list and cancel tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.sandbox.api_errors import OUTPUT_SENSITIVE, UNKNOWN_ERROR, Refusal, invalid_params
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.video_shared import VideoBackend
from minimax.sandbox.endpoints.video_v2_content import BASE_RATE, ContentReader, RequestContent
from minimax.sandbox.scenarios import BLOCK_OUTPUT_MARK, FAIL_MARK, moderate_prompt
from minimax.sandbox.signed_links import StoreLink
from minimax.sandbox.units import DAY_SECONDS, MB

# MiniMax API: POST /v2/video_generation.
MAX_BODY_BYTES: Final = 64 * MB
TASK_LIFETIME_SECONDS: Final = 7 * DAY_SECONDS
ADAPTIVE: Final = "adaptive"
RATIOS: Final = (ADAPTIVE, "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
EXPANSION_MODES: Final = ("disabled", "balanced", "quality")

# MiniMax API: POST /v2/video_regeneration, and its prices in USD.
REGENERATED_MODEL: Final = "MiniMax-H3"
REGENERATED_FROM, REGENERATED_TO = "768P", "2K"
REGENERATION_PRICE_USD: Final = 0.05  # per second, also of each reference video
REGENERATION_IMAGE_PRICE_USD: Final = 0.025
LINKED_BASE_SECONDS: Final = 5  # the sandbox's own: a base video given by a web URL is not fetched

# The page sizes of the list are not documented; these are the sandbox's own.
DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS = 10, 100

# MiniMax API: derived from two recorded responses; 480P in proportion to its pixels.
_TOKENS_PER_SECOND: Final = {"480P": 12_900, "768P": 32_549, "2K": 52_078}


@dataclass(frozen=True)
class VideoModelV2:
    """What one model supports, with its list prices in USD.

    Both the video and its reference videos are charged per second, images each.
    """

    prices_usd: Mapping[str, float]
    reference_prices_usd: Mapping[str, float]
    min_seconds: int
    free_images: int
    image_price_usd: float
    supports_expansion: bool = False
    max_seconds: int = 15


MODELS: Final = {
    "MiniMax-H3": VideoModelV2(
        prices_usd={"768P": 0.08, "2K": 0.13},
        reference_prices_usd={"768P": 0.08, "2K": 0.13},
        min_seconds=4,
        free_images=5,
        image_price_usd=0.04,
    ),
    "MiniMax-H3-Max": VideoModelV2(
        prices_usd={"480P": 0.05, "768P": 0.08},
        reference_prices_usd={"480P": 0.0553, "768P": 0.143},
        min_seconds=5,
        free_images=2,
        image_price_usd=0.074,
        supports_expansion=True,
    ),
}


@dataclass(frozen=True)
class VideoRequestV2:
    """A valid request."""

    model: str
    content: RequestContent
    resolution: str
    duration_seconds: int
    ratio: str

    task_type = "generation"

    @property
    def price_usd(self) -> float:
        """The list price; a reference video given by a web URL is not fetched, nor charged."""
        model = MODELS[self.model]
        paid_images = max(0, self.content.images - model.free_images)
        video_usd = self.duration_seconds * model.prices_usd[self.resolution]
        reference_usd = self.content.video_seconds * model.reference_prices_usd[self.resolution]
        return video_usd + reference_usd + paid_images * model.image_price_usd


@dataclass(frozen=True)
class RegenerationRequest(VideoRequestV2):
    """A valid request to make a video again in 2K."""

    task_type = "regeneration"

    @property
    def price_usd(self) -> float:
        """The list price; what the video was made from is charged again."""
        paid_images = max(0, self.content.images - MODELS[self.model].free_images)
        seconds = self.duration_seconds + self.content.video_seconds
        return seconds * REGENERATION_PRICE_USD + paid_images * REGENERATION_IMAGE_PRICE_USD


@dataclass
class VideoTaskV2:
    """An accepted request."""

    id: str
    request: VideoRequestV2
    created_at: float
    cancelled_at: float | None = None
    link: StoreLink | None = None

    @property
    def model(self) -> str:
        """The model of the request."""
        return self.request.model


class VideosV2(BoundedDict[str, VideoTaskV2]):
    """The account's v2 tasks by task id."""

    def __init__(self, backend: VideoBackend) -> None:
        super().__init__()
        self._backend = backend
        self._reader = ContentReader(files=backend.files, clock=backend.clock)

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v2/video_generation."""
        request = _read_request(Params(body), self._reader)
        return self._accept(request, charged_as="video")

    def regenerate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v2/video_regeneration: a video of 768P again in 2K."""
        params = Params(body)
        params.read_choice("model", (REGENERATED_MODEL,), required=True)
        params.read_choice("resolution", (REGENERATED_TO,), required=True)
        params.read_flag("aigc_watermark")
        params.read_text("callback_url")
        if params.has("source_task_id") == params.has("content"):
            raise invalid_params("exactly one of source_task_id and content is required")
        by_task = params.has("source_task_id")
        source = self._read_source(params) if by_task else _read_base(params, self._reader)
        return self._accept(source, charged_as="regeneration")

    def _read_source(self, params: Params) -> RegenerationRequest:
        """Return the request for a source task; one that does not fit is refused.

        MiniMax documents these rules, but not what it says where one is violated.
        """
        task_id = params.read_text("source_task_id", required=True)
        if not self._backend.allow_listed:
            raise invalid_params("source_task_id is not enabled for this account")
        task = self.get(task_id)
        if task is None or not self._is_recent(task):
            raise invalid_params("invalid source_task_id")
        if (task.model, task.request.task_type) != (REGENERATED_MODEL, "generation"):
            raise invalid_params(f"the source task is not a generation of {REGENERATED_MODEL}")
        if self.get_status(task) != "succeeded":
            raise invalid_params("the source task has not succeeded")
        if task.request.resolution != REGENERATED_FROM:
            raise invalid_params(f"the source task is not in {REGENERATED_FROM}")
        return _make_regeneration(task.request.content, task.request.duration_seconds)

    def _accept(self, request: VideoRequestV2, *, charged_as: str) -> dict[str, Any]:
        moderate_prompt(request.content.prompt)
        task = VideoTaskV2(self._backend.ids.new_task_id(), request, self._backend.clock.now())
        self[task.id] = task
        self._backend.bill.charge(charged_as, request.price_usd, item_id=task.id)
        return {"task_id": task.id}

    def query(self, task_id: str) -> dict[str, Any]:
        """GET /v2/query/video_generation/{task_id}."""
        task = self.get(task_id)
        if task is None:
            raise Refusal(UNKNOWN_ERROR, "record not found")
        if not self._is_recent(task):
            raise invalid_params("invalid task_id")
        return {"task": self._describe(task)}

    def list_tasks(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v2/query/video_generation: the tasks of the last seven days, newest first."""
        page = _read_query_number(query, "page_num", default=1)
        size = _read_query_number(query, "page_size", default=DEFAULT_PAGE_ITEMS)
        matching = [task for task in reversed(self.values()) if self._matches(task, query)]
        start = (page - 1) * min(size, MAX_PAGE_ITEMS)
        tasks = matching[start : start + min(size, MAX_PAGE_ITEMS)]
        return {"items": [self._describe(task) for task in tasks], "total": len(matching)}

    def delete(self, task_id: str) -> dict[str, Any]:
        """DELETE /v2/video_generation/{task_id}: cancel a queued task, delete a finished one."""
        task = self.get(task_id)
        if task is None or not self._is_recent(task):
            raise invalid_params("invalid task_id")
        status = self.get_status(task)
        if status in {"running", "cancelled"}:
            raise invalid_params(f"task is {status} and cannot be deleted")
        action = self._cancel(task) if status == "queued" else self._delete(task)
        return {"task_id": task_id, "action": action, "status": action}

    def get_status(self, task: VideoTaskV2) -> str:
        """Return MiniMax's name of the task's current state."""
        if task.cancelled_at is not None:
            return "cancelled"
        age_seconds = self._backend.clock.now() - task.created_at
        if age_seconds < self._backend.stages.waiting_seconds:
            return "queued"
        if age_seconds < self._backend.stages.total_seconds:
            return "running"
        return "failed" if _make_error(task) else "succeeded"

    def _cancel(self, task: VideoTaskV2) -> str:
        task.cancelled_at = self._backend.clock.now()
        self._backend.bill.refund(item_id=task.id)
        return "cancelled"

    def _delete(self, task: VideoTaskV2) -> str:
        del self[task.id]
        return "deleted"

    def _is_recent(self, task: VideoTaskV2) -> bool:
        return self._backend.clock.now() - task.created_at < TASK_LIFETIME_SECONDS

    def _matches(self, task: VideoTaskV2, query: Mapping[str, str]) -> bool:
        values = {
            "filter.status": self.get_status(task),
            "filter.model": task.model,
            "filter.task_type": task.request.task_type,
            "filter.task_ids": task.id,
        }
        return self._is_recent(task) and all(
            value in query[name].split(",") for name, value in values.items() if query.get(name)
        )

    def _describe(self, task: VideoTaskV2) -> dict[str, Any]:
        request, status = task.request, self.get_status(task)
        description: dict[str, Any] = {
            "id": task.id,
            "model": request.model,
            "status": status,
            "created_at": int(task.created_at),
            "updated_at": int(self._get_updated_at(task)),
            "resolution": request.resolution,
            "duration": request.duration_seconds,
            "ratio": request.ratio,
            "usage": {},
            "task_type": request.task_type,
        }
        if status == "succeeded":
            description |= {"content": {"url": self._get_link(task)}, "usage": _make_usage(request)}
        if status == "failed":
            description["error"] = _make_error(task)
        return description

    def _get_updated_at(self, task: VideoTaskV2) -> float:
        """Return the time at which the task entered its current state."""
        if task.cancelled_at is not None:
            return task.cancelled_at
        changes = (0.0, self._backend.stages.waiting_seconds, self._backend.stages.total_seconds)
        return max(
            task.created_at + seconds
            for seconds in changes
            if task.created_at + seconds <= self._backend.clock.now()
        )

    def _get_link(self, task: VideoTaskV2) -> StoreLink:
        if task.link is None:
            request, backend = task.request, self._backend
            is_h3 = (request.model, request.resolution) == (REGENERATED_MODEL, REGENERATED_FROM)
            video = backend.h3_video if is_h3 else backend.video
            task.link = backend.store.add(video, name="output.mp4")
        return task.link


def _make_error(task: VideoTaskV2) -> dict[str, str] | None:
    """Return the error with which the task fails; None if it succeeds."""
    prompt = task.request.content.prompt
    if BLOCK_OUTPUT_MARK in prompt:
        message = "video description contains sensitive content"
        return {"code": str(OUTPUT_SENSITIVE), "message": message}
    if FAIL_MARK in prompt:
        return {"code": str(UNKNOWN_ERROR), "message": "unknown error"}
    return None


def _make_usage(request: VideoRequestV2) -> dict[str, int]:
    tokens = request.duration_seconds * _TOKENS_PER_SECOND[request.resolution]
    return {
        "total_seconds": request.duration_seconds + request.content.video_seconds,
        "input_seconds": request.content.video_seconds,
        "output_seconds": request.duration_seconds,
        "input_image_count": request.content.images,
        "input_audio_seconds": request.content.audio_seconds,
        "total_tokens": tokens,
        "prompt_tokens": 0,
        "completion_tokens": tokens,
    }


def _read_base(params: Params, reader: ContentReader) -> RegenerationRequest:
    content = reader.read_with_base(params)
    frames = content.base.frames if content.base else LINKED_BASE_SECONDS * BASE_RATE
    return _make_regeneration(content, frames // BASE_RATE)


def _make_regeneration(content: RequestContent, seconds: int) -> RegenerationRequest:
    return RegenerationRequest(
        REGENERATED_MODEL, content, REGENERATED_TO, duration_seconds=seconds, ratio=""
    )


def _read_query_number(query: Mapping[str, str], name: str, *, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid_params(f"{name} must be a positive integer")
    return int(text)


def _read_request(params: Params, reader: ContentReader) -> VideoRequestV2:
    name = params.read_text("model", required=True)
    if name not in MODELS:
        raise invalid_params(f"unsupported model: {name}")
    model = MODELS[name]
    content = reader.read(params)
    resolution = params.read_choice("resolution", model.prices_usd, required=True)
    duration_seconds = params.read_integer(
        "duration", required=True, low=model.min_seconds, high=model.max_seconds
    )
    ratio = _read_ratio(params, content)
    _check_options(params, model)
    return VideoRequestV2(name, content, resolution, duration_seconds, ratio)


def _read_ratio(params: Params, content: RequestContent) -> str:
    ratio = params.read_choice("ratio", RATIOS, default=ADAPTIVE)
    if content.has_frames:
        return ADAPTIVE
    if not content.roles and ratio == ADAPTIVE:
        raise params.make_refusal("ratio", f"is required and must not be {ADAPTIVE} for text alone")
    return ratio


def _check_options(params: Params, model: VideoModelV2) -> None:
    if params.has("extra") and not model.supports_expansion:
        raise params.make_refusal("extra", "is not supported by this model")
    params.read_object("extra").check_names(("prompt_expansion_mode",))
    params.read_object("extra").read_choice("prompt_expansion_mode", EXPANSION_MODES)
    params.read_flag("aigc_watermark")
    params.read_text("callback_url")
