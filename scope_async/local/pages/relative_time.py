"""Instants as a page shows them: in words and exactly."""

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
    (_HOUR, "h"),
    (_MINUTE, "min"),
    (1.0, "s"),
)
_NOW = 5.0
"""Seconds on either side that count as now."""
_WHOLE = 0.99
"""Part of a unit that counts as the whole: a key made for a day starts with "in 1 day"."""
_DAYS_UNTIL = 60 * _DAY
"""Seconds up to which days are used: 45 days are clearer than "1 month" or "2 months"."""


@frozen
class Instant:
    """An instant, in seconds since the epoch, with its texts, from its day to `exact`."""

    at: float
    iso: str
    exact: str
    minute: str
    day: str
    words: str


@overload
def instant(at: float, now: float) -> Instant: ...
@overload
def instant(at: None, now: float) -> None: ...
@overload
def instant(at: float | None, now: float) -> Instant | None: ...
def instant(at: float | None, now: float) -> Instant | None:
    """Return `at` as a page shows it at the time `now`; None stays None."""
    if at is None:
        return None
    date = datetime.fromtimestamp(at, UTC)
    day = f"{date.day} {date:%b %Y}"
    exact, minute = f"{day}, {date:%H:%M:%S} UTC", f"{day}, {date:%H:%M} UTC"
    return Instant(at, iso(at), exact, minute, day, relative(at - now))


def relative(seconds: float) -> str:
    """Return a distance in short words: `3 min ago`, `in 30 days`, `just now`."""
    distance = abs(seconds)
    if distance < _NOW:
        return "just now"
    for size, unit in _UNITS:
        if unit in {"year", "month"} and distance < _DAYS_UNTIL:
            continue
        if distance >= _WHOLE * size:
            count = round(distance / size)
            text = f"{count} {unit}" if count == 1 or size < _DAY else f"{count} {unit}s"
            return f"in {text}" if seconds > 0 else f"{text} ago"
    return "just now"
