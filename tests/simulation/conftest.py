"""The marker `slow`, for the simulations that take too long for every run."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes a minute or more; skipped unless run with -m slow")


@pytest.fixture(autouse=True)
def _skip_slow_unless_selected(request: pytest.FixtureRequest) -> None:
    if "slow" in request.keywords and "slow" not in request.config.getoption("markexpr"):
        pytest.skip("run it with -m slow")
