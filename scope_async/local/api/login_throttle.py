"""Limits on failed token exchanges."""

from __future__ import annotations

from attrs import define

from scope_async._core.clock import Clock

WINDOW = 60.0
"""Seconds over which failed exchanges are counted."""
PER_ADDRESS = 100
PER_KEY = 30
_COUNTERS_KEPT = 10_000


@define
class _Counter:
    since: float
    failures: int = 0


class LoginThrottle:
    """Counts failed exchanges by address and by API key.

    An address over its limit is refused. A key over its limit is refused to the addresses that
    failed with it, so that an attacker cannot lock out the service that has the right secret.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[tuple[str, str], _Counter] = {}

    def check(self, address: str, api_key: str) -> float | None:
        """Return how many seconds this exchange is still refused, or None if it is allowed."""
        if not self._counters:
            return None
        wait = self._over((address, ""), PER_ADDRESS)
        if wait is None and self._over((address, api_key), 1) is not None:
            wait = self._over(("", api_key), PER_KEY)
        return wait

    def add_failure(self, address: str, api_key: str) -> None:
        """Count a failed exchange."""
        now = self._clock.monotonic()
        for source in ((address, ""), ("", api_key), (address, api_key)):
            counter = self._counters.get(source)
            if counter is None or now - counter.since >= WINDOW:
                counter = self._counters[source] = _Counter(now)
            counter.failures += 1
        if len(self._counters) > _COUNTERS_KEPT:
            self._drop_old(now)

    def clear_failures(self) -> None:
        self._counters.clear()

    def _over(self, source: tuple[str, str], limit: int) -> float | None:
        counter = self._counters.get(source)
        if counter is None or counter.failures < limit:
            return None
        left = counter.since + WINDOW - self._clock.monotonic()
        return left if left > 0 else None

    def _drop_old(self, now: float) -> None:
        recent = {
            source: counter for source, counter in self._counters.items() if now - counter.since < WINDOW
        }
        newest = sorted(recent.items(), key=lambda item: item[1].since)[-_COUNTERS_KEPT // 2 :]
        self._counters = dict(newest)
