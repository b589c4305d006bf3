"""`OpenTelemetryHook`: spans and metrics by OpenTelemetry's conventions (extra `otel`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from scope_async._version import __version__
from scope_async.telemetry.events import (
    CacheHit,
    CacheMiss,
    ClientClosed,
    CredentialsRefused,
    Event,
    FallbackUsed,
    FetchWaited,
    LeaseLost,
    LeaseTaken,
    PromptFetched,
    RenewalFailed,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
    SharedPromptTaken,
    SharedTokenTaken,
    StaleServed,
    StoreUnavailable,
    TokenExchanged,
    TokenWaited,
)
from scope_async.telemetry.otel.instruments import Instruments
from scope_async.telemetry.otel.metrics import ClientMetrics
from scope_async.telemetry.otel.spans import Spans, address_of

# The HTTP conventions are stable in this edition.
_SCHEMA = "https://opentelemetry.io/schemas/1.23.1"
_NAME = "scope_async"


class OpenTelemetryHook:
    """Makes spans and metrics of a client's events: `ScopeClient(hooks=[OpenTelemetryHook()])`.

    Uses the providers that the application has set up, and neither sets up nor ends any. One hook
    serves any number of clients. During each attempt of a call its span is the current one, and the
    HTTP instrumentation of other packages is suppressed, so that a trace stays whole beside them.

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
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider, _SCHEMA)
        self._instruments = Instruments(metrics.get_meter(_NAME, __version__, meter_provider, _SCHEMA))
        self._propagate = propagate
        self._unbound = ClientTelemetry(self._tracer, ClientMetrics(self._instruments, {}), propagate)

    def for_client(self, *, base_url: str, environment: str) -> ClientTelemetry:
        """Return the hook of one client; its gauges are distinguished by its address and environment."""
        attributes = {**address_of(base_url), "scope.environment": environment}
        return ClientTelemetry(self._tracer, ClientMetrics(self._instruments, attributes), self._propagate)

    def __call__(self, event: Event, /) -> None:
        """Take an event that a hook of your own passes on."""
        self._unbound(event)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        """Do as `ClientTelemetry.inject`, for a hook of your own that passes events on."""
        self._unbound.inject(request_id, headers)

    def around_attempt(self, request_id: str, /) -> AbstractContextManager[None]:
        """Do as `ClientTelemetry.around_attempt`, for a hook of your own that passes events on."""
        return self._unbound.around_attempt(request_id)


class ClientTelemetry:
    """The spans and metrics of one client."""

    def __init__(self, tracer: Tracer, measured: ClientMetrics, propagate: bool) -> None:
        self._spans = spans = Spans(tracer)
        self._metrics = measured
        self._propagate = propagate
        self._handlers: dict[type[Event], tuple[Callable[[Any], None], ...]] = {
            RequestStarted: (self._started,),
            RequestRetried: (spans.retried, measured.retried),
            PromptFetched: (spans.fetched, measured.fetched),
            ResponseReceived: (spans.answered, measured.answered),
            RequestFailed: (spans.failed, measured.failed),
            TokenExchanged: (measured.exchanged,),
            TokenWaited: (spans.waited_for_token, measured.waited_for_token),
            RenewalFailed: (measured.renewal_failed,),
            CredentialsRefused: (measured.refused,),
            CacheHit: (self._hit,),
            CacheMiss: (spans.missed,),
            FetchWaited: (spans.waited, self._waited),
            StaleServed: (measured.served_stale,),
            FallbackUsed: (lambda _: measured.read("fallback"),),
            SharedTokenTaken: (measured.exchanged, lambda _: measured.taken("token")),
            SharedPromptTaken: (lambda _: measured.taken("prompt"),),
            LeaseTaken: (lambda event: measured.lease(event.kind, "taken"),),
            LeaseLost: (lambda event: measured.lease(event.kind, "lost"),),
            StoreUnavailable: (lambda _: measured.store_unavailable(),),
            ClientClosed: (lambda _: measured.closed(),),
        }

    def __call__(self, event: Event, /) -> None:
        for handle in self._handlers.get(type(event), ()):
            handle(event)

    def inject(self, request_id: str, headers: dict[str, str], /) -> None:
        """Add `traceparent` to the headers of a request, so that the service continues the trace."""
        if self._propagate:
            self._spans.inject(request_id, headers)

    def around_attempt(self, request_id: str, /) -> AbstractContextManager[None]:
        """Return what makes the call's span the current one while its request is sent."""
        return self._spans.around_attempt(request_id)

    def _started(self, event: RequestStarted) -> None:
        if not self._spans.pop_suppressed(event):
            self._spans.started(event)
            self._metrics.started(event)

    def _hit(self, event: CacheHit) -> None:
        self._metrics.read("hit" if event.fresh else "stale")
        if event.request_id is not None:
            self._spans.served_while_renewed(event)

    def _waited(self, event: FetchWaited) -> None:
        # A stale copy or a fallback is counted at its own event, so that each read has one result.
        if event.outcome in ("fetched", "failed"):
            self._metrics.read("miss")
        if event.outcome == "failed":
            self._metrics.forget_copy(event)
