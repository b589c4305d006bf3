"""The aiohttp session of this process and event loop, and a fair queue in front of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

import aiohttp
import attrs

from scope_async._core.semaphore import Turns
from scope_async.errors import ClientClosedError
from scope_async.http.proxy import Proxies


@attrs.frozen
class Opened:
    """A session of one process and event loop, the turns at it, and the proxies named when it was opened.

    `headers` are those that every call is to have: a session that was passed in has to be told
    them with each one.

    aiohttp gives a free connection to whoever asks next, so that a hundred busy coroutines
    can starve all others until they time out. Here turns are taken in order of arrival, and
    the token is chosen when the turn has come, not before the wait.
    """

    process: int
    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    turns: Turns
    proxies: Proxies | None
    headers: Mapping[str, str]
    is_given: bool

    def is_here(self) -> bool:
        """Tell whether it belongs to this process and to the event loop that runs now."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()


class Pool:
    """Opens a session when one is needed: at the first call, in another event loop, after a fork.

    Every call is to have `headers`: our own session adds them by itself. A session that was passed
    in is used and never closed. Usable again after `aclose`.
    """

    def __init__(
        self, *, limit: int, session: aiohttp.ClientSession | None, headers: Mapping[str, str]
    ) -> None:
        self._limit = limit
        self._headers = headers
        self._given = session
        self._opened: Opened | None = None
        self._abandoned: list[Opened] = []
        self.closed = False

    def here(self) -> Opened:
        """Return what to call with in this process and event loop.

        Raises:
            ClientClosedError: closed, or the session that was passed in is.
        """
        if self.closed:
            raise ClientClosedError("the client is closed")
        opened = self._opened
        if opened is None or not opened.is_here():
            opened = self._open()
        if opened.session.closed:
            if self._given is not None:
                raise ClientClosedError("the aiohttp session that was passed in is closed")
            opened = self._open()
        return opened

    def _open(self) -> Opened:
        process, loop = os.getpid(), asyncio.get_running_loop()
        if self._opened is not None and self._opened.process != process:
            # Closing it in a forked child would unregister the parent's sockets.
            self._abandoned.append(self._opened)
        turns = Turns(self._limit)
        if self._given is not None:
            self._opened = Opened(process, loop, self._given, turns, None, self._headers, is_given=True)
        else:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
            )
            self._opened = Opened(
                process, loop, session, turns, Proxies() or None, self._headers, is_given=False
            )
        return self._opened

    def open(self) -> None:
        """Accept calls (again)."""
        self.closed = False

    async def aclose(self) -> None:
        """Refuse further calls and close the session, if it is our own. Idempotent."""
        self.closed = True
        opened, self._opened = self._opened, None
        if opened is None or self._given is not None:
            return
        if opened.is_here():
            await opened.session.close()
