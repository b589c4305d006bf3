"""Async-first Python SDK for the Scope prompt-management platform."""

import logging
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from scope_async._version import __version__

if TYPE_CHECKING:
    from scope_async.auth.middleware import BearerAuth
    from scope_async.auth.source import TokenSource
    from scope_async.auth.token import AccessToken, TokenStatus
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
    from scope_async.keys import ApiKey, ApiKeyAdmin, KeyEvent, NewApiKey
    from scope_async.prompts.version import PromptVersion
else:
    # What is not named here is in `errors`. Each name is imported when it is first asked for
    # (PEP 562): pytest imports this package for its plugin in every run of every project that
    # has it installed, and a program that only catches errors needs no HTTP client.
    _HOMES = {
        "AccessToken": "auth.token",
        "ApiKey": "keys",
        "ApiKeyAdmin": "keys",
        "ApiKeyCredentials": "credentials",
        "BearerAuth": "auth.middleware",
        "ChainCredentials": "credentials",
        "Config": "config",
        "CredentialProvider": "credentials",
        "EnvCredentials": "credentials",
        "FileCredentials": "credentials",
        "KeyEvent": "keys",
        "NewApiKey": "keys",
        "PromptVersion": "prompts.version",
        "ScopeClient": "client",
        "TokenSource": "auth.source",
        "TokenStatus": "auth.token",
    }

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
        return globals().setdefault(name, getattr(home, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


# Quiet until the application or SCOPE_LOG asks: without any handler Python would print warnings.
logging.getLogger(__name__).addHandler(logging.NullHandler())

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
