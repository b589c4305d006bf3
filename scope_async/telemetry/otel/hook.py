"""`OpenTelemetryHook`: spans and metrics by OpenTelemetry's conventions (extra `otel`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from scope_async._version import __version__
from scope_async.telemetry.events import (
    CacheHit,
    CacheMiss,
    ClientClosed,
    Event,
    FallbackUsed,
    FetchWaited,
    PromptFetched,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
    StaleServed,
    TokenExchanged,
    TokenWaited,
)
from scope_async.telemetry.otel.metrics import Metrics
from scope_async.telemetry.otel.spans import Spans

# The HTTP conventions are stable in this edition.
_SCHEMA = "https://opentelemetry.io/schemas/1.23.1"
_NAME = "scope_async"


class OpenTelemetryHook:
    """Makes spans and metrics of a client's events: `ScopeClient(hooks=[OpenTelemetryHook()])`.

    Uses the providers that the application has set up, and neither sets up nor ends any. One
    hook is for one client: the gauge of the token's life knows one token.

    Args:
        tracer_provider: default is the global one.
        meter_provider: default is the global one.
        propagate: whether requests carry `traceparent`, or what the global propagators write
            instead. Baggage is never sent.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        propagate: bool = True,
    ) -> None:
        self._spans = spans = Spans(trace.get_tracer(_NAME, __version__, tracer_provider, _SCHEMA))
        self._metrics = measured = Metrics(metrics.get_meter(_NAME, __version__, meter_provider, _SCHEMA))
        self._propagate = propagate
        self._handlers: dict[type[Event], tuple[Callable[[Any], None], ...]] = {
            RequestStarted: (spans.started, measured.started),
            RequestRetried: (spans.retried,),
            PromptFetched: (spans.fetched,),
            ResponseReceived: (spans.answered, measured.answered),
            RequestFailed: (spans.failed, measured.failed),
            TokenExchanged: (measured.exchanged,),
            TokenWaited: (spans.waited_for_token, measured.waited_for_token),
            CacheHit: (self._hit,),
            CacheMiss: (spans.missed,),
            FetchWaited: (spans.waited, self._waited),
            StaleServed: (lambda _: measured.read("stale"),),
            FallbackUsed: (lambda _: measured.read("fallback"),),
            ClientClosed: (lambda _: measured.closed(),),
        }

    def __call__(self, event: Event, /) -> None:
        for handle in self._handlers.get(type(event), ()):
            handle(event)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        """Add `traceparent` to the headers of a request, so that the service continues the trace."""
        if self._propagate:
            self._spans.inject(request_id, headers)

    def _hit(self, event: CacheHit) -> None:
        self._metrics.read("hit" if event.fresh else "stale")
        if event.request_id is not None:
            self._spans.served_while_renewed(event)

    def _waited(self, event: FetchWaited) -> None:
        # A stale copy or a fallback is counted at its own event, so that each read has one result.
        if event.outcome in ("fetched", "failed"):
            self._metrics.read("miss")
