"""`FileStore`: what the processes of one machine share, in a folder of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path

from scope_async._core.clock import Clock, SystemClock
from scope_async.stores.file.database import FileDatabase, Position
from scope_async.stores.file.worker_thread import WorkerThread
from scope_async.stores.protocol import Change, Lease, LeaseHeld, StoredEntry

_POLL_INTERVAL = 0.1
"""Seconds between two looks for changes by other processes."""


class FileStore:
    """A `SharedStore` in a folder, for processes of one machine and one user (Linux).

    Survives processes that end at any point; a new start of the machine begins with an empty
    store. All I/O happens in a thread of the store's own. Nothing is opened before the first use.

    Args:
        path: the folder, made with mode 0700 when it is missing; other users must not be able to write to it.
        max_entries: most prompt versions kept for one set of credentials.
        max_bytes: most bytes of them.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_entries: int = 10_000, max_bytes: int = 256 * 1024 * 1024
    ) -> None:
        self.path = Path(path)
        self._clock: Clock = SystemClock()
        self._database = FileDatabase(self.path, max_entries=max_entries, max_bytes=max_bytes)
        self._thread = WorkerThread("scope-async-file-store")

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"

    async def get(self, namespace: str, name: str) -> StoredEntry | None:
        return await self._thread.run(partial(self._database.get, namespace, name))

    async def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str = ""
    ) -> StoredEntry | Lease | LeaseHeld:
        return await self._thread.run(
            partial(self._database.acquire, namespace, name, owner=owner, duration=duration, known=known)
        )

    async def renew(self, lease: Lease, *, duration: float) -> bool:
        return await self._thread.run(partial(self._database.renew, lease, duration=duration))

    async def release(self, lease: Lease, *, cooldown: float = 0.0) -> None:
        await self._thread.run(partial(self._database.release, lease, cooldown=cooldown))

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        return await self._thread.run(
            partial(self._database.put, lease, content, lifetime=lifetime, tags=tags)
        )

    async def delete(self, namespace: str, name: str, *, version: str) -> bool:
        return await self._thread.run(partial(self._database.delete, namespace, name, version=version))

    async def invalidate(self, namespace: str, tag: str | None = None) -> None:
        await self._thread.run(partial(self._database.invalidate, namespace, tag))

    async def changes(self, namespace: str) -> AsyncGenerator[Change, None]:
        position: Position | None = None
        while True:
            found, position = await self._thread.run(partial(self._database.changes, namespace, position))
            for change in found:
                yield change
            await self._clock.sleep(_POLL_INTERVAL)

    async def aclose(self) -> None:
        await self._thread.close_with(self._database.close)
