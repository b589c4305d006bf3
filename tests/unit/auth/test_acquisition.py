from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from functools import partial

import pytest

from scope_async.auth.acquisition import (
    AcquiredToken,
    TokenAcquirer,
)
from scope_async.auth.exchange import ExchangeResponse
from scope_async.credentials import ApiKeyCredentials, ChainCredentials, FileCredentials
from scope_async.errors import ConfigurationError, InvalidCredentialsError, TokenRefreshError
from scope_async.telemetry.events import CredentialsChanged, Event
from tests.fakes.clock import InstantClock
from tests.fakes.exchange import CREDENTIALS, FakeAuth

ROTATED = ApiKeyCredentials("org_1", "key_2", "secret_of_key_2")


class Provider:
    """Returns or raises each of `answers` in turn, and the last one from then on."""

    def __init__(self, *answers: ApiKeyCredentials | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self) -> ApiKeyCredentials:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def acquirer(background):
    """Return a function that makes an acquirer, whose attempts take `limit` seconds."""

    clock = InstantClock()
    clock.now = 7.0

    def make(provider, auth: FakeAuth, events: list[Event], limit: float = 5.0):
        acquire = TokenAcquirer(
            provider,
            auth,
            background=background,
            timeout=5.0,
            clock=clock,
            emit=events.append,
        )
        return partial(acquire, limit=limit)

    return make


async def test_acquirer_returns_the_response_with_key_and_instant(acquirer) -> None:
    auth = FakeAuth()
    acquired = await acquirer(Provider(CREDENTIALS), auth, [])()
    assert acquired == AcquiredToken(ExchangeResponse("token-1", 3600), "key_1", 7.0)
    assert auth.rejected == [None]


async def test_acquirer_reloads_refused_credentials_once_and_reports_the_change(acquirer) -> None:
    auth, events, provider = FakeAuth(), [], Provider(CREDENTIALS, ROTATED)
    auth.refused.add("key_1")
    assert (await acquirer(provider, auth, events)()).api_key == "key_2"
    assert events == [CredentialsChanged(api_key="key_2")]


async def test_acquirer_lets_a_provider_that_remembers_forget_what_was_refused(acquirer) -> None:
    class Remembering(Provider):
        def __init__(self, *answers: ApiKeyCredentials | Exception) -> None:
            super().__init__(*answers)
            self.forgotten: list[ApiKeyCredentials] = []

        def invalidate(self, credentials: ApiKeyCredentials, /) -> None:
            assert self.asked == 1
            self.forgotten.append(credentials)

    auth, provider = FakeAuth(), Remembering(CREDENTIALS, ROTATED)
    auth.refused.add("key_1")
    assert (await acquirer(provider, auth, [])()).api_key == "key_2"
    assert provider.forgotten == [CREDENTIALS]


async def test_acquirer_raises_when_the_reloaded_credentials_are_the_refused_ones(acquirer) -> None:
    auth, provider = FakeAuth(), Provider(CREDENTIALS)
    auth.refused.add("key_1")
    with pytest.raises(InvalidCredentialsError):
        await acquirer(provider, auth, [])()
    assert (provider.asked, auth.asked) == (2, ["key_1"])


async def test_acquirer_keeps_the_last_credentials_while_the_provider_fails(acquirer) -> None:
    auth, provider = FakeAuth(), Provider(CREDENTIALS, ConfigurationError("half-written"))
    acquire = acquirer(provider, auth, [])
    await acquire()
    assert (await acquire()).api_key == "key_1"


async def test_acquirer_ends_at_its_timeout_and_says_what_has_no_answer(acquirer) -> None:
    auth = FakeAuth()
    auth.hold()
    message = r"no token within 0\.2 s: the exchange at FakeAuth has no answer"
    with pytest.raises(TokenRefreshError, match=message):
        await acquirer(Provider(CREDENTIALS), auth, [], limit=0.2)()


async def test_acquirer_names_the_provider_that_blocks_the_event_loop(acquirer) -> None:
    async def blocking() -> ApiKeyCredentials:
        until = time.monotonic() + 0.02
        while time.monotonic() < until:
            """As a synchronous client of a secret manager does."""
        return CREDENTIALS

    auth = FakeAuth()
    with pytest.raises(TokenRefreshError, match="the credentials are still being read from blocking"):
        await acquirer(blocking, auth, [], limit=0.01)()
    assert auth.asked == []


async def test_acquirer_says_that_a_provider_was_ended_at_the_timeout(background) -> None:
    async def hanging() -> ApiKeyCredentials:
        await asyncio.Event().wait()
        return CREDENTIALS

    acquire = TokenAcquirer(
        hanging, FakeAuth(), background=background, timeout=0.01, clock=InstantClock(), emit=None
    )
    with pytest.raises(TokenRefreshError, match=r"credentials were not read from hanging within 0\.01 s"):
        await acquire(limit=5)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
async def test_acquirer_names_the_pipe_that_nothing_has_written_credentials_to(acquirer, tmp_path) -> None:
    pipe = tmp_path / "credentials"
    os.mkfifo(pipe)
    provider = FileCredentials(pipe)
    reading = asyncio.create_task(provider())
    while "pipe" not in provider.place:
        await asyncio.sleep(0.001)
    with pytest.raises(TokenRefreshError) as caught:
        await acquirer(ChainCredentials(provider, Provider(CREDENTIALS)), FakeAuth(), [], limit=0.01)()
    assert str(caught.value) == (
        f"no token within 0.01 s: the credentials are still being read from {pipe} "
        "(a named pipe, to which nothing has been written yet) or Provider"
    )
    pipe.write_text(json.dumps({"org_id": "org_1", "api_key": "key_1", "api_secret": "secret_1"}))
    assert (await reading).api_key == "key_1"
