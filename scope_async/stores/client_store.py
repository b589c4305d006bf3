"""`ClientStore`: the store as one client uses it, bound to the credentials that are in use."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial

import anyio

from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.portal import run_at_home
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.stores.availability import OPERATION_TIMEOUT, Availability, StoreStatus
from scope_async.stores.encryption import MIN_SECRET_LENGTH, Binding
from scope_async.stores.pending_jobs import PendingJobs
from scope_async.stores.protocol import Change, SharedStore
from scope_async.stores.shared_entries import SharedEntries
from scope_async.telemetry.events import Emit, StoreAvailable, StoreUnavailable

_logger = logging.getLogger("scope_async.stores")

_WEAK_SECRET = f"the API secret has fewer than {MIN_SECRET_LENGTH} characters"


class ClientStore:
    """The entries of the credentials in use: another key begins with none.

    Used in the event loop of `background` alone, but for `status` and `flush`. The store is closed when the
    background ends, and opens again at the next use.

    Attributes:
        background, clock: of the client.
        jobs: what `flush` waits for.
    """

    def __init__(
        self,
        store: SharedStore,
        config: Config,
        *,
        background: Background,
        clock: Clock,
        emit: Emit | None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._config = config
        self.background = background
        self.clock = clock
        self._emit = emit
        self._rng = rng
        self._availability = Availability(clock=clock, rng=rng, on_change=self._availability_changed)
        self._subscribers: list[Callable[[Change], None]] = []
        self._available_subscribers: list[Callable[[], None]] = []
        self._credentials: ApiKeyCredentials | None = None
        self._binding: Binding | None = None
        self._entries: SharedEntries | None = None
        self._bound, self._rebound = asyncio.Event(), asyncio.Event()
        self.jobs = PendingJobs(background)
        background.add_service(self._listen)
        background.on_stopped(self._stopped)
        background.add_cleanup(store.aclose)

    def __repr__(self) -> str:
        return f"<ClientStore {self._store!r}>"

    def entries_for(self, credentials: ApiKeyCredentials) -> SharedEntries | None:
        """Return the entries of these credentials; None when their secret could be guessed from them."""
        binding = Binding.of(self._config, credentials)
        if binding != self._binding:
            if not binding.is_secret_strong:
                _logger.warning("the shared store is not used: %s", _WEAK_SECRET)
            self._credentials, self._binding = credentials, binding
            self._entries = self._bind(binding) if binding.is_secret_strong else None
            self._bound.set()
            self._rebound.set()
        return self._entries

    async def entries(self) -> SharedEntries | None:
        """Return the entries of the credentials in use, which the first token exchange reads; else None."""
        if not self._bound.is_set():
            waiting = asyncio.ensure_future(self._bound.wait())
            await asyncio.wait({waiting}, timeout=OPERATION_TIMEOUT)
            waiting.cancel()
        return self._entries

    def subscribe(
        self, on_change: Callable[[Change], None], *, on_available: Callable[[], None] = lambda: None
    ) -> None:
        """Call `on_change` with each change, and `on_available` when the store is back; neither may wait."""
        self._subscribers.append(on_change)
        self._available_subscribers.append(on_available)

    def status(self) -> StoreStatus:
        """Return what the store looks like now; never waits, callable from any thread."""
        if self._binding is not None and not self._binding.is_secret_strong:
            return StoreStatus(available=False, last_error=_WEAK_SECRET)
        return self._availability.status()

    async def flush(self) -> None:
        """Return when what was to be written is written, at most after the bound of one operation."""
        if self.background.running:
            await run_at_home(self.background, partial(self.jobs.wait, at_most=OPERATION_TIMEOUT))

    def _bind(self, binding: Binding) -> SharedEntries:
        entries = SharedEntries(
            self._store,
            binding,
            availability=self._availability,
            jobs=self.jobs,
            clock=self.clock,
            rng=self._rng,
            emit=self._emit,
        )
        entries.subscribe(self._changed)
        return entries

    async def _listen(self) -> None:
        """Listen to the entries in use. Does not return."""
        if self._credentials is not None:  # those of an event loop before
            self.entries_for(self._credentials)
        while True:
            self._rebound.clear()
            async with anyio.create_task_group() as group:
                if self._entries is not None:
                    group.start_soon(self._entries.listen)
                await self._rebound.wait()
                group.cancel_scope.cancel()

    def _changed(self, change: Change) -> None:
        for subscriber in self._subscribers:
            subscriber(change)

    def _availability_changed(self, status: StoreStatus) -> None:
        if status.available:
            for subscriber in self._available_subscribers:
                subscriber()
        if self._emit is None:
            return
        if status.available:
            self._emit(StoreAvailable(down_for_ms=(status.down_for or 0.0) * 1000))
        else:
            self._emit(StoreUnavailable(error=status.last_error or ""))

    def _stopped(self) -> None:
        # What waits belongs to an event loop that has ended.
        self._binding = self._entries = None
        self._bound, self._rebound = asyncio.Event(), asyncio.Event()
        self.jobs.forget()
        self._availability.leave_loop()
