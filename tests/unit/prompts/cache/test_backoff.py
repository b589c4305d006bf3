from __future__ import annotations

import pytest

from scope_async.errors import (
    ConnectionError,
    RateLimitError,
    ScopeError,
    ServerError,
)
from scope_async.prompts.cache.backoff import FIRST_DELAY, LONGEST_DELAY, FailureBackoff

DOWN = ConnectionError("no route")


def delays(backoff: FailureBackoff, count: int, error: ScopeError = DOWN) -> list[float]:
    found = []
    for _ in range(count):
        backoff.record_failure("p", error, now=100.0)
        state = backoff.get("p")
        assert state is not None
        found.append(state.retry_at - 100.0)
    return found


def test_delay_doubles_from_one_second_to_sixty() -> None:
    backoff = FailureBackoff(limit=10, rng=lambda: 1.0)
    assert delays(backoff, 8) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (FIRST_DELAY, LONGEST_DELAY) == (1, 60)


def test_delay_is_at_least_half_of_it() -> None:
    assert delays(FailureBackoff(limit=10, rng=lambda: 0.0), 3) == [0.5, 1, 2]


@pytest.mark.parametrize(("retry_after", "delay"), [(20, 20), (0.1, 1), (3600, LONGEST_DELAY)])
def test_delay_follows_a_longer_retry_after_up_to_sixty_seconds(retry_after: float, delay: float) -> None:
    error = RateLimitError("slow", http_status=429, retry_after=retry_after)
    assert delays(FailureBackoff(limit=10, rng=lambda: 1.0), 1, error) == [delay]


def test_state_counts_failures_and_holds_the_last_error() -> None:
    backoff = FailureBackoff(limit=10)
    last = ServerError("broken", http_status=503)
    for error in (DOWN, last):
        backoff.record_failure("p", error, now=0.0)
    state = backoff.get("p")
    assert state is not None
    assert (state.failures, state.error) == (2, last)


def test_record_answer_forgets_failures() -> None:
    backoff = FailureBackoff(limit=10)
    backoff.record_failure("p", DOWN, now=0.0)
    backoff.record_answer("p")
    assert backoff.get("p") is None
    assert backoff.failing() == []


def test_states_are_bounded() -> None:
    backoff = FailureBackoff(limit=2)
    for key in "abc":
        backoff.record_failure(key, DOWN, now=0.0)
    assert [backoff.get(key) is not None for key in "abc"] == [False, True, True]


def test_clear_forgets_everything() -> None:
    backoff = FailureBackoff(limit=2)
    backoff.record_failure("p", DOWN, now=0.0)
    backoff.clear()
    assert backoff.get("p") is None
