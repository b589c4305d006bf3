"""What is counted over the whole fleet."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define
class Tally:
    """Counts of one run; tallies of parts of a fleet add up.

    Attributes:
        by_minute: exchanges begun per simulated minute.
        granted, failures: exchanges that gave a token, and that gave none.
        plain, predicted: the former of clients whose auth API caches nothing, and what the
            windows predict for these.
        forced: tokens given up after a 401.
        requests, failed: requests made in trouble, and those that failed.
        complaints: broken promises.
    """

    by_minute: Counter[int] = attrs.field(factory=Counter)
    granted: int = 0
    failures: int = 0
    plain: int = 0
    predicted: float = 0.0
    forced: int = 0
    requests: int = 0
    failed: int = 0
    misfortunes: Counter[str] = attrs.field(factory=Counter)
    complaints: list[BaseException] = attrs.field(factory=list)

    def __add__(self, other: Tally) -> Tally:
        ours, theirs = attrs.asdict(self, recurse=False), attrs.asdict(other, recurse=False)
        return Tally(**{name: ours[name] + theirs[name] for name in ours})

    def exchange(self, now: float) -> None:
        self.by_minute[int(now // 60)] += 1

    @property
    def exchanges(self) -> int:
        return self.by_minute.total()

    def busiest(self, since: float, until: float, width: int) -> float:
        """Return the exchanges in the busiest `width` minutes, as a multiple of the mean."""
        first, last = int(since // 60), int(until // 60)
        counts = [
            sum(self.by_minute[minute] for minute in range(start, start + width))
            for start in range(first, last - width + 1, width)
        ]
        return max(counts) * len(counts) / max(1, sum(counts))
