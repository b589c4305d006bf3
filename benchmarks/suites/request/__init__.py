"""One uncached request: its time layer by layer, what a profiler finds, and the memory that it holds."""

from __future__ import annotations

from benchmarks.harness.result import SuiteResult
from benchmarks.suites.request.layers import layers
from benchmarks.suites.request.memory import request_memory
from benchmarks.suites.request.profile import profile


async def run(*, quick: bool) -> SuiteResult:
    results, chart = await layers(rounds=3 if quick else 60)
    results += await request_memory(50 if quick else 500)
    results += await profile(500 if quick else 20_000)
    return SuiteResult(results, {"layers.svg": chart.svg()})
