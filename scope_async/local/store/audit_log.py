"""Audit log of key use, buffered and written at most once a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from attrs import define

from scope_async.errors import ServerError
from scope_async.local.store.database import Database, Statement, Transaction
from scope_async.local.store.key_models import KeyUse

_logger = logging.getLogger("scope_async.local")
_WRITE_EVERY = 1.0
_EQUAL_WITHIN = 1.0
_AGENT_LIMIT = 200
_EVENT = (
    "INSERT INTO events (api_key, event, at, actor, address, user_agent, reason, count) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_USE = "UPDATE api_keys SET last_used_at = ?, last_used_agent = ?, last_used_address = ? WHERE api_key = ?"


def event_row(
    event: str,
    api_key: str | None,
    at: float,
    *,
    actor: str,
    address: str | None = None,
    user_agent: str | None = None,
    reason: str | None = None,
    count: int = 1,
) -> Statement:
    """Return the statement that adds one event to the audit trail."""
    return _EVENT, (api_key, event, at, actor, address, user_agent, reason, count)


def use_row(api_key: str, use: KeyUse) -> Statement:
    """Return the statement that stores the last use of a key."""
    return _USE, (use.at, use.user_agent, use.address, api_key)


@define
class _Line:
    """Equal events within a second, not yet written; `user_agent` is None if they came from several."""

    event: str
    api_key: str | None
    actor: str
    address: str | None
    user_agent: str | None
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
            user_agent=self.user_agent,
            reason=self.reason,
            count=self.count,
        )


class AuditLog:
    """Records when and by whom each key was last used, and buffers events of the audit trail.

    Memory is always current; the disk follows within a second. What a failed write leaves in the
    buffer is written by the next one. Equal events of a second become one row with a count, so that
    ten thousand wrong secrets cost a few writes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_uses: dict[str, KeyUse] = {}
        self._unwritten: set[str] = set()
        self._lines: list[_Line] = []
        self._newest: dict[tuple[str, str | None, str | None, str | None], _Line] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flush: asyncio.Task[None] | None = None
        self._closed = False

    def replace_all(self, last_uses: Mapping[str, KeyUse]) -> None:
        """Replace the last uses by those of a store, and drop buffered events: their keys are gone."""
        self._last_uses = dict(last_uses)
        self._unwritten.clear()
        self._lines.clear()
        self._newest.clear()

    def last_use(self, api_key: str) -> KeyUse | None:
        """Return the last exchange or request of the key that was accepted."""
        return self._last_uses.get(api_key)

    def last_used_at(self, api_key: str) -> float | None:
        """Return when the key last authenticated, in seconds since the epoch."""
        use = self._last_uses.get(api_key)
        return None if use is None else use.at

    def used(
        self, api_key: str, at: float, *, user_agent: str | None = None, address: str | None = None
    ) -> None:
        """Record a successful request with a token of this key."""
        self._last_uses[api_key] = KeyUse(at, printable_agent(user_agent), address)
        self._unwritten.add(api_key)
        if self._timer is None:
            self._schedule()

    def exchanged(
        self, api_key: str, at: float, *, user_agent: str | None = None, address: str | None = None
    ) -> None:
        """Record a successful exchange."""
        self.used(api_key, at, user_agent=user_agent, address=address)
        agent = printable_agent(user_agent)
        self._buffer(_Line("used", api_key, api_key, address, agent, "exchange", at))

    def refused(
        self,
        api_key: str | None,
        at: float,
        reason: str,
        *,
        user_agent: str | None = None,
        address: str | None = None,
    ) -> None:
        """Record a refused exchange; `api_key` is None for an unknown key."""
        agent = printable_agent(user_agent)
        self._buffer(_Line("refused", api_key, "unknown", address, agent, reason, at))

    def _buffer(self, line: _Line) -> None:
        # A guesser chooses its user agents, so that they must not make lines of their own.
        content = (line.event, line.api_key, line.address, line.reason)
        newest = self._newest.get(content)
        if newest is not None and line.at - newest.at < _EQUAL_WITHIN:
            newest.count += 1
            if newest.user_agent != line.user_agent:
                newest.user_agent = None
        else:
            self._newest[content] = line
            self._lines.append(line)
        if self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(_WRITE_EVERY, self._start_flush)

    def _start_flush(self) -> None:
        self._timer = None
        self._flush = asyncio.create_task(self._flush_or_retry())

    async def _flush_or_retry(self) -> None:
        # A full disk is reported to the next caller that changes something; recording uses may fail.
        try:
            await self.flush()
        except ServerError as error:
            _logger.warning("audit lines are not written yet: %s", error)
            if self._timer is None:
                self._schedule()

    async def flush(self) -> None:
        """Write the buffered events and last uses.

        Raises:
            ServerError: the disk is full or the file cannot be written; the buffer is kept.
        """
        if self._lines or self._unwritten:
            await self._database.write(self._plan)

    def _plan(self) -> Transaction[None]:
        lines = tuple(self._lines)
        uses = {api_key: self._last_uses[api_key] for api_key in self._unwritten}
        # An event that arrives during the write must not be counted into a line that is written.
        self._newest.clear()

        def on_commit() -> None:
            del self._lines[: len(lines)]
            self._unwritten -= {key for key, use in uses.items() if self._last_uses.get(key) is use}

        statements = (*(line.row() for line in lines), *(use_row(key, use) for key, use in uses.items()))
        return Transaction(statements, on_commit)

    async def aclose(self) -> None:
        """Write the rest; call it while the database is open."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._flush is not None:
            await self._flush
        await self._flush_or_retry()


def printable_agent(user_agent: str | None) -> str | None:
    """Return the header as text that can be stored and shown, cut to 200 characters; None if it is empty."""
    if not user_agent:
        return None
    cut = user_agent[:_AGENT_LIMIT]
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)
