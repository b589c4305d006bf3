"""When the next exchange is due, and why a caller without a token must not start one; no I/O."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from scope_async._core.backoff import capped_exponential, full_jitter
from scope_async.auth.token import AccessToken
from scope_async.errors import ApiError, ScopeError

_NEVER = float("-inf")
_BACKOFF_BASE = 1.0
_BACKOFF_CAP = 60.0
_RETRY_AFTER_CAP = 30.0
_FORCED_BURST = 3.0
_FORCED_EVERY = 10.0


JITTER = 0.1
"""Renewal comes up to this share of the lifetime earlier, so that a fleet drifts apart."""

MIN_INTERVAL = 0.5
"""Shortest time between two exchanges in the background, in seconds."""

MIN_CACHED_INTERVAL = 1.0
"""The same, while the service hands out the same token again, in seconds."""

LAST_RETRY_MARGIN = 5.0
"""The last retry comes at least this long before a token stops being usable, in seconds."""


@attrs.frozen
class RefreshTimes:
    """When to refresh a token and until when to use it, in seconds after it was asked for.

    Fresh until `refresh_after`, then stale (used, and renewed meanwhile) until `usable_for`.
    """

    refresh_after: float
    usable_for: float
    buffer: float
    clamped: bool


def usable_for(lifetime: float) -> float:
    """Return for how many seconds a token that lives `lifetime` seconds is handed out.

    It ends a little before the expiry, so that a request sent in the last moment still arrives
    with a valid token.
    """
    return lifetime - min(5.0, 0.02 * lifetime)


def plan_refresh(lifetime: float, *, buffer: float, random: float) -> RefreshTimes:
    """Return when to refresh a token that lives `lifetime` seconds, `buffer` seconds before its expiry.

    Of `buffer` at most half the lifetime is used, since a larger one would renew for ever;
    `random` is a random number in [0, 1).
    """
    used = min(buffer, lifetime / 2)
    usable = usable_for(lifetime)
    refresh_after = min(lifetime - used - random * JITTER * lifetime, usable)
    return RefreshTimes(refresh_after=refresh_after, usable_for=usable, buffer=used, clamped=used < buffer)


def extends_lifetime(*, gained: float, lifetime: float) -> bool:
    """Return True if the new token expires noticeably later; False means the auth API returned a cached one.

    Noticeable is more than a tenth of the lifetime; `gained` is in seconds.
    """
    return gained > 0.1 * lifetime


def cached_refresh_after(left: float) -> float:
    """Return the seconds until the next exchange with an auth API that returned a cached token."""
    return max(left / 2, MIN_CACHED_INTERVAL)


def cap_to_usable_life(delay: float, *, left: float) -> float:
    """Return `delay`, or less, so that one more attempt fits into the `left` usable seconds."""
    latest = left - min(LAST_RETRY_MARGIN, left / 2)
    return max(min(delay, latest), MIN_INTERVAL)


def probe_delay(refusals: int) -> float:
    """Return the seconds until refused credentials are tried again: 30, doubled each time up to 300."""
    return capped_exponential(refusals, base=30.0, cap=300.0)


class RefreshPolicy:
    """Decides when an exchange may start, by instants of a monotonic clock, in seconds.

    Attributes:
        next_at: no exchange in the background before this instant.
        error: why the last exchange gave no token; None after a success.
        refusal: set from when the auth API refused the credentials until it accepts some; callers
            fail with it at once, also after a probe that failed for a transient reason.
    """

    def __init__(self, *, buffer: float, rng: Callable[[], float]) -> None:
        self._buffer = buffer
        self._rng = rng
        self._failures_in_a_row = 0
        self._refusals_in_a_row = 0
        self._blocked_until = _NEVER
        self._forced_allowance = _FORCED_BURST
        self._forced_at = _NEVER
        self.next_at = _NEVER
        self.error: ScopeError | None = None
        self.refusal: ScopeError | None = None

    def due_at(self, token: AccessToken) -> float:
        """Return the instant of the next exchange in the background."""
        return max(token.refresh_at, self.next_at)

    def blocking_error(self, now: float) -> ScopeError | None:
        """Return why a caller without a token must not start an exchange now; None when it may."""
        return self.refusal or (self.error if now < self._blocked_until else None)

    def unblocked_in(self, now: float) -> float:
        """Return the seconds until a caller may start an exchange again."""
        return max(0.0, (self._blocked_until if self.refusal is None else self.next_at) - now)

    def started(self, now: float) -> None:
        """Note that an exchange starts, so that one which is cancelled is not repeated at once."""
        self.next_at = max(self.next_at, now + MIN_INTERVAL)

    def granted(self, lifetime: float, *, asked_at: float, now: float, previous: AccessToken) -> RefreshTimes:
        """Note a success and return when to refresh the new token, in seconds after `asked_at`."""
        self._failures_in_a_row = self._refusals_in_a_row = 0
        self._blocked_until = _NEVER
        self.error = self.refusal = None
        self.next_at = now + MIN_INTERVAL
        planned = plan_refresh(lifetime, buffer=self._buffer, random=self._rng())
        usable_until = asked_at + planned.usable_for
        cached = now < previous.usable_until and not extends_lifetime(
            gained=usable_until - previous.usable_until, lifetime=previous.lifetime
        )
        if not cached:
            return planned
        refresh_at = now + cached_refresh_after(usable_until - now)
        return RefreshTimes(
            refresh_after=min(refresh_at - asked_at, planned.usable_for),
            usable_for=planned.usable_for,
            buffer=planned.buffer,
            clamped=False,
        )

    def failed(self, error: ScopeError, *, now: float, left: float) -> float:
        """Note a transient failure, and return the seconds until the next attempt.

        `left` is how long the current token stays usable, 0 or less without one. `Retry-After`
        is honoured as far as that allows.
        """
        self.error = error
        self._failures_in_a_row += 1
        asked = error.retry_after if isinstance(error, ApiError) else None
        delay = (
            full_jitter(self._failures_in_a_row, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=self._rng())
            if asked is None
            else asked
        )
        if left > 0:
            delay = cap_to_usable_life(delay, left=left)
        else:
            rest = 1.0 + 4.0 * self._rng() if asked is None else min(max(asked, 1.0), _RETRY_AFTER_CAP)
            self._blocked_until = now + rest
            delay = max(min(delay, _BACKOFF_CAP), rest)
        self.next_at = now + delay
        return delay

    def refused(self, error: ScopeError, *, now: float) -> float:
        """Note that the credentials were refused, and return the seconds until the next probe."""
        self.error = self.refusal = error
        self._refusals_in_a_row += 1
        delay = probe_delay(self._refusals_in_a_row)
        self.next_at = now + delay
        return delay

    def allow_forced(self, now: float) -> bool:
        """Return True if a forced renewal may start: three at once, then one in 10 s (a token bucket)."""
        refilled = self._forced_allowance + max(0.0, now - self._forced_at) / _FORCED_EVERY
        self._forced_allowance = min(_FORCED_BURST, refilled)
        self._forced_at = now
        if self._forced_allowance < 1.0:
            return False
        self._forced_allowance -= 1.0
        return True
