"""What the token source promises, as figures.

    python -m benchmarks.tokens [--quick]

Everything is compared with its floor in plain Python within the same round, and the ratios
are given as median and quartiles, so that a machine that is busy with other things matters little.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import sys

from benchmarks.interleaved import Figure
from benchmarks.token_renewal import auth_api_down, slow_renewals
from benchmarks.token_source import memory, reads, short_token, waiters


async def figures(*, quick: bool) -> list[Figure]:
    return [
        *await reads(rounds=10 if quick else 100),
        *await waiters(rounds=3 if quick else 15),
        *await short_token(),
        *await memory(),
        *await slow_renewals(cycles=2 if quick else 8),
        *await auth_api_down(rounds=1 if quick else 3),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description=__doc__)
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
