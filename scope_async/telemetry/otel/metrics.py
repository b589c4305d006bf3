"""What `OpenTelemetryHook` measures of one client: calls, the cache, the token, outages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scope_async._core.bounded_dict import BoundedDict
from scope_async._core.clock import SystemClock
from scope_async.telemetry.events import (
    CredentialsRefused,
    FetchWaited,
    PromptFetched,
    RenewalFailed,
    RequestFailed,
    RequestRetried,
    RequestStarted,
    ResponseReceived,
    SharedTokenTaken,
    StaleServed,
    TokenExchanged,
    TokenWaited,
)
from scope_async.telemetry.otel.instruments import Attributes, Instruments
from scope_async.telemetry.otel.spans import address_of, error_type

_EXCHANGE = "exchange"
_PROMPTS = "prompts."
_MAX_OPEN = 10_000
"""Calls remembered until an event ends them; some never end."""

_MAX_COPIES = 1000
_UNAVAILABLE = frozenset({"ConnectionError", "TimeoutError", "ServerError", "RateLimitError"})
"""Errors after which the service has not answered; any other one is an answer, or the caller's own."""


class ClientMetrics:
    """Records the events of one client with the shared `instruments`; its gauges have `attributes`.

    Durations are in seconds, instants those of `monotonic`.
    """

    def __init__(
        self,
        instruments: Instruments,
        attributes: Attributes,
        *,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._instruments = instruments
        self._attributes = attributes
        self._monotonic = monotonic or SystemClock().monotonic
        self._calls: BoundedDict[str, dict[str, str | int]] = BoundedDict(_MAX_OPEN)
        self._copies: BoundedDict[tuple[str, str], float] = BoundedDict(_MAX_COPIES)
        self._failing_since: dict[str, float | None] = {}
        self._expires_at: float | None = None
        self._refused: bool | None = None
        instruments.add_client(self)

    def started(self, event: RequestStarted) -> None:
        self._calls[event.request_id] = {
            "http.request.method": event.method,
            "url.template": event.template,
            "url.scheme": event.url.partition(":")[0],
            **address_of(event.url),
        }

    def retried(self, event: RequestRetried) -> None:
        attributes = self._calls.get(event.request_id)
        if attributes is not None:
            kind = error_type(event.error, event.status)
            self._instruments.retries.add(1, {**attributes, "error.type": kind})

    def answered(self, event: ResponseReceived) -> None:
        self._ended(event, None)
        if event.operation.startswith(_PROMPTS):
            self._failing_since["prompts"] = None

    def failed(self, event: RequestFailed) -> None:
        self._ended(event, error_type(event.error, event.status))
        if event.operation.startswith(_PROMPTS) and event.error in _UNAVAILABLE:
            self._begin_outage("prompts")

    def _ended(self, event: ResponseReceived | RequestFailed, error: str | None) -> None:
        attributes = self._calls.pop(event.request_id, None)
        if attributes is None:
            return
        if event.status:
            attributes["http.response.status_code"] = event.status
        if error is not None:
            attributes["error.type"] = error
        self._instruments.durations.record(event.duration_ms / 1000, attributes)
        if event.operation == _EXCHANGE:
            self._instruments.exchanges.add(1, {} if error is None else {"error.type": error})

    def read(self, result: str) -> None:
        """Count one read of the cache: `hit`, `stale`, `miss` or `fallback`."""
        self._instruments.reads.add(1, {"scope.cache.result": result})

    def served_stale(self, event: StaleServed) -> None:
        self.read("stale")
        self._copies[event.prompt, event.selector] = self._monotonic() - event.age_ms / 1000

    def fetched(self, event: PromptFetched) -> None:
        self._copies.pop((event.prompt, event.selector), None)

    def forget_copy(self, event: FetchWaited) -> None:
        """Note that nothing stood in: there is no copy any more."""
        self._copies.pop((event.prompt, event.selector), None)

    def exchanged(self, event: TokenExchanged | SharedTokenTaken) -> None:
        self._expires_at = self._monotonic() + event.expires_in_ms / 1000
        self._refused = False
        self._failing_since["auth"] = None

    def taken(self, kind: str) -> None:
        """Count what came from the shared store: a `token` or a `prompt`."""
        self._instruments.taken.add(1, {"scope.store.kind": kind})

    def lease(self, kind: str, result: str) -> None:
        """Count a lease that was `taken` or `lost`."""
        self._instruments.leases.add(1, {"scope.store.kind": kind, "scope.store.result": result})

    def store_unavailable(self) -> None:
        """Count an outage of the shared store."""
        self._instruments.store_outages.add(1)

    def renewal_failed(self, _: RenewalFailed) -> None:
        self._begin_outage("auth")

    def refused(self, _: CredentialsRefused) -> None:
        self._refused = True
        self._failing_since["auth"] = None

    def waited_for_token(self, event: TokenWaited) -> None:
        self._instruments.waits.record(event.duration_ms / 1000)

    def closed(self) -> None:
        """Observe nothing any more, until the client is used again."""
        self._expires_at = self._refused = None
        self._failing_since = {}
        self._copies.clear()

    def observe(self, gauge: str) -> Iterable[tuple[float, Attributes]]:
        """Return the values of a gauge; from the exporter's thread, so that each state is read once."""
        now, known = self._monotonic(), self._attributes
        failing, expires_at, refused = dict(self._failing_since), self._expires_at, self._refused
        if gauge == "scope.token.expires_in" and expires_at is not None:
            yield max(0.0, expires_at - now), known
        elif gauge == "scope.token.refused" and refused is not None:
            yield float(refused), known
        elif gauge == "scope.prompt.copy.age" and "prompts" in failing:
            stored_at = list(self._copies.values())
            yield max((now - at for at in stored_at), default=0.0), known
        elif gauge == "scope.outage.duration":
            for api, since in failing.items():
                yield 0.0 if since is None else now - since, {**known, "scope.api": api}

    def _begin_outage(self, api: str) -> None:
        if self._failing_since.get(api) is None:
            self._failing_since[api] = self._monotonic()
