from __future__ import annotations

from scope_async.prompts.cache.memory import CacheEntry
from scope_async.prompts.cache.policy import StaleLimits
from scope_async.prompts.cache.status import CacheStatus, cache_status
from scope_async.prompts.version import PromptVersion

LIMITS = StaleLimits(while_revalidate=60, if_error=1000)


def entry(stored_at: float, *, ttl: float = 300.0) -> CacheEntry:
    version = PromptVersion(name="greeting", content="Hello!")
    return CacheEntry(version, stored_at, ttl, 1, stored_at + ttl)


def test_status_of_an_empty_cache() -> None:
    assert cache_status({}, [], (), now=10, limits=LIMITS) == CacheStatus(
        entries=0, stale=0, oldest_age=None, outages=0, without_copy=0
    )


def test_status_counts_what_can_be_served_and_what_fails_without_a_copy() -> None:
    entries = {"fresh": entry(1900), "stale": entry(1000), "past": entry(0)}
    status = cache_status(entries, ["stale", "past", "saved", "new"], ["saved"], now=2000, limits=LIMITS)
    assert status == CacheStatus(entries=2, stale=1, oldest_age=1000, outages=4, without_copy=2)
