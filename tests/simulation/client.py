"""One simulated client: its token source, its requests, and the invariants of both."""

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
from tests.simulation.metrics import Metrics
from tests.simulation.outages import HOUR, OutageSchedule

Argument = TypeVar("Argument")

_MARGIN = 5.0
"""Seconds before its expiry from which a token is no longer returned, at most."""


_MOST_ATTEMPTS = 4
"""Exchanges for callers that wait, without a pause of a second: the first and three retries."""


class SimulatedClient:
    """A token source with its own auth API, clock and service; checks the invariants at every step."""

    def __init__(
        self, number: int, seed: int, loop: VirtualLoop, outages: OutageSchedule, metrics: Metrics
    ) -> None:
        self.random = random = Random(f"{seed}/{number}")
        self.number = number
        self._loop = loop
        self.outages = outages
        self.metrics = metrics
        self.clock = MachineClock(loop, random)
        reuses_above = random.uniform(0.002, 0.3) if random.random() < 0.1 else 1.0
        # Half of the clients share one lifetime, so that only the jitter spreads their renewals.
        lifetime = 2.0 if number % 2 else random.uniform(1.0, 3.0)
        self.auth = AuthApi(outages, self.clock, random, lifetime * HOUR, reuses_above)
        self.credentials = ApiKeyCredentials(f"org_{number}", "key_0", "secret_0")
        self.auth.keys.add("key_0")
        self.keys = 1
        self.tokens = TokenSource(
            self._provider, exchange=self._exchange, clock=self.clock, rng=random.random, **ADDRESSES
        )
        self.closed = False
        self.early_refreshes = 0
        self.granted = 0
        self.failed = 0
        self.failed_at = -HOUR
        self.key_revoked_until = 0.0
        self.last_401_at = -HOUR
        self.refresh_stopped = False
        self.retry_not_before = 0.0
        self.provider_hangs = False
        self._attempts_in_a_row = 0
        self._asked_with: ApiKeyCredentials | None = None
        self._in_flight = False
        self._generation = 0
        self._usable_until = 0.0
        self._expiry: dict[int, float] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self.clock.monotonic()

    def check(self, holds: bool, violation: str) -> None:
        if not holds:
            # Recorded as well as raised: a source survives an exchange that raises anything.
            error = AssertionError(
                f"client {self.number} after {self.now() / HOUR:.4f} h: {violation}; {self.tokens.status()}"
            )
            self.metrics.violations.append(error)
            raise error

    async def _provider(self) -> ApiKeyCredentials:
        if self.provider_hangs:
            await asyncio.sleep(HOUR)
        return self.credentials

    async def _exchange(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        self.check(not self._in_flight, "two exchanges at once")
        asked_at, before = self.now(), self.tokens.peek()
        allowed = asked_at >= self.retry_not_before or credentials != self._asked_with
        self.check(allowed, f"an exchange {self.retry_not_before - asked_at:.3f} s too early")
        rested = before is not None or asked_at > self.failed_at + 0.99
        self._attempts_in_a_row = 1 if rested else self._attempts_in_a_row + 1
        self.metrics.count_exchange(asked_at)
        self._in_flight = True
        self._asked_with = credentials
        try:
            grant = await self.auth.exchange(credentials)
        except (ScopeError, asyncio.CancelledError) as error:
            self._note_failure(error, before)
            raise
        finally:
            self._in_flight = False
        self.refresh_stopped = False
        self.granted += 1
        self.metrics.granted += 1
        self._usable_until = asked_at + grant.lifetime - _MARGIN
        self._after(self._note_expiry, asked_at + grant.lifetime)
        return grant

    def _after(self, check: Callable[[Argument], None], argument: Argument) -> None:
        """Call `check` a millisecond later, when the source has processed the response."""
        self._loop.call_later(0.001, check, argument)

    def _note_failure(self, error: BaseException, before: AccessToken | None) -> None:
        now = self.failed_at = self.now()
        self.metrics.failures += 1
        if isinstance(error, InvalidCredentialsError):
            self.retry_not_before = now + 29.99
        elif self.tokens.peek() is not None:
            self._attempts_in_a_row = 0
        elif self._attempts_in_a_row >= _MOST_ATTEMPTS:
            self.retry_not_before = now + 0.99
        self._after(self._check_token_kept, before)
        if self._usable_until > now:
            left = self._usable_until - now
            self._loop.call_later(left - 0.01, self._check_refreshed_in_time, self._usable_until)

    def _check_refreshed_in_time(self, usable_until: float) -> None:
        """Check that a token was renewed in time if the auth API was up before its expiry.

        An attempt that began in an outage may end 30 s later, and the last retry is 5 s before expiry.
        """
        up = self.outages.is_up(usable_until - 36.0, usable_until)
        if usable_until == self._usable_until and up and not self._may_expire():
            self.check(False, "the auth API was up again, yet the token expired")
        self._loop.call_later(_MARGIN + 0.02, self.read_or_request)

    def _may_expire(self) -> bool:
        return (
            self.closed
            or self.refresh_stopped
            or self.auth.slow
            or self.last_401_at > self.now() - HOUR
            or self.key_revoked_until > self._usable_until - HOUR
        )

    def _check_token_kept(self, before: AccessToken | None) -> None:
        if before is None or before.expires_in() < 2 * _MARGIN or self.last_401_at >= self.now() - HOUR:
            return
        token = self.tokens.peek()
        kept = token is not None and token.value == before.value
        self.check(kept or self.closed, "a failed renewal replaced a valid token")

    def _note_expiry(self, expires_at: float) -> None:
        generation = self.tokens.status().generation
        self._expiry[generation] = expires_at
        self._expiry.pop(generation - 3, None)

    def read_or_request(self) -> None:
        """Check the token as a request reads it; without a valid one, make a request."""
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
            self.metrics.violations.append(error)

    def _check_token(self, token: AccessToken) -> None:
        self.check(token.generation >= self._generation, "an older token after a newer one")
        self._generation = token.generation
        expires_at = self._expiry.get(token.generation)
        if expires_at is not None:
            self.check(self.now() < expires_at, "an expired token was returned")

    async def _read(self) -> AccessToken:
        began = self.now()
        try:
            token = await self.tokens.get()
        finally:
            self.check(self.now() - began < 3 * 31.0, "a caller waited longer than three exchanges can take")
        self._check_token(token)
        return token

    async def request(self) -> None:
        """Send a request as `BearerAuth` does: invalidate the token and replay after a 401, at most twice."""
        self.metrics.requests += 1
        try:
            token = await self._read()
            for _ in range(2):
                if self.auth.accepts(token):
                    break
                self.last_401_at = self.now()
                self.tokens.invalidate(token)
                if self.tokens.peek() is None:
                    self.early_refreshes += 1
                    self.metrics.forced += 1
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
            self.check(self.closed, "ClientClosedError from a source that is open")

    def _check_refusal(self) -> None:
        """Allow a 401 while the service refuses every token, and during the backoff after that."""
        burst = self.auth.refuses_all_until + 15.0 > self.now()
        self.check(
            burst or self.key_revoked_until > self.now() - 330.0, "a request was refused for no reason"
        )

    def _check_error(self, error: ScopeError) -> None:
        now = self.now()
        if isinstance(error, InvalidCredentialsError):
            # The provider is asked every 2 to 3.5 s; with an outage meanwhile, there is a backoff.
            reachable = self.outages.is_up(now - 120.0, now) and not self.auth.slow
            self.check(
                self.key_revoked_until > now - (6.0 if reachable else 330.0),
                "the credentials are valid, and were tried again too late",
            )
            return
        # A backoff of 60 s, and an attempt of 30 s that callers do not wait for.
        self.check(self.failed_at > now - 90.5, f"no exchange has failed lately, yet {error!r}")
        if self._usable_until and not self._may_expire():
            down = not self.outages.is_up(self._usable_until - 36.0, self._usable_until)
            self.check(down, f"the auth API was up when the token expired, yet {error!r}")

    async def close(self) -> None:
        self.closed = True
        await self.tokens.aclose()
        self.check(self.tokens.peek() is None, "a token after aclose()")
        self._expiry.clear()
        self._usable_until = self.retry_not_before = 0.0
