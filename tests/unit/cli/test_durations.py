"""Durations of the command line, read and written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer

from scope_async.cli.durations import about, ago, read_duration, read_duration_within

NOW = datetime(2026, 11, 3, tzinfo=UTC)
DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("15m", 900),
        ("12h", 43_200),
        ("30d", 30 * DAY),
        ("2w", 14 * DAY),
        ("0.5d", DAY / 2),
    ],
)
def test_read_duration_returns_seconds(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "soon", "-1d", "1y", "1d12h", "d"])
def test_read_duration_refuses_anything_else(text):
    with pytest.raises(typer.BadParameter):
        read_duration(text)


def test_about_and_ago_use_the_largest_unit():
    assert about(59) == "59s"
    assert about(3 * DAY + 5) == "3d"
    assert ago(None, NOW) == "never"
    assert ago(NOW - timedelta(hours=2), NOW) == "2h ago"


@pytest.mark.parametrize(
    ("passed", "words"), [(86_400, "1d ago"), (0, "0s ago"), (-30, "30s ago"), (-90_000, "in 1d")]
)
def test_ago_is_never_negative(passed, words):
    now = datetime(2026, 11, 3, tzinfo=UTC)
    assert ago(now - timedelta(seconds=passed), now) == words


@pytest.mark.parametrize("text", ["0s", "32d", "31d"])
def test_read_duration_within_refuses_what_is_outside(text):
    with pytest.raises(typer.BadParameter):
        read_duration_within(text, 1, 30 * 86_400)
    assert read_duration_within("30d", 1, 30 * 86_400) == 30 * 86_400
