"""How cost grows with coroutines, with processes on one store, and with cached prompts."""

from __future__ import annotations

import asyncio

from benchmarks.harness.result import SuiteResult
from benchmarks.suites.scale.processes import process_scaling
from benchmarks.suites.scale.prompts import prompt_scaling
from benchmarks.suites.scale.waiters import waiter_scaling


def run(*, quick: bool) -> SuiteResult:
    """Return the results and one chart of each kind."""
    coroutines, waiting = asyncio.run(waiter_scaling(quick=quick))
    processes, shared = asyncio.run(process_scaling(quick=quick))
    prompts, cached = asyncio.run(prompt_scaling(quick=quick))
    charts = {
        "scale-coroutines.svg": waiting.svg(),
        "scale-processes.svg": shared.svg(),
        "scale-prompts.svg": cached.svg(),
    }
    return SuiteResult([*coroutines, *processes, *prompts], charts)
