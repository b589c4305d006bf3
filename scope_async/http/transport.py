"""One aiohttp session: sends requests, tries again, maps every exception.

Knows nothing of tokens, so that the exchange and the API calls share it.
"""

from __future__ import annotations

import asyncio
import builtins
import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
import anyio
from aiohttp import ClientTimeout
from aiohttp.hdrs import AUTHORIZATION

from scope_async._core.clock import Clock
from scope_async._core.semaphore import FifoSemaphore
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ScopeError, TimeoutError
from scope_async.http.decoding import read_error
from scope_async.http.failures import drop_frames, is_transient, map_exception, retry_delay
from scope_async.http.instrumentation import RequestInstrumentation
from scope_async.http.messages import Reply, Request, default_headers
from scope_async.http.session import BoundSession, SessionProvider, send
from scope_async.http.token_provider import UNAUTHORIZED, Token, TokenProvider
from scope_async.telemetry.events import Emit

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
        headers = default_headers(config.environment)
        self._instrumentation = (
            None if emit is None else RequestInstrumentation(emit, monotonic=clock.monotonic, headers=headers)
        )
        self._pool = SessionProvider(limit=max_connections, session=session, headers=headers)
        self._pauses: set[anyio.CancelScope] = set()
        self._draw = draw
        self._timeout = self._limits(config.timeout)

    def call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        *,
        bearer: TokenProvider[Any] | None = None,
        max_retries: int | None = None,
    ) -> Coroutine[Any, Any, Result]:
        """Send `request` until `read` makes something of the reply, within `timeout` seconds in all.

        Raises (when awaited):
            ScopeError: what the last attempt failed with; nothing else.
        """
        # Not a coroutine itself, so that a call pays for the witness only when there is one.
        if self._instrumentation is None:
            return self._call(request, read, bearer, max_retries)
        return self._instrumentation.watch(
            request, read, lambda look: self._call(request, look, bearer, max_retries)
        )

    async def _call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        bearer: TokenProvider[Any] | None,
        max_retries: int | None,
    ) -> Result:
        """Make the first attempt bare; the machinery for retries is entered only after a failure."""
        started = self._clock.monotonic()
        try:
            return read(await self._attempt(request, self._timeout, bearer))
        except ScopeError as error:
            retries = self._config.max_retries if max_retries is None else max_retries
            if retries == 0 or not is_transient(error):
                raise
            failure = error
        deadline = started + self._config.timeout
        for attempt in range(1, retries + 1):
            await self._pause(request, failure, attempt, deadline)
            remaining = max(0.001, deadline - self._clock.monotonic())
            try:
                return read(await self._attempt(request, self._limits(remaining), bearer))
            except ScopeError as error:
                if attempt == retries or not is_transient(error):
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
        if self._instrumentation is not None:
            self._instrumentation.retried(request, failure, delay)
        if request.on_retry is not None:
            request.on_retry(failure)
        request.attempts += 1
        with anyio.CancelScope() as pause:
            self._pauses.add(pause)
            try:
                await self._clock.sleep(delay)
            finally:
                self._pauses.discard(pause)

    def _limits(self, total: float) -> ClientTimeout:
        return ClientTimeout(total=total, sock_connect=self._config.open_timeout)

    async def _attempt(
        self, request: Request, limits: ClientTimeout, bearer: TokenProvider[Any] | None
    ) -> Reply:
        """Send the request when its turn has come, with a token chosen then."""
        here = self._pool.here()
        deadline = here.loop.time() + (limits.total or 0.0)
        left = limits
        if not here.semaphore.acquire_nowait():
            await self._acquire(here.semaphore, deadline)
            left = self._until(deadline)
        handled = sys.exception()
        try:
            if bearer is None:
                return await send(here, request, left)
            token = bearer.peek()
            if token is None:
                async with asyncio.timeout_at(deadline):
                    token = await bearer.get()
                left = self._until(deadline)
            request.headers[AUTHORIZATION] = token.authorization
            reply = await send(here, request, left)
            if reply.status != UNAUTHORIZED:
                return reply
            return await self._replay(here, request, reply, bearer, refused=[token], deadline=deadline)
        except ScopeError:
            raise
        except asyncio.CancelledError as error:
            drop_frames(error, until=handled)
            raise
        except Exception as error:
            drop_frames(error, until=handled)
            if self._pool.closed:
                raise ClientClosedError("the client was closed during the call") from error
            raise map_exception(error, self._config) from error
        finally:
            here.semaphore.release()

    async def _replay(
        self,
        here: BoundSession,
        request: Request,
        reply: Reply,
        bearer: TokenProvider[Token],
        *,
        refused: list[Token],
        deadline: float,
    ) -> Reply:
        """Send the request again while it is answered by 401 and there is a token worth a try."""
        while reply.status == UNAUTHORIZED:
            async with asyncio.timeout_at(deadline):
                token = await bearer.replacement(refused)
            if token is None:
                break
            if self._instrumentation is not None:
                self._instrumentation.retried(request, read_error(reply), 0.0)
            request.attempts += 1
            request.headers[AUTHORIZATION] = token.authorization
            reply = await send(here, request, self._until(deadline))
            reply.refused = [old.authorization for old in refused]
            refused.append(token)
        return reply

    async def _acquire(self, semaphore: FifoSemaphore, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await semaphore.acquire()
        except builtins.TimeoutError as error:
            raise TimeoutError(f"no free connection within {self._config.timeout:g} s") from error
        if self._pool.closed:
            semaphore.release()
            raise ClientClosedError("the client was closed before the call's turn came")

    def _until(self, deadline: float) -> ClientTimeout:
        return self._limits(max(0.001, deadline - asyncio.get_running_loop().time()))

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
