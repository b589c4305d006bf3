"""What befalls the auth API as a whole: outages, the same for the whole fleet."""

from __future__ import annotations

from bisect import bisect_right
from random import Random
from typing import Literal

import attrs

from scope_async import ConnectionError, RateLimitError, ServerError

Kind = Literal["unreachable", "failing", "limiting", "hanging"]

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
        return ServerError("down", http_status=503)


class Weather:
    """An outage every day or so, of seconds to three hours, and none from `calm_from` on."""

    def __init__(self, random: Random, calm_from: float) -> None:
        self._outages: list[Outage] = []
        at = random.expovariate(1 / DAY)
        while at < calm_from:
            ends_at = min(at + 5 * (3 * HOUR / 5) ** random.random(), calm_from)
            kind: Kind = random.choice(("unreachable", "failing", "limiting", "hanging"))
            self._outages.append(Outage(at, ends_at, kind, random.uniform(0.0, 120.0)))
            at = ends_at + random.expovariate(1 / DAY)
        self._starts = [outage.starts_at for outage in self._outages]

    @property
    def hours_down(self) -> float:
        return sum(outage.ends_at - outage.starts_at for outage in self._outages) / HOUR

    @property
    def outages(self) -> int:
        return len(self._outages)

    def at(self, instant: float) -> Outage | None:
        """Return the outage at this instant."""
        index = bisect_right(self._starts, instant) - 1
        if index >= 0 and instant < self._outages[index].ends_at:
            return self._outages[index]
        return None

    def fair(self, since: float, until: float) -> bool:
        """Tell whether there was no outage from `since` to `until`."""
        return self.at(since) is None and bisect_right(self._starts, since) == bisect_right(
            self._starts, until
        )
