"""A client under OpenTelemetry, with exporters in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from scope_async import ScopeClient
from scope_async.local import LocalScope
from scope_async.telemetry.otel import OpenTelemetryHook

GET = "GET /api/v1/prompts/{name}/production"
HELD = 100.0
WAIT = "scope get_prompt_version"
EXCHANGE = "POST /v1/auth/applications/login"


class Traced:
    """A client with a hook, the application's tracer, and all spans that have ended."""

    def __init__(self, local: LocalScope, **options) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer: Tracer = self.provider.get_tracer("app")
        hook = OpenTelemetryHook(
            tracer_provider=self.provider,
            meter_provider=MeterProvider([self.reader]),
            propagate=options.pop("propagate", True),
        )
        self.scope = ScopeClient(
            local.credentials,
            **{"base_url": local.url, "auth_api_url": local.url, "retry_base_delay": 0.0} | options,
            hooks=[hook],
            clock=local.clock,
        )

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def points(self) -> dict[str, list[Any]]:
        """Return the data points of all metrics by name, as they are now."""
        return points_of(self.reader)


def points_of(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Return the data points of all metrics by name, as they are now."""
    found = reader.get_metrics_data()
    return {
        metric.name: list(metric.data.data_points)
        for resource in (found.resource_metrics if found is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@asynccontextmanager
async def tracing(local: LocalScope, **options) -> AsyncIterator[Traced]:
    traced = Traced(local, **options)
    async with traced.scope:
        await traced.scope.tokens.get()
        yield traced


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def links_of(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]
