"""What the prompts layer promises, as figures; what a read or a rendering costs is in `micro`."""

from __future__ import annotations

from benchmarks.harness.result import Figure
from benchmarks.suites.prompts.fetches import fetches
from benchmarks.suites.prompts.memory import memory
from benchmarks.suites.prompts.outage import service_down


async def figures(*, quick: bool) -> list[Figure]:
    # A round of some 50 ms meets the machine in one mood; many of them meet all its moods.
    return [
        *await fetches(rounds=3 if quick else 60, requests=500),
        *await memory(names=5_000 if quick else 100_000),
        *await service_down(prompts=50 if quick else 1_000),
    ]
