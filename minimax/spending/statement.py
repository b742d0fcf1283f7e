"""The account's statement: what was spent, what may be spent, and what the plan has left."""

import datetime
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr

from minimax.api.replies import PlanQuota
from minimax.errors import MiniMaxError
from minimax.ledger.records import DAY_SECONDS, Kind
from minimax.runtime import Runtime
from minimax.settings import GLOBAL_HOST, MAINLAND_HOST
from minimax.spending.wording import show_usd
from minimax.tool_results import AccountStatus, PlanQuotaRow

__all__ = ["kind_of_key", "make_statement", "summarize_quota"]

TOOLS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.VIDEO: "generate_video",
        Kind.LONG_SPEECH: "long_text_to_audio",
        Kind.SPEECH: "text_to_audio",
        Kind.IMAGE: "text_to_image",
        Kind.VOICE_DESIGN: "voice_design",
        Kind.CLONE_PREVIEW: "voice_clone",
        Kind.TRANSCRIPT: "transcribe_audio",
    }
)
REGIONS: Final[Mapping[str, str]] = MappingProxyType(
    {GLOBAL_HOST: "global", MAINLAND_HOST: "mainland China"}
)
PLAN_KEY: Final = "subscription plan"
PAY_AS_YOU_GO_KEY: Final = "pay-as-you-go"
KEY_PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {"sk-cp-": PLAN_KEY, "sk-api-": PAY_AS_YOU_GO_KEY}
)
"""MiniMax-AI/cli; keys made before 2026 have neither."""
SHOWN_DAYS: Final = 7
MONTH_DAYS: Final = 30


async def make_statement(runtime: Runtime) -> AccountStatus:
    """What a person asks about their money. Free; never fails for what MiniMax does not tell."""
    quota, note = await _read_quota(runtime)
    settings = runtime.settings
    spans = {
        days: await _sum_by_tool(runtime, days) for days in (*range(1, SHOWN_DAYS + 1), MONTH_DAYS)
    }
    spent_usd = sum(spans[1].values())
    limit_usd = settings.daily_limit_usd
    trouble = await runtime.ledger.read_trouble()
    host = (await runtime.client()).host
    sentences = [
        _say_spent(spent_usd, sandbox=settings.sandbox),
        _say_limit(limit_usd, team=settings.team),
        note,
        trouble,
    ]
    return AccountStatus(
        host="the sandbox on this computer" if settings.sandbox else host,
        region="sandbox" if settings.sandbox else REGIONS.get(host, "a host of your own"),
        key_kind="none needed" if settings.sandbox else kind_of_key(settings.api_key),
        spent_24_hours_usd=spans[1],
        spent_7_days_usd=spans[SHOWN_DAYS],
        spent_30_days_usd=spans[MONTH_DAYS],
        spent_by_day_usd=_sum_by_day(spans),
        daily_limit_usd=limit_usd,
        left_of_limit_usd=None if limit_usd is None else round(max(limit_usd - spent_usd, 0.0), 4),
        ask_above_usd=settings.ask_above_usd,
        open_jobs=await runtime.ledger.count_open_jobs(),
        plan_quota=quota,
        next_step=runtime.write_next_step(" ".join(filter(None, sentences))),
    )


async def _sum_by_tool(runtime: Runtime, days: int) -> dict[str, float]:
    sums = await runtime.ledger.sum_spending(days * DAY_SECONDS)
    return {TOOLS[kind]: round(usd, 4) for kind, usd in sums.items()}


def _sum_by_day(spans: Mapping[int, Mapping[str, float]]) -> list[float]:
    """Each day's own sum, from the sums of ever longer spans."""
    totals = [0.0, *(sum(spans[days].values()) for days in range(1, SHOWN_DAYS + 1))]
    return [round(max(late - early, 0.0), 4) for early, late in pairwise(totals)]


def _say_spent(spent_usd: float, *, sandbox: bool) -> str:
    if sandbox:
        return f"Spent: $0.00; at MiniMax it would have been {show_usd(spent_usd)} in 24 hours."
    return f"Spent in the last 24 hours, by list prices: {show_usd(spent_usd)}."


def _say_limit(limit_usd: float | None, *, team: bool) -> str:
    if limit_usd is None:
        return "No daily limit is set."
    who = "whoever runs this server" if team else "the person"
    return f"The daily limit is {show_usd(limit_usd)}; only {who} can change it."


def kind_of_key(key: SecretStr | None) -> str:
    """What a key's first letters say about how it is paid for."""
    if key is None:
        return "no key yet"
    text = key.get_secret_value()
    found = (kind for prefix, kind in KEY_PREFIXES.items() if text.startswith(prefix))
    return next(found, "unknown")


# --- the plan ----------------------------------------------------------------------------------


async def _read_quota(runtime: Runtime) -> tuple[list[PlanQuotaRow], str | None]:
    """The plan's rows, and a sentence where there are none."""
    client = await runtime.client()
    pays_as_it_goes = kind_of_key(runtime.settings.api_key) == PAY_AS_YOU_GO_KEY
    try:
        if pays_as_it_goes and not runtime.settings.sandbox:
            await client.list_voices("voice_cloning")  # free; finds the region and a refused key
            return [], (
                "A pay-as-you-go key has no quota but a balance, which the API does not report: "
                "see the billing page of the MiniMax platform."
            )
        rows = await client.read_plan_quota()
    except MiniMaxError as error:
        return [], f"The plan's quota could not be read: {error}"
    return [summarize_quota(row) for row in rows], None


def summarize_quota(row: PlanQuota) -> PlanQuotaRow:
    """One row of either form of MiniMax's reply; the percentage wins over the counts."""
    return PlanQuotaRow(
        name=row.model_name,
        remaining_percent=_percent(
            row.current_interval_remaining_percent,
            row.current_interval_usage_count,
            row.current_interval_total_count,
        ),
        resets_at=_time(row.end_time),
        weekly_remaining_percent=_percent(
            row.current_weekly_remaining_percent,
            row.current_weekly_usage_count,
            row.current_weekly_total_count,
        ),
        weekly_resets_at=_time(row.weekly_end_time),
    )


def _percent(told: float | None, remaining: int, total: int) -> float | None:
    if told is not None:
        return told
    return round(100 * remaining / total, 1) if total > 0 else None


def _time(milliseconds: int) -> str | None:
    try:
        when = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return f"{when:%Y-%m-%dT%H:%M:%SZ}" if milliseconds else None
