"""Prompts: throughput of fetches, memory, and an outage; reads and rendering are in `micro`."""

from __future__ import annotations

from benchmarks.harness.result import Result
from benchmarks.suites.prompts.fetches import fetches
from benchmarks.suites.prompts.memory import memory
from benchmarks.suites.prompts.outage import service_down


async def results(*, quick: bool) -> list[Result]:
    # A round takes some 50 ms, so that only many of them average over the load of the machine.
    return [
        *await fetches(rounds=3 if quick else 60, requests=500),
        *await memory(names=5_000 if quick else 100_000),
        *await service_down(prompts=50 if quick else 1_000),
    ]
