"""Async-first Python SDK for the Scope prompt-management platform."""

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

__all__ = [
    "AccessToken",
    "ApiError",
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
    "MissingApiKeyError",
    "MissingVariableError",
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
