from __future__ import annotations

import pytest

from scope_async.auth.refresh_policy import (
    MIN_INTERVAL,
    RefreshPolicy,
    attempt_timeout,
    cached_refresh_after,
    cap_to_usable_life,
    extends_lifetime,
    plan_refresh,
    probe_delay,
    usable_for,
)
from scope_async.auth.token import AccessToken, no_token
from scope_async.errors import ConnectionError, InvalidCredentialsError, RateLimitError, ServerError


def test_plan_refresh_is_one_buffer_before_the_expiry() -> None:
    planned = plan_refresh(3600, buffer=60, random=0.0)
    assert (planned.refresh_after, planned.usable_for, planned.clamped) == (3540, 3595, False)


def test_plan_refresh_is_earlier_by_up_to_a_tenth_of_the_lifetime_at_random() -> None:
    assert plan_refresh(3600, buffer=60, random=0.5).refresh_after == 3540 - 180
    assert plan_refresh(3600, buffer=60, random=1.0).refresh_after == 3540 - 360


@pytest.mark.parametrize("lifetime", [4, 60, 119])
def test_plan_refresh_clamps_the_buffer_to_half_the_lifetime(lifetime: float) -> None:
    planned = plan_refresh(lifetime, buffer=60, random=0.0)
    assert planned.refresh_after == lifetime / 2
    assert planned.clamped
    assert planned.buffer == lifetime / 2


def test_plan_refresh_accepts_a_buffer_of_half_the_lifetime() -> None:
    assert not plan_refresh(120, buffer=60, random=0.0).clamped


def test_plan_refresh_without_a_buffer_is_while_the_token_is_usable() -> None:
    planned = plan_refresh(3600, buffer=0, random=0.0)
    assert planned.refresh_after == planned.usable_for == 3595


@pytest.mark.parametrize(("lifetime", "expected"), [(4, 3.92), (100, 98), (250, 245), (86400, 86395)])
def test_usable_for_ends_two_percent_and_at_most_five_seconds_before_the_expiry(
    lifetime: float, expected: float
) -> None:
    assert usable_for(lifetime) == pytest.approx(expected)


def test_extends_lifetime_by_more_than_a_tenth() -> None:
    assert extends_lifetime(gained=361, lifetime=3600)
    assert not extends_lifetime(gained=360, lifetime=3600)
    assert not extends_lifetime(gained=-5, lifetime=3600)


def test_cached_refresh_after_is_half_of_what_is_left_and_at_least_a_second() -> None:
    assert cached_refresh_after(60) == 30
    assert cached_refresh_after(0.1) == 1.0


@pytest.mark.parametrize(
    ("delay", "left", "expected"),
    [
        (3, 100, 3),
        (600, 100, 95),
        (600, 8, 4),
        (600, 0.2, MIN_INTERVAL),
        (0, 100, MIN_INTERVAL),
    ],
)
def test_cap_to_usable_life_leaves_time_for_one_more_attempt(
    delay: float, left: float, expected: float
) -> None:
    assert cap_to_usable_life(delay, left=left) == expected


@pytest.mark.parametrize(
    ("life_left", "callers_left", "timed_out", "expected"),
    [
        (60, 30, False, 30),
        (36, 30, False, 27),
        (60, 30, True, 30),
        (15, 30, False, 11.25),
        (15, 30, True, 15),
        (3600, 30, False, 30),
        (0.5, 30, False, 1),
        (0, 30, False, 10),
        (-5, 30, True, 30),
        (0, 12, True, 12),
    ],
)
def test_attempt_timeout_leaves_time_for_another_attempt(
    life_left, callers_left, timed_out, expected
) -> None:
    limit = attempt_timeout(30, life_left=life_left, callers_left=callers_left, timed_out=timed_out)
    assert limit == pytest.approx(expected)


def test_probe_delay_grows_from_30_seconds_to_5_minutes() -> None:
    assert [probe_delay(n) for n in (1, 2, 3, 4, 5, 6, 100_000)] == [30, 60, 120, 240, 300, 300, 300]


def policy(random: float = 0.5) -> RefreshPolicy:
    return RefreshPolicy(buffer=60, rng=lambda: random)


def token(*, usable_until: float, lifetime: float = 100.0, refresh_at: float = 0.0) -> AccessToken:
    return AccessToken(
        "t", "Bearer t", 1, "key", lifetime, refresh_at, usable_until, usable_until, lambda: 0.0
    )


NONE = no_token(lambda: 0.0)
BUSY = ServerError("busy", http_status=503)
REFUSED = InvalidCredentialsError("no", http_status=401)


def test_due_at_is_the_later_of_the_tokens_refresh_and_the_next_attempt() -> None:
    decides = policy()
    assert decides.due_at(token(usable_until=100, refresh_at=40)) == 40
    decides.failed(BUSY, now=50, left=50)
    assert decides.due_at(token(usable_until=100, refresh_at=40)) == decides.next_at > 50


def test_granted_plans_the_refresh_and_ends_failures_and_refusals() -> None:
    decides = policy(random=0.0)
    decides.failed(BUSY, now=0, left=0)
    decides.refused(REFUSED, now=0, left=0)
    planned = decides.granted(3600, asked_at=10, now=11, previous=NONE)
    assert planned == plan_refresh(3600, buffer=60, random=0.0)
    assert (decides.error, decides.refusal, decides.next_at) == (None, None, 11 + MIN_INTERVAL)
    assert decides.blocking_error(11) is None


