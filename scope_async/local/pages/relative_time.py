"""Instants as a page shows them: in words, with the exact time at hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from attrs import frozen

from scope_async.local.timestamps import iso

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_UNITS = (
    (365.25 * _DAY, "year"),
    (30.44 * _DAY, "month"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
    (1.0, "second"),
)
_NOW = 5.0
"""Seconds on either side that are told apart by nobody."""
_NEARLY = 0.99
"""What was made to last a day begins with "in 1 day", not with "in 24 hours"."""
_DAYS_SAID = 60 * _DAY
"""Up to here days say more than months do: 45 days are neither 1 month nor 2."""


@frozen
class Instant:
    """An instant, in seconds since the epoch, with the words for it."""

    at: float
    iso: str
    exact: str
    words: str


@overload
def instant(at: float, now: float) -> Instant: ...
@overload
def instant(at: None, now: float) -> None: ...
@overload
def instant(at: float | None, now: float) -> Instant | None: ...
def instant(at: float | None, now: float) -> Instant | None:
    """Return how to show `at` to somebody who looks at it `now`; None stays None."""
    if at is None:
        return None
    date = datetime.fromtimestamp(at, UTC)
    exact = f"{date.day} {date:%B %Y, %H:%M:%S} UTC"
    return Instant(at, iso(at), exact, relative(at - now))


def relative(seconds: float) -> str:
    """Say how far away something is: `3 minutes ago`, `in 30 days`, `just now`."""
    distance = abs(seconds)
    if distance < _NOW:
        return "just now"
    for size, unit in _UNITS:
        if unit in {"year", "month"} and distance < _DAYS_SAID:
            continue
        if distance >= _NEARLY * size:
            count = round(distance / size)
            said = f"{count} {unit}" if count == 1 else f"{count} {unit}s"
            return f"in {said}" if seconds > 0 else f"{said} ago"
    return "just now"
