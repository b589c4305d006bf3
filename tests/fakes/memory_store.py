"""A `SharedStore` in this process, on a clock that tests move, which fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import attrs

from scope_async.stores import Change, Lease, LeaseHeld, StoredEntry


@attrs.define
class _Entry:
    content: bytes
    version: str
    tags: tuple[str, ...]
    expires_at: float


class MemoryStore:
    """`failure` is raised by every operation; `delay` seconds pass in each; `calls` names them."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.failure: Exception | None = None
        self.delay = 0.0
        self.calls: list[str] = []
        self.entries: dict[tuple[str, str], _Entry] = {}
        self.leases: dict[tuple[str, str], tuple[str, float, Lease | None]] = {}
        self._counter = 0
        self._invalidated: dict[str, int] = {}
        self._readers: dict[asyncio.Queue[Change | Exception], str] = {}

    def fail(self, error: Exception) -> None:
        """Fail from now on, the readers of changes as well."""
        self.failure = error
        for queue in self._readers:
            queue.put_nowait(error)

    async def _operation(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(self.delay)
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    async def get(self, namespace: str, name: str) -> StoredEntry | None:
        await self._operation("get")
        return self._get(namespace, name)

    def _get(self, namespace: str, name: str) -> StoredEntry | None:
        entry = self.entries.get((namespace, name))
        left = 0.0 if entry is None else entry.expires_at - self._monotonic()
        return StoredEntry(entry.content, entry.version, left) if entry is not None and left > 0 else None

    async def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str = ""
    ) -> StoredEntry | Lease | LeaseHeld:
        await self._operation("acquire")
        entry = self._get(namespace, name)
        if entry is not None and entry.version != known:
            return entry
        holder, expires_at, lease = self.leases.get((namespace, name), ("", 0.0, None))
        if expires_at > self._monotonic():
            return (
                lease if lease is not None and holder == owner else LeaseHeld(expires_at - self._monotonic())
            )
        self._counter += 1
        lease = Lease(namespace, name, "e", self._counter, owner, int(self._monotonic() * 1000))
        self.leases[namespace, name] = (owner, self._monotonic() + duration, lease)
        return lease

    def _holds(self, lease: Lease) -> bool:
        _, expires_at, held = self.leases.get((lease.namespace, lease.name), ("", 0.0, None))
        return held == lease and expires_at > self._monotonic()

    async def renew(self, lease: Lease, *, duration: float) -> bool:
        await self._operation("renew")
        if self._holds(lease):
            self.leases[lease.namespace, lease.name] = (lease.owner, self._monotonic() + duration, lease)
            return True
        return False

    async def release(self, lease: Lease, *, cooldown: float = 0.0) -> None:
        await self._operation("release")
        if self._holds(lease):
            self.leases[lease.namespace, lease.name] = ("", self._monotonic() + cooldown, None)
            self._tell(lease.namespace, Change("released", lease.name))

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        await self._operation("put")
        key = (lease.namespace, lease.name)
        if not self._holds(lease):
            return key in self.entries and self.entries[key].version == lease.version
        del self.leases[key]
        if tags and lease.counter <= self._invalidated.get(lease.namespace, 0):
            return False
        self.entries[key] = _Entry(content, lease.version, tuple(tags), lease.acquired_at / 1000 + lifetime)
        self._tell(lease.namespace, Change("put", lease.name, lease.version))
        return True

    async def delete(self, namespace: str, name: str, *, version: str) -> bool:
        await self._operation("delete")
        entry = self.entries.get((namespace, name))
        if entry is None or entry.version != version:
            return False
        del self.entries[namespace, name]
        self._tell(namespace, Change("deleted", name, version))
        return True

    async def invalidate(self, namespace: str, tag: str | None = None) -> None:
        await self._operation("invalidate")
        for key, entry in list(self.entries.items()):
            if key[0] == namespace and entry.tags and (tag is None or tag in entry.tags):
                del self.entries[key]
        self._invalidated[namespace] = self._counter
        self._tell(namespace, Change("invalidated", tag or ""))

    async def changes(self, namespace: str) -> AsyncGenerator[Change, None]:
        await self._operation("changes")
        queue: asyncio.Queue[Change | Exception] = asyncio.Queue()
        self._readers[queue] = namespace
        try:
            yield Change("resync")
            while True:
                change = await queue.get()
                if isinstance(change, Exception):
                    raise change
                yield change
        finally:
            del self._readers[queue]

    def _tell(self, namespace: str, change: Change) -> None:
        for queue, wanted in self._readers.items():
            if wanted == namespace:
                queue.put_nowait(change)

    async def aclose(self) -> None:
        return
