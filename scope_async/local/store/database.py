"""The SQLite database of a Local Scope, in a file or in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite
from attrs import frozen

from scope_async.errors import ConfigurationError, ServerError, ValidationError
from scope_async.local.store import schema

T = TypeVar("T")

Statement = tuple[str, Sequence[Any]]

_LOCK_WAIT = 0.5
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@frozen
class Transaction(Generic[T]):
    """Statements to run in one transaction, and a function to run after they are committed."""

    statements: tuple[Statement, ...]
    on_commit: Callable[[], T]


class Database:
    """Runs one transaction after the other; a write that has returned is on the disk.

    There is one connection, because every connection to `:memory:` is a separate database.
    The file is locked against other processes: the store answers from memory, which a second
    writer would make wrong.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._pending: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Open the file, or create it (readable by its owner only), and migrate its tables.

        Raises:
            ConfigurationError: the file cannot be opened, belongs to another program or to a
                newer scope-async, or is in use.
        """
        try:
            if self._path is not None:
                await asyncio.to_thread(_make_private, self._path)
                await asyncio.to_thread(_check_owner, self._path)
                await asyncio.to_thread(_tighten, self._path)
            connecting = aiosqlite.connect(self._path or ":memory:", timeout=_LOCK_WAIT, isolation_level=None)
            # A Local Scope that was left open must not keep the process from ending;
            # until aiosqlite 0.21 the connection is the thread.
            thread: Any = getattr(connecting, "_thread", connecting)
            thread.daemon = True
            self._connection = await connecting
            await self._prepare(self._connection)
        except (OSError, sqlite3.Error) as error:
            await self.aclose()
            in_use = "locked" in str(error)
            what = "is in use by another Local Scope" if in_use else f"cannot be used: {error}"
            raise ConfigurationError(f"the store {self._path} {what}") from error
        except ConfigurationError as error:
            await self.aclose()
            raise ConfigurationError(f"the store {self._path} {error}") from None
        except BaseException:
            await self.aclose()
            raise

    async def _prepare(self, connection: aiosqlite.Connection) -> None:
        # With the exclusive mode set before the first access, SQLite keeps the WAL index
        # in memory and takes the lock with the first write, which BEGIN IMMEDIATE stands for.
        await connection.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "PRAGMA foreign_keys = ON; BEGIN IMMEDIATE; COMMIT;"
        )
        (row,) = await connection.execute_fetchall(schema.FILE_FACTS)
        await connection.executescript(schema.plan_migration(*row))

    async def fetch_rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as of the last committed transaction."""
        async with self._lock:
            try:
                return [tuple(row) for row in await self._require_open().execute_fetchall(sql, parameters)]
            except sqlite3.Error as error:
                raise ServerError(f"the store could not be read: {error}") from error

    async def write(self, plan: Callable[[], Transaction[T]]) -> T:
        """Commit the transaction that `plan` returns, run its `on_commit` and return its result.

        `plan` runs under the lock, so it sees the effects of every earlier transaction, and may
        raise to refuse. If the caller is cancelled, the transaction is committed and `on_commit`
        runs all the same.

        Raises:
            ServerError: the disk is full or the file cannot be written; the content is unchanged.
            ValidationError: SQLite cannot store a value; the content is unchanged.
        """
        task = asyncio.create_task(self._commit(plan))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        return await asyncio.shield(task)

    async def _commit(self, plan: Callable[[], Transaction[T]]) -> T:
        async with self._lock:
            transaction = plan()
            try:
                await self._execute(transaction.statements)
            except sqlite3.Error as error:
                raise ServerError(f"the store could not be written: {error}") from error
            except (OverflowError, UnicodeEncodeError) as error:
                raise ValidationError(f"this cannot be stored: {error}") from error
            return transaction.on_commit()

    async def _execute(self, statements: Iterable[Statement]) -> None:
        connection = self._require_open()
        await connection.execute("BEGIN IMMEDIATE")
        try:
            for sql, parameters in statements:
                await connection.execute(sql, parameters)
            await connection.execute("COMMIT")
        except BaseException:
            # Any error counts: a value without an SQLite type fails in Python, and a transaction
            # left open would make every later one fail.
            if connection.in_transaction:
                await connection.execute("ROLLBACK")
            raise

    def _require_open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise ServerError("the store is closed")
        return self._connection

    async def aclose(self) -> None:
        """Finish pending transactions and close the file. Idempotent."""
        while self._pending:
            await asyncio.gather(*self._pending, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _make_private(path: Path) -> None:
    # O_EXCL leaves an existing file closed: POSIX drops all locks of a process on a file when it
    # closes any descriptor of it, those of another Local Scope included. The target of a link
    # is created here, because SQLite would create it with the mode of the umask.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _tighten(path: Path) -> None:
    """Take the permissions of group and others off a store and its log."""
    real = path.resolve()
    for file in (real, real.with_name(f"{real.name}-wal")):
        # A log is there after a crash only; a mounted file of another owner is used as it is.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if (mode := file.stat().st_mode) & _OTHERS:
                file.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def _check_owner(path: Path) -> None:
    # A connection of its own that only reads: preparing the store's connection already writes.
    with contextlib.closing(sqlite3.connect(path, timeout=_LOCK_WAIT)) as connection:
        schema.plan_migration(*connection.execute(schema.FILE_FACTS).fetchone())
