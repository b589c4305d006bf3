from __future__ import annotations

import pytest

from scope_async._core.foreign import Panic
from scope_async.auth.failures import (
    InvalidProviderError,
    as_failure,
    error_for_caller,
    is_outage,
    is_retryable,
    no_token_within,
)
from scope_async.errors import (
    ApiError,
    AuthorizationError,
    ConfigurationError,
    ConnectionError,
    InvalidCredentialsError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
)
from scope_async.http.failures import GATEWAY

JSON = '{"code": "x", "message": "y"}'


def test_as_failure_names_what_a_panic_stands_for() -> None:
    error = Panic(BaseException("with a secret"))
    assert str(as_failure(error)) == "the credential provider failed with BaseException"


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


def test_error_for_caller_names_a_mistake_in_the_provider_as_one() -> None:
    own = error_for_caller(InvalidProviderError("must return ApiKeyCredentials"), retry_after=4.0)
    assert (type(own), str(own)) == (ConfigurationError, "must return ApiKeyCredentials")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("reset"),
        TimeoutError("slow"),
        TokenRefreshError("the credential provider failed with KeyError"),
        RateLimitError("slow down", http_status=429),
        *(ServerError("down", http_status=status) for status in (200, 500, 502, 503, 504, 529)),
        *(ApiError("odd", http_status=status, http_body=JSON) for status in (400, 408, 422, 425)),
        AuthorizationError("no", http_status=403, error_code=GATEWAY),
        NotFoundError("no", http_status=404, error_code=GATEWAY),
    ],
)
def test_is_retryable_for_what_another_attempt_can_outlive(error) -> None:
    assert is_retryable(error)
    assert is_outage(error) == (type(error) is not TokenRefreshError)


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("no file"),
        InvalidProviderError("a dict"),
        InvalidCredentialsError("no", http_status=401),
        NotFoundError("no", http_status=404, http_body=JSON),
        ApiError("no", http_status=405, http_body=JSON),
        ServerError("not implemented", http_status=501),
        ServerError("moved", http_status=307),
    ],
)
def test_is_retryable_for_nothing_that_stays_as_it_is(error) -> None:
    assert not is_retryable(error)
    assert not is_outage(error)


def test_no_token_within_has_the_facts_of_the_exchange_before() -> None:
    assert str(no_token_within(2, "no answer")) == "no token within 2 s: no answer"
    down = ServerError("down", http_status=503, request_id="r-1")
    error = no_token_within(2, "no answer", down)
    assert str(error).startswith("no token within 2 s: no answer; the exchange before failed: down (HTTP 503")
    assert (error.http_status, error.request_id, error.__cause__) == (503, "r-1", down)
    assert str(no_token_within(2, "no answer", ConnectionError("cut"))).endswith("failed: cut")
