"""The shared entries of one set of credentials: encrypted, and fetched by one process for all."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable
from types import NoneType
from typing import TypeVar

import anyio
import attrs

from scope_async._core.clock import Clock
from scope_async.stores.availability import OPERATION_TIMEOUT, Availability
from scope_async.stores.change_feed import ChangeFeed
from scope_async.stores.encryption import Binding, EntryCipher, Kind
from scope_async.stores.pending_jobs import PendingJobs
from scope_async.stores.protocol import (
    Lease,
    LeaseHeld,
    SharedStore,
    StoredEntry,
    StoreUnavailableError,
    checked,
)
from scope_async.stores.wait_budget import CALLERS_BUDGET, LOOK_BUDGET
from scope_async.telemetry.events import Emit, LeaseLost, LeaseTaken

LEASE_DURATION = 2.0
"""Seconds after which another process takes the place of one that has stopped."""


@attrs.frozen
class Slot:
    """Where an entry is stored: its kind, and its opaque name."""

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


_ACQUIRED = (StoredEntry, Lease, LeaseHeld)

Fetch = Callable[[], Awaitable[Fetched]]
Result = TypeVar("Result")


class SharedEntries:
    """Shares entries through a store; every failure of the store is an absent entry.

    Args:
        store: the engine.
        binding: whose entries.
        availability: whether the store is worth asking.
        jobs: what no caller waits for.
        clock: for tests.
        rng: returns a random number in [0, 1), for jitter.
        emit: emits events about leases; None when there are no hooks.
    """

    def __init__(
        self,
        store: SharedStore,
        binding: Binding,
        *,
        availability: Availability,
        jobs: PendingJobs,
        clock: Clock,
        rng: Callable[[], float],
        emit: Emit | None = None,
    ) -> None:
        self._store = store
        self._cipher = EntryCipher(binding)
        self._availability = availability
        self._jobs = jobs
        self._clock = clock
        self._emit = emit
        self._feed = ChangeFeed(
            store, self._cipher.namespace, availability=availability, clock=clock, rng=rng
        )
        self._leases: dict[str, Lease] = {}
        self.subscribe = self._feed.subscribe

    def slot(self, kind: Kind, *parts: str) -> Slot:
        """Return the place of what `parts` name together."""
        return Slot(kind, self._cipher.name(kind, *parts))

    def tag(self, name: str) -> str:
        """Return the tag that entries of the prompt with this name or id have."""
        return self._cipher.name("tag", name)

    async def listen(self) -> None:
        """Follow the changes and probe the store when it is down. Does not return."""
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
        cooldown: Callable[[BaseException], float] = lambda _: 0.0,
        max_wait: float = math.inf,
    ) -> SharedEntry | Fetched:
        """Return an entry of another version than `known` that is acceptable, or what `fetch` returns.

        Of all processes that ask, one fetches at a time and the others wait for its entry, at most
        `max_wait` seconds. After a fetch that failed, none begins for the `cooldown` seconds of
        its error. A process whose store is unavailable, or too slow, fetches at once, alone.

        Raises:
            Exception: what `fetch` raises.
        """
        owner, waited = secrets.token_hex(16), False
        wait_until = self._clock.monotonic() + max_wait
        while True:
            waiter = self._feed.expect(slot.name)
            try:
                found = await self._acquire(slot, owner, known, waited=waited)
                now = self._clock.monotonic()
                if isinstance(found, Lease):
                    return await self._fetch_under(found, slot, fetch, cooldown)
                if isinstance(found, LeaseHeld):
                    if now >= wait_until:
                        return await fetch()
                    await self._feed.wait(waiter, at_most=min(found.expires_in, wait_until - now))
                    waited = True
                elif isinstance(found, SharedEntry) and accept(found):
                    return found
                else:
                    known, waited = found.version, False
            except StoreUnavailableError:
                return await fetch()
            finally:
                self._feed.forget(slot.name, waiter)

    async def get(self, slot: Slot) -> SharedEntry | None:
        """Return the entry; None when there is none, or the store cannot be read now."""
        asked_at = self._clock.monotonic()
        try:
            found = await self._availability.call(
                lambda: checked(self._store.get(self._cipher.namespace, slot.name), StoredEntry, NoneType)
            )
        except StoreUnavailableError:
            return None
        return None if found is None else self._decrypted(slot, found, asked_at)

    async def delete(self, slot: Slot, version: str) -> None:
        """Give up this version of the entry, everywhere; a newer one is left alone."""
        await self._attempt(lambda: self._store.delete(self._cipher.namespace, slot.name, version=version))

    async def invalidate(self, name: str | None = None) -> bool:
        """Drop the entries of one prompt, or of all, everywhere; False when the store is unavailable."""
        tag = None if name is None else self.tag(name)
        try:
            await self._availability.call(lambda: self._store.invalidate(self._cipher.namespace, tag))
        except StoreUnavailableError:
            return False
        return True

    def delete_later(self, slot: Slot, version: str) -> None:
        """Delete in the background."""
        self._jobs.add(self.delete, slot, version)

    def release_early(self, slot: Slot) -> None:
        """Let others fetch an entry that this process is fetching: it will take a while."""
        lease = self._leases.pop(slot.name, None)
        if lease is not None:
            self._jobs.add(self._release, lease, 0.0)

    async def _acquire(
        self, slot: Slot, owner: str, known: str, *, waited: bool
    ) -> SharedEntry | Lease | LeaseHeld | _Unreadable:
        asked_at = self._clock.monotonic()
        found = await self._availability.call_for_caller(
            lambda: checked(
                self._store.acquire(
                    self._cipher.namespace, slot.name, owner=owner, duration=LEASE_DURATION, known=known
                ),
                *_ACQUIRED,
            ),
            # While another one fetches, a slow store costs no time of its own.
            at_most=LOOK_BUDGET if waited else CALLERS_BUDGET,
            is_free=lambda found: waited and isinstance(found, LeaseHeld),
        )
        if isinstance(found, StoredEntry):
            return self._decrypted(slot, found, asked_at) or _Unreadable(found.version)
        return found

    def _decrypted(self, slot: Slot, found: StoredEntry, asked_at: float) -> SharedEntry | None:
        content = self._cipher.decrypt(slot.kind, slot.name, found.content)
        left = found.expires_in - (self._clock.monotonic() - asked_at)
        return None if content is None or left <= 0 else SharedEntry(content, found.version, left)

    async def _fetch_under(
        self, lease: Lease, slot: Slot, fetch: Fetch, cooldown: Callable[[BaseException], float]
    ) -> Fetched:
        """Fetch while the lease is renewed; the result is written after it was returned."""
        if self._emit is not None:
            self._emit(LeaseTaken(kind=slot.kind))
        self._leases[slot.name] = lease
        renewing = asyncio.get_running_loop().create_task(self._keep_lease(lease))
        try:
            fetched = await fetch()
        except BaseException as error:
            self._jobs.add(self._release, lease, cooldown(error))
            raise
        finally:
            renewing.cancel()
            self._leases.pop(slot.name, None)
        self._jobs.add(self._write, lease, slot, fetched)
        return attrs.evolve(fetched, version=lease.version)

    async def _keep_lease(self, lease: Lease) -> None:
        while self._leases.get(lease.name) is lease:
            await self._clock.sleep(LEASE_DURATION / 4)
            await self._attempt(lambda: self._store.renew(lease, duration=LEASE_DURATION))

    async def _write(self, lease: Lease, slot: Slot, fetched: Fetched) -> None:
        content = self._cipher.encrypt(slot.kind, slot.name, fetched.content)
        written = await self._conclude(
            lambda: self._store.put(lease, content, lifetime=fetched.lifetime, tags=fetched.tags)
        )
        if written is False and self._emit is not None:
            self._emit(LeaseLost(kind=slot.kind))

    async def _release(self, lease: Lease, cooldown: float) -> None:
        await self._conclude(lambda: self._store.release(lease, cooldown=cooldown))

    async def _probe(self) -> None:
        """Acquire a lease, since a store that can only be read is of no use.

        It is left to expire: each process of a fleet would else publish a release to all the others.
        """
        name = self._cipher.name("probe", secrets.token_hex(8))
        lease = self._store.acquire(
            self._cipher.namespace, name, owner=secrets.token_hex(16), duration=OPERATION_TIMEOUT
        )
        await checked(lease, *_ACQUIRED)

    async def _conclude(self, end_lease: Callable[[], Awaitable[Result]]) -> Result | None:
        """End a lease, also in a store that is away for less than that: all would wait for nobody's fetch."""
        try:
            return await self._availability.call(end_lease)
        except StoreUnavailableError:
            with anyio.move_on_after(LEASE_DURATION):
                await self._availability.wait_until_available()
                return await self._attempt(end_lease)
        return None

    async def _attempt(self, operation: Callable[[], Awaitable[Result]]) -> Result | None:
        try:
            return await self._availability.call(operation)
        except StoreUnavailableError:
            return None
