"""Outages of the auth API, the same for all clients."""

from __future__ import annotations

from bisect import bisect_right
from random import Random
from typing import Literal

import attrs

from scope_async import AuthorizationError, ConnectionError, RateLimitError, ServerError

Kind = Literal["unreachable", "failing", "limiting", "hanging", "firewall"]

HOUR = 3600.0
DAY = 24 * HOUR


@attrs.frozen
class Outage:
    starts_at: float
    ends_at: float
    kind: Kind
    retry_after: float

    def error(self) -> Exception:
        if self.kind == "unreachable":
            return ConnectionError("no route to the auth API")
        if self.kind == "limiting":
            return RateLimitError("slow down", http_status=429, retry_after=self.retry_after)
        if self.kind == "firewall":
            return AuthorizationError("denied", http_status=403, http_body="<html>denied</html>")
        return ServerError("down", http_status=503)


class OutageSchedule:
    """An outage about once a day, of 5 s to three hours, and none after `none_after` (seconds)."""

    def __init__(self, random: Random, none_after: float) -> None:
        self._outages: list[Outage] = []
        at = random.expovariate(1 / DAY)
        while at < none_after:
            ends_at = min(at + 5 * (3 * HOUR / 5) ** random.random(), none_after)
            kind: Kind = random.choice(("unreachable", "failing", "limiting", "hanging", "firewall"))
            self._outages.append(Outage(at, ends_at, kind, random.uniform(0.0, 120.0)))
            at = ends_at + random.expovariate(1 / DAY)
        self._starts = [outage.starts_at for outage in self._outages]

    @property
    def hours_down(self) -> float:
        return sum(outage.ends_at - outage.starts_at for outage in self._outages) / HOUR

    def __len__(self) -> int:
        return len(self._outages)

    def at(self, instant: float) -> Outage | None:
        """Return the outage at this instant, None while the auth API is up."""
        index = bisect_right(self._starts, instant) - 1
        if index >= 0 and instant < self._outages[index].ends_at:
            return self._outages[index]
        return None

    def is_up(self, since: float, until: float) -> bool:
        """Return True if the auth API was up all the time from `since` to `until`."""
        return self.at(since) is None and bisect_right(self._starts, since) == bisect_right(
            self._starts, until
        )
