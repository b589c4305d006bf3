"""The SQLite file, or the memory, behind a Local Scope."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
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


@frozen
class Transaction(Generic[T]):
    """One transaction: its statements, and what becomes true once they are on the disk."""

    statements: tuple[Statement, ...]
    on_commit: Callable[[], T]


class Database:
    """Commits one change after the other; a change that was acknowledged is on the disk.

    There is one connection, because every connection to `:memory:` is a database of its own.
    The file is locked against other processes: the store answers from memory, and a second
    writer would make those answers wrong.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._pending: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Open the file, or make it (readable by its owner only), and bring its tables up to date.

        Raises:
            ConfigurationError: it cannot be opened, is no Local Scope store, or is in use.
        """
        try:
            if self._path is not None:
                await asyncio.to_thread(_make_private, self._path)
                await asyncio.to_thread(_check_owner, self._path)
            connecting = aiosqlite.connect(self._path or ":memory:", timeout=_LOCK_WAIT, isolation_level=None)
            # A Local Scope that nobody closed must not keep the process from ending;
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
        """Return the rows of a query, as of the last committed change."""
        async with self._lock:
            try:
                return [tuple(row) for row in await self._require_open().execute_fetchall(sql, parameters)]
            except sqlite3.Error as error:
                raise ServerError(f"the store could not be read: {error}") from error

    async def write(self, plan: Callable[[], Transaction[T]]) -> T:
        """Commit what `plan` returns, then run its `on_commit` and return what that returns.

        `plan` runs when its turn has come, so it sees the effects of every change before it,
        and may raise to refuse. Cancelling the caller does not stop a change: it is committed,
        and `on_commit` runs, all the same.

        Raises:
            ServerError: the disk is full or the file cannot be written; nothing has changed.
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
            # Not only SQLite refuses: what it has no type for is refused before it is asked, and
            # a transaction that stays open would refuse every change after this one.
            if connection.in_transaction:
                await connection.execute("ROLLBACK")
            raise

    def _require_open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise ServerError("the store is closed")
        return self._connection

    async def aclose(self) -> None:
        """Finish the changes under way and close the file; closing twice does nothing."""
        while self._pending:
            await asyncio.gather(*self._pending, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _make_private(path: Path) -> None:
    # Only a file that is not there is opened: closing any descriptor of a file drops the
    # locks that this process holds on it (POSIX), those of another Local Scope included.
    # Of a link it is its target: SQLite would make that with the mode that the umask leaves.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _check_owner(path: Path) -> None:
    # A connection of its own that only reads: preparing the store's connection already writes.
    with contextlib.closing(sqlite3.connect(path, timeout=_LOCK_WAIT)) as connection:
        schema.plan_migration(*connection.execute(schema.FILE_FACTS).fetchone())
