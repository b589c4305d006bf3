"""What a read does, decided without I/O: RFC 5861 and the delays after failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from scope_async.errors import ScopeError
from scope_async.prompts.cache.backoff import LONGEST_DELAY, FailureState
from scope_async.prompts.cache.memory import CacheEntry
from scope_async.prompts.version import PromptVersion

if TYPE_CHECKING:
    from scope_async.prompts.cache.snapshot_format import SnapshotEntry
    from scope_async.prompts.fallback import Fallback


Mode = Literal["refresh", "bypass", "disabled"]
"""How much of the cache a call may use that asks the service in any case.

`refresh` stores the answer; only the fallback stands in. `bypass` does the same and stores nothing.
`disabled`: there is no cache; the snapshot and the fallback stand in.
"""

REFRESH: Final = "refresh"
BYPASS: Final = "bypass"
DISABLED: Final = "disabled"


class StaleLimits(msgspec.Struct, frozen=True):
    """Seconds after a version's freshness in which it may be served all the same (RFC 5861)."""

    while_revalidate: float
    if_error: float

    def allow(self, entry: CacheEntry | None, now: float) -> bool:
        """Return True if `entry` may stand in for a service that fails (RFC 5861 section 4)."""
        return entry is not None and now < entry.stored_at + entry.ttl + self.if_error


class Fresh(msgspec.Struct, frozen=True):
    """Serve a version that needs no request."""

    version: PromptVersion


class Revalidate(msgspec.Struct, frozen=True):
    """Serve a version, and fetch in the background (RFC 5861 section 3)."""

    version: PromptVersion


class ServeStale(msgspec.Struct, frozen=True):
    """Serve a copy because of `error` (RFC 5861 section 4); with `refresh`, also make one attempt."""

    copy: CacheEntry | SnapshotEntry
    error: ScopeError
    refresh: bool = False


class UseFallback(msgspec.Struct, frozen=True):
    """Serve the caller's fallback because of `error`."""

    fallback: Fallback
    error: ScopeError


class Fetch(msgspec.Struct, frozen=True):
    """Wait for the service; without `retry` for one attempt only.

    With a `copy` wait until the first attempt has failed, and at most `stale_timeout` seconds: then
    the copy stands in.
    """

    retry: bool = True
    copy: CacheEntry | SnapshotEntry | None = None


StandIn = Fresh | ServeStale | UseFallback
Decision = StandIn | Revalidate | Fetch


def decide(
    entry: CacheEntry | None,
    failure: FailureState | None,
    now: float,
    ttl: float | None,
    *,
    limits: StaleLimits,
    in_flight: bool = False,
    saved: SnapshotEntry | None = None,
    fallback: Fallback | None = None,
) -> Decision:
    """Return what a read does that finds `entry` in memory and `saved` in the snapshot.

    `now` is in monotonic seconds; `ttl` is the age in seconds that this reader accepts as fresh,
    None the entry's own. After a failure the service is asked once per delay: in the background
    if it failed lately and there is a copy, else by one reader who waits. Until then, and while
    that request is `in_flight`, the others get what stands in.
    """
    if entry is not None:
        fresh_until = entry.fresh_until if ttl is None or entry.is_expired else entry.stored_at + ttl
        if now < fresh_until:
            return Fresh(entry.version)
        if now < fresh_until + limits.while_revalidate:
            if failure is None:
                return Revalidate(entry.version)
            return ServeStale(entry, failure.error, refresh=now >= failure.retry_at and not in_flight)
    copy = entry if limits.allow(entry, now) else saved
    if failure is None:
        return Fetch(copy=copy)
    if now < failure.retry_at or in_flight:
        if copy is not None:
            return ServeStale(copy, failure.error)
        return Fetch() if fallback is None else UseFallback(fallback, failure.error)
    if copy is not None and now < failure.retry_at + LONGEST_DELAY:
        return ServeStale(copy, failure.error, refresh=True)
    return Fetch(retry=copy is None, copy=copy)


def decide_after_failure(
    entry: CacheEntry | None,
    error: ScopeError,
    now: float,
    ttl: float | None,
    *,
    limits: StaleLimits,
    saved: SnapshotEntry | None = None,
    fallback: Fallback | None = None,
) -> StandIn | None:
    """Return what a reader gets whose fetch, or its first attempt, has just failed with `error`.

    Failed is also what takes longer than `stale_timeout`, though the service may answer yet. None
    means that nothing stands in: wait for the retry, or raise if it was the last attempt.
    """
    failure = FailureState(failures=1, retry_at=float("inf"), error=error)
    decision = decide(entry, failure, now, ttl, limits=limits, saved=saved, fallback=fallback)
    return decision if isinstance(decision, StandIn) else None
