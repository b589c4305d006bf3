"""`ReadThroughCache`: where a prompt version comes from, and what stands in for the service."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.portal import run_at_home
from scope_async._core.concurrency.single_flight import InFlightCall
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ScopeError
from scope_async.http.failures import is_unavailable
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.fetcher import SharedFetcher
from scope_async.prompts.cache.instrumentation import CacheInstrumentation, FetchInstrumentation
from scope_async.prompts.cache.memory import CacheEntry, PromptCache
from scope_async.prompts.cache.policy import (
    BYPASS,
    DISABLED,
    Fetch,
    Fresh,
    Mode,
    Revalidate,
    ServeStale,
    StaleLimits,
    StandIn,
    UseFallback,
    decide,
    decide_after_failure,
)
from scope_async.prompts.cache.stale_reads import StaleReads
from scope_async.prompts.conditional import KnownVersion
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.prompts.cache.snapshot import PromptSnapshot
    from scope_async.prompts.cache.snapshot_format import SnapshotEntry
    from scope_async.prompts.cache.status import CacheStatus
    from scope_async.prompts.fallback import Fallback

_MAX_STARTS = 20  # fetches that a reader begins when the event loop of each one ends


class ReadThroughCache:
    """Reads through the cache by the rules of RFC 5861.

    1. Fresh: return it.
    2. Within `stale_while_revalidate`: return it, and refresh in the background.
    3. Else wait for one shared fetch. If the service is unavailable, return the first that there
       is: the copy in memory, that in the snapshot, the fallback. A copy stands in as soon as an
       attempt has failed, and after `stale_timeout` seconds; the fetch goes on meanwhile.

    `policy.decide` says which; this class carries it out. Cancelling a reader leaves the shared
    fetch to the others.
    """

    def __init__(
        self,
        config: Config,
        *,
        endpoint: PromptEndpoint,
        memory: PromptCache,
        snapshot: PromptSnapshot | None,
        background: Background,
        clock: Clock,
        emit: Emit | None,
        failures: FailureBackoff,
        instrumentation: CacheInstrumentation,
        fetcher: SharedFetcher,
    ) -> None:
        self._config = config
        self._limits = StaleLimits(config.stale_while_revalidate, config.stale_if_error)
        self._endpoint = endpoint
        self._memory = memory
        self._snapshot = snapshot
        self._background = background
        self._clock = clock
        self._emit = emit
        self._failures = failures
        self._instrumentation = instrumentation
        self._fetcher = fetcher
        self.stale_reads = StaleReads(
            config,
            limits=self._limits,
            memory=memory,
            failures=failures,
            fetcher=fetcher,
            clock=clock,
            instrumentation=instrumentation,
        )
        self._closings = 0

    async def read(self, ref: PromptRef, ttl: float | None, fallback: Fallback | None) -> PromptVersion:
        """Return a version no older than `ttl` seconds (None: the option `cache_ttl`), or what stands in.

        Raises:
            ScopeError: the service refused, or is unavailable and nothing stands in.
            ClientClosedError: the client was closed meanwhile.
        """
        saved = None if self._snapshot is None else await self._saved(ref)
        entry, failure = self._memory.get(ref.key), self._failures.get(ref.key)
        in_flight = failure is not None and self._fetcher.in_flight(ref)
        now, limits = self._clock.monotonic(), self._limits
        decision = decide(
            entry, failure, now, ttl, limits=limits, in_flight=in_flight, saved=saved, fallback=fallback
        )
        known = entry or saved
        match decision:
            case Fresh(version):
                self._instrumentation.hit(ref, fresh=True)
                return version
            case Revalidate(version):
                call = await self._fetcher.revalidate(ref, self._ttl(ttl), known=known)
                if call.completed and call.error is None:
                    return call.result
                self._instrumentation.hit(ref, fresh=False, request_id=call.name)
                return version
            case Fetch():
                return await self._wait(ref, ttl, fallback, decision, known=known)
            case ServeStale(refresh=True):
                call = self._fetcher.start(ref, self._ttl(ttl), known=known, max_retries=0)
                return await self._stand_in(ref, decision, call.name)
            case _:
                return await self._stand_in(ref, decision)

    async def ask(
        self, ref: PromptRef, mode: Mode, ttl: float | None, fallback: Fallback | None
    ) -> PromptVersion:
        """Return what the service has now, asked for this caller alone, or what stands in.

        Raises:
            ScopeError: as `read`.
        """
        saved = None if mode != DISABLED or self._snapshot is None else await self._saved(ref)
        if saved is not None:
            return await self._wait(ref, 0.0, fallback, Fetch(copy=saved), known=saved, shared=False)
        try:
            if mode == BYPASS:
                return (await run_at_home(self._background, lambda: self._endpoint.fetch(ref))).version
            seconds = 0.0 if mode == DISABLED else self._ttl(ttl)
            known = self._memory.get(ref.key)
            return await run_at_home(self._background, lambda: self._fetcher.fetch(ref, seconds, known=known))
        except ScopeError as error:
            if not is_unavailable(error):
                raise
            if fallback is None:
                self._instrumentation.call_failed(ref, error)
                raise
            return await self._stand_in(ref, UseFallback(fallback, error))

    def invalidate(self, name: str) -> None:
        """Drop every version of one prompt, by its name or id; a fetch in flight is not stored."""
        self._fetcher.reject_answers(name)
        self._memory.delete_prompt(name)

    def clear(self) -> None:
        """Drop every version and failure; the fetches in flight are not stored."""
        self.drop(None)
        self._failures.clear()

    def drop(self, name: str | None) -> None:
        """Drop one prompt, or all (None); no fetch in flight is stored, whatever it is for."""
        self._fetcher.reject_answers()
        self._memory.clear() if name is None else self._memory.delete_prompt(name)

    def status(self) -> CacheStatus:
        """Return what the cache looks like now; never waits, callable from any thread."""
        from scope_async.prompts.cache.status import cache_status  # noqa: PLC0415 - for probes alone

        saved = () if self._snapshot is None else self._snapshot.keys()
        entries, failing = self._memory.entries(), self._failures.failing()
        return cache_status(entries, failing, saved, now=self._clock.monotonic(), limits=self._limits)

    def close(self) -> None:
        """Wake all waiting readers with `ClientClosedError`, and drop everything."""
        self._closings += 1
        self.clear()
        self._fetcher.cancel_waits()

    async def _wait(
        self,
        ref: PromptRef,
        ttl: float | None,
        fallback: Fallback | None,
        decision: Fetch,
        *,
        known: KnownVersion | None,
        shared: bool = True,
    ) -> PromptVersion:
        """Return the outcome of a fetch, started again if its task was cancelled, or what stands in."""
        wait = None if self._emit is None else FetchInstrumentation(ref, self._emit, self._clock.monotonic)
        closings = self._closings
        version: PromptVersion | None = None
        try:
            for _ in range(_MAX_STARTS):
                joined = wait is not None and shared and self._fetcher.in_flight(ref)
                call = self._fetcher.start(
                    ref,
                    self._ttl(ttl),
                    known=known,
                    max_retries=None if decision.retry else 0,
                    shared=shared,
                    limit=None if decision.copy is None else self._config.stale_timeout,
                )
                if wait is not None:
                    wait.begin(call.name, shared=joined)
                await call.wait(failures=0)
                if call.completed and call.error is None:
                    version = call.result
                else:
                    version = await self._after_attempt(ref, call, ttl, fallback)
                if version is not None:
                    return version
                if closings != self._closings:
                    break
            raise ClientClosedError("the client was closed while the call was waiting")
        finally:
            if wait is not None:
                wait.end(version)

    async def _after_attempt(
        self,
        ref: PromptRef,
        call: InFlightCall[PromptVersion],
        ttl: float | None,
        fallback: Fallback | None,
    ) -> PromptVersion | None:
        """Return the version, or what stands in; None if the task of the fetch was cancelled.

        A copy stands in after the first failed attempt, a fallback after as many as a request has.
        """
        if isinstance(call.first_error, ScopeError):
            stand_in = await self._after_failure(ref, call.first_error, ttl, None)
            if stand_in is not None:
                return await self._stand_in(ref, stand_in, call.name)
            while not call.ended and (fallback is None or call.failures <= self._config.max_retries + 1):
                await call.wait(failures=call.failures)
        error = call.error or (None if call.ended else call.first_error)
        if error is None:
            return call.result if call.completed else None
        if not isinstance(error, ScopeError):
            raise error
        if is_unavailable(error):
            stand_in = await self._after_failure(ref, error, ttl, fallback)
            if stand_in is not None:
                return await self._stand_in(ref, stand_in, call.name)
            self._instrumentation.call_failed(ref, error)
        # A copy for each caller: a traceback grows with every `raise` of the same object.
        raise copy.copy(error) from error

    async def _after_failure(
        self, ref: PromptRef, error: ScopeError, ttl: float | None, fallback: Fallback | None
    ) -> StandIn | None:
        """Return what stands in after an attempt has failed; None if nothing does."""
        saved = None if self._snapshot is None else await self._saved(ref)
        entry, now, limits = self._memory.get(ref.key), self._clock.monotonic(), self._limits
        return decide_after_failure(entry, error, now, ttl, limits=limits, saved=saved, fallback=fallback)

    async def _saved(self, ref: PromptRef) -> SnapshotEntry | None:
        """Return the snapshot's entry, unless that in memory may stand in."""
        if self._snapshot is None or self._limits.allow(self._memory.get(ref.key), self._clock.monotonic()):
            return None
        return await self._snapshot.get(ref)

    def _ttl(self, ttl: float | None) -> float:
        return self._config.cache_ttl if ttl is None else ttl

    async def _stand_in(
        self, ref: PromptRef, decision: StandIn, request_id: str | None = None
    ) -> PromptVersion:
        """Return what stands in for the service, and report it."""
        match decision:
            case Fresh(version):
                return version
            case ServeStale(CacheEntry() as entry, error):
                age = self._clock.monotonic() - entry.stored_at
                self._instrumentation.stale(ref, age, error, request_id)
                return entry.stale_version
            case ServeStale(saved, error):
                age = max(0.0, self._clock.time() - saved.stored_at)
                self._instrumentation.stale(ref, age, error, request_id)
                return saved.version
            case UseFallback(fallback, error):
                from scope_async.prompts.fallback import fallback_version  # noqa: PLC0415 - few have one

                self._instrumentation.warn_of_fallback(ref, error)
                config = self._config
                version = await fallback_version(fallback, ref.name, config.unknown_variables, config.timeout)
                self._instrumentation.fallback_used(ref, error, request_id)
                return version
