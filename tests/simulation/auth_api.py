"""The auth API and the service as one client sees them: keys, tokens, what is accepted."""

from __future__ import annotations

import asyncio
from random import Random

import attrs

from scope_async import AccessToken, ApiKeyCredentials, InvalidCredentialsError
from scope_async.auth.exchange import ExchangeResponse
from tests.simulation.clock import MachineClock
from tests.simulation.outages import Weather


@attrs.frozen
class Issued:
    """A token as the service knows it; the expiry in the world's time, which no suspension stops."""

    value: str
    api_key: str
    expires_at: float


class AuthApi:
    """Answers one client; its own time is the world's: the loop's, and what the client slept through.

    Attributes:
        lifetime: of the tokens, in seconds.
        reuses_above: a token that has more than this share of its life left is handed out
            again; 1.0 always makes a new one.
        slow: an answer takes up to 40 s, which is longer than the client waits.
        refuses_all_until: until then the service answers 401 to every token.
    """

    def __init__(
        self, weather: Weather, clock: MachineClock, random: Random, lifetime: float, reuses_above: float
    ) -> None:
        self._weather = weather
        self._clock = clock
        self._random = random
        self._issued = 0
        self._tokens: dict[str, Issued] = {}
        self._last: Issued | None = None
        self.lifetime = lifetime
        self.reuses_above = reuses_above
        self.slow = False
        self.refuses_all_until = 0.0
        self.keys: set[str] = set()

    def now(self) -> float:
        return self._clock.monotonic() + self._clock.suspended

    async def exchange(self, credentials: ApiKeyCredentials) -> ExchangeResponse:
        """Return a token, after a while.

        Raises:
            InvalidCredentialsError: the key is revoked.
            ScopeError: there is an outage.
        """
        latency = self._random.uniform(1.0, 40.0) if self.slow else self._random.uniform(0.02, 0.5)
        issued, left = None, 0.0
        outage = self._weather.at(self._clock.monotonic())
        if outage is not None and outage.kind == "hanging":
            latency = 3600.0
        elif outage is None and credentials.api_key in self.keys:
            # The life counts from when the auth API makes the token, which is after it was asked.
            issued, left = self._issue(credentials.api_key)
        await asyncio.sleep(latency)
        if outage is not None:
            raise outage.error()
        if issued is None:
            raise InvalidCredentialsError("revoked", http_status=401)
        return ExchangeResponse(issued.value, left)

    def _issue(self, api_key: str) -> tuple[Issued, float]:
        now, last = self.now(), self._last
        if last is not None and last.api_key == api_key:
            left = last.expires_at - now
            if left > self.reuses_above * self.lifetime:
                return last, left
        self._issued += 1
        self._last = issued = Issued(f"token-{self._issued}", api_key, now + self.lifetime)
        self._tokens[issued.value] = issued
        if len(self._tokens) > 8:
            del self._tokens[next(iter(self._tokens))]
        return issued, self.lifetime

    def accepts(self, token: AccessToken) -> bool:
        """Tell whether the service lets a request with this token in."""
        issued = self._tokens[token.value]
        return (
            self.now() < issued.expires_at
            and issued.api_key in self.keys
            and self._clock.monotonic() >= self.refuses_all_until
        )
