"""Every exception that leaves the package, in one tree under `ScopeError`.

Nothing else ever comes out: no aiohttp, JSON or key error, and no `ExceptionGroup`
around a single error.
"""

from __future__ import annotations

import builtins
from typing import Any, Self, TypeVar, overload

BODY_LIMIT = 2000
_FACTS = ("message", "http_status", "error_code", "request_id", "http_body", "retry_after")


class ScopeError(Exception):
    """The root of every error that this package raises."""


class ConfigurationError(ScopeError):
    """An option or an environment variable is missing or wrong; the message names each of them."""


class MissingApiKeyError(ConfigurationError):
    """The organization ID, the API key or the API secret is missing."""


class ApiError(ScopeError):
    """The service answered, and the answer is not what was asked for.

    Attributes:
        message: what happened, in the service's words where it had any.
        http_status: status code of the reply; None when the reply could not be read.
        error_code: the service's own code, for example `prompt_not_found`.
        request_id: the `X-Request-ID` to quote to the service's operators.
        http_body: the reply's body as text, cut to 2,000 characters.
        retry_after: seconds to wait before trying again, when the service or the SDK knows.
    """

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        error_code: str | None = None,
        request_id: str | None = None,
        http_body: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        self.error_code = error_code
        self.request_id = request_id
        self.http_body = http_body[:BODY_LIMIT] if http_body is not None else None
        self.retry_after = retry_after

    @overload
    def replace(self, kind: None = None, /, **changes: Any) -> Self: ...

    @overload
    def replace(self, kind: type[AnyApiError], /, **changes: Any) -> AnyApiError: ...

    def replace(self, kind: type[ApiError] | None = None, /, **changes: Any) -> ApiError:
        """Return a copy with some attributes replaced, of the class `kind` if given.

        Traceback, cause and notes stay behind, so that each caller can get an object of its own.
        """
        replaced = (kind or type(self))(**{**{name: getattr(self, name) for name in _FACTS}, **changes})
        # What a subclass has besides, such as `name`, goes along.
        replaced.__dict__ = {**vars(self), **vars(replaced)}
        replaced.__dict__.pop("__notes__", None)
        return replaced

    def __str__(self) -> str:
        facts = [
            f"{label} {value}"
            for label, value in (
                ("HTTP", self.http_status),
                ("code", self.error_code),
                ("request id", self.request_id),
            )
            if value is not None
        ]
        return f"{self.message} ({', '.join(facts)})" if facts else self.message


AnyApiError = TypeVar("AnyApiError", bound=ApiError)


class AuthenticationError(ApiError):
    """Authentication failed (401), even with a refreshed token."""


class TokenRefreshError(AuthenticationError):
    """There is no valid token, because no exchange has succeeded; trying later may help."""


class InvalidCredentialsError(AuthenticationError):
    """The auth API refused the API key and secret; correct them, retrying does not help."""


class AuthorizationError(ApiError):
    """The service knows the caller and does not allow this (403)."""


class NotFoundError(ApiError):
    """The service has no such thing (404)."""


class ConflictError(ApiError):
    """The request contradicts what the service already has (409)."""


class RateLimitError(ApiError):
    """Too many requests (429); `retry_after` is in seconds, None when the service did not say."""


class ServerError(ApiError):
    """The service failed (5xx), or its reply is not what the contract says."""


class ConnectionError(ScopeError, builtins.ConnectionError):
    """The service could not be reached, or the connection broke."""


class TimeoutError(ConnectionError, builtins.TimeoutError):
    """The service did not answer within `timeout`, or no connection stood within `open_timeout`."""


class ResourceError(ScopeError):
    """The prompt, or what was asked of it, is at fault."""


class ValidationError(ResourceError):
    """An argument is not acceptable; raised before anything is sent."""


class RenderError(ResourceError):
    """A prompt version cannot be rendered."""


class MissingVariableError(RenderError):
    """Variables of the template got no value; `missing_variables` is in template order."""

    def __init__(self, message: str, missing_variables: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing_variables = missing_variables


class NoProductionVersionError(NotFoundError, ResourceError):
    """The prompt has no production version, or does not exist; `name` is the prompt's name."""

    name: str = ""


class ClientClosedError(ScopeError):
    """The client or the token source was closed, or was closed while the call was waiting."""
