"""What a simulation counts over all clients."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define
class Metrics:
    """Counts of one run; the metrics of several processes can be added.

    Attributes:
        by_minute: exchanges started, by simulated minute.
        granted, failures: exchanges that returned a token, and that failed.
        uncached, predicted: `granted` of the clients whose auth API always issues a new token, and
            what the refresh policy predicts for them.
        forced: tokens invalidated after a 401.
        requests, failed: requests made during disruptions, and those that failed.
        disruptions: by name.
        violations: broken invariants.
    """

    by_minute: Counter[int] = attrs.field(factory=Counter)
    granted: int = 0
    failures: int = 0
    uncached: int = 0
    predicted: float = 0.0
    forced: int = 0
    requests: int = 0
    failed: int = 0
    disruptions: Counter[str] = attrs.field(factory=Counter)
    violations: list[BaseException] = attrs.field(factory=list)

    def __add__(self, other: Metrics) -> Metrics:
        ours, theirs = attrs.asdict(self, recurse=False), attrs.asdict(other, recurse=False)
        return Metrics(**{name: ours[name] + theirs[name] for name in ours})

    def count_exchange(self, now: float) -> None:
        self.by_minute[int(now // 60)] += 1

    @property
    def exchanges(self) -> int:
        return self.by_minute.total()

    def peak_to_mean(self, since: float, until: float, width: int) -> float:
        """Return the exchanges in the busiest `width` minutes, as a multiple of the mean."""
        first, last = int(since // 60), int(until // 60)
        counts = [
            sum(self.by_minute[minute] for minute in range(start, start + width))
            for start in range(first, last - width + 1, width)
        ]
        return max(counts) * len(counts) / max(1, sum(counts))
