"""Async-first Python SDK for the Scope prompt-management platform."""

import logging as _logging
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from scope_async._version import __version__ as __version__

if TYPE_CHECKING:  # the same names as below, in the form that type checkers read
    from scope_async.auth.middleware import BearerAuth as BearerAuth
    from scope_async.auth.source import TokenSource as TokenSource
    from scope_async.auth.token import AccessToken as AccessToken
    from scope_async.auth.token import TokenStatus as TokenStatus
    from scope_async.client import ScopeClient as ScopeClient
    from scope_async.config import Config as Config
    from scope_async.credentials import ApiKeyCredentials as ApiKeyCredentials
    from scope_async.credentials import ChainCredentials as ChainCredentials
    from scope_async.credentials import ClientCredentials as ClientCredentials
    from scope_async.credentials import CredentialProvider as CredentialProvider
    from scope_async.credentials import EnvCredentials as EnvCredentials
    from scope_async.credentials import FileCredentials as FileCredentials
    from scope_async.errors import ApiError as ApiError
    from scope_async.errors import AuthenticationError as AuthenticationError
    from scope_async.errors import AuthorizationError as AuthorizationError
    from scope_async.errors import ClientClosedError as ClientClosedError
    from scope_async.errors import ConfigurationError as ConfigurationError
    from scope_async.errors import ConflictError as ConflictError
    from scope_async.errors import ConnectionError as ConnectionError
    from scope_async.errors import InvalidCredentialsError as InvalidCredentialsError
    from scope_async.errors import MissingApiKeyError as MissingApiKeyError
    from scope_async.errors import MissingVariableError as MissingVariableError
    from scope_async.errors import NoProductionVersionError as NoProductionVersionError
    from scope_async.errors import NotFoundError as NotFoundError
    from scope_async.errors import RateLimitError as RateLimitError
    from scope_async.errors import RenderError as RenderError
    from scope_async.errors import ResourceError as ResourceError
    from scope_async.errors import ScopeError as ScopeError
    from scope_async.errors import ServerError as ServerError
    from scope_async.errors import TimeoutError as TimeoutError
    from scope_async.errors import TokenRefreshError as TokenRefreshError
    from scope_async.errors import ValidationError as ValidationError
    from scope_async.keys import ApiKey as ApiKey
    from scope_async.keys import ApiKeyAdmin as ApiKeyAdmin
    from scope_async.keys import KeyEvent as KeyEvent
    from scope_async.keys import NewApiKey as NewApiKey
    from scope_async.prompts.version import PromptVersion as PromptVersion
    from scope_async.status import ClientStatus as ClientStatus
else:
    # Each name is imported when it is first asked for (PEP 562): pytest imports this package for
    # its plugin in every run of every project that has it installed, and a program that only
    # catches errors needs no HTTP client.
    _NAMES = {
        "auth.middleware": "BearerAuth",
        "auth.source": "TokenSource",
        "auth.token": "AccessToken TokenStatus",
        "client": "ScopeClient",
        "config": "Config",
        "credentials": (
            "ApiKeyCredentials ChainCredentials ClientCredentials CredentialProvider EnvCredentials "
            "FileCredentials"
        ),
        "errors": (
            "ApiError AuthenticationError AuthorizationError ClientClosedError "
            "ConfigurationError ConflictError ConnectionError InvalidCredentialsError "
            "MissingApiKeyError MissingVariableError NoProductionVersionError NotFoundError "
            "RateLimitError RenderError ResourceError ScopeError "
            "ServerError TimeoutError TokenRefreshError ValidationError"
        ),
        "keys": "ApiKey ApiKeyAdmin KeyEvent NewApiKey",
        "prompts.version": "PromptVersion",
        "status": "ClientStatus",
    }
    _HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
    __all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - names, all of them

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _import_module(f"{__name__}.{_HOMES[name]}")
        return globals().setdefault(name, getattr(home, name))

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


# Quiet until the application or SCOPE_LOG asks: without any handler Python would print warnings.
_logging.getLogger(__name__).addHandler(_logging.NullHandler())
