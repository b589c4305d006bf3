"""One client of the simulated fleet: its source, its requests, and what must never happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TypeVar

from scope_async import (
    AccessToken,
    ApiKeyCredentials,
    ClientClosedError,
    InvalidCredentialsError,
    ScopeError,
    TokenRefreshError,
    TokenSource,
)
from scope_async.auth.exchange import ExchangeResponse
from tests.fakes.exchange import ADDRESSES
from tests.simulation.auth_api import AuthApi
from tests.simulation.clock import MachineClock
from tests.simulation.event_loop import VirtualLoop
from tests.simulation.metrics import Tally
from tests.simulation.outages import HOUR, Weather

Argument = TypeVar("Argument")

_MARGIN = 5.0
"""Seconds before a token's expiry in which it is not handed out any more, at most."""


class SimulatedClient:
    """A source with an auth API, a clock and a service of its own; checks the promises at every step."""

    def __init__(self, number: int, seed: int, loop: VirtualLoop, weather: Weather, tally: Tally) -> None:
        self.random = random = Random(f"{seed}/{number}")
        self.number = number
        self._loop = loop
        self.weather = weather
        self.tally = tally
        self.clock = MachineClock(loop, random)
        reuses_above = random.uniform(0.002, 0.3) if random.random() < 0.1 else 1.0
        # Half of the fleet has the same lifetime, so that nothing but the jitter spreads it.
        lifetime = 2.0 if number % 2 else random.uniform(1.0, 3.0)
        self.auth = AuthApi(weather, self.clock, random, lifetime * HOUR, reuses_above)
        self.credentials = ApiKeyCredentials(f"org_{number}", "key_0", "secret_0")
        self.auth.keys.add("key_0")
        self.keys = 1
        self.tokens = TokenSource(
            self._provider, exchange=self._exchange, clock=self.clock, rng=random.random, **ADDRESSES
        )
        self.closed = False
        self.disturbed = 0
        self.granted = 0
        self.failed = 0
        self.failed_at = -HOUR
        self.key_bad_until = 0.0
        self.refused_at = -HOUR
        self.untended = False
        self.rests_until = 0.0
        self._asked_with: ApiKeyCredentials | None = None
        self._under_way = False
        self._generation = 0
        self._dies_at = 0.0
        self._expiry: dict[int, float] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self.clock.monotonic()

    def check(self, holds: bool, complaint: str) -> None:
        if not holds:
            # Kept as well as raised: a source survives an exchange that raises anything.
            error = AssertionError(
                f"client {self.number} after {self.now() / HOUR:.4f} h: {complaint}; {self.tokens.status()}"
            )
            self.tally.complaints.append(error)
            raise error

    async def _provider(self) -> ApiKeyCredentials:
        return self.credentials

    async def _exchange(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        self.check(not self._under_way, "two exchanges at once")
        asked_at, before = self.now(), self.tokens.peek()
        rested = asked_at >= self.rests_until or credentials != self._asked_with
        self.check(rested, f"an exchange {self.rests_until - asked_at:.3f} s too early")
        self.tally.exchange(asked_at)
        self._under_way = True
        self._asked_with = credentials
        try:
            grant = await self.auth.exchange(credentials)
        except (ScopeError, asyncio.CancelledError) as error:
            self._note_failure(error, before)
            raise
        finally:
            self._under_way = False
        self.untended = False
        self.granted += 1
        self.tally.granted += 1
        self._dies_at = asked_at + grant.lifetime - _MARGIN
        self._after(self._note_expiry, asked_at + grant.lifetime)
        return grant

    def _after(self, look: Callable[[Argument], None], argument: Argument) -> None:
        """Look a moment later, when the source has done what it does with the answer."""
        self._loop.call_later(0.001, look, argument)

    def _note_failure(self, error: BaseException, before: AccessToken | None) -> None:
        now = self.failed_at = self.now()
        self.tally.failures += 1
        if isinstance(error, InvalidCredentialsError):
            self.rests_until = now + 29.99
        elif self.tokens.peek() is None:
            self.rests_until = now + 0.99
        self._after(self._check_kept, before)
        if self._dies_at > now:
            self._loop.call_later(self._dies_at - now - 0.01, self._check_alive, self._dies_at)

    def _check_alive(self, dies_at: float) -> None:
        """Look whether a token was renewed in time, if the auth API could be asked before its death.

        An attempt that began in an outage may end 30 s later, and the last call is 5 s before.
        """
        if dies_at == self._dies_at and self.weather.fair(dies_at - 36.0, dies_at) and not self._excused():
            self.check(False, "the auth API was up again, and the token dies")
        self._loop.call_later(_MARGIN + 0.02, self.look)

    def _excused(self) -> bool:
        return (
            self.closed
            or self.untended
            or self.auth.slow
            or self.refused_at > self.now() - HOUR
            or self.key_bad_until > self._dies_at - HOUR
        )

    def _check_kept(self, before: AccessToken | None) -> None:
        if before is None or before.expires_in() < 2 * _MARGIN or self.refused_at >= self.now() - HOUR:
            return
        token = self.tokens.peek()
        kept = token is not None and token.value == before.value
        self.check(kept or self.closed, "a failed renewal displaced a valid token")

    def _note_expiry(self, expires_at: float) -> None:
        generation = self.tokens.status().generation
        self._expiry[generation] = expires_at
        self._expiry.pop(generation - 3, None)

    def look(self) -> None:
        """Read as a request does that finds a valid token; without one, make a request."""
        token = self.tokens.peek()
        if token is not None:
            self._check_token(token)
        elif not self.closed:
            task = asyncio.ensure_future(self.request())
            self._reading.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._reading.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.tally.complaints.append(error)

    def _check_token(self, token: AccessToken) -> None:
        self.check(token.generation >= self._generation, "an older token after a newer one")
        self._generation = token.generation
        expires_at = self._expiry.get(token.generation)
        if expires_at is not None:
            self.check(self.now() < expires_at, "a dead token was handed out")

    async def _read(self) -> AccessToken:
        began = self.now()
        try:
            token = await self.tokens.get()
        finally:
            self.check(self.now() - began < 3 * 31.0, "a reader waited longer than three exchanges can take")
        self._check_token(token)
        return token

    async def request(self) -> None:
        """Send a request as `BearerAuth` does: invalidate and replay at 401, at most twice."""
        self.tally.requests += 1
        try:
            token = await self._read()
            for _ in range(2):
                if self.auth.accepts(token):
                    break
                self.refused_at = self.now()
                self.tokens.invalidate(token)
                if self.tokens.peek() is None:
                    self.disturbed += 1
                    self.tally.forced += 1
                token, refused = await self._read(), token
                if token.generation == refused.generation:
                    break
                self.tokens.invalidate(refused)
                self.check(self.tokens.peek() is not None, "a late 401 touched a newer token")
            if not self.auth.accepts(token):
                self.failed += 1
                self._check_refusal()
        except (TokenRefreshError, InvalidCredentialsError) as error:
            self.failed += 1
            self._check_error(error)
        except ClientClosedError:
            self.check(self.closed, "closed without being closed")

    def _check_refusal(self) -> None:
        """Allow a 401 while the service refuses everything, and while renewals rest after that."""
        burst = self.auth.refuses_all_until + 15.0 > self.now()
        self.check(burst or self.key_bad_until > self.now() - 330.0, "a request was refused for no reason")

    def _check_error(self, error: ScopeError) -> None:
        now = self.now()
        if isinstance(error, InvalidCredentialsError):
            # Refused credentials are probed every 5 min at the latest.
            self.check(self.key_bad_until > now - 330.0, "the credentials are good, and probed too slowly")
            return
        # A rest of a minute, and a probe of half a minute that callers do not wait for.
        self.check(self.failed_at > now - 90.5, f"no exchange has failed lately, yet {error!r}")
        if self._dies_at and not self._excused():
            down = not self.weather.fair(self._dies_at - 36.0, self._dies_at)
            self.check(down, f"the auth API was up when the token died, yet {error!r}")

    async def close(self) -> None:
        self.closed = True
        await self.tokens.aclose()
        self.check(self.tokens.peek() is None, "a token after the close")
        self._expiry.clear()
        self._dies_at = self.rests_until = 0.0
