from __future__ import annotations

import builtins

import aiohttp
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
from scope_async.http.failures import full_jitter, is_transient, retry_delay


def timeout(*, by: Exception) -> TimeoutError:
    error = TimeoutError(f"late: {type(by).__name__}")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("cut"),
        timeout(by=aiohttp.ConnectionTimeoutError()),
        RateLimitError("slow down", http_status=429),
        *(ServerError("failed", http_status=status) for status in (500, 502, 503, 504)),
        ServerError("broken", http_status=200),
        ServerError("broken"),
    ],
    ids=str,
)
def test_what_passes_is_tried_again(error) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        timeout(by=builtins.TimeoutError()),
        ApiError("bad request", http_status=400),
        AuthenticationError("who?", http_status=401),
        InvalidCredentialsError("no", http_status=401),
        TokenRefreshError("no token yet", http_status=503),
        AuthorizationError("no", http_status=403),
        NotFoundError("what?", http_status=404),
        ConflictError("twice", http_status=409),
        ServerError("redirect", http_status=302),
        ServerError("huge", http_status=200, error_code="reply_too_large"),
        ServerError("never", http_status=501),
        ServerError("never", http_status=505),
        ClientClosedError("closed"),
        ConfigurationError("wrong"),
        ValidationError("wrong"),
    ],
    ids=str,
)
def test_what_stays_is_not_tried_again(error) -> None:
    assert not is_transient(error)


def test_the_delay_doubles_up_to_the_cap() -> None:
    longest = [full_jitter(attempt, base=0.5, cap=3.0, draw=1.0) for attempt in range(1, 6)]
    assert longest == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_the_jitter_is_full() -> None:
    assert full_jitter(3, base=0.5, cap=30.0, draw=0.0) == 0.0
    assert full_jitter(3, base=0.5, cap=30.0, draw=0.25) == 0.5


def test_a_huge_number_of_attempts_is_no_overflow() -> None:
    assert full_jitter(10_000, base=0.5, cap=30.0, draw=1.0) == 30.0


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (2.0, 2.0), (3600.0, 30.0)])
def test_retry_after_wins_up_to_the_cap(asked, waited) -> None:
    error = RateLimitError("slow down", http_status=429, retry_after=asked)
    assert retry_delay(error, 1, base=0.5, cap=30.0, draw=0.9) == waited


def test_without_retry_after_the_jitter_decides() -> None:
    assert retry_delay(ConnectionError("cut"), 2, base=0.5, cap=30.0, draw=0.5) == 0.5
