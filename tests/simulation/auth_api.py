"""A model of the auth API and the service for one client: keys, tokens, and which of them are valid."""

from __future__ import annotations

import asyncio
from random import Random

import attrs

from scope_async import AccessToken, ApiKeyCredentials, InvalidCredentialsError
from scope_async.auth.exchange import ExchangeResponse
from tests.simulation.clock import MachineClock
from tests.simulation.outages import OutageSchedule


@attrs.frozen
class IssuedToken:
    """A token on the server side; the time of `expires_at` goes on while the client is suspended."""

    value: str
    api_key: str
    expires_at: float


class AuthApi:
    """Serves one client. Its time is the loop's plus the seconds in which the client was suspended.

    Attributes:
        lifetime: of the tokens, in seconds.
        reuses_above: a token with more than this share of its lifetime left is returned again
            instead of a new one; 1.0 always issues a new one.
        slow: a response takes up to 40 s, which is longer than the client waits.
        refuses_all_until: until then the service answers 401 to every token.
    """

    def __init__(
        self,
        outages: OutageSchedule,
        clock: MachineClock,
        random: Random,
        lifetime: float,
        reuses_above: float,
    ) -> None:
        self._outages = outages
        self._clock = clock
        self._random = random
        self._issued = 0
        self._tokens: dict[str, IssuedToken] = {}
        self._last: IssuedToken | None = None
        self.lifetime = lifetime
        self.reuses_above = reuses_above
        self.slow = False
        self.refuses_all_until = 0.0
        self.keys: set[str] = set()

    def now(self) -> float:
        return self._clock.monotonic() + self._clock.suspended

    async def exchange(self, credentials: ApiKeyCredentials) -> ExchangeResponse:
        """Return a token after a simulated latency.

        Raises:
            InvalidCredentialsError: the key is revoked.
            ScopeError: the auth API is down.
        """
        latency = self._random.uniform(1.0, 40.0) if self.slow else self._random.uniform(0.02, 0.5)
        issued, left = None, 0.0
        outage = self._outages.at(self._clock.monotonic())
        if outage is not None and outage.kind == "hanging":
            latency = 3600.0
        elif outage is None and credentials.api_key in self.keys:
            # The lifetime counts from the moment of issue, which is after the request began.
            issued, left = self._issue(credentials.api_key)
        await asyncio.sleep(latency)
        if outage is not None:
            raise outage.error()
        if issued is None:
            raise InvalidCredentialsError("revoked", http_status=401)
        return ExchangeResponse(issued.value, left)

    def _issue(self, api_key: str) -> tuple[IssuedToken, float]:
        now, last = self.now(), self._last
        if last is not None and last.api_key == api_key:
            left = last.expires_at - now
            if left > self.reuses_above * self.lifetime:
                return last, left
        self._issued += 1
        self._last = issued = IssuedToken(f"token-{self._issued}", api_key, now + self.lifetime)
        self._tokens[issued.value] = issued
        if len(self._tokens) > 8:
            del self._tokens[next(iter(self._tokens))]
        return issued, self.lifetime

    def accepts(self, token: AccessToken) -> bool:
        """Return True if the service accepts a request with this token."""
        issued = self._tokens[token.value]
        return (
            self.now() < issued.expires_at
            and issued.api_key in self.keys
            and self._clock.monotonic() >= self.refuses_all_until
        )
