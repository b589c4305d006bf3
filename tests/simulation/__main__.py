"""`python -m tests.simulation --seed N`: simulate a thousand clients for a month and print the counts."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.runner import simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument(
        "--processes", type=int, default=2, help="spread the clients over processes; the result is the same"
    )
    options = parser.parse_args()
    options_to_repeat = f"--seed {options.seed} --clients {options.clients} --days {options.days:g}"
    try:
        outcome = simulate(
            options.seed, clients=options.clients, days=options.days, processes=options.processes
        )
    except AssertionError:
        sys.stdout.write(f"repeat: python -m tests.simulation {options_to_repeat}\n")
        raise
    metrics = outcome.metrics
    sys.stdout.write(
        f"{options.clients} clients, {options.days:g} days, seed {options.seed}: {outcome.seconds:.1f} s\n"
        f"{outcome.outages} outages of the auth API, {outcome.hours_down:.1f} h in total\n"
        + "; ".join(f"{count} x {name}" for name, count in sorted(metrics.disruptions.items()))
        + f"\n{metrics.granted} exchanges succeeded, {metrics.failures} failed\n"
        f"{metrics.forced} tokens were invalidated after a 401\n"
        f"{metrics.requests} requests during disruptions, {metrics.failed} failed\n"
        f"exchanges: {outcome.exchange_ratio:.3f} x predicted\n"
        f"busiest minute of the last week: {outcome.peak_to_mean:.2f} x the mean\n"
    )


if __name__ == "__main__":
    main()
