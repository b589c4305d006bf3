"""Long-lived credentials, and where they come from."""

from scope_async.credentials.api_key import ApiKeyCredentials, ClientCredentials
from scope_async.credentials.protocols import (
    CachingCredentials,
    LeasedCredentials,
    WritableCredentials,
    keep_alive,
)
from scope_async.credentials.providers import (
    ChainCredentials,
    CredentialProvider,
    EnvCredentials,
    FileCredentials,
    StaticCredentials,
    as_provider,
)

__all__ = [
    "ApiKeyCredentials",
    "CachingCredentials",
    "ChainCredentials",
    "ClientCredentials",
    "CredentialProvider",
    "EnvCredentials",
    "FileCredentials",
    "LeasedCredentials",
    "StaticCredentials",
    "WritableCredentials",
    "as_provider",
    "keep_alive",
]
