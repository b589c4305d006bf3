"""When a token is renewed and when it is dead: pure functions of its lifetime, in seconds."""

from __future__ import annotations

import attrs

JITTER = 0.1
"""Renewal comes up to this share of the lifetime earlier, so that a fleet drifts apart."""

MIN_INTERVAL = 0.5
"""Shortest time between two exchanges in the background, in seconds."""

MIN_CACHED_INTERVAL = 1.0
"""The same, while the service hands out the same token again, in seconds."""

LAST_CALL = 5.0
"""A retry before a token's death comes at the latest this long before it, in seconds."""


@attrs.frozen
class Windows:
    """Offsets from the moment the token was asked for.

    FRESH until `renew_after`, then STALE (used, and renewed meanwhile) until `dead_after`.
    """

    renew_after: float
    dead_after: float
    buffer: float
    clamped: bool


def dead_after(lifetime: float) -> float:
    """Return when a token that lives `lifetime` seconds is no longer handed out.

    A little before the expiry, so that a request sent with its last breath still arrives
    with a valid token.
    """
    return lifetime - min(5.0, 0.02 * lifetime)


def windows(lifetime: float, *, buffer: float, draw: float) -> Windows:
    """Return the windows of a token that lives `lifetime` seconds.

    `buffer` is at most half the lifetime, since a larger one would renew for ever; `draw`
    is a random number in [0, 1).
    """
    used = min(buffer, lifetime / 2)
    dead = dead_after(lifetime)
    renew_after = min(lifetime - used - draw * JITTER * lifetime, dead)
    return Windows(renew_after=renew_after, dead_after=dead, buffer=used, clamped=used < buffer)


def brings_life(*, gained: float, lifetime: float) -> bool:
    """Tell whether a renewal moved the death by more than a tenth of the lifetime.

    It did not when the service caches its tokens and answers with the one it gave before.
    """
    return gained > 0.1 * lifetime


def cached_renew_after(left: float) -> float:
    """Return when to ask again a service that answered with the token it gave before."""
    return max(left / 2, MIN_CACHED_INTERVAL)


def before_death(delay: float, *, left: float) -> float:
    """Return `delay`, or less, so that one more attempt fits into the `left` seconds of life."""
    latest = left - min(LAST_CALL, left / 2)
    return max(min(delay, latest), MIN_INTERVAL)


def probe_delay(refusals: int) -> float:
    """Return how long refused credentials rest: 30 s, doubled each time, at most 5 min."""
    return min(30.0 * 2.0 ** min(refusals - 1, 10), 300.0)
