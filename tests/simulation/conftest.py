"""The marker of the simulations that are too long for every run."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes a minute or more; skipped unless run with -m slow")


@pytest.fixture(autouse=True)
def _slow_ones_only_when_asked_for(request: pytest.FixtureRequest) -> None:
    if "slow" in request.keywords and "slow" not in request.config.getoption("markexpr"):
        pytest.skip("run it with -m slow")
