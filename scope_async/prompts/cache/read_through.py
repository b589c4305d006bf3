"""`ReadThroughCache`: where a prompt version comes from, and what stands in when it cannot come."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine
from typing import Any

from scope_async._core.clock import Clock
from scope_async.config import Config
from scope_async.errors import ScopeError
from scope_async.http.failures import is_unavailable
from scope_async.http.instrumentation import request_id_of
from scope_async.prompts.cache.backoff import FailureBackoff, FailureState
from scope_async.prompts.cache.fetcher import SharedFetcher
from scope_async.prompts.cache.instrumentation import FetchInstrumentation
from scope_async.prompts.cache.memory import PromptCache
from scope_async.prompts.cache.snapshot import Snapshot
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.fallback import Fallback, fallback_version
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import CacheHit, Emit, FallbackUsed, StaleServed

_logger = logging.getLogger("scope_async.prompts")

# What an id names never changes in content, so its answer may stay longer than a label's.
_BY_ID_TTL = 3600.0


class ReadThroughCache:
    """Reads through the cache by the rules of RFC 5861.

    A copy that is neither fresh nor in its time of revalidation is worth one shared fetch;
    when that fails for a passing reason, the copy, the snapshot or the caller's fallback
    stands in, in this order; a copy in memory as soon as the first attempt has failed. While the
    service fails for a prompt, it is asked once per delay: in the background where there is a
    copy or a snapshot, else by one caller, and the others are served at once.
    """

    def __init__(
        self,
        config: Config,
        *,
        remote: PromptEndpoint,
        renewals: SharedFetcher,
        cache: PromptCache,
        outages: FailureBackoff,
        snapshot: Snapshot | None,
        clock: Clock,
        emit: Emit | None,
    ) -> None:
        self._config = config
        self._remote = remote
        self._renewals = renewals
        self._cache = cache
        self._outages = outages
        self._snapshot = snapshot
        self._clock = clock
        self._emit = emit

    async def read(self, selection: PromptRef, ttl: float | None, fallback: Fallback | None) -> PromptVersion:
        """Return a copy no older than `ttl` seconds (None: the option `cache_ttl`), or the next best.

        Raises:
            ScopeError: the service said no, or could not answer and nothing stands in.
        """
        found = self._from_memory(selection, ttl)
        if found is not None:
            return found
        outage = self._outages.find(selection.key)
        if outage is not None:
            may_ask, request_id = self._may_ask(selection, outage), None
            known_down = outage.is_recent(self._clock.monotonic()) and self._renewals.has_copy(selection)
            if may_ask and known_down:
                request_id = self._renewals.start(selection, self._lifetime(selection, ttl)).name
            if known_down or not may_ask:
                standing = await self._stand_in(selection, outage.error, fallback, ttl, request_id)
                if standing is not None:
                    return standing
        wait = (
            None if self._emit is None else FetchInstrumentation(selection, self._emit, self._clock.monotonic)
        )
        got: PromptVersion | None = None
        try:
            got = await self._renewals.join(selection, self._lifetime(selection, ttl), wait)
            return got  # noqa: TRY300 - it is told in `finally`
        except ScopeError as error:
            if is_unavailable(error):
                asked = None if wait is None else wait.request_id
                got = await self._stand_in(selection, error, fallback, ttl, asked)
            if got is None:
                raise
            return got
        finally:
            if wait is not None:
                wait.end(got)

    def _from_memory(self, selection: PromptRef, ttl: float | None) -> PromptVersion | None:
        """Return the copy that may be served at once, and have it renewed when it is not fresh."""
        entry = self._cache.find(selection.key)
        if entry is None:
            return None
        if self._cache.is_fresh(entry, ttl):
            return self._hit(selection, entry.version, fresh=True)
        if not self._cache.may_revalidate(entry, ttl):
            return None
        outage = self._outages.find(selection.key)
        request_id = None
        if outage is None or self._may_ask(selection, outage):
            request_id = self._renewals.start(selection, self._lifetime(selection, ttl)).name
        if outage is None:
            return self._hit(selection, entry.version, fresh=False, request_id=request_id)
        return self._stale(selection, entry.stale_version, self._cache.age(entry), outage.error, request_id)

    def ask(
        self, selection: PromptRef, ttl: float | None, fallback: Fallback | None
    ) -> Coroutine[Any, Any, PromptVersion]:
        """Return (when awaited) what the service has now, and store it.

        Raises:
            ScopeError: the service said no, or could not answer and there is no fallback.
        """
        fetching = self._renewals.fetch(selection, self._lifetime(selection, ttl))
        return fetching if fallback is None else self._or_fallback(fetching, selection, fallback)

    def pass_by(self, selection: PromptRef, fallback: Fallback | None) -> Coroutine[Any, Any, PromptVersion]:
        """Return (when awaited) what the service has now; neither read nor store anything.

        Raises:
            ScopeError: as `ask`.
        """
        fetching = self._remote.fetch(selection)
        return fetching if fallback is None else self._or_fallback(fetching, selection, fallback)

    async def _or_fallback(
        self, fetching: Awaitable[PromptVersion], selection: PromptRef, fallback: Fallback
    ) -> PromptVersion:
        try:
            return await fetching
        except ScopeError as error:
            if not is_unavailable(error):
                raise
            return await self._fallback(selection, error, fallback)

    async def uncached(self, selection: PromptRef, fallback: Fallback | None) -> PromptVersion:
        """Return what the service has now, without a cache; the snapshot still stands in.

        Raises:
            ScopeError: as `read`.
        """
        try:
            return await self._renewals.fetch(selection, 0)
        except ScopeError as error:
            standing = await self._stand_in(selection, error, fallback, 0) if is_unavailable(error) else None
            if standing is None:
                raise
            return standing

    def _lifetime(self, selection: PromptRef, ttl: float | None) -> float:
        if ttl is not None:
            return ttl
        return max(self._config.cache_ttl, _BY_ID_TTL) if selection.is_by_id else self._config.cache_ttl

    def _may_ask(self, selection: PromptRef, outage: FailureState) -> bool:
        return self._clock.monotonic() >= outage.retry_at and not self._renewals.in_flight(selection)

    async def _stand_in(
        self,
        selection: PromptRef,
        error: ScopeError,
        fallback: Fallback | None,
        ttl: float | None,
        request_id: str | None = None,
    ) -> PromptVersion | None:
        entry = self._cache.find(selection.key)
        if entry is not None:
            if self._cache.is_fresh(entry, ttl):
                return entry.version
            if self._cache.may_stand_in(entry):
                age = self._cache.age(entry)
                return self._stale(selection, entry.stale_version, age, error, request_id)
        if self._snapshot is not None:
            kept = await self._snapshot.find(selection.key)
            if kept is not None:
                age = max(0.0, self._clock.time() - kept.stored_at)
                return self._stale(selection, kept.version, age, error, request_id)
        if fallback is None:
            return None
        return await self._fallback(selection, error, fallback, request_id)

    def _hit(
        self, selection: PromptRef, version: PromptVersion, *, fresh: bool, request_id: str | None = None
    ) -> PromptVersion:
        if self._emit is not None:
            self._emit(
                CacheHit(
                    prompt=selection.name, selector=selection.selector, fresh=fresh, request_id=request_id
                )
            )
        return version

    def _stale(
        self,
        selection: PromptRef,
        version: PromptVersion,
        age: float,
        error: ScopeError,
        request_id: str | None,
    ) -> PromptVersion:
        if self._outages.report(selection.key):
            self._warn(selection, f"serving the last good version, {age:.0f} s old", error)
        if self._emit is not None:
            self._emit(
                StaleServed(
                    prompt=selection.name,
                    selector=selection.selector,
                    age_ms=age * 1000,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )
        return version

    async def _fallback(
        self, selection: PromptRef, error: ScopeError, fallback: Fallback, request_id: str | None = None
    ) -> PromptVersion:
        # What no outage is known of was asked for without a cache: by each caller for itself.
        if self._outages.find(selection.key) is None or self._outages.report(selection.key):
            self._warn(selection, "using the caller's fallback", error)
        version = await fallback_version(fallback, selection.name, self._config.unknown_variables)
        if self._emit is not None:
            self._emit(
                FallbackUsed(
                    prompt=selection.name,
                    selector=selection.selector,
                    error=type(error).__name__,
                    request_id=request_id or request_id_of(error),
                )
            )
        return version

    @staticmethod
    def _warn(selection: PromptRef, what: str, error: ScopeError) -> None:
        _logger.warning("%s cannot be fetched, %s: %s", selection, what, error)
