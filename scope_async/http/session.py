"""The aiohttp session of this process and event loop, with a fair queue in front of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from ssl import SSLContext
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from scope_async._core.concurrency.semaphore import FifoSemaphore
from scope_async._core.inherited import open_socket
from scope_async.errors import ClientClosedError, ConfigurationError
from scope_async.http.connector import GuardedConnector
from scope_async.http.deadlines import Deadlines
from scope_async.http.resolver import ThreadResolver

if TYPE_CHECKING:
    from scope_async.http.proxies import Proxies

_TURNS_TO_END = 5


class BoundSession(msgspec.Struct, frozen=True):
    """A session bound to one process and event loop, and the proxies that were set when it was opened.

    `headers` are those of every call: over a session that was passed in they go with each one.

    aiohttp gives a free connection to the next caller that asks, so that a hundred busy coroutines
    can starve all others until they time out. `semaphore` gives connections out in order of
    arrival, and the token is chosen after the wait for one. `deadlines` end what takes too long; `timeout`
    is left with aiohttp, and is that for one connection alone.
    """

    process: int
    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    semaphore: FifoSemaphore
    deadlines: Deadlines
    timeout: aiohttp.ClientTimeout
    proxies: Proxies | None
    headers: Mapping[str, str]
    ssl: SSLContext | None
    is_given: bool

    def close_idle(self) -> None:
        """Close the connections that serve no request now, if the session is our own."""
        if isinstance(self.session.connector, GuardedConnector):
            self.session.connector.close_idle()

    def is_current(self) -> bool:
        """Return True if it belongs to this process and to the running event loop."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()


class SessionProvider:
    """Opens a session when one is needed: at the first call, in another event loop, after a fork.

    Every call has `headers`: our own session adds them by itself. A session that was passed in is
    used and never closed. Usable again after `aclose` and `open`.
    """

    def __init__(
        self,
        *,
        limit: int,
        session: aiohttp.ClientSession | None,
        headers: Mapping[str, str],
        ssl: SSLContext | None = None,
        open_timeout: float = 10.0,
    ) -> None:
        self._limit = limit
        self._ssl = ssl
        self._open_timeout = open_timeout
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=open_timeout)
        self._headers = headers
        self._given = session
        if session is None:
            # With the first client, which no event loop waits for.
            from scope_async.http.proxies import Proxies  # noqa: PLC0415 - costs time to import

            self._read_proxies = Proxies
        self._bound: BoundSession | None = None  # the one that was used last
        self._by_loop: dict[asyncio.AbstractEventLoop, BoundSession] = {}
        self._abandoned: list[BoundSession] = []
        self.closed = False

    def current(self) -> BoundSession:
        """Return the session of this process and event loop; opens one if there is none.

        Raises:
            ClientClosedError: closed, or the session that was passed in is.
            ConfigurationError: that session belongs to another event loop.
        """
        if self.closed:
            raise ClientClosedError("the client is closed")
        bound = self._bound
        if bound is None or bound.loop is not asyncio.get_running_loop() or bound.process != os.getpid():
            bound = self._bound = self._by_loop.get(asyncio.get_running_loop())
            if bound is None or not bound.is_current():
                bound = self._bind()
        if bound.session.closed:
            if self._given is not None:
                raise ClientClosedError("the aiohttp session that was passed in is closed")
            bound = self._bind()
        return bound

    def _bind(self) -> BoundSession:
        process, loop = os.getpid(), asyncio.get_running_loop()
        self._forget_ended(process)
        session, proxies = self._given, None
        if session is not None and getattr(session, "_loop", loop) is not loop:
            raise ConfigurationError(
                "the aiohttp session that was passed in belongs to another event loop: make it in the one "
                "in which the client is used, or leave `session` out, and the client opens one per loop"
            )
        if session is None:
            proxies = self._read_proxies() or None
            session = aiohttp.ClientSession(
                connector=GuardedConnector(
                    limit=self._limit,
                    ssl=self._ssl or True,
                    resolver=ThreadResolver(timeout=self._open_timeout),
                    socket_factory=open_socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
                timeout=self._timeout,
            )
        self._bound = self._by_loop[loop] = BoundSession(
            process,
            loop,
            session,
            FifoSemaphore(self._limit),
            Deadlines(loop),
            self._timeout,
            proxies,
            self._headers,
            self._ssl,
            is_given=self._given is not None,
        )
        return self._bound

    def _forget_ended(self, process: int) -> None:
        """Forget the sessions of a forked process's parent, and dispose of those whose loop was closed."""
        for loop, bound in list(self._by_loop.items()):
            if bound.process != process:
                # Closing it in a forked child would unregister the parent's sockets.
                self._abandoned.append(bound)
                self._by_loop.pop(loop, None)
            elif loop.is_closed():
                self._by_loop.pop(loop, None)
                _dispose(bound)

    def open(self) -> None:
        """Accept calls (again)."""
        self.closed = False

    async def release(self) -> None:
        """Close our own session of this event loop, which is about to end; the next call opens another.

        One that a call still uses stays: the loop goes on.
        """
        bound = self._by_loop.get(asyncio.get_running_loop())
        if bound is None or bound.is_given or not bound.is_current():
            return
        from anyio.lowlevel import checkpoint  # noqa: PLC0415 - costs time to import

        for _ in range(_TURNS_TO_END):
            if not bound.semaphore.in_use:
                break
            await checkpoint()  # in which calls that were cancelled end
        else:
            return
        self._by_loop.pop(bound.loop, None)
        await bound.session.close()
        await checkpoint()  # in which its transports free their descriptors

    async def aclose(self) -> None:
        """Refuse further calls and close our own sessions, each in its event loop. Idempotent."""
        self.closed = True
        bound_sessions, self._by_loop, self._bound = [*self._by_loop.values()], {}, None
        process = os.getpid()
        for bound in bound_sessions:
            if bound.process != process:
                self._abandoned.append(bound)
            elif bound.is_given:
                continue
            elif bound.is_current():
                await bound.session.close()
            else:
                _dispose(bound)


def _dispose(bound: BoundSession) -> None:
    """Close the session of another event loop: in that loop if it runs, else without waiting for anything."""
    if bound.is_given:
        return
    closing = bound.session.close()
    if bound.loop.is_running():
        with suppress(RuntimeError):  # closed a moment ago
            bound.loop.call_soon_threadsafe(bound.loop.create_task, closing)
            return
    # The first step marks it closed; what it would wait for then never comes.
    with suppress(StopIteration):
        closing.send(None)
    closing.close()
