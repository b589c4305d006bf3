"""`python -m tests.simulation.shared --seed N`: ten thousand clients share a token for a week."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.shared.fleet import simulate_fleet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.shared", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--days", type=float, default=7)
    options = parser.parse_args()
    outcome = simulate_fleet(options.seed, clients=options.clients, hosts=options.hosts, days=options.days)
    for violation in outcome.violations:
        sys.stdout.write(f"violated: {violation}\n")
    sys.stdout.write(
        f"{options.clients} clients on {options.hosts} hosts, {options.days:g} days, seed {options.seed}: "
        f"{outcome.seconds:.1f} s\n"
        f"{outcome.outages} outages of the store or of a link to it, {outcome.killed} clients killed\n"
        f"{outcome.exchanges} exchanges; {outcome.calm_exchanges} in the {outcome.calm_lives:.1f} lives of a "
        "token in which the store was well\n"
        f"first second, all at once: {outcome.first_second}; busiest later: {outcome.busiest_second}\n"
    )
    sys.exit(1 if outcome.violations else 0)


if __name__ == "__main__":
    main()
