"""How an exchange fails, whether it is worth a retry, and the errors that its callers get."""

from __future__ import annotations

from scope_async._core.foreign import Panic
from scope_async.auth.exchange import NOT_HERE
from scope_async.errors import (
    ApiError,
    ConfigurationError,
    InvalidCredentialsError,
    ScopeError,
    TimeoutError,
    TokenRefreshError,
)
from scope_async.http.failures import GATEWAY, is_transient


class ExchangeTimeoutError(TokenRefreshError):
    """An attempt had no answer in its time."""


class InvalidProviderError(ConfigurationError):
    """The credential provider is not one: a mistake in the program, which time does not mend."""


def as_failure(error: Exception) -> ScopeError:
    """Return the package's error for anything that an exchange or a provider raised."""
    if isinstance(error, ScopeError):
        return error
    name = str(error) if isinstance(error, Panic) else type(error).__name__
    failure = TokenRefreshError(f"the credential provider failed with {name}")
    failure.__cause__ = error
    return failure


def no_token_within(seconds: float, step: str, previous: ScopeError | None = None) -> ExchangeTimeoutError:
    """Return the error of an exchange that has not ended; `previous` is what the one before failed with.

    `step` says what it waits for.
    """
    message = f"no token within {seconds:g} s: {step}"
    if previous is None:
        return ExchangeTimeoutError(message)
    facts = previous if isinstance(previous, ApiError) else ApiError(previous.message)
    message = f"{message}; the exchange before failed: {previous.message}"
    failure = facts.replace(ExchangeTimeoutError, message=message)
    failure.__cause__ = previous
    return failure


def is_outage(error: ScopeError) -> bool:
    """Return True if the auth API did not answer but may a little later: its callers wait for that.

    Also what a firewall or a service that is out of order answers with 400, 403 or 422.
    """
    if isinstance(error, ConfigurationError | InvalidCredentialsError):
        return False
    if isinstance(error, ApiError) and error.http_status is not None and error.http_status in range(400, 500):
        return error.http_status not in NOT_HERE or error.error_code == GATEWAY
    return is_transient(error) or isinstance(error, ExchangeTimeoutError | TimeoutError)


def is_retryable(error: ScopeError) -> bool:
    """Return True if the same exchange may succeed a little later: an outage, or a provider that failed."""
    return is_outage(error) or (isinstance(error, TokenRefreshError) and error.http_status not in NOT_HERE)


def error_for_caller(error: Exception, *, retry_after: float) -> ScopeError:
    """Return an exception for one caller, caused by the shared `error`.

    One object that is raised for a thousand callers would grow its traceback without bound.
    """
    if isinstance(error, InvalidProviderError):
        mistake = ConfigurationError(str(error))
        mistake.__cause__ = error
        return mistake
    facts = error if isinstance(error, ApiError) else ApiError(str(error))
    if isinstance(error, InvalidCredentialsError):
        own: ApiError = facts.replace(retry_after=retry_after)
    else:
        message = f"no valid token: {facts.message}"
        own = facts.replace(TokenRefreshError, message=message, retry_after=retry_after)
    own.__cause__ = error
    return own
