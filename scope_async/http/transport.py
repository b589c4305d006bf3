"""One aiohttp session: sends requests, tries again, maps every exception.

Knows nothing of tokens, so that the exchange and the API calls share it.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import Callable, Sequence
from typing import TypeVar

import aiohttp
from aiohttp import ClientTimeout
from aiohttp.client_middlewares import ClientMiddlewareType

from scope_async._clock import Clock
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ConnectionError, ScopeError, ServerError, TimeoutError
from scope_async.http.proxy import Proxies
from scope_async.http.retry import is_passing, retry_delay
from scope_async.http.wire import Reply, Request
from scope_async.telemetry.events import Emit, RequestRetried

MAX_REPLY_BYTES = 10 * 1024 * 1024

Result = TypeVar("Result")


class Transport:
    """Calls the service over one `aiohttp.ClientSession`, opened at the first call.

    A session that was passed in is used and never closed. Usable again after `aclose`,
    in another event loop and after a fork; each of these gets a session of its own.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        emit: Emit,
        session: aiohttp.ClientSession | None = None,
        max_connections: int,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._clock = clock
        self._emit = emit
        self._given = session
        self._max_connections = max_connections
        self._draw = draw
        self._session: aiohttp.ClientSession | None = None
        self._owner: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._abandoned: list[aiohttp.ClientSession] = []
        self._proxies: Proxies | None = None
        self._closed = False
        self._timeout = self._limits(config.timeout)

    async def call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        *,
        middlewares: Sequence[ClientMiddlewareType] | None = None,
        max_retries: int | None = None,
    ) -> Result:
        """Send `request` until `read` makes something of the reply, within `timeout` seconds in all.

        The first attempt is bare; the machinery for retries is entered only after a failure.

        Raises:
            ScopeError: what the last attempt failed with; nothing else.
        """
        started = self._clock.monotonic()
        try:
            return read(await self._attempt(request, self._timeout, middlewares))
        except ScopeError as error:
            retries = self._config.max_retries if max_retries is None else max_retries
            if retries == 0 or not is_passing(error):
                raise
            failure = error
        deadline = started + self._config.timeout
        for attempt in range(1, retries + 1):
            await self._pause(request, failure, attempt, deadline)
            remaining = max(0.001, deadline - self._clock.monotonic())
            try:
                return read(await self._attempt(request, self._limits(remaining), middlewares))
            except ScopeError as error:
                if attempt == retries or not is_passing(error):
                    raise
                failure = error
        raise AssertionError("the loop returns or raises")  # pragma: no cover

    async def _pause(self, request: Request, failure: ScopeError, attempt: int, deadline: float) -> None:
        """Wait before the next attempt; raise `failure` at once when the deadline comes first."""
        config = self._config
        delay = retry_delay(
            failure, attempt, base=config.retry_base_delay, cap=config.retry_max_delay, draw=self._draw()
        )
        if self._closed or self._clock.monotonic() + delay >= deadline:
            raise failure
        self._emit(
            RequestRetried(
                operation=request.operation,
                request_id=request.request_id,
                attempt=attempt,
                delay_ms=delay * 1000,
                error=type(failure).__name__,
            )
        )
        await self._clock.sleep(delay)

    def _limits(self, total: float) -> ClientTimeout:
        return ClientTimeout(total=total, sock_connect=self._config.open_timeout)

    async def _attempt(
        self,
        request: Request,
        timeout: ClientTimeout,
        middlewares: Sequence[ClientMiddlewareType] | None,
    ) -> Reply:
        try:
            # What a passed-in session may have set otherwise is said again here.
            async with self._opened().request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                auto_decompress=True,
                raise_for_status=False,
                timeout=timeout,
                proxy=self._proxies.choose(request.url) if self._proxies is not None else None,
                middlewares=middlewares,
            ) as response:
                body = await _read_capped(response)
                return Reply(status=response.status, headers=response.headers, body=body)
        except ScopeError:
            raise
        except Exception as error:
            if self._closed:
                raise ClientClosedError("the client was closed during the call") from error
            raise map_exception(error, timeout) from error

    def _opened(self) -> aiohttp.ClientSession:
        """Return the session of this process and event loop, opening it when there is none."""
        if self._closed:
            raise ClientClosedError("the client is closed")
        if self._given is not None:
            if self._given.closed:
                raise ClientClosedError("the aiohttp session that was passed in is closed")
            return self._given
        here = (os.getpid(), asyncio.get_running_loop())
        if self._session is None or self._owner != here or self._session.closed:
            if self._session is not None and self._owner is not None and self._owner[0] != here[0]:
                # Closing it in a forked child would unregister the parent's sockets.
                self._abandoned.append(self._session)
            connector = aiohttp.TCPConnector(limit=self._max_connections)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
            self._proxies = Proxies()
            self._owner = here
        return self._session

    def open(self) -> None:
        """Accept calls (again)."""
        self._closed = False

    async def aclose(self) -> None:
        """Refuse further calls and close the session, if it is our own. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None and self._owner == (os.getpid(), asyncio.get_running_loop()):
            await session.close()


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    """Return the reply's body, decoded; never hold much more than `MAX_REPLY_BYTES`."""
    length = response.content_length
    if length is not None and length <= MAX_REPLY_BYTES and "Content-Encoding" not in response.headers:
        return await response.read()
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            response.close()
            raise ServerError(
                f"the reply is larger than {MAX_REPLY_BYTES} bytes",
                http_status=response.status,
                request_id=response.headers.get("X-Request-ID"),
            )
        chunks.append(chunk)
    return b"".join(chunks)


def map_exception(error: Exception, timeout: ClientTimeout) -> ScopeError:
    """Return the package's error for anything that aiohttp or the network raised."""
    # A subclass of both TimeoutError and ClientError, so it is looked at first.
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimeoutError(f"no connection within open_timeout = {timeout.sock_connect:g} s")
    if isinstance(error, asyncio.TimeoutError):
        return TimeoutError(f"no answer within {timeout.total or 0:g} s")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectionError(f"the proxy refused to connect to the service (HTTP {error.status})")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionError(f"the connection broke in the middle of the reply: {_reason(error)}")
    if isinstance(error, aiohttp.ClientConnectionError | OSError | ssl.SSLError):
        return ConnectionError(f"cannot reach the service: {_reason(error)}")
    if isinstance(error, aiohttp.InvalidURL):
        return ServerError("the request's URL is not acceptable to aiohttp")
    return ServerError(f"the reply is not HTTP as the contract says: {type(error).__name__}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
