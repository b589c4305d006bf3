"""A SQLite file that processes of one machine share: opened with care, replaced when damaged. Blocks.

SQLite because that is what atomic changes to several records amount to: it locks, it rolls back
what a stopped process left half done, and it is in the standard library. The rollback journal and
not WAL: WAL maps a file into memory, and a truncated one would end the process. `synchronous` is
off since a file is only read until the machine starts anew.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scope_async.errors import ConfigurationError
from scope_async.stores.file.boot_id import boot_id

_SCHEMA_VERSION = 1
_APPLICATION_ID = b"ScFS"
"""What the header of a file of ours has in its place for that (SQLite's file format, section 1.3)."""

_SCHEMA = (
    "CREATE TABLE store (epoch TEXT, counter INTEGER)",
    """CREATE TABLE entry (namespace TEXT, name TEXT, counter INTEGER, version TEXT, content BLOB,
    tags TEXT, expires_at REAL, PRIMARY KEY (namespace, name)) WITHOUT ROWID""",
    """CREATE TABLE lease (namespace TEXT, name TEXT, proof TEXT, owner TEXT, expires_at REAL,
    PRIMARY KEY (namespace, name)) WITHOUT ROWID""",
    "CREATE TABLE change (counter INTEGER PRIMARY KEY, namespace TEXT, kind TEXT, name TEXT, version TEXT)",
    "CREATE TABLE invalidation (namespace TEXT PRIMARY KEY, counter INTEGER) WITHOUT ROWID",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
    f"PRAGMA application_id = {int.from_bytes(_APPLICATION_ID, 'big')}",
)

_LOCK_TIMEOUT = 0.2
"""Seconds to wait for another process's transaction."""

_FORGOTTEN_AFTER = 7 * 86400.0
"""Age in seconds at which the file of an earlier run of the machine is removed."""

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_MISMATCH", "SQLITE_ERROR")
"""Error codes that no healthy file of ours gives; `SQLITE_ERROR` is a table that is missing."""


class SqliteFile:
    """Connections to the file of this run of the machine, for the transactions of one thread.

    Opened at the first need, anew after a fork, and anew when another process replaced the file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int, int] | None = None
        # A connection of the parent is never used, and never closed, in its child.
        self._abandoned: list[sqlite3.Connection] = []

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Commit what the block did, or nothing of it.

        Raises:
            OSError, sqlite3.Error: the file cannot be used now; a damaged one has been removed, and one of
                another program is left as it is.
        """
        try:
            database = self._open()
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield database
            database.execute("COMMIT")
        except BaseException as error:
            self.close()  # which rolls back
            if isinstance(error, sqlite3.Error) and _is_damage(error):
                self._remove_damaged()
            raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None or self._identity is None:
            return
        if self._identity[0] == os.getpid():
            connection.close()
        else:
            self._abandoned.append(connection)

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            self._path = self._directory / f"scope-async-{boot_id()}.db"
        path = self._path
        _require_regular(_journal(path))
        if _require_regular(path) is None:
            self._create(path)
        identity = _identity(path)
        if self._connection is None or self._identity != identity:
            self.close()
            if _is_foreign(path):
                raise OSError(
                    f"{path} is a SQLite file of another program: give FileStore a folder of its own"
                )
            self._identity = identity
            self._connection = _connect(path)
        return self._connection

    def _create(self, path: Path) -> None:
        if sys.platform == "win32":
            raise ConfigurationError("FileStore needs Linux")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self._directory.stat()
        if made.st_uid not in (os.geteuid(), 0) or made.st_mode & 0o022:
            raise PermissionError(f"{self._directory} can be written by others; its mode should be 0700")
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        forgotten = path.lstat().st_mtime - _FORGOTTEN_AFTER
        for old in self._directory.glob("scope-async-*.db*"):
            with suppress(OSError):
                if old.lstat().st_mtime < forgotten and not _is_foreign(old):
                    old.unlink()

    def _remove_damaged(self) -> None:
        """Remove the file that was open, unless another process has replaced it meanwhile."""
        if self._path is None:
            return
        with suppress(OSError):
            if _identity(self._path) == self._identity and not _is_foreign(self._path):
                self._path.unlink()
                _journal(self._path).unlink(missing_ok=True)


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _identity(path: Path) -> tuple[int, int, int]:
    there = path.lstat()
    return os.getpid(), there.st_dev, there.st_ino


def _is_foreign(path: Path) -> bool:
    """Return True if it is a SQLite file of another program, as its header says.

    Read without SQLite, which makes files beside it.
    """
    if _require_regular(path) is None:
        return False
    with path.open("rb") as file:
        header = file.read(100)
    is_database = header[:16] == b"SQLite format 3\0" and header[21:24] == b"\x40\x20\x20"
    return is_database and header[68:72] != _APPLICATION_ID


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(_DAMAGE)


def _require_regular(path: Path) -> os.stat_result | None:
    """Return what is there; None when there is nothing.

    Raises:
        OSError: it is no regular file; opening a pipe or a device might never end.
    """
    try:
        there = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(there.st_mode):
        raise OSError(f"{path} is no regular file")
    return there


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_LOCK_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in ("trusted_schema = OFF", "synchronous = OFF", "journal_mode = TRUNCATE"):
            connection.execute(f"PRAGMA {pragma}").close()
        _create_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_tables(connection: sqlite3.Connection) -> None:
    """Fill a new file, in one transaction; another process may be about to."""
    if connection.execute("PRAGMA user_version").fetchone() == (_SCHEMA_VERSION,):
        return
    connection.execute("BEGIN EXCLUSIVE")
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO store VALUES (?, 0)", (secrets.token_hex(8),))
    connection.execute("COMMIT")
