"""Audit log of key use, buffered and written at most once a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from attrs import define

from scope_async.errors import ServerError
from scope_async.local.store.database import Database, Statement, Transaction

_WRITE_EVERY = 1.0
_EQUAL_WITHIN = 1.0
_EVENT = "INSERT INTO events (api_key, event, at, actor, address, reason, count) VALUES (?, ?, ?, ?, ?, ?, ?)"


def event_row(
    event: str,
    api_key: str | None,
    at: float,
    *,
    actor: str,
    address: str | None = None,
    reason: str | None = None,
    count: int = 1,
) -> Statement:
    """Return the statement that adds one event to the audit trail."""
    return _EVENT, (api_key, event, at, actor, address, reason, count)


@define
class _Line:
    """Equal events within a second, not yet written."""

    event: str
    api_key: str | None
    actor: str
    address: str | None
    reason: str | None
    at: float
    count: int = 1

    def row(self) -> Statement:
        return event_row(
            self.event,
            self.api_key,
            self.at,
            actor=self.actor,
            address=self.address,
            reason=self.reason,
            count=self.count,
        )


class AuditLog:
    """Records when each key was last used, and buffers events of the audit trail.

    Memory is always current; the disk follows within a second. Equal events of that second
    become one row with a count, so that ten thousand wrong secrets cost a few writes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_used: dict[str, float] = {}
        self._unwritten: set[str] = set()
        self._lines: list[_Line] = []
        self._newest: dict[tuple[str, str | None, str | None, str | None], _Line] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flush: asyncio.Task[None] | None = None

    def replace_all(self, last_used: Mapping[str, float]) -> None:
        """Replace the last uses by those of a store, and drop buffered events: their keys are gone."""
        self._last_used = dict(last_used)
        self._unwritten.clear()
        self._lines.clear()
        self._newest.clear()

    def last_used_at(self, api_key: str) -> float | None:
        """Return when the key last authenticated, in seconds since the epoch."""
        return self._last_used.get(api_key)

    def used(self, api_key: str, at: float) -> None:
        """Record a successful request with a token of this key."""
        self._last_used[api_key] = at
        self._unwritten.add(api_key)
        if self._timer is None:
            self._schedule()

    def exchanged(self, api_key: str, at: float, address: str | None) -> None:
        """Record a successful exchange."""
        self.used(api_key, at)
        self._buffer("used", api_key, at, actor=api_key, address=address, reason="exchange")

    def refused(self, api_key: str | None, at: float, address: str | None, reason: str) -> None:
        """Record a refused exchange; `api_key` is None for an unknown key."""
        self._buffer("refused", api_key, at, actor="unknown", address=address, reason=reason)

    def _buffer(
        self,
        event: str,
        api_key: str | None,
        at: float,
        *,
        actor: str,
        address: str | None,
        reason: str | None,
    ) -> None:
        content = (event, api_key, address, reason)
        newest = self._newest.get(content)
        if newest is not None and at - newest.at < _EQUAL_WITHIN:
            newest.count += 1
        else:
            self._newest[content] = line = _Line(event, api_key, actor, address, reason, at)
            self._lines.append(line)
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_WRITE_EVERY, self._start_flush)

    def _start_flush(self) -> None:
        self._timer = None
        self._flush = asyncio.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        # A full disk is reported to the next caller that changes something; recording uses may fail silently.
        with contextlib.suppress(ServerError):
            await self.flush()

    async def flush(self) -> None:
        """Write the buffered events and last uses.

        Raises:
            ServerError: the disk is full or the file cannot be written.
        """
        if self._lines or self._unwritten:
            await self._database.write(self._plan)

    def _plan(self) -> Transaction[None]:
        statements = [line.row() for line in self._lines]
        statements += [
            ("UPDATE api_keys SET last_used_at = ? WHERE api_key = ?", (self._last_used[api_key], api_key))
            for api_key in self._unwritten
        ]
        self._lines.clear()
        self._newest.clear()
        self._unwritten.clear()
        return Transaction(tuple(statements), lambda: None)

    async def aclose(self) -> None:
        """Write the rest; call it while the database is open."""
        if self._timer is not None:
            self._timer.cancel()
        if self._flush is not None:
            await self._flush
        await self._flush_quietly()
