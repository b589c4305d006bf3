"""Callers without a valid token: which renewal they wait for, and what they get when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from scope_async._core.concurrency.background import Background
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.token import AccessToken, HeldToken, no_token
from scope_async.auth.waiter import TokenWaiter
from scope_async.config import Config
from scope_async.errors import ClientClosedError, RateLimitError, ScopeError, ServerError, TokenRefreshError
from tests.fakes.clock import InstantClock
from tests.fakes.exchange import ADDRESSES, settle


class FakeRenewer:
    """Gives a token of `lifetime` seconds at each renewal that the test lets go on."""

    def __init__(self, held: HeldToken, clock: InstantClock) -> None:
        self._held = held
        self._clock = clock
        self.lifetime = 3600.0
        self.error: Exception | None = None
        self.renewals = 0
        self.began_at = float("-inf")
        self.callers: dict[object, float] = {}
        self.step = "the exchange has no answer"
        self.go_on = asyncio.Event()

    async def __call__(self, on_attempt_failed: Callable[[ScopeError], None]) -> None:
        self.on_attempt_failed = on_attempt_failed
        self.began_at = self._clock.monotonic()
        self.renewals += 1
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        until = self._clock.now + self.lifetime
        value, number = f"token-{self.renewals}", self.renewals
        self._held.token = AccessToken(
            value,
            f"Bearer {value}",
            number,
            "key_1",
            self.lifetime,
            until,
            until,
            until,
            self._clock.monotonic,
        )


class Waiting:
    def __init__(self, background: Background) -> None:
        self.clock = InstantClock()
        self.held = HeldToken(no_token(self.clock.monotonic))
        self.renewer = FakeRenewer(self.held, self.clock)
        config = Config(**ADDRESSES)
        self.policy = RefreshPolicy(buffer=config.token_refresh_buffer, rng=lambda: 0.5)
        buffer = config.token_refresh_buffer
        self.waiter = TokenWaiter(
            background,
            self.renewer,
            self.policy,
            config=config,
            monotonic=self.clock.monotonic,
            instrumentation=TokenInstrumentation(lambda _: None, clock=self.clock, configured_buffer=buffer),
            held=self.held,
        )

    async def start(self, callers: int, seconds: float | None = None) -> list[asyncio.Task[AccessToken]]:
        tasks = [asyncio.create_task(self.waiter.wait(seconds)) for _ in range(callers)]
        await settle()
        return tasks

    async def fail_attempt(self, *, retry_in: float) -> None:
        """Let an attempt fail as the renewer reports it."""
        error = RateLimitError("slow down", http_status=429, retry_after=retry_in)
        self.policy.retried(error, 1, now=self.clock.now, left=1000.0, base=0.5, cap=30.0)
        self.renewer.on_attempt_failed(error)
        await settle()


@pytest.fixture
async def waiting() -> AsyncIterator[Waiting]:
    background = Background()
    background.start()
    yield Waiting(background)
    await background.aclose()


async def test_wait_shares_one_renewal_and_says_until_when_it_is_wanted(waiting) -> None:
    callers = await waiting.start(3)
    assert waiting.waiter.renewing
    assert set(waiting.renewer.callers.values()) == {waiting.clock.now + 30.0}
    waiting.renewer.go_on.set()
    assert {token.value for token in await asyncio.gather(*callers)} == {"token-1"}
    assert waiting.renewer.renewals == 1
    assert not waiting.renewer.callers


async def test_wait_returns_a_valid_token_without_a_renewal(waiting) -> None:
    waiting.renewer.go_on.set()
    await waiting.waiter.wait()
    assert (await waiting.waiter.wait()).value == "token-1"
    assert waiting.renewer.renewals == 1


async def test_wait_that_is_cancelled_leaves_the_renewal_to_the_others(waiting) -> None:
    first, second = await waiting.start(2)
    first.cancel()
    await settle()
    waiting.renewer.go_on.set()
    assert (await second).value == "token-1"


async def test_wait_raises_what_the_renewal_failed_with_to_every_caller(waiting) -> None:
    waiting.renewer.error = ServerError("down", http_status=503)
    callers = await waiting.start(2)
    waiting.renewer.go_on.set()
    failures = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(failure) for failure in failures] == [TokenRefreshError] * 2
    assert failures[0] is not failures[1]


async def test_wait_ends_for_those_who_cannot_wait_for_the_retry_and_says_what_the_attempt_failed_with(
    waiting,
) -> None:
    (short,), (patient,) = await waiting.start(1, seconds=5.0), await waiting.start(1, seconds=20.0)
    await waiting.fail_attempt(retry_in=10.0)
    assert (short.done(), patient.done()) == (True, False)
    error = short.exception()
    assert isinstance(error, TokenRefreshError)
    assert (error.http_status, error.retry_after) == (429, 10.0)
    assert isinstance(error.__cause__, RateLimitError)
    (late,) = await waiting.start(1, seconds=9.0)
    assert isinstance(late.exception(), TokenRefreshError), "the retry comes too late for it"
    waiting.clock.now += 10.0
    waiting.renewer.go_on.set()
    assert (await patient).value == "token-1"
    assert waiting.renewer.renewals == 1


async def test_wait_ends_at_its_own_time_while_an_attempt_hangs(waiting) -> None:
    (patient,) = await waiting.start(1)
    await waiting.fail_attempt(retry_in=0.0)
    caller = asyncio.create_task(waiting.waiter.wait(0.02))
    await settle()
    waiting.clock.now += 0.02
    with pytest.raises(TokenRefreshError, match="slow down"):
        await caller
    assert not patient.done()
    patient.cancel()
    await settle()
    assert not waiting.renewer.callers


async def test_wait_reports_each_attempt_that_another_one_follows(waiting) -> None:
    reported: list[ScopeError] = []
    caller = asyncio.create_task(waiting.waiter.wait(20.0, reported.append))
    await settle()
    for _ in range(2):
        await waiting.fail_attempt(retry_in=1.0)
    assert [(type(error), error.http_status) for error in reported] == [(TokenRefreshError, 429)] * 2
    waiting.renewer.go_on.set()
    assert (await caller).value == "token-1"


async def test_wait_without_an_answer_says_how_long_it_waited(waiting) -> None:
    caller = asyncio.create_task(waiting.waiter.wait(0.02))
    await settle()
    waiting.clock.now += 0.02
    with pytest.raises(TokenRefreshError, match=r"no token within 0\.02 s: the exchange has no answer"):
        await caller


async def test_wait_gives_up_after_renewals_whose_tokens_had_expired(waiting) -> None:
    waiting.renewer.lifetime = 0.0
    waiting.renewer.go_on.set()
    with pytest.raises(TokenRefreshError, match="no valid token after 3 exchanges"):
        await waiting.waiter.wait()


async def test_wait_refuses_when_the_source_is_closed_meanwhile(waiting) -> None:
    (caller,) = await waiting.start(1)
    waiting.held.closed = True
    waiting.renewer.lifetime = 0.0
    waiting.renewer.go_on.set()
    with pytest.raises(ClientClosedError):
        await caller


async def test_refresh_waits_for_a_renewal_that_began_after_the_call(waiting) -> None:
    await waiting.start(1)
    waiting.clock.now += 1.0
    refresh = asyncio.create_task(waiting.waiter.refresh())
    await settle()
    waiting.renewer.go_on.set()
    assert (await refresh).value == "token-2"
