"""The entries of one set of credentials: encrypted, fetched by one process for all, never in the way."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import attrs

from scope_async._core.background import Background
from scope_async._core.clock import Clock
from scope_async.errors import ClientClosedError
from scope_async.stores.availability import Availability, StoreStatus
from scope_async.stores.change_feed import ChangeFeed
from scope_async.stores.encryption import Binding, EntryCipher, Kind
from scope_async.stores.protocol import (
    Lease,
    LeaseHeld,
    SharedStore,
    StoredEntry,
    StoreUnavailableError,
)

LEASE_DURATION = 2.0
"""Seconds after which another process takes the place of one that has stopped."""


@attrs.frozen
class Slot:
    """Where an entry lies: its kind, and a name that says nothing."""

    kind: Kind
    name: str


@attrs.frozen
class SharedEntry:
    """A decrypted entry: `expires_in` are the seconds of life that are certainly left."""

    content: bytes = attrs.field(repr=False)
    version: str
    expires_in: float


@attrs.frozen
class Fetched:
    """What a process fetched itself: it lives `lifetime` seconds from the moment it was asked for.

    `version` is the one under which the others find it; empty when the store was unavailable.
    """

    content: bytes = attrs.field(repr=False)
    lifetime: float
    tags: tuple[str, ...] = ()
    version: str = ""


@attrs.frozen
class _Unreadable:
    """An entry that was not encrypted by this binding, or was changed since."""

    version: str


Fetch = Callable[[], Awaitable[Fetched]]


class SharedEntries:
    """Shares entries through a store; every failure of the store is an absent entry.

    Args:
        store: the engine.
        binding: whose entries.
        background: runs the listener, and what no caller should wait for.
        clock: for tests.
        draw: random numbers in [0, 1), for jitter.
        on_change: called when the store becomes unavailable or available.
    """

    def __init__(
        self,
        store: SharedStore,
        binding: Binding,
        *,
        background: Background,
        clock: Clock,
        draw: Callable[[], float] = random.random,
        on_change: Callable[[StoreStatus], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._cipher = EntryCipher(binding)
        self._background = background
        self._clock = clock
        self._availability = Availability(clock=clock, draw=draw, on_change=on_change)
        self._feed = ChangeFeed(
            store, self._cipher.namespace, availability=self._availability, clock=clock, draw=draw
        )
        self.status = self._availability.status
        self.subscribe = self._feed.subscribe

    def slot(self, kind: Kind, *parts: str) -> Slot:
        """Return the place of what `parts` name together."""
        return Slot(kind, self._cipher.name(kind, *parts))

    def tag(self, name: str) -> str:
        """Return the tag that entries of the prompt with this name or id have."""
        return self._cipher.name("tag", name)

    async def listen(self) -> None:
        """Hear of changes and watch over the store's availability. Does not return."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._feed.run)
            group.start_soon(self._availability.probe_when_down, self._probe)

    async def obtain(
        self,
        slot: Slot,
        fetch: Fetch,
        *,
        known: str = "",
        accept: Callable[[SharedEntry], bool] = lambda _: True,
    ) -> SharedEntry | Fetched:
        """Return an entry of another version than `known` that is acceptable, or what `fetch` returns.

        Of all processes that ask, one fetches at a time and the others wait for its entry. A
        process whose store is unavailable fetches at once, alone.

        Raises:
            Exception: what `fetch` raises.
        """
        owner = secrets.token_hex(16)
        while True:
            waiter = self._feed.expect(slot.name)
            try:
                found = await self._acquire(slot, owner, known)
                if isinstance(found, SharedEntry):
                    if accept(found):
                        return found
                    known = found.version
                elif isinstance(found, Lease):
                    return await self._fetch_under(found, slot, fetch)
                elif isinstance(found, _Unreadable):
                    known = found.version
                else:
                    await self._feed.wait(waiter, at_most=found.expires_in)
            except StoreUnavailableError:
                return await fetch()
            finally:
                self._feed.forget(slot.name, waiter)

    async def get(self, slot: Slot) -> SharedEntry | None:
        """Return the entry; None when there is none, or none that can be had now."""
        asked_at = self._clock.monotonic()
        try:
            found = await self._availability.call(lambda: self._store.get(self._cipher.namespace, slot.name))
        except StoreUnavailableError:
            return None
        return None if found is None else self._opened(slot, found, asked_at)

    async def delete(self, slot: Slot, version: str) -> None:
        """Give up this version of the entry, everywhere; a newer one is left alone."""
        await self._attempt(lambda: self._store.delete(self._cipher.namespace, slot.name, version=version))

    async def invalidate(self, name: str | None = None) -> None:
        """Drop the entries of one prompt, or of all, everywhere."""
        tag = None if name is None else self.tag(name)
        await self._attempt(lambda: self._store.invalidate(self._cipher.namespace, tag))

    async def _acquire(
        self, slot: Slot, owner: str, known: str
    ) -> SharedEntry | Lease | LeaseHeld | _Unreadable:
        asked_at = self._clock.monotonic()
        found = await self._availability.call(
            lambda: self._store.acquire(
                self._cipher.namespace, slot.name, owner=owner, duration=LEASE_DURATION, known=known
            )
        )
        if isinstance(found, StoredEntry):
            return self._opened(slot, found, asked_at) or _Unreadable(found.version)
        return found

    def _opened(self, slot: Slot, found: StoredEntry, asked_at: float) -> SharedEntry | None:
        content = self._cipher.decrypt(slot.kind, slot.name, found.content)
        left = found.expires_in - (self._clock.monotonic() - asked_at)
        return None if content is None or left <= 0 else SharedEntry(content, found.version, left)

    async def _fetch_under(self, lease: Lease, slot: Slot, fetch: Fetch) -> Fetched:
        """Fetch while the lease is renewed; what comes of it is written after it was returned."""
        keeping = asyncio.get_running_loop().create_task(self._keep(lease))
        try:
            fetched = await fetch()
        except BaseException:
            self._later(self._release, lease)
            raise
        finally:
            keeping.cancel()
        self._later(self._write, lease, slot, fetched)
        return attrs.evolve(fetched, version=lease.version)

    def _later(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        # Of a client that was closed meanwhile the lease ends by itself.
        with suppress(ClientClosedError):
            self._background.spawn(function, *args)

    async def _keep(self, lease: Lease) -> None:
        while True:
            await self._clock.sleep(LEASE_DURATION / 4)
            await self._attempt(lambda: self._store.renew(lease, duration=LEASE_DURATION))

    async def _write(self, lease: Lease, slot: Slot, fetched: Fetched) -> None:
        content = self._cipher.encrypt(slot.kind, slot.name, fetched.content)
        await self._attempt(
            lambda: self._store.put(lease, content, lifetime=fetched.lifetime, tags=fetched.tags)
        )

    async def _release(self, lease: Lease) -> None:
        await self._attempt(lambda: self._store.release(lease))

    async def _probe(self) -> None:
        """Do what matters most: a store that can be read and not written is of no use."""
        name = self._cipher.name("probe", secrets.token_hex(8))
        found = await self._store.acquire(
            self._cipher.namespace, name, owner=secrets.token_hex(16), duration=LEASE_DURATION
        )
        if isinstance(found, Lease):
            await self._store.release(found)

    async def _attempt(self, operation: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._availability.call(operation)
        except StoreUnavailableError:
            return
