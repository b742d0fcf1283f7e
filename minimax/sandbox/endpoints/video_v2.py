"""Video v2, the H3 series: the order, its states, the list, and taking an order back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from minimax.sandbox.api_errors import OUTPUT_SENSITIVE, UNKNOWN_ERROR, Refusal, invalid_params
from minimax.sandbox.bounded import BoundedDict
from minimax.sandbox.checks.fields import Params
from minimax.sandbox.endpoints.video_shared import Studio
from minimax.sandbox.endpoints.video_v2_content import Contents, Reader
from minimax.sandbox.scenarios import BLOCK_OUTPUT_MARK, FAIL_MARK, moderate_prompt
from minimax.sandbox.signed_links import StoreLink
from minimax.sandbox.units import DAY_SECONDS, MB

# minimax-api: POST /v2/video_generation.
LARGEST_BODY_BYTES: Final = 64 * MB
RECORD_LIFE_SECONDS: Final = 7 * DAY_SECONDS
ADAPTIVE: Final = "adaptive"
RATIOS: Final = (ADAPTIVE, "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
EXPANSION_MODES: Final = ("disabled", "balanced", "quality")


# The list's page size is not documented; these are the sandbox's.
DEFAULT_PAGE_ITEMS, LARGEST_PAGE_ITEMS = 10, 100

# minimax-api: derived from two recorded answers; 480P by its share of the pixels.
_TOKENS_PER_SECOND: Final = {"480P": 12_900, "768P": 32_549, "2K": 52_078}


@dataclass(frozen=True)
class VideoModelV2:
    """What one model takes, and its list prices in USD per second of film and per image."""

    prices_usd: Mapping[str, float]
    shortest_seconds: int
    free_images: int
    image_price_usd: float
    takes_expansion: bool = False
    longest_seconds: int = 15


MODELS: Final = {
    "MiniMax-H3": VideoModelV2(
        prices_usd={"768P": 0.08, "2K": 0.13},
        shortest_seconds=4,
        free_images=5,
        image_price_usd=0.04,
    ),
    "MiniMax-H3-Max": VideoModelV2(
        prices_usd={"480P": 0.05, "768P": 0.08},
        shortest_seconds=5,
        free_images=2,
        image_price_usd=0.074,
        takes_expansion=True,
    ),
}


@dataclass(frozen=True)
class Order:
    """A request that keeps every rule."""

    model: str
    contents: Contents
    resolution: str
    duration_seconds: int
    ratio: str

    @property
    def price_usd(self) -> float:
        """The list price; reference clips are not priced, their length is often unknown."""
        model = MODELS[self.model]
        paid_images = max(0, self.contents.pictures - model.free_images)
        film_usd = self.duration_seconds * model.prices_usd[self.resolution]
        return film_usd + paid_images * model.image_price_usd


@dataclass
class VideoTaskV2:
    """One accepted order."""

    id: str
    order: Order
    created_at: float
    cancelled_at: float | None = None
    link: StoreLink | None = None

    @property
    def model(self) -> str:
        """The model that was ordered."""
        return self.order.model


class VideosV2(BoundedDict[str, VideoTaskV2]):
    """The account's v2 orders by task id."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._reader = Reader(files=studio.files, clock=studio.clock)

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /v2/video_generation."""
        order = _checked_order(Params(body), self._reader)
        moderate_prompt(order.contents.prompt)
        task = VideoTaskV2(self._studio.ids.new_task_id(), order, self._studio.clock.now())
        self[task.id] = task
        self._studio.bill.charge("video", order.price_usd, item_id=task.id)
        return {"task_id": task.id}

    def query(self, task_id: str) -> dict[str, Any]:
        """GET /v2/query/video_generation/{task_id}."""
        task = self.get(task_id)
        if task is None:
            raise Refusal(UNKNOWN_ERROR, "record not found")
        if not self._is_recent(task):
            raise invalid_params("invalid task_id")
        return {"task": self._described(task)}

    def list_tasks(self, query: Mapping[str, str]) -> dict[str, Any]:
        """GET /v2/query/video_generation: newest first, of the last seven days."""
        page = _query_number(query, "page_num", default=1)
        size = _query_number(query, "page_size", default=DEFAULT_PAGE_ITEMS)
        found = [task for task in reversed(self.values()) if self._is_listed(task, query)]
        start = (page - 1) * min(size, LARGEST_PAGE_ITEMS)
        shown = found[start : start + min(size, LARGEST_PAGE_ITEMS)]
        return {"items": [self._described(task) for task in shown], "total": len(found)}

    def delete(self, task_id: str) -> dict[str, Any]:
        """DELETE /v2/video_generation/{task_id}: cancels what waits, forgets what ended."""
        task = self.get(task_id)
        if task is None or not self._is_recent(task):
            raise invalid_params("invalid task_id")
        status = self.status(task)
        if status in {"running", "cancelled"}:
            raise invalid_params(f"task is {status} and cannot be deleted")
        outcome = self._cancel(task) if status == "queued" else self._forget(task)
        return {"task_id": task_id, "action": outcome, "status": outcome}

    def status(self, task: VideoTaskV2) -> str:
        """The word for where the order stands now."""
        if task.cancelled_at is not None:
            return "cancelled"
        age_seconds = self._studio.clock.now() - task.created_at
        if age_seconds < self._studio.stages.waiting_seconds:
            return "queued"
        if age_seconds < self._studio.stages.total_seconds:
            return "running"
        return "failed" if _error(task) else "succeeded"

    def _cancel(self, task: VideoTaskV2) -> str:
        task.cancelled_at = self._studio.clock.now()
        self._studio.bill.refund(item_id=task.id)
        return "cancelled"

    def _forget(self, task: VideoTaskV2) -> str:
        del self[task.id]
        return "deleted"

    def _is_recent(self, task: VideoTaskV2) -> bool:
        return self._studio.clock.now() - task.created_at < RECORD_LIFE_SECONDS

    def _is_listed(self, task: VideoTaskV2, query: Mapping[str, str]) -> bool:
        facts = {
            "filter.status": self.status(task),
            "filter.model": task.model,
            "filter.task_type": "generation",
            "filter.task_ids": task.id,
        }
        return self._is_recent(task) and all(
            fact in query[name].split(",") for name, fact in facts.items() if query.get(name)
        )

    def _described(self, task: VideoTaskV2) -> dict[str, Any]:
        order, status = task.order, self.status(task)
        facts: dict[str, Any] = {
            "id": task.id,
            "model": order.model,
            "status": status,
            "created_at": int(task.created_at),
            "updated_at": int(self._updated_at(task)),
            "resolution": order.resolution,
            "duration": order.duration_seconds,
            "ratio": order.ratio,
            "usage": {},
            "task_type": "generation",
        }
        if status == "succeeded":
            facts |= {"content": {"url": self._link(task)}, "usage": _usage(order)}
        if status == "failed":
            facts["error"] = _error(task)
        return facts

    def _updated_at(self, task: VideoTaskV2) -> float:
        """When the order came into the state it is in."""
        if task.cancelled_at is not None:
            return task.cancelled_at
        changes = (0.0, self._studio.stages.waiting_seconds, self._studio.stages.total_seconds)
        return max(
            task.created_at + seconds
            for seconds in changes
            if task.created_at + seconds <= self._studio.clock.now()
        )

    def _link(self, task: VideoTaskV2) -> StoreLink:
        if task.link is None:
            task.link = self._studio.store.add(self._studio.film, name="output.mp4")
        return task.link


def _error(task: VideoTaskV2) -> dict[str, str] | None:
    """Why the order will fail; None for one that succeeds."""
    prompt = task.order.contents.prompt
    if BLOCK_OUTPUT_MARK in prompt:
        message = "video description contains sensitive content"
        return {"code": str(OUTPUT_SENSITIVE), "message": message}
    if FAIL_MARK in prompt:
        return {"code": str(UNKNOWN_ERROR), "message": "unknown error"}
    return None


def _usage(order: Order) -> dict[str, int]:
    tokens = order.duration_seconds * _TOKENS_PER_SECOND[order.resolution]
    return {
        "total_seconds": order.duration_seconds,
        "input_seconds": 0,
        "output_seconds": order.duration_seconds,
        "input_image_count": order.contents.pictures,
        "total_tokens": tokens,
        "prompt_tokens": 0,
        "completion_tokens": tokens,
    }


def _query_number(query: Mapping[str, str], name: str, *, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid_params(f"{name} must be a positive integer")
    return int(text)


def _checked_order(params: Params, reader: Reader) -> Order:
    name = params.read_text("model", required=True)
    if name not in MODELS:
        raise invalid_params(f"unsupported model: {name}")
    model = MODELS[name]
    contents = reader.read(params)
    resolution = params.read_choice("resolution", model.prices_usd, required=True)
    duration_seconds = params.read_integer(
        "duration", required=True, low=model.shortest_seconds, high=model.longest_seconds
    )
    ratio = _checked_ratio(params, contents)
    _check_switches(params, model)
    return Order(name, contents, resolution, duration_seconds, ratio)


def _checked_ratio(params: Params, contents: Contents) -> str:
    ratio = params.read_choice("ratio", RATIOS, default=ADAPTIVE)
    if contents.has_frames:
        return ADAPTIVE
    if not contents.roles and ratio == ADAPTIVE:
        raise params.make_refusal("ratio", f"is required and must not be {ADAPTIVE} for text alone")
    return ratio


def _check_switches(params: Params, model: VideoModelV2) -> None:
    if params.has("extra") and not model.takes_expansion:
        raise params.make_refusal("extra", "is not supported by this model")
    params.read_object("extra").check_names(("prompt_expansion_mode",))
    params.read_object("extra").read_choice("prompt_expansion_mode", EXPANSION_MODES)
    params.read_flag("aigc_watermark")
    params.read_text("callback_url")
