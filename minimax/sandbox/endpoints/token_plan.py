"""GET /v1/token_plan/remains: what is left of a plan, in the format of June 2026."""

from typing import Any, Final

from minimax.sandbox.clock import Clock

INTERVAL_MS: Final = 5 * 60 * 60 * 1000
WEEK_MS: Final = 7 * 24 * 60 * 60 * 1000
BUCKETS: Final = ("general", "video")


def describe_quota(clock: Clock) -> dict[str, Any]:
    """A plan that nobody has used: the sandbox does not count requests."""
    now_ms = round(clock.now() * 1000)
    row = {
        **_window("current_interval", remaining_percent=100),
        **_window("current_weekly", remaining_percent=100),
        "start_time": now_ms,
        "end_time": now_ms + INTERVAL_MS,
        "remains_time": INTERVAL_MS,
        "weekly_start_time": now_ms,
        "weekly_end_time": now_ms + WEEK_MS,
        "weekly_remains_time": WEEK_MS,
    }
    return {"model_remains": [{"model_name": name, **row} for name in BUCKETS]}


def _window(name: str, *, remaining_percent: int) -> dict[str, Any]:
    return {
        f"{name}_total_count": 0,
        f"{name}_usage_count": 0,
        f"{name}_remaining_percent": remaining_percent,
        f"{name}_status": 1,
    }
