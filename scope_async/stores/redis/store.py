"""`RedisStore`: what processes of many hosts share, in Redis 6 or later, or Valkey."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs

from scope_async._core.concurrency.loop_thread import LoopThread
from scope_async.stores.protocol import Change, Lease, LeaseHeld, StoredEntry
from scope_async.stores.redis.connection import UrlConnector
from scope_async.stores.redis.scripts import (
    ACQUIRE,
    CHANGES,
    DELETE,
    GET,
    INVALIDATE,
    PUT,
    RELEASE,
    RENEW,
    Keys,
    Script,
)
from scope_async.stores.redis.session import RedisSession, Subscription

_CLOSE_TIMEOUT = 0.5
"""Seconds for the end of a subscription; with its thread closed meanwhile it would not end."""


class RedisStore:
    """A `SharedStore` in Redis: a single server, Sentinel, or a cluster.

    Its connections live in a thread of its own, so that one store serves any number of event
    loops. Nothing is connected before the first use.

    Args:
        url: `redis://`, `rediss://` (TLS), `redis+sentinel://` or `rediss+sentinel://`.
        max_entries: most prompt versions kept for one set of credentials.
        max_bytes: most bytes of them.

    Raises:
        ConfigurationError: no such URL.
    """

    def __init__(self, url: str, *, max_entries: int = 10_000, max_bytes: int = 256 * 1024 * 1024) -> None:
        self._connector = UrlConnector(url)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._thread = LoopThread("scope-async-redis-store")
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, RedisSession] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"RedisStore({self._connector.shown_url!r})"

    async def get(self, namespace: str, name: str) -> StoredEntry | None:
        found = await self._execute(GET, Keys(namespace).of(name))
        return None if found is None else _entry(found)

    async def acquire(
        self, namespace: str, name: str, *, owner: str, duration: float, known: str = ""
    ) -> StoredEntry | Lease | LeaseHeld:
        kind, *found = await self._execute(
            ACQUIRE, Keys(namespace).of(name), _new_epoch(), owner, _milliseconds(duration), known
        )
        if kind == b"entry":
            return _entry(found)
        if kind == b"held":
            return LeaseHeld(found[0] / 1000)
        epoch, counter, acquired_at = found
        return Lease(namespace, name, epoch.decode(), int(counter), owner, int(acquired_at))

    async def renew(self, lease: Lease, *, duration: float) -> bool:
        keys = Keys(lease.namespace).of(lease.name)
        return bool(await self._execute(RENEW, keys, lease.proof, _milliseconds(duration)))

    async def release(self, lease: Lease, *, cooldown: float = 0.0) -> None:
        keys = Keys(lease.namespace).of(lease.name)
        await self._execute(RELEASE, keys, _new_epoch(), lease.proof, _milliseconds(cooldown), lease.name)

    async def put(self, lease: Lease, content: bytes, *, lifetime: float, tags: Sequence[str] = ()) -> bool:
        written = await self._execute(
            PUT,
            Keys(lease.namespace).of(lease.name),
            _new_epoch(),
            lease.proof,
            lease.name,
            lease.version,
            content,
            _milliseconds(lifetime),
            " ".join(tags),
            self._max_entries,
            self._max_bytes,
        )
        return bool(written)

    async def delete(self, namespace: str, name: str, *, version: str) -> bool:
        return bool(await self._execute(DELETE, Keys(namespace).of(name), _new_epoch(), name, version))

    async def invalidate(self, namespace: str, tag: str | None = None) -> None:
        await self._execute(INVALIDATE, Keys(namespace).shared(), _new_epoch(), tag or "")

    async def changes(self, namespace: str) -> AsyncGenerator[Change, None]:
        subscription: Subscription = await self._thread.run(partial(self._subscribe, namespace))
        try:
            position: _Position | None = None
            line: str | None = None
            while True:
                if line is None or position is None or (change := position.following(line)) is None:
                    found, position = await self._changes_after(namespace, position)
                    for each in found:
                        yield each
                else:
                    position = position.next()
                    yield change
                line = await self._thread.run(subscription.next_line)
        finally:
            if self._thread.is_running:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_TIMEOUT):
                        await self._thread.run(subscription.aclose)

    async def aclose(self) -> None:
        await self._thread.close_with(self._close)

    async def _changes_after(
        self, namespace: str, position: _Position | None
    ) -> tuple[list[Change], _Position]:
        number = 0 if position is None else position.number
        epoch, last, lines = await self._execute(CHANGES, Keys(namespace).shared(), number)
        new = _Position(epoch.decode(), int(last))
        missed = new.number - number - len(lines)
        # A position without an epoch is that of an empty store, of which nothing was missed.
        continued = position is not None and position.epoch in ("", new.epoch)
        if not continued or missed:
            return [Change("resync")], new
        return [_change(line.decode()) for line in lines], new

    async def _execute(self, script: Script, keys: Sequence[str], *args: str | bytes | float) -> Any:
        return await self._thread.run(partial(self._execute_here, script, keys, args))

    async def _execute_here(
        self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | float]
    ) -> Any:
        try:
            return await self._session().execute(script, keys, args)
        except Exception as error:  # noqa: BLE001 - raised below, out here without the first one behind it
            failure = self._connector.without_password(error)
        raise failure

    async def _subscribe(self, namespace: str) -> Subscription:
        try:
            return await self._session().subscribe(Keys(namespace).channel)
        except Exception as error:  # noqa: BLE001 - the same
            failure = self._connector.without_password(error)
        raise failure

    async def _close(self) -> None:
        await self._session().aclose()

    def _session(self) -> RedisSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = RedisSession(self._connector)
        return session


@attrs.frozen
class _Position:
    """The last change that a reader knows of."""

    epoch: str
    number: int

    def next(self) -> _Position:
        return attrs.evolve(self, number=self.number + 1)

    def following(self, line: str) -> Change | None:
        """Return the change in `line` if it is the one that comes next."""
        epoch, _, rest = line.partition(" ")
        number = rest.partition(" ")[0]
        return _change(line) if (epoch, number) == (self.epoch, str(self.number + 1)) else None


def _change(line: str) -> Change:
    _, _, kind, name, version = line.split(" ")
    return Change(kind, name, version)  # type: ignore[arg-type]


def _entry(found: Sequence[Any]) -> StoredEntry:
    content, version, left = found
    return StoredEntry(content, version.decode(), left / 1000)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _new_epoch() -> str:
    return secrets.token_hex(8)