def test_granted_asks_again_at_half_of_what_is_left_when_the_token_is_a_cached_one() -> None:
    previous = token(usable_until=98)
    planned = policy().granted(50, asked_at=50, now=50, previous=previous)
    assert planned.usable_for == 49
    assert planned.refresh_after == pytest.approx(24.5)


def test_granted_of_a_short_token_is_no_cached_one_when_there_was_none() -> None:
    planned = policy(random=0.0).granted(50, asked_at=50, now=50, previous=NONE)
    assert planned.refresh_after == 25


def test_failed_blocks_callers_only_without_a_usable_token() -> None:
    decides = policy()
    decides.failed(BUSY, now=0, left=50)
    assert decides.blocking_error(0) is None
    decides.failed(BUSY, now=0, left=0)
    assert decides.blocking_error(0) is BUSY
    assert decides.unblocked_in(1) == pytest.approx(2.0)
    assert decides.blocking_error(3) is None


def test_failed_grows_the_delay_with_full_jitter_up_to_a_minute() -> None:
    decides = policy(random=1.0)
    assert [decides.failed(BUSY, now=0, left=10_000) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("retry_after", "left", "delay"), [(20, 100, 20), (200, 100, 95), (200, 0, 60)])
def test_failed_honours_retry_after_while_the_token_is_usable(retry_after, left, delay) -> None:
    error = RateLimitError("slow down", http_status=429, retry_after=retry_after)
    assert policy().failed(error, now=0, left=left) == delay


def test_failed_keeps_retry_after_but_for_one_attempt_before_the_expiry() -> None:
    decides = policy()
    limited = RateLimitError("slow down", http_status=429, retry_after=40)
    assert decides.failed(limited, now=0, left=50) == 40
    assert decides.failed(limited, now=40, left=10) == 5
    assert decides.failed(limited, now=45, left=5) == 40
    assert decides.blocking_error(51) is limited


def test_refused_probes_once_more_before_the_token_expires() -> None:
    decides = policy()
    assert [decides.refused(REFUSED, now=now, left=100 - now) for now in (0, 30, 90)] == [30, 60, 5]
    assert decides.refused(REFUSED, now=95, left=5) == 240


def test_refused_has_the_provider_asked_every_few_seconds() -> None:
    for random in (0.0, 1.0):
        decides = policy(random)
        decides.refused(REFUSED, now=0, left=0)
        assert decides.due_at(NONE) == decides.poll_at == 2.0 + 1.5 * random
        assert not decides.is_exchange_due(NONE, 3.5)
        decides.polled(3.5)
        assert decides.due_at(NONE) == 5.5 + 1.5 * random
        assert decides.is_exchange_due(NONE, 30)


@pytest.mark.parametrize(
    ("error", "attempt", "left", "delay"),
    [
        (ConnectionError("cut"), 1, 10, 0.0),
        (ConnectionError("cut"), 2, 10, 0.5),
        (BUSY, 1, 10, 0.25),
        (BUSY, 4, 10, 1.0),
        (BUSY, 4, 1.6, 0.8),
        (BUSY, 4, 0.9, MIN_INTERVAL),
        (BUSY, 4, 0.5, None),
        (RateLimitError("slow", http_status=429, retry_after=7), 1, 10, 7),
        (RateLimitError("slow", http_status=429, retry_after=0), 4, 10, 1.0),
        (RateLimitError("slow", http_status=429, retry_after=40), 1, 30, None),
    ],
)
def test_retried_leaves_time_for_one_more_attempt_before_the_callers_give_up(
    error, attempt, left, delay
) -> None:
    decides = policy()
    assert decides.retried(error, attempt, now=100, left=left, base=0.5, cap=2.0) == delay
    assert max(0.0, decides.blocked_until - 100) == pytest.approx(delay or 0.0)
    assert decides.error is (None if delay is None else error)


def test_retried_is_none_while_the_credentials_are_refused() -> None:
    decides = policy()
    decides.refused(REFUSED, now=0, left=0)
    assert decides.retried(BUSY, 1, now=0, left=10, base=0.5, cap=2.0) is None


def test_blocking_error_is_for_those_who_cannot_wait_for_the_next_exchange() -> None:
    decides = policy()
    decides.retried(RateLimitError("slow", retry_after=7), 1, now=0, left=10, base=0.5, cap=2.0)
    assert decides.blocking_error(6.9) is decides.error is not None
    assert decides.blocking_error(7.0) is None


def test_refused_blocks_every_caller_until_credentials_are_accepted() -> None:
    decides = policy()
    assert decides.refused(REFUSED, now=0, left=0) == 30
    decides.failed(BUSY, now=30, left=0)
    assert decides.blocking_error(10_000) is REFUSED
    assert decides.unblocked_in(30) == decides.next_at - 30


def test_started_keeps_a_cancelled_exchange_from_being_repeated_at_once() -> None:
    decides = policy()
    decides.started(7)
    assert decides.due_at(NONE) == 7 + MIN_INTERVAL


def test_allow_forced_is_a_token_bucket_of_three_and_one_in_ten_seconds() -> None:
    decides = policy()
    assert [decides.allow_forced(0) for _ in range(4)] == [True, True, True, False]
    assert not decides.allow_forced(9)
    assert decides.allow_forced(10.1)
    assert not decides.allow_forced(10.2)
