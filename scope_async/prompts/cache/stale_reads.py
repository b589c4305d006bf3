"""`StaleReads`: stale copies for callers that cannot wait for the event loop."""

from __future__ import annotations

from scope_async._core.clock import Clock
from scope_async.config import Config
from scope_async.prompts.cache.backoff import FailureBackoff
from scope_async.prompts.cache.fetcher import SharedFetcher
from scope_async.prompts.cache.instrumentation import CacheInstrumentation
from scope_async.prompts.cache.memory import CacheEntry, PromptCache
from scope_async.prompts.cache.policy import Decision, Revalidate, ServeStale, StaleLimits, decide
from scope_async.prompts.reference import PromptRef
from scope_async.prompts.version import PromptVersion


class StaleReads:
    """A read of a stale copy in two halves: what is served, in any thread, and the fetch, in the loop."""

    def __init__(
        self,
        config: Config,
        *,
        limits: StaleLimits,
        memory: PromptCache,
        failures: FailureBackoff,
        fetcher: SharedFetcher,
        clock: Clock,
        instrumentation: CacheInstrumentation,
    ) -> None:
        self._config = config
        self._limits = limits
        self._memory = memory
        self._failures = failures
        self._fetcher = fetcher
        self._clock = clock
        self._instrumentation = instrumentation

    def peek(self, ref: PromptRef) -> PromptVersion | None:
        """Return the copy in memory that a read would return at once although it is stale, or None."""
        match self._decide(ref, self._memory.get(ref.key)):
            case Revalidate(version):
                self._instrumentation.hit(ref, fresh=False)
                return version
            case ServeStale(CacheEntry() as entry, error):
                age = self._clock.monotonic() - entry.stored_at
                self._instrumentation.stale(ref, age, error, None)
                return entry.stale_version
        return None

    def refresh(self, ref: PromptRef) -> None:
        """Start the fetch that such a read starts; call it in the event loop."""
        entry = self._memory.get(ref.key)
        match self._decide(ref, entry):
            case Revalidate():
                self._fetcher.start(ref, self._config.cache_ttl, known=entry)
            case ServeStale(refresh=True):
                self._fetcher.start(ref, self._config.cache_ttl, known=entry, max_retries=0)

    def _decide(self, ref: PromptRef, entry: CacheEntry | None) -> Decision:
        failure = self._failures.get(ref.key)
        return decide(entry, failure, self._clock.monotonic(), None, limits=self._limits)
