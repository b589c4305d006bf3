"""The last known good versions, on disk, for a process that starts while the service is down."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from anyio import to_thread

from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.single_flight import SingleFlight
from scope_async.config import Config
from scope_async.errors import ScopeError
from scope_async.http.urls import api_root
from scope_async.prompts.cache.snapshot_format import (
    RecordId,
    Records,
    SnapshotBinding,
    SnapshotEntry,
    SnapshotRecord,
    document_of,
    merge_records,
    read_entry,
)
from scope_async.prompts.cache.snapshot_store import SnapshotStore
from scope_async.prompts.conditional import FetchedVersion
from scope_async.prompts.reference import Key, PromptRef
from scope_async.prompts.version import with_flags

_logger = logging.getLogger("scope_async.prompts")

WRITE_INTERVAL = 5.0
"""Seconds from one write to the next, unless the client closes."""

_LOAD_TIMEOUT = 1.0
"""Seconds that a reader waits for the file: on a file system that hangs, as if there were none."""


class PromptSnapshot:
    """Versions in one file, whatever their age, shared by processes; of two the newer one wins.

    An entry belongs to one service, organization and environment (`organization` returns the
    client's own, None while it is not known), and is served to no other. Reads and writes in
    threads, never on the event loop, and at most once in `WRITE_INTERVAL`. What is wrong with the
    file is logged, never raised.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: Config,
        *,
        organization: Callable[[], str | None],
        background: Background,
        clock: Clock,
    ) -> None:
        self._config = config
        self._organization = organization
        self._background = background
        self._clock = clock
        self._store = SnapshotStore(
            Path(path), max_entries=config.cache_max_entries, max_bytes=config.cache_max_bytes, now=clock.time
        )
        self._loads: SingleFlight[SnapshotBinding, None] = SingleFlight(background)
        self._loaded: SnapshotBinding | None = None
        self._records: Records = {}
        self._entries: dict[RecordId, SnapshotEntry | None] = {}
        self._changes: dict[RecordId, SnapshotRecord] = {}
        self._writing = False
        self._written_at = float("-inf")
        self._write_lock = asyncio.Lock()
        background.on_stopped(self._stopped)

    async def get(self, ref: PromptRef) -> SnapshotEntry | None:
        """Return the last known good version of `ref`; its version has `is_stale` set.

        The first call reads the file, once for all callers, and waits at most a second for it.
        """
        binding = self._binding()
        if binding is None:
            return None
        if self._loaded != binding:
            call = self._loads.join(binding, self._load)
            await asyncio.wait({call.wait()}, timeout=_LOAD_TIMEOUT)
        id = RecordId.of(binding, ref)
        if id not in self._entries:
            self._entries[id] = self._read(id)
        return self._entries[id]

    def keys(self) -> list[Key]:
        """Return what the snapshot has, as far as it was read; never waits, callable from any thread."""
        binding = self._binding()
        return [id.key for id, record in self._records.items() if id.binding == binding and record.document]

    def put(self, ref: PromptRef, fetched: FetchedVersion, stored_at: float) -> None:
        """Store what the service had at `stored_at`, in seconds since the Unix epoch, unless newer is there.

        A write in the background follows. An answer that is the same as before writes nothing,
        unless another process has written another one.
        """
        binding = self._binding()
        if binding is None:
            return
        id = RecordId.of(binding, ref)
        known = self._records.get(id)
        if known is not None and known.stored_at > stored_at:
            return
        version = fetched.version
        record = SnapshotRecord(stored_at, document_of(version), fetched.validator)
        self._entries[id] = SnapshotEntry(with_flags(version, is_stale=True), stored_at, fetched.validator)
        self._change(id, record)

    def delete(self, ref: PromptRef, at: float) -> None:
        """Remove a version that the service did not have at `at`; a write in the background follows."""
        binding = self._binding()
        if binding is None:
            return
        id = RecordId.of(binding, ref)
        known = self._records.get(id)
        if known is None or known.stored_at <= at:
            self._entries[id] = None
            self._change(id, SnapshotRecord(at, None))

    async def flush(self) -> None:
        """Return when all changes are in the file, or could not be written."""
        async with self._write_lock:
            while self._changes and await self._write():
                pass

    def _binding(self) -> SnapshotBinding | None:
        organization = self._organization()
        if organization is None:
            return None
        config = self._config
        return SnapshotBinding(
            api_root(config.base_url, config.api_version), organization, config.environment
        )

    def _read(self, id: RecordId) -> SnapshotEntry | None:
        record = self._records.get(id)
        if record is None or record.document is None:
            return None
        try:
            return read_entry(id.name, record, self._config.unknown_variables)
        except (ScopeError, ValueError, RecursionError) as error:
            _logger.warning(
                "the prompt snapshot %s has an entry that cannot be read: %s", self._store.path, error
            )
            return None

    def _change(self, id: RecordId, record: SnapshotRecord) -> None:
        self._records[id] = self._changes[id] = record
        if not self._writing:
            self._writing = True
            self._background.spawn(self._write_changes)

    def _stopped(self) -> None:
        # A lock may be held by a task of another event loop, or of the parent of a fork.
        self._write_lock = asyncio.Lock()
        self._writing = False

    async def _write_changes(self) -> None:
        try:
            left = self._written_at + WRITE_INTERVAL - self._clock.monotonic()
            if left > 0:
                await self._clock.sleep(left)
            await self.flush()
        finally:
            self._writing = False

    async def _load(self) -> None:
        binding = self._binding()
        if binding is not None:
            read = await to_thread.run_sync(self._store.read, binding, abandon_on_cancel=True)
            self._show(read)
            self._loaded = binding

    async def _write(self) -> bool:
        """Write the changes; return False if that failed, and they wait for the next time."""
        changes, self._changes = self._changes, {}
        written: Records | None = None
        binding = next(iter(changes)).binding
        try:
            written = await to_thread.run_sync(self._store.write, changes, binding)
        finally:
            if written is None:
                self._changes = {**changes, **self._changes}
        self._written_at = self._clock.monotonic()
        if written is None:
            return False
        self._show(written)
        self._loaded = self._loaded or binding
        return True

    def _show(self, records: Records) -> None:
        """Let readers see what is in the file, and what has changed since."""
        self._records = records = merge_records(records, self._changes)
        self._entries = {
            id: entry
            for id, entry in self._entries.items()
            if entry is not None and id in records and records[id].stored_at == entry.stored_at
        }
