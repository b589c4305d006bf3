"""A renewal: how many exchanges it makes, for whom, and what it leaves to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from scope_async._core.concurrency.background import Background
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer
from scope_async.auth.exchange import ExchangeResponse
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.renewer import TokenRenewer
from scope_async.auth.token import AccessToken, HeldToken, no_token
from scope_async.config import Config
from scope_async.credentials import StaticCredentials
from scope_async.errors import (
    ConnectionError,
    InvalidCredentialsError,
    RateLimitError,
    ScopeError,
    ServerError,
    TokenRefreshError,
)
from tests.fakes.clock import InstantClock
from tests.fakes.exchange import ADDRESSES, CREDENTIALS, FakeAuth

DOWN = ServerError("down", http_status=503)


class Renewal:
    """A renewer over `auth`, and what it published."""

    def __init__(self, background: Background, **options: Any) -> None:
        self.auth, self.clock = FakeAuth(), InstantClock()
        self.published: list[AccessToken] = []
        self.reported: list[ScopeError] = []
        self.ended: list[int] = []
        self.held = HeldToken(no_token(self.clock.monotonic))
        self.config = Config(**ADDRESSES, **options)
        self.policy = RefreshPolicy(buffer=self.config.token_refresh_buffer, rng=lambda: 0.5)
        self.renew = TokenRenewer(
            TokenAcquirer(
                StaticCredentials(CREDENTIALS),
                self.auth,
                background=background,
                timeout=self.config.timeout,
                clock=self.clock,
                emit=lambda _: None,
            ),
            self.policy,
            config=self.config,
            clock=self.clock,
            instrumentation=TokenInstrumentation(
                lambda _: None, clock=self.clock, configured_buffer=self.config.token_refresh_buffer
            ),
            held=self.held,
            lock=background.lock,
            set_token=self.published.append,
            on_suspended=lambda: None,
            on_ended=lambda: self.ended.append(self.renew.exchanges),
        )

    async def run(self) -> None:
        await self.renew(self.reported.append)

    @contextmanager
    def caller(self, until: float) -> Iterator[None]:
        self.renew.callers["caller", until] = until
        yield
        del self.renew.callers["caller", until]

    def end_outage(self, at: float) -> None:
        if self.clock.now >= at:
            self.auth.error = None

    def hold_token(self) -> AccessToken:
        until = self.clock.now + 3600.0
        self.held.token = AccessToken(
            "old", "Bearer old", 1, "key_1", 3600.0, until, until, until, self.clock.monotonic
        )
        return self.held.token


async def test_renewer_publishes_the_token_of_one_exchange(background) -> None:
    renewal = Renewal(background)
    await renewal.run()
    assert [token.value for token in renewal.published] == ["token-1"]
    assert (renewal.renew.exchanges, renewal.renew.failures, renewal.ended) == (1, 0, [1])


async def test_renewer_without_a_token_and_without_callers_retries_as_often_as_any_call(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.auth.error = ServerError("down", http_status=503)
    with pytest.raises(ServerError):
        await renewal.run()
    assert (renewal.renew.exchanges, renewal.renew.failures, renewal.ended) == (3, 3, [3])
    assert not renewal.published


@pytest.mark.parametrize(("seconds", "outage"), [(10.0, 6.0), (30.0, 20.0)])
async def test_renewer_retries_beyond_max_retries_while_a_caller_waits(background, seconds, outage) -> None:
    renewal = Renewal(background, timeout=seconds, max_retries=1)
    back_at = renewal.clock.now + outage
    renewal.auth.error = DOWN
    renewal.auth.before_answer = lambda: renewal.end_outage(back_at)
    with renewal.caller(renewal.clock.now + seconds):
        await renewal.run()
    assert renewal.published
    assert renewal.clock.now < back_at + seconds / 4
    assert renewal.reported == [DOWN] * renewal.renew.failures
    assert renewal.renew.failures > 2


async def test_renewer_gives_up_when_no_caller_has_time_left(background) -> None:
    renewal = Renewal(background, timeout=10.0)
    renewal.auth.error = DOWN
    gives_up_at = renewal.clock.now + 10.0
    with renewal.caller(gives_up_at), pytest.raises(ServerError):
        await renewal.run()
    assert gives_up_at - 1.0 <= renewal.clock.now < gives_up_at
    assert renewal.renew.exchanges < 15
    assert renewal.policy.next_at > renewal.clock.now


async def test_renewer_gives_up_when_its_callers_were_cancelled(background) -> None:
    renewal = Renewal(background, max_retries=1)
    renewal.auth.error = DOWN

    async def sleep(seconds: float) -> None:
        renewal.clock.slept.append(seconds)
        if len(renewal.clock.slept) == 3:
            waiting.close()

    renewal.clock.sleep = sleep  # type: ignore[method-assign]
    waiting = ExitStack()
    waiting.enter_context(renewal.caller(renewal.clock.now + 30.0))
    with pytest.raises(ServerError):
        await renewal.run()
    assert renewal.renew.exchanges == 3


async def test_renewer_waits_for_a_caller_who_came_later(background) -> None:
    renewal = Renewal(background, timeout=10.0)
    renewal.auth.error = DOWN
    callers = ExitStack()
    callers.enter_context(renewal.caller(renewal.clock.now + 10.0))
    later = iter([renewal.clock.now + 18.0])

    def answer() -> None:
        if renewal.renew.exchanges == 4:
            callers.enter_context(renewal.caller(next(later)))
        renewal.end_outage(1015.0)

    renewal.auth.before_answer = answer
    with callers:
        await renewal.run()
    assert renewal.clock.now >= 1015.0


@pytest.mark.parametrize(
    ("error", "delays"),
    [(ConnectionError("cut"), [0.5]), (RateLimitError("slow", http_status=429, retry_after=7.0), [7.0, 7.0])],
)
async def test_renewer_tries_a_cut_connection_again_at_once_and_keeps_retry_after(
    background, error, delays
) -> None:
    renewal = Renewal(background)
    renewal.auth.error = error
    renewal.auth.before_answer = lambda: renewal.end_outage(1000.0 + sum(delays))
    with renewal.caller(1030.0):
        await renewal.run()
    assert renewal.clock.slept == delays


async def test_renewer_without_retries_makes_one_attempt_for_any_caller(background) -> None:
    renewal = Renewal(background, max_retries=0)
    renewal.auth.error = DOWN
    with renewal.caller(1030.0), pytest.raises(ServerError):
        await renewal.run()
    assert renewal.renew.exchanges == 1


async def test_renewer_says_what_the_service_answered_before_an_exchange_that_hangs(background) -> None:
    renewal = Renewal(background, timeout=0.3, max_retries=1)
    renewal.auth.error = DOWN
    renewal.auth.before_answer = renewal.auth.hold
    with pytest.raises(
        TokenRefreshError, match=r"no token within 0\.3 s: .*; the exchange before failed: down"
    ) as failed:
        await renewal.run()
    assert failed.value.http_status == 503
    assert failed.value.__cause__ is DOWN


async def test_renewer_with_a_usable_token_makes_one_attempt(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.hold_token()
    renewal.auth.error = ServerError("down", http_status=503)
    with pytest.raises(ServerError):
        await renewal.run()
    assert renewal.renew.exchanges == 1
    assert not renewal.clock.slept


async def test_renewer_does_not_retry_refused_credentials(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.auth.refused.add("key_1")
    with pytest.raises(InvalidCredentialsError):
        await renewal.run()
    assert not renewal.clock.slept
    assert renewal.renew.failures == 1


async def test_publish_makes_a_token_that_is_usable_for_a_part_of_its_lifetime(background) -> None:
    renewal = Renewal(background)
    for generation in (1, 2):
        acquired = AcquiredToken(ExchangeResponse("t", 100.0, shared=generation == 2), "key_1", 997.0)
        renewal.renew.publish(acquired, 995.0)
        token = renewal.published[-1]
        assert (token.value, token.authorization, token.api_key) == ("t", "Bearer t", "key_1")
        assert (token.usable_until, token.expires_at, token.generation) == (1095.0, 1097.0, generation)
        assert renewal.renew.shared is (generation == 2)


async def test_publish_refuses_a_token_that_expired_before_it_arrived(background) -> None:
    renewal = Renewal(background)
    renewal.renew.publish(AcquiredToken(ExchangeResponse("t", 100.0), "key_1", 902.1), 900.0)
    with pytest.raises(TokenRefreshError, match="expired before it arrived: its lifetime is 100 s"):
        renewal.renew.publish(AcquiredToken(ExchangeResponse("t", 100.0), "key_1", 902.0), 900.0)
    assert len(renewal.published) == 1


async def test_publish_does_nothing_when_the_source_is_closed(background) -> None:
    renewal = Renewal(background)
    renewal.held.closed = True
    renewal.renew.publish(AcquiredToken(ExchangeResponse("t", 100.0), "key_1", 1000.0), 1000.0)
    assert not renewal.published


async def test_renewer_tells_the_exchange_of_the_rejected_token_until_reset(background) -> None:
    renewal = Renewal(background)
    renewal.renew.rejected = renewal.hold_token()
    await renewal.run()
    renewal.renew.reset()
    await renewal.run()
    assert renewal.auth.rejected == ["old", None]
