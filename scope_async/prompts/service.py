"""`PromptService`: all that the client does with prompts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import lru_cache, partial
from typing import Any

from scope_async._core.background import Background
from scope_async._core.clock import Clock
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ValidationError
from scope_async.http.token_provider import TokenProvider
from scope_async.http.transport import Transport
from scope_async.prompts.batch import combine_errors, distinct_names, versions_of
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.fetcher import SharedFetcher
from scope_async.prompts.cache.memory import PromptCache
from scope_async.prompts.cache.read_through import ReadThroughCache
from scope_async.prompts.cache.snapshot import Snapshot
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.fallback import Fallback, check_fallback
from scope_async.prompts.reference import Label, PromptRef, key_of
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.events import CacheHit, Emit, PrefetchDone

_logger = logging.getLogger("scope_async.prompts")

_FLUSH_LIMIT = 5.0


class PromptService:
    """Prompt versions from memory, from the service, or from what stands in for it.

    Safe under cancellation: fetches that several callers wait for run in the tasks of
    `background`. `emit` is None when nobody listens.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        bearer: TokenProvider[Any],
        background: Background,
        clock: Clock,
        emit: Emit | None,
    ) -> None:
        self._config = config
        self._background = background
        self._clock = clock
        self._emit = emit
        self._caching = config.cache_enabled and config.cache_ttl > 0
        self._closed = False
        self._selections = lru_cache(config.cache_max_entries)(PromptRef.of)
        self._cache = PromptCache(
            max_entries=config.cache_max_entries,
            stale_while_revalidate=config.stale_while_revalidate,
            stale_if_error=config.stale_if_error,
            monotonic=clock.monotonic,
        )
        self._snapshot = _snapshot(config, background, clock)
        self._remote = PromptEndpoint(config, transport=transport, bearer=bearer, emit=emit)
        outages = FailureBackoff(limit=config.cache_max_entries)
        self._renewals = SharedFetcher(
            self._remote,
            cache=self._cache,
            outages=outages,
            snapshot=self._snapshot,
            background=background,
            clock=clock,
            emit=emit,
        )
        self._reader = ReadThroughCache(
            config,
            remote=self._remote,
            renewals=self._renewals,
            cache=self._cache,
            outages=outages,
            snapshot=self._snapshot,
            clock=clock,
            emit=emit,
        )

    def peek(self, name: str, label: str | None = None, version: str | None = None) -> PromptVersion | None:
        """Return the version if a fresh copy is in memory; never waits, and checks nothing else."""
        key = name if label is None and version is None else key_of(name, label, version)
        try:
            found = self._cache.fresh(key)
        except TypeError:  # not hashable, so no name either
            return None
        if found is not None and self._emit is not None:
            self._emit(CacheHit(prompt=name, selector=version or label or "production", fresh=True))
        return found

    async def get(self, name: str, *, label: Label | None = None) -> PromptVersion:
        """Return a version of the prompt; does not suspend while a fresh copy is in memory.

        Raises:
            ScopeError: as `fetch`.
        """
        return self.peek(name, label) or await self.fetch(name, label=label)

    def fetch(
        self,
        name: str,
        *,
        label: Label | None = None,
        version: str | None = None,
        cache: bool = True,
        cache_ttl: float | None = None,
        fallback: Fallback | None = None,
    ) -> Coroutine[Any, Any, PromptVersion]:
        """Return (when awaited) a version of the prompt, for whoever found none with `peek`.

        Raises:
            ValidationError: an argument is not acceptable; nothing was sent.
            NoProductionVersionError, NotFoundError: there is no such version.
            ScopeError: the service said no, or could not answer and nothing stands in.
        """
        # Not a coroutine itself, and flat: whatever is called on the way costs every fetch a little.
        try:
            selection = self._selections(name, label, version)
        except TypeError:  # not hashable: let it be named
            selection = PromptRef.of(name, label, version)
        if fallback is not None:
            check_fallback(fallback)
        if cache_ttl is not None:
            _check_ttl(cache_ttl)
        if self._closed:
            self._check_open()
        if cache_ttl == 0:
            return self._reader.pass_by(selection, fallback)
        if not self._config.cache_enabled or (cache_ttl is None and not self._caching):
            return self._reader.uncached(selection, fallback)
        if not cache:
            return self._reader.ask(selection, cache_ttl, fallback)
        return self._reader.read(selection, cache_ttl, fallback)

    async def get_many(self, names: Iterable[str], *, label: Label | None = None) -> dict[str, PromptVersion]:
        """Return a version of each prompt by its name; at most 10 are fetched at once.

        Raises:
            ScopeError: one error that names every prompt that could not be had.
        """
        wanted = distinct_names(names)
        for name in wanted:
            PromptRef.of(name, label)
        found, failures = await versions_of(wanted, partial(self.get, label=label))
        if failures:
            raise combine_errors(failures)
        return found

    async def prefetch(self, names: Iterable[str]) -> None:
        """Have the production versions of `names` in memory.

        Raises:
            ScopeError: as `get_many`; the others are in memory nevertheless.
        """
        wanted = distinct_names(names)
        for name in wanted:
            PromptRef.of(name)
        started = self._clock.monotonic()
        _, failures = await versions_of(wanted, self.get)
        if self._emit is not None:
            duration_ms = (self._clock.monotonic() - started) * 1000
            self._emit(PrefetchDone(prompts=len(wanted), failed=len(failures), duration_ms=duration_ms))
        if failures:
            raise combine_errors(failures)

    def invalidate(self, name: str) -> None:
        """Drop every version of one prompt, by its name or id, also one that is on its way."""
        self._renewals.invalidate(name)

    def clear(self) -> None:
        """Drop every version, also those that are on their way."""
        self._renewals.clear()

    async def ping(self) -> None:
        """Return when the service accepted a request with our token.

        Raises:
            ScopeError: what a call would fail with now.
        """
        self._check_open()
        await self._remote.ping()

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError` and empty the cache. Idempotent."""
        self._closed = True
        self._renewals.close()

    async def flush(self) -> None:
        """Return when the snapshot, if there is one, is on disk or could not be written within 5 s."""
        if self._snapshot is None:
            return
        # A write is never given up half-way, so that no older one can overtake it: who waits is.
        writing = asyncio.ensure_future(self._snapshot.flush())
        await asyncio.wait({writing}, timeout=_FLUSH_LIMIT)
        if not writing.done():
            _logger.warning("the prompt snapshot is not written after %.0f s; going on", _FLUSH_LIMIT)

    def _check_open(self) -> None:
        # Whoever starts the client again starts its background tasks.
        self._closed = self._closed and not self._background.running
        if self._closed:
            raise ClientClosedError("the client is closed")


def _snapshot(config: Config, background: Background, clock: Clock) -> Snapshot | None:
    if config.snapshot_path is None:
        return None
    return Snapshot(
        config.snapshot_path,
        limit=config.cache_max_entries,
        background=background,
        clock=clock,
        unknown_variables=config.unknown_variables,
    )


def _check_ttl(ttl: object) -> None:
    if not isinstance(ttl, int | float) or isinstance(ttl, bool) or not ttl >= 0:
        raise ValidationError(f"cache_ttl must be a number of seconds, 0 or more, got {ttl!r}")
