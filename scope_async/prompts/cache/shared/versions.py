"""`SharedVersions`: the versions that processes share, behind the memory of each of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import attrs

from scope_async._core.bounded_dict import BoundedDict
from scope_async.config import Config
from scope_async.errors import AuthorizationError, NotFoundError, ScopeError, TimeoutError
from scope_async.prompts.cache.memory import PromptCache
from scope_async.prompts.cache.shared.format import SharedCopy, format_copy, read_copy
from scope_async.prompts.conditional import FetchedVersion, KnownVersion
from scope_async.prompts.reference import PromptRef, name_of
from scope_async.stores.client_store import ClientStore
from scope_async.stores.protocol import Change
from scope_async.stores.shared_entries import LEASE_DURATION, Fetched, SharedEntries, SharedEntry, Slot
from scope_async.telemetry.events import Emit, SharedPromptTaken

OnAttemptFailed = Callable[[ScopeError], None] | None

_MAX_UNSENT = 1000


class Ask(Protocol):
    """Asks the service for one version, as `PromptEndpoint.fetch` does."""

    def __call__(
        self, *, known: KnownVersion | None, on_attempt_failed: OnAttemptFailed
    ) -> Coroutine[Any, Any, FetchedVersion]: ...


class SharedVersions:
    """Fetches a version once for all processes; what the others fetched is taken while it is fresh.

    A copy that is stale goes into a memory that has none, where the rules of RFC 5861 find it. What
    was invalidated, here or elsewhere, is not taken. Used in the event loop of the client, but for
    `invalidate`.
    """

    def __init__(
        self,
        store: ClientStore,
        config: Config,
        *,
        memory: PromptCache,
        emit: Emit | None,
    ) -> None:
        self._store = store
        self._config = config
        self._memory = memory
        self._background = store.background
        self._clock = store.clock
        self._emit = emit
        self._on_invalidated: Callable[[str | None], None] = lambda _: None
        self._seen: BoundedDict[str, str] = BoundedDict(config.cache_max_entries)
        self._invalidated_at: BoundedDict[str | None, float] = BoundedDict(config.cache_max_entries)
        self._unsent: BoundedDict[str | None, None] = BoundedDict(_MAX_UNSENT)
        store.subscribe(self._changed, on_available=self._send_unsent)

    def subscribe(self, on_invalidated: Callable[[str | None], None]) -> None:
        """Call `on_invalidated` with the name of a prompt, or None for all, that a process invalidated."""
        self._on_invalidated = on_invalidated

    async def fetch(
        self,
        ref: PromptRef,
        ttl: float,
        ask: Ask,
        *,
        known: KnownVersion | None,
        on_attempt_failed: OnAttemptFailed,
        use_shared: bool,
    ) -> FetchedVersion:
        """Return a version that is fresh for `ttl` seconds, or what the service answers to `ask`.

        Without `use_shared` the service is asked in any case, and its answer shared.

        Raises:
            ScopeError: what `ask` raises.
        """
        entries = await self._store.entries()
        if entries is None:
            return await ask(known=known, on_attempt_failed=on_attempt_failed)
        slot = entries.slot("prompt", ref.name, "version" if ref.is_by_id else "label", ref.selector)
        fetch = _SharedFetch(self, entries, slot, ref, ttl, ask, known, on_attempt_failed, use_shared)
        try:
            found = await entries.obtain(
                slot,
                fetch.ask_service,
                known=self._known(ref, ttl, slot),
                accept=fetch.accept,
                max_wait=LEASE_DURATION if use_shared else 0.0,
            )
        except (NotFoundError, AuthorizationError):
            if slot.name in self._seen:
                entries.delete_later(slot, self._seen.pop(slot.name))
            raise
        self._seen[slot.name] = found.version
        if not isinstance(found, SharedEntry):
            return fetch.answer
        if self._emit is not None:
            self._emit(
                SharedPromptTaken(prompt=ref.name, selector=ref.selector, age_ms=fetch.answer.age * 1000)
            )
        return fetch.answer

    def invalidate(self, name: str | None) -> None:
        """Drop a prompt, or all, from the store, also once it is back; callable from any thread."""
        self._invalidated_at[name] = self._clock.monotonic()
        self._background.call_soon(partial(self._store.jobs.add, self._invalidate, name))

    def read(self, ref: PromptRef, entry: SharedEntry, known: KnownVersion | None) -> SharedCopy | None:
        """Return the copy in an entry; None if it cannot be read, or was invalidated since."""
        copy = read_copy(ref.name, entry, known, self._config.unknown_variables)
        if copy is None:
            return None
        stored_at = self._clock.monotonic() - copy.age
        names = (None, ref.name, copy.version.name, copy.version.prompt_id)
        if any(stored_at <= self._invalidated_at.get(name, float("-inf")) for name in names):
            return None
        return copy

    def keep_stale(self, ref: PromptRef, copy: SharedCopy, ttl: float, failed: OnAttemptFailed) -> bool:
        """Put a stale copy into a memory that has none; return True if it may be served at once."""
        if self._memory.get(ref.key) is not None:
            return False
        now = self._clock.monotonic()
        with self._memory.lock:
            self._memory.put(ref.key, copy.fetched, now - copy.age, ttl, sequence=0)
        if copy.age < ttl + self._config.stale_while_revalidate:
            return True
        if failed is not None:
            self._background.spawn(self._wake_waiters, failed)
        return False

    def shared(self, entries: SharedEntries, ref: PromptRef, ttl: float, answer: FetchedVersion) -> Fetched:
        """Return what to write into the store."""
        names = {ref.name, answer.version.name, answer.version.prompt_id}
        lifetime = ttl + self._memory.retention
        tags = tuple(sorted(entries.tag(name) for name in names))
        return Fetched(format_copy(answer, lifetime), lifetime=lifetime, tags=tags)

    def _known(self, ref: PromptRef, ttl: float, slot: Slot) -> str:
        """Return the entry's version that the copy in memory is of, if that is no longer fresh."""
        copy = self._memory.get(ref.key)
        fresh = copy is not None and self._clock.monotonic() < copy.stored_at + ttl
        return "" if copy is None or fresh else self._seen.get(slot.name, "")

    async def _wake_waiters(self, failed: Callable[[ScopeError], None]) -> None:
        """Wake the waiters, as if an attempt had failed, so that they find the stale copy."""
        limit = self._config.stale_timeout
        await self._clock.sleep(limit)
        failed(TimeoutError(f"no answer within stale_timeout = {limit:g} s"))

    async def _invalidate(self, name: str | None) -> None:
        entries = await self._store.entries()
        if entries is None or not await entries.invalidate(name):
            self._unsent[name] = None

    def _send_unsent(self) -> None:
        unsent = list(self._unsent)
        self._unsent.clear()
        for name in unsent:
            self._store.jobs.add(self._invalidate, name)

    def _changed(self, change: Change) -> None:
        if change.kind == "resync":
            # An invalidation may have been missed.
            self._memory.lapse()
        elif change.kind == "invalidated":
            self._store.jobs.add(self._drop, change.name)

    async def _drop(self, tag: str) -> None:
        """Drop what has this tag, and all if it is empty."""
        entries = await self._store.entries()
        if not tag or entries is None:
            self._on_invalidated(None)
            return
        for key, entry in self._memory.entries().items():
            for name in {name_of(key), entry.version.name, entry.version.prompt_id}:
                if entries.tag(name) == tag:
                    self._on_invalidated(name)


