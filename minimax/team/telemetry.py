"""Spans and metrics, through OpenTelemetry's API; without the extra `otel` none are sent."""

import os
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer

from minimax.errors import SettingsError
from minimax.ledger.records import State
from minimax.team.database import Connection, Database

__all__ = ["MEASURE_SECONDS", "Telemetry", "configure"]

NAME: Final = "minimax"
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""Of OpenTelemetry; where it is set, spans and metrics are sent."""
MEASURE_SECONDS: Final = 30.0

_OPEN_JOBS: Final = """
SELECT count(*) AS jobs,
    COALESCE(max(minimax_now() - COALESCE(asked_at, created_at)), 0) AS lag
FROM minimax_purchases
WHERE task_id IS NOT NULL AND state = 'accepted' AND final_reply IS NULL
    AND created_at > minimax_now() - 7 * 86400
"""


class Telemetry:
    """What is measured.

    Args:
        meter: Where measurements go; the process's own when not given.
        tracer: Where spans go, likewise.
    """

    def __init__(self, meter: Meter | None = None, tracer: Tracer | None = None) -> None:
        meter = meter or metrics.get_meter(NAME)
        self.tracer = tracer or trace.get_tracer(NAME)
        self._purchases = meter.create_counter(
            "minimax.purchases", description="Paid requests by kind and outcome."
        )
        self._dollars = meter.create_counter(
            "minimax.dollars", unit="USD", description="List prices of what was accepted."
        )
        self._open_jobs = meter.create_gauge(
            "minimax.open_jobs", description="Accepted jobs that have not ended."
        )
        self._follow_lag = meter.create_gauge(
            "minimax.follow_lag",
            unit="s",
            description="Since the job that has waited longest was last asked about.",
        )

    def count_outcome(
        self, *, account: str, kind: str, state: State, price_usd: float | None
    ) -> None:
        """A paid request has this outcome now."""
        self._purchases.add(1, {"kind": kind, "outcome": state.value})
        if state is State.ACCEPTED:
            self._dollars.add(price_usd or 0.0, {"account": account})

    async def measure(self, database: Database) -> None:
        """Look how many jobs are open, and how well they are followed."""

        async def read(db: Connection) -> tuple[int, float]:
            row = await (await db.execute(_OPEN_JOBS)).fetchone()
            return (0, 0.0) if row is None else (int(row["jobs"]), float(row["lag"]))

        jobs, lag_seconds = await database.run(read)
        self._open_jobs.set(jobs)
        self._follow_lag.set(lag_seconds)


def configure() -> None:
    """Send spans and metrics to the collector that the environment names, if it names one.

    Raises:
        SettingsError: It names one, and the extra that sends them is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise SettingsError(
            f"{ENDPOINT} is set, and what sends spans and metrics is not installed. Run: "
            "uv sync --extra team --extra otel"
        ) from None
    resource = Resource.create({"service.name": "minimax-server"})
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracing)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))
