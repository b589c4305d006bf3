"""The last known good versions, on disk, for a process that starts while the service is down."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

from anyio import to_thread

from scope_async._core.background import Background
from scope_async._core.clock import Clock
from scope_async._core.single_flight import SingleFlight
from scope_async.config import UnknownVariables
from scope_async.prompts.cache.snapshot_file import SnapshotEntry, read_snapshot, write_snapshot
from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion, raw_json, with_flags

_logger = logging.getLogger("scope_async.prompts")


class PromptSnapshot:
    """At most `limit` versions in one file, whatever their age.

    Reads and writes in threads, never on the event loop. Changes that arrive during a write
    go together into the next one; an unchanged answer writes nothing. What is wrong with the file
    is logged, never raised.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit: int,
        background: Background,
        clock: Clock,
        unknown_variables: UnknownVariables,
    ) -> None:
        self._path = Path(path)
        self._limit = limit
        self._background = background
        self._clock = clock
        self._read = partial(read_snapshot, self._path, unknown_variables)
        self._loaded = False
        self._entries: dict[Key, SnapshotEntry] = {}
        self._deleted: set[Key] = set()
        self._changed = False
        self._writing = False
        self._loads: SingleFlight[str, None] = SingleFlight(background)
        self._write_lock = asyncio.Lock()
        self._warned = False
        background.on_stopped(self._stopped)

    async def get(self, key: Key) -> SnapshotEntry | None:
        """Return the last known good version for `key`; its version has `is_stale` set.

        The first call reads the file, once for all callers. Cancelling a caller ends its wait at
        once, also while the file system hangs: that holds up one thread.
        """
        await self._load()
        return self._entries.get(key)

    def keys(self) -> list[Key]:
        """Return what the snapshot has, as far as it was read; never waits, callable from any thread."""
        return list(self._entries)

    def put(self, key: Key, version: PromptVersion) -> None:
        """Store what the service has; a write in the background follows if it is new."""
        previous = self._entries.get(key)
        if previous is not None and raw_json(previous.version) == raw_json(version):
            return
        self._deleted.discard(key)
        self._entries.pop(key, None)
        self._entries[key] = SnapshotEntry(with_flags(version, is_stale=True), self._clock.time())
        self._write_soon()

    def delete(self, key: Key) -> None:
        """Remove a version that the service no longer has; a write in the background follows."""
        self._entries.pop(key, None)
        self._deleted.add(key)
        self._write_soon()

    async def flush(self) -> None:
        """Return when all changes are in the file, or could not be written."""
        async with self._write_lock:
            while self._changed:
                await self._write()

    def _write_soon(self) -> None:
        self._changed = True
        if not self._writing:
            self._writing = True
            self._background.spawn(self._write_changes)

    def _stopped(self) -> None:
        # A lock may be held by a task of another event loop, or of the parent of a fork.
        self._write_lock = asyncio.Lock()
        self._writing = False

    async def _write_changes(self) -> None:
        try:
            await self.flush()
        finally:
            self._writing = False

    async def _load(self) -> None:
        # All readers whose shared fetch failed arrive here together, from any event loop.
        while not self._loaded:
            call = self._loads.join("snapshot", self._read_file)
            await call.wait()
            if call.error is not None:
                raise call.error

    async def _read_file(self) -> None:
        self._merge(await to_thread.run_sync(self._read, abandon_on_cancel=True))
        self._loaded = True

    def _merge(self, read: dict[Key, SnapshotEntry]) -> None:
        # What this process learned is newer than what the file said.
        merged = {
            key: entry for key, entry in read.items() if key not in self._deleted and key not in self._entries
        }
        merged.update(self._entries)
        excess = len(merged) - self._limit
        self._entries = dict(list(merged.items())[excess:]) if excess > 0 else merged

    async def _write(self) -> None:
        self._changed = False
        try:
            # Other processes may share the file, so what they added since is kept.
            self._merge(await to_thread.run_sync(self._read))
            self._loaded = True
            await to_thread.run_sync(write_snapshot, self._path, dict(self._entries))
        except OSError as error:
            if not self._warned:
                _logger.warning("the prompt snapshot %s cannot be written: %s", self._path, error)
            self._warned = True
        except BaseException:
            self._changed = True
            raise
        else:
            self._warned = False
