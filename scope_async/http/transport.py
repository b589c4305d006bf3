"""One aiohttp session: sends requests, retries them, maps every exception.

It does not know where tokens come from, so that the exchange and the API calls share it.
"""

from __future__ import annotations

import asyncio
import builtins
import random
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import anyio

from scope_async._core.clock import Clock
from scope_async._core.concurrency.semaphore import FifoSemaphore
from scope_async._core.tracebacks import drop_frames
from scope_async.config import Config
from scope_async.errors import ClientClosedError, ScopeError, TimeoutError
from scope_async.http.connector import reused
from scope_async.http.decoding import read_error
from scope_async.http.failures import CONNECTION_CUT, MISDIRECTED, is_transient, map_exception, retry_delay
from scope_async.http.messages import UNAUTHORIZED, Reply, Request, default_headers
from scope_async.http.sending import send
from scope_async.http.session import BoundSession, SessionProvider
from scope_async.http.token_provider import Token, TokenProvider, replay_while_unauthorized
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.http.instrumentation import ObservedCall

Result = TypeVar("Result")


class Transport:
    """Calls the service over one `aiohttp.ClientSession`, opened at the first call.

    A session that was passed in is used and never closed. At most `max_connections` calls are in
    flight at a time; the others wait in order of arrival. `headers` go out with every call, by default
    those of the Scope API. `rng` returns a random number in [0, 1).
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        emit: Emit | None = None,
        session: aiohttp.ClientSession | None = None,
        max_connections: int,
        headers: Mapping[str, str] | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._clock = clock
        headers = default_headers(config.environment) if headers is None else headers
        self._instrumentation = None
        if emit is not None:
            # Now, so that its events are not what the first call waits for.
            from scope_async.http.instrumentation import RequestInstrumentation  # noqa: PLC0415

            self._instrumentation = RequestInstrumentation(emit, monotonic=clock.monotonic, headers=headers)
        self._send = send if self._instrumentation is None else self._instrumentation.wrap(send)
        self._sessions = SessionProvider(
            limit=max_connections,
            session=session,
            headers=headers,
            ssl=config.ssl,
            open_timeout=config.open_timeout,
        )
        self._retry_waits: set[anyio.CancelScope] = set()
        self._rng = rng
        self._timeout = config.timeout

    def call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        token_provider: TokenProvider[Any] | None = None,
        max_retries: int | None = None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Coroutine[Any, Any, Result]:
        """Send `request` until `read` accepts the reply, within `timeout` seconds in all.

        `on_attempt_failed` is called with the error of each attempt that another one follows; a
        replay with another token is no attempt.

        Raises (when awaited):
            ScopeError: what the last attempt failed with; nothing else.
        """
        # Not a coroutine itself, so that a call pays for its events only when there are hooks.
        if self._instrumentation is None:
            return self._call(request, read, token_provider, max_retries, on_attempt_failed)
        observed = self._instrumentation.observe(request)
        read = observed.read_with(read)
        return _observe(observed, self._call(request, read, token_provider, max_retries, on_attempt_failed))

    async def _call(
        self,
        request: Request,
        read: Callable[[Reply], Result],
        token_provider: TokenProvider[Any] | None,
        max_retries: int | None,
        on_attempt_failed: Callable[[ScopeError], None] | None = None,
    ) -> Result:
        """Make the first attempt bare; the loop of retries is entered only after a failure."""
        started = self._clock.monotonic()
        try:
            return read(await self._attempt(request, self._timeout, token_provider, on_attempt_failed))
        except ScopeError as error:
            failure = error
        retries = self._config.max_retries if max_retries is None else max_retries
        deadline = started + self._config.timeout
        attempt, resent = 0, False
        while True:
            # The frames of `read` have the reply among their locals, with a token or a secret in it.
            drop_frames(failure, until=sys.exception())
            delay = None
            if not resent and failure.error_code == CONNECTION_CUT and _may_be_resent(request):
                resent = True
            elif attempt == retries or not is_transient(failure):
                raise failure
            else:
                attempt += 1
                base, cap = self._config.retry_base_delay, self._config.retry_max_delay
                delay = retry_delay(failure, attempt, base=base, cap=cap, random=self._rng())
            await self._prepare_retry(request, failure, delay, deadline, on_attempt_failed)
            remaining = max(0.001, deadline - self._clock.monotonic())
            try:
                return read(await self._attempt(request, remaining, token_provider, on_attempt_failed))
            except ScopeError as error:
                failure = error

    async def _prepare_retry(
        self,
        request: Request,
        failure: ScopeError,
        delay: float | None,
        deadline: float,
        on_attempt_failed: Callable[[ScopeError], None] | None,
    ) -> None:
        """Report that another attempt follows, and wait `delay` seconds before it.

        Without `delay` the request goes out again at once, on a new connection (RFC 9112 section 9.3.1).
        Raises `failure` if the client was closed, or if the deadline comes first.
        """
        if self._sessions.closed:
            raise failure
        if delay is None or failure.error_code == MISDIRECTED:
            self._sessions.current().close_idle()
        if delay is not None and self._clock.monotonic() + delay >= deadline:
            raise failure
        if self._instrumentation is not None:
            self._instrumentation.retried(request, failure, delay or 0.0)
        if on_attempt_failed is not None:
            on_attempt_failed(failure)
        request.attempts += 1
        if delay is None:
            return
        with anyio.CancelScope() as wait:
            self._retry_waits.add(wait)
            try:
                await self._clock.sleep(delay)
            finally:
                self._retry_waits.discard(wait)

    async def _attempt(
        self,
        request: Request,
        seconds: float,
        token_provider: TokenProvider[Any] | None,
        on_attempt_failed: Callable[[ScopeError], None] | None,
    ) -> Reply:
        """Send the request when there is a free connection, with a token chosen then."""
        session = self._sessions.current()
        deadline = session.loop.time() + seconds
        if not session.semaphore.acquire_nowait():
            await self._acquire(session.semaphore, deadline)
        handled = sys.exception()
        try:
            token: Any = None
            if token_provider is not None:
                token = token_provider.peek()
                if token is None:
                    left = deadline - session.loop.time()
                    token = await token_provider.get_within(left, on_attempt_failed)
                request.authorize(token)
            with session.deadlines.at(deadline):
                reply = await self._send(session, request)
            if token_provider is None or reply.status != UNAUTHORIZED:
                return reply
            return await self._replay(
                session, request, reply, deadline, token_provider=token_provider, token=token
            )
        except ScopeError:
            raise
        except asyncio.CancelledError as error:
            drop_frames(error, until=handled)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, an error of our own takes its place
            failure = self._failure_for(error)
        finally:
            session.semaphore.release()
        # Out here, so that nothing of aiohttp is its context: that has headers and proxies within reach.
        raise failure

    def _failure_for(self, error: Exception) -> ScopeError:
        if self._sessions.closed:
            return ClientClosedError("the client was closed during the call")
        return map_exception(error, self._config, reused=reused.get())

    async def _replay(
        self,
        session: BoundSession,
        request: Request,
        reply: Reply,
        deadline: float,
        *,
        token_provider: TokenProvider[Token],
        token: Token,
    ) -> Reply:
        """Send the request again after a 401, while there is a token left to try."""

        async def replacement(rejected: Sequence[Token]) -> Token | None:
            return await token_provider.replacement(rejected, deadline - session.loop.time())

        async def send_with(token: Token, rejected: Sequence[Token]) -> Reply:
            nonlocal reply
            if self._instrumentation is not None:
                self._instrumentation.retried(request, read_error(reply), 0.0)
            request.attempts += 1
            request.authorize(token)
            with session.deadlines.at(deadline):
                reply = await self._send(session, request)
            reply.rejected = [old.authorization for old in rejected]
            return reply

        return await replay_while_unauthorized(reply, token, replacement=replacement, send=send_with)

    async def _acquire(self, semaphore: FifoSemaphore, deadline: float) -> None:
        failure: ScopeError | None = None
        try:
            async with asyncio.timeout_at(deadline):
                await semaphore.acquire()
        except builtins.TimeoutError:
            failure = TimeoutError(f"no free connection within {self._config.timeout:g} s")
        if failure is not None:
            raise failure
        if self._sessions.closed:
            semaphore.release()
            raise ClientClosedError("the client was closed while the call waited for a connection")

    def open(self) -> None:
        """Accept calls (again)."""
        self._sessions.open()

    async def release(self) -> None:
        """Close our own session of this event loop, which is about to end; the next call opens another."""
        await self._sessions.release()

    async def aclose(self) -> None:
        """Refuse further calls, wake those that wait before a retry, close the session if it is our own.

        Idempotent.
        """
        for wait in tuple(self._retry_waits):
            wait.cancel()
        await self._sessions.aclose()


async def _observe(observed: ObservedCall, call: Coroutine[Any, Any, Result]) -> Result:
    with observed:
        return await call


def _may_be_resent(request: Request) -> bool:
    """Return True if the request, whose connection was cut, may go out again at once.

    aiohttp has done that once already for what is idempotent by its method; the connection that it
    took then may have been another one that the server was closing.
    """
    return request.idempotent or (request.is_idempotent and reused.get())
