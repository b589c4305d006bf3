"""A renewal: how many exchanges it makes, for whom, and what it leaves to the next one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from scope_async._core.background import Background
from scope_async.auth.acquisition import AcquiredToken, TokenAcquirer
from scope_async.auth.instrumentation import TokenInstrumentation
from scope_async.auth.refresh_policy import RefreshPolicy
from scope_async.auth.renewer import TokenRenewer
from scope_async.auth.token import AccessToken, HeldToken, no_token
from scope_async.config import Config
from scope_async.credentials import StaticCredentials
from scope_async.errors import InvalidCredentialsError, ServerError
from tests.fakes.clock import InstantClock
from tests.fakes.exchange import ADDRESSES, CREDENTIALS, FakeAuth


class Renewal:
    """A renewer over `auth`, and what it published."""

    def __init__(self, background: Background, **options: Any) -> None:
        self.auth, self.clock = FakeAuth(), InstantClock()
        self.published: list[AcquiredToken] = []
        self.held = HeldToken(no_token(self.clock.monotonic))
        self.config = Config(**ADDRESSES, **options)
        policy = RefreshPolicy(buffer=self.config.token_refresh_buffer, rng=lambda: 0.5)
        self.renew = TokenRenewer(
            TokenAcquirer(
                StaticCredentials(CREDENTIALS),
                self.auth,
                background=background,
                timeout=self.config.timeout,
                clock=self.clock,
                emit=lambda _: None,
            ),
            policy,
            config=self.config,
            clock=self.clock,
            instrumentation=TokenInstrumentation(
                lambda _: None, clock=self.clock, configured_buffer=self.config.token_refresh_buffer
            ),
            held=self.held,
            publish=lambda acquired, _: self.published.append(acquired),
            on_suspended=lambda: None,
        )

    def hold_token(self) -> AccessToken:
        until = self.clock.now + 3600.0
        self.held.token = AccessToken(
            "old", "Bearer old", 1, "key_1", 3600.0, until, until, until, self.clock.monotonic
        )
        return self.held.token


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    background = Background()
    yield background
    await background.aclose()


async def test_renewer_publishes_the_token_of_one_exchange(background) -> None:
    renewal = Renewal(background)
    await renewal.renew()
    assert [acquired.response.value for acquired in renewal.published] == ["token-1"]
    assert (renewal.renew.exchanges, renewal.renew.failures) == (1, 0)


async def test_renewer_without_a_token_retries_for_those_who_wait(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.auth.error = ServerError("down", http_status=503)
    with pytest.raises(ServerError):
        await renewal.renew()
    assert (renewal.renew.exchanges, renewal.renew.failures) == (3, 3)
    assert not renewal.published


async def test_renewer_with_a_usable_token_makes_one_attempt(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.hold_token()
    renewal.auth.error = ServerError("down", http_status=503)
    with pytest.raises(ServerError):
        await renewal.renew()
    assert renewal.renew.exchanges == 1
    assert not renewal.clock.slept


async def test_renewer_does_not_retry_refused_credentials(background) -> None:
    renewal = Renewal(background, max_retries=2)
    renewal.auth.refused.add("key_1")
    with pytest.raises(InvalidCredentialsError):
        await renewal.renew()
    assert not renewal.clock.slept
    assert renewal.renew.failures == 1


async def test_renewer_tells_the_exchange_of_the_rejected_token_until_reset(background) -> None:
    renewal = Renewal(background)
    renewal.renew.rejected = renewal.hold_token()
    await renewal.renew()
    renewal.renew.reset()
    await renewal.renew()
    assert renewal.auth.rejected == ["old", None]
