"""The token source: read without waiting, join the exchange in flight, invalidate."""

from __future__ import annotations

import logging
import random
import warnings
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, Unpack

import msgspec

from scope_async._core.clock import Clock, SystemClock
from scope_async._core.concurrency.background import Background
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer
from scope_async.auth.exchange import Exchange, HttpExchange
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_loop import RefreshLoop
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.renewer import TokenRenewer
from scope_async.auth.token import AccessToken, HeldToken, TokenStatus, invalidated, no_token
from scope_async.auth.waiter import TokenWaiter
from scope_async.config import Config, Options
from scope_async.credentials import ApiKeyCredentials, CredentialProvider, as_provider
from scope_async.errors import ScopeError, TokenRefreshError
from scope_async.http.transport import Transport
from scope_async.telemetry.dispatcher import Dispatcher, hooks_for_client, log_hooks
from scope_async.telemetry.hooks import Hook

if TYPE_CHECKING:
    from scope_async.stores.client_store import ClientStore

_logger = logging.getLogger("scope_async.auth")


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
        store: what processes share.
        on_organization_changed: called before the first token of another organization is used.
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
        store: ClientStore | None = None,
        on_organization_changed: Callable[[], object] = lambda: None,
        rng: Callable[[], float] = random.random,
        **options: Unpack[Options],
    ) -> None:
        self.config = Config.resolve(config, options)
        self._clock = clock = clock or SystemClock()
        self._monotonic = clock.monotonic
        if background is None:
            background, hooks = Background(), (*hooks, *log_hooks())
        self._background = background
        dispatcher = Dispatcher(hooks_for_client(hooks, self.config), background)
        emit = dispatcher if dispatcher.has_hooks else None
        self._transport = Transport(self.config, clock=clock, emit=emit, max_connections=4)
        self._acquire = TokenAcquirer(
            as_provider(credentials),
            exchange or HttpExchange(self.config, self._transport),
            background=background,
            timeout=self.config.timeout,
            clock=clock,
            emit=emit,
            store=store,
            on_newer=self._adopt,
            on_organization_changed=on_organization_changed,
        )
        # One token, which readers may have to give up earlier: see `_expire_at_refresh`.
        self._token = no_token(self._monotonic)
        self._held = HeldToken(self._token)
        buffer = self.config.token_refresh_buffer
        self._instrumentation = TokenInstrumentation(emit, clock=clock, configured_buffer=buffer)
        self._policy = RefreshPolicy(buffer=buffer, rng=rng)
        self._refresh_loop = RefreshLoop(
            clock, self._policy, held=self._held, renew=self._renew, on_suspended=self._renew_early
        )
        self._renewer = TokenRenewer(
            self._acquire,
            self._policy,
            config=self.config,
            clock=clock,
            instrumentation=self._instrumentation,
            held=self._held,
            lock=background.lock,
            set_token=self._set_token,
            on_suspended=self._renew_early,
            on_ended=self._refresh_loop.wake,
        )
        self._waiter = TokenWaiter(
            background,
            self._renewer,
            self._policy,
            config=self.config,
            monotonic=clock.monotonic,
            instrumentation=self._instrumentation,
            held=self._held,
        )
        self._wait = self._waiter.wait_and_report if emit is not None else self._waiter.wait
        background.add_service(self._run)
        background.add_cleanup(self._transport.release)
        background.on_stopped(self._expire_at_refresh)

    def peek(self) -> AccessToken | None:
        """Return the valid token, or None; takes no lock, does no I/O, callable from any thread."""
        token = self._token
        return token if self._monotonic() < token.usable_until else self._waiter.peek()

    async def get(self) -> AccessToken:
        """Return a token that the service will accept now.

        While the current token is valid this never suspends. Callers that arrive without
        one share a single exchange, from whichever event loop; cancelling a caller leaves the
        exchange to the others. One that fails for a transient reason is tried again for as long as a
        caller waits, which is `timeout` seconds each.

        Raises:
            InvalidCredentialsError: the service refused the credentials; fix them, do not retry.
            TokenRefreshError: no exchange has succeeded before the token expired; trying again
                after `retry_after` seconds may help.
            ConfigurationError: the credential provider returned something else than credentials.
            ClientClosedError: the source was closed.
        """
        token = self._token
        if self._monotonic() < token.usable_until:
            return token
        return await self._wait()

    async def get_within(
        self, seconds: float, on_attempt_failed: Callable[[ScopeError], None] | None = None
    ) -> AccessToken:
        """Return a token as `get` does, waiting at most `seconds` for it.

        Unlike a timeout around `get` this says why there is none: what the last exchange failed with.
        `on_attempt_failed` is called with that whenever an exchange has failed and another follows.

        Raises:
            ScopeError: as `get`.
        """
        return self.peek() or await self._wait(seconds, on_attempt_failed)

    def invalidate(self, token: AccessToken) -> None:
        """Stop using `token`, which the service refused; a newer one is left alone.

        Renewals that are forced in this way are limited to three at once and one in ten
        seconds: beyond that the token stays, since more of them do not help a service that
        refuses every new token. Callable from any thread.
        """
        with self._background.lock:
            if token.generation != self._held.token.generation or self._waiter.peek() is None:
                return
            allowed = self._policy.allow_forced(self._monotonic())
            if allowed:
                self._renewer.rejected = self._held.token
                self._token = self._held.token = invalidated(self._held.token)
        generation = token.generation
        if not allowed:
            self._instrumentation.rejected(generation)
            return
        _logger.info("the service refused the token of generation %d; renewing it", generation)
        self._background.call_soon(self._refresh_loop.wake)

    def refresh(self) -> Coroutine[Any, Any, AccessToken]:
        """Renew the token now, because the credentials have changed, and return (when awaited) the new one.

        Callers share a single exchange that began after they called; the old token stays in use until
        it has succeeded. Limited as `invalidate`: beyond that the current token is returned.

        Raises:
            InvalidCredentialsError, TokenRefreshError, ConfigurationError, ClientClosedError: as `get`.
        """
        return self._waiter.refresh()

    @property
    def organization(self) -> str | None:
        """The organization of the credentials in use; None before they were read."""
        return self._acquire.organization

    def status(self) -> TokenStatus:
        """Return what the source looks like now; never waits, callable from any thread."""
        from scope_async.auth.status import token_status  # noqa: PLC0415 - for probes alone

        return token_status(
            self._held, self._policy, self._renewer, self._monotonic(), refreshing=self._waiter.renewing
        )

    async def start(self) -> None:
        """Start the background renewal; the first exchange begins at once and is not waited for."""
        self._held.closed = False
        self._transport.open()
        self._background.start()

    async def aclose(self) -> None:
        """Wake all waiters with `ClientClosedError`, forget the token, end the tasks. Idempotent."""
        self._held.closed = True
        with self._background.lock:
            self._token = self._held.token = no_token(self._monotonic)
            self._renewer.reset()
            self._policy.reset()
        try:
            await self._background.aclose()
        finally:
            # Started again meanwhile, it is in use: the last call decides.
            if self._held.closed:
                await self._transport.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        renewer = getattr(self, "_renewer", None)
        if renewer is not None and renewer.exchanges and not self._held.closed:
            warnings.warn(
                f"{self!r} was never closed; use aclose()", ResourceWarning, source=self, stacklevel=2
            )

    def __repr__(self) -> str:
        return f"<TokenSource {self.status().state} generation={self._held.token.generation}>"

    async def _run(self) -> None:
        with self._background.lock:
            self._token = self._held.token
        await self._refresh_loop.run()

    def _expire_at_refresh(self) -> None:
        """Let readers wait once a renewal is due: the background task that renews the token has ended."""
        with self._background.lock:
            token = self._held.token
            self._token = msgspec.structs.replace(
                token, usable_until=min(token.refresh_at, token.usable_until)
            )

    async def _renew(self) -> None:
        now = self._monotonic()
        if not self._policy.is_exchange_due(self._held.token, now):
            self._policy.polled(now)
            if not await self._acquire.has_other_credentials():
                return
        await self._waiter.join().wait()

    def _set_token(self, token: AccessToken) -> None:
        self._token = self._held.token = token

    def _adopt(self, acquired: AcquiredToken) -> None:
        """Use the token that another process has renewed, before this one's own is due."""
        with suppress(TokenRefreshError):
            self._renewer.publish(acquired, self._monotonic())
        self._background.call_soon(self._refresh_loop.wake)

    def _renew_early(self) -> None:
        now = self._monotonic()
        with self._background.lock:
            due = self._waiter.peek() is not None and self._policy.allow_forced(now)
            if due:
                self._token = self._held.token = msgspec.structs.replace(self._held.token, refresh_at=now)
        if due:
            _logger.info("the machine was suspended or its clock was set; renewing the token")
