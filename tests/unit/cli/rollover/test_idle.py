"""How long a key has had no use: by the service's own clock, or by what was seen here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scope_async.cli.rollover.idle import MARGIN, IdleWatch
from scope_async.keys import ApiKey

MADE = datetime(2026, 6, 1, tzinfo=UTC)


def used(seconds: float | None) -> ApiKey:
    """A key that was used so many seconds after its successor was made."""
    return ApiKey(
        api_key="key_1",
        name="x",
        environment="production",
        status="active",
        created_at=MADE - timedelta(days=90),
        last_used_at=None if seconds is None else MADE + timedelta(seconds=seconds),
    )


def test_needed_is_never_below_the_longest_token_and_a_margin() -> None:
    watch = IdleWatch(60, MADE)
    watch.verified(3600, None, now=0)
    watch.verified(300, None, now=1)
    assert watch.needed == 3600 + MARGIN
    assert IdleWatch(99_999, MADE).needed == 99_999


def test_idle_time_without_the_clock_of_the_service_is_what_was_seen() -> None:
    watch = IdleWatch(60, MADE)
    assert watch.observe(used(-5000), now=100)
    assert not watch.observe(used(-5000), now=130)
    assert watch.seconds(now=130) == 30
    assert watch.observe(used(20), now=140)
    assert watch.seconds(now=150) == 10


@pytest.mark.parametrize("last_use", [None, -5000, 0])
def test_idle_time_begins_with_the_successor(last_use) -> None:
    watch = IdleWatch(60, MADE)
    watch.observe(used(last_use), now=100)
    watch.verified(3600, MADE + timedelta(seconds=700), now=100)
    assert watch.seconds(now=110) == 710


def test_idle_time_begins_anew_with_each_use() -> None:
    watch = IdleWatch(60, MADE)
    watch.observe(used(5), now=100)
    watch.verified(3600, MADE + timedelta(seconds=700), now=100)
    assert watch.seconds(now=100) == 695
    assert watch.observe(used(690), now=101)
    assert watch.seconds(now=101) == 11
