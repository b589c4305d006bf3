"""What a store costs those who share it: FileStore and RedisStore, next to a client without one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from benchmarks.harness.result import Result, Spread, SuiteResult
from benchmarks.harness.stores import ALONE, missing_stores, store_urls
from benchmarks.reporting.bar_chart import BarChart
from benchmarks.suites.stores.latency import OPERATIONS, SHARED_PROMPT, Latencies, measure_latencies
from benchmarks.suites.stores.memory_reads import memory_reads

PERCENTILES = (50, 99)


async def results(*, quick: bool) -> SuiteResult:
    """Return the latencies with every store, and what one costs a read from memory."""
    rounds, calls, seconds = (1, 10, 1.2) if quick else (4, 200, 3.0)
    with store_urls() as urls:
        found = await measure_latencies(urls, rounds=rounds, calls=calls, seconds=seconds)
        reads = await memory_reads(urls, rounds=2 if quick else 25, reads=500 if quick else 50_000)
    rows = [
        Result.informative(
            f"{store}: {operation}, p{share}", Spread.of(taken.percentile(operation, share)), "ms"
        )
        for store, taken in found.items()
        for operation in OPERATIONS
        for share in PERCENTILES
    ]
    shared = [
        _came_from_the_store(store, taken.taken, rounds * calls)
        for store, taken in found.items()
        if store != ALONE
    ]
    return SuiteResult(
        [*rows, *shared, *reads], {"stores.svg": chart(found).svg()}, missing=missing_stores(urls)
    )


def _came_from_the_store(store: str, taken: int, reads: int) -> Result:
    """Return how many shared prompts came from the store: on a busy machine some are fetched instead."""
    return Result.count(
        f"{store}: shared prompts that came from the store",
        taken,
        reads,
        unit="reads",
        reached=taken > reads / 2,
        detail="" if taken == reads else "the store was slower than a caller waits for it, who fetched then",
    )


def chart(found: Mapping[str, Latencies]) -> BarChart:
    """Return the medians of a shared prompt."""
    medians = {
        store: statistics.median(taken.percentile(SHARED_PROMPT, 50)) for store, taken in found.items()
    }
    stores = " and ".join(
        f"{value:.1f} ms with {store}" for store, value in medians.items() if store != ALONE
    )
    return BarChart(
        f"A prompt that another process has takes {stores}",
        "median of the first read (ms); without a store it is a request to a service on the same machine",
        medians,
    )
