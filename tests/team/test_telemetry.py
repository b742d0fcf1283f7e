"""What is measured, and where it goes."""

from collections.abc import Iterator
from typing import Any

import pytest

from minimax.errors import SettingsError
from minimax.ledger.records import Kind, State
from minimax.team import telemetry
from minimax.team.database import Database
from minimax.team.telemetry import Telemetry
from tests.ledger.suite import buy, buy_accepted, make_purchase, settle_as_doubt
from tests.team.stores import open_postgres_store

pytestmark = pytest.mark.anyio

sdk = pytest.importorskip("opentelemetry.sdk.metrics", reason="the extra `otel` is not installed")
export = pytest.importorskip("opentelemetry.sdk.metrics.export")


@pytest.fixture
def measured() -> Iterator[tuple[Telemetry, Any]]:
    reader = export.InMemoryMetricReader()
    provider = sdk.MeterProvider(metric_readers=[reader])
    yield Telemetry(provider.get_meter("minimax")), reader
    provider.shutdown()


def read(reader: Any) -> dict[tuple[str, ...], float]:
    """Every measurement by its name and the values of its attributes."""
    found = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    found[(metric.name, *sorted(point.attributes.values()))] = point.value
    return found


async def test_outcomes_dollars_open_jobs_and_lag_are_measured(
    database: Database, measured: tuple[Telemetry, Any]
) -> None:
    counting, reader = measured
    async with open_postgres_store(database, telemetry=counting) as store:
        ledger = await store.open()
        await buy_accepted(ledger, make_purchase(Kind.VIDEO, "a"))
        await buy_accepted(ledger, make_purchase(Kind.SPEECH, "b"))
        await settle_as_doubt(ledger, make_purchase(Kind.VIDEO, "c"))
        rejected = await buy(ledger, make_purchase(Kind.VIDEO, "d"))
        await ledger.mark_ended(rejected, State.REJECTED)
        store.clock.advance(12)
        await counting.measure(database)
    found = read(reader)
    assert found == {
        ("minimax.purchases", "accepted", "video"): 1,
        ("minimax.purchases", "accepted", "speech"): 1,
        ("minimax.purchases", "unknown", "video"): 1,
        ("minimax.purchases", "rejected", "video"): 1,
        ("minimax.dollars", "alice"): pytest.approx(0.56),
        ("minimax.open_jobs",): 1,
        ("minimax.follow_lag",): pytest.approx(12),
    }


async def test_an_acceptance_that_is_noted_twice_counts_once(
    database: Database, measured: tuple[Telemetry, Any]
) -> None:
    counting, reader = measured
    async with open_postgres_store(database, telemetry=counting) as store:
        ledger = await store.open()
        key = await buy_accepted(ledger, make_purchase())
        await ledger.mark_accepted(key, task_id="task-1")
    assert read(reader)["minimax.purchases", "accepted", "video"] == 1


def test_without_a_collector_nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(telemetry.ENDPOINT, raising=False)
    telemetry.configure()


def test_a_collector_without_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv(telemetry.ENDPOINT, "http://collector:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.metrics", None)
    with pytest.raises(SettingsError, match="--extra otel"):
        telemetry.configure()
