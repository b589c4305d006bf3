from __future__ import annotations

import asyncio

import pytest

from scope_async._core.background import Background
from scope_async.auth.acquisition import (
    AcquiredToken,
    ForeignCancellation,
    TokenAcquirer,
    as_failure,
    error_for_caller,
    isolate_cancellation,
)
from scope_async.auth.exchange import ExchangeResponse
from scope_async.auth.refresh_policy import plan_refresh
from scope_async.credentials import ApiKeyCredentials
from scope_async.errors import ConfigurationError, InvalidCredentialsError, ServerError, TokenRefreshError
from scope_async.telemetry.events import CredentialsChanged, Event
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


def acquirer(provider: Provider, auth: FakeAuth, events: list[Event], timeout: float = 5.0) -> TokenAcquirer:
    return TokenAcquirer(
        provider,
        auth,
        background=Background(),
        timeout=timeout,
        monotonic=lambda: 7.0,
        emit=events.append,
    )


async def test_acquirer_returns_the_response_with_key_and_instant() -> None:
    auth = FakeAuth()
    acquired = await acquirer(Provider(CREDENTIALS), auth, [])()
    assert acquired == AcquiredToken(ExchangeResponse("token-1", 3600), "key_1", 7.0)
    assert auth.rejected == [None]


async def test_acquirer_reloads_refused_credentials_once_and_reports_the_change() -> None:
    auth, events, provider = FakeAuth(), [], Provider(CREDENTIALS, ROTATED)
    auth.refused.add("key_1")
    assert (await acquirer(provider, auth, events)()).api_key == "key_2"
    assert events == [CredentialsChanged(api_key="key_2")]


async def test_acquirer_lets_a_provider_that_remembers_forget_what_was_refused() -> None:
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


async def test_acquirer_raises_when_the_reloaded_credentials_are_the_refused_ones() -> None:
    auth, provider = FakeAuth(), Provider(CREDENTIALS)
    auth.refused.add("key_1")
    with pytest.raises(InvalidCredentialsError):
        await acquirer(provider, auth, [])()
    assert (provider.asked, auth.asked) == (2, ["key_1"])


async def test_acquirer_keeps_the_last_credentials_while_the_provider_fails() -> None:
    auth, provider = FakeAuth(), Provider(CREDENTIALS, ConfigurationError("half-written"))
    acquire = acquirer(provider, auth, [])
    await acquire()
    assert (await acquire()).api_key == "key_1"


async def test_acquirer_ends_at_its_timeout() -> None:
    auth = FakeAuth()
    auth.hold()
    with pytest.raises(TokenRefreshError, match=r"no token within 0\.01 s"):
        await acquirer(Provider(CREDENTIALS), auth, [], timeout=0.01)()


def test_acquired_token_counts_its_times_from_when_it_was_asked_for() -> None:
    acquired = AcquiredToken(ExchangeResponse("t", 100.0), "key_1", 7.0)
    token = acquired.token(plan_refresh(100.0, buffer=20, random=0.0), 3, lambda: 8.0)
    assert (token.refresh_at, token.usable_until, token.expires_at) == (87.0, 105.0, 107.0)
    assert (token.generation, token.authorization) == (3, "Bearer t")


def test_acquired_token_that_expired_before_it_arrived_is_refused() -> None:
    acquired = AcquiredToken(ExchangeResponse("t", 100.0), "key_1", 7.0)
    acquired.check_usable(104.9)
    with pytest.raises(TokenRefreshError, match="expired before it arrived"):
        acquired.check_usable(105.0)


async def test_isolate_cancellation_turns_a_foreign_one_into_a_failure() -> None:
    async def cancelled_inside() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ForeignCancellation):
        await isolate_cancellation(cancelled_inside())


async def test_isolate_cancellation_passes_on_that_of_its_own_task() -> None:
    task = asyncio.create_task(isolate_cancellation(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_as_failure_keeps_our_errors_and_wraps_others_without_their_text() -> None:
    ours = ServerError("down")
    assert as_failure(ours) is ours
    failure = as_failure(ValueError("secret_x"))
    assert isinstance(failure, TokenRefreshError)
    assert "secret_x" not in str(failure)
    assert isinstance(failure.__cause__, ValueError)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (InvalidCredentialsError("no", http_status=401), InvalidCredentialsError, "no (HTTP 401)"),
        (ServerError("down", http_status=503), TokenRefreshError, "no valid token: down (HTTP 503)"),
        (ConfigurationError("no file"), TokenRefreshError, "no valid token: no file"),
    ],
)
def test_error_for_caller_is_an_object_of_its_own_caused_by_the_shared_one(error, kind, message) -> None:
    own = error_for_caller(error, retry_after=4.0)
    assert own is not error
    assert (type(own), str(own), own.retry_after) == (kind, message, 4.0)
    assert own.__cause__ is error
