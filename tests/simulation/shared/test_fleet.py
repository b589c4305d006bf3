"""Many hosts that share a token through a store which fails by seed.

`SCOPE_SIM_SEED=N pytest tests/simulation/shared` repeats a run exactly.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.outages import HOUR
from tests.simulation.shared.fleet import FleetOutcome, simulate_fleet

SEED = int(os.environ.get("SCOPE_SIM_SEED", "1"))


def assert_one_token_for_all(outcome: FleetOutcome) -> None:
    assert outcome.violations == ()
    assert outcome.first_second == 1
    assert outcome.busiest_second == 1
    # Renewed between 5 and 15 percent of its life, and the buffer, before the end of each.
    assert outcome.calm_exchanges <= 1.0 + 1.25 * outcome.calm_lives


@pytest.mark.parametrize("seed", [SEED])
def test_forty_clients_share_one_token_for_three_days(seed: int) -> None:
    assert_one_token_for_all(simulate_fleet(seed, clients=40, hosts=8, days=3, lifetime=4 * HOUR))


def test_seed_repeats_the_fleet_exactly() -> None:
    first, second = (simulate_fleet(SEED, clients=10, hosts=3, days=3) for _ in range(2))
    assert first == second
    assert first.exchanges > 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [SEED])
def test_ten_thousand_clients_on_five_hundred_hosts_share_one_token_for_a_week(seed: int) -> None:
    assert_one_token_for_all(simulate_fleet(seed, clients=10_000, hosts=500, days=7))
