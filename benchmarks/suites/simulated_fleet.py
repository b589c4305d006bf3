"""What is past this machine: ten thousand clients on five hundred hosts share a token, in simulated time."""

from __future__ import annotations

from benchmarks.harness.result import Result
from tests.simulation.shared.fleet import simulate_fleet

SEED = 1


def results(*, quick: bool) -> list[Result]:
    """Return the exchanges of a fleet whose store, and whose links to it, fail now and then."""
    clients, hosts, days = (40, 8, 3) if quick else (10_000, 500, 2)
    outcome = simulate_fleet(SEED, clients=clients, hosts=hosts, days=days)
    name = f"{clients:,} simulated clients on {hosts} hosts for {days} days"
    lives = f"{outcome.calm_lives:.1f} lives of a token"
    return [
        Result.count(
            f"{name}: exchanges while the store is well",
            outcome.calm_exchanges,
            round(1.0 + 1.25 * outcome.calm_lives),
            unit="exchanges",
            reached=0 < outcome.calm_exchanges <= 1.0 + 1.25 * outcome.calm_lives,
            detail=f"in {lives}; {outcome.exchanges} in all, {outcome.outages} outages",
        ),
        Result.count(f"{name}: most exchanges in one second", outcome.busiest_second, 1, unit="exchanges"),
        Result.count(f"{name}: clients without a valid token", len(outcome.violations), 0, unit="clients"),
    ]
