"""One aiohttp session: sends requests, tries again, maps every exception.

Knows nothing of tokens, so that the exchange and the API calls share it.
"""

from __future__ import annotations

import asyncio
import builtins
import random
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import aiohttp
import anyio
from aiohttp import ClientTimeout
from aiohttp.client_middlewares import ClientMiddlewareType

from scope_async._clock import Clock
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ConnectionError, ScopeError, ServerError, TimeoutError
from scope_async.http.pool import Pool
from scope_async.http.retry import TOO_LARGE, is_passing, retry_delay
from scope_async.http.turns import Turns
from scope_async.http.wire import Reply, Request
from scope_async.http.witness import Witness
from scope_async.telemetry.events import Emit

MAX_REPLY_BYTES = 10 * 1024 * 1024

Result = TypeVar("Result")


class Transport:
    """Calls the service over one `aiohttp.ClientSession`, opened at the first call.

    A session that was passed in is used and never closed. At most `max_connections` calls
    are under way at a time; the others wait their turn in order of arrival.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        emit: Emit | None = None,
        session: aiohttp.ClientSession | None = None,
        max_connections: int,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._clock = clock
        self._witness = None if emit is None else Witness(emit, monotonic=clock.monotonic)
        self._pool = Pool(limit=max_connections, session=session)
        self._pauses: set[anyio.CancelScope] = set()
        self._draw = draw
        self._timeout = self._limits(config.timeout)

    def call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        *,
        middlewares: Sequence[ClientMiddlewareType] | None = None,
        max_retries: int | None = None,
    ) -> Coroutine[Any, Any, Result]:
        """Send `request` until `read` makes something of the reply, within `timeout` seconds in all.

        Raises (when awaited):
            ScopeError: what the last attempt failed with; nothing else.
        """
        # Not a coroutine itself, so that a call pays for the witness only when there is one.
        if self._witness is None:
            return self._call(request, read, middlewares, max_retries)
        return self._witness.watch(
            request, read, lambda look: self._call(request, look, middlewares, max_retries)
        )

    async def _call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        middlewares: Sequence[ClientMiddlewareType] | None,
        max_retries: int | None,
    ) -> Result:
        """Make the first attempt bare; the machinery for retries is entered only after a failure."""
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
        if self._pool.closed or self._clock.monotonic() + delay >= deadline:
            raise failure
        if self._witness is not None:
            self._witness.retried(request, failure, delay)
        request.attempts = attempt + 1
        with anyio.CancelScope() as pause:
            self._pauses.add(pause)
            try:
                await self._clock.sleep(delay)
            finally:
                self._pauses.discard(pause)

    def _limits(self, total: float) -> ClientTimeout:
        return ClientTimeout(total=total, sock_connect=self._config.open_timeout)

    async def _attempt(
        self,
        request: Request,
        limits: ClientTimeout,
        middlewares: Sequence[ClientMiddlewareType] | None,
    ) -> Reply:
        here = self._pool.here()
        if not here.turns.take():
            limits = await self._wait_for_turn(here.turns, limits)
        handled = sys.exception()
        try:
            # What a passed-in session may have set otherwise is said again here.
            async with here.session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                auto_decompress=True,
                raise_for_status=False,
                timeout=limits,
                proxy=here.proxies.choose(request.url) if here.proxies is not None else None,
                middlewares=middlewares,
            ) as response:
                body = await _read_capped(response)
                return Reply(
                    status=response.status,
                    headers=response.headers,
                    body=body,
                    sent=response.request_info.headers,
                )
        except ScopeError:
            raise
        except Exception as error:
            _drop_frames(error, until=handled)
            if self._pool.closed:
                raise ClientClosedError("the client was closed during the call") from error
            raise map_exception(error, limits) from error
        finally:
            here.turns.give_back()

    async def _wait_for_turn(self, turns: Turns, limits: ClientTimeout) -> ClientTimeout:
        """Wait for a turn, and return the limits that are left for the request."""
        total = limits.total or 0.0
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        try:
            async with asyncio.timeout(total):
                await turns.wait()
        except builtins.TimeoutError as error:
            raise TimeoutError(f"no free connection within {total:g} s") from error
        if self._pool.closed:
            turns.give_back()
            raise ClientClosedError("the client was closed before the call's turn came")
        left = max(0.001, total - (loop.time() - arrived))
        return ClientTimeout(total=left, sock_connect=limits.sock_connect)

    def open(self) -> None:
        """Accept calls (again)."""
        self._pool.open()

    async def aclose(self) -> None:
        """Refuse further calls, wake those that wait to try again, close the session if it is our own.

        Idempotent.
        """
        for pause in tuple(self._pauses):
            pause.cancel()
        await self._pool.aclose()


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
                error_code=TOO_LARGE,
                http_status=response.status,
                request_id=response.headers.get("X-Request-ID"),
            )
        chunks.append(chunk)
    return b"".join(chunks)


def _drop_frames(error: BaseException | None, *, until: BaseException | None) -> None:
    """Let go of the frames of `error` and of what it came from.

    aiohttp's have the request's headers and body among their locals, and collectors of
    tracebacks look there. `until` is what the caller was handling already: not ours.
    """
    while error is not None and error is not until and error.__traceback__ is not None:
        error.__traceback__ = None
        _drop_frames(error.__cause__, until=until)
        error = error.__context__


def map_exception(error: Exception, limits: ClientTimeout) -> ScopeError:
    """Return the package's error for anything that aiohttp or the network raised."""
    # A subclass of both TimeoutError and ClientError, so it is looked at first.
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TimeoutError(f"no connection within open_timeout = {limits.sock_connect:g} s")
    if isinstance(error, asyncio.TimeoutError):
        return TimeoutError(f"no answer within {limits.total or 0:g} s")
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
