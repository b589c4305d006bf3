"""Connections that are closed once bytes arrived on them that no request asked for.

aiohttp reads what arrives on an idle connection, keeps it, and takes it for the reply to the next
request (https://github.com/aio-libs/aiohttp/issues/13656).
"""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet, ref

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

reused: ContextVar[bool] = ContextVar("reused", default=False)
"""True if the connection that this task was given last had served a request before."""


class ConnectionGuard(asyncio.Protocol):
    """Stands between a connection and aiohttp: while no request is under way, any byte closes it.

    Attributes:
        connection: what aiohttp gave the last request, and takes back when that is over.
    """

    connection: ref[Connection]

    def __init__(self, protocol: ResponseHandler, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._pass_on = protocol.data_received
        self._transport = transport
        self._readable = _readable(transport)
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        # As `idle`, without the call.
        connection = self.connection()
        if connection is None or connection.protocol is None:
            self.abort()
        else:
            self._pass_on(data)

    @property
    def idle(self) -> bool:
        """True while no request is under way."""
        connection = self.connection()
        return connection is None or connection.protocol is None

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def is_clean(self) -> bool:
        """Return True if only the reply to the last request has arrived.

        Bytes that aiohttp has kept count, and those that the event loop has still to read.
        """
        return not (self._readable(0) or self._protocol.should_close)


class GuardedConnector(aiohttp.TCPConnector):
    """Opens connections, and reuses those on which nothing arrived while they were idle."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._guards: WeakSet[ConnectionGuard] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: Sequence[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Return a connection from the pool, or a new one."""
        while True:
            connection = await super().connect(req, traces, timeout)  # type: ignore[arg-type]
            protocol = connection.protocol
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None:
                return connection  # it was lost already; sending says so
            guard = transport.get_protocol()
            if isinstance(guard, ConnectionGuard):
                is_reused = True
                if not guard.is_clean():
                    connection.close()
                    continue
            else:
                is_reused = False
                guard = ConnectionGuard(protocol, transport)
                transport.set_protocol(guard)
                self._guards.add(guard)
            guard.connection = ref(connection)
            if reused.get() is not is_reused:
                reused.set(is_reused)
            return connection

    def close_idle(self) -> None:
        """Close the connections that serve no request now."""
        for guard in tuple(self._guards):
            if guard.idle:
                guard.abort()


def _readable(transport: asyncio.Transport) -> Callable[[int], Sequence[object]]:
    """Return a function that returns something if the socket has data, or its end, that was not read.

    Its argument is how long it waits, in milliseconds.
    """
    socket = transport.get_extra_info("socket")
    if socket is None:
        return lambda _: ()
    if sys.platform == "win32" or not hasattr(select, "poll"):
        return lambda milliseconds: select.select([socket], [], [], milliseconds / 1000)[0]
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return poll.poll
