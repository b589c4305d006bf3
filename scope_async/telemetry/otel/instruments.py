"""The instruments of `OpenTelemetryHook`, which all of its clients share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol
from weakref import WeakValueDictionary

from opentelemetry.metrics import CallbackOptions, Meter, Observation

Attributes = Mapping[str, str | int]

# What the HTTP conventions say for durations.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_GAUGES: Mapping[str, tuple[str, Callable[[float, float], float], str]] = {
    "scope.token.expires_in": ("s", min, "Life left in the token; 0 when it has expired."),
    "scope.token.refused": ("{refusal}", max, "1 while the auth API refuses the credentials, else 0."),
    "scope.prompt.copy.age": ("s", max, "Age of the oldest stale copy that stands in; 0 when none does."),
    "scope.outage.duration": (
        "s",
        max,
        "Time since the first failure that no answer has followed, by scope.api: auth, prompts; else 0.",
    ),
}
"""Name, unit, and which of two clients with the same attributes is shown: the worse one."""


class Observed(Protocol):
    """What the gauges show of one client."""

    def observe(self, gauge: str) -> Iterable[tuple[float, Attributes]]:
        """Return the values of the gauge of that name; called from the exporter's thread."""
        ...


class Instruments:
    """Counters and histograms to record with, and gauges that observe every client."""

    def __init__(self, meter: Meter) -> None:
        self._clients: WeakValueDictionary[int, Observed] = WeakValueDictionary()
        self._numbers = count()
        self.durations = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of calls to the Scope API and the auth API, with their retries.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.retries = meter.create_counter(
            "scope.request.retries",
            unit="{retry}",
            description="Attempts that failed and that another one followed, by error.type.",
        )
        self.reads = meter.create_counter(
            "scope.prompt.cache.reads",
            unit="{read}",
            description="Prompt versions asked for, by scope.cache.result: hit, stale, miss, fallback.",
        )
        self.exchanges = meter.create_counter(
            "scope.token.exchanges",
            unit="{exchange}",
            description="Token exchanges; those that failed have error.type.",
        )
        self.waits = meter.create_histogram(
            "scope.token.wait.duration",
            unit="s",
            description="Time that calls waited for a token.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.taken = meter.create_counter(
            "scope.store.entries.taken",
            unit="{entry}",
            description="Tokens and prompt versions that another process had put into the shared store.",
        )
        self.leases = meter.create_counter(
            "scope.store.leases",
            unit="{lease}",
            description="Times that this process asked for all, by scope.store.result: taken, lost.",
        )
        self.store_outages = meter.create_counter(
            "scope.store.outages",
            unit="{outage}",
            description="Times that the shared store became unavailable.",
        )
        for name, (unit, worse, description) in _GAUGES.items():
            meter.create_observable_gauge(
                name, callbacks=[self._observing(name, worse)], unit=unit, description=description
            )

    def add_client(self, client: Observed) -> None:
        """Let the gauges show `client` until it is garbage."""
        self._clients[next(self._numbers)] = client

    def _observing(
        self, name: str, worse: Callable[[float, float], float]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            found: dict[frozenset[tuple[str, str | int]], float] = {}
            # The exporter's thread: `valuerefs` copies in one step, while clients come and go.
            for reference in self._clients.valuerefs():
                client = reference()
                for value, attributes in () if client is None else client.observe(name):
                    key = frozenset(attributes.items())
                    found[key] = worse(found.get(key, value), value)
            return [Observation(value, dict(key)) for key, value in found.items()]

        return observe
