from __future__ import annotations

import pytest

from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectionError,
    InvalidCredentialsError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
    ValidationError,
)
from scope_async.http.failures import GATEWAY, OPEN_TIMEOUT, is_transient, is_unavailable, retry_delay

TRANSIENT = [
    ConnectionError("cut"),
    TimeoutError("no connection in time", error_code=OPEN_TIMEOUT),
    NotFoundError("a gateway's page", http_status=404, error_code=GATEWAY),
    AuthorizationError("a firewall's page", http_status=403, error_code=GATEWAY),
    RateLimitError("slow down", http_status=429),
    RateLimitError("slow down"),
    ApiError("a proxy closed the idle connection", http_status=408),
    # 529 and 599 are in no registry: RFC 9110 section 15 has a client treat them as 500.
    *(ServerError("failed", http_status=status) for status in (500, 502, 503, 504, 520, 529, 599)),
    ServerError("broken", http_status=200),
    ServerError("broken"),
]
UNAVAILABLE = [
    TimeoutError("late"),
    TokenRefreshError("no token yet", http_status=503),
    ServerError("redirect", http_status=302),
    ServerError("huge", http_status=200, error_code="reply_too_large"),
    *(ServerError("never", http_status=status) for status in (501, 505, 506, 507, 508, 510, 511)),
]
DEFINITIVE = [
    ApiError("bad request", http_status=400),
    AuthenticationError("who?", http_status=401),
    InvalidCredentialsError("no", http_status=401),
    AuthorizationError("no", http_status=403),
    NotFoundError("what?", http_status=404),
    ConflictError("twice", http_status=409),
    ClientClosedError("closed"),
    ConfigurationError("wrong"),
    ValidationError("wrong"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
def test_transient_failure_is_worth_a_retry_and_a_stale_copy(error) -> None:
    assert is_transient(error)
    assert is_unavailable(error)


@pytest.mark.parametrize("error", UNAVAILABLE, ids=str)
def test_unavailable_service_is_worth_a_stale_copy_but_no_retry(error) -> None:
    assert not is_transient(error)
    assert is_unavailable(error)


@pytest.mark.parametrize("error", DEFINITIVE, ids=str)
def test_definitive_failure_is_worth_neither(error) -> None:
    assert not is_transient(error)
    assert not is_unavailable(error)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (2.0, 2.0), (3600.0, 30.0)])
def test_retry_delay_is_retry_after_up_to_the_cap(asked, waited) -> None:
    error = RateLimitError("slow down", http_status=429, retry_after=asked)
    assert retry_delay(error, 1, base=0.5, cap=30.0, random=0.9) == waited


def test_retry_delay_has_full_jitter_without_retry_after() -> None:
    assert retry_delay(ConnectionError("cut"), 2, base=0.5, cap=30.0, random=0.5) == 0.5
