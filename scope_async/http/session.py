"""The aiohttp session of this process and event loop, and a fair queue in front of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from typing import Any

import aiohttp
import attrs
from aiohttp import ClientRequest, ClientResponse, ClientTimeout
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION, CONTENT_ENCODING

from scope_async._core.semaphore import FifoSemaphore
from scope_async.errors import ClientClosedError, ServerError
from scope_async.http.failures import TOO_LARGE
from scope_async.http.messages import Reply, Request, merge_headers
from scope_async.http.proxies import Proxies
from scope_async.http.token_provider import UNAUTHORIZED


@attrs.frozen
class BoundSession:
    """A session of one process and event loop, the semaphore at it, and the proxies named when it was opened.

    `headers` are those that every call is to have: a session that was passed in has to be told
    them with each one.

    aiohttp gives a free connection to whoever asks next, so that a hundred busy coroutines
    can starve all others until they time out. Here semaphore are taken in order of arrival, and
    the token is chosen when the turn has come, not before the wait.
    """

    process: int
    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    semaphore: FifoSemaphore
    proxies: Proxies | None
    headers: Mapping[str, str]
    is_given: bool

    def is_here(self) -> bool:
        """Tell whether it belongs to this process and to the event loop that runs now."""
        return self.loop is asyncio.get_running_loop() and self.process == os.getpid()


class SessionProvider:
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
        self._opened: BoundSession | None = None
        self._abandoned: list[BoundSession] = []
        self.closed = False

    def here(self) -> BoundSession:
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

    def _open(self) -> BoundSession:
        process, loop = os.getpid(), asyncio.get_running_loop()
        if self._opened is not None and self._opened.process != process:
            # Closing it in a forked child would unregister the parent's sockets.
            self._abandoned.append(self._opened)
        semaphore = FifoSemaphore(self._limit)
        if self._given is not None:
            self._opened = BoundSession(
                process, loop, self._given, semaphore, None, self._headers, is_given=True
            )
        else:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
            )
            self._opened = BoundSession(
                process, loop, session, semaphore, Proxies() or None, self._headers, is_given=False
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


MAX_REPLY_BYTES = 10 * 1024 * 1024

_REFUSAL_PATIENCE = 1.0
"""Seconds for the body of a 401: that it is one is known already."""


async def send(here: BoundSession, request: Request, limits: ClientTimeout) -> Reply:
    """Send the request once and return the reply, read to its end.

    Raises:
        ServerError: the reply is larger than `MAX_REPLY_BYTES`.
        Exception: whatever aiohttp and the network raise.
    """
    if here.is_given:
        response = await _send_over_given(here, request, limits)
    else:
        response = await here.session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            timeout=limits,
            proxy=here.proxies.choose(request.url) if here.proxies is not None else None,
        )
    try:
        # At its end aiohttp has the connection back.
        body = await (_read(response) if response.status != UNAUTHORIZED else _read_refusal(response))
    except BaseException:
        response.close()
        raise
    return Reply(status=response.status, headers=response.headers, body=body, sent=request.headers)


async def _send_over_given(here: BoundSession, request: Request, limits: ClientTimeout) -> ClientResponse:
    """Send it over a session that was passed in, and say again what that may have set otherwise."""
    headers = merge_headers(here.headers, request.headers)
    return await here.session.request(
        request.method,
        request.url,
        middlewares=(_last_word(headers.pop(AUTHORIZATION, None)),),
        headers=headers,
        data=request.body,
        allow_redirects=False,
        auto_decompress=True,
        raise_for_status=False,
        timeout=limits,
    )


def _last_word(authorization: str | None) -> ClientMiddlewareType:
    """Return the middleware that puts our token on a request of somebody else's session.

    In place of the session's own ones, any of which might put another token there. Among the
    headers ours would clash with the session's `auth`, and its traces would be told of it.
    """

    async def put(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers.pop(AUTHORIZATION, None)
        if authorization is not None:
            request.headers[AUTHORIZATION] = authorization
        return await handler(request)

    return put


def _read(response: ClientResponse) -> Coroutine[Any, Any, bytes]:
    """Return the reply's body, decoded; never hold much more than `MAX_REPLY_BYTES`."""
    length = response.content_length
    if length is not None and length <= MAX_REPLY_BYTES and CONTENT_ENCODING not in response.headers:
        return response.read()
    return _read_capped(response)


async def _read_capped(response: ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise ServerError(
                f"the reply is larger than {MAX_REPLY_BYTES} bytes",
                error_code=TOO_LARGE,
                http_status=response.status,
                request_id=response.headers.get("X-Request-ID"),
            )
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_refusal(response: ClientResponse) -> bytes:
    """Return the body of a 401, empty if it cannot be had: the token is refused in any case."""
    try:
        async with asyncio.timeout(_REFUSAL_PATIENCE):
            return await _read(response)
    except Exception:  # noqa: BLE001 - whatever was wrong with it
        response.close()
        return b""
