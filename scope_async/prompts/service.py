"""`PromptService`: all that the client does with prompts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from scope_async import telemetry
from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.portal import run_at_home
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ValidationError
from scope_async.http.token_provider import TokenProvider
from scope_async.http.transport import Transport
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.fetcher import SharedFetcher
from scope_async.prompts.cache.instrumentation import CacheInstrumentation
from scope_async.prompts.cache.memory import PromptCache
from scope_async.prompts.cache.policy import BYPASS, DISABLED, REFRESH
from scope_async.prompts.cache.read_through import ReadThroughCache
from scope_async.prompts.endpoint import PromptEndpoint
from scope_async.prompts.reference import Label, PromptRef, key_of
from scope_async.prompts.version import PromptVersion
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.prompts.cache.shared.versions import SharedVersions
    from scope_async.prompts.cache.snapshot import PromptSnapshot
    from scope_async.prompts.cache.status import CacheStatus
    from scope_async.prompts.fallback import Fallback
    from scope_async.stores.client_store import ClientStore

_logger = logging.getLogger("scope_async.prompts")

_FLUSH_TIMEOUT = 5.0


class PromptService:
    """Prompt versions from memory, from the service, or from what stands in for it.

    Cancelling a caller leaves a shared fetch to the others: it runs in the tasks of
    `background`. `emit` is None when there are no hooks. `organization` returns whose prompts they
    are, None before the credentials were read. `store` is what processes share, if they do.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        token_provider: TokenProvider[Any],
        background: Background,
        clock: Clock,
        emit: Emit | None,
        organization: Callable[[], str | None],
        store: ClientStore | None = None,
    ) -> None:
        self._config = config
        self._background = background
        self._clock = clock
        self._emit = emit
        self._caching = config.cache_enabled and config.cache_ttl > 0
        self._closed = False
        self._refs = lru_cache(config.cache_max_entries)(PromptRef.of)
        self._memory = PromptCache(
            max_entries=config.cache_max_entries,
            max_bytes=config.cache_max_bytes,
            retention=max(config.stale_while_revalidate, config.stale_if_error),
            monotonic=clock.monotonic,
        )
        self._snapshot = _snapshot(config, organization, background, clock)
        self._endpoint = PromptEndpoint(config, transport=transport, token_provider=token_provider, emit=emit)
        self._shared = None if store is None else _shared_versions(store, config, self._memory, emit)
        failures = FailureBackoff(limit=config.cache_max_entries)
        instrumentation = CacheInstrumentation(failures, emit, clock)
        fetcher = SharedFetcher(
            self._endpoint,
            memory=self._memory,
            failures=failures,
            snapshot=self._snapshot,
            background=background,
            clock=clock,
            emit=emit,
            instrumentation=instrumentation,
            shared=self._shared,
        )
        self._cache = ReadThroughCache(
            config,
            endpoint=self._endpoint,
            memory=self._memory,
            snapshot=self._snapshot,
            background=background,
            clock=clock,
            emit=emit,
            failures=failures,
            instrumentation=instrumentation,
            fetcher=fetcher,
        )
        if self._shared is not None:
            self._shared.subscribe(self._cache.drop)

    def peek(self, name: str, label: str | None = None, version: str | None = None) -> PromptVersion | None:
        """Return the version if a fresh copy is in memory; never waits, and checks no argument."""
        key = name if label is None and version is None else key_of(name, label, version)
        try:
            found = self._memory.get_fresh(key)
        except TypeError:  # not hashable, so no name either
            return None
        if found is not None and self._emit is not None:
            self._emit(
                telemetry.events.CacheHit(prompt=name, selector=version or label or "production", fresh=True)
            )
        return found

    def peek_stale(
        self, name: str, label: Label | None = None, version: str | None = None
    ) -> PromptVersion | None:
        """Return the copy in memory that `fetch` would return at once although it is not fresh, or None.

        For callers in any thread, which have `refresh` called in the loop for what the read leaves out.

        Raises:
            ValidationError: an argument is not acceptable.
        """
        if not self._caching or self._closed:
            return None
        try:
            return self._cache.stale_reads.peek(self._refs(name, label, version))
        except TypeError:  # not hashable, so no name either
            return None

    def refresh(self, name: str, label: Label | None = None, version: str | None = None) -> None:
        """Start the fetch that a read of a stale copy starts; call it in the event loop."""
        if not self._closed:
            self._cache.stale_reads.refresh(self._refs(name, label, version))

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
        """Return (when awaited) a version of the prompt, for a caller that found none with `peek`.

        Raises:
            ValidationError: an argument is not acceptable; nothing was sent.
            NoProductionVersionError, NotFoundError: there is no such version.
            ScopeError: the service refused, or is unavailable and nothing stands in.
        """
        # Not a coroutine itself, and flat: each call on the way costs every fetch a little.
        try:
            ref = self._refs(name, label, version)
        except TypeError:  # not hashable: let it be named
            ref = PromptRef.of(name, label, version)
        if fallback is not None:
            from scope_async.prompts.fallback import check_fallback  # noqa: PLC0415 - few have one

            check_fallback(fallback)
        if cache_ttl is not None:
            _check_ttl(cache_ttl)
        if self._closed:
            self._check_open()
        if cache_ttl == 0:
            return self._cache.ask(ref, BYPASS, cache_ttl, fallback)
        if not self._config.cache_enabled or (cache_ttl is None and not self._caching):
            return self._cache.ask(ref, DISABLED, cache_ttl, fallback)
        if not cache:
            return self._cache.ask(ref, REFRESH, cache_ttl, fallback)
        return self._cache.read(ref, cache_ttl, fallback)

    async def get_many(self, names: Iterable[str], *, label: Label | None = None) -> dict[str, PromptVersion]:
        """Return a version of each prompt by its name; at most 10 are fetched at once.

        Raises:
            ScopeError: one error that names every prompt that failed.
        """
        from scope_async.prompts import batch  # noqa: PLC0415 - few read many at once

        distinct = batch.distinct_names(names)
        for name in distinct:
            PromptRef.of(name, label)
        found, failures = await batch.fetch_all(distinct, partial(self.get, label=label))
        if failures:
            raise batch.combine_errors(failures)
        return found

    async def prefetch(self, names: Iterable[str]) -> None:
        """Have the production versions of `names` in memory.

        Raises:
            ScopeError: as `get_many`; the others are in memory nevertheless.
        """
        from scope_async.prompts import batch  # noqa: PLC0415 - few read many at once

        distinct = batch.distinct_names(names)
        for name in distinct:
            PromptRef.of(name)
        started = self._clock.monotonic()
        _, failures = await batch.fetch_all(distinct, self.get)
        if self._emit is not None:
            duration_ms = (self._clock.monotonic() - started) * 1000
            self._emit(
                telemetry.events.PrefetchDone(
                    prompts=len(distinct), failed=len(failures), duration_ms=duration_ms
                )
            )
        if failures:
            raise batch.combine_errors(failures)

    def invalidate(self, name: str) -> None:
        """Drop every version of one prompt, by its name or id, also one that is being fetched."""
        self._cache.invalidate(name)
        if self._shared is not None:
            self._shared.invalidate(name)

    def clear(self) -> None:
        """Drop every version, also those that are being fetched."""
        self._cache.clear()
        if self._shared is not None:
            self._shared.invalidate(None)

    def status(self) -> CacheStatus:
        """Return what the cache looks like now; never waits, callable from any thread."""
        return self._cache.status()

    @property
    def foreign_reply(self) -> str | None:
        """The answer of a server other than Scope, if there was one; None once Scope has answered."""
        return self._endpoint.foreign_reply

    async def ping(self) -> None:
        """Return when the service accepted a request with our token.

        Raises:
            ScopeError: what a call would fail with now.
        """
        self._check_open()
        await run_at_home(self._background, self._endpoint.ping)

    def close(self) -> None:
        """Wake all waiters with `ClientClosedError` and empty the cache. Idempotent."""
        self._closed = True
        self._cache.close()

    async def flush(self) -> None:
        """Return when the snapshot, if there is one, is on disk or could not be written within 5 s."""
        if self._snapshot is None:
            return
        # The write itself goes on after the limit, so that no older one can overtake it.
        writing = asyncio.ensure_future(self._snapshot.flush())
        await asyncio.wait({writing}, timeout=_FLUSH_TIMEOUT)
        if not writing.done():
            _logger.warning("the prompt snapshot is not written after %.0f s; going on", _FLUSH_TIMEOUT)

    def _check_open(self) -> None:
        # Starting the client again starts its background tasks.
        self._closed = self._closed and not self._background.running
        if self._closed:
            raise ClientClosedError("the client is closed")


def _snapshot(
    config: Config, organization: Callable[[], str | None], background: Background, clock: Clock
) -> PromptSnapshot | None:
    if config.snapshot_path is None:
        return None
    from scope_async.prompts.cache.snapshot import PromptSnapshot  # noqa: PLC0415 - costs time to import

    return PromptSnapshot(
        config.snapshot_path, config, organization=organization, background=background, clock=clock
    )


def _shared_versions(
    store: ClientStore, config: Config, memory: PromptCache, emit: Emit | None
) -> SharedVersions:
    from scope_async.prompts.cache.shared.versions import SharedVersions  # noqa: PLC0415 - an extra

    return SharedVersions(store, config, memory=memory, emit=emit)


def _check_ttl(ttl: object) -> None:
    if not isinstance(ttl, int | float) or isinstance(ttl, bool) or not ttl >= 0:
        raise ValidationError(f"cache_ttl must be a number of seconds, 0 or more, got {ttl!r}")
