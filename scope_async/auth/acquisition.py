"""Acquires a token: load the credentials, exchange them, reload them when they are refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import TypeVar

import anyio
import attrs

from scope_async._core.background import Background
from scope_async.auth.exchange import Exchange, ExchangeResponse
from scope_async.auth.refresh_policy import RefreshTimes, usable_for
from scope_async.auth.token import AccessToken
from scope_async.credentials import ApiKeyCredentials, CachingCredentials, LeasedCredentials, keep_alive
from scope_async.errors import (
    ApiError,
    ConfigurationError,
    InvalidCredentialsError,
    ScopeError,
    TokenRefreshError,
)
from scope_async.telemetry.events import CredentialsChanged, Emit

_logger = logging.getLogger("scope_async.auth")


@attrs.frozen
class AcquiredToken:
    """A response of the exchange, the key it is for, and the monotonic instant at which it was asked for."""

    response: ExchangeResponse
    api_key: str
    asked_at: float

    def check_usable(self, now: float) -> None:
        """Raise if the token expired before it arrived.

        Raises:
            TokenRefreshError: it is not usable at the instant `now`.
        """
        lifetime = self.response.lifetime
        if now >= self.asked_at + usable_for(lifetime):
            raise TokenRefreshError(f"the token expired before it arrived: its lifetime is {lifetime:g} s")

    def token(self, planned: RefreshTimes, generation: int, monotonic: Callable[[], float]) -> AccessToken:
        """Return the token to hand out, with the `planned` times as instants of `monotonic`."""
        return AccessToken(
            value=self.response.value,
            authorization=f"Bearer {self.response.value}",
            generation=generation,
            api_key=self.api_key,
            lifetime=self.response.lifetime,
            refresh_at=self.asked_at + planned.refresh_after,
            usable_until=self.asked_at + planned.usable_for,
            expires_at=self.asked_at + self.response.lifetime,
            monotonic=monotonic,
        )


class TokenAcquirer:
    """Exchanges the credentials that the provider returns now.

    Every exchange asks the provider, so that credentials which changed on disk are in use
    from the next renewal on, also when the old ones still work.
    """

    def __init__(
        self,
        provider: Callable[[], Awaitable[ApiKeyCredentials]],
        exchange: Exchange,
        *,
        background: Background,
        timeout: float,
        monotonic: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._provider = provider
        self._exchange = exchange
        self._timeout = timeout
        self._monotonic = monotonic
        self._emit = emit
        self._last: ApiKeyCredentials | None = None
        if isinstance(provider, LeasedCredentials):
            background.add_service(partial(keep_alive, provider))

    @property
    def organization(self) -> str | None:
        """The organization of the credentials that were read last; None before."""
        return None if self._last is None else self._last.org_id

    async def __call__(self, rejected: AccessToken | None = None) -> AcquiredToken:
        """Return a new token; `rejected` is the one that the service refused, if that is why.

        Raises:
            InvalidCredentialsError: refused, and the provider has no other credentials.
            TokenRefreshError: provider and exchange took longer than `timeout` seconds.
            ScopeError: any other failure of the exchange, or of the first load.
        """
        with anyio.move_on_after(self._timeout):
            return await self._acquire(rejected)
        raise TokenRefreshError(f"no token within {self._timeout:g} s")

    async def _acquire(self, rejected: AccessToken | None) -> AcquiredToken:
        credentials = await self._load()
        try:
            return await self._ask(credentials, rejected)
        except InvalidCredentialsError:
            if isinstance(self._provider, CachingCredentials):
                self._provider.invalidate(credentials)
            reloaded = await self._load()
            if reloaded == credentials:
                raise
            return await self._ask(reloaded, rejected)

    async def _ask(self, credentials: ApiKeyCredentials, rejected: AccessToken | None) -> AcquiredToken:
        asked_at = self._monotonic()
        response = await isolate_cancellation(self._exchange(credentials, rejected=rejected))
        return AcquiredToken(response, credentials.api_key, asked_at)

    async def _load(self) -> ApiKeyCredentials:
        last = self._last
        try:
            credentials = await isolate_cancellation(_call(self._provider))
        except Exception as error:
            if last is None:
                raise
            # A file that is being replaced must not stop a client that has what it needs.
            _logger.warning(
                "the credential provider failed with %s; going on with API key %s",
                type(error).__name__,
                last.api_key,
            )
            return last
        if not isinstance(credentials, ApiKeyCredentials):
            raise ConfigurationError(
                f"the credential provider must return ApiKeyCredentials, got {type(credentials).__name__}"
            )
        if last is not None and credentials != last:
            _logger.info("the credentials changed to API key %s", credentials.api_key)
            self._emit(CredentialsChanged(api_key=credentials.api_key))
        self._last = credentials
        return credentials


def _call(provider: Callable[[], Awaitable[ApiKeyCredentials]]) -> Awaitable[ApiKeyCredentials]:
    """Return the awaitable that `provider` returns; `await` itself would not say what is wrong with it."""
    answer: object = provider()
    if not isawaitable(answer):
        raise ConfigurationError(
            "the credential provider must be an async function or an object with an async __call__; "
            f"calling it returned {type(answer).__name__}, which cannot be awaited"
        )
    return answer


Result = TypeVar("Result")


class ForeignCancellation(Exception):  # noqa: N818 - named as CancelledError is
    """The awaited code of the user was cancelled, and not the task that awaits it."""


async def isolate_cancellation(call: Awaitable[Result]) -> Result:
    """Return the result of `call`; a cancellation inside it that is not one of this task is a failure.

    A provider may await something of its own that was cancelled. Passed on, its
    `CancelledError` would end the client's background tasks as if they had been cancelled,
    and every caller would try again at once.

    Raises:
        ForeignCancellation: `call` raised `CancelledError` and this task is not being cancelled.
    """
    try:
        return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ForeignCancellation from error


def as_failure(error: Exception) -> ScopeError:
    """Return the package's error for anything that an exchange or a provider raised."""
    if isinstance(error, ScopeError):
        return error
    failure = TokenRefreshError(f"the credential provider failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure


def error_for_caller(error: Exception, *, retry_after: float) -> ScopeError:
    """Return an exception for one caller, caused by the shared `error`.

    One object that is raised for a thousand callers would grow its traceback without bound.
    """
    facts = error if isinstance(error, ApiError) else ApiError(str(error))
    if isinstance(error, InvalidCredentialsError):
        own: ApiError = facts.replace(retry_after=retry_after)
    else:
        message = f"no valid token: {facts.message}"
        own = facts.replace(TokenRefreshError, message=message, retry_after=retry_after)
    own.__cause__ = error
    return own
