"""The records of `FileStore`: entries, leases and changes, one transaction per operation. Blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from scope_async._core.clock import boot_time
from scope_async.stores.file.sqlite_file import SqliteFile
from scope_async.stores.protocol import Change, Lease, LeaseHeld, StoredEntry

_KEPT_CHANGES = 1024

_DELETE_OLDEST = """
DELETE FROM entry WHERE tags != '' AND namespace = :namespace AND counter <= (
    SELECT max(counter) FROM (
        SELECT counter, row_number() OVER newest AS place, sum(length(content)) OVER newest AS total
        FROM entry WHERE tags != '' AND namespace = :namespace WINDOW newest AS (ORDER BY counter DESC)
    ) WHERE place > :entries OR total > :bytes
)"""
"""Keep the entries written last that are within the bounds in number and bytes."""

Position = tuple[str, int]
"""Epoch and number of the last change that a reader knows of."""


class FileDatabase:
    """What `SharedStore` promises, on the clock that all processes of the machine share.

    Raises (from every operation):
        OSError, sqlite3.Error: the file cannot be used now.
    """

    def __init__(
        self, directory: Path, *, max_entries: int, max_bytes: int, clock: Callable[[], float] = boot_time
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._file = SqliteFile(directory)
        self.close = self._file.close

    def get(self, namespace: str, name: str) -> StoredEntry | None:
        with self._file.transaction(write=False) as database:
            return self._entry(database, namespace, name)

    def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str
    ) -> StoredEntry | Lease | LeaseHeld:
        # Looked at first without the lock for writing: most callers find an entry or a lease.
        with self._file.transaction(write=False) as database:
            found = self._found(database, namespace, name, owner=owner, known=known)
        if found is not None:
            return found
        with self._file.transaction(write=True) as database:
            found = self._found(database, namespace, name, owner=owner, known=known)
            if found is not None:
                return found
            epoch, counter = _count(database)
            now = self._clock()
            lease = Lease(namespace, name, epoch, counter, owner, int(now * 1000))
            database.execute(
                "REPLACE INTO lease VALUES (?, ?, ?, ?, ?)",
                (namespace, name, lease.proof, owner, now + duration),
            )
            return lease

    def renew(self, lease: Lease, *, duration: float) -> bool:
        with self._file.transaction(write=True) as database:
            if not self._holds(database, lease):
                return False
            database.execute(
                "UPDATE lease SET expires_at = ? WHERE namespace = ? AND name = ?",
                (self._clock() + duration, lease.namespace, lease.name),
            )
            return True

    def release(self, lease: Lease, *, cooldown: float) -> None:
        with self._file.transaction(write=True) as database:
            if not self._holds(database, lease):
                return
            _end_lease(database, lease)
            if cooldown > 0:
                database.execute(
                    "INSERT INTO lease VALUES (?, ?, '', '', ?)",
                    (lease.namespace, lease.name, self._clock() + cooldown),
                )
            _note(database, lease.namespace, Change("released", lease.name))

    def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str]) -> bool:
        with self._file.transaction(write=True) as database:
            if not self._holds(database, lease):
                there = self._entry(database, lease.namespace, lease.name)
                return there is not None and there.version == lease.version
            _end_lease(database, lease)
            expires_at = lease.acquired_at / 1000 + lifetime
            invalidated = bool(tags) and _is_invalidated(database, lease)
            if invalidated or expires_at <= self._clock() or len(content) > self._max_bytes:
                _note(database, lease.namespace, Change("released", lease.name))
                return False
            database.execute(
                "REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    lease.namespace,
                    lease.name,
                    lease.counter,
                    lease.version,
                    content,
                    " ".join(tags),
                    expires_at,
                ),
            )
            self._evict(database, lease.namespace)
            _note(database, lease.namespace, Change("put", lease.name, lease.version))
            return True

    def delete(self, namespace: str, name: str, *, version: str) -> bool:
        with self._file.transaction(write=True) as database:
            deleted = database.execute(
                "DELETE FROM entry WHERE namespace = ? AND name = ? AND version = ?",
                (namespace, name, version),
            )
            if deleted.rowcount:
                _note(database, namespace, Change("deleted", name, version))
            return deleted.rowcount > 0

    def invalidate(self, namespace: str, tag: str | None) -> None:
        with self._file.transaction(write=True) as database:
            database.execute(
                "DELETE FROM entry WHERE namespace = ? AND tags != '' AND instr(tags, ?)",
                (namespace, tag or ""),
            )
            counter = _note(database, namespace, Change("invalidated", tag or ""))
            database.execute("REPLACE INTO invalidation VALUES (?, ?)", (namespace, counter))

    def changes(self, namespace: str, after: Position | None) -> tuple[list[Change], Position]:
        """Return what happened after the position `after`, and the position to ask from next."""
        with self._file.transaction(write=False) as database:
            epoch, counter = database.execute("SELECT epoch, counter FROM store").fetchone()
            position = (epoch, counter)
            if after == position:
                return [], position
            if after is None or after[0] != epoch or after[1] < counter - _KEPT_CHANGES:
                return [Change("resync")], position
            rows = database.execute(
                "SELECT kind, name, version FROM change WHERE namespace = ? AND counter > ? ORDER BY counter",
                (namespace, after[1]),
            )
            return [Change(*row) for row in rows], position

    def _entry(self, database: sqlite3.Connection, namespace: str, name: str) -> StoredEntry | None:
        row = database.execute(
            "SELECT content, version, expires_at FROM entry WHERE namespace = ? AND name = ?",
            (namespace, name),
        ).fetchone()
        if row is None or not (isinstance(row[0], bytes) and isinstance(row[2], float)):
            return None
        left = row[2] - self._clock()
        return StoredEntry(row[0], row[1], left) if left > 0 else None

    def _found(
        self, database: sqlite3.Connection, namespace: str, name: str, *, owner: str, known: str
    ) -> StoredEntry | Lease | LeaseHeld | None:
        entry = self._entry(database, namespace, name)
        if entry is not None and entry.version != known:
            return entry
        row = database.execute(
            "SELECT proof, owner, expires_at FROM lease WHERE namespace = ? AND name = ?", (namespace, name)
        ).fetchone()
        if row is None or row[2] <= self._clock():
            return None
        if row[1] == owner:
            epoch, counter, _, acquired_at = row[0].split(":")
            return Lease(namespace, name, epoch, int(counter), owner, int(acquired_at))
        return LeaseHeld(row[2] - self._clock())

    def _holds(self, database: sqlite3.Connection, lease: Lease) -> bool:
        row = database.execute(
            "SELECT expires_at FROM lease WHERE namespace = ? AND name = ? AND proof = ?",
            (lease.namespace, lease.name, lease.proof),
        ).fetchone()
        return row is not None and row[0] > self._clock()

    def _evict(self, database: sqlite3.Connection, namespace: str) -> None:
        """Delete what has expired, then the entries written first, until the rest is within bounds."""
        now = self._clock()
        database.execute("DELETE FROM entry WHERE expires_at <= ?", (now,))
        database.execute("DELETE FROM lease WHERE expires_at <= ?", (now,))
        bounds = {"namespace": namespace, "entries": self._max_entries, "bytes": self._max_bytes}
        database.execute(_DELETE_OLDEST, bounds)


def _count(database: sqlite3.Connection) -> tuple[str, int]:
    """Return the epoch and the next number."""
    database.execute("UPDATE store SET counter = counter + 1")
    epoch, counter = database.execute("SELECT epoch, counter FROM store").fetchone()
    return epoch, counter


def _note(database: sqlite3.Connection, namespace: str, change: Change) -> int:
    _, counter = _count(database)
    database.execute(
        "INSERT INTO change VALUES (?, ?, ?, ?, ?)",
        (counter, namespace, change.kind, change.name, change.version),
    )
    database.execute("DELETE FROM change WHERE counter <= ?", (counter - _KEPT_CHANGES,))
    return counter


def _end_lease(database: sqlite3.Connection, lease: Lease) -> None:
    database.execute("DELETE FROM lease WHERE namespace = ? AND name = ?", (lease.namespace, lease.name))


def _is_invalidated(database: sqlite3.Connection, lease: Lease) -> bool:
    """Return True if tagged entries were invalidated since the lease was acquired."""
    row = database.execute(
        "SELECT counter FROM invalidation WHERE namespace = ?", (lease.namespace,)
    ).fetchone()
    return row is not None and lease.counter < row[0]
