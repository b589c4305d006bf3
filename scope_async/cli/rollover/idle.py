"""For how long a key has had no use, without comparing the clocks of two hosts."""

from __future__ import annotations

from datetime import datetime

from scope_async.keys.models import ApiKey

MARGIN = 900.0
"""Seconds that a key has to be idle beyond the longest life of a token."""


class IdleWatch:
    """The least time that the old key has had no use for; instants are those of one monotonic clock.

    Without the service's clock it is the time since the last use was first seen here. `verified` brings
    that clock, so that a rollover which is resumed keeps its count.

    Args:
        asked: seconds without use that are asked for.
        begins_at: no idle time before this instant of the service: the successor's making.
    """

    def __init__(self, asked: float, begins_at: datetime) -> None:
        self._asked = asked
        self._longest_token = 0.0
        self._idle_since = begins_at
        self._seen_at: float | None = None
        self._service_time: tuple[datetime, float] | None = None

    @property
    def needed(self) -> float:
        """Seconds without use that it takes: a quiet process shows none while its token lives."""
        return max(self._asked, self._longest_token + MARGIN)

    @property
    def is_verified(self) -> bool:
        return self._longest_token > 0

    def verified(self, lifetime: float, used_at: datetime | None, now: float) -> None:
        """Note the life of a token, in seconds, and that `used_at` was, at the latest, just now."""
        self._longest_token = max(self._longest_token, lifetime)
        if used_at is not None:
            self._service_time = used_at, now

    def observe(self, key: ApiKey, now: float) -> bool:
        """Note the last use of the old key; return True if it is a new one."""
        used_at = key.last_used_at
        known = used_at is None or used_at <= self._idle_since
        if known and self._seen_at is not None:
            return False
        if not known and used_at is not None:
            self._idle_since = used_at
        self._seen_at = now
        return True

    def seconds(self, now: float) -> float:
        """Return for how many seconds the old key has had no use, as far as it is certain."""
        observed = 0.0 if self._seen_at is None else now - self._seen_at
        if self._service_time is None:
            return observed
        at, seen_at = self._service_time
        return max(observed, (at - self._idle_since).total_seconds() + now - seen_at)
