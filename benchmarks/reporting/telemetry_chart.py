"""Draws docs/images/telemetry.svg: the gauges of a real client, read once in a quarter of a second.

`python -m benchmarks.reporting.telemetry_chart` takes a minute.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Literal

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from benchmarks.reporting.line_chart import Axis, Line, LineChart
from scope_async import ScopeClient, ScopeError
from scope_async.local import LocalScope
from scope_async.telemetry.otel import OpenTelemetryHook

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "telemetry.svg"
LIFETIME = 12
STEP = 0.25
SCENES: list[tuple[float, Literal["exchange", "prompt"] | None]] = [
    (10.0, None),
    (18.0, "exchange"),
    (10.0, None),
    (12.0, "prompt"),
    (10.0, None),
]
"""Seconds, and what is out of order meanwhile."""

GAUGES = {"scope.token.expires_in": "life left in the token", "scope.prompt.copy.age": "oldest copy served"}


def gauges(reader: InMemoryMetricReader) -> dict[str, float]:
    """Return the gauges that the picture shows, as they are now."""
    found = reader.get_metrics_data()
    return {
        metric.name: float(point.value)
        for resource in (found.resource_metrics if found is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if metric.name in GAUGES and isinstance(point, NumberDataPoint)
    }


async def record() -> tuple[dict[str, list[tuple[float, float]]], list[tuple[float, float]]]:
    """Return the points of each gauge over time, and the spans of the outages."""
    reader = InMemoryMetricReader()
    hook = OpenTelemetryHook(meter_provider=MeterProvider([reader]))
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in GAUGES}
    bands: list[tuple[float, float]] = []
    async with LocalScope(token_ttl=LIFETIME) as local:
        await local.add_prompt("greeting", "Hello, {{name}}!")
        async with ScopeClient(
            local.credentials,
            hooks=[hook],
            base_url=local.url,
            auth_api_url=local.url,
            cache_ttl=1,
            stale_while_revalidate=0,
            max_retries=0,
        ) as scope:
            await scope.get_prompt_version("greeting")
            started = time.monotonic()
            for seconds, broken in SCENES:
                begun = time.monotonic() - started
                fault: AbstractContextManager[object] = (
                    local.faults.status(broken, 503) if broken else nullcontext()
                )
                with fault:
                    while (now := time.monotonic() - started) < begun + seconds:
                        with suppress(ScopeError):
                            await scope.get_prompt_version("greeting")
                        for name, value in gauges(reader).items():
                            points[name].append((now, value))
                        await asyncio.sleep(STEP)
                if broken:
                    bands.append((begun, time.monotonic() - started))
    return points, bands


def main() -> None:
    points, bands = asyncio.run(record())
    highest = max(value for series in points.values() for _, value in series)
    chart = LineChart(
        title="A token outlives an outage until it expires; copies stand in for as long as it takes",
        x=Axis("seconds", 0, sum(seconds for seconds, _ in SCENES)),
        y=Axis("seconds", 0, max(highest, 1.0) * 1.05),
        lines=[Line(GAUGES[name], series) for name, series in points.items()],
        bands=bands,
        band_label="out of order: auth API, prompts",
    )
    PICTURE.write_text(chart.svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
