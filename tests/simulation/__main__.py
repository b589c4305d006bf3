"""`python -m tests.simulation --seed N`: a month of a thousand clients, and what it came to."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.runner import simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--processes", type=int, default=2, help="share the clients out; the run is the same")
    options = parser.parse_args()
    again = f"--seed {options.seed} --clients {options.clients} --days {options.days:g}"
    try:
        outcome = simulate(
            options.seed, clients=options.clients, days=options.days, processes=options.processes
        )
    except AssertionError:
        sys.stdout.write(f"again: python -m tests.simulation {again}\n")
        raise
    tally = outcome.tally
    sys.stdout.write(
        f"{options.clients} clients, {options.days:g} days, seed {options.seed}: {outcome.seconds:.1f} s\n"
        f"{outcome.outages} outages of the auth API, {outcome.hours_down:.1f} h in all\n"
        + "; ".join(f"{count} x {name}" for name, count in sorted(tally.misfortunes.items()))
        + f"\n{tally.granted} exchanges gave a token, {tally.failures} none; {tally.forced} came of a 401\n"
        f"{tally.requests} requests made in trouble, {tally.failed} failed\n"
        f"exchanges: {outcome.rate:.3f} x predicted\n"
        f"busiest minute of the last week: {outcome.busiest:.2f} x the mean\n"
    )


if __name__ == "__main__":
    main()
