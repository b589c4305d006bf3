"""Instants in words."""

from __future__ import annotations

import pytest

from scope_async.local.pages.relative_time import instant, relative

DAY = 86_400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (-4.9, "just now"),
        (4.9, "just now"),
        (-5, "5 s ago"),
        (-60, "1 min ago"),
        (-40 * 60, "40 min ago"),
        (-3599, "1 h ago"),
        (-13 * 3600, "13 h ago"),
        (3 * 3600, "in 3 h"),
        (DAY - 600, "in 1 day"),
        (30 * DAY - 1, "in 30 days"),
        (90 * DAY - 1, "in 3 months"),
        (-45 * DAY, "45 days ago"),
        (365 * DAY - 1, "in 1 year"),
        (-1000 * DAY, "3 years ago"),
    ],
)
def test_relative_returns_words(seconds, words):
    assert relative(seconds) == words


def test_instant_has_the_exact_time():
    shown = instant(1_793_664_000.5, 1_793_664_060.5)
    assert shown.words == "1 min ago"
    assert shown.iso == "2026-11-03T00:00:00.500Z"
    assert shown.exact == "3 Nov 2026, 00:00:00 UTC"
    assert (shown.day, shown.minute) == ("3 Nov 2026", "3 Nov 2026, 00:00 UTC")
    assert instant(None, 0) is None
