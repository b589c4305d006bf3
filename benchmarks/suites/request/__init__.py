"""One uncached request: its time layer by layer, what a profiler finds, and the memory that it holds."""

from __future__ import annotations

from benchmarks.harness.result import Findings
from benchmarks.suites.request.layers import layers
from benchmarks.suites.request.memory import held
from benchmarks.suites.request.profile import profile


async def findings(*, quick: bool) -> Findings:
    figures, chart = await layers(rounds=3 if quick else 60)
    figures += await held(50 if quick else 500)
    figures += await profile(500 if quick else 20_000)
    return Findings(figures, {"layers.svg": chart.svg()})
