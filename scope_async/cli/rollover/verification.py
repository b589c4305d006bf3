"""Exchanges credentials for a token once, to see that they work and how long tokens live."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from scope_async._core.clock import Clock
from scope_async.auth.exchange import HttpExchange
from scope_async.auth.token import read_claims
from scope_async.config import Config
from scope_async.credentials import ApiKeyCredentials
from scope_async.environment import Environment
from scope_async.http.transport import Transport


class Verification:
    """Exchanges at the auth API that the environment names; close it with `async with`.

    Raises:
        ConfigurationError: the environment names no auth API, or an option there is wrong.
    """

    def __init__(self, clock: Clock) -> None:
        environment = Environment()
        options = environment.options()
        environment.check()
        config = Config(**options)
        self._transport = Transport(config, clock=clock, max_connections=4)
        self._exchange = HttpExchange(config, self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def token_lifetime(self, credentials: ApiKeyCredentials) -> float:
        """Return for how many seconds tokens live.

        A service may hand out a token that it has handed out before, with less life left; its claims say
        how long it lived in all.

        Raises:
            InvalidCredentialsError: the credentials are refused.
            ScopeError: the auth API did not answer.
        """
        response = await self._exchange(credentials)
        claims = read_claims(response.value)
        issued, expires = claims.get("iat"), claims.get("exp")
        if isinstance(issued, int | float) and isinstance(expires, int | float):
            return max(response.lifetime, expires - issued)
        return response.lifetime