@attrs.define
class _SharedFetch:
    """One fetch: what is taken from the store, and how the service is asked; `answer` is its outcome."""

    _versions: SharedVersions
    _entries: SharedEntries
    _slot: Slot
    _ref: PromptRef
    _ttl: float
    _ask: Ask
    _known: KnownVersion | None
    _on_attempt_failed: OnAttemptFailed
    _use_shared: bool
    answer: FetchedVersion = attrs.field(init=False)

    def accept(self, entry: SharedEntry) -> bool:
        """Return True if the entry answers this fetch."""
        copy = self._versions.read(self._ref, entry, self._known) if self._use_shared else None
        if copy is None:
            return False
        self.answer = copy.fetched
        if copy.age < self._ttl:
            return True
        if self._known is None:
            self._known = copy
        return self._versions.keep_stale(self._ref, copy, self._ttl, self._on_attempt_failed)

    async def ask_service(self) -> Fetched:
        self.answer = await self._ask(known=self._known, on_attempt_failed=self._attempt_failed)
        return self._versions.shared(self._entries, self._ref, self._ttl, self.answer)

    def _attempt_failed(self, error: ScopeError) -> None:
        # Others find out for themselves, and serve the copies that they have.
        self._entries.release_early(self._slot)
        if self._on_attempt_failed is not None:
            self._on_attempt_failed(error)
