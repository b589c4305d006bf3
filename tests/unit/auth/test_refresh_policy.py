import pytest

from scope_async.auth.refresh_policy import (
    MIN_INTERVAL,
    cached_refresh_after,
    cap_to_usable_life,
    extends_lifetime,
    plan_refresh,
    probe_delay,
    usable_for,
)


def test_a_long_token_is_renewed_one_buffer_before_its_expiry() -> None:
    planned = plan_refresh(3600, buffer=60, random=0.0)
    assert (planned.refresh_after, planned.usable_for, planned.clamped) == (3540, 3595, False)


def test_jitter_only_makes_the_renewal_earlier_by_up_to_a_tenth_of_the_lifetime() -> None:
    assert plan_refresh(3600, buffer=60, random=0.5).refresh_after == 3540 - 180
    assert plan_refresh(3600, buffer=60, random=1.0).refresh_after == 3540 - 360


@pytest.mark.parametrize("lifetime", [4, 60, 119])
def test_a_buffer_of_more_than_half_the_lifetime_is_clamped_to_half(lifetime: float) -> None:
    planned = plan_refresh(lifetime, buffer=60, random=0.0)
    assert planned.refresh_after == lifetime / 2
    assert planned.clamped
    assert planned.buffer == lifetime / 2


def test_half_the_lifetime_exactly_is_not_clamped() -> None:
    assert not plan_refresh(120, buffer=60, random=0.0).clamped


def test_without_a_buffer_the_renewal_still_comes_before_the_death() -> None:
    planned = plan_refresh(3600, buffer=0, random=0.0)
    assert planned.refresh_after == planned.usable_for == 3595


@pytest.mark.parametrize(("lifetime", "expected"), [(4, 3.92), (100, 98), (250, 245), (86400, 86395)])
def test_dead_comes_two_percent_and_at_most_five_seconds_early(lifetime: float, expected: float) -> None:
    assert usable_for(lifetime) == pytest.approx(expected)


def test_a_renewal_brings_life_when_it_moves_the_death_by_more_than_a_tenth() -> None:
    assert extends_lifetime(gained=361, lifetime=3600)
    assert not extends_lifetime(gained=360, lifetime=3600)
    assert not extends_lifetime(gained=-5, lifetime=3600)


def test_a_caching_service_is_asked_again_at_half_of_what_is_left_but_not_in_a_loop() -> None:
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
def test_a_retry_always_fits_into_the_tokens_life(delay: float, left: float, expected: float) -> None:
    assert cap_to_usable_life(delay, left=left) == expected


def test_refused_credentials_are_probed_every_30_s_growing_to_5_min() -> None:
    assert [probe_delay(n) for n in (1, 2, 3, 4, 5, 6, 100_000)] == [30, 60, 120, 240, 300, 300, 300]
