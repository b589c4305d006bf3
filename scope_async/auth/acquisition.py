"""One renewal: ask for the credentials, exchange them, ask again when they are refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

import anyio
import attrs

from scope_async.auth.exchange import Exchange, ExchangeResponse
from scope_async.auth.refresh_policy import RefreshTimes, usable_for
from scope_async.auth.token import AccessToken
from scope_async.credentials import ApiKeyCredentials
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
    """A grant, the key it was given for, and the monotonic instant at which it was asked for."""

    grant: ExchangeResponse
    api_key: str
    asked_at: float

    def check_alive(self, now: float) -> None:
        """Refuse a token whose life was over before it came.

        Raises:
            TokenRefreshError: nobody could use it.
        """
        lifetime = self.grant.lifetime
        if now >= self.asked_at + usable_for(lifetime):
            raise TokenRefreshError(f"the token was dead on arrival: it lives {lifetime:g} s")

    def token(self, planned: RefreshTimes, generation: int, monotonic: Callable[[], float]) -> AccessToken:
        """Return the token to hand out, with the `planned` windows as instants of `monotonic`."""
        return AccessToken(
            value=self.grant.value,
            authorization=f"Bearer {self.grant.value}",
            generation=generation,
            api_key=self.api_key,
            lifetime=self.grant.lifetime,
            renew_at=self.asked_at + planned.refresh_after,
            usable_until=self.asked_at + planned.usable_for,
            expires_at=self.asked_at + self.grant.lifetime,
            monotonic=monotonic,
        )


class TokenAcquirer:
    """Gets a grant with the credentials that the provider returns now.

    Every exchange asks the provider, so that credentials which changed on disk are in use
    from the next renewal on, also when the old ones still work.
    """

    def __init__(
        self,
        provider: Callable[[], Awaitable[ApiKeyCredentials]],
        exchange: Exchange,
        *,
        limit: float,
        monotonic: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._provider = provider
        self._exchange = exchange
        self._limit = limit
        self._monotonic = monotonic
        self._emit = emit
        self._known: ApiKeyCredentials | None = None

    async def __call__(self) -> AcquiredToken:
        """Return a grant.

        Raises:
            InvalidCredentialsError: refused, and the provider has no other credentials.
            TokenRefreshError: provider and exchange took longer than `limit` seconds.
            ScopeError: any other failure of the exchange, or of the first load.
        """
        with anyio.move_on_after(self._limit):
            return await self._renewed()
        raise TokenRefreshError(f"no token within {self._limit:g} s")

    async def _renewed(self) -> AcquiredToken:
        credentials = await self._load()
        try:
            return await self._ask(credentials)
        except InvalidCredentialsError:
            reloaded = await self._load()
            if reloaded == credentials:
                raise
            return await self._ask(reloaded)

    async def _ask(self, credentials: ApiKeyCredentials) -> AcquiredToken:
        asked_at = self._monotonic()
        return AcquiredToken(
            await isolate_cancellation(self._exchange(credentials)), credentials.api_key, asked_at
        )

    async def _load(self) -> ApiKeyCredentials:
        known = self._known
        try:
            credentials = await isolate_cancellation(_asked(self._provider))
        except Exception as error:
            if known is None:
                raise
            # A file that is being replaced must not stop a client that has what it needs.
            _logger.warning(
                "the credential provider failed with %s; going on with API key %s",
                type(error).__name__,
                known.api_key,
            )
            return known
        if not isinstance(credentials, ApiKeyCredentials):
            raise ConfigurationError(
                f"the credential provider must return ApiKeyCredentials, got {type(credentials).__name__}"
            )
        if known is not None and credentials != known:
            _logger.info("the credentials changed to API key %s", credentials.api_key)
            self._emit(CredentialsChanged(api_key=credentials.api_key))
        self._known = credentials
        return credentials


def _asked(provider: Callable[[], Awaitable[ApiKeyCredentials]]) -> Awaitable[ApiKeyCredentials]:
    """Return what `provider` is awaited for; `await` itself would not say what was wrong with it."""
    answer: object = provider()
    if not isawaitable(answer):
        raise ConfigurationError(
            "the credential provider must be an async function or an object with an async __call__; "
            f"calling it returned {type(answer).__name__}, which cannot be awaited"
        )
    return answer


Result = TypeVar("Result")


class ForeignCancellation(Exception):  # noqa: N818 - it is named after what happened
    """The code of the user's own that was awaited, not the task that awaits it, was cancelled."""


async def isolate_cancellation(call: Awaitable[Result]) -> Result:
    """Return the result of `call`; a cancellation that nobody asked of this task is a failure.

    A provider may await something of its own that was cancelled. Passed on, its
    `CancelledError` would end the client's background tasks as if they had been killed, and
    every caller would try again at once.

    Raises:
        CancelledInside: `call` raised `CancelledError` and this task is not being cancelled.
    """
    try:
        return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ForeignCancellation from error


def as_failure(error: Exception) -> ScopeError:
    """Return the package's error for whatever an exchange raised."""
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
    refused = isinstance(error, InvalidCredentialsError)
    own = (InvalidCredentialsError if refused else TokenRefreshError)(
        facts.message if refused else f"no valid token: {facts.message}",
        http_status=facts.http_status,
        error_code=facts.error_code,
        request_id=facts.request_id,
        http_body=facts.http_body,
        retry_after=retry_after,
    )
    own.__cause__ = error
    return own
