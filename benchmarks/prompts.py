"""What the prompts layer promises, as figures.

    python -m benchmarks.prompts [--quick]

Everything is compared with its floor within the same round, and the ratios are given as
median and quartiles, so that a machine that is busy with other things matters little.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import sys

from benchmarks.interleaved import Figure
from benchmarks.prompt_fetches import fetches
from benchmarks.prompt_outage import service_down
from benchmarks.prompt_reads import cached_reads, memory
from benchmarks.prompt_rendering import large_templates, two_variables


async def figures(*, quick: bool) -> list[Figure]:
    # A round of a millisecond or so meets the machine in one mood; many of them meet all its moods.
    rounds = 10 if quick else 500
    return [
        *await cached_reads(rounds=rounds, times=2_000),
        *await two_variables(rounds=rounds, times=2_000),
        *await large_templates(rounds=rounds, times=100),
        *await fetches(rounds=3 if quick else 60, requests=500),
        *await memory(names=5_000 if quick else 100_000),
        *await service_down(prompts=50 if quick else 1_000),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: shows that it runs, not how fast")
    options = parser.parse_args()
    logging.getLogger("scope_async").setLevel(logging.CRITICAL)
    found = asyncio.run(figures(quick=options.quick))
    print(f"Python {platform.python_version()}, {platform.machine()}; median (quartiles)")
    for figure in found:
        print(figure.lines())
    sys.exit(not all(figure.reached for figure in found))


if __name__ == "__main__":
    main()
