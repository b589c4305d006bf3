"""An open loop: requests arrive at fixed times, and latency counts from the time a request was due.

A closed loop sends the next request after the last was answered, so that a stall of the client is
one slow request. Here arrivals are fixed in advance: a stall counts for every request that was due
meanwhile, which avoids coordinated omission.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import Any

from hdrh.histogram import HdrHistogram

NANOSECONDS = 1e9
LONGEST = 120 * 10**9
DIGITS = 3
PERCENTILES = (50.0, 99.0, 99.9, 100.0)
SPIN = 0.002
"""Seconds before an arrival in which the loop is polled: epoll's timeout rounds up to a millisecond."""


def arrival_times(rate: float, seconds: float, seed: int = 1) -> list[float]:
    """Return the seconds after the start at which requests are due: `rate` per second, at random.

    Arrivals of independent users are a Poisson process; the same seed gives the same arrivals.
    """
    # Not for secrets: every run has to have the same arrivals.
    rng = random.Random(seed)  # noqa: S311
    return list(accumulate(rng.expovariate(rate) for _ in range(max(1, round(rate * seconds)))))


class LatencyRecorder:
    """Records latencies in an HDR histogram, from the time at which a request was due."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.failed = 0
        self.histogram = HdrHistogram(1, LONGEST, DIGITS)

    def record(self, due_at: float) -> float:
        """Record a request that was due at `due_at`; return the seconds that it took."""
        taken = self.clock() - due_at
        self.histogram.record_value(min(LONGEST, max(1, round(taken * NANOSECONDS))))
        return taken

    def milliseconds(self) -> list[float]:
        """Return the latency at each of `PERCENTILES`; the last is the longest."""
        return [self.histogram.get_value_at_percentile(share) / 1e6 for share in PERCENTILES]


async def open_loop(
    due: Iterable[float], request: Callable[[float], Coroutine[Any, Any, None]], clock: Callable[[], float]
) -> None:
    """Start a request at each time in `due`, late ones at once; return when all have ended."""
    started = clock()
    async with asyncio.TaskGroup() as group:
        for due_at in due:
            left = started + due_at - clock()
            while left > 0:
                await asyncio.sleep(left - SPIN if left > SPIN else 0)
                left = started + due_at - clock()
            group.create_task(request(started + due_at))


def open_loop_in_threads(
    due: Iterable[float],
    request: Callable[[float], None],
    clock: Callable[[], float],
    threads: int,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do the same in `threads` threads; each takes the next request that is due."""
    left, started = iter(due), clock()

    def work(_: int) -> None:
        for due_at in left:
            sleep(max(0.0, started + due_at - clock()))
            request(started + due_at)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
