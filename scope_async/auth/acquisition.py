"""Acquires a token: load the credentials, exchange them, reload them when they are refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio
import msgspec

from scope_async import telemetry
from scope_async._core.clock import Clock
from scope_async._core.concurrency.background import Background
from scope_async._core.concurrency.single_flight import SingleFlight
from scope_async._core.episode import Episode
from scope_async._core.foreign import isolate
from scope_async.auth.exchange import Exchange, ExchangeResponse
from scope_async.auth.failures import ExchangeTimeoutError, InvalidProviderError
from scope_async.auth.token import AccessToken
from scope_async.credentials import (
    ApiKeyCredentials,
    CachingCredentials,
    LeasedCredentials,
    StaticCredentials,
    keep_alive,
)
from scope_async.credentials.providers import place_of
from scope_async.errors import InvalidCredentialsError
from scope_async.telemetry.hooks import Emit

if TYPE_CHECKING:
    from scope_async.stores.client_store import ClientStore

_logger = logging.getLogger("scope_async.auth")

_PROVIDER_SHARE = 0.25
"""Share of an exchange's time that a provider may take before the known credentials are used."""


class AcquiredToken(msgspec.Struct, frozen=True):
    """A response of the exchange, the key it is for, and the monotonic instant at which it was asked for."""

    response: ExchangeResponse
    api_key: str
    asked_at: float


