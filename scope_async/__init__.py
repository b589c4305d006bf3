"""Async-first Python SDK for the Scope prompt-management platform."""

import logging
from typing import TYPE_CHECKING

from scope_async._version import __version__
from scope_async.client import ScopeClient
from scope_async.config import Config
from scope_async.credentials import (
    ApiKeyCredentials,
    ChainCredentials,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
)
from scope_async.errors import (
    ApiError,
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    ConfigurationError,
    ConflictError,
    ConnectionError,
    InvalidCredentialsError,
    MissingApiKeyError,
    MissingVariableError,
    NoProductionVersionError,
    NotFoundError,
    RateLimitError,
    RenderError,
    ResourceError,
    ScopeError,
    ServerError,
    TimeoutError,
    TokenRefreshError,
    ValidationError,
)
from scope_async.http.auth import BearerAuth
from scope_async.prompts.version import PromptVersion
from scope_async.tokens.source import TokenSource
from scope_async.tokens.token import AccessToken, TokenStatus

# Quiet until the application or SCOPE_LOG asks: without any handler Python would print warnings.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from scope_async.keys import ApiKey, ApiKeyAdmin, KeyEvent, NewApiKey
else:

    def __getattr__(name: str) -> object:
        """Import what administers API keys when it is asked for: most programs only read prompts."""
        if name not in ("ApiKey", "ApiKeyAdmin", "KeyEvent", "NewApiKey"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from scope_async import keys  # noqa: PLC0415

        return getattr(keys, name)


__all__ = [
    "AccessToken",
    "ApiError",
    "ApiKey",
    "ApiKeyAdmin",
    "ApiKeyCredentials",
    "AuthenticationError",
    "AuthorizationError",
    "BearerAuth",
    "ChainCredentials",
    "ClientClosedError",
    "Config",
    "ConfigurationError",
    "ConflictError",
    "ConnectionError",
    "CredentialProvider",
    "EnvCredentials",
    "FileCredentials",
    "InvalidCredentialsError",
    "KeyEvent",
    "MissingApiKeyError",
    "MissingVariableError",
    "NewApiKey",
    "NoProductionVersionError",
    "NotFoundError",
    "PromptVersion",
    "RateLimitError",
    "RenderError",
    "ResourceError",
    "ScopeClient",
    "ScopeError",
    "ServerError",
    "TimeoutError",
    "TokenRefreshError",
    "TokenSource",
    "TokenStatus",
    "ValidationError",
    "__version__",
]
