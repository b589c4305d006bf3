"""What the prompt cache looks like at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from scope_async.prompts.cache.memory import CacheEntry
from scope_async.prompts.cache.policy import StaleLimits
from scope_async.prompts.reference import Key


class CacheStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The prompt versions in memory, and the prompts that cannot be fetched.

    Attributes:
        entries: versions that can be served, fresh or while the service is unavailable.
        stale: those of them that are no longer fresh.
        oldest_age: seconds since the oldest of them was fetched; None without any.
        outages: prompts whose last fetch failed because the service was unavailable.
        without_copy: those of them that no copy stands in for.
    """

    entries: int
    stale: int
    oldest_age: float | None
    outages: int
    without_copy: int


def cache_status(
    entries: Mapping[Key, CacheEntry],
    failing: Collection[Key],
    saved: Collection[Key],
    *,
    now: float,
    limits: StaleLimits,
) -> CacheStatus:
    """Return the status of `entries` at `now`; `failing` prompts have failed, `saved` are in the snapshot."""
    usable = {
        key: entry
        for key, entry in entries.items()
        if now < max(entry.fresh_until, entry.stored_at + entry.ttl + limits.if_error)
    }
    return CacheStatus(
        entries=len(usable),
        stale=sum(now >= entry.fresh_until for entry in usable.values()),
        oldest_age=max((now - entry.stored_at for entry in usable.values()), default=None),
        outages=len(failing),
        without_copy=sum(key not in usable and key not in saved for key in failing),
    )
