"""Every exception that leaves the package, in one tree under `ScopeError`.

Nothing else ever comes out: no aiohttp, JSON or key error, and no `ExceptionGroup`
around a single error.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any, ClassVar, Self, TypeVar, overload

_BODY_LIMIT = 2000
_FACTS = ("message", "http_status", "error_code", "request_id", "http_body", "retry_after")


class ScopeError(Exception):
    """The root of every error that this package raises.

    Attributes:
        message: what happened, in the service's words where it had any.
        http_status: status code of the reply; None where there is none.
        error_code: the service's own code, for example `prompt_not_found`, or one of the package's.
        request_id: the `X-Request-ID` to quote to the service's operators.
    """

    default_message: ClassVar[str] = "the call failed"

    def __init__(
        self,
        message: str = "",
        *,
        http_status: int | None = None,
        error_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.message = message or self.default_message
        super().__init__(self.message)
        self.http_status = http_status
        self.error_code = error_code
        self.request_id = request_id

    def __str__(self) -> str:
        return self.message


class ConfigurationError(ScopeError):
    """An option or an environment variable is missing or wrong; the message names each of them."""

    default_message = "an option or an environment variable is missing or wrong"


class MissingApiKeyError(ConfigurationError):
    """The organization ID, the API key or the API secret is missing."""

    default_message = "a credential is missing"


class ApiError(ScopeError):
    """The service answered, and the answer is not what was asked for.

    Attributes:
        http_body: the reply's body as text, cut to 2,000 characters.
        retry_after: seconds to wait before trying again, when the service or the SDK knows.
    """

    default_message = "the service did not answer as it should"

    def __init__(
        self,
        message: str = "",
        *,
        http_status: int | None = None,
        error_code: str | None = None,
        request_id: str | None = None,
        http_body: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, http_status=http_status, error_code=error_code, request_id=request_id)
        self.http_body = http_body[:_BODY_LIMIT] if http_body is not None else None
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

    default_message = "authentication failed"


class TokenRefreshError(AuthenticationError):
    """There is no valid token, because no exchange has succeeded; trying later may help."""

    default_message = "no valid token"


class InvalidCredentialsError(AuthenticationError):
    """The auth API refused the API key and secret; correct them, retrying does not help."""

    default_message = "the API key and secret are refused"


class AuthorizationError(ApiError):
    """The service knows the caller and does not allow this (403)."""

    default_message = "this is not allowed"


class NotFoundError(ApiError):
    """The service has no such thing (404)."""

    default_message = "not found"


class ConflictError(ApiError):
    """The request contradicts what the service already has (409)."""

    default_message = "it contradicts what the service already has"


class RateLimitError(ApiError):
    """Too many requests (429); `retry_after` is in seconds, None when the service did not say."""

    default_message = "too many requests"


class ServerError(ApiError):
    """The service failed (5xx), or its reply is not what the contract says."""

    default_message = "the service failed"


class ConnectionError(ScopeError, builtins.ConnectionError):
    """The service could not be reached, or the connection broke."""

    default_message = "the service could not be reached"


class TimeoutError(ConnectionError, builtins.TimeoutError):
    """The service did not answer within `timeout`, or no connection stood within `open_timeout`."""

    default_message = "the service did not answer in time"


class ResourceError(ScopeError):
    """The prompt, or what was asked of it, is at fault."""

    default_message = "the prompt is at fault"


class ValidationError(ResourceError):
    """An argument is not acceptable; raised before anything is sent."""

    default_message = "an argument is not acceptable"


class RenderError(ResourceError):
    """A prompt version cannot be rendered."""

    default_message = "the prompt version cannot be rendered"


class MissingVariableError(RenderError):
    """Variables of the template got no value; `missing_variables` is in template order."""

    default_message = "a variable of the template has no value"

    def __init__(self, message: str = "", missing_variables: Iterable[str] = (), **facts: Any) -> None:
        self.missing_variables = tuple(missing_variables)
        if self.missing_variables and not message:
            message = f"no value for {', '.join(self.missing_variables)}"
        super().__init__(message, **facts)


class NoProductionVersionError(NotFoundError, ResourceError):
    """The prompt has no production version, or does not exist; `name` is the prompt's name."""

    default_message = "the prompt has no production version, or does not exist"

    name: str = ""


class ClientClosedError(ScopeError):
    """The client or the token source was closed, or was closed while the call was waiting."""

    default_message = "the client is closed"
