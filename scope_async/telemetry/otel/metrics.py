"""The metrics of `OpenTelemetryHook`: calls, the cache, and the token."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from scope_async._core.bounded_dict import BoundedDict
from scope_async._core.clock import SystemClock
from scope_async.telemetry.events import (
    RequestFailed,
    RequestStarted,
    ResponseReceived,
    TokenExchanged,
    TokenWaited,
)
from scope_async.telemetry.otel.spans import address_of, error_type

# What the HTTP conventions say for durations.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_EXCHANGE = "exchange"
_MAX_OPEN = 10_000
"""Calls remembered until an event ends them; some never end."""


class Metrics:
    """Instruments that are fed by events; durations are in seconds."""

    def __init__(self, meter: Meter, *, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic or SystemClock().monotonic
        self._calls: BoundedDict[str, dict[str, str | int]] = BoundedDict(_MAX_OPEN)
        self._expires_at: float | None = None
        self._durations = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of calls to the Scope API and the auth API, with their retries.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._reads = meter.create_counter(
            "scope.prompt.cache.reads",
            unit="{read}",
            description="Prompt versions asked for, by scope.cache.result: hit, stale, miss, fallback.",
        )
        self._exchanges = meter.create_counter(
            "scope.token.exchanges",
            unit="{exchange}",
            description="Token exchanges; those that failed have error.type.",
        )
        self._waits = meter.create_histogram(
            "scope.token.wait.duration",
            unit="s",
            description="Time that calls waited for a token.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        meter.create_observable_gauge(
            "scope.token.expires_in",
            callbacks=[self._life_left],
            unit="s",
            description="Life left in the token; 0 when it has expired.",
        )

    def started(self, event: RequestStarted) -> None:
        self._calls[event.request_id] = {
            "http.request.method": event.method,
            "url.template": event.template,
            "url.scheme": event.url.partition(":")[0],
            **address_of(event.url),
        }

    def answered(self, event: ResponseReceived) -> None:
        self._ended(event, None)

    def failed(self, event: RequestFailed) -> None:
        self._ended(event, error_type(event.error, event.status))

    def _ended(self, event: ResponseReceived | RequestFailed, error: str | None) -> None:
        attributes = self._calls.pop(event.request_id, None)
        if attributes is None:
            return
        if event.status:
            attributes["http.response.status_code"] = event.status
        if error is not None:
            attributes["error.type"] = error
        self._durations.record(event.duration_ms / 1000, attributes)
        if event.operation == _EXCHANGE:
            self._exchanges.add(1, {} if error is None else {"error.type": error})

    def read(self, result: str) -> None:
        """Count one read of the cache: `hit`, `stale`, `miss` or `fallback`."""
        self._reads.add(1, {"scope.cache.result": result})

    def exchanged(self, event: TokenExchanged) -> None:
        self._expires_at = self._monotonic() + event.expires_in_ms / 1000

    def waited_for_token(self, event: TokenWaited) -> None:
        self._waits.record(event.duration_ms / 1000)

    def closed(self) -> None:
        """Observe no token any more."""
        self._expires_at = None

    def _life_left(self, _: CallbackOptions) -> Iterable[Observation]:
        # Called from the exporter's thread, so it is read once.
        expires_at = self._expires_at
        if expires_at is not None:
            yield Observation(max(0.0, expires_at - self._monotonic()))
