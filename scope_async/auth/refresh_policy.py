"""When the next exchange is due, and why a caller without a token must not start one; no I/O."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from scope_async._core.backoff import capped_exponential, full_jitter
from scope_async.auth.token import AccessToken
from scope_async.errors import ApiError, ConnectionError, ScopeError

_NEVER = float("-inf")
_BACKOFF_BASE = 1.0
_BACKOFF_CAP = 60.0
_RETRY_AFTER_CAP = 30.0
_FORCED_BURST = 3.0
_FORCED_EVERY = 10.0
_SHARE_OF_LIFE = 3 / 4
_SHARE_OF_CALLERS = 1 / 3
_SHORTEST_ATTEMPT = 1.0
_SAME_INSTANT = 0.001

JITTER = 0.1
"""Renewal comes up to this share of the lifetime earlier, so that a fleet drifts apart."""

MIN_INTERVAL = 0.5
"""Shortest time between two exchanges in the background, in seconds."""

MIN_CACHED_INTERVAL = 1.0
"""The same, while the service hands out the same token again, in seconds."""

LAST_RETRY_MARGIN = 5.0
"""The last retry comes at least this long before a token stops being usable, in seconds."""


class RefreshTimes(msgspec.Struct, frozen=True):
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


def attempt_timeout(timeout: float, *, life_left: float, callers_left: float, timed_out: bool) -> float:
    """Return how many seconds one exchange may take, so that one which hangs leaves time for another.

    While a token is usable for `life_left` seconds: three quarters of these, all of them when the
    last exchange `timed_out`, and at most `timeout`. Without one a third of the `callers_left`
    seconds that the callers still wait, and then all of them: an auth API may be slow.
    """
    if life_left > 0:
        share = life_left if timed_out else life_left * _SHARE_OF_LIFE
        return min(timeout, max(share, _SHORTEST_ATTEMPT))
    return callers_left if timed_out else callers_left * _SHARE_OF_CALLERS


def probe_delay(refusals: int) -> float:
    """Return the seconds until refused credentials are tried again: 30, doubled each time up to 300."""
    return capped_exponential(refusals, base=30.0, cap=300.0)


def poll_delay(random: float) -> float:
    """Return the seconds until the provider is asked for others than the refused credentials."""
    return 2.0 + 1.5 * random


class RefreshPolicy:
    """Decides when an exchange may start, by instants of a monotonic clock, in seconds.

    Attributes:
        next_at: no exchange in the background before this instant.
        blocked_until: none for callers without a token.
        poll_at: while credentials are refused, when to ask the provider for other ones.
        error: why the last exchange gave no token; None after a success.
        refusal: set from when the auth API refused the credentials until it accepts some; callers
            fail with it at once, also after a probe that failed for a transient reason.
    """

    def __init__(self, *, buffer: float, rng: Callable[[], float]) -> None:
        self._buffer = buffer
        self._rng = rng
        self.reset()

    def reset(self) -> None:
        """Forget all that happened."""
        self._failures_in_a_row = 0
        self._refusals_in_a_row = 0
        self.blocked_until = _NEVER
        self._forced_allowance = _FORCED_BURST
        self._forced_at = _NEVER
        self._last_chance_of = _NEVER
        self.next_at = _NEVER
        self.poll_at = _NEVER
        self.error: ScopeError | None = None
        self.refusal: ScopeError | None = None

    def due_at(self, token: AccessToken) -> float:
        """Return the instant of the next exchange in the background, or of the next look at the provider."""
        exchange_at = max(token.refresh_at, self.next_at)
        return exchange_at if self.refusal is None else min(exchange_at, self.poll_at)

    def is_exchange_due(self, token: AccessToken, now: float) -> bool:
        """Return True if `due_at` has come for an exchange; False if only for a look at the provider."""
        return self.refusal is None or now >= max(token.refresh_at, self.next_at)

    def polled(self, now: float) -> None:
        """Note that the provider is asked now whether it has other credentials."""
        self.poll_at = now + poll_delay(self._rng())

    def blocking_error(self, until: float) -> ScopeError | None:
        """Return why a caller without a token who can wait until then gets none; None when it may."""
        return self.refusal or (self.error if until < self.blocked_until else None)

    def unblocked_in(self, now: float) -> float:
        """Return the seconds until a caller may start an exchange again."""
        return max(0.0, (self.blocked_until if self.refusal is None else self.next_at) - now)

    def started(self, now: float) -> None:
        """Note that an exchange starts, so that one which is cancelled is not repeated at once."""
        self.next_at = max(self.next_at, now + MIN_INTERVAL)

    def granted(self, lifetime: float, *, asked_at: float, now: float, previous: AccessToken) -> RefreshTimes:
        """Note a success and return when to refresh the new token, in seconds after `asked_at`."""
        self._failures_in_a_row = self._refusals_in_a_row = 0
        self.blocked_until = _NEVER
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
        is honoured, but for one attempt before the token's expiry.
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
            if asked is None:
                delay = cap_to_usable_life(delay, left=left)
            else:
                delay = self._with_one_attempt_before_expiry(asked, now=now, left=left)
                delay = min(delay, max(_BACKOFF_CAP, left))
                self.blocked_until = now + min(asked, _RETRY_AFTER_CAP)
        else:
            rest = 1.0 + 4.0 * self._rng() if asked is None else min(max(asked, 1.0), _RETRY_AFTER_CAP)
            self.blocked_until = now + rest
            delay = max(min(delay, _BACKOFF_CAP), rest)
        self.next_at = now + delay
        return delay

    def refused(self, error: ScopeError, *, now: float, left: float) -> float:
        """Note that the credentials were refused, and return the seconds until the next probe.

        `left` is how long the current token stays usable: one probe comes before its expiry.
        """
        self.error = self.refusal = error
        self._refusals_in_a_row += 1
        delay = probe_delay(self._refusals_in_a_row)
        if left > 0:
            delay = self._with_one_attempt_before_expiry(delay, now=now, left=left)
        self.next_at = now + delay
        self.polled(now)
        return delay

    def _with_one_attempt_before_expiry(self, delay: float, *, now: float, left: float) -> float:
        """Return `delay`, cut short once for each token that expires before it is over."""
        usable_until = now + left
        capped = cap_to_usable_life(delay, left=left)
        if capped >= delay or abs(self._last_chance_of - usable_until) < _SAME_INSTANT:
            return max(delay, MIN_INTERVAL)
        self._last_chance_of = usable_until
        return capped

    def retried(
        self, error: ScopeError, attempt: int, *, now: float, left: float, base: float, cap: float
    ) -> float | None:
        """Note a failure, and return the seconds until the retry for the callers that wait; None: no retry.

        `attempt` counts from 1, and `left` is how long the callers still wait: one more attempt fits
        in. A connection that was cut is tried again at once the first time, since an exchange is safe
        to repeat; `Retry-After` is kept, or there is no retry. One that is shorter than the backoff, 0 or
        a date that has passed, asks for no stream of exchanges: the backoff is kept as well.
        """
        asked = error.retry_after if isinstance(error, ApiError) else None
        if attempt == 1 and isinstance(error, ConnectionError):
            delay = 0.0
        else:
            delay = full_jitter(attempt, base=base, cap=cap, random=self._rng())
            delay = max(asked or 0.0, min(delay, max(left / 2, MIN_INTERVAL)))
        if delay >= left or self.refusal is not None:
            return None
        self.error, self.blocked_until = error, now + delay
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
