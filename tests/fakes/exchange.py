"""An exchange without a network: scripted answers, a gate, and a count of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from scope_async import AccessToken, ApiKeyCredentials, InvalidCredentialsError, TokenSource
from scope_async._core.clock import FakeClock
from scope_async.auth.exchange import ExchangeResponse

CREDENTIALS = ApiKeyCredentials("org_1", "key_1", "secret_of_key_1")
ADDRESSES = {"base_url": "http://127.0.0.1:1", "auth_api_url": "http://127.0.0.1:1"}


class FakeAuth:
    """The auth API as a function: gives tokens of `lifetime` seconds until a test changes that."""

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        self.error: Exception | None = None
        self.refused: set[str] = set()
        self.asked: list[str] = []
        self.rejected: list[str | None] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.before_answer: Callable[[], Any] | None = None
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def __call__(
        self, credentials: ApiKeyCredentials, /, *, rejected: AccessToken | None = None
    ) -> ExchangeResponse:
        self.rejected.append(None if rejected is None else rejected.value)
        self.asked.append(credentials.api_key)
        number = len(self.asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._open.wait()
            if self.before_answer is not None:
                self.before_answer()
            if credentials.api_key in self.refused:
                raise InvalidCredentialsError("refused", http_status=401)
            if self.error is not None:
                raise self.error.with_traceback(None)  # it may have been raised a thousand times before
            return ExchangeResponse(f"token-{number}", self.lifetime)
        finally:
            self.in_flight -= 1


def source(auth: FakeAuth, clock: FakeClock | None = None, **options: Any) -> TokenSource:
    """Return a source over `auth` whose time stands still and whose jitter is half of its range.

    Unless `max_retries` is given, an exchange that fails is not retried for those who wait for it.
    """
    return TokenSource(
        options.pop("credentials", CREDENTIALS),
        exchange=auth,
        clock=clock or FakeClock(ticking=False),
        rng=options.pop("rng", lambda: 0.5),
        **{**ADDRESSES, "max_retries": 0, **options},
    )


async def settle(rounds: int = 30) -> None:
    """Let every task that can go on do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def travel(clock: FakeClock, seconds: float, *, step: float | None = None) -> None:
    """Let `seconds` pass, `step` at a time, with everything that is due in between done."""
    await settle()
    left = seconds
    while left > 0:
        clock.advance(min(step or seconds, left))
        left -= step or seconds
        await settle()
