"""The last known good versions, on disk: what a process serves that starts while Scope is down."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

from anyio import to_thread

from scope_async._core.background import Background
from scope_async._core.clock import Clock
from scope_async.config import UnknownVariables
from scope_async.prompts.cache.snapshot_file import SnapshotEntry, read_snapshot, write_snapshot
from scope_async.prompts.reference import Key
from scope_async.prompts.version import PromptVersion, raw_json, with_flags

_logger = logging.getLogger("scope_async.prompts")


class Snapshot:
    """At most `limit` versions in one file, whatever their age.

    Reads and writes in threads, never on the event loop. Changes that arrive during a write
    go together into the next one; an answer that says what is known already writes nothing.
    Nothing that is wrong with the file ever reaches a caller.
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
        self._kept: dict[Key, SnapshotEntry] = {}
        self._forgotten: set[Key] = set()
        self._changed = False
        self._writing = False
        self._one_reader = asyncio.Lock()
        self._one_writer = asyncio.Lock()
        self._failed = False
        background.on_stopped(self._stopped)

    async def find(self, key: Key) -> SnapshotEntry | None:
        """Return the last known good version for `key`; its version has `is_stale` set.

        Reads the file at the first call, once for all who ask meanwhile. Cancelling ends the
        wait at once, also when the file system hangs: that holds up one thread.
        """
        await self._load()
        return self._kept.get(key)

    def known(self, key: Key) -> SnapshotEntry | None:
        """Return what `find` would, if the file was read already; no I/O."""
        return self._kept.get(key)

    def keep(self, key: Key, version: PromptVersion) -> None:
        """Note what the service has; a write in the background follows if it is new."""
        there = self._kept.get(key)
        if there is not None and raw_json(there.version) == raw_json(version):
            return
        self._forgotten.discard(key)
        self._kept.pop(key, None)
        self._kept[key] = SnapshotEntry(with_flags(version, is_stale=True), self._clock.time())
        self._write_soon()

    def forget(self, key: Key) -> None:
        """Note that the service says that there is no such version."""
        self._kept.pop(key, None)
        self._forgotten.add(key)
        self._write_soon()

    async def flush(self) -> None:
        """Return when all changes are in the file, or could not be written."""
        async with self._one_writer:
            while self._changed:
                await self._write()

    def _write_soon(self) -> None:
        self._changed = True
        if not self._writing:
            self._writing = True
            self._background.spawn(self._write_changes)

    def _stopped(self) -> None:
        # Whoever held a lock may be in another event loop, or on the other side of a fork.
        self._one_reader = asyncio.Lock()
        self._one_writer = asyncio.Lock()
        self._writing = False

    async def _write_changes(self) -> None:
        try:
            await self.flush()
        finally:
            self._writing = False

    async def _load(self) -> None:
        if self._loaded:
            return
        # All who waited for a fetch that failed arrive here together.
        async with self._one_reader:
            if not self._loaded:
                self._merge(await to_thread.run_sync(self._read, abandon_on_cancel=True))
                self._loaded = True

    def _merge(self, found: dict[Key, SnapshotEntry]) -> None:
        # What this process learned is newer than what the file said.
        for key in self._forgotten:
            found.pop(key, None)
        merged = {**{key: kept for key, kept in found.items() if key not in self._kept}, **self._kept}
        excess = len(merged) - self._limit
        self._kept = dict(list(merged.items())[excess:]) if excess > 0 else merged

    async def _write(self) -> None:
        self._changed = False
        try:
            # Other processes may share the file, so what they added since is kept.
            self._merge(await to_thread.run_sync(self._read))
            self._loaded = True
            await to_thread.run_sync(write_snapshot, self._path, dict(self._kept))
        except OSError as error:
            if not self._failed:
                _logger.warning("the prompt snapshot %s cannot be written: %s", self._path, error)
            self._failed = True
        except BaseException:
            self._changed = True
            raise
        else:
            self._failed = False
