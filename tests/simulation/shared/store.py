"""A simulated store, and the links of hosts to it that fail by seed."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from random import Random
from typing import Literal

import attrs

from scope_async.stores import Change, Lease, LeaseHeld, StoredEntry
from tests.fakes.memory_store import MemoryStore
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.outages import DAY

Trouble = Literal["down", "hanging", "slow", "emptied", "cut"]

_ALL: tuple[Trouble, ...] = ("down", "hanging", "slow", "emptied")
_LONGEST = 20.0
_LONGEST_CUT = 600.0


@attrs.frozen
class StoreOutage:
    """Trouble of the store for all hosts, or with `host` of the link of one; instants in seconds."""

    starts_at: float
    ends_at: float
    kind: Trouble
    host: int | None = None


def draw_outages(seed: int, seconds: float, hosts: int) -> list[StoreOutage]:
    """Return trouble of the store every other day, and a cut link on each day."""
    random = Random(f"{seed}/store")
    outages: list[StoreOutage] = []
    for host, interval, longest in ((None, 2 * DAY, _LONGEST), (hosts, DAY, _LONGEST_CUT)):
        at = random.expovariate(1 / interval)
        while at < seconds:
            ends_at = at + random.uniform(1.0, longest)
            kind = random.choice(_ALL) if host is None else "cut"
            outages.append(StoreOutage(at, ends_at, kind, None if host is None else random.randrange(host)))
            at = ends_at + random.expovariate(1 / interval)
    return outages


class SimulatedStore(MemoryStore):
    """The server: what it is told takes no time. A write that is older than the last one is a violation."""

    def __init__(self, loop: VirtualLoop, outages: Sequence[StoreOutage]) -> None:
        super().__init__(loop.time)
        self.outages = outages
        self.violations: list[AssertionError] = []
        self._written: dict[str, int] = {}
        for outage in outages:
            if outage.kind == "emptied":
                loop.call_at(outage.starts_at, self._empty)

    async def _operation(self, name: str) -> None:
        """Count nothing: the names of a week's operations would be millions."""

    def _empty(self) -> None:
        self.entries.clear()
        self.leases.clear()
        for queue in self._readers:
            queue.put_nowait(OSError("the store was restarted"))

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        written = await super().put(lease, content, lifetime=lifetime, tags=tags)
        if written and lease.counter <= self._written.get(lease.name, 0):
            self.violations.append(AssertionError(f"{lease.counter} overwrote {self._written[lease.name]}"))
        if written:
            self._written[lease.name] = lease.counter
        return written


class StoreLink:
    """One client's way to the store: a `SharedStore` with latency and trouble.

    Once `stopped` it never answers, as for a client whose process was killed.
    """

    def __init__(self, store: SimulatedStore, loop: VirtualLoop, random: Random, host: int) -> None:
        self._store = store
        self._loop = loop
        self._random = random
        self._outages = sorted(
            (outage for outage in store.outages if outage.host in (None, host)),
            key=lambda each: each.starts_at,
        )
        self._starts = [outage.starts_at for outage in self._outages]
        self.stopped = False

    def trouble(self) -> StoreOutage | None:
        """Return what is wrong now."""
        index = bisect_right(self._starts, self._loop.time()) - 1
        if index >= 0 and self._loop.time() < self._outages[index].ends_at:
            return self._outages[index]
        return None

    async def _travel(self) -> None:
        outage = self.trouble()
        kind = None if outage is None else outage.kind
        if self.stopped or kind == "hanging":
            await asyncio.sleep(DAY)
        if kind in ("down", "cut", "emptied"):
            raise OSError(f"the store is {kind}")
        await asyncio.sleep(0.2 if kind == "slow" else self._random.uniform(0.0005, 0.003))

    async def get(self, namespace: str, name: str) -> StoredEntry | None:
        await self._travel()
        return await self._store.get(namespace, name)

    async def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str = ""
    ) -> StoredEntry | Lease | LeaseHeld:
        await self._travel()
        return await self._store.acquire(namespace, name, owner=owner, duration=duration, known=known)

    async def renew(self, lease: Lease, *, duration: float) -> bool:
        await self._travel()
        return await self._store.renew(lease, duration=duration)

    async def release(self, lease: Lease, *, cooldown: float = 0.0) -> None:
        await self._travel()
        await self._store.release(lease, cooldown=cooldown)

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        await self._travel()
        return await self._store.put(lease, content, lifetime=lifetime, tags=tags)

    async def delete(self, namespace: str, name: str, *, version: str) -> bool:
        await self._travel()
        return await self._store.delete(namespace, name, version=version)

    async def invalidate(self, namespace: str, tag: str | None = None) -> None:
        await self._travel()
        await self._store.invalidate(namespace, tag)

    async def changes(self, namespace: str) -> AsyncGenerator[Change, None]:
        await self._travel()
        async with aclosing(self._store.changes(namespace)) as changes:
            async for change in changes:
                # What is told while the link is cut is lost; the end of the connection is noticed then.
                if self.trouble() is not None:
                    raise OSError("the connection was lost")
                yield change

    async def aclose(self) -> None:
        return