class TokenAcquirer:
    """Exchanges the credentials that the provider returns now.

    Every exchange asks the provider, so that credentials which changed on disk are in use
    from the next renewal on, also when the old ones still work. If the provider fails, hangs or is
    slow, the known ones are used, once there are some. With a `store` the exchange is made by one
    process for all, and `on_newer` gets the token that another one has renewed.
    `on_organization_changed` is called before the first token of another organization is returned.
    """

    def __init__(
        self,
        provider: Callable[[], Awaitable[ApiKeyCredentials]],
        exchange: Exchange,
        *,
        background: Background,
        timeout: float,
        clock: Clock,
        emit: Emit | None,
        store: ClientStore | None = None,
        on_newer: Callable[[AcquiredToken], None] = lambda _: None,
        on_organization_changed: Callable[[], object] = lambda: None,
    ) -> None:
        self._exchange_place = place_of(exchange)
        if store is not None:
            from scope_async.auth.shared_exchange import SharedExchange  # noqa: PLC0415 - an extra

            exchange = SharedExchange(
                exchange,
                store,
                monotonic=clock.monotonic,
                on_newer=lambda response, api_key, asked_at: on_newer(
                    AcquiredToken(response, api_key, asked_at)
                ),
            )
        self._provider = provider
        self._exchange = exchange
        self._timeout = timeout
        self._monotonic = clock.monotonic
        self._loading = False
        self._emit = emit
        self._loads: SingleFlight[str, ApiKeyCredentials] = SingleFlight(background)
        self._last: ApiKeyCredentials | None = None
        self._exchanged: ApiKeyCredentials | None = None
        self._organization: str | None = None
        self._on_organization_changed = on_organization_changed
        self._provider_failures = Episode(_logger, clock, "the credential provider fails")
        if isinstance(provider, LeasedCredentials):
            background.add_service(partial(keep_alive, provider))

    @property
    def organization(self) -> str | None:
        """The organization of the credentials that were read last; None before."""
        return None if self._last is None else self._last.org_id

    @property
    def step(self) -> str:
        """The step that is under way, as the end of a sentence about what took too long."""
        if self._loading:
            return f"the credentials are still being read from {place_of(self._provider)}"
        return f"the exchange at {self._exchange_place} has no answer"

    async def __call__(self, rejected: AccessToken | None = None, *, limit: float) -> AcquiredToken:
        """Return a new token; `rejected` is the one that the service refused, if that is why.

        Raises:
            InvalidCredentialsError: refused, and the provider has no other credentials.
            ExchangeTimeoutError: provider and exchange took longer than `limit` seconds.
            ScopeError: any other failure of the exchange, or of the first load.
        """
        with anyio.move_on_after(limit):
            return await self._acquire(rejected, limit)
        raise ExchangeTimeoutError(f"no token within {limit:.3g} s: {self.step}")

    async def has_other_credentials(self) -> bool:
        """Return True if the provider has other credentials now than those that were exchanged last."""
        try:
            return await self._load(self._timeout) != self._exchanged
        except Exception:  # noqa: BLE001 - the next exchange asks again, and reports it
            return False

    async def _acquire(self, rejected: AccessToken | None, limit: float) -> AcquiredToken:
        credentials = await self._load(limit)
        try:
            return await self._ask(credentials, rejected)
        except InvalidCredentialsError:
            if isinstance(self._provider, CachingCredentials):
                self._provider.invalidate(credentials)
            reloaded = await self._load(limit)
            if reloaded == credentials:
                raise
            return await self._ask(reloaded, rejected)

    async def _ask(self, credentials: ApiKeyCredentials, rejected: AccessToken | None) -> AcquiredToken:
        self._exchanged, self._loading = credentials, False
        asked_at = self._monotonic()
        response = await isolate(self._exchange(credentials, rejected=rejected))
        last, self._organization = self._organization, credentials.org_id
        if last is not None and last != credentials.org_id:
            self._on_organization_changed()
        asked_at = asked_at if response.asked_at is None else response.asked_at
        return AcquiredToken(response, credentials.api_key, asked_at)

    async def _load(self, limit: float) -> ApiKeyCredentials:
        """Return what the provider has now; after its part of `limit` seconds, the known credentials.

        A provider that is slow is not asked again meanwhile: the next load waits for its answer.
        """
        if isinstance(self._provider, StaticCredentials):
            self._last = self._provider.credentials
            return self._last
        last, self._loading, started = self._last, True, anyio.current_time()
        call = self._loads.join("credentials", self._ask_provider)
        # The first time there is nothing to go on with.
        part = None if last is None else limit * _PROVIDER_SHARE
        await asyncio.wait({call.wait()}, timeout=part)
        if not call.ended:
            return self._use_known(last, f"did not answer within {part:.3g} s")
        if call.error is not None:
            if last is None or isinstance(call.error, InvalidProviderError):
                raise call.error
            return self._use_known(last, f"failed with {type(call.error).__name__}")
        if not call.completed:
            raise asyncio.CancelledError
        self._provider_failures.recovered()
        if anyio.current_time() - started > limit:
            # A provider that blocks the event loop leaves the exchange no time; it is not what was slow.
            raise ExchangeTimeoutError(f"no token within {limit:.3g} s: {self.step}")
        return call.result

    def _use_known(self, last: ApiKeyCredentials | None, failure: str) -> ApiKeyCredentials:
        assert last is not None  # noqa: S101 - the first load waits for as long as it takes
        self._provider_failures.occurred(
            "failed loads", "it %s; going on with API key %s", failure, last.api_key
        )
        return last

    async def _ask_provider(self) -> ApiKeyCredentials:
        last, bound = self._last, asyncio.timeout(self._timeout)
        try:
            async with bound:
                credentials = await isolate(_call(self._provider))
        except TimeoutError:
            if not bound.expired():
                raise
            raise ExchangeTimeoutError(
                f"the credentials were not read from {place_of(self._provider)} within {self._timeout:g} s"
            ) from None
        if not isinstance(credentials, ApiKeyCredentials):
            raise InvalidProviderError(
                f"the credential provider must return ApiKeyCredentials, got {type(credentials).__name__}"
            )
        if last is not None and credentials != last:
            _logger.info("the credentials changed to API key %s", credentials.api_key)
            if self._emit is not None:
                self._emit(telemetry.events.CredentialsChanged(api_key=credentials.api_key))
        self._last = credentials
        return credentials


def _call(provider: Callable[[], Awaitable[ApiKeyCredentials]]) -> Awaitable[ApiKeyCredentials]:
    """Return the awaitable that `provider` returns; `await` itself would not say what is wrong with it."""
    answer: object = provider()
    if not isawaitable(answer):
        raise InvalidProviderError(
            "the credential provider must be an async function or an object with an async __call__; "
            f"calling it returned {type(answer).__name__}, which cannot be awaited"
        )
    return answer
