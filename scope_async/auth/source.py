"""The token source: read without waiting, join the exchange in flight, invalidate."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import attrs

from scope_async._core.background import Background
from scope_async._core.clock import Clock, SuspendDetector, SystemClock
from scope_async._core.single_flight import SingleFlight
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer, as_failure, error_for_caller
from scope_async.auth.exchange import Exchange, HttpExchange
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_loop import RefreshLoop
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.token import AccessToken, TokenState, TokenStatus, invalidated, no_token
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials, CredentialProvider, as_provider
from scope_async.errors import ClientClosedError, InvalidCredentialsError, ScopeError, TokenRefreshError
from scope_async.http.transport import Transport
from scope_async.telemetry.dispatcher import Dispatcher
from scope_async.telemetry.events import Hook
from scope_async.telemetry.logging_hook import log_hooks

_logger = logging.getLogger("scope_async.auth")

_MAX_ATTEMPTS = 3


class TokenSource:
    """Keeps one valid token for all its callers.

    A background task renews the token before it expires, so that readers never wait while
    it is valid. Works inside a `ScopeClient` (`scope.tokens`) or alone; open it with
    `async with`, or `start` and `aclose`, from any task, any number of times.

    Args:
        credentials: an `ApiKeyCredentials`, or a provider that is asked at every exchange.
        config: the resolved options; without it they come from `options` and the environment.
        hooks: callables that take one event (`scope_async.telemetry.events`).
        clock: for tests.
        exchange: how credentials become a token (`Exchange`); default is the auth API over HTTP.
        background: the tasks to run in; default is its own.
        rng: returns a random number in [0, 1), for jitter.
        options: the fields of `Config`; each wins over `config` and the environment.

    Raises:
        ConfigurationError: an option is missing or wrong; all of them are named.
    """

    def __init__(
        self,
        credentials: ApiKeyCredentials | CredentialProvider,
        *,
        config: Config | None = None,
        hooks: Iterable[Hook] = (),
        clock: Clock | None = None,
        exchange: Exchange | None = None,
        background: Background | None = None,
        rng: Callable[[], float] = random.random,
        **options: Any,
    ) -> None:
        self.config = Config.resolve(config, options)
        self._clock = clock = clock or SystemClock()
        self._monotonic = clock.monotonic
        self._rng = rng
        if background is None:
            background, hooks = Background(), (*hooks, *log_hooks())
        self._background = background
        self._emit = Dispatcher(hooks, background)
        emit = self._emit if self._emit.has_hooks else None
        self._transport = Transport(self.config, clock=clock, emit=emit, max_connections=4)
        self._acquire = TokenAcquirer(
            as_provider(credentials),
            exchange or HttpExchange(self.config, self._transport),
            background=self._background,
            timeout=self.config.timeout,
            monotonic=clock.monotonic,
            emit=self._emit,
        )
        self._instrumentation = TokenInstrumentation(
            self._emit, configured_buffer=self.config.token_refresh_buffer
        )
        self._policy = self._new_policy()
        self._calls: SingleFlight[str, None] = SingleFlight(self._background)
        self._refresh_loop = RefreshLoop(
            clock,
            due_at=lambda: None if self._closed else self._policy.due_at(self._token),
            renew=self._renew,
            on_suspended=self._renew_early,
        )
        self._background.add_service(self._refresh_loop.run)
        self._token = no_token(self._monotonic)
        self._rejected: AccessToken | None = None
        self._generation = 0
        self._exchanges = 0
        self._failures = 0
        self._closed = False

    def _new_policy(self) -> RefreshPolicy:
        return RefreshPolicy(buffer=self.config.token_refresh_buffer, rng=self._rng)

    def peek(self) -> AccessToken | None:
        """Return the valid token, or None; takes no lock, does no I/O, callable from any thread."""
        token = self._token
        return token if self._monotonic() < token.usable_until else None

    async def get(self) -> AccessToken:
        """Return a token that the service will accept now.

        While the current token is valid this never suspends. Callers that arrive without
        one share a single exchange; cancelling a caller leaves the exchange to the others.

        Raises:
            InvalidCredentialsError: the service refused the credentials; fix them, do not retry.
            TokenRefreshError: no exchange has succeeded before the token expired; trying again
                after `retry_after` seconds may help.
            ClientClosedError: the source was closed.
        """
        token = self._token
        if self._monotonic() < token.usable_until:
            return token
        return await (self._wait_and_report() if self._emit.has_hooks else self._wait())

    async def _wait_and_report(self) -> AccessToken:
        arrived = self._monotonic()
        try:
            token = await self._wait()
        except BaseException as error:
            self._instrumentation.waited(self._monotonic() - arrived, error)
            raise
        self._instrumentation.waited(self._monotonic() - arrived, None)
        return token

    async def _wait(self) -> AccessToken:
        for _ in range(_MAX_ATTEMPTS):
            self._check_open()
            if (blocking_error := self._policy.blocking_error(self._monotonic())) is not None:
                self._background.ensure()
                raise self._error_for_caller(blocking_error)
            call = self._calls.join("token", self._exchange)
            await call.wait()
            if (token := self.peek()) is not None:
                return token
            self._check_open()
            if call.error is not None:
                raise self._error_for_caller(call.error)
        raise TokenRefreshError(f"no valid token after {_MAX_ATTEMPTS} exchanges")

    def invalidate(self, token: AccessToken) -> None:
        """Stop using `token`, which the service refused; a newer one is left alone.

        Renewals that are forced in this way are limited to three at once and one in ten
        seconds: beyond that the token stays, since more of them do not help a service that
        refuses every new token. Call it on the source's event loop.
        """
        if token.generation != self._token.generation or self.peek() is None:
            return
        if not self._policy.allow_forced(self._monotonic()):
            _logger.warning(
                "the service refuses new tokens; not renewing generation %d yet", token.generation
            )
            return
        _logger.info("the service refused the token of generation %d; renewing it", token.generation)
        self._rejected, self._token = self._token, invalidated(self._token)
        self._refresh_loop.wake()

    @property
    def organization(self) -> str | None:
        """The organization of the credentials in use; None before they were read."""
        return self._acquire.organization

    def status(self) -> TokenStatus:
        """Return what the source looks like now; never waits."""
        now, token, policy = self._monotonic(), self._token, self._policy
        backing_off = policy.error is not None and policy.next_at > now
        return TokenStatus(
            state=self._state(now),
            generation=token.generation,
            expires_in=token.expires_in() if token.generation else None,
            renews_in=None if self._closed else max(0.0, policy.due_at(token) - now),
            refreshing=self._calls.in_flight("token"),
            retries_in=policy.next_at - now if backing_off else None,
            exchanges=self._exchanges,
            failures=self._failures,
            last_error=policy.error,
        )

    def _state(self, now: float) -> TokenState:
        token = self._token
        if self._closed:
            return "closed"
        if now < token.usable_until:
            return "fresh" if now < token.refresh_at else "stale"
        if self._policy.refusal is not None:
            return "refused"
        return "expired" if token.generation else "empty"

    async def start(self) -> None:
        """Start the background renewal; the first exchange begins at once and is not waited for."""
        self._closed = False
        self._transport.open()
        self._background.start()

    async def aclose(self) -> None:
        """Wake all waiters with `ClientClosedError`, forget the token, end the tasks. Idempotent."""
        self._closed = True
        self._token, self._rejected = no_token(self._monotonic), None
        self._policy = self._new_policy()
        try:
            await self._background.aclose()
        finally:
            # Started again meanwhile, it is in use: the last call decides.
            if self._closed:
                await self._transport.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if getattr(self, "_exchanges", 0) and not self._closed:
            warnings.warn(
                f"{self!r} was never closed; use aclose()", ResourceWarning, source=self, stacklevel=2
            )

    def __repr__(self) -> str:
        return f"<TokenSource {self._state(self._monotonic())} generation={self._token.generation}>"

    async def _renew(self) -> None:
        await self._calls.join("token", self._exchange).wait()

    async def _exchange(self) -> None:
        """Make one exchange and publish its token by one assignment; runs in the background."""
        started = self._monotonic()
        detector = SuspendDetector(self._clock)
        self._exchanges += 1
        self._policy.started(started)
        try:
            self._publish(await self._acquire(self._rejected), started)
            if detector.suspended():
                self._renew_early()
        except InvalidCredentialsError as error:
            self._failures += 1
            self._instrumentation.refused(error, self._policy.refused(error, now=self._monotonic()))
            raise
        except Exception as error:  # noqa: BLE001 - a provider may raise anything
            self._failures += 1
            failure = as_failure(error)
            now = self._monotonic()
            delay = self._policy.failed(failure, now=now, left=self._token.usable_until - now)
            self._instrumentation.failed(failure, self._failures, delay)
            raise failure  # noqa: B904 - as_failure keeps the cause
        finally:
            self._refresh_loop.wake()

    def _publish(self, acquired: AcquiredToken, started: float) -> None:
        now = self._monotonic()
        if self._closed:
            return
        acquired.check_usable(now)
        planned = self._policy.granted(
            acquired.response.lifetime, asked_at=acquired.asked_at, now=now, previous=self._token
        )
        self._generation += 1
        self._rejected = None
        self._token = token = acquired.token(planned, self._generation, self._monotonic)
        self._instrumentation.exchanged(token, planned, now - started, acquired.response.request_id)

    def _renew_early(self) -> None:
        now = self._monotonic()
        if self.peek() is not None and self._policy.allow_forced(now):
            _logger.info("the machine was suspended or its clock was set; renewing the token")
            self._token = attrs.evolve(self._token, refresh_at=now)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("the token source is closed")

    def _error_for_caller(self, error: Exception) -> ScopeError:
        return error_for_caller(error, retry_after=self._policy.unblocked_in(self._monotonic()))
