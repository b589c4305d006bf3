"""What `RedisStore` has open in one event loop: a client, and subscriptions to channels."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import NoScriptError

from scope_async._core.clock import Clock, SystemClock
from scope_async.stores.redis.connection import Connection, Connector
from scope_async.stores.redis.scripts import Script

_MAX_CONCURRENCY = 16

_POLL_INTERVAL = 0.25
"""Seconds between two looks for changes where there is no channel to subscribe to."""

_CONFIRM_TIMEOUT = 0.5
"""Seconds for the server's reply to a subscription."""

_CHECK_INTERVAL = 5.0
"""Seconds of silence on a channel after which the server is asked, since a cut line is silent too."""


class RedisSession:
    """Connects at the first need, and again after every failure."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(_MAX_CONCURRENCY)
        self._users: Counter[Connection] = Counter()
        self._open: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def execute(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | float]) -> Any:
        """Run a script; Redis is sent its text only when it does not know it.

        Raises:
            redis.RedisError, OSError: there was no answer, or it was an error.
        """
        async with self._slots:
            connection = await self._connected()
            client = connection.client
            self._users[connection] += 1
            try:
                return await client.evalsha(script.digest, len(keys), *keys, *args)
            except NoScriptError:
                return await client.eval(script.source, len(keys), *keys, *args)
            except BaseException:
                # Also a refusal: a server that is read-only now may not be the one to ask any more.
                self._drop(connection)
                raise
            finally:
                self._users[connection] -= 1
                self._close_unused(connection)

    async def subscribe(self, channel: str) -> Subscription:
        """Return the messages of a channel from now on."""
        connection = await self._connected()
        if connection.is_cluster and not connection.has_sharded_channels:
            return Subscription(None, sharded=False)
        subscription = Subscription(connection.client.pubsub(), sharded=connection.is_cluster)
        try:
            await subscription.open(channel)
        except BaseException:
            await subscription.aclose()
            self._drop(connection)
            raise
        return subscription

    async def aclose(self) -> None:
        """Close every connection, those that operations use as well."""
        self._connection = None
        for connection in tuple(self._open):
            await self._close(connection)

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None:
                self._connection = await self._connector()
                self._open.add(self._connection)
            return self._connection

    def _drop(self, connection: Connection) -> None:
        """Use another connection from now on; this one is closed after its last operation."""
        if self._connection is connection:
            self._connection = None
            self._close_unused(connection)

    def _close_unused(self, connection: Connection) -> None:
        if connection is self._connection or self._users[connection]:
            return
        del self._users[connection]
        closing = asyncio.get_running_loop().create_task(self._close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, connection: Connection) -> None:
        await connection.aclose()
        self._open.discard(connection)


class Subscription:
    """The messages of one channel; without a `pubsub` there are none, and its reader polls."""

    def __init__(self, pubsub: Any, *, sharded: bool) -> None:
        self._pubsub = pubsub
        self._sharded = sharded
        self._clock: Clock = SystemClock()

    async def open(self, channel: str) -> None:
        """Subscribe, and return when the server has confirmed it.

        Raises:
            redis.RedisError, OSError: it was refused, or there was no answer.
        """
        if self._sharded:
            await self._pubsub.ssubscribe(channel)
        else:
            await self._pubsub.subscribe(channel)
        if await self._next_message(_CONFIRM_TIMEOUT) is None:
            raise OSError("the subscription was not confirmed")

    async def next_line(self) -> str | None:
        """Return the next message; None when it is time to look for what was missed.

        Raises:
            redis.RedisError, OSError: the connection broke.
        """
        if self._pubsub is None:
            await self._clock.sleep(_POLL_INTERVAL)
            return None
        message = await self._next_message(_CHECK_INTERVAL)
        if message is None or message["type"] not in ("message", "smessage"):
            return None
        data: bytes = message["data"]
        return data.decode("utf-8", "replace")

    async def _next_message(self, within: float) -> dict[str, Any] | None:
        read = self._pubsub.get_sharded_message if self._sharded else self._pubsub.get_message
        message: dict[str, Any] | None = await read(timeout=within)
        return message

    async def aclose(self) -> None:
        if self._pubsub is not None:
            with suppress(Exception):
                await self._pubsub.aclose()
